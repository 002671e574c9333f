//! The active limits: the defaults of the catalogue, changed by the configuration for all ensembles or for one.

use super::condition::{Condition, Level, Severity, Unit};
use super::conditions;
use super::early::indicators::refused;
use super::expr::{Keys, Span};
use super::page::Page;
use super::profiles::{PROFILES, Preset, profile};
use crate::config::{AlertSetting, Alerts, Config, ConfigError, LevelSetting, Located, Module, Place};

/// All levels of all conditions with their active limits.
#[derive(Clone, Debug)]
pub struct Thresholds {
    levels: Vec<InForce>,
    /// Prefixes of the families of configured background tasks: canaries and znodes.
    background: Vec<&'static str>,
}

/// One level with its active limit.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The condition.
    pub condition: &'static Condition,
    /// The level with its default limit.
    pub level: &'static Level,
    /// Limit of ensembles that are not in `own`; `None` if disabled.
    pub usual: Option<Limit>,
    /// Ensembles with their own setting.
    pub own: Vec<(String, Option<Limit>)>,
    /// How long it must hold (`for`).
    pub hold: Span,
}

/// The limit of an enabled level; the value is `None` if the level has no configurable limit.
pub type Limit = Option<f64>;

impl InForce {
    /// Whether it is enabled for at least one ensemble.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.usual.is_some() || self.own.iter().any(|(_, limit)| limit.is_some())
    }

    /// The limit for an ensemble; `None` if the level is disabled for it.
    #[must_use]
    pub fn of_ensemble(&self, ensemble: &str) -> Option<Limit> {
        self.own.iter().find(|(name, _)| name == ensemble).map_or(self.usual, |(_, limit)| *limit)
    }
}

impl Default for Thresholds {
    /// The defaults of the catalogue.
    fn default() -> Self {
        let levels = conditions().iter().flat_map(|condition| {
            condition.levels.iter().map(move |level| InForce {
                condition,
                level,
                usual: level.on.then_some(level.limit),
                own: Vec::new(),
                hold: level.hold,
            })
        });
        Self { levels: levels.collect(), background: Vec::new() }
    }
}

