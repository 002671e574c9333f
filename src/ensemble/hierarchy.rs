//! Hierarchical quorums (`QuorumHierarchical`): a majority of the groups, each by a majority of its weight.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The groups of a membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// Server id and weight of each voter, by group, in the order of the ids; groups without weight are ignored, as by
    /// `ZooKeeper`.
    groups: Vec<Vec<(String, u64)>>,
    /// Whether every voter is in exactly one group, and every weight is a number.
    sound: bool,
}

/// `1:2:3*2 4:5:6`: the groups, with weights other than 1.
impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, group) in self.groups.iter().enumerate() {
            f.write_str(if number > 0 { " " } else { "" })?;
            for (place, (id, weight)) in group.iter().enumerate() {
                f.write_str(if place > 0 { ":" } else { "" })?;
                f.write_str(id)?;
                if *weight != 1 {
                    write!(f, "*{weight}")?;
                }
            }
        }
        Ok(())
    }
}

impl Hierarchy {
    /// The groups (`group.N=1:2:3`) and weights (`weight.ID=2`, 1 by default) of these voters.
    #[must_use]
    pub fn new(groups: &[(String, String)], weights: &[(String, String)], voters: &BTreeSet<&str>) -> Self {
        let mut sound = true;
        let mut weight_of: BTreeMap<&str, u64> = voters.iter().map(|id| (*id, 1)).collect();
        for (id, weight) in weights {
            match weight.parse() {
                Ok(weight) => drop(weight_of.insert(id, weight)),
                Err(_) => sound = false,
            }
        }
        let mut found: BTreeMap<&str, Vec<(String, u64)>> = BTreeMap::new();
        let mut grouped = BTreeSet::new();
        for (group, ids) in groups {
            for id in ids.split(':') {
                // Only voters acknowledge; another server in a group counts only if it has a configured weight.
                let Some(weight) = weight_of.get(id) else { continue };
                if grouped.insert(id) {
                    found.entry(group).or_default().push((id.to_owned(), *weight));
                } else {
                    sound = false;
                }
            }
        }
        sound &= voters.iter().all(|id| grouped.contains(id));
        // Each server writes groups and ids in the order of its own configuration, and numbers its groups itself.
        let by_id = |(id, _): &(String, u64)| (id.parse::<u64>().unwrap_or(u64::MAX), id.clone());
        let mut groups: Vec<_> = found.into_values().filter(|members| total(members) > 0).collect();
        for members in &mut groups {
            members.sort_by_cached_key(by_id);
        }
        groups.sort_by_cached_key(|members| members.first().map(by_id));
        Self { groups, sound }
    }

    /// The number of servers beyond a quorum: the failures that the quorum survives whichever servers fail; negative:
    /// the number of servers missing for a quorum. `None` if the groups are not valid.
    #[must_use]
    pub fn margin(&self, synced: &BTreeSet<&str>) -> Option<i64> {
        if !self.sound || self.groups.is_empty() {
            return None;
        }
        let needed = self.groups.len() / 2 + 1;
        let (mut breaks, mut lacks) = (Vec::new(), Vec::new());
        for members in &self.groups {
            let half = total(members) / 2;
            let weights = |wanted: bool| {
                let of = members.iter().filter(|(id, _)| synced.contains(id.as_str()) == wanted);
                let mut weights: Vec<u64> = of.map(|(_, weight)| *weight).collect();
                weights.sort_unstable_by(|one, other| other.cmp(one));
                weights
            };
            let present = weights(true);
            let mut sum = present.iter().fold(0_u64, |sum, weight| sum.saturating_add(*weight));
            if sum > half {
                let lost = present.iter().take_while(|weight| {
                    let holds = sum > half;
                    sum = sum.saturating_sub(**weight);
                    holds
                });
                breaks.push(lost.count());
            } else {
                let more = weights(false);
                let more = more.iter().take_while(|weight| {
                    let lacks = sum <= half;
                    sum = sum.saturating_add(**weight);
                    lacks
                });
                lacks.push(more.count());
            }
        }
        breaks.sort_unstable();
        lacks.sort_unstable();
        let sum = |costs: &[usize]| i64::try_from(costs.iter().sum::<usize>()).ok();
        match breaks.len().checked_sub(needed) {
            // The quorum is lost when `spare + 1` groups have lost their majority.
            Some(spare) => Some(sum(&breaks[..=spare])? - 1),
            None => Some(-sum(&lacks[..needed - breaks.len()])?),
        }
    }
}

