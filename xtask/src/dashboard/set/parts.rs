//! Common panels: roles over time, firing alerts, members, and resources that run out.

use crate::dashboard::limits;
use crate::dashboard::panel::{self, Column, Paint, Panel, Unit};
use crate::dashboard::query::{
    OfHost, busy, firing_of, first_of_ensemble, first_of_member, gauge, mean, of_ensemble, of_host, of_member,
};

/// The states of a member as numbers, with texts and colours; the worst is last.
pub(super) const STATES: Paint = Paint::Words(&[
    (8, "flapping", "red"),
    (7, "leader", "blue"),
    (6, "follower", "green"),
    (5, "observer", "super-light-green"),
    (4, "standalone", "super-light-green"),
    (3, "read-only", "orange"),
    (2, "not serving", "red"),
    (1, "no answer", "dark-red"),
]);

/// 1 is good, unless a related alert fires.
pub(super) const YES: Paint =
    Paint::Words(&[(1, "yes", "transparent"), (0, "NO", "red"), (panel::ALARM, "alert fires", "red")]);

/// Alerts about the quorum.
pub(super) const OF_QUORUM: &[&str] =
    &["QuorumLost", "LeaderSilent", "EnsembleUnreachable", "EnsembleUnwatched", "MultipleLeaders", "UnavailableTime"];

/// Alerts about the state of a member.
pub(super) const OF_MEMBER: &[&str] =
    &["MemberDown", "MemberNotServing", "ObserverDown", "MemberReadOnly", "StandaloneInEnsemble"];

/// The text without data for summaries that exist since 3.6.
pub(super) const SINCE_3_6: &str =
    "No data: needs a complete mntr of ZooKeeper 3.6 or later (with metrics: all for some), and events in this window.";

/// The text without data for metrics that only leaders have.
pub(super) const LEADER_ONLY: &str =
    "No data: only a leader of ZooKeeper 3.6 or later reports it (with metrics: all for some), and none is visible.";

/// The state of each member as a number of [`STATES`]. A serving member is flapping while an alert about it fires.
pub(super) fn state() -> String {
    let numbers = [
        (7, "leader"),
        (6, "follower"),
        (5, "observer"),
        (4, "standalone"),
        (3, "read-only"),
        (2, "not-serving"),
        (1, "no-answer"),
    ];
    let each = numbers.map(|(number, state)| format!("({number} * (zk_server_state{{M,state=\"{state}\"}} == 1))"));
    let serves = "max by (ensemble, member) (zk_serving{M}) == 1";
    let unsteady = firing_of("ensemble, member", OF_MEMBER);
    format!("8 * ({unsteady} and on (ensemble, member) {serves}) or {}", of_member(each.join(" or ")))
}

/// Roles over time.
pub(super) fn roles() -> Panel {
    Panel::states("Roles over time")
        .asks("Which role did each member have, and when?")
        .bad(
            "Red: not serving, no answer, or an alert about a flapping member. Blue that moves between rows: elections.",
            "Check the first member that became red, and its log at that time.",
        )
        .query(state(), "{{member}} of {{ensemble}}")
        .paint(STATES)
        .with_alarms(OF_MEMBER)
}

/// Firing alerts and their duration.
pub(super) fn firing() -> Panel {
    let since = r#"time() - max by (alertname, severity, ensemble, member) (ALERTS_FOR_STATE{alertname=~"ZooKeeper.*",severity!="info",ensemble=~"$ensemble|",member=~"$member|"})"#;
    let firing = r#"max by (alertname, severity, ensemble, member) (ALERTS{alertname=~"ZooKeeper.*",alertstate="firing",severity!="info",ensemble=~"$ensemble|",member=~"$member|"})"#;
    let on = "and on (alertname, severity, ensemble, member)";
    Panel::table(
        "Firing alerts",
        &[("severity", "Severity"), ("alertname", "Alert"), ("ensemble", "Ensemble"), ("member", "Member")],
        vec![Column::new("For", Unit::Age, format!("{since} {on} {firing}"))],
    )
    .asks("Which alerts fire, where, and since when?")
    .bad(
        "Any row. Critical: a fault is present. Warning: a fault is expected.",
        "Follow the link on its name to its runbook: meaning, commands to paste, mitigation.",
    )
    .missing("No alert fires (or the alert rules are not loaded in this Prometheus).")
    .sorted("Severity", false)
}

