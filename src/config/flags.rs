//! Ensembles from `--zookeeper [NAME=]HOST:PORT[,HOST:PORT...]`, one value an ensemble.

use std::sync::Arc;

use super::{
    Config, ConfigError, DEFAULT_MODULE, Discovery, EnsembleConfig, MemberConfig, Module, Place, ProbeConfig,
    check_ensemble_name, check_ensembles, check_members,
};

/// The name of an ensemble that was given none.
pub const DEFAULT_ENSEMBLE: &str = "default";

const FLAG: Place = Place::Flag("--zookeeper");

/// The configuration that the values of the flag describe, asked as the module says.
///
/// # Errors
/// On the first value that is none, with what to write instead.
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
            module_name: DEFAULT_MODULE.into(),
            module: Arc::clone(&module),
        });
    }
    check_ensembles(&ensembles).map_err(|(_, message)| {
        bad(format!("{message}; an ensemble is written NAME=HOST:PORT,HOST:PORT and all its members are in one value"))
    })?;
    Ok(Config {
        ensembles,
        modules: [(DEFAULT_MODULE.to_owned(), module)].into(),
        probe: ProbeConfig::default(),
        alerts: super::Alerts::default(),
        patterns: Vec::new(),
    })
}

/// The members of an ensemble of this name: `HOST:PORT[,HOST:PORT...]`.
///
/// # Errors
/// What is wrong with the name or the list, and what to write instead.
pub fn member_list(ensemble: &str, list: &str) -> Result<Vec<MemberConfig>, String> {
    check_ensemble_name(ensemble)?;
    let members = list.split(',').filter(|_| !list.is_empty()).map(member).collect::<Result<Vec<_>, _>>()?;
    check_members(ensemble, &members).map_err(|(_, message)| message)?;
    Ok(members)
}

/// `HOST:PORT` or `HOST:PORT:observer`.
pub(super) fn member(text: &str) -> Result<MemberConfig, String> {
    let text = text.trim();
    let (address, observer) = match text.rsplit_once(':') {
        Some((address, "observer")) => (address, true),
        Some((address, "participant")) => (address, false),
        _ => (text, false),
    };
    let address = address.parse().map_err(|error: super::BadAddress| error.to_string())?;
    Ok(MemberConfig { address, observer })
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
            (&[""], "ensemble `default` has no members"),
            (&["prod=zk-1:2181,,zk-2"], "the member address is empty"),
            (&["prod=zk-1:2181,zk-1"], "member `zk-1:2181` of ensemble `prod` is listed twice"),
            (&["a=zk-1", "a=zk-2"], "ensemble `a` is configured twice"),
            (&["zk-1:2181", "zk-2:2181"], "ensemble `default` is configured twice"),
            (&["my prod=zk-1"], "`my prod` is no ensemble name"),
            (&["prod=zk-1:99999"], "`zk-1:99999` has no valid port"),
            (&["=zk-1"], "`` is no ensemble name"),
        ] {
            let error = flags(values).expect_err("must be refused");
            assert!(error.contains(part), "{values:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
