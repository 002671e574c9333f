//! `docs/configuration.md` and its JSON schema are what the types of the configuration file say: written from them here.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use syn::{Attribute, Expr, ExprLit, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

use crate::common::exporter::run;
use crate::common::root;

const INTRODUCTION: &str = "\
# Configuration

The YAML file for `--config.file`. Written from the types in `src/config`; `UPDATE_GOLDEN=1 cargo test --test quick` writes
it and [configuration.schema.json](configuration.schema.json), the JSON schema for editors. Unknown keys are errors.
`zookeeper-exporter config check FILE` says whether a file can be used; SIGHUP, or `POST /-/reload` with
`--web.enable-lifecycle`, activates a changed one, completely or not at all.

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

- `static`: the members are those written.
- `dns`: every address of the names written is a member, `IP:PORT`. Names are resolved again at each scrape (an
  answer is kept for 5 s). Where a name has both A and AAAA addresses, each server is one member: at the family that answers,
  of two the IPv4 one; the other family is asked too until every address of the first answers. A name that does not resolve is reported as a member that fails with the reason `dns`; its
  last addresses are asked for five more minutes. TLS expects the name in certificates.
- `conf`: the members written are asked first. Any of them tells the membership in `conf` (ZooKeeper 3.5 and later, the word
  in the whitelist); its servers are the members from then on, observers known as such. A server is asked where the
  membership sends its clients; where it names no host, at the address under which the server of that id was reached, else
  at its quorum host; without a port, and always with TLS, at the port of the member that told. Of several quorum addresses
  (`a:2888:3888|b:2888:3888`) the first is the name of the member, and the next one is asked where it cannot be connected to. The newest version told by a
  member that serves wins. It is remembered while the ensemble is down; then the members written are asked beside it for
  another. A server that joins or leaves is seen within a minute, mostly at the second scrape. Write members or a headless
  service, not a balancer.

A discovered member is trusted as far as its ensemble: a client that can reconfigure the ensemble can direct the exporter to
other hosts, which then receive a four-letter command, but not to hosts near the exporter: link-local, multicast and unspecified addresses
are left out, and loopback unless all members written are on loopback ([security.md](security.md)). At most
`--limit.members-per-ensemble` members are asked. `zk_exporter_dropped_members_total{ensemble,reason}` counts what was left
out.

## Addresses

One address has one text, on the page, in the file and in flags: names in lower case and without a final dot, IPv6 addresses in
their short form, IPv4 addresses inside IPv6 ones as IPv4. Two members that are equal in this form are refused.

## What members share

Every command takes a connection of its own, and keeps it until its reply is there or its deadline has passed: it is never
dropped for another one. By default there are as many connections as the process may have open files, less a reserve for web
clients (`--web.max-connections`), sessions of canaries and znodes, the resolver and files: at the start the limit of open files
is raised to the hard limit (`ulimit -Hn`, `LimitNOFILE`). So hundreds of silent members simply hold theirs. `--limit.sockets`
sets the number. A quarter is for `/probe`, the rest for scrapes, so that neither starves the other. Connects are paced at
10 000 a second after a burst of 256.

Where connections do not suffice, those not asked in this scrape are asked first in the next, and those that were silent are asked
last. **What could not be asked is unknown, not down**: it has no `zk_up`, `zk_serving`, `zk_mntr_complete` and
`zk_server_state`, but `zk_scrape_failure` with the reason `limit`, and `zk_exporter_limited_members` says which limit of the
exporter's own it was; the alert [ZooKeeperExporterOverloaded](runbooks/ZooKeeperExporterOverloaded.md) tells what to raise. The
same holds where there was no descriptor, no local port, no thread for the resolver or no CPU, and where less than half of the
scrape's time (less than 250 ms, or half of the module's timeout if that is shorter) was left for the answer.

A name is looked up at each scrape, once for all who ask. Names that hang in the resolver occupy a bounded number of threads, and
far fewer once they have hung; a name for which there was no thread is unknown (reason `limit`). While the resolver is silent or says that it failed for the moment, a member is asked where it was,
for five minutes at most, with a line in the log; a name that does not exist any more fails at once with the reason `dns`.

Every request has one deadline, the scrape timeout from Prometheus less `--scrape.timeout-offset`, set when its head has been
read. Waiting for memory, verifying a password, asking the members and writing the page all end by it. Time for the page is
set aside by the measured pace of the pages before it. If a large page still cannot be written in time, what the exporter says
itself of every member is on it, and the metrics of the last members are left out: `zk_ensemble_members_omitted{ensemble}`
counts them. Raise `scrape_timeout`, choose `metrics: essential`, or scrape `/probe` for each ensemble.

A response is counted until its client has taken it. Scrapes, probes and the status page have budgets of memory of their own
([tls.md](tls.md#limits-for-clients)); a request for which there is none gets 503 with `Retry-After`. A client that has taken
nothing for three seconds is closed while a request waits.

## Probes

`/probe` queries configured and discovered members, and others only if `probe.allow` permits them. A network allows what a target
resolves to: all of its addresses must be within allowed networks, and exactly these are connected to. A pattern allows a
name wherever it leads, but for addresses around the exporter ([security.md](security.md)), which only a network allows. A
discovered member may be asked, within the same bounds as in a scrape. What is refused is answered
with 403 and the line to add.

## Metrics

`essential` is listed at the end of [metrics.md](metrics.md). Patterns stand for whole names as they are on the page
(`zk_packets_received_total`); `*` is any text, `?` one character; one that no name in metrics.md fits is a mistake. What
the exporter says itself is always there. Verdicts use every figure, shown or not.
";

/// The types by name.
#[derive(Default)]
struct Types {
    structs: BTreeMap<String, syn::ItemStruct>,
    enums: BTreeMap<String, syn::ItemEnum>,
}

fn types() -> Types {
    let mut types = Types::default();
    for file in ["raw.rs", "tls.rs", "extras.rs", "alerts.rs"] {
        let text = std::fs::read_to_string(root().join("src/config").join(file)).unwrap();
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

/// The doc comment, in one line.
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

/// `rename` and `default` of serde.
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
                    // How a type is read, which its own shape says.
                    meta.value()?.parse::<syn::LitStr>()?;
                }
                Ok(())
            })
            .unwrap();
    }
    (name, default)
}

/// The name of a type and its last argument: `Vec` and what it is of.
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

/// The kind of a value as people call it.
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

/// The keys of a value, and below them those of the values within.
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

fn schema() -> Value {
    let mut schema = types().named("File");
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "zookeeper-exporter --config.file".into();
    schema
}

fn hold(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "{} is not what the types say: UPDATE_GOLDEN=1 cargo test --test quick", path.display());
}

#[test]
fn the_reference_and_the_schema_are_what_the_types_say() {
    let schema = schema();
    hold(&root().join("docs/configuration.schema.json"), &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
    let mut text = format!("{INTRODUCTION}\n## Keys\n");
    sections("", &schema, &mut text);
    hold(&root().join("docs/configuration.md"), &text);
    for key in ["### The file", "### `ensembles[]`", "### `modules.NAME.tls`", "| `discovery` |", "### `probe`"] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn the_example_of_the_reference_can_be_used() {
    let example = INTRODUCTION.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), example).unwrap();
    let output = run(&["config", "check", file.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
