//! Details of a condition from the verdict and the probes; the text of the condition is the same for every ensemble.

use super::history::EventHistory;
use super::remedies::FailedQueries;
use super::why::is_complete;
use super::znodes;
use crate::alert::Finding as Condition;
use crate::catalogue::Own;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::verdict::{Verdict, findings};

/// Text and first action of one finding, which replace those of its condition.
#[derive(Debug, Default)]
pub(super) struct FindingDetail {
    /// The observation.
    pub(super) says: Option<String>,
    /// The first actions.
    pub(super) actions: Vec<String>,
    /// The first command.
    pub(super) look: Option<String>,
    /// Facts that contradict it.
    pub(super) doubts: Vec<String>,
    /// Errors of the exporter's session.
    pub(super) errors: Vec<String>,
}

/// The details of a condition that holds.
pub(super) fn detail(
    found: &Condition,
    ensemble: &EnsembleReport,
    verdict: &Verdict,
    history: Option<&EventHistory>,
) -> FindingDetail {
    let label = |name: &str| found.labels.get(name).map_or("", String::as_str);
    match found.condition.name {
        name @ ("ZxidRegressed" | "ConfigMismatch" | "QuorumMarginZero")
            if name != "QuorumMarginZero" || verdict.quorum.hierarchical =>
        {
            let alert = found.condition.alert();
            let verdict_finding = findings(ensemble, verdict).into_iter().find(|other| other.alert() == Some(&alert));
            FindingDetail { says: verdict_finding.map(|finding| finding.text), ..FindingDetail::default() }
        }
        "MemberNotServing" => {
            // The member replies, but no reply contains its state.
            let is_it = |member: &&MemberReport| *member.name == *label("member") && member.state == State::NoAnswer;
            let failed = FailedQueries::of(ensemble.members.iter().filter(is_it));
            let says = failed.detail().map(|detail| format!("the state of member {} is not visible: {detail}", label("member")));
            FindingDetail { says, ..failures(found, &failed) }
        }
        name @ ("MemberDown" | "ObserverDown" | "MntrMissing") => {
            let is_it = |member: &&MemberReport| *member.name == *label("member");
            let failed = FailedQueries::of(ensemble.members.iter().filter(is_it));
            // If no member replies, the condition of the ensemble has the details.
            let says = failed.detail().filter(|_| verdict.members_up > 0);
            let says = says.map(|detail| format!("{}: {detail}", found.says.trim_end_matches('.')));
            let detail = FindingDetail { says, ..failures(found, &failed) };
            // A member without metrics serves: no outage is claimed.
            if name == "MntrMissing" { FindingDetail { doubts: Vec::new(), ..detail } } else { detail }
        }
        "EnsembleUnreachable" | "LeaderSilent" | "QuorumLost" => {
            let voters = ensemble.members.iter().zip(&verdict.votes);
            let voters = voters.filter(|(_, votes)| **votes || verdict.members_up == 0).map(|(member, _)| member);
            let failed = FailedQueries::of(voters.filter(|member| member.state == State::NoAnswer));
            // The other two conditions have their own actions, unless the queries fail because of the exporter.
            if found.condition.name != "EnsembleUnreachable" && !failed.own {
                return FindingDetail::default();
            }
            let says = failed.details_by_member();
            let says = says.map(|details| format!("{} ({details})", found.says.trim_end_matches('.')));
            let look = failed.look.clone().filter(|_| failed.own);
            FindingDetail { says, look, ..failures(found, &failed) }
        }
        "ConnectionsRejected" => {
            let member = ensemble.members.iter().find(|member| *member.name == *label("member"));
            let limit = member.and_then(|member| member.conf.as_ref()?.max_client_connections);
            let setting = |limit| match limit {
                0 => "maxClientCnxns is 0: no limit per address".to_owned(),
                limit => format!("maxClientCnxns is {limit}"),
            };
            let says = limit.map(|limit| format!("{} ({})", found.says.trim_end_matches('.'), setting(limit)));
            FindingDetail { says, ..FindingDetail::default() }
        }
        "CanaryFailing" => {
            let failure = history.and_then(|history| history.canary_failure(label("member")));
            failure.map_or_else(FindingDetail::default, |failure| FindingDetail {
                says: Some(format!("{} ({})", found.says.trim_end_matches('.'), failure.text)),
                actions: failure.errors.first().and_then(|error| action_of_error(error)).into_iter().collect(),
                errors: failure.errors.iter().map(ToString::to_string).collect(),
                ..FindingDetail::default()
            })
        }
        "MemberReadOnly" if has_no_vote(ensemble, verdict, label("member")) => FindingDetail {
            actions: vec!["Treat its data as stale: it is an observer without a connection to a quorum, and has no vote.".to_owned()],
            ..FindingDetail::default()
        },
        "StandaloneInEnsemble" if is_complete(verdict) || is_alone(ensemble, label("member")) => FindingDetail {
            look: found.first.split_once(" - then stop it").map(|(confirm, _)| confirm.to_owned()),
            doubts: is_alone(ensemble, label("member")).then(|| NO_ENSEMBLE.to_owned()).into_iter().collect(),
            actions: vec![
                "Compare its server lines and data with those of the others before you stop it: it may be a server of another \
                 ensemble that is listed by mistake."
                    .to_owned(),
            ],
            ..FindingDetail::default()
        },
        "ZnodeUnreadable" => unreadable(found, label("path"), ensemble),
        "ZnodeAboveThreshold" => {
            let limits = znodes::thresholds(ensemble, label("path"));
            let limits: Vec<String> = limits.into_iter().map(|(severity, limit)| format!("{} {}", severity.text(), znodes::words(limit))).collect();
            let says = format!("{} ({})", found.says.trim_end_matches('.'), limits.join(", "));
            FindingDetail { says: Some(says), ..FindingDetail::default() }
        }
        _ => FindingDetail::default(),
    }
}

