//! The overview dashboard of an ensemble: quorum, golden signals, replication and data.

use super::parts::{self, LEADER_ONLY, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Paint, Panel, Unit};
use crate::dashboard::query::{
    ensemble_gauge, gauge, happened, mean, of_ensemble, of_member, rate, rate_of_ensemble, sum_of_members,
};

pub(super) fn board() -> Board {
    Board::new("zookeeper-overview", "Ensemble overview", "Is this ensemble healthy, and which member is not?")
        .row("Quorum", quorum())
        .row("Which member, and why?", vec![parts::members().size(14, 7), parts::firing().size(10, 7)])
        .row("Golden signals", signals())
        .row("Replication", replication())
        .row("Data", data())
}

fn quorum() -> Vec<Panel> {
    let margin = Paint::Falling(vec![(0.0, "orange"), (1.0, "green")]);
    vec![
        Panel::name("Leader")
            .asks("Which member is the leader?")
            .bad(
                "No name: there is no leader, and writes are impossible.",
                "Check the roles over time and the logs of the voters.",
            )
            .missing("No leader (or a standalone server)")
            .query("max by (ensemble, member) (zk_ensemble_leader_info{E})", "{{member}}"),
        Panel::number("Quorum margin", Unit::Count)
            .asks("How many more voters may fail without losing the quorum?")
            .bad(
                "0: the next failure stops the ensemble. Below 0: it has stopped.",
                "Bring back the missing voter first.",
            )
            .missing("Unknown: standalone, weighted quorum, or the leader is not visible")
            .query(ensemble_gauge("zk_ensemble_quorum_margin"), "{{ensemble}}")
            .alarms(
                "ensemble",
                &["QuorumMarginZero", "QuorumLost", "LeaderSilent", "EnsembleUnreachable", "EnsembleUnwatched"],
            )
            .paint(margin),
        Panel::number("Voters in sync", Unit::Count)
            .asks("How many voters have the leader's data?")
            .bad("Fewer than there are voters.", "The table of members shows which lag or are missing.")
            .missing("Unknown: the leader is not visible")
            .query(ensemble_gauge("zk_ensemble_voters_synced"), "{{ensemble}}"),
        Panel::number("Voters", Unit::Count)
            .asks("How many voters are there?")
            .bad(
                "An even number adds a point of failure and no tolerance.",
                "Add or remove one, or make one an observer.",
            )
            .query(ensemble_gauge("zk_ensemble_voters"), "{{ensemble}}"),
        Panel::number("Elections in 24 h", Unit::Count)
            .asks("How many elections were there?")
            .bad("More than the planned restarts.", "Check JVM pauses, slow fsync and packet loss at these times.")
            .missing(SINCE_3_6)
            .query(
                format!("round({})", of_ensemble("increase(zk_election_time_seconds_count{M}[24h])")),
                "{{ensemble}}",
            )
            .alarms("ensemble", &["FrequentElections", "UnavailableTime", "ElectionSlow"])
            .paint(Paint::From(vec![(4.0, "orange")])),
        Panel::number("Leader since", Unit::Age)
            .asks("When was the last election?")
            .bad(
                "Minutes, without planned work.",
                "Read the log of the previous leader; see the annotations in the graphs.",
            )
            .missing(LEADER_ONLY)
            .query(of_ensemble("zk_leader_uptime_seconds{M}"), "{{ensemble}}")
            .alarms("ensemble", &["LeaderChanged", "LeaderSilent", "FrequentElections", "MultipleLeaders"])
            .paint(Paint::Falling(vec![(0.0, "orange"), (600.0, "green")])),
        zones(),
        parts::roles().size(14, 7),
        Panel::curves("Voters", Unit::Count)
            .asks("When was the ensemble near the loss of its quorum?")
            .bad(
                "In sync equals the majority: one more failure stops the ensemble. Below: writes were impossible.",
                "The roles beside it show which member was lost at that time.",
            )
            .query(ensemble_gauge("zk_ensemble_voters_synced"), "in sync {{ensemble}}")
            .query(ensemble_gauge("zk_ensemble_majority"), "majority {{ensemble}}")
            .query(ensemble_gauge("zk_ensemble_voters"), "all {{ensemble}}")
            .size(10, 7),
    ]
}

fn zones() -> Panel {
    Panel::curves("Voters by zone", Unit::Count)
        .asks("Does the ensemble survive the loss of any zone?")
        .bad(
            "The margin is below 0: the loss of the worst zone stops the ensemble.",
            "Place the voters in three zones or more; zookeeper-exporter simulate shows what would remain.",
        )
        .missing("No zones are configured (keys zone and zone_pattern)")
        .query("max by (ensemble, zone) (zk_zone_voters{E})", "zone {{zone}} {{ensemble}}")
        .query(ensemble_gauge("zk_ensemble_zone_margin"), "margin without the worst zone {{ensemble}}")
        .size(24, 5)
}

