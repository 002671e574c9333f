//! Parses the YAML file with ensembles and modules: strict, with file, line and column of each error.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use serde_saphyr::{Location, Spanned};

use super::{
    Choice, Command, Config, ConfigError, DEFAULT_MODULE, Discovery, EnsembleConfig, HttpUrl, Located, MemberConfig,
    Module, Place, ProbeConfig, bounded_read, check_ensemble_name, check_ensembles, check_members, duration, flags,
    probes, raw, zone,
};

/// Maximum size of the file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Reads and validates a file.
///
/// # Errors
/// If it cannot be read, is not YAML, or is not a valid configuration.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    parse(path, &read(path, "--config.file")?)
}

/// Parses and validates a text. Relative paths are relative to `path`, which is also named in errors.
///
/// # Errors
/// If it is not YAML, or not a valid configuration.
pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let file: raw::RawFile = serde_saphyr::from_str(text).map_err(|error| syntax(path, &error))?;
    validate(path, file)
}

/// Reads the file given by a flag.
pub(super) fn read(path: &Path, flag: &str) -> Result<String, ConfigError> {
    let in_file = |message: String| ConfigError { place: place(path, 0, 0), message };
    let unreadable = |error: std::io::Error| {
        let advice = match error.kind() {
            ErrorKind::PermissionDenied => "grant the exporter's user read access to it and its directories".to_owned(),
            ErrorKind::InvalidData => "expected UTF-8".to_owned(),
            ErrorKind::FileTooLarge => "is it the right file?".to_owned(),
            ErrorKind::TimedOut => "is it a pipe without a writer?".to_owned(),
            _ => format!("expected an existing YAML file for {flag}"),
        };
        in_file(format!("cannot read the configuration file: {error}; {advice}"))
    };
    bounded_read::text(path, MAX_BYTES).map_err(unreadable)
}

pub(super) fn place(path: &Path, line: u64, column: u64) -> Place {
    Place::File { path: path.to_owned(), line, column }
}

/// Converts an error of the parser; its message repeats the position at the end, which is removed.
pub(super) fn syntax(path: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or("").trim_start_matches("error: ");
    let message = message.split_once(" at line ").map_or(message, |(message, _)| message);
    ConfigError { place: place(path, line, column), message: plain(message) }
}

/// Replaces the parser's terms, and adds what is expected.
fn plain(message: &str) -> String {
    if let Some(key) = message.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split(',').next()) {
        return format!("duplicate key `{key}`");
    }
    if let Some((number, _)) = message.strip_prefix("non-finite float ").and_then(|rest| rest.split_once(" rejected")) {
        return format!("number {number} is not finite: expected e.g. 10");
    }
    if let Some(budget) = message.strip_prefix("budget breached: ") {
        return match budget.split(' ').next() {
            Some("Aliases" | "Anchors" | "AliasAnchorRatio") => {
                "too many aliases (`*name`) of too few anchors (`&name`): expected the values themselves".into()
            }
            Some("Depth") => "nested too deeply: see docs/configuration.md for the structure".into(),
            _ => format!("file too large ({budget}): is it the right file?"),
        };
    }
    match message {
        "expected string scalar" => {
            "invalid value: expected a single value, e.g. `key: value`, not a list or keys".into()
        }
        "invalid i64" => "invalid value: expected a whole number, e.g. 100".into(),
        "recursive references require weak recursion types" => {
            "alias within its own anchor: expected the value itself".into()
        }
        "alias references unknown anchor" => {
            "alias without an anchor (`&name`) above: expected quotes around a text that begins with `*`".into()
        }
        "recursion limit exceeded" => "nested too deeply: see docs/configuration.md for the structure".into(),
        "expected sequence start" => "invalid value: expected a list, e.g. [one, two]".into(),
        "invalid boolean" => "invalid value: expected true or false".into(),
        "expected mapping start" => "invalid value: expected keys, e.g. {key: value}, or {} for the defaults".into(),
        _ if message.starts_with("missing field") => message.replacen("missing field", "missing key", 1),
        _ if message.starts_with("multiple YAML documents") => {
            "second YAML document: expected one, without the line ---".into()
        }
        _ if message.starts_with("tabs") => "tab in the indentation: expected spaces".into(),
        _ => message.to_owned(),
    }
}

