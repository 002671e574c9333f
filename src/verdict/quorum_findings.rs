//! Findings about the quorum, worded no more certain than the observations.

use super::finding::{DOWN, FindingList, Level, MAX_SHOWN, plural, reasons};
use super::leaders::sync_timeout;
use super::loss::decisive;
use super::{LeaderState, VotersSource};
use crate::scrape::{MemberReport, State};

const NO_LEADER: &str = "docs/runbooks/ZooKeeperQuorumLost.md";
const UNREACHABLE: &str = "docs/runbooks/ZooKeeperEnsembleUnreachable.md";
const MARGIN: &str = "docs/runbooks/ZooKeeperQuorumMarginZero.md";
const HIDDEN: &str = "docs/verdicts.md#hidden-leader";

impl FindingList<'_> {
    pub(super) fn quorum(&mut self) {
        let quorum = self.verdict.quorum;
        if self.verdict.members_up == 0 {
            self.no_member_up();
            return;
        }
        match self.verdict.leader_state {
            LeaderState::Seen => self.led(),
            LeaderState::Hidden => self.hidden(),
            LeaderState::Silent => self.silent(),
            LeaderState::None => self.unled(),
        }
        let voters = quorum.voters;
        if voters > 1
            && voters.is_multiple_of(2)
            && quorum.source != VotersSource::Configuration
            && !quorum.hierarchical
        {
            let text = format!("{voters} voters tolerate no more failures than {}; add or remove one.", voters - 1);
            self.add(Level::Notice, "docs/runbooks/ZooKeeperEnsembleEvenSize.md", text);
        }
    }

    fn no_member_up(&mut self) {
        let members = &self.report.members;
        let why = reasons(members);
        if self.verdict.any_unknown {
            return;
        }
        let text = match members.len() {
            1 => format!("{} does not answer{why}, and no other member is queried.", self.name(0)),
            number => format!(
                "None of the {number} members answers{why}: the ensemble is down, or the exporter is cut off from it."
            ),
        };
        self.add(Level::Critical, if members.len() == 1 { DOWN } else { UNREACHABLE }, text);
    }

    /// A leader replies.
    fn led(&mut self) {
        let quorum = self.verdict.quorum;
        let Some(leader) = self.verdict.leader.map(|place| self.name(place).to_owned()) else { return };
        let (voters, synced) = (quorum.voters, quorum.synced.unwrap_or(0));
        let needed = quorum.majority().map_or_else(String::new, |majority| format!("; {majority} are needed"));
        let counted = quorum.counted.unwrap_or(synced);
        if quorum.undecided {
            let text = format!(
                "{leader} leads with {counted} of {voters} voters in sync{needed}: an oracle decides (oraclePath), or it \
                 is about to step down."
            );
            self.add(Level::Warning, "docs/verdicts.md#a-leader-without-a-majority", text);
            return;
        }
        match quorum.margin() {
            None if quorum.unsupported => {
                let text = "The groups and weights of the membership are invalid: whether there is a quorum cannot be computed.";
                self.add(Level::Notice, "docs/verdicts.md#hierarchical-quorums", text.into());
            }
            None if self.verdict.any_unknown => {}
            None if !quorum.incomplete => {
                let text = format!(
                    "{leader} does not report how many voters are in sync with it, and too few others answer: whether \
                     there is a quorum is not known."
                );
                self.add(Level::Warning, "docs/runbooks/ZooKeeperMntrMissing.md", text);
            }
            None => {
                let text = format!("Fewer members are queried than the {voters} that vote: the quorum is unknown.");
                self.add(Level::Notice, "docs/verdicts.md#leader-not-queried", text);
            }
            Some(margin) if margin < 0 && quorum.counted.is_some() => {
                let what = if quorum.hierarchical { "no majority of the groups" } else { "fewer than a majority" };
                let text = format!(
                    "No quorum: {leader} leads with {counted} of {voters} voters in sync{needed}. While it counts {what}, \
                     its writes do not succeed."
                );
                self.add(Level::Critical, NO_LEADER, text);
            }
            Some(margin) if margin < 0 => {
                let text = format!(
                    "No majority answers the exporter: {leader} leads, and {synced} of {voters} voters are seen in \
                     sync{needed}. The others are down, or unreachable from the exporter."
                );
                self.add(Level::Critical, NO_LEADER, text);
            }
            Some(0) if voters > 1 && quorum.hierarchical => self.margin_of_groups_zero(synced),
            Some(0) if voters > 1 && counted > synced => {
                let text = format!(
                    "{synced} of {voters} voters are seen in sync, exactly a majority: one more failure may stop the ensemble. \
                     The leader itself counts {counted}."
                );
                self.add(Level::Warning, MARGIN, text);
            }
            Some(0) if voters > 1 => {
                let text = format!(
                    "{synced} of {voters} voters are in sync, exactly a majority: one more failure stops the ensemble."
                );
                self.add(Level::Warning, MARGIN, text);
            }
            Some(_) => {}
        }
    }

    /// With groups and weights, not every voter is needed.
    fn margin_of_groups_zero(&mut self, synced: u64) {
        let decisive = decisive(self.report);
        let effect = match decisive.as_slice() {
            [] => "one more failure may stop the ensemble".to_owned(),
            [one] => format!("the loss of {} stops the ensemble", self.name(*one)),
            more => {
                let shown = self.names(&more[..more.len().min(MAX_SHOWN)]);
                let others = if more.len() > MAX_SHOWN { " or another one" } else { "" };
                format!("the loss of any one of {shown}{others} stops the ensemble")
            }
        };
        let voters = self.verdict.quorum.voters;
        let text = format!("{synced} of {voters} voters are in sync: by their groups and weights, {effect}.");
        self.add(Level::Warning, MARGIN, text);
    }

    /// Members follow a leader that does not reply as one, and there is no sign that it hangs.
    fn hidden(&mut self) {
        let quorum = self.verdict.quorum;
        let text = match (self.verdict.suspect, self.verdict.leader) {
            (Some(suspect), Some(_)) => format!(
                "{} leads and serves no clients (leaderServes=no): the others have followed a leader for longer than they \
                 would follow one that hangs, and no other member can be the leader. Set `admin:` in its module to read \
                 its metrics as well.",
                self.name(suspect)
            ),
            (Some(suspect), None) => format!(
                "{} reports that it serves no clients while the others follow a leader: it leads with leaderServes=no, or has \
                 just stepped down{}.",
                self.name(suspect),
                self.sync_timeout()
            ),
            (None, _) if self.verdict.any_unknown => return,
            (None, _) if quorum.incomplete => format!(
                "Fewer members are queried than the {} that vote, and the leader is not among them.",
                quorum.voters
            ),
            (None, _) => format!(
                "No member answers as leader, but {} one: it is not visible to the exporter.",
                plural(self.following(), "member follows", "members follow")
            ),
        };
        let guide = if quorum.incomplete { "docs/verdicts.md#leader-not-queried" } else { HIDDEN };
        self.add(Level::Notice, guide, text);
        if let (Some(0), Some(synced)) = (quorum.margin(), quorum.synced) {
            if quorum.hierarchical {
                return self.margin_of_groups_zero(synced);
            }
            let text = format!(
                "{synced} of {} voters are seen in sync, exactly a majority: one more failure may stop the ensemble.",
                quorum.voters
            );
            self.add(Level::Warning, MARGIN, text);
        }
    }

    /// Members follow a leader that may hang.
    fn silent(&mut self) {
        let text = format!(
            "The leader does not answer, and {} it. If it hangs, no write succeeds until they abandon it{}; it may also \
             be unreachable from the exporter only.",
            plural(self.following(), "member follows", "members follow"),
            self.sync_timeout(),
        );
        self.add(Level::Critical, "docs/runbooks/ZooKeeperLeaderSilent.md", text);
    }

    /// No member leads or follows.
    fn unled(&mut self) {
        let quorum = self.verdict.quorum;
        if quorum.margin().is_none() {
            // Already reported: the leader may be a voter that was not queried.
            return;
        }
        let answering = (0..self.report.members.len())
            .filter(|place| self.verdict.votes[*place] && self.report.members[*place].up)
            .count();
        let needed = match quorum.majority() {
            Some(majority) => format!("fewer than {majority} of {} voters reach each other", quorum.voters),
            None => "no majority of the groups is complete".to_owned(),
        };
        let text = format!(
            "No quorum answers the exporter: {}, and none leads or follows. An election is in progress, {needed}, or the \
             others serve and are unreachable from the exporter.",
            plural(answering, "voter answers", "voters answer")
        );
        self.add(Level::Critical, NO_LEADER, text);
    }

    fn following(&self) -> usize {
        let follows = |member: &&MemberReport| matches!(member.state, State::Follower | State::Observer);
        self.report.members.iter().filter(follows).count()
    }

    /// How long followers wait for a silent leader, if their `conf` is known.
    fn sync_timeout(&self) -> String {
        let own = self.report.members.iter().enumerate().filter(|(place, _)| !self.verdict.strangers.contains(place));
        sync_timeout(own.map(|(_, member)| member))
            .map_or_else(String::new, |time| format!(" (syncLimit: within {} s)", time.as_millis().div_ceil(1000)))
    }
}
