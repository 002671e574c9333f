//! Clients: connections, sessions and ephemeral nodes.

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
    // Baseline: the value held for nine tenths of an hour that ended a quarter of an hour ago, so that the end of a
    // short peak is not taken for a collapse.
    let hour = Span::hours(1);
    let clients = || series("zk_num_alive_connections").max(Span::minutes(2)).of_member();
    // Only members that answer now: clients of the other members cannot be counted.
    let clients_ago = |window, ago| {
        let low = series("zk_num_alive_connections").low(window).ago(ago).of_member();
        low.and(series("zk_num_alive_connections").of_member()).by(Agg::Sum, Keys::Ensemble)
    };
    let clients_before = |window| clients_ago(window, Span::minutes(15));
    let ephemerals = || series("zk_ephemerals").max(Span::minutes(2)).of_ensemble();
    let ephemerals_ago = |window, ago| series("zk_ephemerals").low(window).ago(ago).of_ensemble();
    let ephemerals_before = |window| ephemerals_ago(window, ten);
    // A batch that ends returns to what was there before it: hours ago, or at the same time of the day before if it ran for
    // a working day. What is below both, or ends sessions in numbers that are not those of every day, is not the end of a
    // batch.
    let hours = Span::hours(6);
    let (same_time, day_before) = (Span::hours(2), Span::hours(22));
    let clients_as_usual = || (clients().by(Agg::Sum, Keys::Ensemble) / clients_ago(same_time, day_before)).ge(LIMIT);
    let ephemerals_as_usual = || (ephemerals() / ephemerals_ago(same_time, day_before)).ge(LIMIT);
    // Versions before 3.6 and other products do not count them.
    let counted = || series("zk_stale_sessions_expired_total").last(Span::minutes(5)).of_ensemble();
    let many_expired = || series("zk_stale_sessions_expired_total").increase(Span::minutes(15)).of_ensemble().gt(10.0);
    let expired_then =
        || series("zk_stale_sessions_expired_total").increase(same_time).ago(day_before).of_ensemble().gt(10.0);
    vec![
        condition(
            "ConnectionsHigh",
            Unit::Count,
            series("zk_num_alive_connections").min(Span::minutes(5)).of_member().gt(LIMIT),
        )
        .warning(2000.0, ten, "A ZooKeeper member has a high number of connections.")
        .off()
        .critical(4000.0, ten, "A ZooKeeper member has too many connections.")
        .off()
        .source("off: no number fits all ensembles; ZooKeeper's documentation names 50, which is a limit for one address. 4000 is just below the 4096 open files that Linux allowed a process before systemd 240. Set the warning to twice your usual value")
        .says(
            "<who> has had at least <value> connections for over <for> (limit <limit>).",
            "First check how they are spread over the members: <stat> - then where they come from: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means("More clients than usual, or clients that reconnect without closing the old connection.", "Each connection costs a file descriptor, memory and pings.")
        .so("Find out whether the cause is many clients or one client that leaks.", "Fix the client that leaks; spread clients over all members, including observers.")
        .fires(Warning, "m2", "3000", &["zk_num_alive_connections m2 3000"])
        .fires(Critical, "m2", "5000", &["zk_num_alive_connections m2 5000"])
        .quiet(Warning, "500", &["zk_num_alive_connections m2 500"])
        .quiet(Critical, "3000 is only a warning", &["zk_num_alive_connections m2 3000"]),
        condition(
            "ConnectionsRejected",
            Unit::Count,
            series("zk_connection_rejected_total").increase(Span::minutes(5)).of_member().gt(LIMIT),
        )
        .warning(3.0, Span(0), "A ZooKeeper member rejects client connections.")
        .source("New Relic's quickstart: 3 in 5 minutes")
        .says(
            "<who> has rejected <value> connections within 5 minutes (limit <limit>): one address has reached maxClientCnxns (60 unless set), or all clients together have reached maxCnxns.",
            "First check which members have reached the limit: <stat> - then find the address: <ask cons> | sed 's/^ *\\/\\(.*\\):[0-9]*\\[.*/\\1/' | sort | uniq -c | sort -rn | head",
        )
        .means(
            "A client host leaks connections, or many clients share one address.",
            "New clients from that address cannot connect; all clients behind the same proxy or NAT are affected together.",
        )
        .so("Restart the client that leaks; raise the limit only if many clients share the address.", "Fix the client, or raise maxClientCnxns on all members.")
        .fires(Warning, "m1", "four a minute", &["zk_connection_rejected_total m1 +4/m"])
        .quiet(Warning, "long ago", &["zk_connection_rejected_total m1 400"]),
        condition(
            "ClientNearConnectionLimit",
            Unit::Ratio,
            // A client that has left has no series.
            Expr::newest("zk_client_connection_limit_ratio", Agg::Max, Keys::Member).ge(LIMIT),
        )
        .warning(0.8, Span::minutes(5), "A client is near the connection limit of a ZooKeeper member.")
        .source("80 % of maxClientCnxns, ZooKeeper's limit of connections from one address (60 unless set); at 100 % the member closes further ones at once (NIOServerCnxnFactory). Needs the module key clients, and cons in the whitelist or the AdminServer")
        .says(
            "one client address holds <value> of the connections that <who> accepts from an address (maxClientCnxns, limit <limit>). Nearest to it:<clients>",
            "First check whether that client has many processes or leaks connections: <top>",
        )
        .means(
            "Many processes share the address (a proxy, NAT, or a host with many clients), or a client opens connections and does not close them.",
            "None yet; at the limit the member closes each further connection of that address, also of healthy clients behind it, and of the exporter if it shares the address.",
        )
        .so(
            "Ask the owner of the client whether the number is intended; a steady rise is a leak.",
            "Fix or restart the client that leaks; if many clients share the address, raise maxClientCnxns on all members, one restart at a time while the margin is above 0.",
        )
        .fires(Warning, "m2", "90 of 100", &[
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.9",
            "zk_client_connection_limit_ratio{client=\"10.0.0.6\"} m2 0.1",
        ])
        .fires(Warning, "m2", "two clients take turns as the highest", &[
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.9 for 4m then stale for 1m then 0.9",
            "zk_client_connection_limit_ratio{client=\"10.0.0.6\"} m2 0.8 for 5m then 0.85 for 1m then 0.82",
        ])
        .quiet(Warning, "79 of 100", &["zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.79"])
        .quiet(Warning, "a short storm", &[
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.2 for 3m then 0.95 for 2m then 0.2",
        ])
        .quiet(Warning, "a client that has left after a minute", &[
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.95 for 1m then stale",
            "zk_client_connection_limit_ratio{client=\"10.0.0.6\"} m2 0.1",
        ])
        .quiet(Warning, "the same client at three members", &[
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m1 0.5",
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m2 0.5",
            "zk_client_connection_limit_ratio{client=\"10.0.0.5\"} m3 0.5",
        ]),
        condition(
            "SessionsExpiring",
            Unit::Ratio,
            (expired() / series("zk_global_sessions").max(ten).of_ensemble())
                .gt(LIMIT)
                .and(expired().gt(10.0))
                // Three times the mean of the last day, which has 144 such windows.
                .and(expired().gt(series("zk_stale_sessions_expired_total").increase(Span::hours(24)).of_ensemble() / 48.0.into())),
        )
        .warning(0.1, Span(0), "Many sessions of a ZooKeeper ensemble expire.")
        .source("judgement: a tenth of all sessions and more than 10 within 10 minutes is not a restart of one client, and three times the mean of the last day are more than clients that never close their sessions")
        .says(
            "<share> of the sessions of ensemble <ensemble> have expired within 10 minutes (limit <limit>): their clients did not reach it in time.",
            "First check whether the servers paused: grep 'Detected pause' zookeeper.log on the leader's host - then which clients were affected: grep 'Expiring session' zookeeper.log on the leader's host, and those clients' hosts, pauses and network.",
        )
        .means("Clients, their network or the leader paused for longer than the session timeout.", "Locks and registrations of those clients are lost; the clients must open new sessions.")
        .so("One group of clients: the cause is on their side. All kinds of clients: check the leader and the network.", "Fix the pauses or the network; raise the clients' session timeout only after that.")
        .fires(Warning, "e", "30 of 100", &["zk_stale_sessions_expired_total m1 0 for 1430m then +3/m", "zk_global_sessions m1 100"])
        .fires(Warning, "e", "30 of 100, and a usual number of 3", &["zk_stale_sessions_expired_total m1 +0.3/m for 1430m then +3/m", "zk_global_sessions m1 100"])
        .fires(Warning, "e", "30 of 100 on the first day", &["zk_stale_sessions_expired_total m1 absent for 1400m then 0 for 30m then +3/m", "zk_global_sessions m1 100"])
        .quiet(Warning, "30 of 100, as on the whole day: scripts that never close their sessions", &["zk_stale_sessions_expired_total m1 +3/m", "zk_global_sessions m1 100"])
        .quiet(Warning, "30 of 1000", &["zk_stale_sessions_expired_total m1 0 for 1430m then +3/m", "zk_global_sessions m1 1000"])
        .quiet(Warning, "5 of 10: one client", &["zk_stale_sessions_expired_total m1 0 for 1430m then +0.5/m", "zk_global_sessions m1 10"]),
        condition(
            "ConnectionsCollapsed",
            Unit::Ratio,
            (clients().by(Agg::Sum, Keys::Ensemble) / clients_before(hour)).lt(LIMIT).and(clients_before(hour).gt(20.0)).and(
                (clients().by(Agg::Sum, Keys::Ensemble) / clients_before(hours))
                    .lt(LIMIT)
                    .or(clients().by(Agg::Sum, Keys::Ensemble).unless(counted()))
                    .unless(clients_as_usual())
                    .or(many_expired().unless(clients_as_usual().and(expired_then()))),
            ),
        )
        .warning(0.5, Span::minutes(2), "Most clients of a ZooKeeper ensemble have disconnected.")
        .source("judgement, like Prometheus' own advice on the absence of traffic: half of more than 20 clients. Compared with the tenth percentile of an hour that ended 15 minutes ago, of the members that answer, so that neither a short reconnect storm nor a member that does not answer counts as a collapse; and with those of 6 hours, and of the same time of the day before, unless more than 10 sessions expired and did not the day before, so that neither the end of a batch nor that of a working day counts")
        .says(
            "only <value> of the connections that ensemble <ensemble> had for most of an hour remain (limit <limit>).",
            "First check how many each member has: <stat> - then whether new connections succeed: connect from a client host with zkCli.sh -server MEMBER",
        )
        .means("The cause is the network, a firewall, a certificate, or many clients that were stopped.", "Clients that do not reach the ensemble cannot work.")
        .so("Find out whether the clients were stopped or disconnected.", "Restore connectivity: firewall, DNS, TLS, authentication.")
        .fires(Warning, "e", "from 300 to 90", &[
            "zk_num_alive_connections m1 100 for 374m then 30",
            "zk_num_alive_connections m2 100 for 374m then 30",
            "zk_num_alive_connections m3 100 for 374m then 30",
        ])
        .fires(Warning, "e", "from 300 to 90, and a scrape that failed", &[
            "zk_num_alive_connections m1 100 for 374m then 30 for 4m then stale for 1m then 30",
            "zk_num_alive_connections m2 100 for 374m then 30",
            "zk_num_alive_connections m3 100 for 374m then 30",
        ])
        .fires(Warning, "e", "from 300 to 90, as at night, and sessions expire", &[
            "zk_num_alive_connections m1 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m2 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m3 30 for 240m then 100 for 134m then 30",
            "zk_stale_sessions_expired_total m1 0 for 374m then +20/m",
        ])
        .fires(Warning, "e", "from 300 to 90, as at night, in a version that does not count expired sessions", &[
            "zk_num_alive_connections m1 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m2 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m3 30 for 240m then 100 for 134m then 30",
        ])
        .quiet(Warning, "a batch of two hours has ended", &[
            "zk_num_alive_connections m1 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m2 30 for 240m then 100 for 134m then 30",
            "zk_num_alive_connections m3 30 for 240m then 100 for 134m then 30",
            "zk_stale_sessions_expired_total m1 7",
        ])
        .quiet(Warning, "a working day has ended", &[
            "zk_num_alive_connections m1 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m2 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m3 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_stale_sessions_expired_total m1 7 for 2052m",
        ])
        .quiet(Warning, "a working day has ended, in a version that does not count expired sessions", &[
            "zk_num_alive_connections m1 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m2 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m3 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_ensemble_voters e 3 for 2052m",
        ])
        .quiet(Warning, "clients that are killed every evening, and their sessions expire", &[
            "zk_num_alive_connections m1 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m2 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m3 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_stale_sessions_expired_total m1 0 for 600m then +20/m for 30m then 600 for 1410m then +20/m",
            "zk_ensemble_voters e 3 for 2052m",
        ])
        .fires(Warning, "e", "from 300 to 90 as in the evening before, when no session expired", &[
            "zk_num_alive_connections m1 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m2 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_num_alive_connections m3 100 for 600m then 30 for 840m then 100 for 600m then 30",
            "zk_stale_sessions_expired_total m1 0 for 2040m then +20/m",
            "zk_ensemble_voters e 3 for 2052m",
        ])
        .fires(Warning, "e", "from 300 to 90, and the day before there were as many, in a version that does not count expired sessions", &[
            "zk_num_alive_connections m1 100 for 1500m then 30",
            "zk_num_alive_connections m2 100 for 1500m then 30",
            "zk_num_alive_connections m3 100 for 1500m then 30",
            "zk_ensemble_voters e 3 for 1512m",
        ])
        .fires(Warning, "e", "from 300 to 90, and the day before there were as many", &[
            "zk_num_alive_connections m1 100 for 1500m then 30",
            "zk_num_alive_connections m2 100 for 1500m then 30",
            "zk_num_alive_connections m3 100 for 1500m then 30",
            "zk_stale_sessions_expired_total m1 7 for 1512m",
        ])
        .fires(Warning, "e", "from 300 to 90 in the afternoon, as in the night before", &[
            "zk_num_alive_connections m1 100 for 600m then 30 for 840m then 100 for 390m then 30",
            "zk_num_alive_connections m2 100 for 600m then 30 for 840m then 100 for 390m then 30",
            "zk_num_alive_connections m3 100 for 600m then 30 for 840m then 100 for 390m then 30",
            "zk_stale_sessions_expired_total m1 7 for 1842m",
        ])
        .quiet(Warning, "a reconnect storm", &[
            "zk_num_alive_connections m1 100 for 340m then 900 for 5m then 100",
            "zk_num_alive_connections m2 100 for 340m then 900 for 5m then 100",
        ])
        .quiet(Warning, "the member with the most clients does not answer", &[
            "zk_num_alive_connections m1 300 for 370m then stale",
            "zk_num_alive_connections m2 20",
            "zk_num_alive_connections m3 20",
        ])
        .quiet(Warning, "the clients of one member moved to others", &[
            "zk_num_alive_connections m1 100 for 374m then 0",
            "zk_num_alive_connections m2 100 for 374m then 150",
            "zk_num_alive_connections m3 100 for 374m then 150",
        ])
        .quiet(Warning, "from 15 to 3", &[
            "zk_num_alive_connections m1 5 for 374m then 1",
            "zk_num_alive_connections m2 5 for 374m then 1",
            "zk_num_alive_connections m3 5 for 374m then 1",
        ]),
        condition(
            "EphemeralsCollapsed",
            Unit::Ratio,
            (ephemerals() / ephemerals_before(hour))
                .lt(LIMIT)
                .and(ephemerals_before(hour).gt(20.0))
                .and(
                    (ephemerals() / ephemerals_before(hours))
                        .lt(LIMIT)
                        .or(ephemerals().unless(counted()))
                        .unless(ephemerals_as_usual())
                        .or(many_expired().unless(ephemerals_as_usual().and(expired_then()))),
                ),
        )
        .warning(0.5, Span::minutes(2), "Most ephemeral nodes of a ZooKeeper ensemble have been removed.")
        .source("judgement: a mass loss of ephemeral nodes is a mass loss of sessions; half of more than 20, compared with the tenth percentile of an hour that ended 10 minutes ago, so that the end of a batch of locks does not count; and with those of 6 hours, and of the same time of the day before, unless more than 10 sessions expired and did not the day before. 2 minutes, like connections: clients that are deployed again register within seconds")
        .says(
            "only <value> of the ephemeral nodes that ensemble <ensemble> had for most of an hour remain (limit <limit>): services registered with the others are no longer found.",
            "First check whose sessions ended: grep -E 'Expiring session|Closed socket' zookeeper.log | tail -50 on the leader's host",
        )
        .means("The sessions that owned them ended: clients stopped, were disconnected, or paused.", "Services are deregistered, locks are released, brokers have left their cluster.")
        .so("Notify the owners of the clients at once; their service is likely down.", "Bring the clients or their network back; they register again automatically.")
        .fires(Warning, "e", "from 200 to 20", &["zk_ephemerals m1 200 for 368m then 20", "zk_ephemerals m2 200 for 368m then 20", "zk_ephemerals m3 200 for 368m then 20"])
        .fires(Warning, "e", "from 200 to 20, as at night, and sessions expire", &[
            "zk_ephemerals m1 20 for 240m then 200 for 128m then 20",
            "zk_stale_sessions_expired_total m1 0 for 365m then +20/m",
        ])
        .fires(Warning, "e", "from 200 to 20, as at night, in a version that does not count expired sessions", &[
            "zk_ephemerals m1 20 for 240m then 200 for 128m then 20",
        ])
        .quiet(Warning, "a batch of two hours has ended", &[
            "zk_ephemerals m1 20 for 240m then 200 for 128m then 20",
            "zk_stale_sessions_expired_total m1 7",
        ])
        .quiet(Warning, "a working day has ended", &[
            "zk_ephemerals m1 200 for 600m then 20 for 840m then 200 for 600m then 20",
            "zk_stale_sessions_expired_total m1 7 for 2048m",
        ])
        .quiet(Warning, "a working day has ended, in a version that does not count expired sessions", &[
            "zk_ephemerals m1 200 for 600m then 20 for 840m then 200 for 600m then 20",
            "zk_ensemble_voters e 3 for 2048m",
        ])
        .quiet(Warning, "clients that are killed every evening, and their sessions expire", &[
            "zk_ephemerals m1 200 for 600m then 20 for 840m then 200 for 600m then 20",
            "zk_stale_sessions_expired_total m1 0 for 600m then +20/m for 30m then 600 for 1410m then +20/m",
            "zk_ensemble_voters e 3 for 2048m",
        ])
        .fires(Warning, "e", "from 200 to 20 as in the evening before, when no session expired", &[
            "zk_ephemerals m1 200 for 600m then 20 for 840m then 200 for 600m then 20",
            "zk_stale_sessions_expired_total m1 0 for 2040m then +20/m",
            "zk_ensemble_voters e 3 for 2048m",
        ])
        .quiet(Warning, "one sample of clients that are deployed again", &["zk_ephemerals m1 200 for 376m then 20"])
        .fires(Warning, "e", "from 200 to 20, and the day before there were as many", &[
            "zk_ephemerals m1 200 for 1500m then 20",
            "zk_stale_sessions_expired_total m1 7 for 1508m",
        ])
        .quiet(Warning, "a batch of locks", &["zk_ephemerals m1 30 for 355m then 400 for 5m then 30"])
        .quiet(Warning, "from 10 to 1", &["zk_ephemerals m1 10 for 368m then 1"])
        .quiet(Warning, "from 200 to 150", &["zk_ephemerals m1 200 for 368m then 150"]),
    ]
}
