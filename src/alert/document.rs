//! What documents say of the conditions: the head of each runbook, their index, the table of all alerts.

use super::condition::{Condition, Group};
use super::conditions;
use super::early::{INDICATORS, RECORDED, steepness};
use super::expr::Cmp;
use super::profiles::PROFILES;
use super::text::in_words;

/// The head of a runbook, up to its first section.
#[must_use]
pub fn runbook_head(condition: &Condition) -> String {
    let mut out = format!(
        "# {}\n\n{}\n\n| level | limit | for | by default |\n|---|---|---|---|\n",
        condition.alert(),
        condition.meaning
    );
    for level in &condition.levels {
        let limit = level.limit.map_or_else(|| "-".to_owned(), |limit| in_limit_words(condition, limit));
        let hold = if level.hold.0 == 0 { "at once".to_owned() } else { in_words(level.hold) };
        let on = if level.on { "on" } else { "off" };
        out.push_str(&format!("| {} | {limit} | {hold} | {on} |\n", level.severity.text()));
    }
    out.push_str(&format!("\nThe numbers: {}.\n", condition.source));
    let samples: Vec<String> = condition.samples().iter().map(|name| format!("`{name}`")).collect();
    if !samples.is_empty() {
        let since = if condition.since() == "3.4.0" {
            "any ZooKeeper".to_owned()
        } else {
            format!("ZooKeeper {} or later", condition.since())
        };
        out.push_str(&format!("Looks at {}; {since}.\n", samples.join(", ")));
    }
    out.push_str(&format!("\n**First action**: {}\n\n", condition.decision));
    out
}

/// The index of the runbooks.
#[must_use]
pub fn index() -> String {
    let mut out = String::from(
        "# Runbooks\n\nOne for each alert. Written from the catalogue in `src/alert`: `UPDATE_GOLDEN=1 cargo test --test quick` rewrites this page\nand the heads of the runbooks.\n\n\
         - `zookeeper-exporter info --config.file FILE --ensemble E` shows who serves, who leads and the quorum margin. It speaks TLS,\n  \
         sends passwords and asks the AdminServer where the module says so; `nc` works only on a plaintext port. `nc` wants an IPv6\n  \
         address without its brackets.\n\
         - The commands behind `echo` are in the recommended whitelist: `mntr,srvr,conf,cons,wchs,isro`.\n\
         - Restart a member that serves only while the margin is above 0. At margin 0 the restart of a voter is an outage.\n",
    );
    for group in Group::ALL {
        out.push_str(&format!("\n## {}\n\n| alert | levels | costs |\n|---|---|---|\n", group.name()));
        for condition in conditions().iter().filter(|condition| condition.group == group) {
            let alert = condition.alert();
            out.push_str(&format!("| [{alert}]({alert}.md) | {} | {} |\n", levels(condition), condition.impact));
        }
    }
    out
}

/// The table of all alerts.
#[must_use]
pub fn table() -> String {
    let mut out = String::from("| alert | warning | critical | for | what |\n|---|---|---|---|---|\n");
    for condition in conditions() {
        let cell = |severity| {
            condition.level_of(severity).map_or(String::new(), |level| {
                let limit = level.limit.map_or_else(|| "yes".to_owned(), |limit| in_limit_words(condition, limit));
                if level.on { limit } else { format!("{limit} (off)") }
            })
        };
        let mut holds: Vec<String> = condition.levels.iter().map(|level| level.hold.to_string()).collect();
        holds.dedup();
        let alert = condition.alert();
        out.push_str(&format!(
            "| [{alert}](runbooks/{alert}.md) | {} | {} | {} | {} |\n",
            cell(super::Severity::Warning),
            cell(super::Severity::Critical),
            holds.join(", ").replace("0s", "-"),
            condition.meaning
        ));
    }
    out
}

/// The table of what the recording rules write.
#[must_use]
pub fn series() -> String {
    let mut out = String::from("| series | what it is |\n|---|---|\n");
    for (name, meaning) in RECORDED {
        out.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    out
}

/// The table of the indicators, with nu and tau by the limits of the catalogue.
#[must_use]
pub fn indicators() -> String {
    let mut out =
        String::from("| indicator | group | alert | nu | tau | held back after a start |\n|---|---|---|---|---|---|\n");
    for indicator in INDICATORS {
        let condition = indicator.condition();
        let limit = |severity| {
            let level = condition.level_of(severity).filter(|level| level.on || severity != super::Severity::Warning);
            level.and_then(|level| level.limit).map(|limit| indicator.limit(limit))
        };
        let both = limit(super::Severity::Warning).and_then(|nu| steepness(nu, limit(super::Severity::Critical)));
        let words = |number| condition.unit.words(number);
        let (nu, tau) = both.map_or(("off".to_owned(), "-".to_owned()), |(nu, tau)| (words(nu), words(tau)));
        let alert = condition.alert();
        let cold = if indicator.cold { "yes" } else { "" };
        out.push_str(&format!(
            "| {}{} | {} | [{alert}](runbooks/{alert}.md) | {nu} | {tau} | {cold} |\n",
            indicator.name,
            if indicator.falls() { " (1 less what is free)" } else { "" },
            indicator.group,
        ));
    }
    out
}

/// The table of the profiles.
#[must_use]
pub fn profiles() -> String {
    let mut out = String::from("| profile | alert | level | limit | source |\n|---|---|---|---|---|\n");
    for profile in PROFILES {
        for preset in profile.presets {
            let Some(condition) = conditions().iter().find(|condition| condition.name == preset.condition) else {
                continue;
            };
            let alert = condition.alert();
            out.push_str(&format!(
                "| {} | [{alert}](runbooks/{alert}.md) | {} | {} | {} |\n",
                profile.name,
                preset.severity.text(),
                in_limit_words(condition, preset.limit),
                preset.source
            ));
        }
        out.push_str(&format!("| {} | all others | | as in the table above | {} |\n", profile.name, profile.reason));
    }
    out
}

fn levels(condition: &Condition) -> String {
    let all = condition.levels.iter().map(|level| {
        if level.on { level.severity.text().to_owned() } else { format!("{} (off)", level.severity.text()) }
    });
    all.collect::<Vec<_>>().join(", ")
}

fn in_limit_words(condition: &Condition, limit: f64) -> String {
    let sign = match condition.expr.limit_comparison() {
        Some(Cmp::Gt) => ">",
        Some(Cmp::Ge) => ">=",
        Some(Cmp::Lt) => "<",
        Some(Cmp::Le) => "<=",
        Some(Cmp::Eq) | None => "=",
    };
    format!("{sign} {}", condition.unit.words(limit))
}
