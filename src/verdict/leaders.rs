//! Identifies the leader, stale leaders of an older epoch, and followers whose leader is not visible.
//!
//! A live leader may reply only "not serving" (`leaderServes=no`), or may not be among the queried members. Time
//! distinguishes it from a hanging leader: followers abandon a silent leader after `syncLimit` ticks.

use std::cmp::Reverse;
use std::time::Duration;

use super::membership_groups::Groups;
use crate::reply::Number;
use crate::scrape::{EnsembleReport, MemberReport, State};
use crate::wire::Reason;

/// Visibility of the leader of an ensemble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderState {
    /// It replies as leader, or the ensemble is one standalone server.
    Seen,
    /// Members follow a leader that does not reply as one, and there is no sign that it hangs.
    Hidden,
    /// Members follow a silent leader, for less time than they would follow a hanging one.
    Silent,
    /// No leader and no follower.
    #[default]
    None,
}

impl LeaderState {
    /// All states, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Seen, Self::Hidden, Self::Silent, Self::None];

    /// The value of the label `state`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Hidden => "hidden",
            Self::Silent => "silent",
            Self::None => "none",
        }
    }
}

/// Members that report the role leader; each list is sorted.
#[derive(Debug, Default)]
pub(super) struct Leading {
    /// Leaders of the judged ensemble; two or more are a split brain.
    pub(super) leaders: Vec<usize>,
    /// The leader; of several, the one with the newest epoch.
    pub(super) leader: Option<usize>,
    /// Stale leaders, which cannot commit transactions.
    pub(super) stale: Vec<usize>,
    pub(super) state: LeaderState,
    /// The only candidate for the leader while no member replies as one; it reports that it is not serving.
    pub(super) suspect: Option<usize>,
    /// Members have followed a non-replying leader for longer than they would follow a hanging one.
    pub(super) proven: bool,
}

/// Identifies the leaders.
pub(super) fn find(report: &EnsembleReport, groups: &Groups<'_>) -> Leading {
    let mut found = Leading::default();
    let members = &report.members;
    let claim = |place: &usize| members[*place].state == State::Leader && groups.is_counted(*place);
    let mut claimants: Vec<usize> = (0..members.len()).filter(claim).collect();
    // Newest epoch first; within an epoch, most followers first.
    claimants.sort_by_key(|place| Reverse((members[*place].epoch(), followers(&members[*place]))));
    for place in claimants {
        if found.leaders.iter().all(|rival| is_second(report, groups, *rival, place)) {
            found.leaders.push(place);
        } else {
            found.stale.push(place);
        }
    }
    found.leader = found.leaders.first().copied();
    found.leaders.sort_unstable();
    found.stale.sort_unstable();
    if found.leader.is_some() || groups.standalone {
        found.state = LeaderState::Seen;
    } else {
        find_hidden(report, groups, &mut found);
    }
    found
}

/// Derives the state of a leader that does not reply as one from its followers.
fn find_hidden(report: &EnsembleReport, groups: &Groups<'_>, found: &mut Leading) {
    let members = &report.members;
    let counted = || (0..members.len()).filter(|place| groups.is_counted(*place));
    let follows = |place: &usize| matches!(members[*place].state, State::Follower | State::Observer);
    if !counted().any(|place| follows(&place)) {
        return;
    }
    let longest = sync_timeout(counted().map(|place| &members[place])).unwrap_or(DEFAULT_SYNC_TIMEOUT);
    let in_role = |place: usize| members[place].figure("uptime").map(Number::as_f64);
    let long_enough = |place: &usize| in_role(*place).is_none_or(|seconds| seconds > longest.as_secs_f64());
    found.proven = report.known.unseen.is_some_and(|unseen| unseen > longest)
        && counted().filter(follows).any(|place| long_enough(&place));

    let candidates: Vec<usize> = counted().filter(|place| groups.votes[*place] && !follows(place)).collect();
    let is_silent = |place: &usize| !members[*place].up && !is_unknown(&members[*place]);
    let speaks = candidates.iter().any(|place| !is_silent(place));
    // A single query does not show for how long they have followed it.
    let all_silent = !report.known.one_shot && !speaks && groups.not_asked_count == 0 && !candidates.is_empty();
    found.state = if found.proven || !all_silent { LeaderState::Hidden } else { LeaderState::Silent };

    let not_serving = |place: &usize| members[*place].state == State::NotServing;
    let epoch = counted().filter(follows).filter_map(|place| members[place].epoch()).max();
    let last = report.known.leader.as_ref();
    let led_last =
        |place: &usize| last.is_some_and(|last| last.member == members[*place].name && Some(last.epoch) == epoch);
    // If the previous leader did not serve clients, the next one will not either.
    let is_usual = last.is_some_and(|last| last.serves_no_clients);
    // A process whose port refuses connections does not lead.
    let refuses = |place: &usize| {
        let failures = &members[*place].failures;
        is_silent(place) && !failures.is_empty() && failures.iter().all(|(_, reason)| *reason == Reason::Connect)
    };
    let able: Vec<usize> = candidates.iter().copied().filter(|place| !refuses(place)).collect();
    let mut silent_on_purpose = candidates.iter().copied().filter(not_serving);
    let only = match (candidates.iter().copied().find(led_last), &able[..]) {
        (Some(last), _) => Some(last),
        (None, [one]) if groups.not_asked_count == 0 => Some(*one),
        (None, _) if is_usual => silent_on_purpose.next().filter(|_| silent_on_purpose.next().is_none()),
        (None, _) => None,
    };
    found.suspect = only.filter(not_serving);
    if let Some(suspect) = found.suspect.filter(|_| found.proven) {
        (found.leader, found.leaders) = (Some(suspect), vec![suspect]);
    }
}

