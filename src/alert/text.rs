//! Texts of conditions: placeholders become Prometheus templates in rules, and plain text elsewhere.
//!
//! `<who>` is the member or ensemble, `<value>` and `<limit>` are formatted numbers, `<for>` is the duration; `<share>`
//! is a value capped at 100 %; `<next_loss>` is what the next loss of a voter does; `<ensemble>`, `<member>`, `<subject>` and `<host>` are labels. `<info>`, `<stat>` and `<top>` are
//! commands of this exporter, which support TLS, passwords and the AdminServer. `<ask WORD>` sends a command to one
//! member with `nc`, which works only for a port without TLS. `<states>`, `<reasons>`, `<limits>`, `<down>` and
//! `<clients>` are lists that need a query.

use super::condition::Unit;
use super::expr::{Keys, Span};
use super::page::{Labels, Page, Sample};

/// Host and port of a member as two shell arguments, for names, IPv4 and IPv6.
const HOST_PORT: &str = r#"{{ reReplaceAll "^\\[?(.*?)]?:([0-9]+)$" "$1 $2" $labels.member }}"#;
const HOST: &str = r#"{{ reReplaceAll "^\\[?(.*?)]?:[0-9]+$" "$1" $labels.member }}"#;
const STATES: &str = r#"{{ range query (printf "max by (member, state) (zk_server_state{<matchers>}) == 1" <values>) | sortByLabel "member" }} {{ .Labels.member }} {{ .Labels.state }};{{ end }}"#;
const REASONS: &str = r#"{{ range query (printf "group by (reason) (zk_scrape_failure{<matchers>,member=%q})" <values> $labels.member) | sortByLabel "reason" }}{{ .Labels.reason }} {{ else }}unknown {{ end }}"#;
const LIMITS: &str = r#"{{ range query (printf "group by (limit) (zk_exporter_limited_members{<matchers>})" <values>) | sortByLabel "limit" }} {{ .Labels.limit }}{{ else }} unknown{{ end }}"#;
const DOWN: &str = r#"{{ range query (printf "max by (member) (zk_serving{<matchers>}) == 0" <values>) | sortByLabel "member" }} {{ .Labels.member }}{{ else }} none of the watched members{{ end }}"#;
const CLIENTS: &str = r#"{{ range query (printf "topk(3, max by (client) (zk_client_connection_limit_ratio{<matchers>,member=%q}))" <values> $labels.member) | sortByLabel "client" }} {{ .Labels.client }} {{ .Value | humanizePercentage }};{{ end }}"#;

/// What the next loss of a voter does, by the quorum margin.
const NEXT_LOSS: &str = "{{ if gt $value 0.0 }}the loss of one more than that stops all writes{{ else }}the loss of another one that the quorum needs stops all writes{{ end }}";

/// A count: no decimals, with an SI prefix from 1000.
const COUNT: &str = "{{ if lt $value 1000.0 }}{{ printf \"%.0f\" $value }}{{ else }}{{ $value | humanize }}{{ end }}";
/// A share computed from rates can exceed 1; it is capped at 100 %.
const SHARE: &str = "{{ if gt $value 1.0 }}100%{{ else }}{{ $value | humanizePercentage }}{{ end }}";

/// Values for the placeholders of one level.
#[derive(Clone, Debug)]
pub struct Words<'w> {
    /// Labels that identify one alert.
    pub keys: Keys,
    /// Unit of the value.
    pub unit: Unit,
    /// Limit of ensembles without their own limit.
    pub limit: Option<f64>,
    /// Ensembles with their own limit.
    pub limits: &'w [(String, f64)],
    /// How long the level must hold (`for`).
    pub hold: Span,
    /// Labels that the rules keep: without them the lists would mix clusters.
    pub keep: &'w [String],
}

