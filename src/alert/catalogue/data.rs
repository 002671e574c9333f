//! What the ensemble holds: watches, znodes, bytes.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Expr, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Data, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let quarter = Span::minutes(15);
    let least = |name| series(name).min(Span::minutes(5));
    let size = || series("zk_approximate_data_size_bytes");
    vec![
        condition("WatchesHigh", Unit::Count, least("zk_watches").of_member().gt(LIMIT))
            .warning(100_000.0, quarter, "A ZooKeeper member holds very many watches.")
            .critical(300_000.0, quarter, "A ZooKeeper member holds far too many watches.")
            .off()
            .source("ZooKeeper's documentation and Elastic say 10000, which Kafka, HBase and Solr hold at rest; ten times that. Set it to twice what is usual with you. Critical is off: three times the warning is judgement, and no two users mean the same")
            .says(
                "<who> has held at least <value> watches for over <for> (limit <limit>).",
                "First see how they are spread: <ask wchs> - and who holds them, on a quiet member, for it stops the server for a moment: <ask wchc> | head -50",
            )
            .means("Clients have set that many watches and not used them up.", "Memory, and a storm of events when a watched node changes.")
            .so("Talk to the owner of the client that adds them.", "Mend the client; restart it to drop its watches.")
            .fires(Warning, "m2", "200 thousand", &["zk_watches m2 200000"])
            .fires(Critical, "m2", "400 thousand", &["zk_watches m2 400000"])
            .quiet(Critical, "200 thousand are a warning", &["zk_watches m2 200000"])
            .quiet(Warning, "50 thousand", &["zk_watches m2 50000"])
            .quiet(Warning, "a peak", &["zk_watches m2 1000 for 10m then 200000 for 10m then 1000"]),
        condition("ZnodesHigh", Unit::Count, least("zk_znodes").of_ensemble().gt(LIMIT))
            .warning(1_000_000.0, quarter, "A ZooKeeper ensemble holds very many znodes.")
            .source("ZooKeeper's documentation, Elastic and schema.ai: 1000000")
            .says(
                "ensemble <ensemble> has held at least <value> znodes for over <for> (limit <limit>).",
                "First find the subtree that holds them: zkCli.sh -server MEMBER ls -s / - numChildren of each; go down where it is large.",
            )
            .means("The tree has that many nodes, all of them in every member's memory.", "Snapshots, restarts and syncs take longer; the heap fills.")
            .so("Find the subtree and its owner before the heap is full.", "Delete what is not needed; set a quota: setquota -n N PATH.")
            .fires(Warning, "e", "two million", &["zk_znodes m1 2000000"])
            .quiet(Warning, "half a million", &["zk_znodes m1 500000"]),
        condition("DataSizeHigh", Unit::Bytes, least("zk_approximate_data_size_bytes").of_ensemble().gt(LIMIT))
            .warning(1_073_741_824.0, quarter, "A ZooKeeper ensemble holds very much data.")
            .critical(3_221_225_472.0, quarter, "A ZooKeeper ensemble holds far too much data.")
            .off()
            .source("ZooKeeper's documentation and Elastic: 1 GiB. Critical is off: what is too much depends on the heap")
            .says(
                "the tree of ensemble <ensemble> has held at least <value> for over <for> (limit <limit>), all of it in every member's heap.",
                "First find where it is written: <ask-all mntr> | grep -E '==|sum_.*_write_per_namespace' | sort -k2 -n | tail",
            )
            .means("All paths and data together have that size.", "The heap fills; snapshots, restarts and syncs take longer.")
            .so("Raise -Xmx before the heap is full, then find the owner.", "Delete or move large data; set a quota: setquota -b BYTES PATH.")
            .fires(Warning, "e", "2 GiB", &["zk_approximate_data_size_bytes m1 2147483648"])
            .fires(Critical, "e", "4 GiB", &["zk_approximate_data_size_bytes m1 4294967296"])
            .quiet(Critical, "2 GiB are a warning", &["zk_approximate_data_size_bytes m1 2147483648"])
            .quiet(Warning, "half a GiB", &["zk_approximate_data_size_bytes m1 536870912"]),
        condition(
            "DataGrowth",
            Unit::Bytes,
            size()
                .predict(Span::hours(6), Span::hours(24))
                .of_ensemble()
                .gt(LIMIT)
                .and(size().of_ensemble().lt(LIMIT))
                .and(size().ago(Span::hours(3)).of_ensemble().gt(0.0)),
        )
        .warning(1_073_741_824.0, Span::minutes(30), "The data of a ZooKeeper ensemble grows towards its limit.")
        .source("etcd forecasts 4 hours from 4; node-mixin 24 hours from 6, as here, with at least 3 hours seen. The limit is that of DataSizeHigh")
        .says(
            "at the pace of the last 6 hours, ensemble <ensemble> holds <value> within a day (limit <limit>).",
            "First find what grows: <ask-all mntr> | grep -E '==|sum_.*_write_per_namespace' twice, a minute apart.",
        )
        .means("The tree grows steadily.", "Nothing yet.")
        .so("Find the owner today, not at the limit.", "As under ZooKeeperDataSizeHigh.")
        .fires(Warning, "e", "100 MiB an hour", &["zk_approximate_data_size_bytes m1 +1747626/m"])
        .quiet(Warning, "over the limit already, which is another alarm", &[
            "zk_approximate_data_size_bytes m1 2147483648 for 1h then +1747626/m",
        ])
        .quiet(Warning, "an hour of filling after the first start", &[
            "zk_approximate_data_size_bytes m1 absent for 5h then +1747626/m",
        ])
        .quiet(Warning, "1 MiB an hour", &["zk_approximate_data_size_bytes m1 +17476/m"]),
    ]
}