/// How long members follow a hanging leader according to their settings: `syncLimit` ticks, and one until detection.
pub(super) fn sync_timeout<'m>(members: impl Iterator<Item = &'m MemberReport>) -> Option<Duration> {
    let setting = |member: &MemberReport, key: &str| {
        let conf = member.conf.as_ref()?;
        conf.settings.iter().find(|(name, _)| name == key)?.1.parse::<u64>().ok()
    };
    let ticks =
        |member: &MemberReport| setting(member, "syncLimit")?.checked_add(1)?.checked_mul(setting(member, "tickTime")?);
    members.filter_map(ticks).max().map(Duration::from_millis)
}

/// Used if no member reports its settings. ZooKeeper's sample configuration has 5 ticks of 2 s.
pub(super) const DEFAULT_SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether the exporter could not query a member because of its own limits or failures; its state is unknown.
pub(super) fn is_unknown(member: &MemberReport) -> bool {
    member.state == State::Unknown
}

/// Per member: the number of its ensemble, if two leaders of different epochs lead two ensembles.
///
/// That is so if they have more voters in sync than one ensemble has, each a majority, and as many followers answer.
/// Used where no member states a membership.
pub(super) fn by_epoch(members: &[MemberReport]) -> Vec<Option<usize>> {
    let lead = |member: &MemberReport| {
        let (size, synced) = (member.quorum_size()?, followers(member)?.saturating_add(1));
        (member.state == State::Leader && synced > size / 2).then_some((member.epoch()?, size, synced))
    };
    let mut leads: Vec<(u64, u64, u64)> = members.iter().filter_map(lead).collect();
    leads.sort_unstable();
    leads.dedup_by_key(|(epoch, ..)| *epoch);
    let &[(older, one, ours), (_, other, theirs)] = leads.as_slice() else { return vec![None; members.len()] };
    let answering =
        members.iter().filter(|member| matches!(member.state, State::Leader | State::Follower)).count() as u64;
    let synced = ours.saturating_add(theirs);
    if synced <= one.max(other) || answering < synced {
        return vec![None; members.len()];
    }
    // Until an epoch has its first transaction, its followers report an earlier one.
    members.iter().map(|member| member.epoch().map(|epoch| usize::from(epoch > older))).collect()
}

/// Whether a member leads in addition to another leader of the same ensemble.
///
/// Two leaders of the same epoch do. A leader of an older epoch cannot commit once a majority has accepted the newer
/// one, but claims followers that left it until it notices. It counts only if enough followers reply for both leaders.
fn is_second(report: &EnsembleReport, groups: &Groups<'_>, first: usize, second: usize) -> bool {
    let (newer, older) = (&report.members[first], &report.members[second]);
    let (Some(epoch), Some(other)) = (newer.epoch(), older.epoch()) else {
        return followers(older).is_some_and(|number| number > 0);
    };
    if epoch == other {
        return true;
    }
    let Some(claimed) = followers(older) else { return false };
    let voters =
        older.conf.as_ref().and_then(|conf| conf.membership.as_ref()).map(|membership| membership.voters() as u64);
    let voters = voters.or(older.count("quorum_size")).unwrap_or(u64::MAX);
    let members = report.members.iter().enumerate();
    let following =
        members.filter(|(place, member)| member.state == State::Follower && groups.is_counted(*place)).count() as u64;
    let enough = following >= claimed.saturating_add(followers(newer).unwrap_or(0));
    enough && claimed.saturating_add(1) > voters / 2
}

/// The number of voters in sync with a leader, as the leader reports it, without itself; `None` if it does not.
///
/// ZooKeeper includes followers without a vote in `synced_followers`; Keeper, whose versions differ from ZooKeeper's,
/// counts its learners separately.
pub(super) fn followers(leader: &MemberReport) -> Option<u64> {
    let synced = leader.count("synced_followers")?;
    let is_keeper = leader.identity.as_ref().is_some_and(|identity| crate::reply::release(&identity.version).is_none());
    let without_vote = if is_keeper { 0 } else { leader.count("synced_non_voting_followers").unwrap_or(0) };
    Some(synced.saturating_sub(without_vote))
}
