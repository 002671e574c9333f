//! `alerts:` of the configuration file: thresholds as written. Names and numbers are validated by `alert`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::error::Mistake;
use super::{ConfigError, Place, duration, file, template};
use crate::text;

/// Settings of the alerts; names and numbers are not yet checked against the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// URL of the runbooks; the name of the alert and `.md` are appended.
    pub runbooks: Option<String>,
    /// URL of the dashboards; the UID of the dashboard and its variables are appended.
    pub dashboards: Option<String>,
    /// Labels that alerts keep in addition to `ensemble` and `member`, e.g. `cluster`.
    pub keep_labels: Vec<String>,
    /// Labels that every alert gets.
    pub labels: BTreeMap<String, String>,
    /// The oldest ZooKeeper release that is monitored.
    pub zookeeper: Option<String>,
    /// The oldest Prometheus release that evaluates the rules.
    pub prometheus: Option<String>,
    /// Whether members export JVM metrics.
    pub jvm: Option<bool>,
    /// The default profile of ensembles.
    pub profile: Option<Located<String>>,
    /// Profiles of single ensembles, by name.
    pub profiles: Vec<(String, Located<String>)>,
    /// Settings for every ensemble.
    pub settings: Vec<AlertSetting>,
    /// Settings for one ensemble.
    pub ensembles: Vec<(Located<String>, Vec<AlertSetting>)>,
}

impl Alerts {
    /// The base URL of the runbooks; `None` if it is a template, which only Prometheus can expand.
    #[must_use]
    pub fn runbook_base(&self) -> Option<&str> {
        self.runbooks.as_deref().filter(|url| !url.contains("{{"))
    }
}

/// A value with its position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its position.
    pub place: Place,
}

/// Settings of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSetting {
    /// Its name, with or without `ZooKeeper`.
    pub name: Located<String>,
    /// The level `warning`.
    pub warning: Option<Located<LevelSetting>>,
    /// The level `critical`.
    pub critical: Option<Located<LevelSetting>>,
    /// How long the condition must hold before the alert fires.
    pub hold: Option<Located<Duration>>,
    /// Switches all levels of the condition on (`true`) or off.
    pub whole: Option<bool>,
}

/// Setting of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LevelSetting {
    /// `on` or `off`.
    Switch(bool),
    /// A number, or a number with its unit: `10`, `300ms`, `85%`, `2GiB`, `14d`.
    Limit(String),
}

/// `alerts:` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlerts {
    /// URL of the runbooks; the name of the alert and `.md` are appended.
    runbook_url: Option<Spanned<String>>,
    /// URL of the dashboards, e.g. `https://grafana.example.com/d`; every alert gets the annotation `dashboard_url`, to
    /// which the UID of a dashboard and its variables are appended.
    dashboard_url: Option<Spanned<String>>,
    /// Labels that alerts keep in addition to `ensemble` and `member`.
    #[serde(default)]
    keep_labels: Vec<Spanned<String>>,
    /// Labels that every alert gets.
    #[serde(default)]
    labels: BTreeMap<String, Spanned<String>>,
    /// The oldest ZooKeeper release that is monitored, `3.5`; rules that need a newer one are omitted.
    zookeeper: Option<Spanned<String>>,
    /// The oldest Prometheus release that evaluates the rules, `2.40`; below 2.42 they have no `keep_firing_for`.
    prometheus: Option<Spanned<String>>,
    /// Whether members export JVM metrics (`exportJvmInfo`); `false` omits those rules.
    jvm: Option<bool>,
    /// Levels of conditions, for every ensemble.
    #[serde(default)]
    thresholds: BTreeMap<String, Spanned<RawSetting>>,
    /// Levels of conditions, for one ensemble.
    #[serde(default)]
    ensembles: BTreeMap<String, Spanned<BTreeMap<String, Spanned<RawSetting>>>>,
}

/// `off`, or levels.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected on, off or {warning: LIMIT, critical: LIMIT, for: 5m}")]
enum RawSetting {
    Whole(bool),
    Word(String),
    Levels(Box<RawLevels>),
}

/// The levels of one condition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLevels {
    /// The limit of the early warning.
    warning: Option<Spanned<RawLevel>>,
    /// The limit of the critical alert.
    critical: Option<Spanned<RawLevel>>,
    /// How long the condition must hold before the alert fires.
    #[serde(rename = "for")]
    hold: Option<Spanned<String>>,
}

/// One level.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number, a number with its unit (300ms, 85%, 2GiB, 14d), on or off")]
enum RawLevel {
    Switch(bool),
    Whole(i64),
    Fraction(f64),
    Text(String),
}

impl RawAlerts {
    /// Checks the form.
    pub(super) fn validate(self, path: &Path) -> Result<Alerts, ConfigError> {
        let place = |at: Location| file::place(path, at.line(), at.column());
        let error = |at: Location, message: String| ConfigError { place: place(at), message };
        let mut valid = Alerts { jvm: self.jvm, ..Alerts::default() };
        let url = |url: Option<Spanned<String>>, example: &str| {
            let Some(url) = url else { return Ok(None) };
            if !url.value.starts_with("http://") && !url.value.starts_with("https://") {
                let message = format!("invalid URL `{}`: expected e.g. {example}", url.value);
                return Err(error(url.referenced, message));
            }
            check_template(&url.value).map_err(|message| error(url.referenced, message))?;
            Ok(Some(url.value))
        };
        valid.runbooks = url(self.runbook_url, "https://wiki.example.com/zookeeper")?;
        valid.dashboards = url(self.dashboard_url, "https://grafana.example.com/d")?;
        for label in self.keep_labels {
            check_label(&label.value)
                .and_then(|()| check_kept(&label.value))
                .map_err(|message| error(label.referenced, message))?;
            valid.keep_labels.push(label.value);
        }
        for (name, value) in self.labels {
            check_label(&name)
                .and_then(|()| check_template(&value.value))
                .map_err(|message| error(value.referenced, message))?;
            valid.labels.insert(name, value.value);
        }
        if let Some(release) = self.zookeeper {
            check_release(&release.value).map_err(|message| error(release.referenced, message))?;
            valid.zookeeper = Some(release.value);
        }
        if let Some(release) = self.prometheus {
            check_prometheus(&release.value).map_err(|message| error(release.referenced, message))?;
            valid.prometheus = Some(release.value);
        }
        valid.settings = settings(self.thresholds, &place).map_err(|(at, message)| error(at, message))?;
        for (name, of_ensemble) in self.ensembles {
            let at = place(of_ensemble.referenced);
            let settings = settings(of_ensemble.value, &place).map_err(|(at, message)| error(at, message))?;
            valid.ensembles.push((Located { value: name, place: at }, settings));
        }
        Ok(valid)
    }
}

