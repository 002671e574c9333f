//! One member per server for names with addresses of both families.
//!
//! The IPv4 and IPv6 addresses of a server cannot be paired by name. One family is queried as the members, and the
//! other one in addition until the result is settled: the family with more replies has the members, a server reached
//! only by the other family (its id occurs nowhere else) is added, and the number of members never exceeds the number
//! of addresses of the larger family. Once every address of the first family replies, the other one is no longer
//! queried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::member::Query;
use super::report::MemberReport;

/// State per name: which family has the members, and the addresses for which this is settled.
#[derive(Debug, Default)]
pub(super) struct Families {
    of: BTreeMap<Arc<str>, Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    ipv6: bool,
    settled: Vec<SocketAddr>,
}

/// The addresses of a name, by use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parted {
    /// The addresses that are members.
    pub(super) members: Vec<SocketAddr>,
    /// The addresses of the other family; queried until the result is settled.
    pub(super) others: Vec<SocketAddr>,
}

impl Families {
    /// Evicts names that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(&Arc<str>) -> bool) {
        self.of.retain(|name, _| is_there(name));
    }

    /// Splits the addresses of a name. Without state, the larger family is first; of equals, IPv4.
    pub(super) fn part(&self, name: &Arc<str>, addresses: &[SocketAddr]) -> Parted {
        let (v6, v4): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses.iter().partition(|address| is_v6(address));
        if v6.is_empty() || v4.is_empty() {
            return Parted { members: addresses.to_vec(), others: Vec::new() };
        }
        let choice = self.of.get(name);
        let ipv6 = choice.map_or(v6.len() > v4.len(), |choice| choice.ipv6);
        let (members, others) = if ipv6 { (v6, v4) } else { (v4, v6) };
        let is_settled = choice.is_some_and(|choice| choice.settled == addresses);
        Parted { members, others: if is_settled { Vec::new() } else { others } }
    }

    /// Queries the other family again if an address of the first one is silent: its server may still be reachable there.
    pub(super) fn reopen(&mut self, silent: &[SocketAddr]) {
        let of_silent = |choice: &&mut Choice| choice.settled.iter().any(|address| silent.contains(address));
        self.of.values_mut().filter(of_silent).for_each(|choice| choice.settled.clear());
    }

    /// Records which family replied, and whether the other one can be skipped while the addresses stay the same.
    fn note(&mut self, name: &Arc<str>, ipv6: bool, settled: Vec<SocketAddr>) {
        self.of.insert(Arc::clone(name), Choice { ipv6, settled });
    }
}

/// An IPv4-mapped IPv6 address counts as IPv4.
fn is_v6(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_ipv6()
}

/// A name with addresses of both families in one round: indices of members and of others.
#[derive(Debug)]
pub(super) struct NamedHost {
    pub(super) name: Arc<str>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) members: Vec<usize>,
    pub(super) others: Vec<usize>,
}

/// Result of an address: its query, its report, whether its `conf` was read.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) asked: Query,
    pub(super) report: MemberReport,
    pub(super) told: bool,
}

/// The members among the queried ones and the others. `members` that belong to no such name are kept.
pub(super) fn settle(
    families: &mut Families,
    names: &[NamedHost],
    members: Vec<Answer>,
    others: &[Answer],
) -> Vec<Answer> {
    let mut members: Vec<Option<Answer>> = members.into_iter().map(Some).collect();
    let mut more = Vec::new();
    for name in names {
        let take = |place: &usize| members.get_mut(*place).and_then(Option::take);
        let asked: Vec<Answer> = name.members.iter().filter_map(take).collect();
        let beside: Vec<Answer> = name.others.iter().filter_map(|place| others.get(*place)).cloned().collect();
        let up = |answers: &[Answer]| answers.iter().filter(|answer| answer.report.up).count();
        let most = asked.len().max(beside.len());
        let swap = up(&beside) > up(&asked);
        let (mut first, second) = if swap { (beside, asked) } else { (asked, beside) };
        let ids: BTreeSet<String> = first.iter().filter(|answer| answer.report.up).filter_map(id).collect();
        let is_new = |answer: &&Answer| answer.report.up && id(answer).is_some_and(|id| !ids.contains(&id));
        let added: Vec<Answer> = second.iter().filter(is_new).cloned().collect();
        // A server that replies at its other address is silent at the one queried first.
        for extra in &added {
            let silent = |answer: &Answer| !answer.report.up;
            let known =
                first.iter().position(|answer| silent(answer) && id(answer).is_some() && id(answer) == id(extra));
            let any = || first.iter().position(silent).filter(|_| first.len() + added.len() > most);
            if let Some(place) = known.or_else(any) {
                first.remove(place);
            }
        }
        let is_clear =
            added.is_empty() && !second.is_empty() && second.len() <= first.len() && up(&first) == first.len();
        let ipv6 = first.first().is_some_and(|answer| answer.report.name.starts_with('['));
        families.note(&name.name, ipv6, if is_clear { name.addresses.clone() } else { Vec::new() });
        let place = name.members.first().copied().unwrap_or(usize::MAX);
        more.push((place, first.into_iter().chain(added).collect::<Vec<_>>()));
    }
    let mut settled = Vec::with_capacity(members.len());
    for (place, member) in members.into_iter().enumerate() {
        settled.extend(member);
        for (_, answers) in more.extract_if(.., |(first, _)| *first == place) {
            settled.extend(answers);
        }
    }
    settled.extend(more.into_iter().flat_map(|(_, answers)| answers));
    settled
}

