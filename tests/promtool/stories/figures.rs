//! The metrics of one modelled server, as written by its `mntr`: counters that grow and gauges that are set.

use std::collections::BTreeMap;

/// Counters of `mntr`; all start at 0 with the process.
pub const COUNTERS: &[&str] = &[
    "auth_failed_count",
    "bytes_received_count",
    "commit_count",
    "connection_rejected",
    "dbinittime_count",
    "dbinittime_sum",
    "digest_mismatches_count",
    "election_time_count",
    "election_time_sum",
    "ensemble_auth_fail",
    "fsynctime_count",
    "fsynctime_sum",
    "jvm_gc_collection_seconds_count{gc=\"G1 Young Generation\"}",
    "jvm_gc_collection_seconds_sum{gc=\"G1 Young Generation\"}",
    "jvm_pause_time_ms_count",
    "jvm_pause_time_ms_sum",
    "large_requests_rejected",
    "looking_count",
    "packets_received",
    "packets_sent",
    "propagation_latency_count",
    "propagation_latency_sum",
    "readlatency_count",
    "readlatency_sum",
    "snap_count",
    "snapshottime_count",
    "snapshottime_sum",
    "stale_replies",
    "stale_requests_dropped",
    "stale_sessions_expired",
    "startup_txns_loaded_count",
    "startup_txns_loaded_sum",
    "throttled_ops",
    "unavailable_time_count",
    "unavailable_time_sum",
    "unrecoverable_error_count",
    "unsuccessful_handshake",
    "updatelatency_count",
    "updatelatency_sum",
];

/// Gauges with their values unless a story sets them.
const AT_REST: &[(&str, f64)] = &[
    ("approximate_data_size", 8_000_000.0),
    ("avg_latency", 1.0),
    ("jvm_memory_bytes_max{area=\"heap\"}", 1_073_741_824.0),
    ("jvm_memory_bytes_used{area=\"heap\"}", 400_000_000.0),
    ("jvm_threads_deadlocked", 0.0),
    ("last_proposal_size", 300.0),
    ("max_file_descriptor_count", 4096.0),
    ("max_latency", 40.0),
    ("max_proposal_size", 4000.0),
    ("min_latency", 0.0),
    ("min_proposal_size", 36.0),
    ("outstanding_requests", 0.0),
    ("pending_syncs", 0.0),
    ("znode_count", 20_000.0),
];

/// Gauges of a leader.
const OF_A_LEADER: &[&str] = &["last_proposal_size", "max_proposal_size", "min_proposal_size", "pending_syncs"];

/// The metrics of one server.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
}

impl Figures {
    /// The metrics of a process that has just started.
    pub fn begin() -> Self {
        let counters = COUNTERS.iter().map(|key| ((*key).to_owned(), 0.0)).collect();
        let gauges = AT_REST.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        Self { counters, gauges }
    }

    /// Increases a counter.
    pub fn add(&mut self, key: &str, by: f64) {
        match self.counters.get_mut(key) {
            Some(value) => *value += by,
            None => drop(self.counters.insert(key.to_owned(), by)),
        }
    }

    /// Resets a counter.
    pub fn reset(&mut self, key: &str) {
        self.counters.insert(key.to_owned(), 0.0);
    }

    /// Sets a gauge.
    pub fn set(&mut self, key: &str, value: f64) {
        match self.gauges.get_mut(key) {
            Some(old) => *old = value,
            None => drop(self.gauges.insert(key.to_owned(), value)),
        }
    }

    /// The lines of `mntr`; a learner has none of those of a leader.
    pub fn lines(&self, leads: bool) -> String {
        let mut out = String::new();
        for (key, value) in &self.counters {
            // Seconds have decimals, all other values are whole numbers.
            let value = if key.contains("seconds_sum") { (value * 1000.0).floor() / 1000.0 } else { value.floor() };
            out.push_str(&format!("zk_{key}\t{value}\n"));
        }
        for (key, value) in self.gauges.iter().filter(|(key, _)| leads || !OF_A_LEADER.contains(&key.as_str())) {
            out.push_str(&format!("zk_{key}\t{value}\n"));
        }
        out
    }
}
