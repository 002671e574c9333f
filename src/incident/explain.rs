//! Orders the problems of an ensemble by cause: applies the cause graph of the alert catalogue to the conditions that
//! hold.
//!
//! Every condition that holds is a node. The graph has an edge from a cause to a symptom if the catalogue has it and
//! the members match its reach. It has no cycles, so every node is reachable from a node without a cause: a root. Roots
//! of the same condition form one cause. Causes are ranked by the worst symptom that they explain, then by the number
//! of symptoms. A symptom is listed under the first cause that reaches it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::explanation::{Cause, Evidence, Symptom};
use super::judged::sentence;
use crate::alert::causes::{CauseEdge, CauseScope, EDGES, Link};
use crate::alert::{Condition, Severity};
use crate::runbook::RUNBOOKS;

/// A condition that holds for an ensemble or for one of its members.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The condition.
    pub condition: &'static Condition,
    /// The worst severity reached.
    pub severity: Severity,
    /// The member; `None` for a condition of the ensemble.
    pub member: Option<String>,
    /// The observation, with value and limit.
    pub says: String,
    /// Errors of the exporter's session, if the condition is about a session.
    pub errors: Vec<String>,
    /// First actions that replace that of the condition; empty if it applies.
    pub actions: Vec<String>,
    /// Facts that contradict it, or that could not be observed.
    pub doubts: Vec<String>,
    /// The first action: a command to paste, or where to look.
    pub first: String,
    /// Start of the condition, if it was recorded.
    pub since: Option<String>,
    /// Only known from the history: it may be over.
    pub past: bool,
}

/// The facts that determine whether the reach of a cause includes a member.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The leader, or the member that must be the leader.
    pub leader: Option<String>,
    /// The number of voters.
    pub voters: usize,
    /// Whether all voters are among the members of the ensemble, so that a standalone member has no vote.
    pub complete: bool,
    /// Alerts that were evaluated, and whose samples exist.
    pub checked: Vec<String>,
    /// Alerts that could not be evaluated over so short a time.
    pub not_judged: Vec<String>,
}

/// Errors of a session that the state of a member does not explain.
const OWN_ERRORS: [&str; 15] = [
    "auth_failed",
    "bad_alarm",
    "changed",
    "digest_file",
    "dns",
    "limit",
    "no_auth",
    "no_node",
    "node_exists",
    "not_a_number",
    "not_empty",
    "pointer",
    "quota",
    "tls",
    "too_large",
];

/// Symptoms that a standalone member explains only if it is a voter.
const NEEDS_A_VOTE: [&str; 3] = ["QuorumMarginZero", "VotersNotSynced", "EnsembleRisk"];

/// The causes, most probable first.
#[must_use]
pub fn explain(seen: &[Sighting], scene: &Scene) -> Vec<Cause> {
    let graph = CauseGraph::new(seen, scene);
    let mut roots: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by_key(|place| (Reverse(seen[*place].severity), position(seen[*place].condition), &seen[*place].member));
    for place in order.iter().copied().filter(|place| graph.causes[*place].is_empty()) {
        roots.entry(seen[place].condition.name).or_default().push(place);
    }
    let mut causes: Vec<(Vec<usize>, Vec<usize>)> =
        roots.into_values().map(|own| (own.clone(), graph.reached_from(&own))).collect();
    causes.sort_by_key(|(own, reached)| {
        let worst = own.iter().chain(reached).map(|place| seen[*place].severity).max();
        // Conditions that may be over and explain no current symptom come last, the newest of them first.
        let is_past = own.iter().chain(reached).all(|place| seen[*place].past);
        let newest = own.iter().filter(|_| is_past).filter_map(|place| seen[*place].since.as_deref()).max();
        let worst_own = own.iter().map(|place| seen[*place].severity).max();
        let in_catalogue = position(seen[own[0]].condition);
        (
            !seen[own[0]].condition.is_first(),
            Reverse(worst),
            is_past,
            Reverse(newest),
            Reverse(graph.weight(reached)),
            seen[own[0]].condition.is_symptom(),
            Reverse(worst_own),
            in_catalogue,
        )
    });
    let rivals: Vec<(&'static str, Vec<usize>)> =
        causes.iter().map(|(own, reached)| (seen[own[0]].condition.name, reached.clone())).collect();
    let mut taken = vec![false; seen.len()];
    let mut found = Vec::with_capacity(causes.len());
    for (own, reached) in causes {
        let mut fresh = |place: &usize| reached.contains(place) && !std::mem::replace(&mut taken[*place], true);
        let explains: Vec<usize> = order.iter().copied().filter(|place| fresh(place)).collect();
        found.push(graph.cause(&own, &explains, &rivals));
    }
    found
}

struct CauseGraph<'s> {
    seen: &'s [Sighting],
    scene: &'s Scene,
    /// For each node, the nodes that can cause it, and the links to them.
    causes: Vec<Vec<(usize, Link)>>,
}