/// The server id that an address reported, now or earlier.
fn id(answer: &Answer) -> Option<String> {
    answer.report.conf.as_ref().map(|conf| conf.server_id.clone()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::config::Address;
    use crate::ensemble::Member;
    use crate::scrape::State;
    use crate::scrape::member::Location;
    use crate::scrape::memory::Memory;
    use crate::scrape::reading::SeenConf;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    /// Replies of addresses: an id, `?` without one, `-` for none.
    fn answers(addresses: &[SocketAddr], ids: &str) -> Vec<Answer> {
        let answer = |(address, id): (&SocketAddr, char)| {
            let member = Member::from(Address::from(*address));
            let mut report = MemberReport::silent(Arc::clone(&member.name));
            report.up = id != '-';
            report.state = if report.up { State::Follower } else { State::NoAnswer };
            let conf = || SeenConf { server_id: id.to_string(), ..SeenConf::default() };
            report.conf = id.is_ascii_digit().then(|| Arc::new(conf()));
            let asked = Query {
                member,
                memory: Arc::new(Memory::default()),
                place: Location::ByName,
                head_start: 0.0,
                sent: OnceLock::new(),
            };
            Answer { asked, report, told: true }
        };
        addresses.iter().zip(ids.chars()).map(answer).collect()
    }

    /// Runs two rounds; returns the members of each, and whether a third would query the other family.
    fn rounds(v4: &[&str], v4_ids: &str, v6: &[&str], v6_ids: &str) -> (Vec<String>, bool) {
        let mut families = Families::default();
        let name: Arc<str> = "zk:2181".into();
        let all = addresses(&[v4, v6].concat());
        let id_of: BTreeMap<SocketAddr, char> = all.iter().copied().zip(format!("{v4_ids}{v6_ids}").chars()).collect();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let parted = families.part(&name, &all);
            let ids = |of: &[SocketAddr]| of.iter().map(|address| id_of[address]).collect::<String>();
            let names = [NamedHost {
                name: Arc::clone(&name),
                addresses: all.clone(),
                members: (0..parted.members.len()).collect(),
                others: (0..parted.others.len()).collect(),
            }];
            let (asked, others) =
                (answers(&parted.members, &ids(&parted.members)), answers(&parted.others, &ids(&parted.others)));
            let names: &[NamedHost] = if parted.others.is_empty() { &[] } else { &names };
            let settled = settle(&mut families, names, asked, &others);
            let members: Vec<String> = settled.iter().map(|answer| answer.report.name.to_string()).collect();
            assert!(seen.is_empty() || seen == members, "{seen:?} {members:?}");
            seen = members;
        }
        let asks_others = !families.part(&name, &all).others.is_empty();
        (seen, asks_others)
    }

    const V4: [&str; 3] = ["10.0.0.1:2181", "10.0.0.2:2181", "10.0.0.3:2181"];
    const V6: [&str; 3] = ["[fd00::1]:2181", "[fd00::2]:2181", "[fd00::3]:2181"];

    #[test]
    fn a_dual_stack_name_has_one_member_for_each_server() {
        for (v4_ids, v6_ids, members, asks_others) in [
            // Both families answer; servers listen on one family only; no ids are known.
            ("123", "123", &V4[..], false),
            ("123", "---", &V4, false),
            ("---", "123", &V6, false),
            ("???", "???", &V4, false),
            ("???", "---", &V4, false),
            // One server is down in both families.
            ("12-", "12-", &V4, true),
            ("12-", "---", &V4, true),
            ("---", "12-", &V6, true),
            // Server 3 replies only at its other address.
            ("12-", "123", &V6, false),
            ("12-", "--3", &["10.0.0.1:2181", "10.0.0.2:2181", "[fd00::3]:2181"], true),
            ("---", "---", &V4, true),
        ] {
            let (seen, asks) = rounds(&V4, v4_ids, &V6, v6_ids);
            assert_eq!(
                (seen, asks),
                (members.iter().map(ToString::to_string).collect(), asks_others),
                "{v4_ids} {v6_ids}"
            );
        }
        // A server has one family only.
        let (seen, asks) = rounds(&V4[..2], "12", &V6, "123");
        assert_eq!((seen.len(), asks), (3, false));
        let (seen, _) = rounds(&V4, "123", &V6[..1], "4");
        assert_eq!(seen, [&V4[..], &V6[..1]].concat());
        // A standalone server behind both families is one member.
        assert_eq!(rounds(&V4[..1], "0", &V6[..1], "0").0, V4[..1]);
        assert_eq!(rounds(&V4[..1], "?", &V6[..1], "?").0, V4[..1]);
    }

    #[test]
    fn the_other_family_is_queried_again_when_an_address_stops_replying() {
        let (mut families, name) = (Families::default(), Arc::from("zk:2181"));
        let all = addresses(&[&V4[..], &V6[..]].concat());
        families.note(&name, false, all.clone());
        assert!(families.part(&name, &all).others.is_empty());
        families.reopen(&addresses(&["10.0.0.9:2181"]));
        assert!(families.part(&name, &all).others.is_empty());
        families.reopen(&addresses(&V4[..1]));
        assert_eq!(families.part(&name, &all).others, addresses(&V6));
    }

    #[test]
    fn names_of_one_family_are_unchanged() {
        let families = Families::default();
        let parted = families.part(&"zk:2181".into(), &addresses(&V6));
        assert_eq!(parted, Parted { members: addresses(&V6), others: vec![] });
    }
}
