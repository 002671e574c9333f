//! State over time: the building block of every availability alarm.
//!
//! [`Trouble`] is a flag (0 or 1) of a member or an ensemble that is bad. It holds in two cases:
//!
//! - **now**: every believed exporter reports the bad value. Under the `for` of a rule this is an unbroken spell.
//! - **flapping**: over the last 10 minutes the flag was good for at most 60 % of the time and changed three times or more.
//!   It keeps holding between two spells, so `for` runs through. One outage, however long, changes a flag twice; it ends as
//!   soon as the flag is good again.
//!
//! An exporter is believed if its page has the flag now, which a dead target's has not, and if it does not miss a member
//! that another exporter reaches (`super::watch`).
//!
//! [`Held`] is the other half: while no page comes, or a page does not know the flag, an alarm that fires keeps firing and
//! none starts.
//!
//! ```text
//! pages     good good bad  bad  bad  ---- ---- ---- bad  good
//! now       .    .    #    #    #    .    .    .    #    .
//! firing    .    .    .    .    #    #    #    #    #    .       for = two intervals; held in the gap
//! ```

use super::build::{series, series_with};
use super::expr::{Agg, Expr, Keys, Selector, Span};
use super::watch::{UNSEEN, WATCH};

/// The window of which a share must be good.
pub const WINDOW: Span = Span::minutes(10);
/// Good for no more than this share of the window is trouble.
pub const GOOD_SHARE: f64 = 0.6;
/// A flag that changes less often has one outage, which its present value tells.
pub const CHANGES: f64 = 3.0;

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

/// An alarm that fires and about which no page says more.
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
        let joined = || series(recorded);
        let flapping = joined().avg(WINDOW).le(GOOD_SHARE).and(joined().changes(WINDOW).ge(CHANGES)).and(joined());
        joined().eq(self.bad).or(flapping).by(Agg::Max, self.keys)
    }
}

impl Held {
    /// In terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Expr {
        let firing = || {
            let labels = vec![("alertname", self.alert), ("alertstate", "firing")];
            Expr::Series(Selector { name: "ALERTS", labels }).by(Agg::Max, self.keys)
        };
        let no_page = firing().and_on(Keys::Ensemble, series(WATCH).eq(1.0)).unless_on(Keys::Ensemble, watched());
        let unknown = firing()
            .and_on(self.keys, series_with("zk_scrape_failure", "reason", "limit"))
            .unless_on(self.keys, Expr::Series(self.flag.clone()));
        no_page.or(unknown)
    }
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

    /// The same with [`Trouble`] and [`Held`] in terms of plain expressions.
    #[must_use]
    pub fn expanded(&self) -> Self {
        let inner = |expr: &Self| Box::new(expr.expanded());
        match self {
            Self::Trouble(trouble) => trouble.expanded(),
            Self::Held(held) => held.expanded(),
            Self::By(agg, keys, of) => Self::By(*agg, *keys, inner(of)),
            Self::Math(op, left, right) => Self::Math(*op, inner(left), inner(right)),
            Self::Compare(cmp, left, right) => Self::Compare(*cmp, inner(left), inner(right)),
            Self::Sets(set, keys, left, right) => Self::Sets(*set, *keys, inner(left), inner(right)),
            other => other.clone(),
        }
    }
}
