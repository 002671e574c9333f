//! Cause and symptom: which conditions can cause which others. Alertmanager inhibitions, Zabbix dependencies and the
//! order of findings in `why` are derived from this graph.
//!
//! An edge that **always** holds becomes an inhibition: while its cause is active, the symptom adds no information. An
//! edge that **may** hold only orders findings. The graph has no cycle (a test checks it): of two conditions that cause
//! each other, the cause is the one whose first action resolves both.

use super::condition::Condition;

/// How certain it is that the cause produces the symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// While the cause is active, the symptom adds no information.
    Always,
    /// The symptom may have another cause.
    May,
}

/// The members whose symptoms a member condition can explain. An ensemble condition explains those of all its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseScope {
    /// The same member.
    SameMember,
    /// Every member of the ensemble.
    Ensemble,
    /// Every member, if the cause affects the leader or half of the voters; otherwise the same member.
    FromLeader,
    /// The leader only.
    ToLeader,
}

/// Causes and the symptoms they produce.
#[derive(Clone, Copy, Debug)]
pub struct CauseEdge {
    /// Names of the causing conditions.
    pub causes: &'static [&'static str],
    /// Names of the symptom conditions.
    pub symptoms: &'static [&'static str],
    /// Certainty of the edge.
    pub link: Link,
    /// Members whose symptoms are explained.
    pub scope: CauseScope,
}

const fn always(causes: &'static [&'static str], scope: CauseScope, symptoms: &'static [&'static str]) -> CauseEdge {
    CauseEdge { causes, symptoms, link: Link::Always, scope }
}

const fn may(causes: &'static [&'static str], scope: CauseScope, symptoms: &'static [&'static str]) -> CauseEdge {
    CauseEdge { causes, symptoms, link: Link::May, scope }
}