/// Why a standalone server may be the right one.
const NO_ENSEMBLE: &str = "no other member is seen to be part of an ensemble: the addresses of the others may be wrong, and this the \
                           only server";

/// Whether no other member replies as part of an ensemble, or has stated its membership.
fn is_alone(ensemble: &EnsembleReport, member: &str) -> bool {
    let is_part = |other: &MemberReport| {
        matches!(other.state, State::Leader | State::Follower | State::Observer | State::ReadOnly)
            || other.conf.as_ref().is_some_and(|conf| conf.membership.is_some())
    };
    !ensemble.members.iter().any(|other| *other.name != *member && is_part(other))
}

/// Whether a member has no vote, and is not a second name of one that may have.
fn has_no_vote(ensemble: &EnsembleReport, verdict: &Verdict, member: &str) -> bool {
    let place = ensemble.members.iter().position(|other| *other.name == *member);
    place.is_some_and(|place| {
        !verdict.votes[place]
            && !verdict.strangers.contains(&place)
            && !verdict.duplicates.iter().any(|(duplicate, _)| *duplicate == place)
    })
}

/// The first actions for failed queries.
fn failures(found: &Condition, failed: &FailedQueries) -> FindingDetail {
    if failed.remedies.is_empty() {
        return FindingDetail::default();
    }
    FindingDetail {
        actions: failed.actions(found.condition.decision),
        look: failed.look.clone(),
        doubts: failed.doubt().into_iter().collect(),
        ..FindingDetail::default()
    }
}

/// Why a znode cannot be read.
fn unreadable(found: &Condition, path: &str, ensemble: &EnsembleReport) -> FindingDetail {
    let reasons = znodes::cells(ensemble, Own::ZnodeFailure).filter(|(of, ..)| *of == path);
    let reasons: Vec<&str> = reasons.map(|(_, reason, _)| reason).collect();
    if reasons.is_empty() {
        return FindingDetail::default();
    }
    let says = format!("{} ({})", found.says.trim_end_matches('.'), reasons.join(", "));
    FindingDetail {
        says: Some(says),
        actions: reasons.first().and_then(|reason| action_of_error(reason)).into_iter().collect(),
        errors: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        ..FindingDetail::default()
    }
}

/// The first action for an error of a session or of one of its requests; `None` if that of the condition applies.
fn action_of_error(error: &str) -> Option<String> {
    let action = match error {
        "no_auth" => "Correct the ACL of the path, or the identity in digest_file of the module's session.",
        "auth_failed" | "digest_file" => {
            "Correct digest_file of the module's session; the log of the exporter has the reason."
        }
        "tls" => "Correct tls of the module: the log of the exporter has the reason.",
        "dns" => "Correct the names of the members, or the resolver of the exporter's host.",
        "not_a_number" | "pointer" => {
            "Correct the value that the writer stores, or path and pointer in znodes of the module."
        }
        "bad_alarm" => "Set the alarm again: zookeeper-exporter alarm set.",
        "too_large" | "limit" => "Reduce the znode, or the paths in znodes of the module.",
        "quota" => "Raise the quota of the path, or remove znodes below it.",
        "connect" | "timeout" | "session_expired" | "protocol" | "read_only" | "throttled" => {
            "Find out why sessions fail: check the state of the members, and whether other clients fail as well."
        }
        _ => return None,
    };
    Some(action.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_of_a_znode_is_named_only_if_the_znode_was_reached() {
        assert_eq!(action_of_error("no_node"), None);
        for error in ["no_auth", "tls", "timeout", "connect", "auth_failed"] {
            assert!(action_of_error(error).is_some_and(|action| !action.contains("writer")), "{error}");
        }
    }
}
