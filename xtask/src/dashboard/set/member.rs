//! The member dashboard: state, requests, pipeline, disk and clients.

use super::parts::{self, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Column, Panel, Unit};
use crate::dashboard::query::{busy, gauge, happened, mean, rate};

const CLIENTS: &str =
    "No data: needs the module key clients, and cons in the whitelist or the AdminServer; a limit needs conf.";

pub(super) fn board() -> Board {
    Board::new("zookeeper-member", "Member", "What is wrong with this member: requests, disk or clients?")
        .row("Identity and state", identity())
        .row("Requests", requests())
        .row("Pipeline, in the order of processing", pipeline())
        .row("Disk", disk())
        .row("Clients", clients())
}

fn identity() -> Vec<Panel> {
    let info = "max by (ensemble, member, version, server_id, peer_type, source) (zk_member_info{M})";
    vec![
        Panel::number("State", Unit::Count)
            .asks("Which state does the member have?")
            .bad(
                "Red: it does not reply, or does not serve clients.",
                "Check process and host first, then the end of its log.",
            )
            .query(parts::state(), "{{member}}")
            .with_alarms(parts::OF_MEMBER)
            .paint(parts::STATES),
        Panel::number("Time in this role", Unit::Age)
            .asks("When did it last change its role?")
            .bad("Minutes, without planned work: an election or a restart.", "See the annotations in the graphs.")
            .missing(SINCE_3_6)
            .query(gauge("zk_uptime_seconds"), "{{member}}"),
        Panel::table(
            "Version and source",
            &[
                ("member", "Member"),
                ("ensemble", "Ensemble"),
                ("version", "Version"),
                ("server_id", "Server id"),
                ("peer_type", "Type"),
                ("source", "Source"),
            ],
            vec![Column::new("", Unit::Count, info)],
        )
        .asks("Which version runs, and which command do the metrics come from?")
        .bad(
            "Source srvr: mntr is not allowed, so most panels are empty.",
            "Add mntr to 4lw.commands.whitelist in its zoo.cfg and restart it.",
        )
        .missing("No data: the member does not reply.")
        .size(16, 4),
        parts::firing().size(12, 6),
        parts::roles().size(12, 6),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        Panel::curves("Packets", Unit::PerSecond)
            .asks("How many packets does it receive and send?")
            .bad("Received but none sent: it is blocked.", "A thread dump (jstack) shows where.")
            .query(rate("zk_packets_received_total"), "received {{member}}")
            .query(rate("zk_packets_sent_total"), "sent {{member}}"),
        Panel::curves("Latency", Unit::Seconds)
            .asks("How long do its clients wait?")
            .bad(
                "Writes above the limits: see fsync below. Reads too: CPU or garbage collection.",
                "See which step of the pipeline below became slower.",
            )
            .missing(SINCE_3_6)
            .query(mean("zk_updatelatency_seconds"), "write {{member}}")
            .query(mean("zk_readlatency_seconds"), "read {{member}}")
            .limits("SlowWrites")
            .log(),
        Panel::curves("Outstanding requests", Unit::Count)
            .asks("Does it keep up?")
            .bad(
                "Remains above the limits: at globalOutstandingLimit the member stops reading from clients.",
                "Find the client that sends too many requests; check fsync.",
            )
            .query(gauge("zk_outstanding_requests"), "{{member}}")
            .limits("OutstandingRequests")
            .log_with_zero(),
        Panel::curves("Bytes", Unit::BytesPerSecond)
            .asks("How many bytes do clients send and receive?")
            .bad("Far more bytes per packet than usual: large znodes.", "See the writes by top-level znode below.")
            .missing(SINCE_3_6)
            .query(rate("zk_received_bytes_total"), "received {{member}}")
            .query(rate("zk_response_bytes_total"), "sent {{member}}"),
        by_znode_root("Writes by top-level znode", "zk_write_per_namespace_bytes_count"),
        by_znode_root("Reads by top-level znode", "zk_read_per_namespace_bytes_count"),
    ]
}

fn by_znode_root(title: &'static str, counter: &str) -> Panel {
    Panel::curves(title, Unit::PerSecond)
        .asks("Which part of the tree causes the load?")
        .bad("One top-level znode has nearly all of it, or grew.", "Ask its owner.")
        .missing(SINCE_3_6)
        .query(
            format!("topk(8, max by (ensemble, member, znode_root) (rate({counter}{{M}}[$__rate_interval])))"),
            "{{znode_root}} {{member}}",
        )
}

