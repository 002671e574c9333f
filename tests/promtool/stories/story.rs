//! A story: the events of an ensemble and its exporters, the alerts that must fire, those that may, and when.

use std::rc::Rc;

use super::expect::{Expect, Who};
use super::series::Book;
use super::world::World;

/// An event.
pub type Act = Rc<dyn Fn(&mut World)>;

/// The rules that a story is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The shipped rules, and those generated for a configuration.
    Both,
    /// Only those generated for a configuration that keeps the label `cluster`.
    Written,
    /// Only the shipped rules: the configuration would contain the name of the ensemble.
    Shipped,
}

/// A story.
#[derive(Clone)]
pub struct Story {
    pub name: &'static str,
    /// Its length in minutes.
    pub minutes: f64,
    pub world: World,
    pub events: Vec<(f64, Act)>,
    pub expects: Vec<Expect>,
    /// Alerts that may fire in addition, at any time.
    pub may: Vec<&'static str>,
    pub rules: Rules,
    /// Whether it needs the rules of early warning.
    pub early: bool,
    /// The scrape intervals in seconds.
    pub intervals: &'static [u64],
    /// Step of the model in seconds.
    pub step: u64,
}

/// A story of one ensemble of `voters` voters and `observers` observers, named like the story.
pub fn story(name: &'static str, voters: u32, observers: u32) -> Story {
    Story {
        name,
        minutes: 40.0,
        world: World::new(name, voters, observers),
        events: Vec::new(),
        expects: Vec::new(),
        may: Vec::new(),
        rules: Rules::Both,
        early: false,
        intervals: &[15, 30, 60],
        step: 1,
    }
}

impl Story {
    /// Sets its length.
    pub fn minutes(mut self, minutes: f64) -> Self {
        self.minutes = minutes;
        self
    }

    /// Prepares the world before the start.
    pub fn given(mut self, act: impl Fn(&mut World)) -> Self {
        act(&mut self.world);
        self
    }

    /// Adds an event at a minute.
    pub fn at(mut self, minute: f64, act: impl Fn(&mut World) + 'static) -> Self {
        self.events.push((minute * 60.0, Rc::new(act)));
        self
    }

    /// Adds a repeated event between two minutes: `first` at the start of each period, `then` the given number of
    /// seconds later.
    pub fn again(
        mut self,
        (from, until): (f64, f64),
        period: f64,
        first: impl Fn(&mut World) + 'static,
        after: f64,
        then: impl Fn(&mut World) + 'static,
    ) -> Self {
        let (first, then): (Act, Act) = (Rc::new(first), Rc::new(then));
        let mut time = from * 60.0;
        while time < until * 60.0 {
            self.events.push((time, Rc::clone(&first)));
            self.events.push((time + after, Rc::clone(&then)));
            time += period;
        }
        self
    }

    /// Like [`Self::again`], with periods between 0.8 and 1.2 of `period`, so that scrapes are never in phase with them;
    /// `first` lasts for `share` of each.
    pub fn unevenly(
        mut self,
        (from, until): (f64, f64),
        period: f64,
        share: f64,
        first: impl Fn(&mut World) + 'static,
        then: impl Fn(&mut World) + 'static,
    ) -> Self {
        let (first, then): (Act, Act) = (Rc::new(first), Rc::new(then));
        let (mut time, mut number) = (from * 60.0, 0.0_f64);
        while time < until * 60.0 {
            // The multiples of the golden ratio are distributed evenly, and successive ones differ.
            let length = period * (0.8 + 0.4 * (number * 0.618_034).fract());
            self.events.push((time, Rc::clone(&first)));
            self.events.push((time + length * share, Rc::clone(&then)));
            time += length;
            number += 1.0;
        }
        self
    }

    /// Expects an alert that starts to fire between `from` and `by`, and fires to the end.
    pub fn fires(mut self, alert: &'static str, who: Who, from: f64, by: f64) -> Self {
        let until = self.minutes;
        self.expects.push(Expect { alert, severity: None, who, from, by, until, share: 1.0, gone: self.minutes });
        self
    }

    /// The last expected alert is critical.
    pub fn critical(mut self) -> Self {
        self.expects.last_mut().expect("behind an alert").severity = Some("critical");
        self
    }

    /// The last expected alert is a warning.
    pub fn warning(mut self) -> Self {
        self.expects.last_mut().expect("behind an alert").severity = Some("warning");
        self
    }

    /// The last expected alert fires for at least this share of the time since it first fired.
    pub fn mostly(mut self, share: f64) -> Self {
        self.expects.last_mut().expect("behind an alert").share = share;
        self
    }

    /// The last expected alert fires until one minute and has ended by another.
    pub fn ends(mut self, until: f64, gone: f64) -> Self {
        let last = self.expects.last_mut().expect("behind an alert");
        (last.until, last.gone) = (until, gone);
        self
    }

    /// Permits further alerts.
    pub fn may(mut self, alerts: &[&'static str]) -> Self {
        self.may.extend(alerts);
        self
    }

    /// Sets the rules that it is tested on.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Adds the rules of early warning, which take half of the time.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Sets the scrape intervals.
    pub fn intervals(mut self, intervals: &'static [u64]) -> Self {
        self.intervals = intervals;
        self
    }

    /// Sets a longer step, for long stories.
    pub fn step(mut self, seconds: u64) -> Self {
        self.step = seconds;
        self
    }

    /// Its series: scrapes at `phase`, `phase + interval` and so on, in seconds, until all stories of a run have ended.
    pub fn series(&self, interval: u64, phase: u64) -> Book {
        let (mut world, mut book) = (self.world.clone(), Book::default());
        let mut events = self.events.clone();
        events.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut events = events.into_iter().peekable();
        let mut second = 0_u64;
        #[expect(clippy::cast_precision_loss, reason = "seconds of some days")]
        while second as f64 <= self.minutes * 60.0 {
            if second > 0 {
                world.advance(self.step as f64);
            }
            while let Some((_, act)) = events.next_if(|(time, _)| *time <= second as f64) {
                act(&mut world);
            }
            if second >= phase && (second - phase).is_multiple_of(interval) {
                world.scrape(&mut book);
            }
            second += self.step;
        }
        book
    }
}
