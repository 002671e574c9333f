//! The texts of the catalogue, with Zabbix macros.

use super::item::prefix;
use crate::alert::condition::{Condition, Unit};
use crate::alert::expr::{Keys, Span};
use crate::alert::text::{in_words, replace};

/// A limit as a macro value, with Zabbix suffixes.
pub(super) fn limit(unit: Unit, value: f64) -> String {
    let units: &[(f64, &str)] = match unit {
        Unit::Seconds => &[(86_400.0, "d"), (3600.0, "h")],
        Unit::Bytes => &[(1_073_741_824.0, "G"), (1_048_576.0, "M"), (1024.0, "K")],
        _ => &[],
    };
    let fits = units.iter().find(|(size, _)| value >= *size && (value / size).fract() == 0.0);
    fits.map_or_else(|| format!("{value}"), |(size, letter)| format!("{}{letter}", value / size))
}

/// Values for the placeholders of one condition.
pub(super) struct Words<'w> {
    pub(super) condition: &'w Condition,
    pub(super) rule: Keys,
    pub(super) hold: Span,
    /// The macro of the limit.
    pub(super) limit: &'w str,
    /// Whether the limit is shorter than an hour.
    pub(super) short: bool,
    /// The number that is compared with the limit.
    pub(super) value: Option<&'w str>,
}

impl Words<'_> {
    /// The event name: the description with its numbers.
    pub(super) fn event(&self) -> String {
        // Omitted, since the problem links to the member's own triggers and items.
        let says = [
            "(reached:<limits>)",
            "(reason: <reasons>seen by the exporter)",
            "(reason: <reasons>seen by the exporter",
            " Members:<states>",
            " Nearest to it:<clients>",
        ];
        let mut text = self.condition.says.replace(" Not serving:<down>.", "");
        for part in says {
            text = text.replace(&format!(" {part}"), "").replace(part, "");
        }
        let filled = self.fill(&text);
        format!("{}: {filled}", prefix(self.rule))
    }

    /// The trigger comment: meaning, impact and first action.
    pub(super) fn comment(&self) -> String {
        let Condition { meaning, impact, first, .. } = self.condition;
        self.fill(&format!("{meaning} {impact} {first}"))
    }

    fn fill(&self, text: &str) -> String {
        let text =
            text.replace("Prometheus' targets page", "its item zk.page in Zabbix").replace("Prometheus", "Zabbix");
        replace(&text, |placeholder| match placeholder {
            "who" => match self.rule {
                Keys::Member | Keys::Certificate => "member {#MEMBER} of ensemble {#ENSEMBLE}".to_owned(),
                Keys::Target => "{HOST.NAME}".to_owned(),
                _ => "ensemble {#ENSEMBLE}".to_owned(),
            },
            "value" | "share" => self.value(),
            "info" | "stat" | "top" => {
                format!("zookeeper-exporter {placeholder} --config.file FILE --ensemble {{#ENSEMBLE}}")
            }
            "limit" => match self.condition.unit {
                // Longer durations are written with a suffix.
                Unit::Seconds if self.short => format!("{} s", self.limit),
                _ => self.limit.to_owned(),
            },
            "next_loss" => "the loss of one more than that stops all writes".to_owned(),
            "ensemble" => "{#ENSEMBLE}".to_owned(),
            "member" => "{#MEMBER}".to_owned(),
            "subject" => "{#SUBJECT}".to_owned(),
            "path" => "{#PATH}".to_owned(),
            "instance" => "{HOST.NAME}".to_owned(),
            "host" if self.rule == Keys::Member => "its host".to_owned(),
            "host" => "the host".to_owned(),
            "for" => in_words(self.hold),
            other => match other.split_once(' ') {
                Some(("ask", word)) => format!("echo {word} | nc -w 3 HOST PORT"),
                _ => format!("<{other}>"),
            },
        })
    }

    fn value(&self) -> String {
        let Some(value) = self.value else { return "{ITEM.LASTVALUE1}".to_owned() };
        let (scaled, unit) = match self.condition.unit {
            Unit::State | Unit::Count | Unit::Number | Unit::Ratio => (value.to_owned(), ""),
            Unit::Bytes => (format!("({value})/1048576"), " MiB"),
            Unit::Seconds if value.contains("now()") => (format!("({value})/86400"), " days"),
            Unit::Seconds => (value.to_owned(), " s"),
        };
        let digits = if self.condition.unit == Unit::Count { 0 } else { 3 };
        format!("{{{{?{scaled}}}.fmtnum({digits})}}{unit}")
    }
}

/// `{$ZK.SLOW_FSYNC.WARN}`, with the ensemble as context if there is one.
pub(super) fn macro_name(condition: &Condition, level: &str, context: Option<&str>) -> String {
    let mut name = String::new();
    for letter in condition.name.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    let context = context.map(|context| format!(":\"{context}\"")).unwrap_or_default();
    format!("{{$ZK.{name}.{level}{context}}}")
}

/// A sentence without its period.
pub(super) fn sentence(text: &str) -> &str {
    text.trim_end_matches('.')
}

/// The description of a limit macro.
pub(super) fn described(condition: &Condition, severity: &str) -> String {
    let unit = match condition.unit {
        Unit::Seconds => ", in seconds or with a suffix such as d",
        Unit::Bytes => ", in bytes or with a suffix such as M",
        Unit::Ratio => ", as a fraction of 1",
        Unit::State | Unit::Count | Unit::Number => "",
    };
    format!("Limit of {} ({severity}){unit}.", condition.alert())
}
