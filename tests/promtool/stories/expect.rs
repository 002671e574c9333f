//! Compares the alerts that fired with the expectations of a story: those that must fire, those that may, and when.

use std::collections::BTreeMap;

use super::promtool::{Fired, Firing};
use super::rules::is_selected;
use super::story::Story;

/// The subject of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The ensemble, or any other subject.
    Any,
    /// The member with this id in the first ensemble.
    Member(u32),
    /// An exporter, by its index.
    Exporter(usize),
    /// Any subject in this cluster.
    Cluster(&'static str),
}

/// An alert that must fire. All times are minutes of the story.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The name without `ZooKeeper`; alternatives are separated by `|`.
    pub alert: &'static str,
    pub severity: Option<&'static str>,
    pub who: Who,
    /// Earliest time.
    pub from: f64,
    /// Latest time.
    pub by: f64,
    /// It must fire without interruption until this time.
    pub until: f64,
    /// Alternatively, the minimum share of the time since it first fired: an intermittent fault may be invisible for minutes.
    pub share: f64,
    /// It must not fire after this time.
    pub gone: f64,
}

impl Expect {
    fn is(&self, firing: &Firing, story: &Story) -> bool {
        let label = |name: &str| firing.labels.get(name).map(String::as_str).unwrap_or_default();
        self.alert.split('|').any(|alert| alert == firing.alert)
            && self.severity.is_none_or(|severity| severity == label("severity"))
            && match self.who {
                Who::Any => true,
                Who::Cluster(name) => label("cluster") == name,
                Who::Exporter(place) => label("instance") == story.world.exporters[place].instance,
                Who::Member(id) => story.world.ensembles[0]
                    .servers
                    .iter()
                    .any(|server| server.id == id && server.address == label("member")),
            }
    }
}

/// The deviations from the expectations; empty if there are none.
pub fn faults(story: &Story, fired: &Fired, moments: &[f64]) -> Vec<String> {
    let mut out = Vec::new();
    let moments: Vec<f64> = moments.iter().copied().filter(|moment| *moment <= story.minutes).collect();
    // One scrape of delay is allowed: an event just after a scrape is seen by the next one, which may still be in flight.
    let late = moments.get(1).map_or(0.0, |second| second - moments[0]);
    let judged = |expect: &&Expect| expect.alert.split('|').all(is_selected);
    for expect in story.expects.iter().filter(judged) {
        let mut times: Vec<f64> =
            fired.iter().filter(|(firing, _)| expect.is(firing, story)).flat_map(|(_, times)| times.clone()).collect();
        times.retain(|time| *time <= story.minutes);
        times.sort_by(f64::total_cmp);
        let what = format!("{} of {:?}", expect.alert, expect.who);
        let Some(first) = times.first().copied() else {
            out.push(format!("{what} never fired, expected by minute {}", expect.by));
            continue;
        };
        let shown = spans(&times, &moments);
        if first < expect.from {
            out.push(format!("{what} fired before minute {}: {shown}", expect.from));
        } else if first > expect.by + late {
            out.push(format!("{what} fired after minute {}: {shown}", expect.by));
        }
        // The scrape of the minute in which a fault ends may already see its end.
        let held = |moment: &&f64| **moment >= first && **moment < expect.until;
        let (due, missing) = moments
            .iter()
            .filter(held)
            .fold((0_u32, 0_u32), |(due, missing), moment| (due + 1, missing + u32::from(!times.contains(moment))));
        // With scrapes every two minutes, faults that change within a minute or two are seen by chance.
        let share = if expect.share < 1.0 && late > 1.5 { expect.share / 2.0 } else { expect.share };
        if f64::from(missing) > f64::from(due) * (1.0 - share) {
            out.push(format!("{what} did not hold until minute {}: {shown}", expect.until));
        }
        if times.last().is_some_and(|last| *last > expect.gone + late) {
            out.push(format!("{what} did not end by minute {}: {shown}", expect.gone));
        }
    }
    let mut unwanted: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (firing, times) in fired {
        let wanted = story.expects.iter().any(|expect| expect.is(firing, story));
        let times: Vec<f64> = times.iter().copied().filter(|time| *time <= story.minutes).collect();
        if !wanted && !story.may.contains(&firing.alert.as_str()) && !times.is_empty() {
            let labels: Vec<String> = firing
                .labels
                .iter()
                .filter(|(name, _)| *name != "ensemble")
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            unwanted.entry(format!("{} {}", firing.alert, labels.join(" "))).or_default().extend(times);
        }
    }
    for (what, times) in unwanted {
        out.push(format!("{what} fired: {}", spans(&times, &moments)));
    }
    out
}

/// Times as ranges of minutes: `10.5-12, 14-20`.
fn spans(times: &[f64], moments: &[f64]) -> String {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut broken = true;
    for moment in moments {
        if !times.contains(moment) {
            broken = true;
            continue;
        }
        match out.last_mut() {
            Some((_, end)) if !broken => *end = *moment,
            _ => out.push((*moment, *moment)),
        }
        broken = false;
    }
    let out: Vec<String> = out.iter().map(|(from, to)| format!("{from:.2}-{to:.2}")).collect();
    if out.len() > 6 { format!("{} ... ({} times)", out[..6].join(", "), out.len()) } else { out.join(", ") }
}
