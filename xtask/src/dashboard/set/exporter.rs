//! The exporter dashboard: completeness, timeliness and resource usage.

use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Paint, Panel, Unit};
use crate::dashboard::query::{firing_of, gauge, of_member};

pub(super) fn board() -> Board {
    Board::new(
        "zookeeper-exporter",
        "Exporter",
        "Are the other dashboards complete? Does the exporter receive all metrics in time?",
    )
    .row("Completeness", sees())
    .row("Duration", in_time())
    .row("Cost", cost())
}

fn sees() -> Vec<Panel> {
    vec![
        Panel::number("Exporters scraped", Unit::Count)
            .asks("Does Prometheus reach every exporter?")
            .bad("Fewer than exist.", "The targets page of Prometheus shows why.")
            .query("count(zk_exporter_build_info{J})", "")
            .size(4, 7),
        Panel::number("Members with incomplete mntr", Unit::Count)
            .asks("How many members reply without a complete mntr?")
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
            "Failing commands",
            &[("ensemble", "Ensemble"), ("member", "Member"), ("command", "Command"), ("reason", "Reason")],
            vec![Column::new("", Unit::Count, "max by (ensemble, member, command, reason) (zk_scrape_failure{M} == 1)")],
        )
        .asks("Which command to which member fails, and why?")
        .bad("not_allowed: the whitelist. connect: the process is down. timeout: it hangs. dns, tls: name or certificate.", "docs/failures.md explains each reason.")
        .missing("No command fails.")
        .size(16, 7),
        Panel::curves("Failures", Unit::PerSecond)
            .asks("What failed, and when?")
            .bad("A failure that lasts.", "The name of the line has command and reason.")
            .missing("Nothing has failed since the exporter started.")
            .query("sum by (command, reason) (max by (ensemble, member, command, reason) (rate(zk_scrape_failures_total{M}[$__rate_interval])))", "{{command}}: {{reason}}")
            .size(12, 7),
        Panel::curves("Dropped samples", Unit::PerSecond)
            .asks("Did the exporter drop samples of members?")
            .bad("cap: a member has more series than --limit.series-per-member. Others: a new ZooKeeper release, or a bug of the exporter.", "Raise the limit, or report a bug with the reply.")
            .missing("No sample was dropped.")
            .query("max by (ensemble, member, reason) (rate(zk_exporter_dropped_samples_total{M}[$__rate_interval]))", "{{reason}} {{member}}")
            .size(12, 7),
    ]
}

fn in_time() -> Vec<Panel> {
    vec![
        Panel::curves("Scrape duration by member", Unit::Seconds)
            .asks("Which member replies slowly?")
            .bad(
                "Above the limit: the member is overloaded, or the network loses packets.",
                "A high connect duration beside it indicates the network.",
            )
            .query(gauge("zk_scrape_duration_seconds"), "{{member}}")
            .limits("ScrapeSlow")
            .log(),
        Panel::curves("Connect duration by member", Unit::Seconds)
            .asks("How is the network between exporter and members?")
            .bad("Steps of 1, 3 or 7 seconds: lost packets.", "Run ping and mtr on the exporter's host.")
            .missing("No data: no member accepts connections.")
            .query(gauge("zk_connect_duration_seconds"), "{{member}}")
            .log(),
        Panel::curves("Scrape duration in Prometheus", Unit::Seconds)
            .asks("Is the response in time?")
            .bad(
                "Near scrape_timeout: raise it, or divide the ensembles among several exporters.",
                "/sd lists one target per ensemble.",
            )
            .query(
                "max by (job, instance) (scrape_duration_seconds{J} and on (job, instance) zk_exporter_build_info{J})",
                "{{instance}}",
            ),
        Panel::buckets(
            "Distribution of scrape durations",
            Unit::Seconds,
            "zk_ensemble_member_scrape_duration_seconds",
            "E",
        )
        .asks("Do all members reply equally fast?")
        .bad(
            "A band far above the others: overloaded members, or a slow network.",
            "Scrape duration by member shows which.",
        )
        .size(12, 7),
        Panel::buckets(
            "Distribution of connect durations",
            Unit::Seconds,
            "zk_ensemble_member_connect_duration_seconds",
            "E",
        )
        .asks("Is the network equally fast to all members?")
        .bad("Bands at 1 and 3 seconds: lost packets.", "Connect duration by member shows which.")
        .missing("No data: no member accepts connections.")
        .size(12, 7),
    ]
}

fn cost() -> Vec<Panel> {
    vec![
        Panel::curves("Samples per scrape", Unit::Count)
            .asks("How much does Prometheus store?")
            .bad("Grows without new members: labels with top-level znodes or peers.", "Set metrics: essential, or a list, in the module.")
            .query("max by (job, instance) (scrape_samples_scraped{J} and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("CPU", Unit::Count)
            .asks("How many cores does the exporter use?")
            .bad("More than a hundredth of a core per few members.", "Check the number of scrapers and the scrape interval.")
            .query("max by (job, instance) (rate(process_cpu_seconds_total{J}[$__rate_interval]) and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("Memory", Unit::Bytes)
            .asks("Is its memory constant?")
            .bad("A steady rise.", "Report a bug with the number of members.")
            .query("max by (job, instance) (process_resident_memory_bytes{J} and on (job, instance) zk_exporter_build_info{J})", "{{instance}}")
            .size(6, 7),
        Panel::curves("HTTP requests", Unit::PerSecond)
            .asks("Which endpoints are requested, and with which result?")
            .bad("Codes of 400 or more; rejected connections.", "401: password. 403: probe.allow. 429: rate_limit. 503: overload or shutdown.")
            .query("max by (job, instance, handler, code) (rate(zk_exporter_http_requests_total{J}[$__rate_interval]))", "{{handler}} {{code}}")
            .query("max by (job, instance) (rate(zk_exporter_http_connections_rejected_total{J}[$__rate_interval]))", "rejected {{instance}}")
            .size(6, 7),
        Panel::table(
            "Exporter versions",
            &[("job", "Job"), ("instance", "Instance"), ("version", "Version"), ("rustversion", "Compiler")],
            vec![Column::new("", Unit::Count, "max by (job, instance, version, rustversion) (zk_exporter_build_info{J})")],
        )
        .asks("Which versions run?")
        .bad("Different versions.", "Finish the upgrade.")
        .size(12, 5),
        Panel::number("Certificates expire in", Unit::Age)
            .asks("When does the certificate of a member expire?")
            .bad("Less than a month (no longer green) or a week (orange).", "Renew it; quorum TLS reloads it only with sslQuorumReloadCertFiles.")
            .missing("No member is queried over TLS.")
            .query(of_member("zk_tls_certificate_not_after_timestamp_seconds{M} - time()"), "{{member}}")
            .alarms("ensemble, member", &["CertificateExpiring"])
            .paint(Paint::Falling(vec![(7.0 * 86_400.0, "orange"), (30.0 * 86_400.0, "green")]))
            .size(12, 5),
    ]
}
