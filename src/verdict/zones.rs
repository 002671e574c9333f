//! Zones: how many voters each has, and whether the ensemble survives the loss of any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::loss::Losses;

/// Maximum number of zones of an ensemble that have a sample of their own; those with most voters come first.
const MAX_ZONES: usize = 32;

/// The zones of an ensemble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneVerdict {
    /// Voters of each zone, whether they reply or not, by name of the zone.
    pub voters: Vec<(Arc<str>, u64)>,
    /// The quorum margin after the loss of the worst zone; `None` if unknown, or if a voter has no known zone.
    pub margin: Option<i64>,
    /// The worst zone, if the margin is known.
    pub worst: Option<Arc<str>>,
    /// The margin after the loss of the worst zone if all voters were in sync and spread evenly over the zones of all
    /// members; `None` if unknown, or if groups and weights decide.
    pub attainable: Option<i64>,
}

impl ZoneVerdict {
    /// Whether no placement of the voters in these zones survives the loss of any one zone.
    #[must_use]
    pub fn is_unattainable(&self) -> bool {
        self.attainable.is_some_and(|margin| margin < 0)
    }
}

pub(super) fn judge(losses: &Losses<'_>) -> ZoneVerdict {
    let (report, groups, quorum) = (losses.report, losses.groups, losses.quorum);
    let zones = &report.known.zones;
    if zones.is_empty() {
        return ZoneVerdict::default();
    }
    let zone = |place: usize| zones.get(&report.members[place].name);
    let voting: Vec<usize> = (0..report.members.len()).filter(|place| groups.votes[*place]).collect();
    let mut counts: BTreeMap<&Arc<str>, u64> = BTreeMap::new();
    for zone in voting.iter().filter_map(|place| zone(*place)) {
        *counts.entry(zone).or_default() += 1;
    }
    let all_known = counts.values().sum::<u64>() == quorum.voters && voting.len() as u64 == quorum.voters;
    let left = |lost: &Arc<str>| losses.without(&|place| zone(place) == Some(lost)).margin;
    let margins: Option<Vec<(i64, &Arc<str>)>> = counts.keys().map(|lost| Some((left(lost)?, *lost))).collect();
    let worst = margins.filter(|_| all_known).and_then(|margins| margins.into_iter().min());
    let mut voters: Vec<(Arc<str>, u64)> = counts.iter().map(|(zone, count)| (Arc::clone(zone), *count)).collect();
    if voters.len() > MAX_ZONES {
        voters.sort_by(|(zone, count), (other, other_count)| other_count.cmp(count).then_with(|| zone.cmp(other)));
        voters.truncate(MAX_ZONES);
        voters.sort();
    }
    let used: BTreeSet<&Arc<str>> =
        (0..report.members.len()).filter(|place| groups.is_counted(*place)).filter_map(zone).collect();
    let attainable = quorum.majority().filter(|_| all_known && !used.is_empty()).and_then(|majority| {
        let left = quorum.voters - quorum.voters.div_ceil(used.len() as u64);
        Some(i64::try_from(left).ok()? - i64::try_from(majority).ok()?)
    });
    ZoneVerdict {
        attainable,
        voters,
        margin: worst.map(|(margin, _)| margin),
        worst: worst.map(|(_, zone)| Arc::clone(zone)),
    }
}
