//! Findings about the placement of voters: zones, and hosts with several voters.

use super::finding::{FindingList, Level, MAX_SHOWN, plural};

const ZONES: &str = "docs/runbooks/ZooKeeperZoneLossStopsQuorum.md";
const HOSTS: &str = "docs/verdicts.md#two-voters-on-one-host";

impl FindingList<'_> {
    pub(super) fn placement(&mut self) {
        self.zones();
        self.hosts();
    }

    /// The loss of a zone stops the ensemble although there is no fault now, and another placement would survive it. While
    /// a voter is missing, the margin of the ensemble is the finding.
    fn zones(&mut self) {
        let (quorum, zones) = (self.verdict.quorum, &self.verdict.zones);
        let Some(worst) = zones.worst.as_ref().filter(|_| zones.margin.is_some_and(|margin| margin < 0)) else {
            return;
        };
        if quorum.voters < 2
            || zones.is_unattainable()
            || quorum.has_quorum() != Some(true)
            || quorum.synced != Some(quorum.voters)
        {
            return;
        }
        let of_worst = zones.voters.iter().find(|(zone, _)| zone == worst);
        let holds = of_worst
            .map_or_else(String::new, |(_, count)| format!(": {count} of {} are there", plural_voters(quorum.voters)));
        let text = format!("The loss of zone {worst} stops the ensemble{holds}.");
        self.add(Level::Warning, ZONES, text);
    }

    fn hosts(&mut self) {
        let shared = self.verdict.shared_hosts.clone();
        for shared in shared.iter().take(MAX_SHOWN) {
            let named: Vec<usize> = shared.members.iter().copied().take(MAX_SHOWN).collect();
            let more = shared.members.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (level, are, so) = if shared.is_stated {
                (Level::Warning, "are on one host", "One failure takes all of them.")
            } else {
                let so = "If it is one host, not a proxy or a port mapping, one failure takes all of them.";
                (Level::Notice, "answer at one address", so)
            };
            let text = format!(
                "{} of {} {are}, {}: {}{more}. {so}",
                shared.members.len(),
                plural_voters(self.verdict.quorum.voters),
                shared.host,
                self.names(&named),
            );
            self.add(level, HOSTS, text);
        }
    }
}

fn plural_voters(number: u64) -> String {
    plural(usize::try_from(number).unwrap_or(usize::MAX), "voter", "voters")
}
