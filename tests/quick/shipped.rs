//! The files shipped with the binary match it: runbooks, and the metrics they mention.

use std::collections::BTreeSet;

use zookeeper_exporter::alert::early::{INDICATORS, RECORDED};
use zookeeper_exporter::alert::{Condition, conditions, watch};

use crate::common::root;
use crate::common::runbooks::{Command, PLACEHOLDERS, commands, place, placeholders};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(extension))
        .collect();
    found.sort();
    found
}

fn rules() -> String {
    files("alert-rules", ".yml").iter().map(|name| read(&format!("alert-rules/{name}"))).collect()
}

/// All metrics of `docs/metrics.md`, including the series of summaries.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = read("docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    known.extend(RECORDED.iter().chain(watch::RECORDED).map(|(name, _)| (*name).to_owned()));
    for name in known.clone() {
        known.extend([format!("{name}_sum"), format!("{name}_count")]);
    }
    known
}

/// Words that look like metrics of the exporter or of its recording rules.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| (word.starts_with("zk_") || word.contains(":zk_")) && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

const SECTIONS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];

/// The head of a runbook comes from the catalogue, the rest is written by hand.
#[test]
fn every_alert_has_a_complete_runbook() {
    let alerts: BTreeSet<String> = conditions().iter().map(Condition::alert).collect();
    let mut files: BTreeSet<String> =
        files("docs/runbooks", ".md").iter().map(|name| name.trim_end_matches(".md").to_owned()).collect();
    files.remove("README");
    let missing: Vec<&String> = alerts.difference(&files).collect();
    assert!(missing.is_empty(), "write docs/runbooks/NAME.md, as of a similar alert, for {missing:?}");
    let extra: Vec<&String> = files.difference(&alerts).collect();
    assert!(extra.is_empty(), "runbooks without an alert: {extra:?}");
    for condition in conditions() {
        let alert = condition.alert();
        let path = format!("docs/runbooks/{alert}.md");
        let text = read(&path);
        let begin = text.find("## Meaning").unwrap_or_else(|| panic!("{alert} has no section Meaning"));
        let body = text[begin..].to_owned();
        let mut rest = &*body;
        for part in SECTIONS {
            let place = rest.find(&format!("## {part}\n\n")).unwrap_or_else(|| panic!("{alert} lacks `{part}`"));
            rest = &rest[place..];
            let section = rest[3..].split("\n## ").next().unwrap();
            assert!(section.len() > part.len() + 40, "{alert}: `{part}` is nearly empty");
        }
        let steps = body.split("## Diagnosis").nth(1).unwrap();
        assert!(steps.contains("\n1. "), "{alert} has no steps");
        assert!(steps.contains('`'), "{alert} has nothing to paste");
        for link in text.split("](").skip(1).map(|behind| behind.split(')').next().unwrap()) {
            let link = link.split('#').next().unwrap();
            assert!(root().join("docs/runbooks").join(link).exists(), "{alert} links to {link}");
        }
        for command in commands(&body) {
            let Command { text, .. } = &command;
            let tool = text.split_whitespace().next().unwrap();
            assert!(place(tool).is_some(), "{alert}: `{text}` begins with no command that is known here");
            assert!(!text.contains('\n'), "{alert}: `{text}` has a line break, and cannot be pasted from the file");
            if let Some(word) = text.strip_prefix("echo ").map(|rest| rest.split_whitespace().next().unwrap()) {
                assert!(WHITELIST.contains(&word), "{alert}: {word} is not in the recommended whitelist");
            }
            let unknown = placeholders(text).into_iter().find(|word| !PLACEHOLDERS.contains(word));
            assert_eq!(unknown, None, "{alert}: `{text}` has a placeholder without an explanation");
        }
    }
}

/// Every series and every indicator of the recording rules has expected values in a promtool test.
#[test]
fn every_recording_rule_is_tested_by_its_numbers() {
    let tests: String = ["tests/promtool", "tests/promtool/long"]
        .iter()
        .flat_map(|folder| files(folder, "_test.yml").into_iter().map(move |name| read(&format!("{folder}/{name}"))))
        .collect();
    for (name, _) in RECORDED {
        assert!(tests.contains(name), "no test of {name}");
    }
    let shipped = read("alert-rules/early-warning.yml");
    for indicator in INDICATORS.iter().filter(|one| shipped.contains(&format!("indicator: {}\n", one.name))) {
        let label = format!("member=\"m1\",indicator=\"{}\"", indicator.name);
        assert!(tests.contains(&label), "no test of the indicator {}", indicator.name);
    }
}

/// The whitelist recommended to users: the commands of the exporter, and those of runbooks and alerts.
const WHITELIST: [&str; 6] = ["mntr", "srvr", "conf", "cons", "wchs", "isro"];