fn errors() -> Panel {
    Panel::curves("Errors", Unit::PerSecond)
        .asks("Which requests of clients fail?")
        .bad(
            "Rejected: maxClientCnxns or maxCnxns. Dropped or throttled: overload. Expired: clients or the leader paused. \
             Auth or handshake: wrong credentials or certificates.",
            "The member's dashboard shows which member, and since when.",
        )
        .missing(SINCE_3_6)
        .query(rate_of_ensemble("zk_connection_rejected_total"), "rejected {{ensemble}}")
        .query(rate_of_ensemble("zk_stale_requests_dropped_total"), "dropped {{ensemble}}")
        .query(rate_of_ensemble("zk_large_requests_rejected_total"), "too large {{ensemble}}")
        .query(rate_of_ensemble("zk_throttled_ops_total"), "throttled {{ensemble}}")
        .query(rate_of_ensemble("zk_stale_sessions_expired_total"), "sessions expired {{ensemble}}")
        .query(rate_of_ensemble("zk_auth_failed_total"), "auth failed {{ensemble}}")
        .query(rate_of_ensemble("zk_unsuccessful_handshake_total"), "handshake failed {{ensemble}}")
}

fn signals() -> Vec<Panel> {
    vec![
        Panel::curves("Packets from clients", Unit::PerSecond)
            .asks("How is the load distributed over the members?")
            .bad(
                "One member has nearly all of it, or one has none though it serves.",
                "Check the connect strings of the clients.",
            )
            .query(rate("zk_packets_received_total"), "{{member}}"),
        write_latency(),
        read_latency(),
        errors(),
        Panel::curves("Outstanding requests", Unit::Count)
            .asks("Which member does not keep up?")
            .bad(
                "Above the limits for minutes.",
                "Check its fsync and JVM pauses; find a client that sends too many requests.",
            )
            .query(gauge("zk_outstanding_requests"), "{{member}}")
            .limits("OutstandingRequests")
            .log_with_zero(),
        Panel::curves("Reads and writes", Unit::PerSecond)
            .asks("How many reads and writes do clients send?")
            .bad(
                "Writes rise without a known reason: each one costs an fsync on every voter.",
                "The member's dashboard shows the top-level znode.",
            )
            .missing(SINCE_3_6)
            .query(sum_of_members("rate(zk_updatelatency_seconds_count{M}[$__rate_interval])"), "writes {{ensemble}}")
            .query(
                sum_of_members("rate(zk_readlatency_seconds_count{M}[$__rate_interval])"),
                "reads and pings {{ensemble}}",
            ),
    ]
}

/// The mean write latency.
fn write_latency() -> Panel {
    Panel::curves("Write latency", Unit::Seconds)
        .asks("How long does a write take on each member?")
        .bad(
            "Above the limits: clients wait. All members at once: the leader or the network. One: its own disk.",
            "Check fsync first.",
        )
        .missing(SINCE_3_6)
        .query(mean("zk_updatelatency_seconds"), "{{member}}")
        .limits("SlowWrites")
        .log()
}

fn read_latency() -> Panel {
    let old = format!(
        "{} > 0 unless on (ensemble, member) {}",
        gauge("zk_avg_latency_seconds"),
        happened("zk_readlatency_seconds")
    );
    Panel::curves("Read latency", Unit::Seconds)
        .asks("How long does a read take on each member?")
        .bad(
            "Above the limit: reads use no disk, so the cause is CPU, garbage collection, or very large replies.",
            "See the JVM dashboard.",
        )
        .query(mean("zk_readlatency_seconds"), "{{member}}")
        .query(old, "{{member}} (all requests, since its start)")
        .limits("SlowReads")
        .log()
}

