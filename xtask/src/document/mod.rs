//! The documents, whole or with generated parts: reference of metrics and of the configuration file, tables of alerts,
//! indicators and causes, and the heads of the runbooks.

mod alerts;
mod chinese;
pub(crate) mod configuration;
mod metrics;

use zookeeper_exporter::alert::conditions;

use crate::{File, read, root};

/// Every document with generated parts.
pub(crate) fn files() -> Vec<File> {
    let mut all = vec![
        ("docs/metrics.md".to_owned(), metrics::markdown()),
        ("docs/runbooks/README.md".to_owned(), alerts::index()),
        ("docs/early-warning.md".to_owned(), early_warning()),
        ("docs/why.md".to_owned(), why()),
    ];
    let alerts = alerts_page();
    all.push(("docs/zh-CN/alerts.md".to_owned(), chinese::with_limits(&read("docs/zh-CN/alerts.md"), &alerts)));
    all.push(("docs/alerts.md".to_owned(), alerts));
    all.extend(configuration::files());
    all.extend(runbooks());
    all
}

/// The runbooks with their generated heads. A test reports missing runbooks.
fn runbooks() -> impl Iterator<Item = File> {
    conditions().iter().filter_map(|condition| {
        let path = format!("docs/runbooks/{}.md", condition.alert());
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        let body = &text[text.find("## Meaning")?..];
        Some((path, alerts::runbook_head(condition) + body))
    })
}

fn alerts_page() -> String {
    let text = with_section(&read("docs/alerts.md"), "## All alerts\n\n", &alerts::table());
    with_section(&text, "<!-- written from src/alert/profiles.rs -->\n\n", &alerts::profiles())
}

fn early_warning() -> String {
    let text = with_section(&read("docs/early-warning.md"), "## The series\n\n", &alerts::series());
    with_section(&text, "## The indicators\n\n", &alerts::indicators())
}

fn why() -> String {
    let text = read("docs/why.md");
    let begin = text.find("| cause | symptoms |").expect("docs/why.md has no table of causes");
    let end = text[begin..].find("\n\n").map_or(text.len(), |end| begin + end + 1);
    format!("{}{}{}", &text[..begin], alerts::causes(), &text[end..])
}

/// Replaces the text between a title and the next heading.
fn with_section(text: &str, title: &str, table: &str) -> String {
    let begin = text.find(title).unwrap_or_else(|| panic!("no {title:?} in the document")) + title.len();
    let end = begin + text[begin..].find("\n## ").expect("a heading follows");
    format!("{}{table}{}", &text[..begin], &text[end..])
}
