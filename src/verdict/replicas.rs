//! Members whose data differs from the others', by the last comparison of their digests.
//!
//! The reference is the member that agrees with most others. If there is none, or a tie, it is the leader, which every
//! other member copies. Without a leader, no member is the reference. Members that cannot be compared with it have a
//! reference among themselves.

use std::cmp::Reverse;

use super::membership_groups::Groups;
use crate::ensemble::{DataDifference, ReplicaComparison};
use crate::scrape::EnsembleReport;

/// Whether the members of an ensemble hold the same data. Members are identified by their index in the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataVerdict {
    /// Per member: whether its digest matches its reference; `None` if it was not compared, or a difference is not
    /// proven.
    pub agrees: Vec<Option<bool>>,
    /// zxid of the newest comparison.
    pub zxid: Option<u64>,
    /// Whether members hold different data; `None` if nothing was compared, or a difference is not proven.
    pub diverged: Option<bool>,
    /// Members whose digest differs, with their reference and the transactions in question.
    pub differences: Vec<(usize, usize, DataDifference)>,
}

impl DataVerdict {
    /// Whether the digest of a member differs without proof of divergence yet.
    #[must_use]
    pub fn is_pending(&self, place: usize) -> bool {
        let is = |(member, _, difference): &(usize, usize, DataDifference)| *member == place && !difference.proven;
        self.differences.iter().any(is)
    }
}

pub(super) fn judge(report: &EnsembleReport, groups: &Groups<'_>, leader: Option<usize>) -> DataVerdict {
    let members = &report.members;
    let mut verdict = DataVerdict { agrees: vec![None; members.len()], ..DataVerdict::default() };
    let place = |name: &str| {
        let found = members.iter().position(|member| *member.name == *name);
        found.filter(|place| groups.is_counted(*place))
    };
    let pairs: Vec<(usize, usize, &ReplicaComparison)> = report
        .known
        .replicas
        .iter()
        .flat_map(|replicas| replicas.iter())
        .filter_map(|pair| Some((place(&pair.one)?, place(&pair.other)?, pair)))
        .collect();
    verdict.zxid = pairs.iter().map(|(_, _, pair)| pair.zxid).max();
    let mut is_judged = vec![false; members.len()];
    while let Some((agreeing, reference)) = reference(&pairs, &is_judged, leader) {
        is_judged[reference] = true;
        verdict.agrees[reference] = (agreeing > 0 || Some(reference) == leader).then_some(true);
        for (one, other, pair) in &pairs {
            let member = if *one == reference { *other } else { *one };
            if (*one != reference && *other != reference) || is_judged[member] {
                continue;
            }
            is_judged[member] = true;
            match pair.difference {
                None => verdict.agrees[member] = Some(true),
                Some(difference) => {
                    verdict.differences.push((member, reference, difference));
                    let without_right = verdict.agrees[reference].is_none().then_some(reference);
                    for place in [Some(member), without_right].into_iter().flatten().filter(|_| difference.proven) {
                        verdict.agrees[place] = Some(false);
                    }
                }
            }
        }
    }
    verdict.differences.sort_unstable_by_key(|(member, ..)| *member);
    verdict.diverged = match verdict.zxid {
        None => None,
        Some(_) if verdict.differences.is_empty() => Some(false),
        Some(_) => verdict.differences.iter().any(|(_, _, difference)| difference.proven).then_some(true),
    };
    verdict
}

/// Among members without a result, the reference to compare the others with, and the number of members it agrees with.
fn reference(
    pairs: &[(usize, usize, &ReplicaComparison)],
    is_judged: &[bool],
    leader: Option<usize>,
) -> Option<(usize, usize)> {
    let open = |(one, other, _): &&(usize, usize, &ReplicaComparison)| !is_judged[*one] && !is_judged[*other];
    let open: Vec<_> = pairs.iter().filter(open).collect();
    let agreeing = |place: usize| {
        let of = |(one, other, pair): &&&(usize, usize, &ReplicaComparison)| {
            (*one == place || *other == place) && pair.difference.is_none()
        };
        open.iter().filter(of).count()
    };
    let candidates = open.iter().flat_map(|(one, other, _)| [*one, *other]);
    let ranked = candidates.map(|place| (agreeing(place), place));
    ranked.max_by_key(|(agreeing, place)| (*agreeing, Some(*place) == leader, Reverse(*place)))
}
