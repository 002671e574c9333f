//! State over time: the building block of every availability alarm.
//!
//! [`Trouble`] is a flag (0 or 1) of a member or an ensemble that is bad. It holds in two cases:
//!
//! - **now**: every believed exporter reports the bad value. Under the `for` of a rule this is an unbroken spell.
//! - **flapping**: over the last 10 minutes the flag was good for at most 60 % of the time, and over 20 it changed three times
//!   or more.
//!   It keeps holding between two spells, so `for` runs through. One outage, however long, changes a flag twice; it ends as
//!   soon as the flag is good again.
//!
//! An exporter is believed if its page has the flag now, which a dead target's has not, and if it does not miss a member
//! that another exporter reaches (`super::watch`).
//!
//! [`Held`] is the other half: while no page comes, or a page does not know the flag, an alarm that fires keeps firing, one
//! that is pending stays pending for as long as it would have to (`for`), and none starts to fire.
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
//! [`Newest`] is for what is looked at beside a flag, and for what may wait minutes: the value of the pages that there are,
//! else of the last one within [`MEMORY`]. The last figures of a dead target never count beside those of one that is there.

use super::build::{series, series_with};
use super::expr::{Agg, Expr, Fold, Keys, Selector, Span};
use super::watch::{UNSEEN, WATCH};

/// How long a value outlives scrapes that failed: a page that is missing is no recovery.
pub const MEMORY: Span = Span::minutes(5);
/// The window of which a share must be good.
pub const WINDOW: Span = Span::minutes(10);
/// Good for no more than this share of the window is trouble.
pub const GOOD_SHARE: f64 = 0.6;
/// A flag that changes less often has one outage, which its present value tells.
pub const CHANGES: f64 = 3.0;
/// The window in which it changes so often: longer, for at 60 s ten scrapes may meet few of the changes.
pub const CHANGES_WINDOW: Span = Span::minutes(20);

/// A flag that is bad.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The flag.
    pub flag: Selector,
    /// Its bad value: 0 or 1.
    pub bad: f64,
    /// Of a member or of an ensemble.
    pub keys: Keys,
    /// The recorded series of the flag as believed exporters have it, where flapping counts too.
    pub recorded: Option<&'static str>,
}

/// A value as pages have it now, or else as the last one had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    /// The series.
    pub selector: Selector,
    /// How what several exporters say is joined.
    pub agg: Agg,
    /// Of members, of ensembles or of targets.
    pub keys: Keys,
}

/// An alarm that fires or is pending and about which no page says more.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The name of the alert.
    pub alert: &'static str,
    /// Of members or of ensembles.
    pub keys: Keys,
    /// What a page that knows more would have.
    pub flag: Selector,
}

impl Trouble {
    /// The flag as the believed exporters report it now.
    #[must_use]
    pub fn joined(&self) -> Expr {
        let flag = Expr::Series(self.flag.clone());
        // An exporter that sees nothing reports no bad 1.
        let believed = match self.keys {
            _ if self.bad > 0.0 => flag,
            Keys::Member => flag.unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0)),
            _ => flag.unless_on(Keys::EnsembleOfTarget, blind()),
        };
        believed.by(Agg::Max, self.keys)
    }

    /// As it is judged over one page, which has one exporter and no past.
    #[must_use]
    pub fn on_a_page(&self) -> Expr {
        Expr::Series(self.flag.clone()).by(Agg::Max, self.keys).eq(self.bad)
    }

    /// In terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Expr {
        let Some(recorded) = self.recorded else { return self.joined().eq(self.bad) };
        series(recorded).eq(self.bad).or(flapping(|| series(recorded))).by(Agg::Max, self.keys)
    }
}

impl Held {
    /// In terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Expr {
        // A pending alert ends before it would fire: only a page that is there lets it.
        let state = || {
            let firing = vec![("alertname", self.alert), ("alertstate", "firing")];
            let firing = Expr::Series(Selector { name: "ALERTS", labels: firing });
            let since = Expr::Series(Selector { name: "ALERTS_FOR_STATE", labels: vec![("alertname", self.alert)] });
            firing.by(Agg::Max, self.keys).or((Expr::Time - since.by(Agg::Max, self.keys)).lt(Expr::Hold))
        };
        let no_page = state().and_on(Keys::Ensemble, series(WATCH).eq(1.0)).unless_on(Keys::Ensemble, watched());
        let unknown = state()
            .and_on(self.keys, series_with("zk_scrape_failure", "reason", "limit"))
            .unless_on(self.keys, Expr::Series(self.flag.clone()));
        no_page.or(unknown)
    }
}

impl Newest {
    fn last(&self) -> Expr {
        Expr::Window(Fold::Last, self.selector.clone(), MEMORY).by(self.agg, self.keys)
    }

    /// As it is judged over one page and what is remembered of the one before.
    #[must_use]
    pub fn on_a_page(&self) -> Expr {
        self.last()
    }

    /// In terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Expr {
        Expr::Series(self.selector.clone()).by(self.agg, self.keys).or(self.last())
    }
}

/// A flag that was good for too little of the window and comes and goes.
pub(super) fn flapping(flag: impl Fn() -> Expr) -> Expr {
    flag().avg(WINDOW).le(GOOD_SHARE).and(flag().changes(CHANGES_WINDOW).ge(CHANGES)).and(flag())
}

/// What exporters say of members that they can reach, as far as another exporter can.
pub(super) fn watched() -> Expr {
    series("zk_up").unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0))
}

/// Exporters that reach no member of an ensemble of which another reached some.
pub(super) fn blind() -> Expr {
    series("zk_ensemble_members_up").eq(0.0).and_on(Keys::EnsembleOfTarget, series(UNSEEN).eq(1.0))
}

impl Expr {
    /// A flag of members that is good at 1, bad at 0.
    #[must_use]
    pub(super) fn trouble(flag: Selector, bad: f64, keys: Keys, recorded: Option<&'static str>) -> Self {
        Self::Trouble(Trouble { flag, bad, keys, recorded })
    }

    /// Keeps firing while no page says more of the flag.
    #[must_use]
    pub(super) fn or_held(self, alert: &'static str, keys: Keys, flag: &'static str) -> Self {
        self.or(Self::Held(Held { alert, keys, flag: Selector { name: flag, labels: Vec::new() } }))
    }

    /// What pages say now; where none does, what the last one said.
    #[must_use]
    pub(super) fn newest(name: &'static str, agg: Agg, keys: Keys) -> Self {
        Self::Newest(Newest { selector: Selector { name, labels: Vec::new() }, agg, keys })
    }

    /// The same with [`Trouble`], [`Held`] and [`Newest`] in terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Self {
        self.replaced(&|part| match part {
            Self::Trouble(trouble) => Some(trouble.expanded()),
            Self::Held(held) => Some(held.expanded()),
            Self::Newest(newest) => Some(newest.expanded()),
            _ => None,
        })
    }

    /// The same with [`Newest`] as one exporter has it, which has no other beside it.
    #[must_use]
    pub fn of_one_exporter(&self) -> Self {
        self.replaced(&|part| match part {
            Self::Newest(newest) => Some(newest.on_a_page()),
            _ => None,
        })
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
