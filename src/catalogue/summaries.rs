//! Summaries computed by ZooKeeper: latencies, queue lengths, batch sizes.

use super::metric::{Metric, Role, advanced, basic};

#[rustfmt::skip] // Three lines per metric: key and family, HELP, the rest.
pub(super) const ROWS: &[Metric] = &[
    advanced("close_session_prep_time", "zk_close_session_prep_time_seconds",
        "Time to prepare the end of a session; grows with the number of its ephemeral znodes (mntr keys *_close_session_prep_time)")
        .ms().on(Role::LeaderStandalone),
    basic("commit_commit_proc_req_queued", "zk_commit_commit_proc_req_queued",
        "Commits waiting in the commit processor at each of its passes (mntr keys *_commit_commit_proc_req_queued)")
        .on(Role::Quorum),
    basic("commit_process_time", "zk_commit_process_time_seconds",
        "Duration of one pass of the commit processor (mntr keys *_commit_process_time)")
        .ms().on(Role::Quorum),
    advanced("commit_propagation_latency", "zk_commit_propagation_latency_seconds",
        "Time from the creation of a transaction at the leader to the arrival of its commit; wall clock, biased by clock skew between hosts (mntr keys *_commit_propagation_latency)")
        .ms().on(Role::Learner),
    basic("concurrent_request_processing_in_commit_processor", "zk_concurrent_request_processing_in_commit_processor",
        "Requests that the workers of the commit processor handled concurrently (mntr keys *_concurrent_request_processing_in_commit_processor)")
        .on(Role::Quorum),
    basic("connection_token_deficit", "zk_connection_token_deficit",
        "Tokens that the connection throttle lacked at each new connection; not a number of connections (mntr keys *_connection_token_deficit)"),
    basic("dbinittime", "zk_dbinittime_seconds",
        "Time to load the database at start: snapshot and transaction log (mntr keys *_dbinittime)")
        .ms().anchor(),
    advanced("dead_watchers_cleaner_latency", "zk_dead_watchers_cleaner_latency_seconds",
        "Duration of one round of removing dead watchers (mntr keys *_dead_watchers_cleaner_latency)")
        .ms().on(Role::WatchManager),
    basic("election_time", "zk_election_time_seconds",
        "Duration of each leader election that this member took part in; _count is their number (mntr keys *_election_time)")
        .ms().on(Role::Voter).essential(),
    basic("follower_sync_time", "zk_follower_sync_time_seconds",
        "Time this follower took to sync with a leader, once per attempt (mntr keys *_follower_sync_time)")
        .ms().on(Role::Follower),
    basic("fsynctime", "zk_fsynctime_seconds",
        "Duration of each fsync of the transaction log; check it first if writes are slow (mntr keys *_fsynctime)")
        .ms().anchor().essential(),
    basic("inflight_diff_count", "zk_inflight_diffs",
        "Concurrent DIFF syncs, sampled when one starts or ends; the counter is zk_diffs_total (mntr keys *_inflight_diff_count)")
        .on(Role::ObserverMaster).since("3.6.2"),
    basic("inflight_snap_count", "zk_inflight_snaps",
        "Concurrent SNAP syncs, sampled when one starts or ends; the counter is zk_snaps_total (mntr keys *_inflight_snap_count)")
        .on(Role::ObserverMaster).since("3.6.2"),
    advanced("jvm_pause_time_ms", "zk_jvm_pause_time_seconds",
        "Pauses of the whole JVM, mostly garbage collection; recorded only if jvm.pause.monitor=true (mntr keys *_jvm_pause_time_ms)")
        .ms().since("3.6.2").anchor().essential(),
    basic("leader_unavailable_time", "zk_leader_unavailable_time_seconds",
        "Like zk_unavailable_time_seconds, recorded only if the member became the leader (mntr keys *_leader_unavailable_time)")
        .ms().on(Role::Leader).since("3.7.0"),
    basic("learner_request_processor_queue_size", "zk_learner_request_processor_queue_size",
        "Client requests queued at the first request processor of a follower or observer (mntr keys *_learner_request_processor_queue_size)")
        .on(Role::Learner).since("3.7.0"),
    advanced("local_write_committed_time_ms", "zk_local_write_committed_time_seconds",
        "Time from the arrival of a commit until it is processed, for writes of this member's own clients (mntr keys *_local_write_committed_time_ms)")
        .ms().on(Role::Quorum),
    basic("netty_queued_buffer_capacity", "zk_netty_queued_buffer_capacity_bytes",
        "Capacity of the buffer in which Netty collects the input of one connection, at each addition (mntr keys *_netty_queued_buffer_capacity)")
        .bytes().on(Role::Netty),
    basic("node_changed_watch_count", "zk_node_changed_watches",
        "Watches fired by each change of a znode's data; a large maximum means many watchers of one znode (herd effect) (mntr keys *_node_changed_watch_count)"),
    basic("node_children_watch_count", "zk_node_children_watches",
        "Watches fired by each change of a znode's children; a large maximum means many watchers of one znode (herd effect) (mntr keys *_node_children_watch_count)"),
    basic("node_created_watch_count", "zk_node_created_watches",
        "Watches fired by each creation of a znode (mntr keys *_node_created_watch_count)"),
    basic("node_deleted_watch_count", "zk_node_deleted_watches",
        "Watches fired by each deletion of a znode (mntr keys *_node_deleted_watch_count)"),
    basic("observer_sync_time", "zk_observer_sync_time_seconds",
        "Time this observer took to sync, once per attempt (mntr keys *_observer_sync_time)")
        .ms().on(Role::Observer).since("3.7.1"),
    advanced("om_commit_process_time_ms", "zk_om_commit_process_time_seconds",
        "Time a follower that serves observers (observerMasterPort) takes to handle a commit for them (mntr keys *_om_commit_process_time_ms)")
        .ms().on(Role::Follower),
    advanced("om_proposal_process_time_ms", "zk_om_proposal_process_time_seconds",
        "Time a follower that serves observers (observerMasterPort) takes to handle a proposal for them (mntr keys *_om_proposal_process_time_ms)")
        .ms().on(Role::Follower),
    basic("pending_session_queue_size", "zk_pending_session_queue_size",
        "Sessions with writes waiting in the commit processor (mntr keys *_pending_session_queue_size)")
        .on(Role::Quorum),
    basic("prep_process_time", "zk_prep_process_time_seconds",
        "Time to turn one request into a transaction (mntr keys *_prep_process_time)")
        .ms().on(Role::LeaderStandalone),
    basic("prep_processor_queue_size", "zk_prep_processor_queue_size",
        "Requests waiting to be turned into transactions, sampled whenever one is taken from the queue (mntr keys *_prep_processor_queue_size)")
        .on(Role::LeaderStandalone),
    advanced("prep_processor_queue_time_ms", "zk_prep_processor_queue_time_seconds",
        "Time a request waits before it is turned into a transaction (mntr keys *_prep_processor_queue_time_ms)")
        .ms().on(Role::LeaderStandalone),
    advanced("propagation_latency", "zk_propagation_latency_seconds",
        "Time from the creation of a transaction at the leader until it is applied by this member; wall clock, biased by clock skew between hosts; negative values are not recorded (mntr keys *_propagation_latency)")
        .ms().on(Role::Quorum).anchor(),
    advanced("proposal_ack_creation_latency", "zk_proposal_ack_creation_latency_seconds",
        "Time from the creation of a transaction at the leader until this member acknowledges it; wall clock, biased by clock skew between hosts (mntr keys *_proposal_ack_creation_latency)")
        .ms().on(Role::Voter),
    advanced("proposal_latency", "zk_proposal_latency_seconds",
        "Time from the creation of a transaction at the leader until its proposal arrives; wall clock, biased by clock skew between hosts (mntr keys *_proposal_latency)")
        .ms().on(Role::Follower),
    basic("proposal_process_time", "zk_proposal_process_time_seconds",
        "Time from the end of the preparation of a request until it is passed on as a proposal (mntr keys *_proposal_process_time)")
        .ms().on(Role::LeaderStandalone).since("3.7.0"),
    advanced("quorum_ack_latency", "zk_quorum_ack_latency_seconds",
        "Time from the creation of a transaction until a quorum has acknowledged it: the network and disk time of one write (mntr keys *_quorum_ack_latency)")
        .ms().on(Role::Leader),
    basic("read_commit_proc_issued", "zk_read_commit_proc_issued",
        "Reads released by the commit processor at each of its passes (mntr keys *_read_commit_proc_issued)")
        .on(Role::Quorum),
    basic("read_commit_proc_req_queued", "zk_read_commit_proc_req_queued",
        "Reads waiting in the commit processor at each of its passes (mntr keys *_read_commit_proc_req_queued)")
        .on(Role::Quorum),
    advanced("read_commitproc_time_ms", "zk_read_commitproc_time_seconds",
        "Time a read spends in the commit processor; long if it waits for a write of its own session (mntr keys *_read_commitproc_time_ms)")
        .ms().on(Role::Quorum),
    advanced("read_final_proc_time_ms", "zk_read_final_proc_time_seconds",
        "Time a read spends in the final processor, which looks up the data and replies (mntr keys *_read_final_proc_time_ms)")
        .ms().on(Role::Quorum),
    advanced("readlatency", "zk_readlatency_seconds",
        "Latency of reads; includes client pings, so idle clients lower it towards 0 (mntr keys *_readlatency)")
        .ms().anchor().essential(),
    basic("reads_after_write_in_session_queue", "zk_reads_after_write_in_session_queue",
        "Reads of a session that were queued directly after a write when it was committed (mntr keys *_reads_after_write_in_session_queue)")
        .on(Role::Quorum),
    basic("reads_issued_from_session_queue", "zk_reads_issued_from_session_queue",
        "Reads released when the queues of their sessions were drained (mntr keys *_reads_issued_from_session_queue)")
        .on(Role::Quorum),
    advanced("request_throttle_queue_time_ms", "zk_request_throttle_queue_time_seconds",
        "Time a request waits in the queue of the request throttler (mntr keys *_request_throttle_queue_time_ms)")
        .ms().since("3.7.0"),
    basic("requests_in_session_queue", "zk_requests_in_session_queue",
        "Requests of one session waiting in the commit processor (mntr keys *_requests_in_session_queue)")
        .on(Role::Quorum),
    basic("restore_time", "zk_restore_time_seconds",
        "Duration of each restore by the AdminServer command (mntr keys *_restore_time)")
        .ms().since("3.9.0"),
    advanced("server_write_committed_time_ms", "zk_server_write_committed_time_seconds",
        "Time from the arrival of a commit until it is processed, for writes that other members received (mntr keys *_server_write_committed_time_ms)")
        .ms().on(Role::Quorum),
    basic("session_queues_drained", "zk_session_queues_drained",
        "Session queues drained at each pass of the commit processor (mntr keys *_session_queues_drained)")
        .on(Role::Quorum),
    basic("snapshottime", "zk_snapshottime_seconds",
        "Time to write a snapshot of the database to disk (mntr keys *_snapshottime)")
        .ms().anchor().essential(),
    basic("socket_closing_time", "zk_socket_closing_time_seconds",
        "Time to close a connection between members of the ensemble (mntr keys *_socket_closing_time)")
        .ms().on(Role::Quorum).since("3.7.0"),
    basic("startup_snap_load_time", "zk_startup_snap_load_time_seconds",
        "Time to load the snapshot at start (mntr keys *_startup_snap_load_time)")
        .ms(),
    basic("startup_txns_load_time", "zk_startup_txns_load_time_seconds",
        "Time to replay the transaction log at start (mntr keys *_startup_txns_load_time)")
        .ms(),
    basic("startup_txns_loaded", "zk_startup_txns_loaded",
        "Transactions replayed from the log at each load of the database; a sample per load, not a counter (mntr keys *_startup_txns_loaded)")
        .anchor(),
    basic("sync_process_time", "zk_sync_process_time_seconds",
        "Time to write one request to the transaction log, including the flush if the request triggers one (mntr keys *_sync_process_time)")
        .ms(),
    basic("sync_processor_batch_size", "zk_sync_processor_batch_size",
        "Requests written by each flush of the transaction log (mntr keys *_sync_processor_batch_size)"),
    advanced("sync_processor_queue_and_flush_time_ms", "zk_sync_processor_queue_and_flush_time_seconds",
        "Time from a request's arrival at the sync processor, which writes the transaction log, until it is flushed (mntr keys *_sync_processor_queue_and_flush_time_ms)")
        .ms(),
    advanced("sync_processor_queue_flush_time_ms", "zk_sync_processor_queue_flush_time_seconds",
        "Duration of one flush of the transaction log, which covers a batch of requests (mntr keys *_sync_processor_queue_flush_time_ms)")
        .ms(),
    basic("sync_processor_queue_size", "zk_sync_processor_queue_size",
        "Requests waiting to be written to the transaction log, sampled whenever one is taken from the queue (mntr keys *_sync_processor_queue_size)"),
    advanced("sync_processor_queue_time_ms", "zk_sync_processor_queue_time_seconds",
        "Time a request waits before it is written to the transaction log (mntr keys *_sync_processor_queue_time_ms)")
        .ms(),
    basic("time_waiting_empty_pool_in_commit_processor_read_ms", "zk_time_waiting_empty_pool_in_commit_processor_read_seconds",
        "Time the commit processor waited for its workers to finish their reads before it could write (mntr keys *_time_waiting_empty_pool_in_commit_processor_read_ms)")
        .ms().on(Role::Quorum),
    basic("unavailable_time", "zk_unavailable_time_seconds",
        "Time from the start of this member, or the loss of its leader, until it served clients; _count is the number of such times (mntr keys *_unavailable_time)")
        .ms().on(Role::Quorum).since("3.7.0")
        .essential(),
    advanced("updatelatency", "zk_updatelatency_seconds",
        "Latency of writes that this member received, including the wait for the quorum: the best measure of write performance (mntr keys *_updatelatency)")
        .ms().anchor().essential(),
    basic("write_batch_time_in_commit_processor", "zk_write_batch_time_in_commit_processor_seconds",
        "Time to process one batch of committed writes (mntr keys *_write_batch_time_in_commit_processor)")
        .ms().on(Role::Quorum),
    basic("write_commit_proc_issued", "zk_write_commit_proc_issued",
        "Committed writes released by the commit processor at each of its passes (mntr keys *_write_commit_proc_issued)")
        .on(Role::Quorum),
    basic("write_commit_proc_req_queued", "zk_write_commit_proc_req_queued",
        "Writes waiting in the commit processor at each of its passes (mntr keys *_write_commit_proc_req_queued)")
        .on(Role::Quorum),
    advanced("write_commitproc_time_ms", "zk_write_commitproc_time_seconds",
        "Time a write of this member's own clients spends in the commit processor, including the wait for the quorum (mntr keys *_write_commitproc_time_ms)")
        .ms().on(Role::Quorum),
    advanced("write_final_proc_time_ms", "zk_write_final_proc_time_seconds",
        "Time a write spends in the final processor, which applies it to the tree and replies (mntr keys *_write_final_proc_time_ms)")
        .ms().on(Role::Quorum),
];