fn pipeline() -> Vec<Panel> {
    let times = [
        ("zk_prep_processor_queue_time_seconds", "1 waits to be prepared {{member}}"),
        ("zk_prep_process_time_seconds", "2 prepared {{member}}"),
        ("zk_sync_processor_queue_time_seconds", "3 waits for the log {{member}}"),
        ("zk_sync_process_time_seconds", "4 written to the log {{member}}"),
        ("zk_write_commitproc_time_seconds", "5 waits for commit {{member}}"),
        ("zk_write_final_proc_time_seconds", "6 applied {{member}}"),
    ];
    let queues = [
        ("zk_prep_processor_queue_size", "1 to be prepared {{member}}"),
        ("zk_sync_processor_queue_size", "2 to be written {{member}}"),
        ("zk_learner_request_processor_queue_size", "at the entry {{member}}"),
        ("zk_write_commit_proc_req_queued", "writes to be committed {{member}}"),
        ("zk_read_commit_proc_req_queued", "reads behind them {{member}}"),
    ];
    let with = |panel: Panel, list: &[(&'static str, &'static str)]| {
        list.iter().fold(panel, |panel, (summary, legend)| panel.query(mean(summary), legend))
    };
    vec![
        with(Panel::curves("Time in each step of a write", Unit::Seconds).log(), &times)
            .asks("Where does a write spend its time?")
            .bad(
                "The step that became slower is the cause: 3 and 4 the disk, 5 the other voters, 1 and 2 the CPU.",
                "Disk: fsync below. Voters: the overview.",
            )
            .missing(SINCE_3_6)
            .size(12, 8),
        with(Panel::curves("Requests waiting at each step", Unit::Count).log_with_zero(), &queues)
            .asks("Before which step do requests wait?")
            .bad("A growing queue: the step after it is too slow.", "See the time of that step beside it.")
            .missing(SINCE_3_6)
            .size(12, 8),
        Panel::curves("Requests per log flush", Unit::Count)
            .asks("How many requests are written at once?")
            .bad(
                "Large batches with slow fsync: the disk is the bottleneck.",
                "Use a faster device for the transaction log.",
            )
            .missing(SINCE_3_6)
            .query(mean("zk_sync_processor_batch_size"), "{{member}}"),
        Panel::curves("Throttling", Unit::PerSecond)
            .asks("Does it delay or drop requests?")
            .bad(
                "More than 0: more requests arrive than the limits permit.",
                "Raise the limit only if the disk is fast enough.",
            )
            .missing(SINCE_3_6)
            .query(rate("zk_request_throttle_waits_total"), "waits {{member}}")
            .query(rate("zk_stale_requests_dropped_total"), "dropped {{member}}")
            .query(rate("zk_large_requests_rejected_total"), "too large {{member}}"),
        Panel::curves("Propagation latency", Unit::Seconds)
            .asks("How stale are reads of this member?")
            .bad(
                "Grows: this member lags. Clock differences are included.",
                "Check its network to the leader and its CPU.",
            )
            .missing("No data: ZooKeeper before 3.6, a standalone server, or no writes in this window.")
            .query(mean("zk_propagation_latency_seconds"), "{{member}}")
            .log(),
    ]
}

fn disk() -> Vec<Panel> {
    vec![
        Panel::curves("Fsync", Unit::Seconds)
            .asks("How slow is its disk?")
            .bad(
                "Above the limits: each write waits that long.",
                "Give the log its own device; iostat shows other writers.",
            )
            .missing(SINCE_3_6)
            .query(mean("zk_fsynctime_seconds"), "{{member}}")
            .limits("SlowFsync")
            .log(),
        Panel::curves("Fsync utilization", Unit::Ratio)
            .asks("How much of the time is the disk busy with fsync?")
            .bad("Near 100 %: no more writes are possible.", "Use a faster device, or reduce the writes.")
            .missing(SINCE_3_6)
            .query(busy("zk_fsynctime_seconds"), "{{member}}")
            .between(0.0, 1.0),
        Panel::curves("Snapshots", Unit::Seconds)
            .asks("How long does a snapshot take?")
            .bad(
                "Above the limit: the tree is too large, or the disk too slow; a restart takes equally long.",
                "Check the data size.",
            )
            .missing("No snapshot was written in the last hours (one comes every snapCount transactions).")
            .query(crate::dashboard::query::mean_over("zk_snapshottime_seconds", "6h"), "{{member}}")
            .limits("SlowSnapshot"),
    ]
}

