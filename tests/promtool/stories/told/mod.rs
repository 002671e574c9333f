//! The stories, by what they are about.

mod clusters;
mod discovery;
mod load;
mod members;
mod quorum;
mod restarts;
mod watcher;

use super::story::Story;

/// Stories that the rules do not hold yet, and why. Empty when all is right.
pub const KNOWN_TO_FAIL: &[(&str, &str)] = &[
    ("answers-one-scrape-in-six", "a member that serves now and then is not named"),
    ("crash-loop-of-one-in-five", "a member that alternates between down and not serving is not named for long"),
    ("dead-member-removed-by-a-roll-out", "MemberDown goes on for an hour"),
    ("exporter-dead", "EnsembleUnwatched ends after an hour"),
    ("exporter-gone-from-discovery", "EnsembleUnwatched ends after an hour"),
    ("full-disk-flaps", "a member that alternates between down and not serving is not named for long"),
    ("no-quorum-three-quarters-of-the-time", "QuorumLost comes and goes"),
    ("observer-dead", "MemberDown of an observer is critical"),
    ("one-exporter-dies-with-the-quorum", "the last figures of a dead exporter delay QuorumLost"),
    ("one-of-two-exporters-is-blind", "no alert says so"),
    ("pod-of-five-gone-from-the-name", "no alert says so"),
    ("probe-target-dead", "EnsembleUnwatched ends after an hour, and ExporterDown does not know the target"),
    ("quorum-lost-while-the-exporter-moves", "QuorumLost resolves in a gap"),
    ("silent-90-of-120-seconds", "a member that serves now and then is not named"),
    ("the-blind-exporter-is-left-alone", "MemberDown of members that one exporter does not reach"),
    ("three-pods-of-five-gone-from-the-name", "the last figures of pods that are gone delay QuorumLost"),
    ("two-clusters-exporter-of-one-dead", "joins lack the label cluster"),
    ("two-clusters-exporter-of-one-gone", "joins lack the label cluster"),
    ("two-clusters-probe-target-of-one-dead", "joins lack the label cluster"),
];

/// All stories.
pub fn stories() -> Vec<Story> {
    [
        members::stories(),
        quorum::stories(),
        watcher::stories(),
        discovery::stories(),
        clusters::stories(),
        restarts::stories(),
        load::stories(),
    ]
    .concat()
}
