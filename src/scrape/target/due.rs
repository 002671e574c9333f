//! Probes that are sent in some rounds only: digests and clients.

use tokio::time::Instant;

use super::Target;

/// The probes that a round sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::scrape) struct DueProbes {
    /// Data digests.
    pub(in crate::scrape) digests: bool,
    /// Client connections.
    pub(in crate::scrape) clients: bool,
}

impl Target {
    /// What this round sends. A one-shot query keeps no state, which comparisons and rates need.
    pub(super) fn due_probes(&self) -> DueProbes {
        if self.probes.is_none() {
            return DueProbes::default();
        }
        let (probes, now) = (&self.ensemble.module.probes, Instant::now());
        let mut remembered = self.lock();
        DueProbes {
            digests: probes.digests.is_some_and(|config| remembered.replicas.is_due(now, config.interval)),
            clients: probes.clients.is_some_and(|config| remembered.clients.is_due(now, config.interval)),
        }
    }
}
