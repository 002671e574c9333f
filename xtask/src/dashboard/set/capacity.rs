//! The capacity dashboard: growth, limits, and the time until they are reached.

use super::parts::{self, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Panel, Unit};
use crate::dashboard::query::{mean_over, of_ensemble, of_member, sum_of_members};

pub(super) fn board() -> Board {
    Board::new("zookeeper-capacity", "Capacity", "Which resource is exhausted next, and in how many days?")
        .looking_back("30d")
        .row("Which resource is exhausted next?", vec![parts::runs_out().size(12, 9), used()])
        .row("Growth, and the forecast for 30 days (dotted; needs a day of history)", growth())
        .row("Duration of a restart", restart())
}

fn used() -> Panel {
    Panel::curves("Usage of limited resources", Unit::Ratio)
        .asks("Which resource is filling up?")
        .bad("A line that rises towards 100 %.", "The name of the line has the resource and the ensemble.")
        .query(format!("topk(12, max by (resource, ensemble) ({}))", parts::used()), "{{resource}} {{ensemble}}")
        .between(0.0, 1.0)
        .size(12, 9)
}

fn growth() -> Vec<Panel> {
    let of = |title, unit, family: &str, sum: bool| {
        let now = format!("{family}{{M}}");
        // Requires a day of history: a forecast from a few minutes is meaningless.
        let then = format!("predict_linear({family}{{M}}[7d], 30 * 86400) and {family}{{M}} offset 1d");
        let join = |expr: String| if sum { sum_of_members(expr) } else { of_ensemble(expr) };
        Panel::curves(title, unit)
            .query(join(now), "{{ensemble}}")
            .forecast(format!("clamp_min({}, 0)", join(then)), "in 30 days {{ensemble}}")
    };
    vec![
        of("Znodes", Unit::Count, "zk_znodes", false)
            .asks("How many znodes are expected?")
            .bad("The forecast crosses the limit.", "Find the client that never deletes; set a quota.")
            .limits("ZnodesHigh")
            .log_with_zero(),
        of("Data size", Unit::Bytes, "zk_approximate_data_size_bytes", false)
            .asks("How large is the tree expected to be?")
            .bad(
                "The forecast crosses the limit: heap, snapshots and restarts grow with it.",
                "Find the large znodes; raise -Xmx in time.",
            )
            .limits("DataSizeHigh")
            .log_with_zero(),
        of("Watches", Unit::Count, "zk_watches", true)
            .asks("How many watches are expected?")
            .bad("A steady rise: a leak.", "wchs on the member shows connections and watches."),
        of("Connections", Unit::Count, "zk_num_alive_connections", true)
            .asks("How many clients are expected?")
            .bad("A steady rise without new clients: a leak.", "cons lists them by address."),
        Panel::curves("File descriptors used", Unit::Ratio)
            .asks("When does a member run out of descriptors?")
            .bad("A line that rises towards the limits.", "Raise nofile (LimitNOFILE).")
            .missing("No data: mntr is not allowed, or the JVM knows no limit.")
            .query(of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"), "{{member}}")
            .limits("FileDescriptors")
            .between(0.0, 1.0),
        Panel::curves("Disk used", Unit::Ratio)
            .asks("When is the disk full?")
            .bad("A straight line upwards: old snapshots are never purged.", "Set autopurge.purgeInterval.")
            .missing(
                "No data: needs the module key host (an exporter beside the member) or node_exporter on the hosts.",
            )
            .query(parts::disk_used(), "{{member}}")
            .between(0.0, 1.0),
    ]
}

fn restart() -> Vec<Panel> {
    vec![
        Panel::curves("Snapshot duration", Unit::Seconds)
            .asks("How long does a snapshot take?")
            .bad("Near the limit: it grows with the data.", "Reduce the data, or use a faster disk.")
            .missing("No snapshot was written in the last day (one comes every snapCount transactions).")
            .query(mean_over("zk_snapshottime_seconds", "1d"), "{{member}}")
            .limits("SlowSnapshot"),
        Panel::curves("Load time at the last start", Unit::Seconds)
            .asks("How long does a restart take?")
            .bad(
                "Near initLimit ticks: a restarted member does not rejoin in time.",
                "Raise initLimit, or reduce the data.",
            )
            .missing(SINCE_3_6)
            .query(of_member("zk_dbinittime_seconds_max{M}"), "{{member}}"),
        Panel::curves("Used part of the epoch's zxids", Unit::Ratio)
            .asks("When does the leader force an election because the zxid counter of its epoch overflows?")
            .bad("Near 100 %: ZooKeeper forces an election.", "Restart the leader before that, at a quiet hour.")
            .query(of_ensemble("zk_zxid_sequence{M} / 4294967296"), "{{ensemble}}")
            .limits("ZxidRollover")
            .between(0.0, 1.0),
    ]
}
