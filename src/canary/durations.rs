//! Durations of the operations of all canaries of an ensemble, since the exporter started.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Operation;
use crate::histogram::DurationHistogram;

/// One histogram per operation. It outlives the canaries, which are replaced when their module or members change.
#[derive(Debug, Default)]
pub struct OperationDurations(Mutex<[DurationHistogram; Operation::ALL.len()]>);

impl OperationDurations {
    pub(super) fn observe(&self, durations: &[(Operation, Duration)]) {
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (operation, duration) in durations {
            histograms[*operation as usize].observe(*duration);
        }
    }

    /// The operations that succeeded at least once, with their histograms.
    #[must_use]
    pub fn read(&self) -> Vec<(Operation, DurationHistogram)> {
        let histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = Operation::ALL.into_iter().zip(histograms.iter());
        all.filter(|(_, histogram)| histogram.count() > 0)
            .map(|(operation, histogram)| (operation, histogram.clone()))
            .collect()
    }
}
