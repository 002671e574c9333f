//! Activity of a member between two samples: rates and means over that interval, not over its lifetime.

use crate::reply::Number;
use crate::scrape::MemberReport;

/// The counters of one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mark {
    received: Option<f64>,
    /// Sum in seconds and number of completed reads and writes.
    latency: Option<(f64, f64)>,
    writes: Option<(f64, f64)>,
    fsync: Option<(f64, f64)>,
}

/// Changes between two samples; `None` if a counter is missing, was reset, or did not change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Packets received per second: requests, pings and the exporter's own commands.
    pub requests: Option<f64>,
    /// Mean latency of requests completed in the interval, in seconds. ZooKeeper 3.6 and later.
    pub latency: Option<f64>,
    /// Mean latency of writes completed in the interval, in seconds. ZooKeeper 3.6 and later.
    pub writes: Option<f64>,
    /// Mean fsync time of the transaction log in the interval, in seconds. ZooKeeper 3.6 and later.
    pub fsync: Option<f64>,
}

impl Mark {
    /// The current counters.
    #[must_use]
    pub fn of(member: &MemberReport) -> Self {
        let figure = |key: &str| member.figure(key).map(Number::as_f64);
        // The default naming first, then that of the Prometheus provider.
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

    /// The rates since `earlier`, which was taken `seconds` ago.
    #[must_use]
    pub fn since(&self, earlier: &Self, seconds: f64) -> Rates {
        let grown = |now: f64, before: f64| (now >= before && seconds > 0.0).then_some(now - before);
        let mean = |now: Option<(f64, f64)>, before: Option<(f64, f64)>| {
            let ((sum, count), (old_sum, old_count)) = (now?, before?);
            let (sum, count) = (grown(sum, old_sum)?, grown(count, old_count)?);
            (count > 0.0).then_some(sum / count)
        };
        let received = self.received.zip(earlier.received).and_then(|(now, before)| grown(now, before));
        Rates {
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
    fn means_cover_the_interval() {
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
        assert_eq!(pace, Rates { requests: Some(10.0), latency: Some(0.05), writes: Some(0.25), fsync: None });
    }

    #[test]
    fn a_restart_within_the_interval_gives_no_rate() {
        let before = Mark { received: Some(100.0), latency: Some((10.0, 1000.0)), ..Mark::default() };
        let now = Mark { received: Some(7.0), latency: Some((0.0, 0.0)), fsync: Some((0.0, 0.0)), ..Mark::default() };
        assert_eq!(now.since(&before, 5.0), Rates::default());
        assert_eq!(before.since(&before, 0.0), Rates::default());
    }
}