fn validate(path: &Path, file: raw::RawFile) -> Result<Config, ConfigError> {
    let at = |location: Location, message: String| ConfigError {
        place: place(path, location.line(), location.column()),
        message,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut modules, mut patterns) = (BTreeMap::new(), Vec::new());
    for (name, module) in file.modules {
        let module = module.unwrap_or_default();
        let metrics_at = module.metrics.as_ref().map(|metrics| metrics.referenced);
        let module = validate_module(folder, module).map_err(|(location, message)| at(location, message))?;
        if let (Choice::Globs(globs), Some(place_of)) = (&module.metrics, metrics_at) {
            let place = place(path, place_of.line(), place_of.column());
            patterns.extend(globs.iter().map(|glob| Located { value: glob.clone(), place: place.clone() }));
        }
        modules.insert(name, Arc::new(module));
    }
    modules.entry(DEFAULT_MODULE.to_owned()).or_default();

    let (mut ensembles, mut names, mut profiles) = (Vec::new(), Vec::new(), Vec::new());
    let located = |word: Spanned<String>| Located {
        place: place(path, word.referenced.line(), word.referenced.column()),
        value: word.value,
    };
    for ensemble in file.ensembles {
        let name_at = ensemble.name.referenced;
        let name = ensemble.name.value;
        check_ensemble_name(&name).map_err(|message| at(name_at, message))?;
        let list_at = ensemble.members.referenced;
        let places: Vec<Location> = ensemble.members.value.iter().map(|member| member.referenced).collect();
        let members = ensemble
            .members
            .value
            .into_iter()
            .map(|member| {
                let location = member.referenced;
                validate_member(member.value).map_err(|message| at(location, message))
            })
            .collect::<Result<Vec<_>, _>>()?;
        check_members(&name, &members)
            .map_err(|(number, message)| at(places.get(number).copied().unwrap_or(list_at), message))?;
        let discovery = match ensemble.discovery {
            None => Discovery::default(),
            Some(way) => way.value.parse().map_err(|message| at(way.referenced, message))?,
        };
        let zone_pattern = ensemble
            .zone_pattern
            .map(|pattern| pattern.value.parse().map_err(|message| at(pattern.referenced, message)));
        let zone_pattern = zone_pattern.transpose()?;
        let module_name = ensemble.module.as_ref().map_or(DEFAULT_MODULE, |module| module.value.as_str());
        let module = modules.get(module_name).ok_or_else(|| {
            let known = modules.keys().cloned().collect::<Vec<_>>().join(", ");
            let message =
                format!("unknown module `{module_name}`: expected one of {known}, or a new one under modules:");
            at(ensemble.module.as_ref().map_or(name_at, |module| module.referenced), message)
        })?;
        if discovery == Discovery::Conf && !module.commands.contains(&Command::Conf) {
            let message = format!(
                "discovery: conf requires the command `conf`: add it to the commands of module `{module_name}`"
            );
            return Err(at(name_at, message));
        }
        let (module_name, module) = (module_name.to_owned(), Arc::clone(module));
        profiles.extend(ensemble.profile.map(|word| (name.clone(), located(word))));
        ensembles.push(EnsembleConfig { name, members, discovery, zone_pattern, module_name, module });
        names.push(name_at);
    }
    check_ensembles(&ensembles).map_err(|(number, message)| at(names[number], message))?;
    if ensembles.is_empty() {
        return Err(ConfigError {
            place: place(path, 0, 0),
            message: "no ensembles: expected e.g. `ensembles: [{name: prod, members: [zk-1:2181]}]`".into(),
        });
    }
    let mut probe = ProbeConfig::default();
    for allow in file.probe.allow {
        probe.allow.push(allow.value.parse().map_err(|message| at(allow.referenced, message))?);
    }
    let mut alerts = file.alerts.validate(path)?;
    alerts.profile = file.profile.map(located);
    alerts.profiles = profiles;
    Ok(Config { ensembles, modules, probe, alerts, patterns })
}

fn validate_member(member: raw::RawMember) -> Result<MemberConfig, String> {
    match member {
        raw::RawMember::Short(text) => flags::member(&text),
        raw::RawMember::Long(long) => {
            let member = flags::member(&long.address)?;
            let observer = match long.role.as_deref() {
                None => member.observer,
                Some("observer") => true,
                Some("participant") => false,
                Some(role) => return Err(format!("invalid role `{role}`: expected participant or observer")),
            };
            if let Some(name) = &long.zone {
                zone::check_zone(name)?;
            }
            Ok(MemberConfig { observer, zone: long.zone, ..member })
        }
    }
}

fn validate_module(folder: &Path, module: raw::RawModule) -> Result<Module, (Location, String)> {
    let mut valid = Module::default();
    if let Some(timeout) = module.timeout {
        valid.timeout = duration::parse(&timeout.value).map_err(|error| (timeout.referenced, error.to_string()))?;
        if valid.timeout.is_zero() {
            return Err((timeout.referenced, "invalid timeout 0: expected e.g. 5s".into()));
        }
    }
    if let Some(commands) = module.commands {
        let parsed = commands.value.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        if !parsed.contains(&Command::Mntr) && !parsed.contains(&Command::Srvr) {
            return Err((commands.referenced, "commands without mntr and srvr: expected [mntr, srvr, conf]".into()));
        }
        valid.commands = parsed;
    }
    valid.tls = module.tls.map(|tls| tls.validate(folder)).transpose()?;
    if let Some(native) = module.native {
        valid.native = Some(HttpUrl::native(&native.value).map_err(|message| (native.referenced, message))?);
    }
    if let Some(admin) = module.admin {
        valid.admin = Some(HttpUrl::admin(&admin.value).map_err(|message| (admin.referenced, message))?);
    }
    if let Some(metrics) = module.metrics {
        let choice = match metrics.value {
            raw::RawMetrics::Word(word) => Choice::from_word(&word),
            raw::RawMetrics::Globs(globs) => Choice::from_globs(globs),
        };
        valid.metrics = choice.map_err(|message| (metrics.referenced, message))?;
    }
    valid.probes = probes::validate(
        folder,
        module.host,
        module.session,
        module.canary,
        module.znodes,
        module.alarms,
        module.digests,
        module.clients,
    )?;
    Ok(valid)
}

fn command(text: &Spanned<String>) -> Result<Command, (Location, String)> {
    text.value.parse().map_err(|message| (text.referenced, message))
}
