//! Which member leads, and which ones only believe so; and followers whose leader is not visible.
//!
//! A leader may be alive and answer nothing but "not serving" (`leaderServes=no`), or not be among the members asked.
//! What tells it from one that hangs is time: followers give a silent leader up after `syncLimit` ticks.

use std::cmp::Reverse;
use std::time::Duration;

use super::membership_groups::Groups;
use crate::reply::Number;
use crate::scrape::{EnsembleReport, MemberReport, State};

/// Whether the leader of an ensemble is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderState {
    /// It answers, or the one server stands alone.
    Seen,
    /// Members follow one that does not answer as leader, and nothing says that it hangs.
    Hidden,
    /// Members follow one that is silent, for no longer than they would follow one that hangs.
    Silent,
    /// No leader and no follower.
    #[default]
    None,
}

impl LeaderState {
    /// All of them, in the order of the page.
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

/// Which members call themselves leader, each list sorted.
#[derive(Debug, Default)]
pub(super) struct Leading {
    /// Those that lead the ensemble that is judged: two are a split brain.
    pub(super) leaders: Vec<usize>,
    /// The leader; of several, that of the newest epoch.
    pub(super) leader: Option<usize>,
    /// Those that can decide nothing.
    pub(super) stale: Vec<usize>,
    pub(super) state: LeaderState,
    /// The one member that can lead while none answers as leader: it says that it does not serve.
    pub(super) suspect: Option<usize>,
    /// Members have followed a leader that does not answer for longer than they would follow one that hangs.
    pub(super) proven: bool,
}

/// Finds them.
pub(super) fn find(report: &EnsembleReport, groups: &Groups<'_>) -> Leading {
    let mut found = Leading::default();
    let members = &report.members;
    let claim = |place: &usize| members[*place].state == State::Leader && groups.is_counted(*place);
    let mut claimants: Vec<usize> = (0..members.len()).filter(claim).collect();
    // The newest epoch first, and in one epoch the one with most followers.
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

/// What members that follow say of a leader that does not answer as one.
fn find_hidden(report: &EnsembleReport, groups: &Groups<'_>, found: &mut Leading) {
    let members = &report.members;
    let counted = || (0..members.len()).filter(|place| groups.is_counted(*place));
    let follows = |place: &usize| matches!(members[*place].state, State::Follower | State::Observer);
    if !counted().any(|place| follows(&place)) {
        return;
    }
    let longest = patience(members).unwrap_or(DEFAULT_PATIENCE);
    let in_role = |place: usize| members[place].figure("uptime").map(Number::as_f64);
    let long_enough = |place: &usize| in_role(*place).is_none_or(|seconds| seconds > longest.as_secs_f64());
    found.proven = report.known.unseen.is_some_and(|unseen| unseen > longest)
        && counted().filter(follows).any(|place| long_enough(&place));

    let candidates: Vec<usize> = counted().filter(|place| groups.votes[*place] && !follows(place)).collect();
    let is_silent = |place: &usize| !members[*place].up && !is_unknown(&members[*place]);
    let speaks = candidates.iter().any(|place| !is_silent(place));
    let all_silent = !speaks && groups.not_asked_count == 0 && !candidates.is_empty();
    found.state = if found.proven || !all_silent { LeaderState::Hidden } else { LeaderState::Silent };

    let not_serving = |place: &usize| members[*place].state == State::NotServing;
    let epoch = counted().filter(follows).filter_map(|place| members[place].epoch()).max();
    let last = report.known.leader.as_ref();
    let led_last =
        |place: &usize| last.is_some_and(|last| last.member == members[*place].name && Some(last.epoch) == epoch);
    // Where the leader before served no clients, the next one serves none either.
    let is_usual = last.is_some_and(|last| last.serves_no_clients);
    let mut silent_on_purpose = candidates.iter().copied().filter(not_serving);
    let only = match (candidates.iter().copied().find(led_last), &candidates[..]) {
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

/// For how long members follow a leader that hangs, by what they state: `syncLimit` ticks, and one until it is noticed.
pub(super) fn patience(members: &[MemberReport]) -> Option<Duration> {
    let setting = |member: &MemberReport, key: &str| {
        let conf = member.conf.as_ref()?;
        conf.settings.iter().find(|(name, _)| name == key)?.1.parse::<u64>().ok()
    };
    let ticks =
        |member: &MemberReport| setting(member, "syncLimit")?.checked_add(1)?.checked_mul(setting(member, "tickTime")?);
    members.iter().filter_map(ticks).max().map(Duration::from_millis)
}

/// Where no member states it. `ZooKeeper`'s own example has 5 ticks of 2 s.
pub(super) const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

/// Whether the exporter could not ask a member, for reasons of its own: nothing is known of it.
pub(super) fn is_unknown(member: &MemberReport) -> bool {
    member.state == State::Unknown
}

/// Whether a member leads beside another one of the same ensemble whose epoch is not older.
///
/// Two of one epoch do. One of an older epoch cannot decide anything once a majority has accepted the newer one, and
/// goes on claiming followers that left it until it notices; it counts only if so many followers answer that both
/// leaders can have theirs.
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

/// The voters in sync with a leader, itself left out, as it says; `None` where it does not.
///
/// `ZooKeeper` counts followers without a vote among `synced_followers`; Keeper, whose versions are not `ZooKeeper`'s,
/// counts its learners apart.
pub(super) fn followers(leader: &MemberReport) -> Option<u64> {
    let synced = leader.count("synced_followers")?;
    let is_keeper = leader.identity.as_ref().is_some_and(|identity| crate::reply::release(&identity.version).is_none());
    let without_vote = if is_keeper { 0 } else { leader.count("synced_non_voting_followers").unwrap_or(0) };
    Some(synced.saturating_sub(without_vote))
}
