//! `docs/configuration.md` and its JSON schema, generated from the types of the configuration file.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use syn::{Attribute, Expr, ExprLit, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

use crate::{File, read};

const INTRODUCTION: &str = "\
# Configuration

The YAML file for `--config.file`. This page and [configuration.schema.json](configuration.schema.json), the JSON schema for
editors, are generated from the types in `src/config` by `cargo xtask gen`. Unknown keys are errors.
`zookeeper-exporter config check FILE` validates a file; SIGHUP, or `POST /-/reload` with `--web.enable-lifecycle`, activates
a changed one, completely or not at all.

```yaml
# yaml-language-server: $schema=configuration.schema.json
ensembles:
  - name: prod
    members: [zk-1:2181, zk-2:2181, zk-3:2181, {address: zk-4:2181, role: observer}]
  - name: search
    members: [zk-headless.search.svc:2181]
    discovery: dns
    module: small
  - name: kafka
    members: [zk-a:2181, zk-b:2181]
    discovery: conf
modules:
  default: {timeout: 5s, commands: [mntr, srvr, conf]}
  small: {timeout: 3s, metrics: essential}
probe:
  allow: ['10.0.0.0/8:2181', '*.zk.example.com:2181-2183']
```

## Discovery

- `static`: the configured members.
- `dns`: every address of the configured names is a member, `IP:PORT`. Names are resolved at each scrape (an answer is cached
  for 5 s). If a name has both A and AAAA addresses, each server is one member: at the family that answers, or the IPv4
  address if both do; the other family is queried, too, until every address of the first one answers. A name that does not
  resolve is reported as a member with the failure reason `dns`; its last addresses are used for five more minutes. TLS
  expects the name in certificates.
- `conf`: the configured members are queried first. Any of them reports the membership in `conf` (ZooKeeper 3.5 and later,
  with the command in the whitelist); from then on its servers are the members, with observers known as such. A server is
  queried at its client address in the membership. If that has no host, the exporter uses the address at which the server
  with this id was reached, else its quorum host; without a client port, and always with TLS, it uses the port of the
  reporting member. With several quorum addresses (`a:2888:3888|b:2888:3888`) the first one names the member, and the next
  one is used if the first cannot be connected to. The newest version reported by a serving member wins. It is kept while the
  ensemble is down, and the configured members are queried in addition. A server that joins or leaves is noticed within a
  minute, usually at the second scrape. Configure members or a headless service, not a load balancer.

A discovered member is trusted as far as its ensemble: a client that can reconfigure the ensemble can direct the exporter to
other hosts, which then receive a four-letter command, but not to local addresses: link-local, multicast and unspecified
addresses are refused, and loopback unless all configured members are on loopback ([security.md](security.md)). At most
`--limit.members-per-ensemble` members are queried. `zk_exporter_dropped_members_total{ensemble,reason}` counts the omitted
ones.

## Addresses

An address has one canonical text in metrics, files and flags: names in lower case and without a final dot, IPv6 addresses in
their short form, IPv4-mapped IPv6 addresses as IPv4. Two members that are equal in this form are refused.

## Limits of connections and time

Every command uses its own connection, until its reply is complete or its deadline has passed; a connection is never closed to
free it for another command. By default the number of connections is the limit of open files, less a reserve for web clients
(`--web.max-connections`), sessions of canaries and znodes, the resolver and files: at the start the limit of open files is
raised to the hard limit (`ulimit -Hn`, `LimitNOFILE`). So hundreds of silent members just occupy their connections.
`--limit.sockets` sets the number. A quarter is for `/probe`, the rest for scrapes, so that neither starves the other.
Connects are limited to 10 000 per second after a burst of 256.

If the connections do not suffice, members that were not queried in this scrape are queried first in the next one, and members
that did not reply are queried last. **A member that could not be queried is unknown, not down**: it has no `zk_up`,
`zk_serving`, `zk_mntr_complete` and `zk_server_state`, but `zk_scrape_failure` with the reason `limit`, and
`zk_exporter_limited_members` names the limit of the exporter; the alert
[ZooKeeperExporterOverloaded](runbooks/ZooKeeperExporterOverloaded.md) explains which one to raise. The same applies without a
file descriptor, local port, resolver thread or CPU, and if less than half of the scrape's time (less than 250 ms, or half of
the module's timeout if that is shorter) was left for the reply.

