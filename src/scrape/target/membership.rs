//! Which reported membership an ensemble follows (`discovery: conf`).

use std::sync::Arc;

use tokio::time::Instant;

use super::{Remembered, Target};
use crate::ensemble::{Membership, ReportedMembership};
use crate::scrape::member::Query;
use crate::scrape::report::{MemberReport, State};
use crate::text;

impl Target {
    /// Adopts the newest membership that serving members reported in this scrape. `own` are all members of the ensemble
    /// in this scrape.
    pub(super) fn follow(&self, remembered: &mut Remembered, fresh: &[(&Query, &MemberReport)], own: &[&MemberReport]) {
        let mut best: Option<(bool, ReportedMembership)> = None;
        for (asked, report) in fresh {
            let Some(conf) = &report.conf else { continue };
            if self.ensemble.members.iter().any(|seed| seed.name == asked.member.name) {
                let id = Some(conf.server_id.clone()).filter(|id| !id.is_empty());
                let known = remembered.ids.entry(Arc::clone(&asked.member.name)).or_insert_with(|| id.clone());
                // A member that reports several ids is a proxy for several servers.
                *known = known.take().filter(|known| Some(known) == id.as_ref());
            }
            let serves = matches!(report.state, State::Leader | State::Follower | State::Observer);
            let Some(membership) = conf.membership.clone().filter(|_| serves) else { continue };
            let leads = report.state == State::Leader;
            if !leads && !is_confirmed(&membership, own) {
                continue;
            }
            let told = ReportedMembership { membership, by: asked.member.address.clone(), id: conf.server_id.clone() };
            let newer = best
                .as_ref()
                .is_none_or(|(led, other)| (told.membership.version, leads) > (other.membership.version, *led));
            if newer {
                best = Some((leads, told));
            }
        }
        let Some((leads, told)) = best else { return };
        // An older version is accepted only from a leader: the ensemble was recreated.
        let known = remembered.told.as_ref().map(|known| known.membership.version);
        if known.is_some_and(|known| told.membership.version <= known && !leads) {
            return;
        }
        let changed = remembered.told.as_ref().is_none_or(|known| known.membership != told.membership);
        if changed {
            let servers: Vec<_> = told.membership.servers.iter().map(|server| server.id.as_str()).collect();
            let servers = text::fact(&servers.join(","));
            let (ensemble, version) = (&*self.ensemble.name, told.membership.version);
            if self.log.take(Instant::now()).is_some() {
                tracing::info!(ensemble, version, by = %told.by, servers, "membership");
            }
            remembered.told = Some(told);
        }
    }
}

/// Whether more than one member states this membership, or only one states any: a single follower may be wrong, and its
/// version may be higher than that of the others.
fn is_confirmed(membership: &Membership, own: &[&MemberReport]) -> bool {
    // The last `conf` of a member that no longer serves may be obsolete.
    let serving = || own.iter().filter(|member| member.state.serves());
    let stated = || serving().filter_map(|member| member.conf.as_ref()?.membership.as_ref());
    stated().count() <= 1 || stated().filter(|other| other.version == membership.version).count() > 1
}