impl Thresholds {
    /// The limits of a configuration.
    ///
    /// # Errors
    /// Like [`Self::new`].
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let names: Vec<String> = config.ensembles.iter().map(|ensemble| ensemble.name.clone()).collect();
        let mut thresholds = Self::new(&config.alerts, &names)?;
        let any = |is_on: fn(&Module) -> bool| config.ensembles.iter().any(|ensemble| is_on(&ensemble.module));
        let tasks = [
            ("zk_canary_", any(|module| module.probes.canary.is_some())),
            ("zk_znode_", any(|module| module.probes.znodes.is_some())),
        ];
        thresholds.background = tasks.into_iter().filter(|(_, is_on)| *is_on).map(|(prefix, _)| prefix).collect();
        Ok(thresholds)
    }

    /// The defaults, changed by the configuration. `ensembles` are the configured names.
    ///
    /// # Errors
    /// When a condition or an ensemble does not exist, or a limit is invalid.
    pub fn new(alerts: &Alerts, ensembles: &[String]) -> Result<Self, ConfigError> {
        let mut thresholds = Self::default();
        thresholds.apply_profiles(alerts)?;
        for setting in &alerts.settings {
            thresholds.change(None, setting)?;
        }
        for (ensemble, settings) in &alerts.ensembles {
            if !ensembles.contains(&ensemble.value) {
                let near = nearest(&ensemble.value, ensembles.iter().map(String::as_str));
                let near = near.unwrap_or_else(|| format!("expected one of {}", ensembles.join(", ")));
                let message = format!("unknown ensemble `{}`: {near}", ensemble.value);
                return Err(ConfigError { place: ensemble.place.clone(), message });
            }
            for setting in settings {
                thresholds.change(Some(&ensemble.value), setting)?;
            }
        }
        Ok(thresholds)
    }

    /// Whether a condition needs samples of a configured background task that the page has none of.
    pub(super) fn lacks_background(&self, condition: &Condition, page: &Page) -> bool {
        let of = |prefix: &&&str| condition.samples().iter().any(|sample| sample.starts_with(**prefix));
        self.background.iter().find(of).is_some_and(|prefix| !page.has_family(prefix))
    }

    /// Every level, enabled or not, in the order of the catalogue.
    #[must_use]
    pub fn levels(&self) -> &[InForce] {
        &self.levels
    }

    /// Applies the limits of the profiles; explicit limits override them.
    fn apply_profiles(&mut self, alerts: &Alerts) -> Result<(), ConfigError> {
        let known = |word: &Located<String>| {
            profile(&word.value).ok_or_else(|| {
                let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
                let message = format!("unknown profile `{}`: expected one of {}", word.value, names.join(", "));
                ConfigError { place: word.place.clone(), message }
            })
        };
        let of_all = alerts.profile.as_ref().map(known).transpose()?;
        for preset in of_all.map_or(&[][..], |profile| profile.presets) {
            self.levels_named(preset).for_each(|level| level.usual = level.usual.map(|_| Some(preset.limit)));
        }
        for (ensemble, word) in &alerts.profiles {
            let own = known(word)?.presets;
            // A limit that only the profile of all ensembles sets returns to the default for an ensemble with its own
            // profile.
            for preset in of_all.map_or(&[][..], |profile| profile.presets) {
                self.levels_named(preset).for_each(|level| {
                    level.own.push((ensemble.clone(), level.usual.map(|_| level.level.limit)));
                });
            }
            for preset in own {
                self.levels_named(preset).for_each(|level| {
                    level.own.retain(|(name, _)| name != ensemble);
                    level.own.push((ensemble.clone(), level.usual.map(|_| Some(preset.limit))));
                });
            }
        }
        Ok(())
    }

    fn levels_named(&mut self, preset: &Preset) -> impl Iterator<Item = &mut InForce> {
        let Preset { condition, severity, .. } = *preset;
        self.levels
            .iter_mut()
            .filter(move |level| level.condition.name == condition && level.level.severity == severity)
    }

    fn change(&mut self, ensemble: Option<&str>, setting: &AlertSetting) -> Result<(), ConfigError> {
        let at = |place: &Place, message: String| ConfigError { place: place.clone(), message };
        let name = setting.name.value.strip_prefix("ZooKeeper").unwrap_or(&setting.name.value);
        let Some(condition) = conditions().iter().find(|condition| condition.name == name) else {
            let near = nearest(name, conditions().iter().map(|condition| condition.name));
            let near = near.unwrap_or_else(|| "expected a name from docs/alerts.md".to_owned());
            return Err(at(&setting.name.place, format!("unknown alert `{}`: {near}", setting.name.value)));
        };
        if let Some(ensemble) = ensemble
            && matches!(condition.keys(), Keys::Target | Keys::Nothing)
        {
            let message = format!("`{name}` does not apply to ensembles: set it under thresholds, not for {ensemble}");
            return Err(at(&setting.name.place, message));
        }
        for (severity, written) in [(Severity::Warning, &setting.warning), (Severity::Critical, &setting.critical)] {
            if let Some(written) = written
                && condition.level_of(severity).is_none()
            {
                let has: Vec<&str> = condition.levels.iter().map(|level| level.severity.text()).collect();
                let message = format!("`{name}` has no level {}, only {}", severity.text(), has.join(" and "));
                return Err(at(&written.place, message));
            }
        }
        if let Some(hold) = &setting.hold {
            if ensemble.is_some() {
                let message = "`for` applies to all ensembles: set it under thresholds".to_owned();
                return Err(at(&hold.place, message));
            }
            let span = Span(hold.value.as_secs());
            self.levels_of(condition).for_each(|level| level.hold = span);
        }
        for level in self.levels_of(condition) {
            let written = match level.level.severity {
                Severity::Critical => setting.critical.as_ref(),
                _ => setting.warning.as_ref(),
            };
            let before = ensemble.map_or(level.usual, |name| level.of_ensemble(name));
            let Said::Be(now) = changed(condition, level.level, setting.whole, written, before)? else { continue };
            match ensemble {
                None => level.usual = now,
                Some(name) => {
                    level.own.retain(|(of, _)| of != name);
                    level.own.push((name.to_owned(), now));
                }
            }
        }
        self.check_pair(condition, ensemble, setting)
    }

    fn levels_of(&mut self, condition: &Condition) -> impl Iterator<Item = &mut InForce> {
        let name = condition.name;
        self.levels.iter_mut().filter(move |level| level.condition.name == name)
    }

    /// Checks that the warning limit is reached before the critical one.
    fn check_pair(
        &self,
        condition: &Condition,
        ensemble: Option<&str>,
        setting: &AlertSetting,
    ) -> Result<(), ConfigError> {
        let limit = |severity| {
            let of = self
                .levels
                .iter()
                .find(|level| level.condition.name == condition.name && level.level.severity == severity)?;
            ensemble.map_or(of.usual, |name| of.of_ensemble(name)).flatten()
        };
        let place =
            || setting.warning.as_ref().or(setting.critical.as_ref()).map_or(&setting.name.place, |level| &level.place);
        let (Some(warning), Some(critical)) = (limit(Severity::Warning), limit(Severity::Critical)) else {
            return match refused(condition, limit(Severity::Warning), None) {
                Some(why) => {
                    let message = format!("the warning of `{}` {why}", condition.name);
                    Err(ConfigError { place: place().clone(), message })
                }
                None => Ok(()),
            };
        };
        let larger = condition.larger_is_worse().unwrap_or(true);
        if (larger && warning < critical) || (!larger && warning > critical) {
            return match refused(condition, Some(warning), Some(critical)) {
                Some(why) => {
                    let message = format!("the warning of `{}` {why}", condition.name);
                    Err(ConfigError { place: place().clone(), message })
                }
                None => Ok(()),
            };
        }
        let (relation, wanted) = if larger { ("not below", "below") } else { ("not above", "above") };
        let message = format!(
            "the warning of `{}` ({}) is {relation} its critical level ({}): it would never warn: expected a warning limit {wanted} {}",
            condition.name,
            condition.unit.words(warning),
            condition.unit.words(critical),
            condition.unit.words(critical),
        );
        Err(ConfigError { place: place().clone(), message })
    }
}