fn settings(
    written: BTreeMap<String, Spanned<RawSetting>>,
    place: &impl Fn(Location) -> Place,
) -> Result<Vec<AlertSetting>, Mistake> {
    written.into_iter().map(|(name, setting)| one(name, setting, place)).collect()
}

fn one(
    name: String,
    setting: Spanned<RawSetting>,
    place: &impl Fn(Location) -> Place,
) -> Result<AlertSetting, Mistake> {
    let at = setting.referenced;
    let name = Located { value: name, place: place(at) };
    let mut valid = AlertSetting { name, warning: None, critical: None, hold: None, whole: None };
    match setting.value {
        RawSetting::Whole(whole) => valid.whole = Some(whole),
        RawSetting::Word(word) => {
            let whole = switch(&word).ok_or_else(|| {
                (at, format!("invalid alert setting `{word}`: expected on, off or {{warning: 10, critical: 100}}"))
            })?;
            valid.whole = Some(whole);
        }
        RawSetting::Levels(levels) => {
            // Within an untagged value the parser does not report every position.
            let near = |own: Location| if own.line() == 0 { at } else { own };
            let level = |level: Spanned<RawLevel>| Located {
                place: place(near(level.referenced)),
                value: match level.value {
                    RawLevel::Switch(on) => LevelSetting::Switch(on),
                    RawLevel::Whole(number) => LevelSetting::Limit(number.to_string()),
                    RawLevel::Fraction(number) => LevelSetting::Limit(number.to_string()),
                    RawLevel::Text(text) => switch(&text).map_or(LevelSetting::Limit(text), LevelSetting::Switch),
                },
            };
            valid.warning = levels.warning.map(level);
            valid.critical = levels.critical.map(level);
            if let Some(hold) = levels.hold {
                let value = duration::parse(&hold.value).map_err(|bad| (near(hold.referenced), bad.to_string()))?;
                if value.subsec_nanos() > 0 {
                    let message =
                        format!("`{}` has a fraction of a second: expected whole seconds, e.g. 1s", hold.value);
                    return Err((near(hold.referenced), message));
                }
                valid.hold = Some(Located { value, place: place(near(hold.referenced)) });
            }
        }
    }
    Ok(valid)
}

/// YAML 1.1 has the booleans `on` and `off`, YAML 1.2 does not.
fn switch(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// ZooKeeper 3.4 introduced `mntr` (ZOOKEEPER-744).
fn check_release(release: &str) -> Result<(), String> {
    let parts: Option<Vec<u16>> = release.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([0..3, _] | [0..3, _, _] | [3, 0..4] | [3, 0..4, _]) => {
            Err(format!("unsupported ZooKeeper release `{release}`: expected \"3.4\" or later, which have mntr"))
        }
        Some([_, _] | [_, _, _]) => Ok(()),
        _ => Err(format!("invalid ZooKeeper release `{release}`: expected e.g. \"3.8\"")),
    }
}

fn check_prometheus(release: &str) -> Result<(), String> {
    let parts: Option<Vec<u16>> = release.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([_, _] | [_, _, _]) => Ok(()),
        _ => Err(format!("invalid Prometheus release `{release}`: expected e.g. \"2.40\"")),
    }
}

/// Prometheus' syntax of label names; labels set by the alerts themselves are refused.
fn check_label(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !fits {
        return Err(format!("invalid label name `{name}`: expected letters, digits and `_`, e.g. cluster"));
    }
    if name.starts_with("__") {
        return Err(format!("reserved label `{name}`: expected a name that does not begin with `__`, e.g. cluster"));
    }
    let taken = ["ensemble", "member", "severity", "alertname", "job", "instance"];
    if taken.contains(&name) {
        return Err(format!("reserved label `{name}`: expected a label that the alerts do not set, e.g. cluster"));
    }
    Ok(())
}

/// `PromQL` parses these names as numbers or a keyword, even in a list of labels.
fn check_kept(name: &str) -> Result<(), String> {
    if ["inf", "nan", "without"].contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("label `{name}` cannot be grouped by in PromQL: expected another name, e.g. cluster"));
    }
    Ok(())
}

/// Prometheus expands values of labels and annotations as templates, and rejects a rule file with an invalid one. YAML
/// parsers disagree on unprintable characters.
fn check_template(value: &str) -> Result<(), String> {
    if let Some(c) = value.chars().find(|c| text::is_unprintable(*c)) {
        return Err(format!("`{value}` has the character U+{:04X}: expected printable characters", u32::from(c)));
    }
    template::check(value).map_err(|why| {
        format!("invalid template `{value}`: {why}; expected e.g. {{{{ $labels.ensemble }}}}, or plain text")
    })
}