impl<'s> CauseGraph<'s> {
    fn new(seen: &'s [Sighting], scene: &'s Scene) -> Self {
        let mut graph = Self { seen, scene, causes: vec![Vec::new(); seen.len()] };
        for (place, symptom) in seen.iter().enumerate() {
            for edge in symptom.condition.caused_by() {
                for (other, cause) in seen.iter().enumerate() {
                    if edge.causes.contains(&cause.condition.name) && graph.fits(edge, cause, symptom) {
                        graph.causes[place].push((other, edge.link));
                    }
                }
            }
        }
        graph
    }

    /// Whether the reach of a cause includes this symptom.
    fn fits(&self, edge: &CauseEdge, cause: &Sighting, symptom: &Sighting) -> bool {
        let name = cause.condition.name;
        let own_error =
            |error: &String| OWN_ERRORS.contains(&error.as_str()) && (name, &**error) != ("ZxidRegressed", "no_node");
        if !symptom.errors.is_empty() && symptom.errors.iter().all(own_error) {
            return false;
        }
        if self.scene.complete && name == "StandaloneInEnsemble" && NEEDS_A_VOTE.contains(&symptom.condition.name) {
            return false;
        }
        let same = || cause.member.is_none() || symptom.member.is_none() || cause.member == symptom.member;
        match edge.scope {
            CauseScope::Ensemble => true,
            CauseScope::SameMember => same(),
            CauseScope::FromLeader => {
                let with_it = self.seen.iter().filter(|other| other.condition.name == cause.condition.name).count();
                cause.member == symptom.member
                    || cause.member.is_none()
                    || cause.member == self.scene.leader
                    || with_it * 2 >= self.scene.voters
            }
            CauseScope::ToLeader => symptom.member.is_none() || symptom.member == self.scene.leader,
        }
    }

    /// All nodes reachable from these roots, without the roots.
    fn reached_from(&self, roots: &[usize]) -> Vec<usize> {
        let mut reached = vec![false; self.seen.len()];
        for root in roots {
            reached[*root] = true;
        }
        // Needs as many passes as the longest path has edges.
        loop {
            let more: Vec<usize> = (0..self.seen.len())
                .filter(|place| !reached[*place] && self.causes[*place].iter().any(|(cause, _)| reached[*cause]))
                .collect();
            if more.is_empty() {
                break;
            }
            for place in more {
                reached[place] = true;
            }
        }
        (0..self.seen.len()).filter(|place| reached[*place] && !roots.contains(place)).collect()
    }

    /// The weight of the symptoms: a critical one counts as several warnings, and a condition counts once, independent
    /// of the number of members.
    fn weight(&self, places: &[usize]) -> usize {
        let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
        for place in places {
            let Sighting { condition, severity, .. } = &self.seen[*place];
            let entry = worst.entry(condition.name).or_insert(*severity);
            *entry = (*entry).max(*severity);
        }
        worst.values().map(|severity| if *severity == Severity::Critical { 4 } else { 1 }).sum()
    }

