//! Output of a monitoring plugin: one status, one line of text, performance data, and details.
//!
//! Follows the Monitoring Plugins Development Guidelines: exit codes 0 to 3, a first line, performance data after a
//! pipe character, long output in the following lines.

mod range;
mod single;
mod whole;

use std::fmt::Write;

pub use range::{BadRange, Range};
pub use single::{Question, single};
pub use whole::{Of, whole};

use super::condition::Severity;
use super::text::short;
use crate::text;

/// Plugin status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No findings.
    Ok,
    /// At least one warning.
    Warning,
    /// At least one critical finding.
    Critical,
    /// The status cannot be determined.
    Unknown,
}

impl Status {
    /// The status as printed in the first line.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The more severe status: critical, warning, unknown, ok.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |status: Self| match status {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Severity> for Status {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Ok,
        }
    }
}

/// One performance data value with its ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Metric and subject: `SlowFsync zk-1:2181`.
    pub label: String,
    /// The value; NaN is printed as `U`.
    pub value: f64,
    /// Unit of measurement: `s`, `B`, `%`, `c` or empty.
    pub unit: &'static str,
    /// Warning range.
    pub warning: Option<Range>,
    /// Critical range.
    pub critical: Option<Range>,
    /// Whether it belongs to a single member.
    pub of_member: bool,
}

/// One finding, or one requested value.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// Its status.
    pub status: Status,
    /// Name of the alert or metric.
    pub name: String,
    /// Labels of the subject.
    pub labels: super::page::Labels,
    /// The value.
    pub value: f64,
    /// The description.
    pub text: String,
    /// URL of the runbook.
    pub runbook: Option<String>,
}

/// The complete output of a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginOutput {
    /// The most severe status.
    pub status: Status,
    /// The first line, without the status.
    pub line: String,
    /// Performance data.
    pub figures: Vec<Figure>,
    /// Findings, most severe first.
    pub details: Vec<Detail>,
    /// Conditions that could not be evaluated, and the reasons.
    pub notes: Vec<String>,
}

/// Limit of the performance data; Nagios truncates plugin output at 8 kB, the rest is left for text.
const MAX_FIGURE_BYTES: usize = 5000;

impl PluginOutput {
    /// Output for a status that could not be determined.
    #[must_use]
    pub fn unknown(line: String) -> Self {
        Self { status: Status::Unknown, line, figures: Vec::new(), details: Vec::new(), notes: Vec::new() }
    }

    /// Removes the performance data of members, or all of it.
    #[must_use]
    pub fn with_figures(mut self, of_ensembles: bool, of_members: bool) -> Self {
        self.figures.retain(|figure| if figure.of_member { of_members } else { of_ensembles });
        self
    }

    /// Output for Nagios, Icinga and compatible systems. Notes are included from `verbose` 1.
    #[must_use]
    pub fn nagios(&self, verbose: u8) -> String {
        let mut out = format!("ZOOKEEPER {} - {}", self.status.text(), plain(&self.line));
        let mut figures = String::new();
        let mut left_out = 0;
        for figure in &self.figures {
            let text = figure.text();
            if figures.len() + text.len() < MAX_FIGURE_BYTES {
                figures.push(' ');
                figures.push_str(&text);
            } else {
                left_out += 1;
            }
        }
        if !figures.is_empty() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(out, " |{figures}");
        }
        out.push('\n');
        for detail in &self.details {
            let _ = writeln!(out, "{} {}: {}", detail.status.text(), detail.name, plain(&detail.text));
            if let Some(runbook) = &detail.runbook {
                let _ = writeln!(out, "  {runbook}");
            }
        }
        if left_out > 0 {
            let _ = writeln!(out, "{left_out} values omitted: Nagios would truncate the output");
        }
        if verbose > 0 {
            self.notes.iter().for_each(|note| {
                let _ = writeln!(out, "{}", plain(note));
            });
        }
        out
    }

    /// Output as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let details: Vec<_> = self
            .details
            .iter()
            .map(|detail| {
                serde_json::json!({
                    "status": detail.status.text(), "name": detail.name, "labels": detail.labels,
                    "value": detail.value, "text": detail.text, "runbook": detail.runbook,
                })
            })
            .collect();
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|figure| {
                let range = |range: Option<Range>| range.map(|range| range.to_string());
                let (name, subject) = figure.label.split_once(' ').unwrap_or((&figure.label, ""));
                serde_json::json!({
                    "label": figure.label, "name": name, "subject": subject, "value": figure.value, "unit": figure.unit,
                    "warning": range(figure.warning), "critical": range(figure.critical),
                })
            })
            .collect();
        let whole = serde_json::json!({
            "status": self.status.text(), "code": self.status.code(), "line": self.line,
            "details": details, "figures": figures, "notes": self.notes,
        });
        crate::text::escape_json(&format!("{whole:#}\n")).into_owned()
    }

    /// Output for the textfile collector of `node_exporter`.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut out = format!(
            "# HELP zk_check_status State of the last check: 0 ok, 1 warning, 2 critical, 3 unknown.\n\
             # TYPE zk_check_status gauge\nzk_check_status {}\n",
            self.status.code()
        );
        if self.details.is_empty() {
            return out;
        }
        out.push_str(
            "# HELP zk_check_finding Value of each condition that held at the last check.\n# TYPE zk_check_finding gauge\n",
        );
        for detail in &self.details {
            let severity = detail.status.text().to_lowercase();
            let _ = write!(out, "zk_check_finding{{alert=\"{}\",severity=\"{severity}\"", escaped(&detail.name));
            for (name, value) in &detail.labels {
                let _ = write!(out, ",{name}=\"{}\"", escaped(value));
            }
            let _ = writeln!(out, "}} {}", detail.value);
        }
        out
    }
}

