//! What a member did between two looks: rates and means of that time, not of its whole life.

use crate::reply::Number;
use crate::scrape::MemberReport;

/// The counters of one look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mark {
    received: Option<f64>,
    /// Sum in seconds and number of the requests answered, reads and writes.
    latency: Option<(f64, f64)>,
    writes: Option<(f64, f64)>,
    fsync: Option<(f64, f64)>,
}

/// What happened in between; `None` where a counter is missing, restarted, or did not change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Packets received a second: requests, pings and the exporter's own questions.
    pub requests: Option<f64>,
    /// Mean time of a request that was answered in between, in seconds. From 3.6 on.
    pub latency: Option<f64>,
    /// Mean time of a write that was answered in between, in seconds. From 3.6 on.
    pub writes: Option<f64>,
    /// Mean time of an fsync of the transaction log in between, in seconds. From 3.6 on.
    pub fsync: Option<f64>,
}

impl Mark {
    /// The counters as they stand now.
    #[must_use]
    pub fn of(member: &MemberReport) -> Self {
        let figure = |key: &str| member.figure(key).map(Number::as_f64);
        // The default dialect first, then the Prometheus one.
        let pair = |name: &str| {
            let sum = figure(&format!("sum_{name}")).or_else(|| figure(&format!("{name}_sum")));
            let count = figure(&format!("cnt_{name}")).or_else(|| figure(&format!("{name}_count")));
            sum.zip(count)
        };
        let latency = match (pair("readlatency"), pair("updatelatency")) {
            (Some((reads, read)), Some((writes, written))) => Some((reads + writes, read + written)),
            (one, other) => one.or(other),
        };
        let writes = pair("updatelatency");
        Self { received: figure("packets_received"), latency, writes, fsync: pair("fsynctime") }
    }

    /// What happened since `earlier`, so many seconds ago.
    #[must_use]
    pub fn since(&self, earlier: &Self, seconds: f64) -> Pace {
        let grown = |now: f64, before: f64| (now >= before && seconds > 0.0).then_some(now - before);
        let mean = |now: Option<(f64, f64)>, before: Option<(f64, f64)>| {
            let ((sum, count), (old_sum, old_count)) = (now?, before?);
            let (sum, count) = (grown(sum, old_sum)?, grown(count, old_count)?);
            (count > 0.0).then_some(sum / count)
        };
        let received = self.received.zip(earlier.received).and_then(|(now, before)| grown(now, before));
        Pace {
            requests: received.map(|received| received / seconds),
            latency: mean(self.latency, earlier.latency),
            writes: mean(self.writes, earlier.writes),
            fsync: mean(self.fsync, earlier.fsync),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_the_time_in_between() {
        let before = Mark {
            received: Some(100.0),
            latency: Some((10.0, 1000.0)),
            writes: Some((6.0, 20.0)),
            fsync: Some((1.0, 10.0)),
        };
        let now = Mark {
            received: Some(150.0),
            latency: Some((10.5, 1010.0)),
            writes: Some((6.5, 22.0)),
            fsync: Some((1.0, 10.0)),
        };
        let pace = now.since(&before, 5.0);
        assert_eq!(pace, Pace { requests: Some(10.0), latency: Some(0.05), writes: Some(0.25), fsync: None });
    }

    #[test]
    fn a_restart_in_between_is_no_rate() {
        let before = Mark { received: Some(100.0), latency: Some((10.0, 1000.0)), ..Mark::default() };
        let now = Mark { received: Some(7.0), latency: Some((0.0, 0.0)), fsync: Some((0.0, 0.0)), ..Mark::default() };
        assert_eq!(now.since(&before, 5.0), Pace::default());
        assert_eq!(before.since(&before, 0.0), Pace::default());
    }
}