impl Words<'_> {
    /// The text as a Prometheus template.
    #[must_use]
    pub fn template(&self, text: &str) -> String {
        replace(text, |placeholder| match placeholder {
            "who" => match self.keys {
                Keys::Member | Keys::Certificate | Keys::Indicator | Keys::MemberOfTarget | Keys::ServerOfMember => {
                    "member {{ $labels.member }} of ensemble {{ $labels.ensemble }}".to_owned()
                }
                Keys::Canary => {
                    "{{ with $labels.member }}member {{ . }} of {{ end }}ensemble {{ $labels.ensemble }}".to_owned()
                }
                Keys::Ensemble | Keys::Objective | Keys::Resource | Keys::Znode => {
                    "ensemble {{ $labels.ensemble }}".to_owned()
                }
                Keys::Target | Keys::EnsembleOfTarget => "{{ $labels.instance }} (job {{ $labels.job }})".to_owned(),
                Keys::Nothing => String::new(),
            },
            "value" => match self.unit {
                Unit::State | Unit::Count => COUNT.to_owned(),
                Unit::Number => "{{ $value | humanize }}".to_owned(),
                Unit::Seconds => "{{ $value | humanizeDuration }}".to_owned(),
                Unit::Bytes => "{{ $value | humanize1024 }}B".to_owned(),
                Unit::Ratio => "{{ $value | humanizePercentage }}".to_owned(),
            },
            "share" => SHARE.to_owned(),
            "next_loss" => NEXT_LOSS.to_owned(),
            "limit" => self.limit_template(),
            "ensemble" => "{{ $labels.ensemble }}".to_owned(),
            "member" => "{{ $labels.member }}".to_owned(),
            "subject" => "{{ $labels.subject }}".to_owned(),
            "path" => "{{ $labels.path }}".to_owned(),
            "instance" => "{{ $labels.instance }}".to_owned(),
            "indicator" => "{{ $labels.indicator }}".to_owned(),
            "objective" => "{{ $labels.objective }}".to_owned(),
            "resource" => "{{ $labels.resource }}".to_owned(),
            "host" => HOST.to_owned(),
            "info" | "stat" | "top" => own_command(placeholder, "{{ $labels.ensemble }}"),
            "states" => self.query(STATES),
            "reasons" => self.query(REASONS),
            "limits" => self.query(LIMITS),
            "down" => self.query(DOWN),
            "clients" => self.query(CLIENTS),
            other => match other.split_once(' ') {
                Some(("ask", word)) => format!("echo {word} | nc -w 3 {HOST_PORT}"),
                _ => self.plain_word(other),
            },
        })
    }

    /// A list, restricted to the ensemble and the kept labels of the alert.
    fn query(&self, template: &str) -> String {
        let names = || std::iter::once("ensemble").chain(self.keep.iter().map(String::as_str));
        let matchers: Vec<String> = names().map(|name| format!("{name}=%q")).collect();
        let values: Vec<String> = names().map(|name| format!("$labels.{name}")).collect();
        template.replace("<matchers>", &matchers.join(",")).replace("<values>", &values.join(" "))
    }

    /// What precedes a description: the kept labels, e.g. `cluster eu: `.
    #[must_use]
    pub fn kept(&self) -> String {
        let labels: Vec<String> = self.keep.iter().map(|name| format!("{name} {{{{ $labels.{name} }}}}")).collect();
        if labels.is_empty() { String::new() } else { format!("{}: ", labels.join(", ")) }
    }

    fn limit_template(&self) -> String {
        let usual = self.limit.map(|limit| self.unit.words(limit)).unwrap_or_default();
        let mut text = String::new();
        for (ensemble, limit) in self.limits {
            let begin = if text.is_empty() { "if" } else { "else if" };
            text.push_str(&format!("{{{{ {begin} eq $labels.ensemble \"{ensemble}\" }}}}{}", self.unit.words(*limit)));
        }
        if text.is_empty() { usual } else { format!("{text}{{{{ else }}}}{usual}{{{{ end }}}}") }
    }

    /// The text for one finding, with all placeholders replaced.
    #[must_use]
    pub fn plain(&self, text: &str, labels: &Labels, value: f64, page: &Page) -> String {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let (host, port) = match label("member").rsplit_once(':') {
            Some((host, port)) => (host.trim_matches(['[', ']']).to_owned(), port.to_owned()),
            None => (label("member"), "2181".to_owned()),
        };
        let limit = self.limits.iter().find(|(ensemble, _)| *ensemble == label("ensemble")).map(|(_, limit)| *limit);
        // The duration is unknown to a single scrape.
        let text = text.replace(", for over <for>", "").replace(" for over <for>", "");
        replace(&text, |placeholder| match placeholder {
            "who" => match self.keys {
                Keys::Member | Keys::Certificate | Keys::Indicator | Keys::MemberOfTarget | Keys::ServerOfMember => {
                    format!("member {} of ensemble {}", label("member"), label("ensemble"))
                }
                Keys::Canary if !label("member").is_empty() => {
                    format!("member {} of ensemble {}", label("member"), label("ensemble"))
                }
                Keys::Canary | Keys::Ensemble | Keys::Objective | Keys::Resource | Keys::Znode => {
                    format!("ensemble {}", label("ensemble"))
                }
                Keys::Target | Keys::EnsembleOfTarget => label("instance"),
                Keys::Nothing => String::new(),
            },
            "value" => self.unit.words(value),
            "share" => self.unit.words(value.min(1.0)),
            "next_loss" if value > 0.0 => "the loss of one more than that stops all writes".to_owned(),
            "next_loss" => "the loss of another one that the quorum needs stops all writes".to_owned(),
            "info" | "stat" | "top" => own_command(placeholder, &label("ensemble")),
            "limit" => limit.or(self.limit).map(|limit| self.unit.words(limit)).unwrap_or_default(),
            "host" => host.clone(),
            "states" => states(page, &label("ensemble")),
            "reasons" => reasons(page, labels),
            "limits" => limits(page, &label("ensemble")),
            "down" => down(page, &label("ensemble")),
            "clients" => clients(page, labels),
            other => match other.split_once(' ') {
                // No pipe character: monitoring plugins use it to separate performance data.
                Some(("ask", word)) => format!("nc -w 3 {host} {port} <<< {word}"),
                _ if labels.contains_key(other) => label(other),
                _ => self.plain_word(other),
            },
        })
    }

    fn plain_word(&self, placeholder: &str) -> String {
        match placeholder {
            "for" => in_words(self.hold),
            other => format!("<{other}>"),
        }
    }
}

