//! When the clients of an ensemble are read, the packet counters that rates need, and the last reading as samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cadence::Cadence;
use super::report::EnsembleReport;
use super::samples::Collector;
use crate::catalogue::{Own, Part};
use crate::config::probes::ClientsConfig;
use crate::ensemble::{ClientTotals, Clients, MemberClients, PacketCounters, TopClients};
use crate::reply::Number;

/// State of one ensemble; bounded by its members and the size of their replies.
#[derive(Debug, Default)]
pub(super) struct ClientWatch {
    cadence: Cadence,
    /// Packet counters of the last reading of each member, and the start of its round.
    counters: BTreeMap<Arc<str>, (Instant, PacketCounters)>,
    /// The last reading; `None` if no member was read.
    clients: Option<Arc<Clients>>,
}

/// A rate of a client, if it is known.
type RateOf = fn(&ClientTotals) -> Option<f64>;

/// The label of all clients without series of their own.
const OTHER: &str = "other";

impl ClientWatch {
    /// Whether the clients are due; if so, they are read in this round.
    pub(super) fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        self.cadence.is_due(now, interval)
    }

    /// Records the result of a round that began at `begun`, and returns the clients of the last reading without the
    /// members that no longer answer. `outside` are members of another ensemble.
    pub(super) fn note(
        &mut self,
        config: &ClientsConfig,
        report: &mut EnsembleReport,
        outside: &[usize],
        begun: Instant,
        clients_read: bool,
    ) -> Option<Arc<Clients>> {
        let mut read = Vec::new();
        for (place, member) in report.members.iter_mut().enumerate() {
            let Some(list) = member.connections.take().filter(|_| !outside.contains(&place)) else { continue };
            let limit = member.conf.as_ref().and_then(|conf| conf.max_client_connections);
            let earlier = self.counters.get(&member.name);
            let earlier = earlier.map(|(taken, counters)| (counters, begun.duration_since(*taken)));
            read.push(MemberClients::new(Arc::clone(&member.name), &list, limit, config.mask, earlier));
            self.counters.insert(Arc::clone(&member.name), (begun, PacketCounters::of(&list)));
        }
        let report = &*report;
        self.counters.retain(|name, _| report.members.iter().any(|member| member.name == *name));
        if clients_read {
            self.clients = (!read.is_empty()).then(|| Arc::new(Clients { members: read }));
        }
        let answers = |of: &MemberClients| {
            report.members.iter().any(|member| member.name == of.member && (member.up || member.is_unknown()))
        };
        if let Some(clients) = self.clients.as_mut().filter(|clients| !clients.members.iter().all(answers)) {
            Arc::make_mut(clients).members.retain(answers);
        }
        self.clients.clone().filter(|clients| !clients.members.is_empty())
    }
}

/// Adds the clients as samples: of each family the `top` largest values, and all others together.
pub(super) fn push(all: &mut Collector, clients: &Clients, top: usize) {
    let by_client = clients.by_client();
    let of = |value: fn(&ClientTotals) -> u64| {
        TopClients::of(by_client.iter().map(|(client, totals)| (*client, value(totals))), top)
    };
    for (own, found) in [
        (Own::ClientConnections, of(|totals| totals.connections)),
        (Own::ClientSessions, of(|totals| totals.sessions)),
        (Own::ClientOutstandingRequests, of(|totals| totals.outstanding)),
    ] {
        let others = found.others.iter().fold(0, |sum: u64, value| sum.saturating_add(*value));
        push_top(all, own, &found, count, others);
    }
    let latencies = of(|totals| totals.max_latency_ms);
    push_top(all, Own::ClientMaxLatency, &latencies, seconds, latencies.others.iter().copied().max().unwrap_or(0));
    let rates: [(Own, RateOf); 2] = [
        (Own::ClientPacketsReceivedRate, |totals| totals.received_rate),
        (Own::ClientPacketsSentRate, |totals| totals.sent_rate),
    ];
    for (own, rate) in rates {
        let known: Vec<_> = by_client.iter().filter_map(|(client, totals)| Some((*client, rate(totals)?))).collect();
        if !known.is_empty() {
            let found = TopClients::of(known.into_iter(), top);
            push_top(all, own, &found, Number::Float, found.others.iter().sum());
        }
    }
    for member in &clients.members {
        if let Some(limit) = member.limit {
            all.push_one(Own::ClientConnectionLimit.into(), Part::Value, &member.member, count(limit));
        }
        for (client, ratio) in TopClients::of(member.limit_ratios(), top).top {
            let labels = [&*member.member, &client.to_string()];
            all.push_many(Own::ClientConnectionLimitRatio.into(), Part::Value, &labels, Number::Float(ratio));
        }
    }
}

fn push_top<T: Copy>(all: &mut Collector, own: Own, found: &TopClients<T>, number: fn(T) -> Number, others: T) {
    for (client, value) in &found.top {
        all.push_one(own.into(), Part::Value, &client.to_string(), number(*value));
    }
    all.push_one(own.into(), Part::Value, OTHER, number(others));
}

