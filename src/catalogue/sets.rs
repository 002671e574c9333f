//! Families whose key contains a namespace or a server id, which becomes a label.

use super::metric::{Label, Metric, Role, advanced, basic, counter, gauge};

#[rustfmt::skip] // Three lines per metric: key and family, HELP, the rest.
pub(super) const ROWS: &[Metric] = &[
    advanced("ack_latency", "zk_ack_latency_seconds",
        "Time from the creation of a transaction until each server acknowledged it; sampled once in 1000 transactions, so absent on an idle leader (mntr keys *_<server id>_ack_latency)")
        .ms().by(Label::Peer).on(Role::Leader),
    basic("learner_handler_qp_size", "zk_learner_handler_qp_size",
        "Packets queued for each learner at the member that sends to it; a growing queue means that the learner cannot keep up (mntr keys *_<server id>_learner_handler_qp_size)")
        .by(Label::Peer).on(Role::ObserverMaster),
    advanced("learner_handler_qp_time_ms", "zk_learner_handler_qp_time_seconds",
        "Time a packet waits in the queue of each learner; measured with one marker in 1000 packets (mntr keys *_<server id>_learner_handler_qp_time_ms)")
        .ms().by(Label::Peer).on(Role::ObserverMaster),
    counter("quota_exceeded_error_per_namespace", "zk_quota_exceeded_error_per_namespace",
        "Requests that exceeded the quota of their top-level znode; refused only if quotas are enforced (mntr keys <namespace>_quota_exceeded_error_per_namespace)")
        .by(Label::Namespace).on(Role::LeaderStandalone).since("3.8.0"),
    gauge("quota_bytes_limit_per_namespace", "zk_quota_limit_per_namespace_bytes",
        "Byte quota of a top-level znode and its subtree; absent if none is set (mntr keys <namespace>_quota_bytes_limit_per_namespace)")
        .bytes().by(Label::Namespace).minus_one_is_none().since("3.8.0"),
    gauge("quota_bytes_usage_per_namespace", "zk_quota_usage_per_namespace_bytes",
        "Bytes used by a top-level znode and its subtree; only for those with a quota (mntr keys <namespace>_quota_bytes_usage_per_namespace)")
        .bytes().by(Label::Namespace).since("3.8.0"),
    gauge("quota_count_limit_per_namespace", "zk_quota_znodes_limit_per_namespace",
        "Znode quota of a top-level znode and its subtree; absent if none is set (mntr keys <namespace>_quota_count_limit_per_namespace)")
        .by(Label::Namespace).minus_one_is_none().since("3.8.0"),
    gauge("quota_count_usage_per_namespace", "zk_quota_znodes_usage_per_namespace",
        "Number of znodes in a top-level znode's subtree, including itself; only for those with a quota (mntr keys <namespace>_quota_count_usage_per_namespace)")
        .by(Label::Namespace).since("3.8.0"),
    basic("read_per_namespace", "zk_read_per_namespace_bytes",
        "Bytes (path, data, stat) of each read below a top-level znode; _count is the number of reads (mntr keys *_<namespace>_read_per_namespace)")
        .bytes().by(Label::Namespace),
    basic("write_per_namespace", "zk_write_per_namespace_bytes",
        "Bytes (path, data) of each write below a top-level znode; _count is the number of writes (mntr keys *_<namespace>_write_per_namespace)")
        .bytes().by(Label::Namespace),
];