impl Unit {
    /// A formatted number: `100 ms`, `80 %`, `1 GiB`, `7 days`.
    #[must_use]
    pub fn words(self, value: f64) -> String {
        match self {
            Self::State | Self::Count => grouped(value.round()),
            Self::Number => grouped(value),
            Self::Ratio => format!("{} %", short(value * 100.0)),
            Self::Bytes => {
                let units = ["B", "KiB", "MiB", "GiB", "TiB"];
                let mut scaled = (value, 0);
                while scaled.0.abs() >= 1024.0 && scaled.1 + 1 < units.len() {
                    scaled = (scaled.0 / 1024.0, scaled.1 + 1);
                }
                format!("{} {}", short(scaled.0), units[scaled.1])
            }
            Self::Seconds => match value.abs() {
                0.0 => "0 s".to_owned(),
                size if size < 1.0 => format!("{} ms", short(value * 1000.0)),
                size if size < 120.0 => format!("{} s", short(value)),
                size if size < 7200.0 => format!("{} minutes", short(value / 60.0)),
                size if size < 172_800.0 => format!("{} hours", short(value / 3600.0)),
                _ => format!("{} days", short(value / 86_400.0)),
            },
        }
    }
}

/// The samples with this name of one ensemble.
fn of_ensemble<'p>(page: &'p Page, name: &str, ensemble: &str) -> impl Iterator<Item = &'p Sample> {
    page.samples(name).iter().filter(move |sample| sample.labels.get("ensemble").is_some_and(|name| name == ensemble))
}

/// Like the template's output: ` zk-1:2181 leader; zk-2:2181 follower;`.
fn states(page: &Page, ensemble: &str) -> String {
    let is = of_ensemble(page, "zk_server_state", ensemble).filter(|sample| sample.value > 0.0);
    is.map(|sample| format!(" {} {};", word(sample, "member"), word(sample, "state"))).collect()
}