#[test]
fn one_sufficient_whitelist_is_recommended_everywhere() {
    let line = WHITELIST.join(",");
    let mut found = 0;
    let places = [
        "README.md",
        "README.zh-CN.md",
        "docs/install.md",
        "docs/zh-CN/quick-start.md",
        "docs/runbooks/ZooKeeperMntrMissing.md",
        "deploy/helm/zookeeper-exporter/templates/NOTES.txt",
        "docker-compose.yml",
        "src",
    ];
    for path in places {
        let texts = if path == "src" {
            vec![read("src/scrape/reading.rs"), read("src/alert/catalogue/exporter.rs")]
        } else {
            vec![read(path)]
        };
        for text in texts {
            for key in ["4lw.commands.whitelist=", "ZOO_4LW_COMMANDS_WHITELIST: "] {
                for told in text.split(key).skip(1) {
                    found += 1;
                    let end = told.find(|c: char| !c.is_ascii_lowercase() && c != ',').unwrap_or(told.len());
                    assert_eq!(&told[..end], line, "{path}");
                }
            }
        }
    }
    assert_eq!(found, 9, "a place that recommends a whitelist is gone, or its form has changed");
    let index = read("docs/runbooks/README.md");
    assert!(index.contains(&format!("recommended whitelist: `{line}`")), "{index}");
    for condition in conditions() {
        for text in [condition.first, condition.says] {
            for command in text.split("<ask ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
                assert!(WHITELIST.contains(&command), "{}: {command}", condition.name);
            }
            // Over TLS, and for IPv6 addresses, only the commands of the product work.
            let first_ask = text.find("<ask");
            let own = text.find("<info>").or_else(|| text.find("<stat>"));
            if let Some(ask) = first_ask
                && condition.name != "SamplesDropped"
            {
                assert!(own.is_some_and(|own| own < ask), "{}: the first command is not our own", condition.name);
            }
        }
    }
}

/// Whether a text advises to restart a member, which temporarily removes a voter.
fn advises_a_restart(text: &str) -> bool {
    let text = text.to_lowercase().replace('\n', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (of_member, of_others) = (
        ["it", "this", "that", "them", "those", "one", "the member", "the leader", "every", "each", "all", "members"],
        ["it, and correct", "them gently", "the client", "it to drop its watches", "one only if"],
    );
    let restarts = text.match_indices("restart ").map(|(place, word)| (&text[..place], &text[place + word.len()..]));
    let advised = restarts.filter(|(before, after)| {
        let denied = ["not ", "no ", "without a ", "before the next ", "a ", "next ", "the "];
        !denied.iter().any(|word| before.ends_with(word))
            && of_member.iter().any(|whom| after.starts_with(whom))
            && !of_others.iter().any(|whom| after.starts_with(whom))
            && !text.contains("client")
    });
    advised.count() > 0 || text.contains("plan a rolling restart") || text.contains("kill -9")
}

/// Advice followed at margin 0 must not cause an outage.
#[test]
fn advice_to_restart_names_the_margin() {
    assert!(advises_a_restart("3. It hangs: restart this\n   member alone."));
    assert!(!advises_a_restart("Do not restart a second one. A restart does not help. Joins without a restart."));
    let (mut advised, mut silent) = (0, Vec::new());
    for condition in conditions() {
        let alert = condition.alert();
        let text = read(&format!("docs/runbooks/{alert}.md"));
        let mend = text.split("## Mitigation").nth(1).unwrap();
        let items = mend.split("\n1. ").flat_map(|part| {
            let mut all = vec![String::new()];
            for line in part.lines() {
                let begins = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
                if begins {
                    all.push(String::new());
                }
                all.last_mut().unwrap().push_str(&format!("{line}\n"));
            }
            all
        });
        let texts = [condition.first, condition.decision, condition.mitigation].map(str::to_owned);
        for item in items.chain(texts).filter(|item| advises_a_restart(item)) {
            advised += 1;
            if !item.contains("margin") && !item.contains("majority") {
                silent.push(format!("{alert}: {item}"));
            }
        }
    }
    assert!(silent.is_empty(), "a restart is advised without a word on the margin: {silent:#?}");
    assert!(advised >= 25, "{advised}");
}

#[test]
fn rules_and_runbooks_use_existing_metrics() {
    let known = known();
    assert!(known.len() > 400 && known.contains("zk_up"));
    let mut texts = vec![("alert-rules".to_owned(), rules())];
    texts.extend(
        files("docs/runbooks", ".md").iter().map(|name| (name.clone(), read(&format!("docs/runbooks/{name}")))),
    );
    for (name, text) in texts {
        let unknown: Vec<_> = metrics_in(&text).into_iter().filter(|metric| !known.contains(metric)).collect();
        assert!(unknown.is_empty(), "{name} speaks of {unknown:?}");
    }
}

/// The rules of the demo fire after a tenth of the time, and their texts contain that time.
#[test]
fn texts_of_shortened_rules_have_the_shortened_durations() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("/usr/bin/python3")
        .arg(root().join("scripts/lib/quick_rules.py"))
        .args(["10", "6"])
        .arg(folder.path())
        .arg(root().join("alert-rules/zookeeper.yml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(folder.path().join("zookeeper.yml")).unwrap();
    assert!(text.contains("has not served clients for over 12 s, or") && text.contains("the last 6 min"), "{text}");
    let whole = |line: &&str| line.contains(" minutes") || line.contains(" an hour") || line.contains("last hour");
    assert_eq!(text.lines().find(whole), None);
}
