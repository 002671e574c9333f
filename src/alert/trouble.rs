//! State over time: the building block of all availability alerts.
//!
//! [`Trouble`] is a flag (0 or 1) of a member or an ensemble with a bad value. It is active in two cases:
//!
//! - **now**: every trusted exporter reports the bad value. With the `for` of a rule, this is an uninterrupted period.
//! - **flapping**: the flag was good for less than 60 % of the last 10 minutes, and changed three times or more in the
//!   last 20 minutes. It remains active between two bad periods, so that `for` continues to run. A single outage of any
//!   length changes a flag twice; it ends as soon as the flag is good. For an ensemble also: good for less than 80 % of
//!   the last 30 minutes, with three changes in this time, until it has been good for 5 minutes.
//!
//! An exporter is trusted if its current page contains the flag, which excludes failed targets, and if it does not miss
//! a member that another exporter reaches (`super::watch`).
//!
//! [`Held`] covers missing data: while no page is present, or the page lacks the flag, a firing alert keeps firing, a
//! pending alert stays pending for up to its `for` duration, and no new alert fires.
//!
//! ```text
//! pages     good good bad  bad  bad  ---- ---- ---- bad  good
//! now       .    .    #    #    #    .    .    .    #    .
//! firing    .    .    .    .    #    #    #    #    #    .       for = two intervals; held in the gap
//! pages     good good bad  ---- bad  bad  good
//! pending   .    .    #    #    .    .    .
//! firing    .    .    .    .    #    #    .
//! ```
//!
//! [`Newest`] is for auxiliary values and for conditions that may wait for minutes: the value on the current pages, or
//! the last one within [`MEMORY`]. The last values of a failed target are ignored while another target reports.

use super::build::{series, series_with};
use super::expr::{Agg, Expr, Fold, Keys, Selector, Span};
use super::watch::{UNSEEN, WATCH, is_recorded};

/// How long a value persists over failed scrapes; a missing page is not a recovery.
pub const MEMORY: Span = Span::minutes(5);
/// The window over which the share of good samples is computed.
pub const WINDOW: Span = Span::minutes(10);
/// Flapping: the share of good samples in the window is below this. Two lost scrapes of five are not enough.
pub const GOOD_SHARE: f64 = 0.6;
/// Flapping: minimum number of changes. Fewer changes are a single outage, which the current value shows.
pub const CHANGES: f64 = 3.0;
/// The window for counting changes. It is longer than [`WINDOW`], because ten scrapes at 60 s may miss most changes.
pub const CHANGES_WINDOW: Span = Span::minutes(20);
/// Flapping of an ensemble: the longer window for share and changes.
pub const LONG_WINDOW: Span = Span::minutes(30);
/// Flapping of an ensemble: the share of good samples in the longer window is below this.
pub const LONG_GOOD_SHARE: f64 = 0.8;
/// Flapping of an ensemble over the longer window ends when the flag has been good for this long. With `for` and
/// `keep_firing_for` it lasts from one bad period to the next.
pub const RECENT: Span = Span::minutes(5);

/// Families whose samples exist only while something is wrong: a page without them is a recovery.
const PRESENT_WHILE_BAD: &[&str] = &["zk_znode_failure", "zk_scrape_failure"];

/// A flag with a bad value.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The flag.
    pub flag: Selector,
    /// The bad value: 0 or 1.
    pub bad: f64,
    /// Keys of a member or of an ensemble.
    pub keys: Keys,
    /// Recorded series of the flag as trusted exporters report it; set if flapping counts too.
    pub recorded: Option<&'static str>,
}

/// The current value on pages, or the last known one.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    /// The series.
    pub selector: Selector,
    /// How values of several exporters are aggregated.
    pub agg: Agg,
    /// Keys of members, ensembles or targets.
    pub keys: Keys,
}

/// Holds a firing or pending alert that pages no longer report on.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The name of the alert.
    pub alert: &'static str,
    /// Keys of members or of ensembles.
    pub keys: Keys,
    /// The series whose presence ends the hold.
    pub flag: Selector,
    /// Values of the series above this are a recovery; `None` if a page without the bad value always ends the alert.
    ///
    /// An alert that recovered and fires only by `keep_firing_for` is not held: each lost scrape would begin that time
    /// again.
    pub good_above: Option<Box<Expr>>,
}

impl Trouble {
    /// The flag as the trusted exporters currently report it.
    #[must_use]
    pub fn joined(&self) -> Expr {
        self.trusted(Expr::Series(self.flag.clone())).by(Agg::Max, self.keys)
    }

