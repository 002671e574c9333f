//! The configuration file and the web-config file: accepted, or refused with one line that names the position.

use std::path::Path;

use zookeeper_exporter::alert::{Deployment, Format, RuleFile, Thresholds};
use zookeeper_exporter::config::{self, ConfigError, MAX_MEMBERS, Place};

/// Maximum size of an input; longer ones are slow and find nothing new.
const MOST_BYTES: usize = 4096;

const FILE: &str = "ensembles.yml";

/// Parses arbitrary text as `--config.file`.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match config::parse(Path::new(FILE), text) {
        Err(error) => one_line(&error, text),
        Ok(config) => {
            assert!(!config.ensembles.is_empty() && config.modules.contains_key("default"));
            for ensemble in &config.ensembles {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
                assert!(ensemble.name.bytes().all(is_plain), "{:?}", ensemble.name);
                assert!((1..=MAX_MEMBERS).contains(&ensemble.members.len()));
                assert!(ensemble.members.iter().all(|member| member.address.port() > 0));
                assert_eq!(config.modules.get(&ensemble.module_name), Some(&ensemble.module));
                assert!(!ensemble.module.timeout.is_zero());
            }
            match Thresholds::of(&config) {
                Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
                Ok(thresholds) => {
                    let rules = RuleFile::new(&thresholds, &Deployment::of(&config));
                    assert!(rules.text(Format::Prometheus).starts_with('#'));
                }
            }
        }
    }
}

/// Parses arbitrary text as `--web.config.file`.
pub fn web_config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    // The parser would read the named files, e.g. `/dev/zero`; the administrator is trusted here.
    if text.contains("_file") {
        return;
    }
    match config::web::parse(Path::new("web.yml"), text) {
        Err(error) => one_line(&error, text),
        Ok(web) => {
            for (name, value) in &web.headers {
                assert!(!value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}");
            }
            for (user, hash) in &web.users {
                assert!(!user.is_empty() && !user.contains(':'));
                assert!(!format!("{hash:?}").contains(&hash.0), "the hash would reach the log");
            }
        }
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| text.len() <= MOST_BYTES)
}

fn one_line(error: &ConfigError, text: &str) {
    let shown = error.to_string();
    assert!(!shown.contains(['\n', '\r']), "{shown:?}");
    assert!(error.message.len() > 3, "{shown:?}");
    if let Place::File { line, .. } = error.place {
        let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
        assert!(line <= lines as u64 + 1, "{shown:?} of {lines} lines");
    }
}