A name is looked up once per scrape for all its members. Names that hang in the resolver occupy a bounded number of threads, and
far fewer once they have hung; a name without a free thread is unknown (reason `limit`). While the resolver does not answer or
reports a temporary failure, the member is queried at its previous address for at most five minutes, with a line in the log; a
name that no longer exists fails at once with the reason `dns`.

Every request has one deadline, the scrape timeout from Prometheus less `--scrape.timeout-offset`, set when its head has been
read. Waiting for memory, verifying a password, querying the members and writing the response all end by it. Time for the
response is reserved according to the measured rate of earlier responses. If a large response still cannot be written in time,
it has the exporter's own metrics of every member, and the metrics of the last members are omitted:
`zk_ensemble_members_omitted{ensemble}` counts them. Raise `scrape_timeout`, set `metrics: essential`, or scrape `/probe` for
each ensemble.

A response counts until its client has read it. Scrapes, probes and the status page have separate memory budgets
([tls.md](tls.md#limits-for-clients)); a request without budget gets 503 with `Retry-After`. A client that has read nothing for
three seconds is closed while another request waits.

## Probes

`/probe` queries configured and discovered members, and others only if `probe.allow` permits them. A network allows the resolved
addresses of a target: all of them must be within allowed networks, and only these are connected to. A name pattern allows a name
whatever it resolves to, except local addresses ([security.md](security.md)), which only a network allows. A discovered member
may be queried with the same restrictions as in a scrape. A refused target gets 403 with the line to add.

## Metrics

`essential` is listed at the end of [metrics.md](metrics.md). Patterns match whole metric names (`zk_packets_received_total`);
`*` is any text, `?` one character; a pattern that matches no name in metrics.md is an error. The exporter's own metrics are
always exported. Verdicts use all values, exported or not.
";

/// The types by name.
#[derive(Default)]
struct Types {
    structs: BTreeMap<String, syn::ItemStruct>,
    enums: BTreeMap<String, syn::ItemEnum>,
}

fn types() -> Types {
    let mut types = Types::default();
    for file in ["raw.rs", "tls.rs", "probes.rs", "alerts.rs"] {
        let text = read(&format!("src/config/{file}"));
        for item in syn::parse_file(&text).unwrap().items {
            match item {
                Item::Struct(item) => drop(types.structs.insert(item.ident.to_string(), item)),
                Item::Enum(item) => drop(types.enums.insert(item.ident.to_string(), item)),
                _ => {}
            }
        }
    }
    types
}

/// The doc comment as one line.
fn doc(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(line).collect::<Vec<_>>().join(" ")
}

/// The `rename` and `default` attributes of serde.
fn serde_says(attributes: &[Attribute]) -> (Option<String>, bool) {
    let (mut name, mut default) = (None, false);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute
            .parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    name = Some(meta.value()?.parse::<syn::LitStr>()?.value());
                } else if meta.path.is_ident("default") {
                    default = true;
                } else if meta.path.is_ident("deserialize_with") {
                    // The deserialiser does not matter: the type itself gives the shape.
                    meta.value()?.parse::<syn::LitStr>()?;
                }
                Ok(())
            })
            .unwrap();
    }
    (name, default)
}

/// The name of a type and its last type argument, e.g. `Vec` and its element.
fn split(kind: &Type) -> (String, Option<&Type>) {
    let Type::Path(path) = kind else { panic!("a type that the reference does not know") };
    let last = path.path.segments.last().unwrap();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(inner) => Some(inner),
                _ => None,
            })
            .last(),
        _ => None,
    };
    (last.ident.to_string(), inner)
}