fn replication() -> Vec<Panel> {
    vec![
        Panel::curves("Zxid lag", Unit::Count)
            .asks("Which member lags?")
            .bad("Above the limit and growing: its disk or its network is too slow.", "Compare its fsync with that of the others.")
            .missing("No data: no leader to compare with, or no zxid is known.")
            .query(gauge("zk_zxid_lag"), "{{member}}")
            .limits("ZxidLag")
            .log_with_zero(),
        Panel::curves("Quorum acknowledgement latency", Unit::Seconds)
            .asks("How long do network and disks take for one write?")
            .bad("Rises without more load: the quorum waits for a slower voter.", "Check fsync and network of the voters.")
            .missing(LEADER_ONLY)
            .query(mean("zk_quorum_ack_latency_seconds"), "{{member}}")
            .log(),
        Panel::curves("Fsync", Unit::Seconds)
            .asks("Which member's disk is slow?")
            .bad("Above the limits: that disk is slow. If a majority of disks is slow, every write is slow.", "Give the transaction log its own device.")
            .missing(SINCE_3_6)
            .query(mean("zk_fsynctime_seconds"), "{{member}}")
            .limits("SlowFsync")
            .log(),
        Panel::curves("Proposals and commits of the leader", Unit::PerSecond)
            .asks("Does the leader commit what it proposes?")
            .bad("Commits below proposals: voters do not acknowledge.", "See which members lag.")
            .missing(LEADER_ONLY)
            .query(rate("zk_proposals_total"), "proposals {{member}}")
            .query(rate("zk_commits_total"), "commits {{member}}"),
        Panel::curves("Synchronizations of members", Unit::Count)
            .asks("How often did members synchronize, and in which way?")
            .bad("Repeated snapshots (all data): a member loses sync and returns.", "Check its log, its disk and syncLimit.")
            .missing(LEADER_ONLY)
            .query(of_ensemble("increase(zk_snaps_total{M}[$__rate_interval])"), "snapshot {{ensemble}}")
            .query(of_ensemble("increase(zk_diffs_total{M}[$__rate_interval])"), "diff {{ensemble}}"),
        Panel::curves("Packets queued for each learner", Unit::Count)
            .asks("For which learner do packets queue at the leader?")
            .bad("Grows for one learner: a slow network, or it does not read.", "The server id is that of myid; check that member.")
            .missing(LEADER_ONLY)
            .query(
                "max by (ensemble, member, peer) (rate(zk_learner_handler_qp_size_sum{M}[$__rate_interval]) / (rate(zk_learner_handler_qp_size_count{M}[$__rate_interval]) > 0))",
                "server {{peer}} at {{member}}",
            ),
    ]
}

fn data() -> Vec<Panel> {
    let of = |title, unit, family: &str, alert: Option<&'static str>| {
        let panel = Panel::curves(title, unit).query(of_ensemble(format!("{family}{{M}}")), "{{ensemble}}").size(6, 6);
        if let Some(alert) = alert { panel.limits(alert).log_with_zero() } else { panel }
    };
    vec![
        of("Znodes", Unit::Count, "zk_znodes", Some("ZnodesHigh"))
            .asks("How many znodes are there?")
            .bad("A steady rise: a client never deletes.", "Find the subtree with getAllChildrenNumber; set a quota."),
        of("Data size", Unit::Bytes, "zk_approximate_data_size_bytes", Some("DataSizeHigh"))
            .asks("How large is the tree?")
            .bad(
                "Near the limit: start, sync and snapshots take long, and the heap fills.",
                "Find the large znodes; set a quota.",
            ),
        Panel::curves("Watches", Unit::Count)
            .asks("How many watches do clients have?")
            .bad("A steady rise: a client that leaks watches.", "wchs on the member shows connections and paths.")
            .query(of_member("zk_watches{M}"), "{{member}}")
            .limits("WatchesHigh")
            .log_with_zero()
            .size(6, 6),
        Panel::curves("Sessions and ephemeral znodes", Unit::Count)
            .asks("How many sessions and ephemeral znodes are there?")
            .bad(
                "A sudden drop: many sessions ended, and services disappeared.",
                "Check the network, pauses of the leader, and client deployments.",
            )
            .query(of_ensemble("zk_ephemerals{M}"), "ephemeral znodes {{ensemble}}")
            .query(of_ensemble("zk_global_sessions{M}"), "sessions {{ensemble}}")
            .size(6, 6),
        Panel::curves("Pending sync() calls", Unit::Count)
            .asks("Do clients wait for sync()?")
            .bad("Above the limit for minutes.", "Followers are slow: see which members lag.")
            .missing(LEADER_ONLY)
            .query(gauge("zk_pending_syncs"), "{{member}}")
            .limits("PendingSyncs")
            .size(12, 6),
        Panel::curves("Elections and time without a quorum", Unit::Count)
            .asks("How often, and for how long, was there no leader?")
            .bad("Many elections, or seconds without a quorum.", "The roles over time show which member was lost.")
            .missing(SINCE_3_6)
            .query(of_member("increase(zk_looking_total{M}[$__rate_interval])"), "looked for a leader: {{member}}")
            .right(
                Unit::Seconds,
                of_ensemble("increase(zk_unavailable_time_seconds_sum{M}[$__rate_interval])"),
                "without a quorum: {{ensemble}}",
            )
            .size(12, 6),
    ]
}
