//! Documentation generated from the conditions: the head of each runbook, the runbook index, the tables of alerts.

use zookeeper_exporter::alert::causes::{CauseScope, EDGES, Link};
use zookeeper_exporter::alert::early::{INDICATORS, RECORDED, steepness};
use zookeeper_exporter::alert::expr::Cmp;
use zookeeper_exporter::alert::profiles::PROFILES;
use zookeeper_exporter::alert::text::in_words;
use zookeeper_exporter::alert::{Condition, Group, Severity, conditions};

/// The beginning of the runbook index: how to use the commands.
const COMMANDS: &str = "\
# Runbooks

One for each alert. Written from the catalogue in `src/alert`: `cargo xtask gen` rewrites this page
and the heads of the runbooks.

## Commands

- Start with `zookeeper-exporter info --config.file FILE --ensemble E`: it shows which members serve, the leader and the quorum
  margin. It uses TLS, passwords and the AdminServer as the module configures them.
- Commands under *Diagnosis* and in the texts of alerts change nothing, except a write test with `create
  /zookeeper-exporter-test`; delete this znode afterwards. Commands under *Mitigation* may change something.
- Run `zookeeper-exporter`, `echo ... | nc`, `nc -vz`, `curl`, `openssl`, `getent` and `ping` on the exporter's host;
  `zkCli.sh`, `kubectl`, `amtool` and `promtool` wherever they are installed; all other commands on the member's host.
- The commands behind `echo` are in the recommended whitelist: `mntr,srvr,conf,cons,wchs,isro`.
- For a TLS port, replace `nc -w 3 HOST 2181` by `openssl s_client -quiet -connect HOST:2281 -CAfile ca.pem 2>/dev/null`, with
  `-cert c.pem -key k.pem` if the servers require client certificates. `nc` needs an IPv6 address without brackets.
- Restart a member that serves only while the margin is above 0. At margin 0 the restart of a voter is an outage.

| placeholder | replace by |
|---|---|
| `FILE`, `E` | the exporter's configuration file, and the name of the ensemble |
| `HOST 2181`, `HOST:2181`, `MEMBER` | host and client port of the member |
| `HOST:2281`, `HOST:3888`, `HOST:8080` | its TLS client port, its election port, its AdminServer |
| `LEADER`, `OTHER` | the host of the leader, and of another member |
| `EXPORTER:9141`, `ALERTMANAGER:9093` | the addresses of the exporter and of Alertmanager |
| `DATADIR`, `DATALOGDIR` | `dataDir` and `dataLogDir` of zoo.cfg; without the second, the first for both |
| `zookeeper.log`, `zoo.cfg` | the log and the configuration of the member, with their paths |
| `ca.pem`, `c.pem`, `k.pem`, `keystore.jks` | the files of the module's `tls`, and the key store of the member |
| `PATH`, `NAME`, `POD`, `PID`, `SESSIONID`, `KEYTAB`, `PRINCIPAL`, `ID`, `N`, `BYTES` | what the text describes |

`$(pgrep -f QuorumPeerMain)` is not a placeholder: it finds the process if one member runs on the host.
";

/// The head of a runbook, up to its first section.
pub(super) fn runbook_head(condition: &Condition) -> String {
    let mut out = format!(
        "# {}\n\n{}\n\n| level | limit | for | by default |\n|---|---|---|---|\n",
        condition.alert(),
        condition.meaning
    );
    for level in &condition.levels {
        let limit = level.limit.map_or_else(|| "-".to_owned(), |limit| in_limit_words(condition, limit));
        let hold = if level.hold.0 == 0 { "immediately".to_owned() } else { in_words(level.hold) };
        let on = if level.on { "on" } else { "off" };
        out.push_str(&format!("| {} | {limit} | {hold} | {on} |\n", level.severity.text()));
    }
    out.push_str(&format!("\nThe numbers: {}.\n", condition.source));
    if let Some(level) = condition.levels.iter().find(|level| level.keep.0 > 0) {
        out.push_str(&format!("Keeps firing for {} after its end: {}.\n", in_words(level.keep), condition.keep_reason));
    }
    let samples: Vec<String> = condition.samples().iter().map(|name| format!("`{name}`")).collect();
    if !samples.is_empty() {
        let since = if condition.since() == "3.4.0" {
            "any ZooKeeper".to_owned()
        } else {
            format!("ZooKeeper {} or later", condition.since())
        };
        out.push_str(&format!("Uses {}; {since}.\n", samples.join(", ")));
    }
    out.push_str(&format!("\n**First action**: {}\n\n", condition.decision));
    out
}