/// Like the template's output: `connect ` or `unknown `.
fn reasons(page: &Page, labels: &Labels) -> String {
    let of_member =
        |sample: &&Sample| ["ensemble", "member"].iter().all(|name| sample.labels.get(*name) == labels.get(*name));
    let failures = page.samples("zk_scrape_failure").iter().filter(of_member);
    let reasons: std::collections::BTreeSet<&str> = failures.map(|sample| word(sample, "reason")).collect();
    let text: String = reasons.into_iter().map(|reason| format!("{reason} ")).collect();
    if text.is_empty() { "unknown ".to_owned() } else { text }
}

/// Like the template's output: ` deadline sockets`.
fn limits(page: &Page, ensemble: &str) -> String {
    let limited = of_ensemble(page, "zk_exporter_limited_members", ensemble);
    let limits: std::collections::BTreeSet<&str> = limited.map(|sample| word(sample, "limit")).collect();
    if limits.is_empty() {
        " unknown".to_owned()
    } else {
        limits.into_iter().map(|limit| format!(" {limit}")).collect()
    }
}

/// Like the template's output: ` zk-1:2181 zk-2:2181`.
fn down(page: &Page, ensemble: &str) -> String {
    let out = of_ensemble(page, "zk_serving", ensemble).filter(|sample| sample.value == 0.0);
    let text: String = out.map(|sample| format!(" {}", word(sample, "member"))).collect();
    if text.is_empty() { " none of the watched members".to_owned() } else { text }
}

/// Like the template's output: ` 10.0.0.5 90 %; 10.0.0.6 12 %;`.
fn clients(page: &Page, labels: &Labels) -> String {
    let of_member =
        |sample: &&Sample| ["ensemble", "member"].iter().all(|name| sample.labels.get(*name) == labels.get(*name));
    let mut ratios: Vec<(&str, f64)> = page
        .samples("zk_client_connection_limit_ratio")
        .iter()
        .filter(of_member)
        .map(|sample| (word(sample, "client"), sample.value))
        .collect();
    ratios.sort_by(|(one, ratio), (other, more)| more.total_cmp(ratio).then(one.cmp(other)));
    ratios.truncate(3);
    ratios.sort_unstable_by_key(|(client, _)| *client);
    ratios.iter().map(|(client, ratio)| format!(" {client} {};", Unit::Ratio.words(*ratio))).collect()
}

fn word<'s>(sample: &'s Sample, label: &str) -> &'s str {
    sample.labels.get(label).map_or("", String::as_str)
}

/// A command without its pipeline: monitoring plugins use the pipe character to separate performance data.
pub(super) fn without_pipes(text: &str) -> String {
    text.split(" - ").map(|part| part.split(" | ").next().unwrap_or(part)).collect::<Vec<_>>().join(" - ")
}

/// A command of this exporter for a configured ensemble.
fn own_command(command: &str, ensemble: &str) -> String {
    format!("zookeeper-exporter {command} --config.file FILE --ensemble {ensemble}")
}

/// With thousands separators: `5,000,000`.
fn grouped(value: f64) -> String {
    let text = short(value);
    let digits = text.trim_start_matches('-').find('.').unwrap_or(text.trim_start_matches('-').len());
    let begin = text.len() - text.trim_start_matches('-').len();
    let mut out = String::with_capacity(text.len() + digits / 3);
    for (place, character) in text.char_indices() {
        if place > begin && place < begin + digits && (digits - (place - begin)).is_multiple_of(3) {
            out.push(',');
        }
        out.push(character);
    }
    out
}

/// At most three decimals, without trailing zeros.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `10 minutes`, `1 hour`.
#[must_use]
pub fn in_words(span: Span) -> String {
    let (number, unit) = match span.0 {
        0 => return "a moment".to_owned(),
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3600 == 0 => (s / 3600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Replaces every `<...>`; a `<` without a `>` on the same line is kept.
pub(super) fn replace(text: &str, with: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        match behind.split_once('>') {
            Some((placeholder, after)) if placeholder.starts_with(|c: char| c.is_ascii_lowercase()) => {
                out.push_str(&with(placeholder));
                rest = after;
            }
            _ => {
                out.push('<');
                rest = behind;
            }
        }
    }
    out + rest
}