fn total(members: &[(String, u64)]) -> u64 {
    members.iter().fold(0, |sum, (_, weight)| sum.saturating_add(*weight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hierarchy(groups: &[&str], weights: &[(u64, u64)]) -> (Hierarchy, BTreeSet<String>) {
        let text = |number: &dyn std::fmt::Display| number.to_string();
        let voters: BTreeSet<String> = groups.iter().flat_map(|ids| ids.split(':')).map(str::to_owned).collect();
        let groups: Vec<_> =
            groups.iter().enumerate().map(|(number, ids)| (text(&number), (*ids).to_owned())).collect();
        let weights: Vec<_> = weights.iter().map(|(id, weight)| (text(id), text(weight))).collect();
        (Hierarchy::new(&groups, &weights, &voters.iter().map(String::as_str).collect()), voters)
    }

    #[test]
    fn a_majority_of_groups_each_by_its_majority() {
        let (nine, _) = hierarchy(&["1:2:3", "4:5:6", "7:8:9"], &[]);
        for (synced, margin) in [
            ("1 2 3 4 5 6 7 8 9", 3),
            ("1 2 4 5", 0),
            ("1 2 3 4 5 6", 1),
            ("1 2 3 4", -1),
            ("1 4 7", -2),
            ("1 2 3", -2),
            ("", -4),
        ] {
            assert_eq!(nine.margin(&synced.split_whitespace().collect()), Some(margin), "{synced}");
        }
        // One server outweighs its group; a group without weight does not count.
        let (weighted, _) = hierarchy(&["1:2:3", "4"], &[(1, 10), (4, 0)]);
        assert_eq!(weighted.margin(&["1"].into()), Some(0));
        assert_eq!(weighted.margin(&["2", "3", "4"].into()), Some(-1));
    }

    #[test]
    fn groups_that_zookeeper_would_refuse_are_not_computed() {
        let voters: BTreeSet<&str> = ["1", "2"].into();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (groups, weights) in [
            (vec![pair("1", "1")], vec![]),
            (vec![pair("1", "1:2"), pair("2", "2")], vec![]),
            (vec![pair("1", "1:2")], vec![pair("1", "-1")]),
            (vec![], vec![pair("1", "1")]),
        ] {
            assert_eq!(Hierarchy::new(&groups, &weights, &voters).margin(&voters), None, "{groups:?} {weights:?}");
        }
    }

    #[test]
    fn order_and_numbers_of_groups_are_irrelevant_and_repeated_ids_are_bounded() {
        let voters: BTreeSet<&str> = ["1", "2", "10"].into();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (groups, weights) = ([pair("1", "1:2"), pair("2", "10")], [pair("2", "3")]);
        let made = Hierarchy::new(&groups, &weights, &voters);
        for other in [[pair("2", "2:1"), pair("1", "10")], [pair("7", "10"), pair("1", "2:1")]] {
            assert_eq!(Hierarchy::new(&other, &weights, &voters), made, "{other:?}");
        }
        assert_eq!(made.to_string(), "1:2*3 10");
        let repeated = Hierarchy::new(&[pair("1", &"1:".repeat(100_000))], &[], &voters);
        assert_eq!((repeated.groups[0].len(), repeated.margin(&voters)), (1, None));
    }

    proptest! {
        /// The margin equals the result of an exhaustive search over all failures.
        #[test]
        fn the_margin_equals_that_of_an_exhaustive_search(
            group_of in proptest::collection::vec(0..3_usize, 1..8),
            weights in proptest::collection::vec(0..4_u64, 8),
            mask in any::<u8>(),
        ) {
            let mut groups = vec![Vec::new(); 3];
            for (id, group) in group_of.iter().enumerate() {
                groups[*group].push(id.to_string());
            }
            let texts: Vec<String> = groups.iter().filter(|ids| !ids.is_empty()).map(|ids| ids.join(":")).collect();
            let given: Vec<_> = (0..group_of.len()).map(|id| (id as u64, weights[id])).collect();
            let (made, voters) = hierarchy(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &given);
            let ids: Vec<&str> = voters.iter().map(String::as_str).collect();
            let set = |mask: usize| -> BTreeSet<&str> {
                ids.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, id)| *id).collect()
            };
            // `QuorumHierarchical.containsQuorum`.
            let holds = |mask: usize| {
                let weight = |id: &str| weights[id.parse::<usize>().unwrap()];
                let of = |ids: &Vec<String>, set: &BTreeSet<&str>| -> u64 {
                    ids.iter().filter(|id| set.contains(id.as_str())).map(|id| weight(id)).sum()
                };
                let all: BTreeSet<&str> = ids.iter().copied().collect();
                let weighty: Vec<_> = groups.iter().filter(|ids| of(ids, &all) > 0).collect();
                let majorities = weighty.iter().filter(|ids| of(ids, &set(mask)) > of(ids, &all) / 2).count();
                majorities > weighty.len() / 2
            };
            let full = (1_usize << ids.len()) - 1;
            let synced = usize::from(mask) & full;
            let count = |mask: usize| i64::from(mask.count_ones());
            let expected = if holds(synced) {
                (0..=synced).filter(|rest| rest & !synced == 0 && !holds(*rest)).map(|rest| count(synced) - count(rest)).min().map(|lost| lost - 1)
            } else {
                (0..=full).filter(|more| synced & !more == 0 && holds(*more)).map(|more| count(synced) - count(more)).max()
            };
            // Without any weight no quorum is possible, and there is no margin.
            prop_assert_eq!(made.margin(&set(synced)), expected);
        }
    }
}
