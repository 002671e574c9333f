//! Data of the ensemble: watches, znodes, bytes.

use super::super::build::{Growth, LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Data, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let quarter = Span::minutes(15);
    let least = |name| series(name).min(Span::minutes(5));
    let size = || series("zk_approximate_data_size_bytes");
    let growth = Growth { name: "zk_approximate_data_size_bytes", keys: Keys::Ensemble, period: Span::minutes(90) };
    vec![
        condition("WatchesHigh", Unit::Count, least("zk_watches").of_member().gt(LIMIT))
            .warning(100_000.0, quarter, "A ZooKeeper member holds a high number of watches.")
            .critical(300_000.0, quarter, "A ZooKeeper member holds too many watches.")
            .off()
            .source("ZooKeeper's documentation and Elastic use 10000, which Kafka, HBase and Solr hold at rest; this is ten times that. Set it to twice your usual value. Critical is off: three times the warning is judgement, and usual values differ between users")
            .says(
                "<who> has held at least <value> watches for over <for> (limit <limit>).",
                "First compare the members: <stat> - then count connections and paths: <ask wchs>",
            )
            .means("Clients have set that many watches that have not been triggered.", "Memory use, and a storm of events when a watched node changes.")
            .so("Contact the owner of the client that adds them.", "Fix the client; restart it to drop its watches.")
            .fires(Warning, "m2", "200 thousand", &["zk_watches m2 200000"])
            .fires(Critical, "m2", "400 thousand", &["zk_watches m2 400000"])
            .quiet(Critical, "200 thousand is only a warning", &["zk_watches m2 200000"])
            .quiet(Warning, "50 thousand", &["zk_watches m2 50000"])
            .quiet(Warning, "a short peak", &["zk_watches m2 1000 for 10m then 200000 for 10m then 1000"]),
        condition("ZnodesHigh", Unit::Count, least("zk_znodes").of_ensemble().gt(LIMIT))
            .warning(1_000_000.0, quarter, "A ZooKeeper ensemble holds a high number of znodes.")
            .source("ZooKeeper's documentation, Elastic and schema.ai: 1000000")
            .says(
                "ensemble <ensemble> has held at least <value> znodes for over <for> (limit <limit>).",
                "First find the subtree that holds them: zkCli.sh -server MEMBER ls -s / - numChildren of each; descend where it is large.",
            )
            .means("The tree has that many nodes, all of them in the memory of every member.", "Snapshots, restarts and syncs take longer; the heap fills.")
            .so("Find the subtree and its owner before the heap is full.", "Delete unneeded nodes; set a quota: setquota -n N PATH.")
            .fires(Warning, "e", "two million", &["zk_znodes m1 2000000"])
            .quiet(Warning, "half a million", &["zk_znodes m1 500000"]),
        condition("DataSizeHigh", Unit::Bytes, least("zk_approximate_data_size_bytes").of_ensemble().gt(LIMIT))
            .warning(1_073_741_824.0, quarter, "A ZooKeeper ensemble holds a lot of data.")
            .critical(3_221_225_472.0, quarter, "A ZooKeeper ensemble holds too much data.")
            .off()
            .source("ZooKeeper's documentation and Elastic: 1 GiB. Critical is off: the right limit depends on the heap")
            .says(
                "the tree of ensemble <ensemble> has held at least <value> for over <for> (limit <limit>), all of it in every member's heap.",
                "First find where data is written: topk(5, rate(zk_write_per_namespace_bytes_sum{ensemble=\"<ensemble>\"}[1h])) in Prometheus - then the sizes of the subtrees: zkCli.sh -server MEMBER ls -s /PATH",
            )
            .means("All paths and data together have this size.", "The heap fills; snapshots, restarts and syncs take longer.")
            .so("Raise -Xmx before the heap is full, then find the owner.", "Delete or move large data; set a quota: setquota -b BYTES PATH.")
            .fires(Warning, "e", "2 GiB", &["zk_approximate_data_size_bytes m1 2147483648"])
            .fires(Critical, "e", "4 GiB", &["zk_approximate_data_size_bytes m1 4294967296"])
            .quiet(Critical, "2 GiB are a warning", &["zk_approximate_data_size_bytes m1 2147483648"])
            .quiet(Warning, "half a GiB", &["zk_approximate_data_size_bytes m1 536870912"]),
        condition(
            "DataGrowth",
            Unit::Bytes,
            growth.gate(growth.forecast(Span::hours(24)).gt(LIMIT).and(size().of_ensemble().lt(LIMIT))),
        )
        .warning(1_073_741_824.0, Span::minutes(30), "The data of a ZooKeeper ensemble grows towards its limit.")
        .source("etcd forecasts 4 hours from 4; node-mixin 24 hours from 6, as here. Each of the last three periods of 90 minutes must have grown by at least half of their mean, so that one bulk load or a recurring batch makes no forecast, and the size must be above that of the day before. The limit is that of DataSizeHigh")
        .says(
            "at the rate of the last four and a half hours, ensemble <ensemble> will hold <value> within a day (limit <limit>).",
            "First find what grows: topk(5, rate(zk_write_per_namespace_bytes_sum{ensemble=\"<ensemble>\"}[1h])) in Prometheus",
        )
        .means("The tree grows steadily.", "None yet.")
        .so("Find the owner today, before the limit is reached.", "As under ZooKeeperDataSizeHigh.")
        .fires(Warning, "e", "100 MiB an hour", &["zk_approximate_data_size_bytes m1 1000000 for 23h then +1747626/m"])
        .fires(Warning, "e", "100 MiB an hour, seen by one exporter and then by another", &[
            "zk_approximate_data_size_bytes m1 1000000 for 23h then +1747626/m for 5h then stale",
            "zk_approximate_data_size_bytes m1@2 absent for 28h then 525000000 for 4m then +1747626/m",
        ])
        .quiet(Warning, "as on the same day of the week before", &[
            "zk_approximate_data_size_bytes m1 1000000 for 600m then 800000000 for 600m then 1000000 for 9744m then +1747626/m for 456m",
        ])
        .fires(Warning, "e", "far above the same day of the week before", &[
            "zk_approximate_data_size_bytes m1 1000000 for 600m then 500000000 for 600m then 1000000 for 9744m then +1747626/m for 456m",
        ])
        .fires(Warning, "e", "at nine tenths of the limit for weeks, and growing now", &[
            "zk_approximate_data_size_bytes m1 1000000000 for 6000m then 1000000000 for 4960m then +150000/m for 456m",
        ])
        .quiet(Warning, "already over the limit, which has its own alert", &[
            "zk_approximate_data_size_bytes m1 2147483648 for 23h then +1747626/m",
        ])
        .quiet(Warning, "three hours of initial loading after the first start", &[
            "zk_approximate_data_size_bytes m1 absent for 27h then +1747626/m",
        ])
        .quiet(Warning, "1 MiB an hour", &["zk_approximate_data_size_bytes m1 1000000 for 23h then +17476/m"])
        .quiet(Warning, "a load that has ended", &[
            "zk_approximate_data_size_bytes m1 1000000 for 24h then +2500000/m for 4h then 600000000",
        ])
        .quiet(Warning, "two loads with a pause between them", &[
            "zk_approximate_data_size_bytes m1 1000000 for 23h then +2500000/m for 155m then 388000000 for 2h then +2500000/m",
        ])
        .quiet(Warning, "a load that began four hours ago", &[
            "zk_approximate_data_size_bytes m1 60000000 for 1575m then +3000000/m",
        ])
        .quiet(Warning, "as much as yesterday", &[
            "zk_approximate_data_size_bytes m1 1000000000 for 9h then 1000000 for 14h then +1747626/m",
        ]),
    ]
}