/// All edges: first those that always hold, then those that may.
pub const EDGES: &[CauseEdge] = &[
    // Without a quorum, no member serves, members fall out of sync and requests are slow.
    always(
        &["QuorumLost", "EnsembleUnreachable"],
        CauseScope::Ensemble,
        &[
            "MemberNotServing",
            "ObserverDown",
            "MemberReadOnly",
            "QuorumMarginZero",
            "VotersNotSynced",
            "OutstandingRequests",
            "SlowWrites",
            "PendingSyncs",
            "CanaryFailing",
            "UnavailableTime",
            "FrequentElections",
            "MemberLosesLeader",
            "ConnectionsCollapsed",
            "EphemeralsCollapsed",
            "SessionsExpiring",
            "OutageBudgetBurn",
            "BudgetBurn",
        ],
    ),
    // Consequences of a leader that does not answer while its followers do. `MemberLosesLeader` is not among them: a
    // member that loses a leader which the others keep has its own fault.
    always(
        &["LeaderSilent"],
        CauseScope::Ensemble,
        &[
            "QuorumLost",
            "OutstandingRequests",
            "SlowWrites",
            "PendingSyncs",
            "CanaryFailing",
            "UnavailableTime",
            "FrequentElections",
            "OutageBudgetBurn",
            "BudgetBurn",
        ],
    ),
    // An outage of all members is reported once.
    always(&["EnsembleUnreachable"], CauseScope::Ensemble, &["MemberDown", "QuorumLost"]),
    // A dead member does not serve.
    always(&["MemberDown"], CauseScope::SameMember, &["MemberNotServing"]),
    // Two ensembles have two leaders, two epochs and two configurations.
    always(&["EnsemblesMixed"], CauseScope::Ensemble, &["MultipleLeaders", "EpochMismatch", "ConfigMismatch"]),
    // Members with newer data than the leader cannot join.
    may(
        &["ZxidRegressed"],
        CauseScope::Ensemble,
        &[
            "MemberNotServing",
            "MemberDown",
            "MemberRestarting",
            "MemberLosesLeader",
            "QuorumMarginZero",
            "VotersNotSynced",
            "EpochMismatch",
            "DataDiverged",
            "DigestMismatch",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "CanaryFailing",
            "ZnodeUnreadable",
            "EnsembleRisk",
        ],
    ),
    // Unreachable members.
    may(
        &["MemberDown"],
        CauseScope::Ensemble,
        &[
            "QuorumLost",
            "QuorumMarginZero",
            "VotersNotSynced",
            "FrequentElections",
            "LeaderChanged",
            "UnavailableTime",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "ConnectionsCollapsed",
            "ConnectionsHigh",
            "CanaryFailing",
            "ZnodeUnreadable",
            "EnsembleRisk",
            "OutageBudgetBurn",
            "BudgetBurn",
        ],
    ),
    // Without the leader, the others look for a new one.
    may(&["MemberDown"], CauseScope::FromLeader, &["MemberNotServing", "ObserverDown"]),
    may(
        &["MemberNotServing", "MemberReadOnly", "StandaloneInEnsemble", "MemberLosesLeader", "MemberRestarting"],
        CauseScope::Ensemble,
        &["QuorumMarginZero", "VotersNotSynced", "EnsembleRisk"],
    ),
    may(&["VoterNotWatched"], CauseScope::Ensemble, &["QuorumMarginZero", "LeaderSilent"]),
    may(
        &["LeaderSilent"],
        CauseScope::Ensemble,
        &[
            "SlowReads",
            "CanarySlow",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "QuorumMarginZero",
            "VotersNotSynced",
            "ZnodeUnreadable",
        ],
    ),
    may(&["LeaderSilent"], CauseScope::ToLeader, &["MemberDown", "MemberNotServing"]),
    may(
        &["QuorumLost", "EnsembleUnreachable"],
        CauseScope::Ensemble,
        &["SlowReads", "CanarySlow", "EpochMismatch", "LeaderChanged", "EnsembleRisk", "ZnodeUnreadable"],
    ),
    may(
        &["MemberRestarting"],
        CauseScope::SameMember,
        &[
            "MemberDown",
            "MemberNotServing",
            "MemberLosesLeader",
            "SnapshotSyncs",
            "ConnectionsCollapsed",
            "ObserverDown",
        ],
    ),
    may(
        &["MemberRestarting"],
        CauseScope::Ensemble,
        &["FrequentElections", "LeaderChanged", "UnavailableTime", "SessionsExpiring", "EphemeralsCollapsed"],
    ),
    may(
        &["MemberLosesLeader"],
        CauseScope::SameMember,
        &["MemberNotServing", "SnapshotSyncs", "ZxidLag", "SessionsExpiring", "ConnectionsCollapsed"],
    ),
    // Elections.
    may(
        &["FrequentElections"],
        CauseScope::Ensemble,
        &[
            "LeaderChanged",
            "ElectionSlow",
            "UnavailableTime",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "ConnectionsCollapsed",
            "OutstandingRequests",
            "SlowWrites",
            "CanaryFailing",
            "CanarySlow",
            "ZnodeUnreadable",
            "EpochMismatch",
            "SnapshotSyncs",
            "QuorumMarginZero",
            "VotersNotSynced",
            "OutageBudgetBurn",
            "BudgetBurn",
        ],
    ),
    may(&["ElectionSlow"], CauseScope::Ensemble, &["UnavailableTime"]),
    may(&["ZxidRollover"], CauseScope::Ensemble, &["LeaderChanged"]),
    may(
        &["UnavailableTime"],
        CauseScope::Ensemble,
        &["SessionsExpiring", "EphemeralsCollapsed", "CanaryFailing", "OutageBudgetBurn", "BudgetBurn"],
    ),
    // Disk.
    may(
        &["DiskSpaceLow"],
        CauseScope::SameMember,
        &["UnrecoverableErrors", "MemberDown", "MemberNotServing", "MemberRestarting", "RunsOut", "MemberRisk"],
    ),
    may(
        &["UnrecoverableErrors"],
        CauseScope::SameMember,
        &["MemberDown", "MemberNotServing", "MemberRestarting", "MemberLosesLeader"],
    ),
    may(
        &["SlowFsync"],
        CauseScope::FromLeader,
        &[
            "SlowWrites",
            "OutstandingRequests",
            "PendingSyncs",
            "CanarySlow",
            "CanaryFailing",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "StaleRequestsDropped",
            "RequestsThrottled",
            "FrequentElections",
            "LeaderChanged",
            "EnsembleRisk",
            "BudgetBurn",
        ],
    ),
    may(
        &["SlowFsync"],
        CauseScope::SameMember,
        &["SlowSnapshot", "SlowReads", "ZxidLag", "VotersNotSynced", "MemberLosesLeader", "MemberRisk"],
    ),
    // JVM and CPU.
    may(&["ZnodesHigh", "DataSizeHigh", "WatchesHigh", "DataGrowth"], CauseScope::SameMember, &["HeapHigh"]),
    may(&["ZnodesHigh", "DataSizeHigh"], CauseScope::SameMember, &["SlowSnapshot", "SnapshotSyncs"]),
    may(&["DataGrowth"], CauseScope::SameMember, &["DataSizeHigh", "RunsOut"]),
    may(
        &["HeapHigh"],
        CauseScope::SameMember,
        &["GarbageCollection", "JvmPauses", "UnrecoverableErrors", "MemberRestarting", "MemberRisk"],
    ),
    may(&["GarbageCollection"], CauseScope::SameMember, &["JvmPauses", "CpuBound"]),
    may(
        &["CpuBound"],
        CauseScope::SameMember,
        &["JvmPauses", "SlowReads", "SlowWrites", "OutstandingRequests", "ScrapeSlow"],
    ),
    may(
        &["JvmPauses"],
        CauseScope::FromLeader,
        &[
            "LeaderSilent",
            "FrequentElections",
            "LeaderChanged",
            "SlowWrites",
            "PendingSyncs",
            "OutstandingRequests",
            "SessionsExpiring",
            "EphemeralsCollapsed",
            "UnavailableTime",
            "CanarySlow",
        ],
    ),
    may(
        &["JvmPauses"],
        CauseScope::SameMember,
        &["SlowFsync", "SlowReads", "MemberLosesLeader", "ZxidLag", "ScrapeSlow", "MntrMissing", "MemberRisk"],
    ),
    may(
        &["ThreadsDeadlocked"],
        CauseScope::SameMember,
        &["MemberDown", "MemberNotServing", "OutstandingRequests", "SlowReads", "SlowWrites", "MntrMissing"],
    ),
    // Requests and clients.
    may(&["LargeProposal"], CauseScope::Ensemble, &["MemberLosesLeader", "SnapshotSyncs", "SlowWrites"]),
    may(
        &["OutstandingRequests"],
        CauseScope::SameMember,
        &["SlowWrites", "SlowReads", "StaleRequestsDropped", "RequestsThrottled", "SessionsExpiring", "CanarySlow"],
    ),
    may(&["PendingSyncs", "SlowWrites"], CauseScope::Ensemble, &["CanarySlow", "BudgetBurn"]),
    may(
        &["ConnectionsHigh"],
        CauseScope::SameMember,
        &["FileDescriptors", "FileDescriptorsForecast", "OutstandingRequests"],
    ),
    may(&["FileDescriptors"], CauseScope::SameMember, &["ConnectionsRejected", "ConnectionsCollapsed", "MntrMissing"]),
    may(&["ClientNearConnectionLimit"], CauseScope::SameMember, &["ConnectionsRejected"]),
    may(&["ConnectionsRejected"], CauseScope::SameMember, &["ConnectionsCollapsed", "SessionsExpiring"]),
    may(&["CertificateExpiring"], CauseScope::SameMember, &["TlsHandshakeFailures"]),
    may(&["TlsHandshakeFailures", "AuthFailures"], CauseScope::SameMember, &["ConnectionsCollapsed"]),
    may(&["ConnectionsCollapsed"], CauseScope::Ensemble, &["SessionsExpiring", "EphemeralsCollapsed"]),
    may(&["SessionsExpiring"], CauseScope::Ensemble, &["EphemeralsCollapsed"]),
    // Replication.
    may(&["SlowSnapshot"], CauseScope::SameMember, &["SnapshotSyncs"]),
    may(&["SnapshotSyncs", "ZxidLag"], CauseScope::SameMember, &["VotersNotSynced"]),
    // Member lists and configurations.
    may(
        &["StandaloneInEnsemble"],
        CauseScope::Ensemble,
        &["ConfigMismatch", "QuorumSizeMismatch", "VersionMismatch", "EpochMismatch", "MultipleLeaders"],
    ),
    may(&["ConfigMismatch"], CauseScope::Ensemble, &["QuorumSizeMismatch"]),
    may(&["ConfigMismatch", "QuorumSizeMismatch"], CauseScope::Ensemble, &["MultipleLeaders"]),
    may(&["MultipleLeaders"], CauseScope::Ensemble, &["EpochMismatch", "DigestMismatch"]),
    may(&["EnsemblesMixed"], CauseScope::Ensemble, &["QuorumSizeMismatch", "VersionMismatch", "VoterNotWatched"]),
    // Counters of several servers under one name.
    may(
        &["MemberNameShared"],
        CauseScope::SameMember,
        &["MemberRestarting", "MemberLosesLeader", "ConnectionsRejected", "AuthFailures"],
    ),
    // Exporter.
    may(&["ExporterOverloaded"], CauseScope::Ensemble, &["ScrapeSlow", "MntrMissing"]),
    may(&["ScrapeSlow"], CauseScope::SameMember, &["MntrMissing"]),
];