/// The index of the runbooks.
pub(super) fn index() -> String {
    let mut out = String::from(COMMANDS);
    for group in Group::ALL {
        out.push_str(&format!("\n## {}\n\n| alert | levels | impact |\n|---|---|---|\n", group.name()));
        for condition in conditions().iter().filter(|condition| condition.group == group) {
            let alert = condition.alert();
            out.push_str(&format!("| [{alert}]({alert}.md) | {} | {} |\n", levels(condition), condition.impact));
        }
    }
    out
}

/// The table of all alerts.
pub(super) fn table() -> String {
    let mut out = String::from("| alert | warning | critical | for | cause |\n|---|---|---|---|---|\n");
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
            cell(Severity::Warning),
            cell(Severity::Critical),
            holds.join(", ").replace("0s", "-"),
            condition.meaning
        ));
    }
    out
}

/// The table of recorded series.
pub(super) fn series() -> String {
    let mut out = String::from("| series | meaning |\n|---|---|\n");
    for (name, meaning) in RECORDED {
        out.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    out
}

/// The table of indicators, with nu and tau derived from the default limits.
pub(super) fn indicators() -> String {
    let mut out = String::from(
        "| indicator | group | alert | nu | tau | suppressed after a start |\n|---|---|---|---|---|---|\n",
    );
    for indicator in INDICATORS {
        let condition = indicator.condition();
        let limit = |severity| {
            let level = condition.level_of(severity).filter(|level| level.on || severity != Severity::Warning);
            level.and_then(|level| level.limit).map(|limit| indicator.limit(limit))
        };
        let both = limit(Severity::Warning).and_then(|nu| steepness(nu, limit(Severity::Critical)));
        let words = |number| condition.unit.words(number);
        let (nu, tau) = both.map_or(("off".to_owned(), "-".to_owned()), |(nu, tau)| (words(nu), words(tau)));
        let alert = condition.alert();
        let cold = if indicator.cold { "yes" } else { "" };
        out.push_str(&format!(
            "| {}{} | {} | [{alert}](runbooks/{alert}.md) | {nu} | {tau} | {cold} |\n",
            indicator.name,
            if indicator.falls() { " (1 minus the free share)" } else { "" },
            indicator.group,
        ));
    }
    out
}

/// The table of causes and symptoms.
pub(super) fn causes() -> String {
    let link = |name: &&str| format!("[{name}](runbooks/ZooKeeper{name}.md)");
    let names = |all: &[&str]| all.iter().map(link).collect::<Vec<_>>().join(", ");
    let mut out = String::from("| cause | symptoms | certainty | reach |\n|---|---|---|---|\n");
    for edge in EDGES {
        let certainty = match edge.link {
            Link::Always => "always",
            Link::May => "may",
        };
        let reach = match edge.scope {
            CauseScope::SameMember => "member",
            CauseScope::Ensemble => "ensemble",
            CauseScope::FromLeader => "leader",
            CauseScope::ToLeader => "to the leader",
        };
        out.push_str(&format!("| {} | {} | {certainty} | {reach} |\n", names(edge.causes), names(edge.symptoms)));
    }
    out
}

/// The table of the profiles.
pub(super) fn profiles() -> String {
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
