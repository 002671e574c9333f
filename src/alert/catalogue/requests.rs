//! Requests that queue, are dropped, or are too large.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Requests, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let (five, ten) = (Span::minutes(5), Span::minutes(10));
    let largest = || series("zk_max_proposal_size_bytes");
    vec![
        condition(
            "OutstandingRequests",
            Unit::Count,
            series("zk_outstanding_requests").median(five).of_member().gt(LIMIT),
        )
        .warning(10.0, five, "Requests queue up at a ZooKeeper member.")
        .critical(100.0, five, "A long queue of requests has built up at a ZooKeeper member.")
        .source("warning 10: Zabbix, Strimzi, Confluent, Elastic and HariSekhon agree. Critical 100: a member stops reading from busy clients at globalOutstandingLimit / (members - 1), which is 500 for three members and 166 for seven, so a limit above that would never be reached")
        .says(
            "at least <value> requests have waited at <who> in half of the samples of 5 minutes, for over <for> (limit <limit>).",
            "First check whether the member waits for its disk or for other members: <stat> - then which clients send the most: <ask cons> | sed 's/.*\\/\\([^:]*\\):.*recved=\\([0-9]*\\).*/\\2 \\1/' | sort -rn | head",
        )
        .means(
            "More requests arrive than the member completes: a slow disk, lost followers, a pause, or a client that sends too many.",
            "Every client of this member waits; at its limit it stops reading from busy clients.",
        )
        .so("Decide whether the cause is the server (disk, followers) or a client that sends too many requests.", "Reduce the load on the disk or bring followers back; stop or slow down the client.")
        .fires(Warning, "m1", "fifty", &["zk_outstanding_requests m1 50"])
        .fires(Critical, "m1", "the plateau of three members", &["zk_outstanding_requests m1 502"])
        .quiet(Warning, "a burst", &["zk_outstanding_requests m1 0 for 12m then 400 for 15s then 0"])
        .quiet(Warning, "a job that fills the queue for a fifth of the time", &[
            "zk_outstanding_requests m1 0 for 4m then 650 for 1m then 0 for 4m then 650 for 1m then 0 for 4m then 650 for 1m then 0 for 4m then 650 for 1m then 0",
        ])
        .quiet(Critical, "fifty is only a warning", &["zk_outstanding_requests m1 50"]),
        condition(
            "RequestsThrottled",
            Unit::Count,
            series("zk_throttled_ops_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(0.0, Span(0), "A ZooKeeper member refuses requests that waited too long.")
        .source("counted only if throttledOpWaitTime is set: each one is a failed client call")
        .says(
            "<who> has refused <value> requests within 10 minutes because they had waited longer than throttledOpWaitTime.",
            "First check what they waited for: <stat>",
        )
        .means("The request throttler delays requests, some for so long that they are refused.", "Clients get errors.")
        .so("Reduce the load, or raise requestThrottleLimit if the member has spare capacity.", "As under ZooKeeperOutstandingRequests.")
        .fires(Warning, "m1", "twenty a minute", &["zk_throttled_ops_total m1 +20/m"])
        .quiet(Warning, "long ago", &["zk_throttled_ops_total m1 500"]),
        condition(
            "StaleRequestsDropped",
            Unit::Count,
            series("zk_stale_requests_dropped_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(0.0, Span(0), "A ZooKeeper member drops requests.")
        .source("a dropped request is a failed call; the throttler drops those whose client is gone or which are too old")
        .says(
            "<who> has dropped <value> requests within 10 minutes: their clients were gone, or they had waited too long.",
            "First check its queue and its disk: <stat>",
        )
        .means("Requests wait so long that their clients have given up.", "Clients time out and retry, which adds to the load.")
        .so("Treat it as overload.", "As under ZooKeeperOutstandingRequests.")
        .fires(Warning, "m2", "five a minute", &["zk_stale_requests_dropped_total m2 +5/m"])
        .quiet(Warning, "long ago", &["zk_stale_requests_dropped_total m2 9"]),
        condition(
            "LargeRequestsRejected",
            Unit::Count,
            series("zk_large_requests_rejected_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(0.0, Span(0), "A ZooKeeper member rejects large requests.")
        .source("largeRequestMaxBytes is exceeded: the request is refused and its connection closed")
        .says(
            "<who> has rejected <value> large requests within 10 minutes: together they were over largeRequestMaxBytes.",
            "First check which clients send them: grep -i 'large request' zookeeper.log | tail -20 on <host>",
        )
        .means("Clients write large znodes, many at a time.", "Their calls fail and their connections are closed.")
        .so("Contact the owner of the client.", "Split the data; ZooKeeper is designed for kilobytes.")
        .fires(Warning, "m2", "one", &["zk_large_requests_rejected_total m2 0 for 6m then 1"])
        .quiet(Warning, "long ago", &["zk_large_requests_rejected_total m2 1"]),
        condition(
            "LargeProposal",
            Unit::Bytes,
            largest()
                .of_member()
                .gt(LIMIT)
                .and((largest().of_member() - largest().min(Span::hours(1)).by(Agg::Min, Keys::Member)).gt(0.0)),
        )
        .warning(838_860.0, Span(0), "A write to ZooKeeper came close to the maximum packet size.")
        .source("80 % of jute.maxbuffer, which is 1048575 bytes unless set; a larger one breaks the connection between leader and follower. ZooKeeper keeps the largest for the whole leadership, so it counts only if it was seen to rise within the last hour")
        .says(
            "within the last hour leader <member> of ensemble <ensemble> has proposed its largest write so far, <value> (limit <limit>); one above jute.maxbuffer (1 MiB unless set) breaks the connections to the followers.",
            "First find the subtree that receives such writes: topk(5, rate(zk_write_per_namespace_bytes_sum{ensemble=\"<ensemble>\"}[1h])) in Prometheus - and its owner.",
        )
        .means(
            "A client writes a very large znode, or a multi() with a very large number of operations.",
            "The next larger write is refused, or stops the followers repeatedly.",
        )
        .so("Contact the owner of the client before it grows further.", "Split the znode or the multi(); or raise jute.maxbuffer on all servers and clients alike.")
        .fires(Warning, "m1", "900 kB", &["zk_max_proposal_size_bytes m1 1000 for 62m then 900000"])
        .fires(Warning, "m1", "900 kB, and the exporter was away", &[
            "zk_max_proposal_size_bytes m1 1000 for 20m then stale for 25m then 900000",
        ])
        .quiet(Warning, "a write days ago, at the first scrape and after a gap", &[
            "zk_max_proposal_size_bytes m1 absent for 10m then 900000 for 20m then stale for 25m then 900000",
        ])
        .quiet(Warning, "a write days ago, seen by a new exporter", &[
            "zk_max_proposal_size_bytes m1 900000 for 40m then stale",
            "zk_max_proposal_size_bytes m1@2 absent for 41m then 900000",
        ])
        .quiet(Warning, "100 kB", &["zk_max_proposal_size_bytes m1 100000"]),
    ]
}