/// The setting of a level.
enum Said {
    Nothing,
    Be(Option<Limit>),
}

/// The setting of a level, with its limit parsed.
fn changed(
    condition: &Condition,
    level: &Level,
    whole: Option<bool>,
    written: Option<&Located<LevelSetting>>,
    before: Option<Limit>,
) -> Result<Said, ConfigError> {
    let on = || before.or(Some(level.limit));
    let Some(written) = written else {
        return Ok(whole.map_or(Said::Nothing, |whole| Said::Be(if whole { on() } else { None })));
    };
    match &written.value {
        LevelSetting::Switch(true) => Ok(Said::Be(on())),
        LevelSetting::Switch(false) => Ok(Said::Be(None)),
        LevelSetting::Limit(text) => {
            let error = |message: String| ConfigError { place: written.place.clone(), message };
            if level.limit.is_none() {
                let message = format!("`{}` has no limit: expected on or off", condition.name);
                return Err(error(message));
            }
            let limit = read_limit(condition.unit, text).map_err(error)?;
            Ok(Said::Be(Some(Some(limit))))
        }
    }
}

/// Parses a limit in the unit of its condition.
fn read_limit(unit: Unit, text: &str) -> Result<f64, String> {
    let (units, example): (&[(&str, f64)], &str) = match unit {
        Unit::State | Unit::Count | Unit::Number => (&[("", 1.0)], "10"),
        Unit::Ratio => (&[("", 1.0), ("%", 0.01)], "0.85 or 85%"),
        Unit::Seconds => (
            &[("", 1.0), ("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)],
            "0.3, 300ms, 10s or 14d",
        ),
        Unit::Bytes => (
            &[
                ("", 1.0),
                ("KiB", 1024.0),
                ("MiB", 1_048_576.0),
                ("GiB", 1_073_741_824.0),
                ("kB", 1e3),
                ("MB", 1e6),
                ("GB", 1e9),
            ],
            "900000, 800KiB or 2GiB",
        ),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == suffix.trim()).map(|(_, factor)| *factor);
    let value = number.parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor);
    match value {
        Some(value) if !value.is_finite() => {
            Err(format!("limit `{text}` is too large: expected a finite number, e.g. {example}"))
        }
        Some(value) if value < 0.0 => Err(format!("limit `{text}` is negative: expected e.g. {example}")),
        Some(value) if unit == Unit::Ratio && value > 10.0 => {
            Err(format!("limit `{text}` is {} %: expected a fraction of 1, e.g. {example}", value * 100.0))
        }
        Some(value) => Ok(value),
        None => Err(format!("invalid limit `{text}`: expected e.g. {example}")),
    }
}

/// `did you mean X?`, or where to find the names.
fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let near = names
        .map(|name| (distance(&written.to_lowercase(), &name.to_lowercase()), name))
        .min()
        .filter(|(distance, _)| *distance <= written.len().div_ceil(3).max(2));
    near.map(|(_, name)| format!("did you mean {name}?"))
}

/// Edit distance between two names.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