impl Types {
    fn schema(&self, kind: &Type) -> Value {
        let (name, inner) = split(kind);
        match (name.as_str(), inner) {
            ("Option" | "Spanned" | "Box", Some(inner)) => self.schema(inner),
            ("Vec", Some(inner)) => json!({"type": "array", "items": self.schema(inner)}),
            ("BTreeMap", Some(inner)) => json!({"type": "object", "additionalProperties": self.schema(inner)}),
            ("String", _) => json!({"type": "string"}),
            ("bool", _) => json!({"type": "boolean"}),
            ("u16" | "u32" | "u64" | "usize", _) => json!({"type": "integer", "minimum": 0}),
            ("i64", _) => json!({"type": "integer"}),
            ("f64", _) => json!({"type": "number"}),
            (name, _) => self.named(name),
        }
    }

    fn named(&self, name: &str) -> Value {
        if let Some(item) = self.enums.get(name) {
            let of = |variant: &syn::Variant| match &variant.fields {
                Fields::Unnamed(fields) => self.schema(&fields.unnamed[0].ty),
                _ => panic!("{name} has a variant that the reference does not know"),
            };
            return json!({"anyOf": item.variants.iter().map(of).collect::<Vec<_>>()});
        }
        let item = self.structs.get(name).unwrap_or_else(|| panic!("{name} is in none of the files read here"));
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in &item.fields {
            let (renamed, default) = serde_says(&field.attrs);
            let key = renamed.unwrap_or_else(|| field.ident.as_ref().unwrap().to_string());
            let mut schema = self.schema(&field.ty);
            let meaning = doc(&field.attrs);
            assert!(!meaning.is_empty(), "{name}.{key} has no doc comment");
            schema["description"] = meaning.into();
            if !default && split(&field.ty).0 != "Option" {
                required.push(key.clone());
            }
            properties.insert(key, schema);
        }
        json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
    }
}

/// The name of a type as used in the documentation.
fn word(schema: &Value) -> String {
    if let Some(any) = schema["anyOf"].as_array() {
        let mut words: Vec<_> = any.iter().map(word).collect();
        words.dedup();
        return words.join(" or ");
    }
    match (schema["type"].as_str().unwrap(), &schema["items"], &schema["additionalProperties"]) {
        ("array", items, _) => format!("list of {}", word(items)),
        ("object", _, values @ Value::Object(_)) => format!("map of {}", word(values)),
        ("object", ..) => "keys".into(),
        (kind, ..) => kind.into(),
    }
}

/// The keys of a value, followed by the keys of nested values.
fn sections(title: &str, schema: &Value, out: &mut String) {
    if let Some(any) = schema["anyOf"].as_array() {
        for one in any {
            sections(title, one, out);
        }
    }
    match &schema["items"] {
        Value::Null => {}
        items => sections(&format!("{title}[]"), items, out),
    }
    if schema["additionalProperties"].is_object() {
        sections(&format!("{title}.NAME"), &schema["additionalProperties"], out);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    let heading = if title.is_empty() { "The file".to_owned() } else { format!("`{title}`") };
    out.push_str(&format!("\n### {heading}\n\n| key | value | required | meaning |\n|---|---|---|---|\n"));
    for (key, value) in properties {
        let required = schema["required"].as_array().unwrap().iter().any(|name| name == key);
        let meaning = value["description"].as_str().unwrap().replace('|', "\\|");
        out.push_str(&format!("| `{key}` | {} | {} | {meaning} |\n", word(value), if required { "yes" } else { "" }));
    }
    for (key, value) in properties {
        let below = if title.is_empty() { key.clone() } else { format!("{title}.{key}") };
        sections(&below, value, out);
    }
}

/// The JSON schema of the configuration file.
pub(crate) fn schema() -> Value {
    let mut schema = types().named("RawFile");
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "zookeeper-exporter --config.file".into();
    schema
}

/// The reference and the schema.
pub(super) fn files() -> [File; 2] {
    let schema = schema();
    let mut text = format!("{INTRODUCTION}\n## Keys\n");
    sections("", &schema, &mut text);
    let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    [("docs/configuration.md".to_owned(), text), ("docs/configuration.schema.json".to_owned(), schema)]
}
