//! The capacity dashboard: growth, limits, and the time until they are reached.

use super::parts::{self, SINCE_3_6};
use crate::dashboard::board::Board;
use crate::dashboard::panel::{Panel, Unit};
use crate::dashboard::query::{mean_over, of_ensemble, of_member, sum_of_members};

pub(super) fn board() -> Board {
    Board::new("zookeeper-capacity", "Capacity", "What will run out next, and in how many days?")
        .looking_back("30d")
        .row("What will run out next?", vec![parts::runs_out().size(12, 9), used()])
        .row("Growth, and where it leads in 30 days (dotted, once there is a day of history) if it goes on", growth())
        .row("Cost of a restart", restart())
}

fn used() -> Panel {
    Panel::curves("Used, of everything limited", Unit::Ratio)
        .asks("What has been filling up?")
        .bad("A line that goes up towards 100 %.", "The line's name says what and where.")
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
            .asks("How many znodes will there be?")
            .bad("The forecast passes the line.", "Who never deletes? Set a quota.")
            .limits("ZnodesHigh")
            .log_with_zero(),
        of("Data size", Unit::Bytes, "zk_approximate_data_size_bytes", false)
            .asks("How large will the tree be?")
            .bad(
                "The forecast passes the line: heap, snapshots and restarts grow with it.",
                "Find the large znodes; raise -Xmx in time.",
            )
            .limits("DataSizeHigh")
            .log_with_zero(),
        of("Watches", Unit::Count, "zk_watches", true)
            .asks("How many watches will there be?")
            .bad("A steady rise: a leak.", "Find the client: wchs."),
        of("Connections", Unit::Count, "zk_num_alive_connections", true)
            .asks("How many clients will there be?")
            .bad("A steady rise without new clients: a leak.", "cons lists them by address."),
        Panel::curves("File descriptors used", Unit::Ratio)
            .asks("When will a member have no descriptors left?")
            .bad("Towards the lines.", "Raise nofile (LimitNOFILE).")
            .missing("No data: mntr is not allowed, or the JVM knows no limit.")
            .query(of_member("zk_open_file_descriptors{M} / zk_max_file_descriptors{M}"), "{{member}}")
            .limits("FileDescriptors")
            .between(0.0, 1.0),
        Panel::curves("Disk used", Unit::Ratio)
            .asks("When will the disk be full?")
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
        Panel::curves("Writing a snapshot", Unit::Seconds)
            .asks("How long does a snapshot take?")
            .bad("Grows with the data, up to the line.", "Less data, or a faster disk.")
            .missing("No snapshot was written in the last day (one comes every snapCount transactions).")
            .query(mean_over("zk_snapshottime_seconds", "1d"), "{{member}}")
            .limits("SlowSnapshot"),
        Panel::curves("Loading at the last start", Unit::Seconds)
            .asks("How long would a restart take?")
            .bad("Near initLimit ticks: a restarted member will not come back in time.", "Raise initLimit; less data.")
            .missing(SINCE_3_6)
            .query(of_member("zk_dbinittime_seconds_max{M}"), "{{member}}"),
        Panel::curves("Transactions of the epoch used", Unit::Ratio)
            .asks("When does the leader force an election because its counter is used up?")
            .bad("Near 100 %: an election comes by itself.", "Restart the leader at a quiet hour before.")
            .query(of_ensemble("zk_zxid_sequence{M} / 4294967296"), "{{ensemble}}")
            .limits("ZxidRollover")
            .between(0.0, 1.0),
    ]
}
