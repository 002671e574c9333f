//! Metrics of the server process that both the Prometheus provider and the kernel report, with one family for both.

use super::{FamilyId, Meaning, catalogue};

/// A metric of the server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessFigure {
    /// CPU time.
    Cpu,
    /// Resident memory.
    ResidentMemory,
    /// Virtual memory.
    VirtualMemory,
    /// Start time.
    Start,
    /// Open file descriptors.
    OpenFds,
    /// Limit of file descriptors.
    MaxFds,
}

impl ProcessFigure {
    /// The key of the Prometheus dialect.
    const fn key(self) -> &'static str {
        match self {
            Self::Cpu => "process_cpu_seconds_total",
            Self::ResidentMemory => "process_resident_memory_bytes",
            Self::VirtualMemory => "process_virtual_memory_bytes",
            Self::Start => "process_start_time_seconds",
            Self::OpenFds => "process_open_fds",
            Self::MaxFds => "process_max_fds",
        }
    }

    /// The family; always present, which a test checks.
    #[must_use]
    pub fn family(self) -> Option<FamilyId> {
        match catalogue().lookup(self.key()) {
            Some((Meaning::Sample(slot), _)) => Some(slot.family),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_row() {
        use ProcessFigure::{Cpu, MaxFds, OpenFds, ResidentMemory, Start, VirtualMemory};
        for figure in [Cpu, ResidentMemory, VirtualMemory, Start, OpenFds, MaxFds] {
            assert!(figure.family().is_some(), "{figure:?}");
        }
    }
}
