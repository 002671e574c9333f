//! Monotonic values: counters, and the five that ZooKeeper registers as gauges.

use super::metric::{Label, Metric, Role, counter};

#[rustfmt::skip] // Three lines per metric: key and family, HELP, the rest.
pub(super) const ROWS: &[Metric] = &[
    counter("add_dead_watcher_stall_time", "zk_add_dead_watcher_stall_time_seconds",
        "Time in which closing a watcher had to wait because the queue of dead watchers was full (mntr key add_dead_watcher_stall_time)")
        .ms().on(Role::WatchManager),
    counter("auth_failed_count", "zk_auth_failed",
        "Clients that failed to authenticate; restarts from 0 at every role change (mntr key auth_failed_count)")
        .since("3.6.3")
        .essential(),
    counter("cnxn_closed_without_zk_server_running", "zk_cnxn_closed_without_zk_server_running",
        "TLS connections closed early because this member was not serving yet (mntr key cnxn_closed_without_zk_server_running)")
        .on(Role::Netty).since("3.7.0"),
    counter("commit_count", "zk_commits",
        "Transactions committed by this process as leader; does not increase while it does not lead (mntr key commit_count)")
        .on(Role::Leader).anchor().essential(),
    counter("connection_drop_count", "zk_connection_drops",
        "Client connections that were lost: the client disconnected or reading from it failed (mntr key connection_drop_count)"),
    counter("connection_rejected", "zk_connection_rejected",
        "New client connections rejected by maxClientCnxns, maxCnxns or the connection throttle (mntr key connection_rejected)")
        .anchor().essential(),
    counter("connection_request_count", "zk_connection_requests",
        "Client requests to open a session or to resume an existing one (mntr key connection_request_count)"),
    counter("connection_revalidate_count", "zk_connection_revalidates",
        "Clients that connected to this member with an existing session, e.g. after another member failed (mntr key connection_revalidate_count)"),
    counter("dead_watchers_cleared", "zk_dead_watchers_cleared",
        "Watchers of closed connections that were removed from the watch tables (mntr key dead_watchers_cleared)")
        .on(Role::WatchManager),
    counter("dead_watchers_queued", "zk_dead_watchers_queued",
        "Watchers of closed connections queued for removal; minus zk_dead_watchers_cleared_total it is the backlog (mntr key dead_watchers_queued)")
        .on(Role::WatchManager),
    counter("diff_count", "zk_diffs",
        "Learners synced with only the transactions that they missed (DIFF), which is cheap (mntr key diff_count)")
        .on(Role::ObserverMaster),
    counter("digest_mismatches_count", "zk_digest_mismatches",
        "Transactions after which the digest of this member's tree did not match the expected one: its data has diverged (mntr key digest_mismatches_count)")
        .essential(),
    counter("ensemble_auth_fail", "zk_ensemble_auth_fail",
        "Clients rejected because they named another ensemble (mntr key ensemble_auth_fail)")
        .essential(),
    counter("ensemble_auth_skip", "zk_ensemble_auth_skip",
        "Ensemble name checks that were skipped because no name was set (mntr key ensemble_auth_skip)"),
    counter("ensemble_auth_success", "zk_ensemble_auth_success",
        "Clients that named this ensemble correctly (mntr key ensemble_auth_success)"),
    counter("fsync_threshold_exceed_count", "zk_fsync_threshold_exceed",
        "Writes of the transaction log slower than fsync.warningthresholdms; since 3.6 use zk_fsynctime_seconds instead (mntr key fsync_threshold_exceed_count)")
        .since("3.4.13").until("3.4.14"),
    counter("insecure_admin_count", "zk_insecure_admin",
        "Plaintext connections to an AdminServer port that accepts both plaintext and TLS (mntr key insecure_admin_count)")
        .since("3.7.0"),
    counter("large_requests_rejected", "zk_large_requests_rejected",
        "Requests refused because the limit for large requests in flight was reached (mntr key large_requests_rejected)")
        .essential(),
    counter("learner_commit_received_count", "zk_learner_commits_received",
        "Commits received from the leader, for observers as INFORM; does not increase while this member leads (mntr key learner_commit_received_count)")
        .on(Role::Learner),
    counter("learner_proposal_received_count", "zk_learner_proposals_received",
        "Proposals received from the leader; observers receive none (mntr key learner_proposal_received_count)")
        .on(Role::Follower),
    counter("looking_count", "zk_looking",
        "Times this member started to look for a leader; one at its start is normal, each further one means that it lost its leader (mntr key looking_count)")
        .on(Role::Quorum),
    counter("non_mtls_local_conn_count", "zk_non_mtls_local_conns",
        "Connections without TLS from this host; restarts from 0 at every role change; stays 0 without Netty (mntr key non_mtls_local_conn_count)")
        .on(Role::Netty).since("3.6.3"),
    counter("non_mtls_remote_conn_count", "zk_non_mtls_remote_conns",
        "Connections without TLS from other hosts; restarts from 0 at every role change; stays 0 without Netty (mntr key non_mtls_remote_conn_count)")
        .on(Role::Netty).since("3.6.3"),
    counter("op_count", "zk_ops",
        "Operations that clients triggered on this member, by type (mntr keys op_count_<operation>)")
        .by(Label::Op).since("3.10.0"),
    counter("outstanding_changes_queued", "zk_outstanding_changes_queued",
        "Changes added to the list of prepared, not yet applied ones; minus zk_outstanding_changes_removed_total it is the backlog (mntr key outstanding_changes_queued)")
        .on(Role::LeaderStandalone),
    counter("outstanding_changes_removed", "zk_outstanding_changes_removed",
        "Prepared changes removed from the list after they were applied (mntr key outstanding_changes_removed)")
        .on(Role::LeaderStandalone),
    counter("packets_received", "zk_packets_received",
        "Packets received from clients, including pings and the exporter's own queries; restarts from 0 at every role change (mntr key packets_received)")
        .since("3.4.0").anchor().essential(),
    counter("packets_sent", "zk_packets_sent",
        "Packets sent to clients: replies, watch events, replies to the exporter; restarts from 0 at every role change (mntr key packets_sent)")
        .since("3.4.0").anchor().essential(),
    counter("prep_processor_request_queued", "zk_prep_processor_request_queued",
        "Requests passed to the leader's first request processor, which turns them into transactions (mntr key prep_processor_request_queued)")
        .on(Role::LeaderStandalone),
    counter("proposal_count", "zk_proposals",
        "Proposals made by this process as leader; does not increase while it does not lead (mntr key proposal_count)")
        .on(Role::Leader).essential(),
    counter("quit_leading_due_to_disloyal_voter", "zk_quit_leading_due_to_disloyal_voter",
        "Times this member gave up becoming the leader because a voter that supported it looked for a leader again (mntr key quit_leading_due_to_disloyal_voter)")
        .on(Role::Leader),
    counter("bytes_received_count", "zk_received_bytes",
        "Bytes received from clients, including the exporter's own queries; not reset by elections (mntr key bytes_received_count)")
        .bytes().anchor().essential(),
    counter("request_commit_queued", "zk_request_commit_queued",
        "Committed requests passed to the commit processor (mntr key request_commit_queued)")
        .on(Role::Quorum),
    counter("request_throttle_wait_count", "zk_request_throttle_waits",
        "Times the request throttler held a request back because too many were in flight (mntr key request_throttle_wait_count)"),
    counter("requests_not_forwarded_to_commit_processor", "zk_requests_not_forwarded_to_commit_processor",
        "Requests that the leader did not pass to its commit processor: throttled ones, or not its own (mntr key requests_not_forwarded_to_commit_processor)")
        .on(Role::Leader).since("3.7.0"),
    counter("response_bytes", "zk_response_bytes",
        "Bytes of replies written to clients; watch events are in zk_watch_bytes_total (mntr key response_bytes)")
        .bytes().since("3.7.0"),
    counter("response_packet_cache_hits", "zk_response_packet_cache_hits",
        "getData replies served from the response cache (mntr key response_packet_cache_hits)"),
    counter("response_packet_cache_misses", "zk_response_packet_cache_misses",
        "getData replies that were not in the response cache (mntr key response_packet_cache_misses)"),
    counter("response_packet_get_children_cache_hits", "zk_response_packet_get_children_cache_hits",
        "getChildren replies served from the response cache (mntr key response_packet_get_children_cache_hits)"),
    counter("response_packet_get_children_cache_misses", "zk_response_packet_get_children_cache_misses",
        "getChildren replies that were not in the response cache (mntr key response_packet_get_children_cache_misses)"),
    counter("restore_error_count", "zk_restore_errors",
        "Restore commands of the AdminServer that failed (mntr key restore_error_count)")
        .since("3.9.0"),
    counter("restore_rate_limited_count", "zk_restore_rate_limited",
        "Restore commands of the AdminServer refused because they came too soon after another (mntr key restore_rate_limited_count)")
        .since("3.9.0"),
    counter("revalidate_count", "zk_revalidates",
        "Sessions that this member confirmed for a learner to which a client had moved (mntr key revalidate_count)")
        .on(Role::ObserverMaster),
    counter("sessionless_connections_expired", "zk_sessionless_connections_expired",
        "Connections closed because the client opened no session in time; port scans and health checks show up here (mntr key sessionless_connections_expired)")
        .on(Role::Nio),
    counter("skip_learner_request_to_next_processor_count", "zk_skip_learner_request_to_next_processor",
        "Requests that a follower did not pass on to its next processor (mntr key skip_learner_request_to_next_processor_count)")
        .on(Role::Follower).since("3.7.0"),
    counter("snap_count", "zk_snaps",
        "Learners synced with a whole snapshot (SNAP), which is expensive (mntr key snap_count)")
        .on(Role::ObserverMaster).essential(),
    counter("snapshot_error_count", "zk_snapshot_errors",
        "Snapshot commands of the AdminServer that failed (mntr key snapshot_error_count)")
        .since("3.9.0"),
    counter("snapshot_rate_limited_count", "zk_snapshot_rate_limited",
        "Snapshot commands of the AdminServer refused because they came too soon after another (mntr key snapshot_rate_limited_count)")
        .since("3.9.0"),
    counter("stale_replies", "zk_stale_replies",
        "Replies that were not sent because the client's connection was gone (mntr key stale_replies)")
        .anchor(),
    counter("stale_requests", "zk_stale_requests",
        "Stale requests (too old, or their connection closed) that the throttler passed on nevertheless (mntr key stale_requests)"),
    counter("stale_requests_dropped", "zk_stale_requests_dropped",
        "Stale requests that the throttler dropped (mntr key stale_requests_dropped)")
        .essential(),
    counter("stale_sessions_expired", "zk_stale_sessions_expired",
        "Expired sessions; the leader counts those of the whole ensemble, other members only local sessions (mntr key stale_sessions_expired)")
        .on(Role::LeaderStandalone).essential(),
    counter("sync_processor_request_queued", "zk_sync_processor_request_queued",
        "Requests passed to the sync processor, which writes the transaction log (mntr key sync_processor_request_queued)"),
    counter("throttled_ops", "zk_throttled_ops",
        "Requests marked as throttled because they had waited longer than throttled_op_wait_time (mntr key throttled_ops)")
        .since("3.7.0")
        .essential(),
    counter("tls_handshake_exceeded", "zk_tls_handshake_exceeded",
        "Connections closed because too many TLS handshakes were in progress (mntr key tls_handshake_exceeded)")
        .on(Role::Netty),
    counter("ttl_node_created_count", "zk_ttl_nodes_created",
        "TTL znodes created (mntr key ttl_node_created_count)")
        .since("3.10.0"),
    counter("ttl_node_deleted_count", "zk_ttl_nodes_deleted",
        "TTL znodes deleted (mntr key ttl_node_deleted_count)")
        .since("3.10.0"),
    counter("unrecoverable_error_count", "zk_unrecoverable_errors",
        "Critical server threads that ended with an error; if above 0, check the log of this member (mntr key unrecoverable_error_count)")
        .anchor().essential(),
    counter("unsuccessful_handshake", "zk_unsuccessful_handshake",
        "TLS handshakes with clients that failed (mntr key unsuccessful_handshake)")
        .on(Role::Netty).since("3.7.0")
        .essential(),
    counter("watch_bytes", "zk_watch_bytes",
        "Bytes of watch events written to clients (mntr key watch_bytes)")
        .bytes().since("3.7.0"),
];
