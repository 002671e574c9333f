//! Gauges: one row per `mntr` gauge without a variable part in its key.

use super::metric::{Metric, Role, gauge};

#[rustfmt::skip] // Three lines per metric: key and family, HELP, the rest.
pub(super) const ROWS: &[Metric] = &[
    gauge("approximate_data_size", "zk_approximate_data_size_bytes",
        "Approximate size of all paths and data in the tree, similar on every member; before 3.6 each query traverses the whole tree (mntr key approximate_data_size)")
        .bytes().since("3.4.0").anchor().essential(),
    gauge("avg_latency", "zk_avg_latency_seconds",
        "Mean request latency since this member took its role; includes client pings, so idle clients lower it towards 0; whole milliseconds before 3.6 (mntr key avg_latency)")
        .ms().since("3.4.0").anchor(),
    gauge("connection_drop_probability", "zk_connection_drop_probability",
        "Probability (0 to 1) that the connection throttle drops a new connection; 0 if no throttle is configured (mntr key connection_drop_probability)")
        .ratio(),
    gauge("ephemerals_count", "zk_ephemerals",
        "Ephemeral znodes in the whole tree, not only those of this member's clients; a sudden drop means that sessions ended (mntr key ephemerals_count)")
        .since("3.4.0").anchor().essential(),
    gauge("followers", "zk_followers",
        "Learners connected to this leader, including observers and those not yet in sync; replaced by zk_learners in 3.6 (mntr key followers)")
        .on(Role::Leader).since("3.4.0").until("3.5"),
    gauge("global_sessions", "zk_global_sessions",
        "Sessions of the whole ensemble that are known to this member, not only those of its own clients (mntr key global_sessions)")
        .anchor().essential(),
    gauge("last_client_response_size", "zk_last_client_response_size_bytes",
        "Size of the last reply to a client; absent until there is one, and again after a role change (mntr key last_client_response_size)")
        .bytes().minus_one_is_none(),
    gauge("last_proposal_size", "zk_last_proposal_size_bytes",
        "Size of the last proposal of this leader; absent until there is one; in 3.5 from 3.5.4 on (mntr key last_proposal_size)")
        .bytes().minus_one_is_none().on(Role::Leader).since("3.4.13")
        .essential(),
    gauge("leader_uptime", "zk_leader_uptime_seconds",
        "Time since this member became leader; restarts from 0 at every election that it wins (mntr key leader_uptime)")
        .ms().on(Role::Leader).essential(),
    gauge("learners", "zk_learners",
        "Followers and observers connected to this leader, in sync or not; the leader itself is not counted (mntr key learners)")
        .on(Role::Leader).essential(),
    gauge("local_sessions", "zk_local_sessions",
        "Sessions that only this member knows; stays 0 unless localSessionsEnabled is set (mntr key local_sessions)"),
    gauge("max_client_response_size", "zk_max_client_response_size_bytes",
        "Largest reply to a client since this member took its role; a maximum, which does not decrease (mntr key max_client_response_size)")
        .bytes().minus_one_is_none(),
    gauge("max_file_descriptor_count", "zk_max_file_descriptors",
        "Maximum number of file descriptors the JVM may open; absent if unknown or unlimited (mntr key max_file_descriptor_count)")
        .limit().since("3.4.0")
        .essential(),
    gauge("max_latency", "zk_max_latency_seconds",
        "Maximum request latency since this member took its role; does not decrease, so an old spike remains visible (mntr key max_latency)")
        .ms().since("3.4.0").anchor(),
    gauge("max_proposal_size", "zk_max_proposal_size_bytes",
        "Largest proposal of this leadership; a maximum, which does not decrease; in 3.5 from 3.5.4 on (mntr key max_proposal_size)")
        .bytes().minus_one_is_none().on(Role::Leader).since("3.4.13")
        .essential(),
    gauge("min_client_response_size", "zk_min_client_response_size_bytes",
        "Smallest reply to a client since this member took its role; a minimum, which does not increase (mntr key min_client_response_size)")
        .bytes().minus_one_is_none(),
    gauge("min_latency", "zk_min_latency_seconds",
        "Minimum request latency since this member took its role; almost always 0 (mntr key min_latency)")
        .ms().since("3.4.0").anchor(),
    gauge("min_proposal_size", "zk_min_proposal_size_bytes",
        "Smallest proposal of this leadership; a minimum, which does not increase; in 3.5 from 3.5.4 on (mntr key min_proposal_size)")
        .bytes().minus_one_is_none().on(Role::Leader).since("3.4.13"),
    gauge("num_alive_connections", "zk_num_alive_connections",
        "Open client connections, plaintext and TLS, including the exporter's own (mntr key num_alive_connections)")
        .since("3.4.4").anchor().essential(),
    gauge("open_file_descriptor_count", "zk_open_file_descriptors",
        "Open file descriptors of the JVM, sockets and files; compare with zk_max_file_descriptors (mntr key open_file_descriptor_count)")
        .minus_one_is_none().since("3.4.0")
        .essential(),
    gauge("outstanding_requests", "zk_outstanding_requests",
        "Client requests accepted and not yet finished; a value that stays high means this member cannot keep up (mntr key outstanding_requests)")
        .since("3.4.0").anchor().essential(),
    gauge("outstanding_tls_handshake", "zk_outstanding_tls_handshake",
        "TLS handshakes of clients in progress; always 0 unless Netty serves the client port (mntr key outstanding_tls_handshake)")
        .on(Role::Netty),
    gauge("pending_syncs", "zk_pending_syncs",
        "Client sync() calls pending at the leader; not a measure of follower lag (mntr key pending_syncs)")
        .on(Role::Leader).since("3.4.0")
        .essential(),
    gauge("quorum_size", "zk_quorum_size",
        "Number of voters in this member's configuration, not the size of a majority; different values mean different configurations (mntr key quorum_size)")
        .on(Role::Quorum).essential(),
    gauge("synced_followers", "zk_synced_followers",
        "Followers in sync with this leader; non-voting followers are counted, the leader itself is not (mntr key synced_followers)")
        .on(Role::Leader).since("3.4.0")
        .essential(),
    gauge("synced_non_voting_followers", "zk_synced_non_voting_followers",
        "Followers in sync with this leader that have no vote in the current configuration (mntr key synced_non_voting_followers)")
        .on(Role::Leader).essential(),
    gauge("synced_observers", "zk_synced_observers",
        "Observers in sync with this member: the leader, or a follower that serves observers (mntr key synced_observers)")
        .on(Role::ObserverMaster).essential(),
    gauge("uptime", "zk_uptime_seconds",
        "Time since this member took its present role, not the age of its process; restarts from 0 at every role change and election (mntr key uptime)")
        .ms().anchor().essential(),
    gauge("watch_count", "zk_watches",
        "Watches that clients of this member have set, on data and on children (mntr key watch_count)")
        .since("3.4.0").anchor().essential(),
    gauge("znode_count", "zk_znodes",
        "Znodes in the tree, including those below /zookeeper; members differ only by replication lag (mntr key znode_count)")
        .since("3.4.0").anchor().essential(),
];
