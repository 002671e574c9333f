//! The exporter dashboard: completeness, timeliness and resource usage.

use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{firing_of, gauge, of_member};

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-exporter",
        "Exporter",
        "Can the other dashboards be trusted: does the exporter see everything, in time?",
    )
    .row("Does it see everything?", sees())
    .row("In time?", in_time())
    .row("At what cost?", cost())
}

fn sees() -> Vec<Panel> {
    vec![
        Panel::number("Exporters scraped", Unit::Count)
            .asks("Does Prometheus reach every exporter?")
            .bad("Fewer than you run.", "The targets page of Prometheus says why.")
            .query("count(zk_exporter_build_info{J})", "")
            .size(4, 7),
        Panel::number("Members with incomplete mntr", Unit::Count)
            .asks("How many members answer, but do not tell all?")
            .bad("1 or more: most of their panels are empty.", "Add mntr to 4lw.commands.whitelist; the log names the line.")
            .query(
                format!(
                    "count(group by (ensemble, member) ({} == 0 and on (ensemble, member) {} == 1) or {}) or 0 * count(zk_up{{M}})",
                    gauge("zk_mntr_complete"),
                    gauge("zk_up"),
                    firing_of("ensemble, member", &["MntrMissing"])
                ),
                "",
            )
            .with_alarms(&["MntrMissing"])
            .paint(Paint::From(vec![(1.0, "orange")]))
            .size(4, 7),
        Panel::table(
            "What fails now",
            &[("ensemble", "Ensemble"), ("member", "Member"), ("command", "Command"), ("reason", "Reason")],
            vec![Column::new("", Unit::Count, "max by (ensemble, member, command, reason) (zk_scrape_failure{M} == 1)")],
        )
        .asks("Which question to which member fails, and why?")
        .bad("not_allowed: the whitelist. connect: the process is down. timeout: it hangs. dns, tls: the way to it.", "docs/failures.md")
        .missing("Nothing fails.")
        .size(16, 7),
        Panel::curves("Failures", Unit::PerSecond)
            .asks("What failed, and when?")
            .bad("Anything for long.", "The reason is in the name of the line.")
            .missing("Nothing has failed since the exporter started.")
            .query("sum by (command, reason) (max by (ensemble, member, command, reason) (rate(zk_scrape_failures_total{M}[$__rate_interval])))", "{{command}}: {{reason}}")
            .size(12, 7),
        Panel::curves("Values left out", Unit::PerSecond)
            .asks("Did it drop anything that members said?")
            .bad("cap: a member has more series than --limit.series-per-member. Others: a new release, or a bug of ours.", "Raise the limit, or report it with the reply.")
            .missing("Nothing was left out.")
            .query("max by (ensemble, member, reason) (rate(zk_exporter_dropped_samples_total{M}[$__rate_interval]))", "{{reason}} {{member}}")
            .size(12, 7),
    ]
}

fn in_time() -> Vec<Panel> {
    vec![
        Panel::curves("Time to ask a member", Unit::Seconds)
            .asks("Which member answers slowly?")
            .bad(
                "Above the line: overloaded, or a network that loses packets.",
                "Connect time beside tells which of the two.",
            )
            .query(gauge("zk_scrape_duration_seconds"), "{{member}}")
            .limits("ScrapeSlow")
            .log(),
        Panel::curves("Time to connect", Unit::Seconds)
            .asks("How is the network between exporter and members?")
            .bad("Steps of 1, 3 or 7 seconds: lost packets.", "Ping and mtr from the exporter's host.")
            .missing("No data: no member accepts connections.")
            .query(gauge("zk_connect_duration_seconds"), "{{member}}")
            .log(),
        Panel::curves("Time of Prometheus' scrape", Unit::Seconds)
            .asks("Is the whole page in time?")
            .bad(
                "Near scrape_timeout: raise it, or share the ensembles between exporters.",
                "/sd serves targets for that.",
            )
            .query(
                "max by (job, instance) (scrape_duration_seconds{J} and on (job, instance) zk_exporter_build_info{J})",
                "{{instance}}",
            ),
        Panel::buckets("How often which time to ask", Unit::Seconds, "zk_ensemble_member_scrape_duration_seconds", "E")
            .asks("Do all members answer alike?")
            .bad(
                "A band far above the others: members that are overloaded, or behind a slow network.",
                "Time to ask a member tells which.",
            )
            .size(12, 7),
        Panel::buckets(
            "How often which time to connect",
            Unit::Seconds,
            "zk_ensemble_member_connect_duration_seconds",
            "E",
        )
        .asks("Is the network the same to all members?")
        .bad("Bands at 1 and 3 seconds: lost packets.", "Time to connect tells to which members.")
        .missing("No data: no member accepts connections.")
        .size(12, 7),
    ]
}

fn cost() -> Vec<Panel> {
    vec![
        Panel::curves("Samples a scrape", Unit::Count)
            .asks("How much does Prometheus store?")
            .bad("Grows without new members: top-level znodes or peers in labels.", "metrics: essential, or a list, in the module.")
            .query("max by (job, instance) (scrape_samples_scraped{J} and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("CPU", Unit::Count)
            .asks("How many cores does it use?")
            .bad("More than a hundredth of a core for every few members.", "Scraped too often?")
            .query("max by (job, instance) (rate(process_cpu_seconds_total{J}[$__rate_interval]) and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("Memory", Unit::Bytes)
            .asks("Does its memory stay flat?")
            .bad("A steady rise.", "Report it, with the number of members.")
            .query("max by (job, instance) (process_resident_memory_bytes{J} and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("HTTP requests", Unit::PerSecond)
            .asks("Who asks it, and how does it answer?")
            .bad("Codes from 400 up; rejected connections.", "401: passwords. 403: probe.allow. 503: it drains.")
            .query("max by (job, instance, handler, code) (rate(zk_exporter_http_requests_total{J}[$__rate_interval]))", "{{handler}} {{code}}")
            .query("max by (job, instance) (rate(zk_exporter_http_connections_rejected_total{J}[$__rate_interval]))", "rejected {{instance}}")
            .size(6, 7),
        Panel::table(
            "Versions of the exporter",
            &[("job", "Job"), ("instance", "Instance"), ("version", "Version"), ("rustversion", "Compiler")],
            vec![Column::new("", Unit::Count, "max by (job, instance, version, rustversion) (zk_exporter_build_info{J})")],
        )
        .asks("Which exporters run?")
        .bad("Different versions.", "Finish the upgrade.")
        .size(12, 5),
        Panel::number("Certificates end in", Unit::Age)
            .asks("When does a certificate that members showed end?")
            .bad("Less than a month, a week.", "Renew it; quorum TLS reads it again only with sslQuorumReloadCertFiles.")
            .missing("No member is asked over TLS.")
            .query(of_member("zk_tls_certificate_not_after_timestamp_seconds{M} - time()"), "{{member}}")
            .alarms("ensemble, member", &["CertificateExpiring"])
            .paint(Paint::Falling(vec![(7.0 * 86_400.0, "orange"), (30.0 * 86_400.0, "green")]))
            .size(12, 5),
    ]
}
