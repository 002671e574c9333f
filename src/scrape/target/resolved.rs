//! Members that are the addresses of names (`discovery: dns`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Answered, FRESH, Present, Resolved, STALE, Target};
use crate::config::Address;
use crate::ensemble::{Member, by_addresses};
use crate::scrape::dual_stack;
use crate::scrape::member::{Location, Query};
use crate::scrape::report::{EnsembleReport, MemberReport};
use crate::wire::{self, Failure};

impl Target {
    /// The addresses of all names as members; a name without addresses is a failed member.
    pub(super) async fn resolved(&self, deadline: Instant, cap: usize) -> Present {
        let now = Instant::now();
        // A hanging resolver leaves half of the time for the members.
        let until = now + deadline.saturating_duration_since(now) / 2;
        let mut looks = JoinSet::new();
        for (place, name) in self.ensemble.members.iter().enumerate() {
            let fresh = |found: &Resolved| now.duration_since(found.at) < FRESH;
            if !self.lock().names.get(&name.name).is_some_and(fresh) {
                let address = name.address.clone();
                looks.spawn(async move { (place, wire::resolve_all(&address, until).await) });
            }
        }
        let mut lost: BTreeMap<usize, Failure> = BTreeMap::new();
        while let Some(look) = looks.join_next().await {
            let Ok((place, found)) = look else { continue };
            let name = Arc::clone(&self.ensemble.members[place].name);
            match found {
                Ok(addresses) => {
                    self.lock().names.insert(name, Resolved { at: now, addresses });
                }
                Err(failure) => {
                    lost.insert(place, failure);
                }
            }
        }
        let mut remembered = self.lock();
        let names = &self.ensemble.members;
        remembered.names.retain(|name, found| {
            now.duration_since(found.at) < STALE && names.iter().any(|member| member.name == *name)
        });
        let addresses = |name: &Member| remembered.names.get(&name.name).map(|found| found.addresses.clone());
        let found: Vec<_> = names.iter().filter_map(|name| Some((name.clone(), addresses(name)?))).collect();
        let parted: Vec<_> =
            found.iter().map(|(name, addresses)| remembered.families.part(&name.name, addresses)).collect();
        remembered.families.keep(|name| found.iter().any(|(member, _)| member.name == *name));
        let of = |which: fn(&dual_stack::Parted) -> &Vec<SocketAddr>| -> Vec<(Member, Vec<SocketAddr>)> {
            let names = found.iter().zip(&parted);
            names.map(|((name, _), parted)| (name.clone(), which(parted).clone())).collect()
        };
        let roster = by_addresses(&of(|parted| &parted.members), cap);
        remembered.dropped.0 += roster.over_cap;
        remembered.dropped.1 += roster.unusable;
        let others = by_addresses(&of(|parted| &parted.others), cap).members;
        let is_member = |member: &Member| roster.members.iter().any(|other| other.name == member.name);
        let others: Vec<Member> = others.into_iter().filter(|member| !is_member(member)).collect();
        let names_of_both = found.iter().zip(&parted).filter(|(_, parted)| !parted.others.is_empty());
        let places = |members: &[Member], addresses: &[SocketAddr]| -> Vec<usize> {
            let is_one = |member: &Member| addresses.iter().any(|address| Address::from(*address) == member.address);
            (0..members.len()).filter(|place| is_one(&members[*place])).collect()
        };
        let names_of_both: Vec<_> = names_of_both
            .map(|((name, addresses), parted)| dual_stack::NamedHost {
                name: Arc::clone(&name.name),
                addresses: addresses.clone(),
                members: places(&roster.members, &parted.members),
                others: places(&others, &parted.others),
            })
            .collect();
        let at = |member: Member| {
            let ip = member.address.host().parse().ok();
            let place =
                ip.map_or(Location::ByName, |ip| Location::At(vec![SocketAddr::new(ip, member.address.port())]));
            (member, place)
        };
        let mut members: Vec<_> = roster.members.into_iter().map(at).collect();
        members.extend(lost.into_iter().map(|(place, failure)| (names[place].clone(), Location::Lost(failure))));
        let count = members.len();
        members.extend(others.into_iter().map(at));
        let mut asked = self.asked(&mut remembered, members);
        let hidden = asked.split_off(count);
        Present { asked, hidden, names: names_of_both, ..Present::default() }
    }

    /// The results, with one member per server for names with addresses of both families.
    pub(in crate::scrape) fn settle(
        &self,
        present: &Present,
        report: &mut EnsembleReport,
        told: &mut Vec<bool>,
        hidden: &[Answered],
    ) -> Option<Present> {
        if present.names.is_empty() {
            return None;
        }
        let answer =
            |asked: &Query, report: MemberReport, told: bool| dual_stack::Answer { asked: asked.clone(), report, told };
        let reports = std::mem::take(&mut report.members).into_iter().zip(told.iter().copied());
        let members = present.asked.iter().zip(reports).map(|(asked, (report, told))| answer(asked, report, told));
        let others = present.hidden.iter().zip(hidden);
        let others: Vec<_> = others
            .map(|(asked, (report, told))| {
                answer(asked, MemberReport { shown: self.shown.clone(), ..report.clone() }, *told)
            })
            .collect();
        let settled = dual_stack::settle(&mut self.lock().families, &present.names, members.collect(), &others);
        *told = settled.iter().map(|answer| answer.told).collect();
        let asked = settled.iter().map(|answer| answer.asked.clone()).collect();
        report.members = settled.into_iter().map(|answer| answer.report).collect();
        Some(Present { asked, probes: present.probes, ..Present::default() })
    }
}