    fn cause(&self, own: &[usize], explains: &[usize], rivals: &[(&'static str, Vec<usize>)]) -> Cause {
        let first = &self.seen[own[0]];
        let condition = first.condition;
        let severity = own.iter().map(|place| self.seen[*place].severity).max().unwrap_or(first.severity);
        let summary = condition.level_of(severity).map_or("", |level| level.summary);
        let doubts = self.doubts(own, explains, rivals);
        Cause {
            alert: condition.alert(),
            severity: severity.text().to_owned(),
            members: own.iter().filter_map(|place| self.seen[*place].member.clone()).collect(),
            summary: summary.to_owned(),
            sure: doubts.is_empty(),
            doubts,
            evidence: own.iter().map(|place| evidence(&self.seen[*place])).collect(),
            explains: explains.iter().map(|place| self.symptom(*place, own)).collect(),
            first_action: self.first_action(own),
            look: sentence(&first.first),
            runbook: format!("{RUNBOOKS}/{}.md", condition.alert()),
        }
    }

    /// The first action of a cause; several if the observations need different ones.
    fn first_action(&self, own: &[usize]) -> String {
        let mut actions: Vec<&str> = Vec::new();
        for Sighting { actions: own, condition, .. } in own.iter().map(|place| &self.seen[*place]) {
            let usual = own.is_empty().then_some(condition.decision);
            for action in own.iter().map(String::as_str).chain(usual) {
                if !actions.contains(&action) {
                    actions.push(action);
                }
            }
        }
        actions.join(" ")
    }

    fn symptom(&self, place: usize, causes: &[usize]) -> Symptom {
        let seen = &self.seen[place];
        let always = |edge: &CauseEdge| {
            let reaches =
                |cause: &Sighting| edge.causes.contains(&cause.condition.name) && self.fits(edge, cause, seen);
            edge.link == Link::Always
                && edge.symptoms.contains(&seen.condition.name)
                && causes.iter().any(|cause| reaches(&self.seen[*cause]))
        };
        Symptom {
            alert: seen.condition.alert(),
            severity: seen.severity.text().to_owned(),
            member: seen.member.clone(),
            text: sentence(&seen.says),
            since: seen.since.clone(),
            always: EDGES.iter().any(always),
        }
    }

    /// Facts that contradict a cause, or that could not be observed.
    fn doubts(&self, own: &[usize], explains: &[usize], rivals: &[(&'static str, Vec<usize>)]) -> Vec<String> {
        let condition = self.seen[own[0]].condition;
        let mut doubts = Vec::new();
        let worst = explains.iter().map(|place| self.seen[*place].severity).max();
        let others = rivals.iter().filter(|(name, reached)| {
            let explains_it = |place: &usize| reached.contains(place) && Some(self.seen[*place].severity) == worst;
            *name != condition.name && explains.iter().any(explains_it)
        });
        let others: Vec<String> = others.map(|(name, _)| format!("ZooKeeper{name}")).collect();
        if !others.is_empty() {
            doubts.push(format!("{} may explain the same symptoms", others.join(" or ")));
        }
        if condition.is_symptom() {
            let named: Vec<String> =
                condition.possible_causes().iter().map(|name| format!("ZooKeeper{name}")).collect();
            let (quiet, others): (Vec<String>, Vec<String>) =
                named.into_iter().partition(|name| self.scene.checked.contains(name));
            let (unjudged, unknown): (Vec<String>, Vec<String>) =
                others.into_iter().partition(|name| self.scene.not_judged.contains(name));
            doubts.push("it is a symptom, and none of its causes is seen".to_owned());
            if !unjudged.is_empty() {
                doubts.push(format!("not judged in this short interval: {}", unjudged.join(", ")));
            }
            if !unknown.is_empty() {
                doubts.push(format!("not visible (no data, or switched off): {}", unknown.join(", ")));
            }
            if !quiet.is_empty() {
                doubts.push(format!("checked, not present: {}", quiet.join(", ")));
            }
        }
        if condition.name == "StandaloneInEnsemble" && self.scene.complete {
            doubts.push(
                "no voter is missing without it: the configured members may include a server of another ensemble"
                    .to_owned(),
            );
        }
        for doubt in own.iter().flat_map(|place| &self.seen[*place].doubts) {
            if !doubts.contains(doubt) {
                doubts.push(doubt.clone());
            }
        }
        if condition.name == "EnsembleUnreachable" && doubts.is_empty() {
            doubts.push("observed from this host alone: query the members from a client host as well".to_owned());
        }
        doubts
    }
}

fn evidence(seen: &Sighting) -> Evidence {
    Evidence { member: seen.member.clone(), text: sentence(&seen.says), since: seen.since.clone() }
}

fn position(condition: &Condition) -> usize {
    crate::alert::conditions().iter().position(|other| other.name == condition.name).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::conditions;

    fn seen(name: &str, severity: Severity, member: &str) -> Sighting {
        Sighting {
            condition: conditions().iter().find(|condition| condition.name == name).expect("a condition"),
            severity,
            member: Some(member.to_owned()).filter(|member| !member.is_empty()),
            says: format!("{name} {member}"),
            errors: Vec::new(),
            actions: Vec::new(),
            doubts: Vec::new(),
            first: String::new(),
            since: None,
            past: false,
        }
    }

    fn three(leader: &str) -> Scene {
        Scene { leader: Some(leader.to_owned()), voters: 3, ..Scene::default() }
    }

    fn names(causes: &[Cause]) -> Vec<(&str, usize)> {
        causes.iter().map(|cause| (&cause.alert["ZooKeeper".len()..], cause.explains.len())).collect()
    }

    #[test]
    fn two_dead_members_explain_the_lost_quorum_and_what_follows() {
        let all = [
            seen("QuorumLost", Severity::Critical, ""),
            seen("MemberDown", Severity::Critical, "zk-2"),
            seen("MemberDown", Severity::Critical, "zk-3"),
            seen("MemberNotServing", Severity::Critical, "zk-1"),
            seen("VersionMismatch", Severity::Warning, ""),
        ];
        let causes = explain(&all, &Scene { voters: 3, ..Scene::default() });
        assert_eq!(names(&causes), [("MemberDown", 2), ("VersionMismatch", 0)]);
        assert_eq!(causes[0].members, ["zk-2", "zk-3"]);
        assert!(causes[0].sure && causes.iter().all(|cause| cause.sure), "{causes:?}");
        assert!(!causes[0].explains[0].always);
    }

    #[test]
    fn a_slow_disk_explains_other_members_where_it_is_the_leaders() {
        let writes = |member| seen("SlowWrites", Severity::Warning, member);
        let all = [seen("SlowFsync", Severity::Warning, "zk-1"), writes("zk-1"), writes("zk-2")];
        assert_eq!(names(&explain(&all, &three("zk-1"))), [("SlowFsync", 2)]);
        let causes = explain(&all, &three("zk-3"));
        assert_eq!(names(&causes), [("SlowFsync", 1), ("SlowWrites", 0)]);
        assert!(causes[0].sure && !causes[1].sure && causes[1].doubts[0].contains("is a symptom"), "{causes:?}");
    }

    #[test]
    fn a_silent_leader_explains_the_member_that_is_down() {
        let all = [
            seen("LeaderSilent", Severity::Critical, ""),
            seen("QuorumLost", Severity::Critical, ""),
            seen("MemberDown", Severity::Critical, "zk-3"),
        ];
        assert_eq!(names(&explain(&all, &three("zk-3"))), [("LeaderSilent", 2)]);
        let other = explain(&all, &three("zk-1"));
        assert_eq!(names(&other), [("MemberDown", 1), ("LeaderSilent", 0)]);
        assert!(!other[0].sure && other[0].doubts[0].contains("ZooKeeperLeaderSilent"), "{other:?}");
    }

    #[test]
    fn a_symptom_without_a_cause_is_reported_as_not_sure() {
        let all = [seen("OutstandingRequests", Severity::Critical, "zk-1")];
        let scene = Scene {
            checked: vec!["ZooKeeperSlowFsync".to_owned()],
            not_judged: vec!["ZooKeeperFrequentElections".to_owned()],
            ..three("zk-1")
        };
        let causes = explain(&all, &scene);
        assert!(!causes[0].sure, "{causes:?}");
        assert!(
            causes[0].doubts[1].contains("not judged in this short interval: ZooKeeperFrequentElections"),
            "{causes:?}"
        );
        let unknown = &causes[0].doubts[2];
        assert!(unknown.starts_with("not visible") && unknown.contains("ZooKeeperThreadsDeadlocked"), "{causes:?}");
        assert_eq!(causes[0].doubts[3], "checked, not present: ZooKeeperSlowFsync");
    }

    #[test]
    fn past_conditions_come_last_unless_they_explain_a_current_one() {
        let past = |name, since: &str| Sighting {
            past: true,
            since: Some(since.to_owned()),
            ..seen(name, Severity::Warning, "zk-1")
        };
        let now = |name| seen(name, Severity::Warning, "zk-1");
        let rejected = || past("ConnectionsRejected", "2026-01-01T00:00:00.000Z");
        let large = || past("LargeProposal", "2026-01-01T00:05:00.000Z");
        let all = [rejected(), large(), now("WatchesHigh")];
        assert_eq!(names(&explain(&all, &three("zk-1")))[0].0, "WatchesHigh");
        assert_eq!(names(&explain(&all[..2], &three("zk-1")))[0].0, "LargeProposal");
        let all = [rejected(), now("ConnectionsCollapsed"), now("WatchesHigh")];
        assert_eq!(names(&explain(&all, &three("zk-1")))[0], ("ConnectionsRejected", 1));
    }

    #[test]
    fn an_outage_seen_by_the_exporter_alone_is_not_sure() {
        let unreachable = seen("EnsembleUnreachable", Severity::Critical, "");
        let down = seen("MemberDown", Severity::Critical, "zk-1");
        let causes = explain(&[unreachable.clone(), down.clone()], &three("zk-1"));
        assert_eq!(names(&causes), [("EnsembleUnreachable", 1)]);
        assert!(causes[0].doubts[0].contains("this host alone") && causes[0].explains[0].always, "{causes:?}");
        let doubts = vec!["the queries fail with the reason tls".to_owned()];
        let causes = explain(&[Sighting { doubts: doubts.clone(), ..unreachable }, down], &three("zk-1"));
        assert_eq!((&causes[0].doubts, causes[0].sure), (&doubts, false));
    }
}