/// All members with their main indicators.
pub(super) fn members() -> Panel {
    let columns = vec![
        Column::new("State", Unit::Count, state()).paint(STATES),
        Column::new("Nearest limit", Unit::Ratio, of_member(nearness())).paint(NEARNESS),
        Column::new("Zxid lag", Unit::Count, gauge("zk_zxid_lag")),
        Column::new("Write", Unit::Seconds, mean("zk_updatelatency_seconds")),
        Column::new("Read", Unit::Seconds, mean("zk_readlatency_seconds")),
        Column::new("Fsync", Unit::Seconds, mean("zk_fsynctime_seconds")),
        Column::new("Disk busy", Unit::Ratio, busy("zk_fsynctime_seconds")),
        Column::new("Outstanding", Unit::Count, gauge("zk_outstanding_requests")),
        Column::new("Connections", Unit::Count, gauge("zk_num_alive_connections")),
        Column::new(
            "File descriptors",
            Unit::Ratio,
            of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"),
        ),
    ];
    Panel::table("Members", &[("ensemble", "Ensemble"), ("member", "Member")], columns)
        .asks("Which member has a problem, and which one?")
        .bad(
            "A red state, or a nearest limit of 100 % or more: one of its figures is at the active warning limit. Slow \
             fsync: its disk. Slow writes with a good fsync: the network or the other voters. Outstanding requests: a \
             client floods it, or it hangs.",
            "Follow the link on the member's name. An empty cell is a figure that this member or release does not report.",
        )
        .sorted("State", false)
        .size(24, 8)
}

/// Colours by the fraction of a limit.
pub(super) const NEARNESS: Paint = Paint::Part(&[(0.5, "yellow"), (0.8, "orange"), (1.0, "red")]);

/// A resource with a limit.
struct Resource {
    name: &'static str,
    used: String,
    limit: Limit,
    /// Whether it belongs to a member or to the ensemble.
    of_member: bool,
}

