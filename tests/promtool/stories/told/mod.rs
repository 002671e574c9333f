//! The stories by subject.

mod clusters;
mod discovery;
mod flapping;
mod load;
mod members;
mod quorum;
mod restarts;
mod together;
mod watcher;

use super::story::Story;

/// Stories that fail with the current rules, and why. Empty if all pass.
pub const KNOWN_TO_FAIL: &[(&str, &str)] = &[];

/// All stories.
pub fn stories() -> Vec<Story> {
    [
        members::stories(),
        quorum::stories(),
        watcher::stories(),
        discovery::stories(),
        clusters::stories(),
        flapping::stories(),
        restarts::stories(),
        together::stories(),
        load::stories(),
        // The gate selects variants by position: later stories come last, so that the earlier ones keep theirs.
        discovery::mixed_faults(),
        load::deployments(),
        watcher::one_job(),
        flapping::rare_gaps(),
        restarts::rare_scrapes(),
        flapping::thirds(),
        members::without_a_vote(),
    ]
    .concat()
}