    /// A value of each target, of the trusted exporters only.
    fn trusted(&self, flag: Expr) -> Expr {
        // A bad 1 needs no filter: an exporter that reaches no member does not report it.
        match self.keys {
            _ if self.bad > 0.0 => flag,
            Keys::Member => flag.unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0)),
            _ => flag.unless_on(Keys::EnsembleOfTarget, blind()),
        }
    }

    /// The form for a single page: one exporter and no history.
    #[must_use]
    pub fn on_a_page(&self) -> Expr {
        Expr::Series(self.flag.clone()).by(Agg::Max, self.keys).eq(self.bad)
    }

    /// The equivalent expression without [`Trouble`].
    #[must_use]
    pub fn expanded(&self) -> Expr {
        let Some(recorded) = self.recorded else { return self.joined().eq(self.bad) };
        series(recorded).eq(self.bad).or(self.flapping()).by(Agg::Max, self.keys)
    }

    /// Flapping, judged by each exporter on its own: what two exporters see at different moments adds up to a state
    /// that none of them sees. The most favourable view counts.
    #[must_use]
    pub fn flapping(&self) -> Expr {
        let flag = || Expr::Series(self.flag.clone());
        let best = |window: Expr| self.trusted(window.and(flag())).by(Agg::Max, self.keys);
        let share = best(flag().avg(WINDOW)).lt(GOOD_SHARE);
        let flapping = share.and(best(flag().changes(CHANGES_WINDOW)).ge(CHANGES));
        if self.keys != Keys::Ensemble {
            return flapping;
        }
        let share = best(flag().avg(LONG_WINDOW)).lt(LONG_GOOD_SHARE);
        let changes = best(flag().changes(LONG_WINDOW)).ge(CHANGES);
        flapping.or(share.and(changes).and(best(flag().min(RECENT)).eq(0.0)))
    }
}

impl Held {
    /// The equivalent expression without [`Held`].
    #[must_use]
    pub fn expanded(&self) -> Expr {
        // A pending alert ends before it would fire, unless a page is present.
        let state = || {
            let firing = vec![("alertname", self.alert), ("alertstate", "firing")];
            let firing = Expr::Series(Selector { name: "ALERTS", labels: firing });
            let since = Expr::Series(Selector { name: "ALERTS_FOR_STATE", labels: vec![("alertname", self.alert)] });
            firing.by(Agg::Max, self.keys).or((Expr::Time - since.by(Agg::Max, self.keys)).lt(Expr::Hold))
        };
        let no_page = state().and_on(Keys::Ensemble, series(WATCH).eq(1.0)).unless_on(Keys::Ensemble, watched());
        let unknown = state().and_on(self.keys, series_with("zk_scrape_failure", "reason", "limit"));
        // The page of an exporter that is not trusted about this member does not end an alert about it.
        let unseen = state().and_on(Keys::Member, series("zk_up"));
        // A value that is known decides, which `good_above` includes.
        let (unknown, unseen) = if self.good_above.is_some() {
            (unknown, unseen.unless_on(Keys::Member, self.mute()))
        } else {
            let known = Expr::Series(self.flag.clone());
            (unknown.unless_on(self.keys, known), unseen.unless_on(Keys::Member, watched()))
        };
        let held = no_page.or(unknown);
        let held = if self.keys == Keys::Member { held.or(unseen) } else { held };
        match self.recovered() {
            None => held,
            Some(recovered) => held.unless_on(self.keys, recovered),
        }
    }

    /// Members that reply to a trusted exporter, which does not report the flag: all commands that report it are refused.
    /// They are not held, which would never end.
    pub(super) fn mute(&self) -> Expr {
        series("zk_up")
            .eq(1.0)
            .unless_on(Keys::MemberOfTarget, Expr::Series(self.flag.clone()))
            .unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0))
    }

    /// The members or ensembles whose current or last known value is good; `None` if that is not considered.
    #[must_use]
    pub(super) fn recovered(&self) -> Option<Expr> {
        let good = |limit: &Expr, view: Expr| view.gt(limit.clone());
        self.good_above.as_ref().map(|limit| good(limit, self.view()).or(good(limit, self.last_view())))
    }

    /// The current value on the pages of the trusted exporters, the best of them as in [`Trouble::joined`]. It ends the
    /// hold immediately, regardless of the last values of an exporter that is gone.
    fn view(&self) -> Expr {
        self.as_trouble().joined()
    }

    /// The last value within a time that is longer than every `keep_firing_for`, as the worst of the trusted exporters
    /// reported it.
    fn last_view(&self) -> Expr {
        let last = Expr::Window(Fold::Last, self.flag.clone(), WINDOW);
        self.as_trouble().trusted(last).by(Agg::Min, self.keys)
    }

    fn as_trouble(&self) -> Trouble {
        Trouble { flag: self.flag.clone(), bad: 0.0, keys: self.keys, recorded: None }
    }
}

impl Newest {
    fn last(&self) -> Expr {
        Expr::Window(Fold::Last, self.selector.clone(), MEMORY).by(self.agg, self.keys)
    }

    /// The form for a single page and the last known value.
    #[must_use]
    pub fn on_a_page(&self) -> Expr {
        self.last()
    }

