//! Clients: their connections, their sessions, and what vanishes with them.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Connections, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let ten = Span::minutes(10);
    let expired = || series("zk_stale_sessions_expired_total").increase(ten).of_ensemble();
    // Before: what was there nine tenths of an hour that ended a quarter of an hour ago, so that a peak that passes is no
    // collapse of what it rose above.
    let hour = Span::hours(1);
    let clients = || series("zk_num_alive_connections").max(Span::minutes(2)).of_member();
    // Only members that answer now: the clients of the others cannot be counted.
    let clients_before = || {
        let low = series("zk_num_alive_connections").low(hour).ago(Span::minutes(15)).of_member();
        low.and(series("zk_num_alive_connections").of_member()).by(Agg::Sum, Keys::Ensemble)
    };
    let ephemerals = || series("zk_ephemerals").of_ensemble();
    let ephemerals_before = || series("zk_ephemerals").low(hour).ago(ten).of_ensemble();
    vec![
        condition(
            "ConnectionsHigh",
            Unit::Count,
            series("zk_num_alive_connections").min(Span::minutes(5)).of_member().gt(LIMIT),
        )
        .warning(2000.0, ten, "A ZooKeeper member has very many connections.")
        .off()
        .critical(4000.0, ten, "A ZooKeeper member has far too many connections.")
        .off()
        .source("off: there is no number that fits all; ZooKeeper's documentation says 50, which is a limit of one address. 4000 is just below the 4096 open files that Linux gave a process before systemd 240. Set the warning to twice what is usual with you")
        .says(
            "<who> has had at least <value> connections for over <for> (limit <limit>).",
            "First see how they are spread over the members: <stat> - then who they are: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means("More clients than usual, or clients that connect again without closing.", "Each costs a file descriptor, memory, and pings.")
        .so("Find out whether they are many clients or one that leaks.", "Correct the client that leaks; spread clients over all members, observers too.")
        .fires(Warning, "m2", "3000", &["zk_num_alive_connections m2 3000"])
        .fires(Critical, "m2", "5000", &["zk_num_alive_connections m2 5000"])
        .quiet(Warning, "500", &["zk_num_alive_connections m2 500"])
        .quiet(Critical, "3000 are a warning", &["zk_num_alive_connections m2 3000"]),
        condition(
            "ConnectionsRejected",
            Unit::Count,
            series("zk_connection_rejected_total").increase(Span::minutes(5)).of_member().gt(LIMIT),
        )
        .warning(3.0, Span(0), "A ZooKeeper member turns clients away.")
        .source("New Relic's quickstart: 3 in 5 minutes")
        .says(
            "<who> has turned away <value> connections within 5 minutes (limit <limit>): one address has maxClientCnxns of them open (60 unless set), or all together maxCnxns.",
            "First see which members are full: <stat> - then find the address: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means(
            "A client host leaks connections, or many clients share one address.",
            "New clients from that address cannot connect; those behind a proxy or NAT are hit together.",
        )
        .so("Restart the client that leaks; raise the limit only where many clients share the address.", "Correct the client, or raise maxClientCnxns on all members.")
        .fires(Warning, "m1", "four a minute", &["zk_connection_rejected_total m1 +4/m"])
        .quiet(Warning, "long ago", &["zk_connection_rejected_total m1 400"]),
        condition(
            "SessionsExpiring",
            Unit::Ratio,
            (expired() / series("zk_global_sessions").max(ten).of_ensemble()).gt(LIMIT).and(expired().gt(10.0)),
        )
        .warning(0.1, Span(0), "Many sessions of a ZooKeeper ensemble run out.")
        .source("judgement: a tenth of all sessions and more than 10 within 10 minutes is no restart of one client")
        .says(
            "<share> of the sessions of ensemble <ensemble> have run out within 10 minutes (limit <limit>): their clients did not get through in time.",
            "First see whether the servers paused: grep 'Detected pause' in the leader's log - then who it was: grep 'Expiring session' in the leader's log, and those clients' hosts, pauses and network.",
        )
        .means("Clients, their network or the leader paused for longer than the session time-out.", "Locks and registrations of those clients are gone; they must open new sessions.")
        .so("One group of clients: their trouble. All kinds: look at the leader and the network.", "Repair the pauses or the network; raise the clients' session time-out only after that.")
        .fires(Warning, "e", "30 of 100", &["zk_stale_sessions_expired_total m1 +3/m", "zk_global_sessions m1 100"])
        .quiet(Warning, "30 of 1000", &["zk_stale_sessions_expired_total m1 +3/m", "zk_global_sessions m1 1000"])
        .quiet(Warning, "5 of 10: one client", &["zk_stale_sessions_expired_total m1 +0.5/m", "zk_global_sessions m1 10"]),
        condition(
            "ConnectionsCollapsed",
            Unit::Ratio,
            (clients().by(Agg::Sum, Keys::Ensemble) / clients_before()).lt(LIMIT).and(clients_before().gt(20.0)),
        )
        .warning(0.5, Span::minutes(2), "Most clients of a ZooKeeper ensemble are gone.")
        .source("judgement, as Prometheus' own advice on the absence of traffic: half of more than 20 clients. Compared with the tenth percentile of an hour that ended 15 minutes ago, of the members that answer, so that neither a reconnect storm that passes nor a member that does not answer is a collapse")
        .says(
            "only <value> of the connections that ensemble <ensemble> had for most of an hour are left (limit <limit>).",
            "First see how many each member has: <stat> - then whether new ones get in: connect from a client host with zkCli.sh -server MEMBER",
        )
        .means("A network, a firewall, a certificate or a mass stop of clients took them away.", "Clients that do not reach the ensemble cannot work.")
        .so("Find out whether the clients were stopped or cut off.", "Repair the way: firewall, DNS, TLS, authentication.")
        .fires(Warning, "e", "from 300 to 90", &[
            "zk_num_alive_connections m1 100 for 74m then 30",
            "zk_num_alive_connections m2 100 for 74m then 30",
            "zk_num_alive_connections m3 100 for 74m then 30",
        ])
        .fires(Warning, "e", "from 300 to 90, and a scrape that failed", &[
            "zk_num_alive_connections m1 100 for 74m then 30 for 4m then stale for 1m then 30",
            "zk_num_alive_connections m2 100 for 74m then 30",
            "zk_num_alive_connections m3 100 for 74m then 30",
        ])
        .quiet(Warning, "a reconnect storm", &[
            "zk_num_alive_connections m1 100 for 40m then 900 for 5m then 100",
            "zk_num_alive_connections m2 100 for 40m then 900 for 5m then 100",
        ])
        .quiet(Warning, "the member with the most clients does not answer", &[
            "zk_num_alive_connections m1 300 for 70m then stale",
            "zk_num_alive_connections m2 20",
            "zk_num_alive_connections m3 20",
        ])
        .quiet(Warning, "the clients of one member moved", &[
            "zk_num_alive_connections m1 100 for 74m then 0",
            "zk_num_alive_connections m2 100 for 74m then 150",
            "zk_num_alive_connections m3 100 for 74m then 150",
        ])
        .quiet(Warning, "from 15 to 3", &[
            "zk_num_alive_connections m1 5 for 74m then 1",
            "zk_num_alive_connections m2 5 for 74m then 1",
            "zk_num_alive_connections m3 5 for 74m then 1",
        ]),
        condition(
            "EphemeralsCollapsed",
            Unit::Ratio,
            (ephemerals() / ephemerals_before()).lt(LIMIT).and(ephemerals_before().gt(20.0)),
        )
        .warning(0.5, Span(0), "Most ephemeral nodes of a ZooKeeper ensemble are gone.")
        .source("judgement: a mass loss of ephemeral nodes is a mass loss of sessions; half of more than 20, compared with the tenth percentile of an hour that ended 10 minutes ago, so that the end of a batch of locks is no collapse")
        .says(
            "only <value> of the ephemeral nodes that ensemble <ensemble> had for most of an hour are left (limit <limit>): what was registered with them is no longer found.",
            "First see whose sessions ended: grep -E 'Expiring session|Closed socket' in the leader's log | tail -50",
        )
        .means("The sessions that held them ended: clients stopped, were cut off, or paused.", "Services are deregistered, locks are free, brokers are out of their cluster.")
        .so("Tell the owners of the clients at once; their service is likely down.", "Bring the clients or their network back; they register again by themselves.")
        .fires(Warning, "e", "from 200 to 20", &["zk_ephemerals m1 200 for 73m then 20", "zk_ephemerals m2 200 for 73m then 20", "zk_ephemerals m3 200 for 73m then 20"])
        .quiet(Warning, "a batch of locks", &["zk_ephemerals m1 30 for 55m then 400 for 5m then 30"])
        .quiet(Warning, "from 10 to 1", &["zk_ephemerals m1 10 for 73m then 1"])
        .quiet(Warning, "from 200 to 150", &["zk_ephemerals m1 200 for 73m then 150"]),
    ]
}
