//! Whether the members of an ensemble hold the same data, by comparing their tree digests at common transactions.
//!
//! Two members with the same data have the same digest at each zxid that both recorded. A digest is evidence only if it
//! was recorded *live*: a member that receives a snapshot over the network applies transactions to a tree that is
//! already partly newer, and records digests of states that never existed. A difference is therefore *proven* only at a
//! transaction after both members were seen serving (`live_after`).
//!
//! ```text
//! snapshot arrives   serves, seen   the ensemble's zxid now: live_after
//! ───────────────────┼──────────────┼──────────────────────────────────▶ zxid
//! digests may be of  │ caught up    │ digests are of the tree that clients see
//! a tree in between  │              │
//! ```
//!
//! Only the newest common transaction decides: a difference at an older one that has disappeared is not a current
//! fault.

use std::sync::Arc;

use crate::reply::hash::DigestLog;

/// The digests of one member, read at the same time as those of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The member.
    pub member: Arc<str>,
    /// Its digests.
    pub log: DigestLog,
    /// The digest scheme, if not part of the reply: version `2` for releases 3.6 to 3.9, otherwise the release itself.
    pub scheme: Scheme,
    /// Digests after this transaction were recorded live; `None` if unknown.
    pub live_after: Option<u64>,
}

/// How digests are computed; different schemes are not comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The version in the reply, or the one its release is known to use.
    Version(i64),
    /// A release whose version is unknown.
    Release(String),
}

/// The comparison of two members at their newest common transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaComparison {
    /// First member.
    pub one: Arc<str>,
    /// Second member.
    pub other: Arc<str>,
    /// zxid of the newest transaction that both recorded.
    pub zxid: u64,
    /// The difference; `None` if the data is equal.
    pub difference: Option<DataDifference>,
}

/// The transactions between which the data of two members began to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataDifference {
    /// The last common transaction with equal digests; `None` if all known ones differ.
    pub after: Option<u64>,
    /// The first common transaction with different digests.
    pub from: u64,
    /// They differ at a transaction that both recorded live.
    pub proven: bool,
}

/// Maximum number of members compared; an ensemble has a few voters and some observers.
pub const MAX_REPLICAS: usize = 64;

/// Releases that use digest version 2.
const VERSION_TWO: std::ops::RangeInclusive<(u16, u16)> = (3, 6)..=(3, 9);

impl Scheme {
    /// The scheme of a release, if the reply contains no version.
    #[must_use]
    pub fn of_release(version: &str) -> Self {
        match crate::reply::release(version) {
            Some((major, minor, _)) if VERSION_TWO.contains(&(major, minor)) => Self::Version(2),
            _ => Self::Release(version.to_owned()),
        }
    }
}

/// Compares all pairs of members that have a transaction in common.
#[must_use]
pub fn compare(replicas: &[Replica]) -> Vec<ReplicaComparison> {
    let replicas = &replicas[..replicas.len().min(MAX_REPLICAS)];
    let pairs = replicas
        .iter()
        .enumerate()
        .flat_map(|(place, one)| replicas[place + 1..].iter().map(move |other| (one, other)));
    pairs.filter_map(|(one, other)| compare_two(one, other)).collect()
}

fn compare_two(one: &Replica, other: &Replica) -> Option<ReplicaComparison> {
    if one.scheme != other.scheme {
        return None;
    }
    let mut common = common(&one.log, &other.log);
    let (zxid, are_equal) = common.next()?;
    let mut found =
        ReplicaComparison { one: Arc::clone(&one.member), other: Arc::clone(&other.member), zxid, difference: None };
    if are_equal {
        return Some(found);
    }
    let live_after = one.live_after.zip(other.live_after).map(|(one, other)| one.max(other));
    let proven = live_after.is_some_and(|live_after| zxid > live_after);
    let (mut from, mut after) = (zxid, None);
    for (zxid, are_equal) in common {
        if are_equal {
            after = Some(zxid);
            break;
        }
        from = zxid;
    }
    found.difference = Some(DataDifference { after, from, proven });
    Some(found)
}