/// The limit of a resource.
enum Limit {
    /// A metric of the same member, or a number.
    Figure(&'static str),
    /// The warning limit of this alert.
    Alert(&'static str),
}

fn resources() -> Vec<Resource> {
    let one =
        |name, family: &str, limit, of_member| Resource { name, used: format!("{family}{{M}}"), limit, of_member };
    vec![
        one("file descriptors", "zk_open_file_descriptors", Limit::Figure("zk_max_file_descriptors{M}"), true),
        one("data size, to its alert", "zk_approximate_data_size_bytes", Limit::Alert("DataSizeHigh"), false),
        one("znodes, to their alert", "zk_znodes", Limit::Alert("ZnodesHigh"), false),
        one("watches, to their alert", "zk_watches", Limit::Alert("WatchesHigh"), true),
        one("transactions of the epoch", "zk_zxid_sequence", Limit::Figure("4294967296"), false),
    ]
}

impl Resource {
    fn named(&self, joined: &str) -> String {
        format!(r#"label_replace({joined}, "resource", "{}", "", "")"#, self.name)
    }

    fn fraction(&self) -> String {
        let part = match self.limit {
            Limit::Figure(figure) => format!("{} / {figure}", self.used),
            Limit::Alert(alert) => limits::part(&self.used, alert),
        };
        self.named(&if self.of_member { of_member(part) } else { of_ensemble(part) })
    }

    /// Seconds until the limit is reached.
    fn left(&self) -> String {
        let free = match self.limit {
            Limit::Figure(figure) => format!("{figure} - {}", self.used),
            Limit::Alert(alert) => {
                format!("{} - on (ensemble) group_right () {}", limits::warning(alert), self.used)
            }
        };
        let left = format!("({free}) / (deriv({}[1h]) > 0)", self.used);
        self.named(&if self.of_member { first_of_member(left) } else { first_of_ensemble(left) })
    }
}

/// The used fraction of each resource.
pub(super) fn used() -> String {
    let heap = of_member(
        r#"min_over_time(zk_jvm_memory_used_bytes{M,area="heap"}[10m]) / zk_jvm_memory_max_bytes{M,area="heap"}"#,
    );
    let mut all: Vec<String> = resources().iter().map(Resource::fraction).collect();
    all.push(format!(r#"label_replace({heap}, "resource", "heap", "", "")"#));
    all.push(format!(r#"label_replace({}, "resource", "disk", "", "")"#, disk_used()));
    all.join(" or ")
}

/// The fuller of a member's two directories; from `node_exporter` if the exporter does not run on the host.
pub(super) fn disk_used() -> String {
    let own = of_member("1 - zk_dir_free_bytes{M} / zk_dir_filesystem_size_bytes{M}");
    format!("{own} or {}", of_host(OfHost::Largest, DISK_USED))
}

/// The used fraction of each file system, from `node_exporter`.
const DISK_USED: &str = r#"1 - node_filesystem_avail_bytes{fstype=~"ext.|xfs|btrfs|zfs|overlay",mountpoint!~"/(boot|etc|run).*"} / node_filesystem_size_bytes{fstype=~"ext.|xfs|btrfs|zfs|overlay",mountpoint!~"/(boot|etc|run).*"}"#;

/// The time until each resource is exhausted at the rate of the last hour.
pub(super) fn left() -> String {
    let certificate = first_of_member("zk_tls_certificate_not_after_timestamp_seconds{M} - time()");
    let own = first_of_member("zk_dir_free_bytes{M} / (deriv(zk_dir_free_bytes{M}[1h]) < 0) * -1");
    let hosts = of_host(
        OfHost::Smallest,
        r#"node_filesystem_avail_bytes{fstype=~"ext.|xfs|btrfs|zfs|overlay",mountpoint!~"/(boot|etc|run).*"} / (deriv(node_filesystem_avail_bytes{fstype=~"ext.|xfs|btrfs|zfs|overlay",mountpoint!~"/(boot|etc|run).*"}[1h]) < 0) * -1"#,
    );
    let mut all: Vec<String> = resources().iter().map(Resource::left).collect();
    all.push(format!(r#"label_replace({own} or {hosts}, "resource", "disk", "", "")"#));
    all.push(format!(r#"label_replace({certificate}, "resource", "certificate", "", "")"#));
    all.join(" or ")
}

/// The resources that run out next, with used fraction and remaining time.
pub(super) fn runs_out() -> Panel {
    let soon = Paint::Falling(vec![(4.0 * 3600.0, "orange"), (86_400.0, "yellow"), (7.0 * 86_400.0, "transparent")]);
    Panel::table(
        "Next exhausted resources",
        &[("resource", "Resource"), ("ensemble", "Ensemble"), ("member", "Member")],
        vec![
            Column::new("Used", Unit::Ratio, used()).paint(Paint::From(vec![(0.8, "orange"), (0.95, "red")])).bar(),
            Column::new("Lasts for", Unit::Age, left()).paint(soon),
        ],
    )
    .asks("Which resource is exhausted first at the rate of the last hour?")
    .bad(
        "The first rows: red lasts less than 4 hours, orange less than a day. Without a time the resource does not grow.",
        "Find the consumer on the member's dashboard, or raise the limit, before it is reached.",
    )
    .missing("No data: the exporter is not scraped, or the ensemble is unreachable.")
    .sorted("Used", true)
}

/// Each indicator of a member as a fraction of its warning limit; 1 is the limit.
pub(super) fn nearness() -> String {
    let parts = [
        ("write latency", mean("zk_updatelatency_seconds"), "SlowWrites"),
        ("read latency", mean("zk_readlatency_seconds"), "SlowReads"),
        ("fsync", mean("zk_fsynctime_seconds"), "SlowFsync"),
        ("outstanding requests", gauge("zk_outstanding_requests"), "OutstandingRequests"),
        ("zxid lag", gauge("zk_zxid_lag"), "ZxidLag"),
        ("JVM pauses", busy("zk_jvm_pause_time_seconds"), "JvmPauses"),
        ("file descriptors", of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"), "FileDescriptors"),
        ("watches", gauge("zk_watches"), "WatchesHigh"),
        ("data size", gauge("zk_approximate_data_size_bytes"), "DataSizeHigh"),
        ("znodes", gauge("zk_znodes"), "ZnodesHigh"),
        ("scrape duration", gauge("zk_scrape_duration_seconds"), "ScrapeSlow"),
    ];
    let named = parts.map(|(name, expr, alert)| {
        format!(r#"label_replace({}, "indicator", "{name}", "", "")"#, limits::part(&expr, alert))
    });
    named.join(" or ")
}
