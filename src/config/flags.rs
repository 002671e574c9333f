//! Ensembles from `--zookeeper [NAME=]HOST:PORT[,HOST:PORT...]`, one ensemble per value.

use std::sync::Arc;

use super::{
    Config, ConfigError, DEFAULT_MODULE, Discovery, EnsembleConfig, MemberConfig, Module, Place, ProbeConfig,
    check_ensemble_name, check_ensembles, check_members,
};

/// The name of an ensemble that was given without a name.
pub const DEFAULT_ENSEMBLE: &str = "default";

const FLAG: Place = Place::Flag("--zookeeper");

/// The configuration for the values of the flag; all ensembles use `module`.
///
/// # Errors
/// The first invalid value, with what is expected.
pub fn from_flags(values: &[String], module: Module) -> Result<Config, ConfigError> {
    let bad = |message| ConfigError { place: FLAG, message };
    let module = Arc::new(module);
    let mut ensembles = Vec::with_capacity(values.len());
    for value in values {
        let (name, list) = value.split_once('=').unwrap_or((DEFAULT_ENSEMBLE, value));
        let members = member_list(name, list).map_err(bad)?;
        ensembles.push(EnsembleConfig {
            name: name.into(),
            members,
            discovery: Discovery::Static,
            zone_pattern: None,
            module_name: DEFAULT_MODULE.into(),
            module: Arc::clone(&module),
        });
    }
    check_ensembles(&ensembles)
        .map_err(|(_, message)| bad(format!("{message}; expected one value NAME=HOST:PORT,HOST:PORT per ensemble")))?;
    Ok(Config {
        ensembles,
        modules: [(DEFAULT_MODULE.to_owned(), module)].into(),
        probe: ProbeConfig::default(),
        alerts: super::Alerts::default(),
        patterns: Vec::new(),
    })
}

/// Parses the members of an ensemble: `HOST:PORT[,HOST:PORT...]`.
///
/// # Errors
/// What is wrong with the name or the list, and what is expected.
pub fn member_list(ensemble: &str, list: &str) -> Result<Vec<MemberConfig>, String> {
    check_ensemble_name(ensemble)?;
    let members = list.split(',').filter(|_| !list.is_empty()).map(member).collect::<Result<Vec<_>, _>>()?;
    check_members(ensemble, &members).map_err(|(_, message)| message)?;
    Ok(members)
}

/// Parses `HOST:PORT` or `HOST:PORT:observer`.
pub(super) fn member(text: &str) -> Result<MemberConfig, String> {
    let text = text.trim();
    let (address, observer) = match text.rsplit_once(':') {
        Some((address, "observer")) => (address, true),
        Some((address, "participant")) => (address, false),
        _ => (text, false),
    };
    let address = address.parse().map_err(|error: super::BadAddress| error.to_string())?;
    Ok(MemberConfig { address, observer, zone: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(values: &[&str]) -> Result<Config, String> {
        from_flags(&values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>(), Module::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_members_and_observers() {
        let config = flags(&["prod=zk-1:2181,zk-2,zk-3:2181:observer", "127.0.0.1:2182"]).expect("valid");
        assert_eq!(config.ensembles[0].name, "prod");
        assert_eq!(config.ensembles[0].members[1].address.to_string(), "zk-2:2181");
        assert!(config.ensembles[0].members[2].observer);
        assert_eq!(config.ensembles[1].name, DEFAULT_ENSEMBLE);
    }

    #[test]
    fn every_mistake_is_named() {
        for (values, part) in [
            (&["prod="][..], "--zookeeper: ensemble `prod` has no members"),
            (&[""], "ensemble `default` has no members: expected"),
            (&["prod=zk-1:2181,,zk-2"], "empty member address"),
            (&["prod=zk-1:2181,zk-1"], "duplicate member `zk-1:2181` of ensemble `prod`"),
            (&["a=zk-1", "a=zk-2"], "duplicate ensemble `a`"),
            (&["zk-1:2181", "zk-2:2181"], "duplicate ensemble `default`"),
            (&["my prod=zk-1"], "invalid ensemble name `my prod`"),
            (&["prod=zk-1:99999"], "invalid port in `zk-1:99999`"),
            (&["=zk-1"], "invalid ensemble name ``"),
        ] {
            let error = flags(values).expect_err("must be refused");
            assert!(error.contains(part), "{values:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
