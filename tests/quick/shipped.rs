//! What is shipped beside the binary fits it: runbooks, and the metrics that they speak of.

use std::collections::BTreeSet;

use zookeeper_exporter::alert::early::{INDICATORS, RECORDED};
use zookeeper_exporter::alert::{Condition, conditions, document, watch};

use crate::common::{assert_golden, root};

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

/// Every metric of `docs/metrics.md`, with the series a summary consists of.
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

/// Words of a text that look like our metrics, what recording rules write among them.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| (word.starts_with("zk_") || word.contains(":zk_")) && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

const SECTIONS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];

/// The head of a runbook is the catalogue's; `UPDATE_GOLDEN=1` writes it anew and leaves the rest.
#[test]
fn every_alert_has_a_whole_runbook_and_every_runbook_an_alert() {
    let alerts: BTreeSet<String> = conditions().iter().map(Condition::alert).collect();
    let mut files: BTreeSet<String> =
        files("docs/runbooks", ".md").iter().map(|name| name.trim_end_matches(".md").to_owned()).collect();
    assert_golden("docs/runbooks/README.md", &document::index());
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
        assert_golden(&path, &(document::runbook_head(condition) + &body));
        let mut rest = &*body;
        for part in SECTIONS {
            let place = rest.find(&format!("## {part}\n\n")).unwrap_or_else(|| panic!("{alert} lacks `{part}`"));
            rest = &rest[place..];
            let section = rest[3..].split("\n## ").next().unwrap();
            assert!(section.len() > part.len() + 40, "{alert}: `{part}` says next to nothing");
        }
        let steps = body.split("## Diagnosis").nth(1).unwrap();
        assert!(steps.contains("\n1. "), "{alert} has no steps");
        assert!(steps.contains('`'), "{alert} has nothing to paste");
        for link in text.split("](").skip(1).map(|behind| behind.split(')').next().unwrap()) {
            let link = link.split('#').next().unwrap();
            assert!(root().join("docs/runbooks").join(link).exists(), "{alert} links to {link}");
        }
        for command in commands(&body) {
            let tool = command.split_whitespace().next().unwrap();
            assert!(TOOLS.contains(&tool), "{alert}: `{command}` begins with no command that is known here");
            if let Some(word) = command.strip_prefix("echo ").map(|rest| rest.split_whitespace().next().unwrap()) {
                assert!(WHITELIST.contains(&word), "{alert}: {word} is not in the recommended whitelist");
            }
        }
    }
}

/// The table is the catalogue's; the rest of the page is written by hand.
#[test]
fn the_alerts_page_lists_every_alert() {
    let text = read("docs/alerts.md");
    let begin = text.find("## All alerts\n\n").unwrap() + "## All alerts\n\n".len();
    let end = begin + text[begin..].find("\n## ").unwrap();
    let whole = format!("{}{}{}", &text[..begin], document::table(), &text[end..]);
    assert_golden("docs/alerts.md", &whole);
}

#[test]
fn the_alerts_page_lists_every_profile() {
    let text = read("docs/alerts.md");
    let title = "<!-- written from src/alert/profiles.rs -->\n\n";
    assert_golden("docs/alerts.md", &with_section(&text, title, &document::profiles()));
}

/// The tables are made of what the rules are made of; the rest of the page is written by hand.
#[test]
fn the_page_of_early_warning_lists_every_series_and_every_indicator() {
    let text = read("docs/early-warning.md");
    let text = with_section(&text, "## The series\n\n", &document::series());
    assert_golden("docs/early-warning.md", &with_section(&text, "## The indicators\n\n", &document::indicators()));
}

fn with_section(text: &str, title: &str, table: &str) -> String {
    let begin = text.find(title).unwrap() + title.len();
    let end = begin + text[begin..].find("\n## ").unwrap();
    format!("{}{table}{}", &text[..begin], &text[end..])
}

/// Every series that a recording rule writes has a number in a test of promtool, and every indicator too.
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

/// The four-letter commands that users are told to allow: what the exporter asks, and what runbooks and alerts need.
const WHITELIST: [&str; 6] = ["mntr", "srvr", "conf", "cons", "wchs", "isro"];

#[test]
fn one_whitelist_is_recommended_everywhere_and_it_is_enough_for_every_alert() {
    let line = WHITELIST.join(",");
    let mut found = 0;
    for path in ["README.md", "docs/install.md", "docs/runbooks/ZooKeeperMntrMissing.md", "docker-compose.yml", "src"] {
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
    assert_eq!(found, 6, "a place that recommends a whitelist is gone, or its form has changed");
    for condition in conditions() {
        for text in [condition.first, condition.says] {
            for command in text.split("<ask ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
                assert!(WHITELIST.contains(&command), "{}: {command}", condition.name);
            }
            // Over TLS, and for an IPv6 address, only the product's own commands work.
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

/// Whether a text advises the restart of a member, which costs the ensemble a voter for a while.
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

/// An operator who follows a text at margin 0 must not make the outage.
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

/// Commands that runbooks may name: of every Linux, of the JDK, of ZooKeeper and its shell, of Prometheus, ours.
const TOOLS: &[&str] = &[
    "echo",
    "nc",
    "grep",
    "ss",
    "systemctl",
    "journalctl",
    "curl",
    "ps",
    "kill",
    "getent",
    "top",
    "ping",
    "ls",
    "df",
    "du",
    "dmesg",
    "vmstat",
    "iostat",
    "sudo",
    "prlimit",
    "openssl",
    "cat",
    "timedatectl",
    "tail",
    "sort",
    "kinit",
    "keytool",
    "jstat",
    "jstack",
    "jmap",
    "kubectl",
    "zkCli.sh",
    "zkCleanup.sh",
    "create",
    "delete",
    "deleteall",
    "reconfig",
    "setquota",
    "listquota",
    "amtool",
    "promtool",
    "zookeeper-exporter",
    "count",
    "sum",
];

/// What stands between back quotes and begins as a command does; queries and lines of files or logs do not.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\n   ", " ").replace('\n', " \n");
    let quoted = joined.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let begins = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || b"-.".contains(&byte));
    quoted.filter(|part| part.contains(' ') && begins(part.split(' ').next().unwrap())).map(str::to_owned).collect()
}

#[test]
fn rules_and_runbooks_speak_of_metrics_that_exist() {
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