fn clients() -> Vec<Panel> {
    vec![
        Panel::curves("Connections and sessions", Unit::Count)
            .asks("How many connections and local sessions are there?")
            .bad(
                "A steady rise: a client that leaks connections. A sudden drop: the network.",
                "zookeeper-exporter top lists them by address.",
            )
            .query(gauge("zk_num_alive_connections"), "connections {{member}}")
            .query(gauge("zk_local_sessions"), "local sessions {{member}}"),
        Panel::curves("Session churn", Unit::PerSecond)
            .asks("Do clients reconnect frequently?")
            .bad(
                "Moved here: another member failed. Lost: the network, or clients that crash. Rejected: a limit.",
                "Compare with the other members at the same time.",
            )
            .missing(SINCE_3_6)
            .query(rate("zk_connection_requests_total"), "session requested {{member}}")
            .query(rate("zk_connection_revalidates_total"), "moved here {{member}}")
            .query(rate("zk_connection_drops_total"), "lost {{member}}")
            .query(rate("zk_connection_rejected_total"), "rejected {{member}}"),
        Panel::curves("Clients with the most connections", Unit::Count)
            .asks("Whose connections are they, over all members?")
            .bad("A steady rise: a client that leaks connections.", "Ask the owner of the address.")
            .missing(CLIENTS)
            .query(r#"max by (ensemble, client) (zk_client_connections{E,client!="other"})"#, "{{client}}"),
        Panel::curves("Nearest to maxClientCnxns", Unit::Ratio)
            .asks("Which client will be refused next, and by which member?")
            .bad(
                "Above the line: at 100 % the member closes further connections of that address.",
                "Fix the client that leaks, or raise maxClientCnxns on all members.",
            )
            .missing(CLIENTS)
            .query(
                "max by (ensemble, member, client) (zk_client_connection_limit_ratio{M})",
                "{{client}} at {{member}}",
            )
            .limits("ClientNearConnectionLimit"),
        Panel::curves("Clients with the most packets", Unit::PerSecond)
            .asks("Which client sends the most?")
            .bad("One client far above the others when requests queue up.", "Ask its owner what it does.")
            .missing(CLIENTS)
            .query(
                r#"max by (ensemble, client) (zk_client_packets_received_per_second{E,client!="other"})"#,
                "{{client}}",
            ),
        Panel::curves("Watches fired", Unit::PerSecond)
            .asks("How many watches fire, by kind of change?")
            .bad("Far more than changes: many clients watch one znode (herd effect).", "See watches set, and wchs.")
            .missing(SINCE_3_6)
            .query(busy("zk_node_created_watches"), "created {{member}}")
            .query(busy("zk_node_changed_watches"), "changed {{member}}")
            .query(busy("zk_node_children_watches"), "children {{member}}")
            .query(busy("zk_node_deleted_watches"), "deleted {{member}}"),
        Panel::curves("Watches set", Unit::Count)
            .asks("How many watches do its clients have?")
            .bad("Grows steadily: a leak, and the heap grows as well.", "wchs shows connections and paths.")
            .query(gauge("zk_watches"), "{{member}}")
            .limits("WatchesHigh")
            .log_with_zero(),
        Panel::curves("Reads and writes", Unit::PerSecond)
            .asks("How many reads and writes do its clients send?")
            .bad("Writes where there were none.", "See the writes by top-level znode above.")
            .missing(SINCE_3_6)
            .query(happened("zk_updatelatency_seconds"), "writes {{member}}")
            .query(happened("zk_readlatency_seconds"), "reads and pings {{member}}"),
        Panel::number("File descriptors used", Unit::Ratio)
            .asks("How near is the limit of sockets and files?")
            .bad(
                "Above 80 %: it soon refuses connections and cannot write files.",
                "Raise nofile (LimitNOFILE); find the client that leaks connections.",
            )
            .missing("No data: mntr is not allowed, or the JVM knows no limit.")
            .query(
                crate::dashboard::query::of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"),
                "{{member}}",
            )
            .size(8, 7),
    ]
}