/// Conditions that come before every other cause: the first action of another one could destroy the last copy of the data.
const FIRST: &[&str] = &["ZxidRegressed"];

/// Conditions that are usually consequences. If none of their causes is active, the cause is not observable.
const SYMPTOMS: &[&str] = &[
    "QuorumLost",
    "QuorumMarginZero",
    "VotersNotSynced",
    "FrequentElections",
    "MemberLosesLeader",
    "MemberNotServing",
    "MemberRestarting",
    "UnavailableTime",
    "ElectionSlow",
    "LeaderChanged",
    "SlowWrites",
    "SlowReads",
    "OutstandingRequests",
    "PendingSyncs",
    "RequestsThrottled",
    "StaleRequestsDropped",
    "SessionsExpiring",
    "EphemeralsCollapsed",
    "ConnectionsCollapsed",
    "CanaryFailing",
    "CanarySlow",
    "ZxidLag",
    "EpochMismatch",
    "SnapshotSyncs",
    "JvmPauses",
    "MemberRisk",
    "EnsembleRisk",
    "UnusualIndicator",
    "OutageBudgetBurn",
    "BudgetBurn",
];

impl Condition {
    /// The edges in which this condition is a symptom.
    pub fn caused_by(&self) -> impl Iterator<Item = &'static CauseEdge> + use<'_> {
        EDGES.iter().filter(|edge| edge.symptoms.contains(&self.name))
    }

    /// Names of the conditions that can cause it, without duplicates, in the order of the table.
    #[must_use]
    pub fn possible_causes(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for cause in self.caused_by().flat_map(|edge| edge.causes) {
            if !names.contains(cause) {
                names.push(cause);
            }
        }
        names
    }

    /// Whether it is usually a consequence of another condition, see `SYMPTOMS`.
    #[must_use]
    pub fn is_symptom(&self) -> bool {
        SYMPTOMS.contains(&self.name)
    }

    /// Whether its first action precedes that of every other cause, see `FIRST`.
    #[must_use]
    pub fn is_first(&self) -> bool {
        FIRST.contains(&self.name)
    }
}
