//! The Chinese documents have the same structure, commands, links and alerts as the English ones.

use std::collections::BTreeSet;

use zookeeper_exporter::alert::{Condition, conditions};

use super::links::{prose, targets};
use crate::common::exporter::run;
use crate::common::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The level of each heading, in order.
fn levels(text: &str) -> Vec<usize> {
    let level = |line: &str| line.len() - line.trim_start_matches('#').len();
    prose(text).into_iter().map(level).filter(|level| *level > 0).collect()
}

/// Fenced blocks with their language; comments in commands may be translated.
fn blocks(text: &str) -> Vec<String> {
    let inside = text.split("```").skip(1).step_by(2);
    let uncommented = |line: &str| line.split(" #").next().unwrap_or_default().trim_end().to_owned();
    inside
        .map(|block| {
            let strip = block.starts_with("sh\n");
            let lines = block.lines().map(|line| if strip { uncommented(line) } else { line.to_owned() });
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

/// The code spans in the first column of a table.
fn keys(text: &str) -> Vec<String> {
    let rows = prose(text).into_iter().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

/// The links of a document; links to a translated page count as links to the original.
fn links(text: &str) -> BTreeSet<String> {
    targets(text)
        .into_iter()
        .filter(|target| !target.starts_with("README"))
        .map(|target| target.replace("docs/zh-CN/", "docs/"))
        .filter(|target| target != "docs/quick-start.md")
        .collect()
}

#[test]
fn the_chinese_readme_has_the_structure_of_the_english_one() {
    let (english, chinese) = (read("README.md"), read("README.zh-CN.md"));
    assert_eq!(levels(&chinese), levels(&english), "headings");
    assert_eq!(blocks(&chinese), blocks(&english), "commands");
    assert_eq!(keys(&chinese), keys(&english), "sub-commands");
    assert_eq!(links(&chinese), links(&english), "links");
    assert!(blocks(&english).len() >= 8 && links(&english).len() > 20 && levels(&english).len() > 8);
    assert!(english.lines().count() <= 180, "README.md has more than 180 lines");
}

#[test]
fn the_chinese_page_of_early_warning_has_the_sections_and_formulas_of_the_english_one() {
    let (english, chinese) = (read("docs/early-warning.md"), read("docs/zh-CN/early-warning.md"));
    for formula in english.lines().filter(|line| line.starts_with("    ")) {
        assert!(chinese.contains(formula), "docs/zh-CN/early-warning.md lacks {formula}");
    }
    for condition in conditions()
        .iter()
        .map(Condition::alert)
        .filter(|name| ["Risk", "Burn", "RunsOut", "Unusual", "Forecast"].iter().any(|part| name.contains(part)))
    {
        assert!(chinese.contains(&format!("`{condition}`")), "docs/zh-CN/early-warning.md lacks {condition}");
    }
}

/// The rows about alerts in a table: name, and all other cells.
fn rows(text: &str) -> Vec<(String, Vec<String>)> {
    let begins = |line: &&str| line.starts_with("| [ZooKeeper");
    let cells =
        |line: &str| line.split(" | ").skip(1).map(|cell| cell.trim_end_matches('|').trim().to_owned()).collect();
    let name = |line: &str| line["| [".len()..].split(']').next().unwrap().to_owned();
    text.lines().filter(begins).map(|line| (name(line), cells(line))).collect()
}

/// Limits and durations are generated; the texts are written by hand.
#[test]
fn the_chinese_page_of_alerts_has_every_alert() {
    const PATH: &str = "docs/zh-CN/alerts.md";
    let texts = rows(&read(PATH));
    let names: BTreeSet<&String> = texts.iter().map(|(name, _)| name).collect();
    let missing: Vec<String> = conditions().iter().map(Condition::alert).filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{PATH} lacks {missing:?}: add a row with meaning, impact and first action in Chinese");
    for (name, text) in &texts {
        let [_, _, _, meaning, impact, action] = text.as_slice() else {
            panic!("{PATH}: the row of {name} is incomplete")
        };
        for text in [meaning, impact, action] {
            let written = text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(written, "{PATH}: {name} has a text that is not Chinese: {text:?}");
        }
    }
}

/// The quick start exists only in Chinese: its files are valid, and its commands use existing flags.
#[test]
fn the_chinese_quick_start_works_with_this_binary() {
    let text = read("docs/zh-CN/quick-start.md");
    let fenced = |language: &str| -> Vec<String> {
        let fence = format!("```{language}\n");
        text.split(&fence).skip(1).map(|behind| behind.split("```").next().unwrap().to_owned()).collect()
    };
    let mut checked = 0;
    for yaml in fenced("yaml").iter().filter(|yaml| yaml.contains("ensembles:")) {
        let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        let output = run(&["config", "check", file.path().to_str().unwrap()]);
        assert!(output.status.success(), "{yaml}{}", String::from_utf8_lossy(&output.stderr));
        checked += 1;
    }
    for line in fenced("sh").iter().flat_map(|block| block.lines()) {
        let Some(arguments) = line.strip_prefix("./target/release/zookeeper-exporter ") else { continue };
        let words: Vec<&str> = arguments.split(' ').collect();
        let command: Vec<&str> =
            words.iter().copied().take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())).collect();
        let help = run(&[command.as_slice(), &["--help"]].concat());
        assert!(help.status.success(), "{line}");
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "`{line}`: there is no {flag}");
        }
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} files and commands were found");
}