    /// The equivalent expression without [`Newest`].
    #[must_use]
    pub fn expanded(&self) -> Expr {
        Expr::Series(self.selector.clone()).by(self.agg, self.keys).or(self.last())
    }
}

/// A flag that was good for too small a share of the window and changes repeatedly.
pub(super) fn flapping(flag: impl Fn() -> Expr) -> Expr {
    flag().avg(WINDOW).lt(GOOD_SHARE).and(flag().changes(CHANGES_WINDOW).ge(CHANGES)).and(flag())
}

/// The state of members as reported by exporters, except those that miss a member which another exporter reaches.
pub(super) fn watched() -> Expr {
    series("zk_up").unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0))
}

/// Exporters that miss a member which another exporter reaches, and see no other member in trouble. What such an
/// exporter reports about the ensemble (margin, quorum) is due to what it misses.
pub(super) fn blind() -> Expr {
    blind_without(series("zk_serving"))
}

/// The same for a value over a window: a member is in trouble if it did not serve throughout the window.
pub(super) fn blind_for(window: Span) -> Expr {
    blind_without(series("zk_serving").max(window))
}

fn blind_without(serving: Expr) -> Expr {
    let in_trouble = serving.eq(0.0).unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0));
    series(UNSEEN).eq(1.0).unless_on(Keys::EnsembleOfTarget, in_trouble)
}

impl Expr {
    /// A bad flag, with the labels it is aggregated by.
    #[must_use]
    pub(super) fn trouble(flag: Selector, bad: f64, keys: Keys, recorded: Option<&'static str>) -> Self {
        Self::Trouble(Trouble { flag, bad, keys, recorded })
    }

    /// Keeps the alert firing while pages do not report the flag.
    #[must_use]
    pub(super) fn or_held(self, alert: &'static str, keys: Keys, flag: &'static str) -> Self {
        self.or(Self::Held(Held { alert, keys, flag: Selector { name: flag, labels: Vec::new() }, good_above: None }))
    }

    /// The same for an alert with `keep_firing_for`, whose flag is good above 0.
    #[must_use]
    pub(super) fn or_held_until_good(self, alert: &'static str, keys: Keys, flag: &'static str) -> Self {
        let (flag, good_above) = (Selector { name: flag, labels: Vec::new() }, Some(Box::new(Self::Number(0.0))));
        self.or(Self::Held(Held { alert, keys, flag, good_above }))
    }

    /// The current value on pages, or the last known one.
    #[must_use]
    pub(super) fn newest(name: &'static str, agg: Agg, keys: Keys) -> Self {
        Self::Newest(Newest { selector: Selector { name, labels: Vec::new() }, agg, keys })
    }

    /// The expression with [`Trouble`], [`Held`] and [`Newest`] replaced by plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Self {
        self.replaced(&|part| match part {
            Self::Trouble(trouble) => Some(trouble.expanded()),
            Self::Held(held) => Some(held.expanded()),
            Self::Newest(newest) => Some(newest.expanded()),
            _ => None,
        })
    }

    /// The expression with [`Newest`] in its form for a single exporter.
    #[must_use]
    pub fn of_one_exporter(&self) -> Self {
        self.replaced(&|part| match part {
            Self::Newest(newest) => Some(newest.on_a_page()),
            _ => None,
        })
    }

    /// The same with plain series as their last value within [`MEMORY`]: a failed scrape does not restart `for`.
    #[must_use]
    pub fn through_gaps(&self) -> Self {
        self.replaced(&|part| match part {
            Self::Series(selector) => Some(Self::Window(Fold::Last, selector.clone(), MEMORY)),
            _ => None,
        })
    }

    /// Whether it judges the presence of pages itself: with a state over time, or by what is recorded about targets.
    #[must_use]
    pub fn judges_presence(&self) -> bool {
        match self {
            Self::Trouble(_) | Self::Held(_) => true,
            Self::Series(selector) => {
                PRESENT_WHILE_BAD.contains(&selector.name) || selector.name == "up" || is_recorded(selector.name)
            }
            Self::By(_, _, inner) => inner.judges_presence(),
            Self::Math(_, left, right) | Self::Compare(_, left, right) | Self::Sets(_, _, left, right) => {
                left.judges_presence() || right.judges_presence()
            }
            _ => false,
        }
    }

    fn replaced(&self, by: &dyn Fn(&Self) -> Option<Self>) -> Self {
        let inner = |expr: &Self| Box::new(expr.replaced(by));
        match self {
            Self::By(agg, keys, of) => Self::By(*agg, *keys, inner(of)),
            Self::Math(op, left, right) => Self::Math(*op, inner(left), inner(right)),
            Self::Compare(cmp, left, right) => Self::Compare(*cmp, inner(left), inner(right)),
            Self::Sets(set, keys, left, right) => Self::Sets(*set, *keys, inner(left), inner(right)),
            other => by(other).unwrap_or_else(|| other.clone()),
        }
    }
}
