//! The early-warning dashboard: risks, indicators near their limits, and pending alerts.

use super::parts;
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{of_ensemble, of_member};

pub(super) fn board() -> Board {
    Board::new("zookeeper-early-warning", "Early warning", "Which faults are developing?")
        .row("Now", vec![parts::firing().size(12, 8), pending()])
        .row("Risk: 50 % is one indicator at its limit, or several near their limits", risk())
        .row("Distance of each indicator to its warning limit (100 %)", near())
        .row("Which resource is exhausted next?", vec![parts::runs_out().size(12, 9), history()])
        .row("Which alerts are noisy?", vec![noisiest()])
}

fn pending() -> Panel {
    let alerts = r#"max by (alertname, severity, ensemble, member) (ALERTS{alertname=~"ZooKeeper.*",alertstate="pending",severity!="info",ensemble=~"$ensemble|",member=~"$member|"})"#;
    Panel::table(
        "Pending alerts",
        &[("severity", "Severity"), ("alertname", "Alert"), ("ensemble", "Ensemble"), ("member", "Member")],
        vec![Column::new("", Unit::Count, alerts)],
    )
    .asks("Which conditions hold, but not for long enough to fire?")
    .bad("Any row that stays for minutes.", "Check it before it fires.")
    .missing("No alert is pending.")
}

fn risk() -> Vec<Panel> {
    const RECORDED: &str = "No data: alert-rules/early-warning.yml is not loaded in this Prometheus.";
    vec![
        Panel::number("Risk of the ensemble", Unit::Ratio)
            .asks("How likely is a fault of the ensemble, given its quorum margin?")
            .bad(
                "50 % or more, or a critical alert. For 15 minutes after an election or a restart most indicators are \
                 suppressed, and a low risk is meaningless.",
                "The graph beside it shows which member.",
            )
            .missing(RECORDED)
            .query(risk_or_why_not(), "{{ensemble}}")
            .paint(Paint::FromOrWords(
                vec![(0.2, "yellow"), (0.5, "orange"), (0.9, "red")],
                &[(2, "critical alert", "dark-red"), (-1, "suppressed since the election", "text")],
            ))
            .size(6, 8),
        Panel::curves("Risk of each member", Unit::Ratio)
            .asks("Which member is at risk, and since when?")
            .bad("A rising line; 0 without problems.", "The row below shows which indicator.")
            .missing(RECORDED)
            .query(of_member("member:zk_risk:noisy_or{RM}"), "{{member}}")
            .between(0.0, 1.0)
            .size(10, 8),
        Panel::heat("Unusual compared with the last day", Unit::Ratio)
            .asks("Which indicator is far above its values of the last day?")
            .bad("98 % or more: nearly four standard deviations.", "Find out what changed at that time.")
            .missing("No data: there are not yet six hours of history, or alert-rules/early-warning.yml is not loaded.")
            .query("max by (indicator, ensemble) (member:zk_detection:probability{RM})", "{{indicator}} {{ensemble}}")
            .paint(Paint::From(vec![(0.9, "yellow"), (0.98, "orange")]))
            .size(8, 8),
    ]
}

/// The risk of each ensemble; 2 if a critical alert fires, -1 if it is low while restarts suppress indicators.
fn risk_or_why_not() -> String {
    let risk = of_ensemble("ensemble:zk_risk:noisy_or{RE}");
    let critical = r#"2 * group by (ensemble) (ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity="critical",ensemble=~"$ensemble|"} and on (ensemble) ensemble:zk_risk:noisy_or{RE})"#;
    let held = "-1 * group by (ensemble) (member:zk_restarted:group15m{RM})";
    format!("{critical} or {risk} >= 0.2 or {held} or {risk}")
}

fn near() -> Vec<Panel> {
    let near = parts::NEARNESS;
    let worst = format!("max by (indicator, ensemble) ({})", parts::nearness());
    vec![
        Panel::heat("Indicators of the worst member, over time", Unit::Ratio)
            .asks("Which indicator approaches its warning limit, and since when?")
            .bad("Yellow: half of the limit. Orange: near it. Red: above it.", "The bars beside it show which member.")
            .query(worst, "{{indicator}} {{ensemble}}")
            .paint(near.clone())
            .size(14, 10),
        Panel::bars("Nearest to a limit now", Unit::Ratio)
            .asks("Which member is nearest to a limit, and to which?")
            .bad("Orange or red.", "Follow the link to its dashboard.")
            .query(format!("topk(8, {})", parts::nearness()), "{{indicator}}: {{member}} of {{ensemble}}")
            .paint(near)
            .between(0.0, 1.0)
            .size(10, 10),
    ]
}

/// Alerts by their number of firings in a week, to find limits that need tuning.
fn noisiest() -> Panel {
    let firing = r#"max by (alertname, severity, ensemble) (ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity!="info",ensemble=~"$ensemble|"})"#;
    let before = firing.replace("|\"}", "|\"} offset 1m");
    Panel::table(
        "Noisiest alerts of the last 7 days",
        &[("severity", "Severity"), ("alertname", "Alert"), ("ensemble", "Ensemble")],
        vec![
            Column::new("Firings", Unit::Count, format!("sum_over_time(({firing} unless {before})[7d:1m])")),
            Column::new("Time firing", Unit::Age, format!("60 * sum_over_time({firing}[7d:1m])")),
        ],
    )
    .asks("Which alert fires most often, and for how long in total?")
    .bad(
        "A warning that fires every day without a reaction.",
        "zookeeper-exporter rules suggest proposes a limit from the history of the ensemble: docs/tuning.md.",
    )
    .missing("No alert fired (or the alert rules are not loaded in this Prometheus).")
    .sorted("Firings", true)
    .size(24, 8)
}

fn history() -> Panel {
    Panel::states("Alerts over time")
        .asks("Which alerts fired, when, and for how long?")
        .bad("Long or repeated bars.", "Repeated ones have a cause that was not fixed.")
        .missing("No alert fired in this time (or the alert rules are not loaded in this Prometheus).")
        .query(
            r#"max by (alertname, ensemble, member) ((2 * ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity="critical",ensemble=~"$ensemble|",member=~"$member|"}) or ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity="warning",ensemble=~"$ensemble|",member=~"$member|"})"#,
            "{{alertname}} {{ensemble}} {{member}}",
        )
        .paint(Paint::Words(&[(2, "critical", "red"), (1, "warning", "orange")]))
        .size(12, 9)
}