impl Figure {
    /// `'label'=value[unit];[warning];[critical];;`
    fn text(&self) -> String {
        let range = |range: Option<Range>| range.map(|range| range.to_string()).unwrap_or_default();
        let label = self.label.replace('\'', "''").replace('=', "_");
        let value = if self.value.is_finite() { short(self.value) } else { "U".to_owned() };
        let unit = if self.value.is_finite() { self.unit } else { "" };
        let text = format!("'{}'={value}{unit};{};{}", plain(&label), range(self.warning), range(self.critical));
        text.trim_end_matches(';').to_owned()
    }
}

/// Replaces the pipe character, which starts performance data, and line breaks; escapes other unprintable characters.
fn plain(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c == '|' {
                '/'
            } else if c.is_control() {
                ' '
            } else if text::is_unprintable(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> PluginOutput {
        PluginOutput {
            status: Status::Critical,
            line: "a | b\nc".into(),
            figures: vec![
                Figure {
                    label: "Slow'Fsync zk-1:2181".into(),
                    value: 0.0125,
                    unit: "s",
                    warning: "0.1".parse().ok(),
                    critical: "~:0.5".parse().ok(),
                    of_member: true,
                },
                Figure {
                    label: "x=y\u{202e}".into(),
                    value: f64::NAN,
                    unit: "s",
                    warning: None,
                    critical: None,
                    of_member: false,
                },
            ],
            details: vec![Detail {
                status: Status::Critical,
                name: "A".into(),
                labels: [("member".to_owned(), "q\"\\".to_owned())].into(),
                value: 2.0,
                text: "x|y".into(),
                runbook: Some("https://r".into()),
            }],
            notes: vec!["n".into()],
        }
    }

    #[test]
    fn nagios_output_has_one_line_perfdata_and_details() {
        let told = told();
        let figures = "'Slow''Fsync zk-1:2181'=0.013s;0.1;~:0.5 'x_y\u{fffd}'=U";
        let short = format!("ZOOKEEPER CRITICAL - a / b c | {figures}\nCRITICAL A: x/y\n  https://r\n");
        assert_eq!(told.nagios(0), short);
        assert_eq!(told.nagios(1), format!("{short}n\n"));
    }

    #[test]
    fn perfdata_above_the_limit_of_nagios_is_omitted_and_counted() {
        let figure = told().figures.swap_remove(0);
        let told = PluginOutput { figures: vec![figure; 400], ..told() };
        let text = told.nagios(0);
        assert!(text.len() < 8000 && text.contains("values omitted"), "{} bytes", text.len());
    }

    #[test]
    fn perfdata_is_filtered_by_members_and_ensembles() {
        let labels = |told: PluginOutput| told.figures.into_iter().map(|figure| figure.of_member).collect::<Vec<_>>();
        assert_eq!(labels(told().with_figures(true, true)), [true, false]);
        assert_eq!(labels(told().with_figures(true, false)), [false]);
        assert_eq!(labels(told().with_figures(false, false)), [false; 0]);
    }

    #[test]
    fn json_output_has_the_same_content() {
        let json: serde_json::Value = serde_json::from_str(&told().json()).unwrap_or_default();
        assert_eq!((&json["code"], &json["figures"][0]["critical"]), (&2.into(), &"~:0.5".into()));
        assert!(
            told()
                .prometheus()
                .contains("zk_check_finding{alert=\"A\",severity=\"critical\",member=\"q\\\"\\\\\"} 2\n")
        );
    }

    #[test]
    fn the_most_severe_status_wins_and_unknown_is_above_ok_only() {
        use Status::{Critical, Ok, Unknown, Warning};
        for (one, other, worst) in
            [(Ok, Unknown, Unknown), (Unknown, Warning, Warning), (Warning, Critical, Critical), (Ok, Ok, Ok)]
        {
            assert_eq!((one.worse(other), other.worse(one)), (worst, worst));
        }
    }
}
