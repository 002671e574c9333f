//! The exporter's own families, which have no `mntr` key.

use super::Scope::{self, Ensemble, Exporter, Member};
use super::{Family, FamilyId, Kind};

/// Declares the enum and the table of own families together, so that they cannot diverge.
macro_rules! own {
    ($($(#[$doc:meta])* $variant:ident: $kind:ident $name:literal $labels:tt in $scope:ident, $help:literal;)*) => {
        /// One of the exporter's own families; the discriminant is its [`FamilyId`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Own {
            $($(#[$doc])* $variant,)*
        }

        /// All own families, in page order.
        pub(super) const ROWS: &[Row] = &[
            $(Row { name: $name, kind: Kind::$kind, labels: &$labels, scope: $scope, help: $help },)*
        ];
    };
}

/// One own family as data.
pub(super) struct Row {
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    scope: Scope,
    help: &'static str,
}

impl Row {
    /// The family this row describes.
    pub(super) fn family(&self) -> Family {
        Family {
            name: self.name.into(),
            kind: self.kind,
            labels: self.labels,
            scope: self.scope,
            help: self.help.into(),
        }
    }
}

impl From<Own> for FamilyId {
    fn from(own: Own) -> Self {
        Self(own as u16)
    }
}

own! {
    /// At least one valid ZooKeeper reply.
    Up: Gauge "zk_up" [] in Member,
        "1 if the member sent at least one reply of ZooKeeper, even a refusal or 'not serving'; 0 if it sent none: dead, unreachable, silent, or another service listens on its port; absent if the exporter could not query it because of its own limits (zk_scrape_failure with reason limit)";
    /// Serves clients.
    Serving: Gauge "zk_serving" [] in Member,
        "1 if the member serves clients: leader, follower, observer, standalone or read-only";
    /// Metrics of this scrape are complete.
    MntrComplete: Gauge "zk_mntr_complete" [] in Member,
        "1 if a complete mntr reply (or the AdminServer's monitor) was read in this scrape; if 0, most other series of the member are missing or incomplete";
    /// Server state, as a state set.
    ServerState: Gauge "zk_server_state" ["state"] in Member,
        "1 for the current state of the member, 0 for the six others (mntr key server_state, or the Mode line of srvr)";
    /// Version and ids.
    MemberInfo: Info "zk_member" ["version", "server_id", "peer_type", "source"] in Member,
        "Identity of the member: ZooKeeper version, server id and peer type if known, and the source of its metrics (mntr, native, adminserver or srvr)";
    /// Peer state.
    PeerStateInfo: Info "zk_peer_state" ["peer_state"] in Member,
        "Phase of the ZAB protocol as reported by the member, for example 'following - broadcast' (mntr key peer_state)";
    /// Server an observer learns from.
    ObserverMasterInfo: Info "zk_observer_master" ["peer"] in Member,
        "Server id an observer learns from (mntr key observer_master_id)";
    /// Failures of this scrape.
    ScrapeFailure: Gauge "zk_scrape_failure" ["command", "reason"] in Member,
        "1 for each command that failed in this scrape, with the reason; absent otherwise. Not serving is a state, not a failure";
    /// Failures since the start.
    ScrapeFailures: Counter "zk_scrape_failures" ["command", "reason"] in Member,
        "Failed commands since the exporter started, by reason";
    /// Scrape duration of a member.
    ScrapeDuration: Gauge "zk_scrape_duration_seconds" [] in Member,
        "Time from connect to last byte of the slowest command in this scrape; absent if the exporter could not send all commands because of its own limits";
    /// Duration of the TCP connect.
    ConnectDuration: Gauge "zk_connect_duration_seconds" [] in Member,
        "Time of the TCP connect, including the TLS handshake if there is one: a measure of the network, not of ZooKeeper";
    /// Expiry of a presented certificate.
    TlsCertificateNotAfter: Gauge "zk_tls_certificate_not_after_timestamp_seconds" ["subject"] in Member,
        "End of the validity of each certificate that the member presented, in seconds since 1970; also if it was rejected";
    /// High 32 bits of the zxid.
    ZxidEpoch: Gauge "zk_zxid_epoch" [] in Member,
        "Epoch of the last transaction the member processed: the high 32 bits of the zxid (srvr line Zxid); absent for other products, whose log index has no epochs";
    /// Low 32 bits of the zxid.
    ZxidSequence: Gauge "zk_zxid_sequence" [] in Member,
        "Sequence number of the last processed transaction within its epoch: the low 32 bits of the zxid (srvr line Zxid); near 4294967295 the leader forces an election; absent for other products";
    /// Whether the member votes.
    MemberVoter: Gauge "zk_member_voter" [] in Member,
        "1 if the member votes, 0 if it does not (an observer, or a server that is not part of the ensemble), also while it is down: by the membership of the ensemble, else by its configured role or the role it last reported; absent if unknown, which the alerts treat as a voter";
    /// zxid lag behind the leader.
    ZxidLag: Gauge "zk_zxid_lag" [] in Member,
        "Transactions of the leader's epoch that the member had not processed when it was queried: 0 on the leader, absent on a member of another epoch and without a leader. A member that appears to lag is queried again after the leader, so that traffic alone does not count as lag";
    /// Data digest matches the reference.
    DataDigestAgrees: Gauge "zk_data_digest_agrees" [] in Member,
        "1 if the digest of the member's data tree, at the newest transaction that others recorded too, equals that of most of them (of the leader, if no two agree), 0 if it differs; absent if it cannot be compared (just restarted, digests off, hash refused, another digest version) and while zk_data_digest_pending is 1 (module key digests)";
    /// Data digest differs, not proven yet.
    DataDigestPending: Gauge "zk_data_digest_pending" [] in Member,
        "1 while the digest of the member differs, but one of the two was recorded before the members were seen serving: a member that is receiving a snapshot records such digests too. Decided after 128 more transactions; absent otherwise (module key digests)";
    /// Keys that are not in the catalogue.
    Unknown: Unknown "zk_unknown" ["key"] in Member,
        "Value of an mntr key that this exporter does not know, under its original name";
    /// Why host metrics are missing.
    HostFailure: Gauge "zk_host_failure" ["reason"] in Member,
        "1 while the process of a member on this host cannot be read (module key host): no_listener (no process listens at its port), no_permission (run the exporter as root or as ZooKeeper's user), not_zookeeper (a proxy holds the port), proc, timeout; absent otherwise";
    /// Threads of the server process.
    HostThreads: Gauge "zk_process_threads" [] in Member,
        "Threads of the server process, as the kernel counts them (module key host)";
    /// CPUs available to the server process.
    HostCpus: Gauge "zk_process_cpus" [] in Member,
        "CPUs that the server process may use: its affinity, or the cpu.max of its control groups if that is lower; compare with the rate of zk_process_cpu_seconds_total (module key host)";
    /// Bytes read by the server process.
    HostReadBytes: Counter "zk_process_read_bytes" [] in Member,
        "Bytes that the server process caused to be read from storage (module key host)";
    /// Bytes written by the server process.
    HostWrittenBytes: Counter "zk_process_written_bytes" [] in Member,
        "Bytes that the server process caused to be written to storage (module key host)";
    /// Size of a server directory.
    DirUsed: Gauge "zk_dir_used_bytes" ["dir", "path"] in Member,
        "Bytes of the files in the data directory (dir=data: snapshots) and in the directory of transaction logs (dir=log) (module key host)";
    /// Free space of the file system.
    DirFree: Gauge "zk_dir_free_bytes" ["dir", "path"] in Member,
        "Free bytes on the file system of the directory; at 0 the member stops (module key host)";
    /// Size of the file system.
    DirSize: Gauge "zk_dir_filesystem_size_bytes" ["dir", "path"] in Member,
        "Size of the file system that holds the directory (module key host)";
    /// Queried members.
    EnsembleMembers: Gauge "zk_ensemble_members" [] in Ensemble,
        "Members that are queried, including observers";
    /// Members that replied.
    EnsembleMembersUp: Gauge "zk_ensemble_members_up" [] in Ensemble,
        "Members that sent at least one reply of ZooKeeper (sum of zk_up); absent if none did and some could not be queried";
    /// Members not queried because of the exporter's own limits.
    LimitedMembers: Gauge "zk_exporter_limited_members" ["limit"] in Ensemble,
        "Members not queried completely in this scrape because of a limit of the exporter: sockets (connections), files, ports, memory, threads, deadline (too little time), cpu, address (a discovered name has only refused addresses), family (its host has no sockets of the address family), internal (a defect). Members not queried at all have no zk_up, zk_serving, zk_mntr_complete and zk_server_state";
    /// Number of voters.
    EnsembleVoters: Gauge "zk_ensemble_voters" [] in Ensemble,
        "Number of voters, whether they reply or not; 1 for a standalone server. zk_ensemble_voters_source_info is the source of the number";
    /// Source of the number of voters.
    EnsembleVotersSourceInfo: Info "zk_ensemble_voters_source" ["source"] in Ensemble,
        "Source of zk_ensemble_voters: conf (the membership that the servers report), quorum_size (mntr), configuration (the members of this exporter's own configuration) or standalone";
    /// Voters that serve clients.
    EnsembleVotersServing: Gauge "zk_ensemble_voters_serving" [] in Ensemble,
        "Voters that serve clients: as leader, follower, read-only or standalone";
    /// Voters in sync with the leader.
    EnsembleVotersSynced: Gauge "zk_ensemble_voters_synced" [] in Ensemble,
        "Voters in sync, including the leader: the number that the leader reports, minus voters that did not reply as leader or follower, but at least a majority while the leader reports one; 0 without a visible leader. A lower bound, as seen from the exporter; absent if unknown. For a leader that is not seen (zk_ensemble_leader_state), the number that its followers imply";
    /// Size of a majority.
    EnsembleMajority: Gauge "zk_ensemble_majority" [] in Ensemble,
        "Voters that must be in sync for any write: half of zk_ensemble_voters, rounded down, plus 1; absent if groups and weights decide";
    /// Quorum margin.
    EnsembleQuorumMargin: Gauge "zk_ensemble_quorum_margin" [] in Ensemble,
        "Voter failures that the quorum tolerates in the worst case: voters in sync beyond the majority, or as groups and weights allow. At 0 one more failure stops the ensemble; below 0 it has stopped or is not visible to the exporter. Always 0 for a standalone server: alert only if zk_ensemble_voters > 1";
    /// Whether writes are possible.
    EnsembleHasQuorum: Gauge "zk_ensemble_has_quorum" [] in Ensemble,
        "1 if a member replies as leader and the voters that it reports in sync, including itself, are a majority; 1 for a standalone server that serves. 0 means that the exporter sees no quorum: it is lost, or unreachable from the exporter. Absent if unknown: see zk_ensemble_leader_state and zk_ensemble_quorum_unsupported";
    /// Number of leaders.
    EnsembleLeaders: Gauge "zk_ensemble_leaders" [] in Ensemble,
        "Members of the ensemble that lead; 1 is healthy, 0 for a standalone server. A stale leader of a lower epoch, partitioned or just resumed, is not counted: it cannot commit writes";
    /// Name of the leader.
    EnsembleLeaderInfo: Info "zk_ensemble_leader" ["member"] in Ensemble,
        "The current leader; also a member that reports that it does not serve while all others follow, so that no other can be their leader (leaderServes=no, or briefly one that has just stepped down)";
    /// Visibility of the leader.
    EnsembleLeaderState: Gauge "zk_ensemble_leader_state" ["state"] in Ensemble,
        "1 for the current state, 0 for the three others: seen (a member replies as leader, or is standalone), hidden (members follow a leader that does not reply as one, without a sign that it hangs: it serves no clients, is not queried, or they have followed it for longer than syncLimit), silent (members follow a leader that does not reply, not yet longer than syncLimit), none (no member leads or follows)";
    /// Members of another ensemble.
    EnsembleForeignMembers: Gauge "zk_ensemble_foreign_members" [] in Ensemble,
        "Listed members that belong to another ensemble according to their membership; 0 is healthy, more is an error in the exporter's configuration. Of the other metrics of the ensemble, only zk_ensemble_members and zk_ensemble_members_up include them";
    /// Duplicate members.
    EnsembleDuplicateMembers: Gauge "zk_ensemble_duplicate_members" [] in Ensemble,
        "Listed members whose server is already listed under another address; 0 is healthy";
    /// Voters that are not queried.
    EnsembleVotersNotAsked: Gauge "zk_ensemble_voters_not_asked" [] in Ensemble,
        "Voters of the current membership that are not among the queried members: removed from DNS, at a new address, or not listed; 0 is healthy. Absent if no membership is known, and if only one member is queried";
    /// Distinct versions.
    EnsembleDistinctVersions: Gauge "zk_ensemble_distinct_versions" [] in Ensemble,
        "Distinct ZooKeeper versions of the members that reply; 1 is healthy, more is a rolling upgrade or an omitted member";
    /// Distinct configurations.
    EnsembleDistinctConfigs: Gauge "zk_ensemble_distinct_configs" [] in Ensemble,
        "Distinct configurations of the members whose conf is known, by the settings that must be equal on all members: tickTime, initLimit, syncLimit, session timeouts, maxClientCnxns, membership and its version; 1 is healthy. zookeeper-exporter info shows which keys differ";
    /// Distinct quorum sizes.
    EnsembleDistinctQuorumSizes: Gauge "zk_ensemble_distinct_quorum_sizes" [] in Ensemble,
        "Distinct values of zk_quorum_size of the members that reply; 1 is healthy";
    /// Distinct epochs.
    EnsembleDistinctEpochs: Gauge "zk_ensemble_distinct_epochs" [] in Ensemble,
        "Distinct epochs of leaders, followers and observers that reply; 1 is healthy, 2 is normal briefly after an election; absent without a leader. A follower is counted with the leader's epoch until that has its first transaction";
    /// Committed transactions are missing.
    EnsembleZxidRegressed: Gauge "zk_ensemble_zxid_regressed" [] in Ensemble,
        "1 if the newest zxid is lower than an earlier one of the ensemble, by epoch or within the epoch of a new leader: a majority of the voters was started without its data, and committed transactions are lost; 0 is healthy. Ends when the zxid exceeds the earlier one. Absent while no leader replies as one, and in a one-time query";
    /// Members with different data.
    EnsembleDataDiverged: Gauge "zk_ensemble_data_diverged" [] in Ensemble,
        "1 if members hold different data, proven by digests that both recorded while they served; 0 if all compared members agree; absent if none could be compared, and while a difference may be due to a snapshot that a member has just received (module key digests)";
    /// zxid of the last data comparison.
    EnsembleDataComparedZxid: Gauge "zk_ensemble_data_compared_zxid" [] in Ensemble,
        "Newest transaction (zxid) at which the digests of two or more members were compared: the epoch times 4294967296, plus the sequence number. A member records a digest every 128 transactions (module key digests)";
    /// Quorums that cannot be computed.
    EnsembleQuorumUnsupported: Gauge "zk_ensemble_quorum_unsupported" [] in Ensemble,
        "1 if the quorum depends on rules that the exporter cannot compute: a leader that continues without a majority for longer than syncLimit (oraclePath), or invalid groups; zk_ensemble_quorum_margin and zk_ensemble_has_quorum are then absent";
    /// Quorum margin after the loss of the worst zone.
    EnsembleZoneMargin: Gauge "zk_ensemble_zone_margin" [] in Ensemble,
        "Quorum margin after the loss of the worst zone: at 0 or above the ensemble survives the loss of any one zone, below 0 it does not. Includes groups and weights. Absent if the quorum is unknown or a voter has no known zone (keys zone and zone_pattern)";
    /// Quorum margin after the loss of the worst zone, in the best placement.
    EnsembleZoneMarginAttainable: Gauge "zk_ensemble_zone_margin_attainable" [] in Ensemble,
        "Value that zk_ensemble_zone_margin would have with all voters in sync and spread evenly over the zones of all members, including those of observers; below 0 no placement of these voters in these zones survives the loss of any one zone. Absent if a voter has no known zone, and if groups and weights decide";
    /// Voters of each zone.
    ZoneVoters: Gauge "zk_zone_voters" ["zone"] in Ensemble,
        "Voters in the zone, whether they reply or not (keys zone and zone_pattern); of more than 32 zones only those with the most voters";
    /// Connections by client.
    ClientConnections: Gauge "zk_client_connections" ["client"] in Ensemble,
        "Connections of one client address to all members, including those without a session; client=other is the sum of all addresses without their own series. Includes a connection of the exporter itself (module key clients)";
    /// Sessions by client.
    ClientSessions: Gauge "zk_client_sessions" ["client"] in Ensemble,
        "Connections of one client address that have a session (module key clients)";
    /// Outstanding requests by client.
    ClientOutstandingRequests: Gauge "zk_client_outstanding_requests" ["client"] in Ensemble,
        "Requests of one client address without a reply yet (module key clients)";
    /// The longest latency by client.
    ClientMaxLatency: Gauge "zk_client_max_latency_seconds" ["client"] in Ensemble,
        "Longest latency of any request on the open connections of one client address, since each was opened; of client=other the longest of all others (module key clients)";
    /// Rate of packets received by client.
    ClientPacketsReceivedRate: Gauge "zk_client_packets_received_per_second" ["client"] in Ensemble,
        "Packets (requests and pings) that members received from one client address, per second between the last two readings; a gauge, because the counters end with their connections. Packets on connections that were closed in between are not counted. Absent before the second reading (module key clients)";
    /// Rate of packets sent by client.
    ClientPacketsSentRate: Gauge "zk_client_packets_sent_per_second" ["client"] in Ensemble,
        "Packets (replies and watch events) that members sent to one client address, per second between the last two readings, as zk_client_packets_received_per_second (module key clients)";
    /// Limit of connections from one address.
    ClientConnectionLimit: Gauge "zk_client_connection_limit" ["member"] in Ensemble,
        "Connections that the member accepts from one address at one of its ports (maxClientCnxns in its conf); absent if that is 0 (no limit) or unknown (module key clients)";
    /// Used share of the limit by client.
    ClientConnectionLimitRatio: Gauge "zk_client_connection_limit_ratio" ["member", "client"] in Ensemble,
        "Connections of one client address at one port of the member, as a fraction of its maxClientCnxns: at 1 further ones are closed immediately. With a mask, the highest value of one address in the network, not the sum. Only the addresses with the most connections; absent without a limit (module key clients)";
    /// Members whose metrics are omitted from the page.
    EnsembleMembersOmitted: Gauge "zk_ensemble_members_omitted" [] in Ensemble,
        "Members whose own metrics (those of mntr) are omitted from this page, because they could not be written within the scrape timeout; absent if none are omitted. Raise scrape_timeout, choose metrics: essential, or scrape /probe for each ensemble";
    /// Canary succeeds.
    CanaryUp: Gauge "zk_canary_up" ["member"] in Ensemble,
        "1 if the last round of the canary succeeded: a znode was created, read, watched, updated and deleted in time. Without the label member, the canary uses any member that accepts its session (module key canary)";
    /// Duration of each canary operation.
    CanaryDuration: Gauge "zk_canary_duration_seconds" ["member", "operation"] in Ensemble,
        "Time of each operation in the canary's last round: create, read, update, watch (from the change to the event), delete, and connect in rounds that had to open a session; absent for operations that failed or were not reached";
    /// Canary failures.
    CanaryFailures: Counter "zk_canary_failures" ["member", "operation", "error"] in Ensemble,
        "Failed rounds of the canary since the exporter started, by failed operation and error";
    /// Canary rounds.
    CanaryRounds: Counter "zk_canary_rounds" ["member"] in Ensemble,
        "Rounds of the canary since the exporter started, including failed ones";
    /// Age of the canary results.
    CanaryAge: Gauge "zk_canary_age_seconds" ["member"] in Ensemble,
        "Time since the canary's last round ended; if it is far above the interval, the canary itself hangs";
    /// Durations of canary operations.
    CanaryOperationDurations: Histogram "zk_canary_operation_duration_seconds" ["operation"] in Ensemble,
        "Time of each successful operation of all canaries of the ensemble since the exporter started; includes every round, regardless of the scrape interval. A native histogram in protobuf (module key canary)";
    /// Durations of member scrapes.
    MemberScrapeDurations: Histogram "zk_ensemble_member_scrape_duration_seconds" [] in Ensemble,
        "Values of zk_scrape_duration_seconds of all members of the ensemble since the exporter started, one per member and round. A native histogram in protobuf";
    /// Durations of TCP connects.
    MemberConnectDurations: Histogram "zk_ensemble_member_connect_duration_seconds" [] in Ensemble,
        "Values of zk_connect_duration_seconds of all members of the ensemble since the exporter started, one per member and round. A native histogram in protobuf";
    /// Values of znodes.
    ZnodeValue: Gauge "zk_znode_value" ["path", "pointer"] in Ensemble,
        "Number that the znode contains, or that the JSON pointer refers to in its data (module key znodes)";
    /// Alarm thresholds of znodes.
    ZnodeAlarmThreshold: Gauge "zk_znode_alarm_threshold" ["path", "severity"] in Ensemble,
        "Threshold for zk_znode_value of the same path, read from its alarm znode; zookeeper-exporter alarm set writes it";
    /// Number of children of znodes.
    ZnodeChildren: Gauge "zk_znode_children" ["path"] in Ensemble,
        "Children of the znode (module key znodes)";
    /// Last change of znodes.
    ZnodeLastChange: Gauge "zk_znode_last_change_timestamp_seconds" ["path"] in Ensemble,
        "Time of the last change of the znode's data, in seconds since 1970 by the ensemble's clock; time() minus it is its age (module key znodes)";
    /// Why a znode cannot be read.
    ZnodeFailure: Gauge "zk_znode_failure" ["path", "reason"] in Ensemble,
        "1 for each path that could not be read as a number in the last reading, and each alarm znode without a threshold, with the reason: no_node, not_a_number, pointer, bad_alarm, too_large, no_auth, limit, connect, timeout, ...; absent otherwise";
    /// Age of the znode readings.
    ZnodeAge: Gauge "zk_znode_reading_age_seconds" [] in Ensemble,
        "Time since the last reading of the znodes (module key znodes)";
    /// Dropped samples.
    DroppedSamples: Counter "zk_exporter_dropped_samples" ["ensemble", "member", "reason"] in Exporter,
        "Values of replies that were dropped: negative where that is invalid, wrapped (from 2^63 up), not finite, not a number, a duplicate, or over a cap";
    /// Truncated texts.
    CutTexts: Counter "zk_exporter_cut_texts" [] in Exporter,
        "Texts received from servers (names, versions, settings, subjects of certificates) that were truncated to 1024 bytes";
    /// Dropped discovered members.
    DroppedMembers: Counter "zk_exporter_dropped_members" ["ensemble", "reason"] in Exporter,
        "Discovered members that were not queried: over --limit.members-per-ensemble (reason cap), or with an address that the policy excludes (reason address); counted at every scrape";
    /// Active limits of alerts.
    AlertThreshold: Gauge "zk_alert_threshold" ["alert", "severity", "ensemble"] in Exporter,
        "Limit of an alert at a severity, in the base unit of the compared value; with the label ensemble if that ensemble has its own limit. For threshold lines in graphs: rules contain the same numbers as literals";
    /// Result of the last reload.
    ConfigLastReloadSuccessful: Gauge "zk_exporter_config_last_reload_successful" [] in Exporter,
        "1 if the last load of the configuration, at the start or by a reload, succeeded; if 0, the previous one is active";
    /// Time of the last successful reload.
    ConfigLastReloadSuccessTimestamp: Gauge "zk_exporter_config_last_reload_success_timestamp_seconds" [] in Exporter,
        "Time of the last successful load of the configuration, in seconds since 1970";
    /// Build information.
    BuildInfo: Info "zk_exporter_build" ["version", "revision", "branch", "builddate", "target", "features", "rustversion"] in Exporter,
        "Version, source revision and build of the exporter, and the compiler that built it";
    /// HTTP requests served.
    HttpRequests: Counter "zk_exporter_http_requests" ["handler", "code"] in Exporter,
        "HTTP requests answered by the exporter";
    /// Rejected HTTP connections.
    HttpConnectionsRejected: Counter "zk_exporter_http_connections_rejected" [] in Exporter,
        "HTTP connections closed because too many were open: the one that was idle longest, or the new one if none was idle";
    /// CPU time of the exporter.
    ProcessCpu: Counter "process_cpu_seconds" [] in Exporter,
        "CPU time the exporter has used, user and system";
    /// Resident memory of the exporter.
    ProcessResidentMemory: Gauge "process_resident_memory_bytes" [] in Exporter,
        "Resident memory of the exporter";
    /// Virtual memory of the exporter.
    ProcessVirtualMemory: Gauge "process_virtual_memory_bytes" [] in Exporter,
        "Virtual memory of the exporter";
    /// Open file descriptors of the exporter.
    ProcessOpenFds: Gauge "process_open_fds" [] in Exporter,
        "Open file descriptors of the exporter";
    /// File descriptor limit of the exporter.
    ProcessMaxFds: Gauge "process_max_fds" [] in Exporter,
        "Limit of open file descriptors of the exporter";
    /// Threads of the exporter.
    ProcessThreads: Gauge "process_threads" [] in Exporter,
        "Threads of the exporter";
    /// Start time of the exporter.
    ProcessStartTime: Gauge "process_start_time_seconds" [] in Exporter,
        "Start of the exporter, in seconds since 1970";
}
