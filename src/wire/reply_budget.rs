//! Limits the memory of replies that are being received.
//!
//! A usual reply has some ten kilobytes and is not limited beyond its own size. Larger ones share one budget, so that
//! many members that send large replies at the same time cannot exhaust the memory of the process. A reply that exceeds
//! the budget is not evidence about its member.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Failure, Limit};

/// Size up to which a reply is not counted.
const SMALL_BYTES: usize = 64 << 10;

/// Maximum total size of the larger replies.
const MAX_BYTES: usize = 192 << 20;

/// The budget of the process.
static LARGE_REPLIES: ReplyBudget = ReplyBudget { used: AtomicUsize::new(0), max: MAX_BYTES };

#[derive(Debug)]
struct ReplyBudget {
    used: AtomicUsize,
    max: usize,
}

/// The part of the budget that one reply uses; released when dropped.
#[derive(Debug)]
pub(super) struct ReplyShare {
    budget: &'static ReplyBudget,
    counted: usize,
}

impl ReplyShare {
    /// The share of a reply without bytes.
    pub(super) fn new() -> Self {
        Self { budget: &LARGE_REPLIES, counted: 0 }
    }

    /// Counts the present size of the reply.
    ///
    /// # Errors
    /// If it exceeds the budget: a limit of the exporter.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Failure> {
        let more = bytes.saturating_sub(self.counted);
        if bytes <= SMALL_BYTES || more == 0 {
            return Ok(());
        }
        let before = self.budget.used.fetch_add(more, Ordering::Relaxed);
        self.counted += more;
        if before.saturating_add(more) <= self.budget.max {
            return Ok(());
        }
        let detail = format!(
            "the replies that are being received have more than {} MiB; lower --limit.reply-bytes or query fewer members \
             at the same time",
            self.budget.max >> 20
        );
        Err(Failure::limited(Limit::Memory, detail))
    }
}

impl Drop for ReplyShare {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_replies_share_a_budget_and_small_ones_do_not_need_it() {
        static BUDGET: ReplyBudget = ReplyBudget { used: AtomicUsize::new(0), max: 1 << 20 };
        let share = || ReplyShare { budget: &BUDGET, counted: 0 };
        let (mut one, mut other, mut small) = (share(), share(), share());
        assert!(one.grow_to(600 << 10).is_ok() && one.grow_to(500 << 10).is_ok());
        let refused = other.grow_to(600 << 10).expect_err("no room");
        assert_eq!((refused.limit, small.grow_to(SMALL_BYTES).is_ok()), (Some(Limit::Memory), true));
        drop((one, other, small));
        assert_eq!(BUDGET.used.load(Ordering::Relaxed), 0);
        assert!(share().grow_to(1 << 20).is_ok());
    }
}