/// Common transactions of both logs, newest first, and whether the digests are equal.
fn common<'l>(one: &'l DigestLog, other: &'l DigestLog) -> impl Iterator<Item = (u64, bool)> + 'l {
    let mut others = other.entries.iter().rev().peekable();
    one.entries.iter().rev().filter_map(move |(zxid, digest)| {
        while others.peek().is_some_and(|(other, _)| other > zxid) {
            others.next();
        }
        let (_, same) = others.next_if(|(other, _)| other == zxid)?;
        Some((*zxid, same == digest))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn replica(member: &str, entries: &[(u64, i64)], live_after: Option<u64>) -> Replica {
        let log = DigestLog { entries: entries.to_vec(), version: None };
        Replica { member: member.into(), log, scheme: Scheme::of_release("3.8.0"), live_after }
    }

    fn of_two(
        one: &[(u64, i64)],
        other: &[(u64, i64)],
        live_after: Option<u64>,
    ) -> Option<(u64, Option<DataDifference>)> {
        let found = compare(&[replica("a", one, live_after), replica("b", other, Some(0))]);
        assert!(found.len() <= 1);
        found.first().map(|pair| (pair.zxid, pair.difference))
    }

    #[test]
    fn the_newest_common_transaction_decides() {
        let good = [(128, 1), (256, 2), (384, 3), (512, 4)];
        assert_eq!(of_two(&good, &good[..3], Some(0)), Some((384, None)), "one is behind");
        assert_eq!(of_two(&good, &[(130, 1)], Some(0)), None, "nothing in common");
        assert_eq!(of_two(&good, &[], Some(0)), None, "just restarted");
        let difference = |after, from, proven| Some(DataDifference { after, from, proven });
        let bad = [(128, 1), (256, 9), (384, 8), (512, 7)];
        assert_eq!(of_two(&good, &bad, Some(0)), Some((512, difference(Some(128), 256, true))));
        assert_eq!(of_two(&good, &bad[1..], Some(0)), Some((512, difference(None, 256, true))));
        let healed = [(128, 1), (256, 9), (384, 8), (512, 4)];
        assert_eq!(of_two(&good, &healed, Some(0)), Some((512, None)), "it was a tree in between");
        let again = [(128, 9), (256, 2), (384, 8), (512, 7)];
        assert_eq!(
            of_two(&good, &again, Some(0)),
            Some((512, difference(Some(256), 384, true))),
            "of the present fault"
        );
    }

    #[test]
    fn only_live_digests_prove_a_difference() {
        let (good, bad) = ([(128, 1), (256, 2)], [(128, 8), (256, 9)]);
        let proven = |live_after| {
            of_two(&good, &bad, live_after).and_then(|(_, difference)| difference).map(|difference| difference.proven)
        };
        assert_eq!(proven(Some(255)), Some(true));
        assert_eq!(proven(Some(256)), Some(false), "it may have been written down while a snapshot arrived");
        assert_eq!(proven(None), Some(false), "seen for the first time");
    }

    #[test]
    fn digests_of_two_schemes_are_not_compared() {
        assert_eq!(Scheme::of_release("3.6.3"), Scheme::of_release("3.9.3"));
        assert_ne!(Scheme::of_release("3.9.3"), Scheme::of_release("3.10.0"));
        assert_ne!(Scheme::of_release("3.10.0"), Scheme::of_release("3.11.0"));
        let (old, new) = (replica("a", &[(128, 1)], Some(0)), replica("b", &[(128, 2)], Some(0)));
        let new = Replica { scheme: Scheme::Version(3), ..new };
        assert_eq!(compare(&[old, new]), []);
    }

    proptest! {
        /// The merge of both logs gives the same result as a lookup in two maps.
        #[test]
        fn the_comparison_equals_that_of_two_maps(
            one in proptest::collection::btree_map(0..30_u64, 1..3_i64, 0..20),
            other in proptest::collection::btree_map(0..30_u64, 1..3_i64, 0..20),
            live_after in proptest::option::of(0..30_u64),
        ) {
            let list = |map: &BTreeMap<u64, i64>| map.iter().map(|(zxid, digest)| (*zxid, *digest)).collect::<Vec<_>>();
            let found = of_two(&list(&one), &list(&other), live_after);
            let both: Vec<(u64, bool)> =
                one.iter().filter_map(|(zxid, digest)| Some((*zxid, other.get(zxid)? == digest))).collect();
            let expected = both.last().map(|(zxid, equal)| {
                let difference = (!equal).then(|| {
                    let after = both.iter().rposition(|(_, equal)| *equal);
                    DataDifference {
                        after: after.map(|place| both[place].0),
                        from: both[after.map_or(0, |place| place + 1)].0,
                        proven: live_after.is_some_and(|live| *zxid > live),
                    }
                });
                (*zxid, difference)
            });
            prop_assert_eq!(found, expected);
        }
    }
}