fn count(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn seconds(millis: u64) -> Number {
    Number::Float(Duration::from_millis(millis).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::FamilyId;
    use crate::ensemble::Known;
    use crate::reply::cons;
    use crate::scrape::{MemberReport, Samples};

    /// Name, whether it answers, and the connections read as (address, port, packets received).
    type Shown<'s> = (&'s str, bool, Option<&'s [(&'s str, u16, u64)]>);

    fn note(watch: &mut ClientWatch, begun: Instant, members: &[Shown<'_>], outside: &[usize]) -> Option<Samples> {
        let member = |(name, up, connections): &Shown<'_>| {
            let lines = |all: &&[(&str, u16, u64)]| -> String {
                let line = |(address, port, received): &(&str, u16, u64)| {
                    format!(" /{address}:{port}[1](queued=0,recved={received},sent=0,sid=0x{port:x},maxlat=20)\n")
                };
                all.iter().map(line).collect()
            };
            let connections = connections.as_ref().map(|all| Box::new(cons::parse(&lines(all))));
            MemberReport { up: *up, connections, ..MemberReport::silent((*name).into()) }
        };
        let clients_read = members.iter().any(|(_, _, connections)| connections.is_some());
        let members = members.iter().map(member).collect();
        let mut report =
            EnsembleReport { name: "prod".into(), members, known: Known::default(), samples: Samples::default() };
        let found = watch.note(&ClientsConfig::default(), &mut report, outside, begun, clients_read)?;
        assert!(report.members.iter().all(|member| member.connections.is_none()), "no report keeps them");
        let mut all = Collector::new(usize::MAX);
        push(&mut all, &found, 1);
        Some(all.finish())
    }

    fn shown(samples: &Samples, own: Own) -> Vec<(String, f64)> {
        let cells = samples.cells().iter().filter(|cell| cell.family() == FamilyId::from(own));
        cells.map(|cell| (samples.label_values(*cell).collect::<Vec<_>>().join(" "), cell.value().as_f64())).collect()
    }

    #[test]
    fn the_last_reading_is_kept_until_its_members_are_removed() {
        let (mut watch, now) = (ClientWatch::default(), Instant::now());
        let of = |name: &str, value: f64| (name.to_owned(), value);
        let (one, other): (&[_], &[_]) =
            (&[("10.0.0.1", 1, 5), ("10.0.0.1", 2, 5), ("10.0.0.2", 1, 9)], &[("10.0.0.2", 7, 100)]);
        let read = note(&mut watch, now, &[("a:1", true, Some(one)), ("b:1", true, Some(other))], &[]).expect("read");
        let expected = [of("10.0.0.1", 2.0), of("other", 2.0)];
        assert_eq!(shown(&read, Own::ClientConnections), expected);
        assert_eq!(shown(&read, Own::ClientMaxLatency), [of("10.0.0.1", 0.02), of("other", 0.02)]);
        assert_eq!(shown(&read, Own::ClientPacketsReceivedRate), [], "one reading");
        let later = now + Duration::from_secs(15);
        let kept = note(&mut watch, later, &[("a:1", true, None), ("b:1", true, None)], &[]).expect("kept");
        assert_eq!(shown(&kept, Own::ClientConnections), expected);
        let down = note(&mut watch, later, &[("a:1", true, None), ("b:1", false, None)], &[]).expect("one is left");
        assert_eq!(shown(&down, Own::ClientConnections), [of("10.0.0.1", 2.0), of("other", 1.0)]);
        assert!(note(&mut watch, later, &[("b:1", true, None)], &[]).is_none(), "members that left");
    }

    #[test]
    fn rates_cover_the_time_between_two_readings_of_a_member() {
        let (mut watch, now) = (ClientWatch::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        note(&mut watch, now, &[("a:1", true, Some(&[("10.0.0.1", 1, 100)])), ("b:1", true, None)], &[]);
        // The member fails in the second reading, so that the third one covers two intervals.
        let failed =
            note(&mut watch, after(60), &[("a:1", true, None), ("b:1", true, Some(&[("10.0.0.1", 5, 1)]))], &[]);
        let failed = failed.expect("the other one");
        assert_eq!(shown(&failed, Own::ClientConnections), [("10.0.0.1".to_owned(), 1.0), ("other".to_owned(), 0.0)]);
        let third =
            note(&mut watch, after(120), &[("a:1", true, Some(&[("10.0.0.1", 1, 160)])), ("b:1", true, None)], &[]);
        let rates = shown(&third.expect("read"), Own::ClientPacketsReceivedRate);
        assert_eq!(rates, [("10.0.0.1".to_owned(), 0.5), ("other".to_owned(), 0.0)]);
    }

    #[test]
    fn clients_of_another_ensemble_are_not_summed() {
        let (mut watch, now) = (ClientWatch::default(), Instant::now());
        let (own, foreign): (&[_], &[_]) = (&[("10.0.0.1", 1, 5)], &[("10.0.0.9", 1, 5)]);
        let read = note(&mut watch, now, &[("a:1", true, Some(own)), ("b:1", true, Some(foreign))], &[1]);
        assert_eq!(shown(&read.expect("read"), Own::ClientConnections)[0].0, "10.0.0.1");
        assert!(note(&mut watch, now, &[("b:1", true, Some(foreign))], &[0]).is_none());
    }
}
