//! `--web.max-requests`: the maximum number of concurrent scrapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts scrapes; shared by `/metrics` and `/probe`.
#[derive(Clone, Debug, Default)]
pub struct ScrapeLimit {
    count: Arc<AtomicUsize>,
    /// 0 means unlimited.
    max: usize,
}

/// A scrape in flight, counted until dropped.
#[derive(Debug)]
pub(super) struct CountedScrape(Arc<AtomicUsize>);

impl ScrapeLimit {
    /// Allows at most `max` scrapes; 0 means unlimited.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { count: Arc::default(), max }
    }

    /// Counts a new scrape; `None` at the limit.
    pub(super) fn begin(&self) -> Option<CountedScrape> {
        let counted = CountedScrape(Arc::clone(&self.count));
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        (self.max == 0 || before < self.max).then_some(counted)
    }
}

impl Drop for CountedScrape {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
