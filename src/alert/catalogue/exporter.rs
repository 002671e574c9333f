//! Health of the exporter itself, and gaps in its view of ensembles.

use super::super::build::{LIMIT, series, series_with};
use super::super::condition::Severity::{Critical, Info, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{CHANGES, CHANGES_WINDOW, WINDOW, flapping, watched};
use super::super::watch::{UNSEEN, WATCH, WATCHED};

/// An ensemble that exporters report for a smaller share of 20 minutes is not monitored.
const MOSTLY_AWAY: f64 = 0.5;

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Exporter, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let five = Span::minutes(5);
    // A pod in a crash loop leaves its name with each crash.
    let not_asked = || series("zk_ensemble_voters_not_asked");
    let leaves_dns = not_asked()
        .max(WINDOW)
        .by(Agg::Min, Keys::Ensemble)
        .gt(0.0)
        .and(not_asked().avg(CHANGES_WINDOW).by(Agg::Min, Keys::Ensemble).ge(0.6))
        .and(not_asked().changes(CHANGES_WINDOW).by(Agg::Min, Keys::Ensemble).ge(CHANGES));
    // An exporter that is away most of the time monitors too little; one that loses every fourth scrape does not. Also
    // if its target comes and goes, which leaves no sample of `up`.
    let watched_for = || series(WATCHED);
    let mostly_away =
        watched_for().avg(CHANGES_WINDOW).lt(MOSTLY_AWAY).and(watched_for().changes(CHANGES_WINDOW).ge(CHANGES));
    let monitored = watched().unless_on(Keys::Ensemble, mostly_away);
    vec![
        Condition::new(
            "EnsembleUnwatched",
            Group::Availability,
            Unit::State,
            series(WATCH)
                .eq(1.0)
                .by(Agg::Group, Keys::Ensemble)
                .unless_on(Keys::Ensemble, monitored)
                .or(Expr::AbsentEnsembles(Selector { name: "zk_up", labels: Vec::new() })),
        )
        .critical(None, Span::minutes(3), "No exporter monitors a ZooKeeper ensemble any more.")
        .source("3 minutes are several scrapes and longer than the restart of an exporter; kube-prometheus waits as long")
        .says(
            "Prometheus has had no metrics of ensemble <ensemble> for over <for>, or for more than half of 20 minutes: the exporter that monitored it is gone, is not scraped, or reaches no member that another exporter reached. No new alert of this ensemble can fire, and none that fires can resolve.",
            "First check Prometheus' targets page for the exporter; then on its host: systemctl status zookeeper-exporter; journalctl -u zookeeper-exporter -n 50",
        )
        .means(
            "The ensemble was monitored, or is in the configuration, and no exporter that reaches it reports it now.",
            "The ensemble may be healthy; if it is not, no alert will fire.",
        )
        .so(
            "Check the ensemble by hand until it is monitored again.",
            "Start the exporter; repair the scrape configuration or service discovery. If the ensemble was decommissioned: see docs/alerts.md.",
        )
        .fires(Critical, "e", "the only exporter is gone", &[
            "up x 1 for 3m then 0",
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
        ])
        .fires(Critical, "e", "its target is gone", &[
            "up x 1 for 3m then stale",
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
        ])
        .fires(Critical, "e", "no member could be queried", &[
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
            "zk_ensemble_members e 3",
        ])
        .fires(Critical, "e", "the only remaining exporter reaches no member that the other one reached", &[
            "up x 1",
            "up x@2 1 for 12m then 0",
            "zk_up m1 0",
            "zk_up m2 0",
            "zk_up m3 0",
            "zk_up m1@2 1 for 12m then stale",
            "zk_up m2@2 1 for 12m then stale",
            "zk_up m3@2 1 for 12m then stale",
        ])
        .fires(Critical, "e", "the only exporter is there for a third of the time", &[
            "up x 1 for 5m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 1",
            "zk_up m 1 for 5m then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then 1",
        ])
        .fires(Critical, "e", "the only target comes and goes, and is there for a third of the time", &[
            "up x 1 for 5m then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then 1",
            "zk_up m 1 for 5m then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then 1",
        ])
        .quiet(Critical, "the only exporter loses four scrapes of ten", &[
            "up x 1 for 5m then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 0 for 30s then 1 for 45s then 1",
            "zk_up m 1 for 5m then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then stale for 30s then 1 for 45s then 1",
        ])
        .quiet(Critical, "the only exporter is back after thirteen minutes", &[
            "up x 1 for 11m then 0 for 13m then 1",
            "zk_up m1 1 for 11m then stale for 13m then 1",
            "zk_up m2 1 for 11m then stale for 13m then 1",
            "zk_up m3 1 for 11m then stale for 13m then 1",
        ])
        .quiet(Critical, "one of two exporters comes and goes", &[
            "up x 1 for 5m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 1",
            "zk_up m 1 for 5m then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then stale for 1m then 1 for 30s then 1",
            "up x@2 1",
            "zk_up m1@2 1",
        ])
        .quiet(Critical, "the new exporter of a rollout does not have the ensemble", &[
            "up x 1 for 7m then stale",
            "zk_up m1 1 for 7m then stale",
            "zk_up m2 1 for 7m then stale",
            "zk_up m3 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 absent for 6m then 1",
            "zk_exporter_build_info{version=\"1.0.0\"} x@2 absent for 6m then 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 absent for 6m then 1",
        ])
        .quiet(Critical, "the new exporter of a rollout has only another ensemble of the old one", &[
            "up x 1 for 7m then stale",
            "zk_up m 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x 1 for 7m then stale",
            "up x@2 absent for 6m then 1",
            "zk_exporter_build_info{version=\"1.0.0\"} x@2 absent for 6m then 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 absent for 6m then 1",
        ])
        .fires(Critical, "e", "the exporter of another ensemble of the same job is replaced", &[
            "up x 1 for 7m then stale",
            "zk_up m 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 1 for 15m then stale",
            "zk_exporter_build_info{version=\"1.0.0\"} x@2 1 for 15m then stale",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 1 for 15m then stale",
            "up x@3 absent for 16m then 1",
            "zk_exporter_build_info{version=\"1.0.0\"} x@3 absent for 16m then 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@3 absent for 16m then 1",
        ])
        .fires(Critical, "e", "an older exporter of the same job has other ensembles", &[
            "up x 1 for 7m then stale",
            "zk_up m1 1 for 7m then stale",
            "zk_up m2 1 for 7m then stale",
            "zk_up m3 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 1",
            "zk_exporter_build_info{version=\"1.0.0\"} x@2 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 1",
        ])
        .quiet(Critical, "a probe removed from the service discovery", &[
            "up x 1 for 7m then stale",
            "zk_exporter_build_info{version=\"1.0.0\"} x absent",
            "zk_up m1 1 for 7m then stale",
            "zk_up m2 1 for 7m then stale",
            "zk_up m3 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 1",
        ])
        .quiet(Critical, "another exporter still monitors it", &[
            "up x 1 for 3m then 0",
            "up x@2 1",
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
            "zk_up m1@2 1",
        ])
        .quiet(Critical, "an exporter that restarts", &[
            "up x 1 for 4m then 0 for 1m then 1",
            "zk_up m1 1 for 4m then stale for 1m then 1",
            "zk_up m2 1 for 4m then stale for 1m then 1",
            "zk_up m3 1 for 4m then stale for 1m then 1",
        ])
        .quiet(Critical, "an ensemble removed from the configuration", &[
            "zk_up m1 1 for 2m then stale",
            "zk_up m2 1 for 2m then stale",
            "zk_up m3 1 for 2m then stale",
            "zk_ensemble_members e 3 for 2m then stale",
        ]),
        condition(
            "ExporterDown",
            Unit::State,
            series("up")
                .by(Agg::Max, Keys::Target)
                .eq(0.0)
                .or(flapping(|| series("up")).by(Agg::Max, Keys::Target))
                .and_on(Keys::Target, series(WATCH).eq(1.0)),
        )
        .warning(None, five, "An exporter of ZooKeeper metrics is down.")
        .source("Strimzi waits 3 minutes. Also down for more than 4 of 10 minutes in total, so that a crash loop counts. If no other exporter monitors the same ensembles, ZooKeeperEnsembleUnwatched is the critical alert")
        .says(
            "Prometheus has not reached the exporter <who> for over <for>, or reaches it only intermittently.",
            "First on its host: systemctl status zookeeper-exporter; journalctl -u zookeeper-exporter -n 50; curl -s http://<instance>/-/healthy",
        )
        .means("The exporter is not running, or Prometheus does not reach it.", "Its ensembles are monitored by one exporter less, or by none.")
        .so("None now, as long as another exporter monitors the same ensembles.", "Start it; repair the network or its TLS and password settings (web configuration).")
        .fires(Warning, "x", "it does not answer", &["up x 1 for 3m then 0"])
        .fires(Warning, "x", "it starts and dies repeatedly", &[
            "up x 1 for 13m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1",
        ])
        .quiet(Warning, "a restart", &["up x 1 for 14m then 0 for 1m then 1"])
        .quiet(Warning, "four restarts of half a minute within ten minutes", &[
            "up x 1 for 16m then 0 for 30s then 1 for 2m then 0 for 30s then 1 for 2m then 0 for 30s then 1 for 2m then 0 for 30s then 1",
        ])
        .quiet(Warning, "it is back after nine minutes", &["up x 1 for 16m then 0 for 9m then 1"])
        .quiet(Warning, "its target is gone", &[
            "up x 1 for 13m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then stale",
        ])
        .quiet(Warning, "a target that is not this exporter", &[
            "up x 0",
            "zk_up m1 absent",
            "zk_up m2 absent",
            "zk_up m3 absent",
            "zk_ensemble_members e absent",
        ]),
        condition(
            "ExporterBlind",
            Unit::Count,
            series(UNSEEN).eq(1.0).by(Agg::Sum, Keys::EnsembleOfTarget),
        )
        .warning(None, five, "An exporter does not reach ZooKeeper members that another exporter reaches.")
        .source("answers in less than half of 10 minutes, while another exporter had answers in 90 % of them; 5 minutes more, since one exporter still monitors the members")
        .says(
            "the exporter <who> gets no answers from <value> member(s) of ensemble <ensemble> that another exporter reaches. Without the other exporter, they would not be monitored; its own samples of them raise no alert.",
            "First query from its host: <info> - then check its firewall, NetworkPolicy, DNS and certificates: curl -s http://<instance>/metrics | grep zk_scrape_failure",
        )
        .means(
            "The network, a firewall or a certificate keeps this exporter from reaching the members.",
            "Those members are monitored by one exporter less.",
        )
        .so("None now, as long as the other exporter runs; do not restart that one.", "Allow this exporter to connect to the members' client ports.")
        .fires(Warning, "x ensemble=a", "it reaches one member less than another exporter", &[
            "zk_up m1 0",
            "zk_up m1@2 1",
            "zk_up m2@2 1",
            "up x@2 1",
        ])
        .quiet(Warning, "a member that no exporter reaches", &["zk_up m1 0", "zk_up m1@2 0", "up x@2 1"])
        .quiet(Warning, "a member that died", &[
            "zk_up m1 1 for 5m then 0",
            "zk_up m1@2 1 for 5m then 0",
            "up x@2 1",
        ])
        .quiet(Warning, "it reaches the member again", &[
            "zk_up m1 1 for 2m then 0 for 3m then 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ]),
        condition(
            "ExporterOverloaded",
            Unit::Count,
            series("zk_exporter_limited_members").max(five).of_ensemble().gt(0.0),
        )
        .warning(None, five, "An exporter cannot query all members of a ZooKeeper ensemble.")
        .source("any one: the state of a member that was not queried is unknown, and no alert about it can fire")
        .says(
            "the exporter's own limits (reached:<limits>) have kept it from querying up to <value> members of ensemble <ensemble> for over <for>. Their state is unknown; this does not mean that they are down.",
            "First check which limit: topk(5, zk_exporter_limited_members) in Prometheus - sockets or files: raise LimitNOFILE of the exporter's service (or --limit.sockets); ports: widen net.ipv4.ip_local_port_range; memory: free memory on its host, or lower --limit.reply-bytes; threads: check whether the name server answers, then raise TasksMax; deadline: raise scrape_timeout or the module's timeout; cpu: give the exporter more CPU; address: a discovered name resolves to loopback or link-local, add the member to the configuration; family: enable IPv6 or permit it for the service; internal: report its log.",
        )
        .means(
            "The exporter had no connection, descriptor, port, thread, CPU or time left to query every member in every scrape.",
            "Members that are not queried have no zk_up: until they are, their alerts and those that need answers from a majority cannot fire.",
        )
        .so(
            "None now, unless ZooKeeperEnsembleUnwatched fires as well: then check the ensemble by hand.",
            "Raise the named limit, or distribute the ensembles over several exporters.",
        )
        .fires(Warning, "e", "no descriptors for one member", &["zk_exporter_limited_members{limit=\"files\"} e 1"])
        .fires(Warning, "e", "every third minute", &[
            "zk_exporter_limited_members{limit=\"sockets\"} e 0 for 1m then 2 for 1m then absent for 2m then 2 for 1m then absent for 2m then 2 for 1m then absent for 2m then 2 for 1m then absent",
        ])
        .quiet(Warning, "one bad scrape", &[
            "zk_exporter_limited_members{limit=\"deadline\"} e 0 for 4m then 3 for 15s then 0",
        ])
        .quiet(Warning, "a member that is down", &["zk_up m1 0"]),
        condition(
            "EnsemblesMixed",
            Unit::Count,
            Expr::newest("zk_ensemble_foreign_members", Agg::Max, Keys::Ensemble).gt(0.0),
        )
        .warning(None, five, "Members of two ZooKeeper ensembles are in one list.")
        .source("a membership names its servers: members without a common server belong to two ensembles")
        .says(
            "<value> member(s) in the list of ensemble <ensemble> belong to another ensemble, by the servers in their own membership. Both ensembles may be healthy: do not stop any member. The metrics of this ensemble exclude them.",
            "First check which: <info> - then correct the exporter's configuration: each ensemble needs its own name and list.",
        )
        .means(
            "The configuration, a DNS name or a service selector combines two ensembles under one name.",
            "The foreign members are not monitored as their own ensemble: its quorum has no alert.",
        )
        .so("None now, if both ensembles are healthy.", "Give each ensemble its own entry, DNS name or selector.")
        .fires(Warning, "e", "three foreign members", &["zk_ensemble_foreign_members e 3"])
        .quiet(Warning, "a member that moves to another ensemble", &[
            "zk_ensemble_foreign_members e 0 for 4m then 1 for 2m then 0",
        ]),
        condition(
            "MemberListedTwice",
            Unit::Count,
            Expr::newest("zk_ensemble_duplicate_members", Agg::Max, Keys::Ensemble).gt(0.0),
        )
        .warning(None, five, "A ZooKeeper server is listed under two addresses.")
        .source("each server reports its id: two members with one id and one process are one server")
        .says(
            "<value> member(s) in the list of ensemble <ensemble> appear to be a server that is already listed under another address: it counts once for the quorum but appears twice.",
            "First check which, and whether both are one server: <info> - if so, remove one of the two addresses from the exporter's configuration.",
        )
        .means(
            "A server is in the list under two names, or under a name and an address.",
            "When it fails, two members appear down; another server may be missing from the list.",
        )
        .so("None now.", "Remove one address of each pair; with DNS, choose one name for each server.")
        .fires(Warning, "e", "one server listed twice", &["zk_ensemble_duplicate_members e 1"])
        .quiet(Warning, "two minutes, while an address changes", &[
            "zk_ensemble_duplicate_members e 0 for 4m then 1 for 2m then 0",
        ]),
        condition(
            "MemberNameShared",
            Unit::Count,
            // A server whose id is not known is not another one.
            series_with("zk_member_info", "server_id", "!")
                .last(Span::minutes(10))
                .by(Agg::Group, Keys::ServerOfMember)
                .by(Agg::Sum, Keys::Member)
                .gt(1.0),
        )
        .warning(None, Span::minutes(15), "Several ZooKeeper servers are monitored under one name.")
        .source("each server reports its id. Ids of 10 minutes, so that servers that reply in turn count, and 15 minutes, which are longer than the replacement of a server by another one")
        .says(
            "<value> servers report as <who>: the rules see one server where there are several, and a dead one is hidden by the others.",
            "First check which server ids and exporters report the name: zk_member_info{ensemble=\"<ensemble>\",server_id!=\"\"} in Prometheus - then give each server its own name in the configuration of the exporters.",
        )
        .means(
            "Exporters on several hosts use the same name for different servers (localhost:2181 by default), or the address is a load balancer.",
            "A dead member has no alert while another one of that name serves; counters that change between servers look like restarts.",
        )
        .so("None now, if every server runs: check each by hand until the names differ.", "List every server by its own address in one exporter, or name it on each host: --zookeeper NAME=HOST:PORT.")
        .fires(Warning, "m2", "two exporters with default flags on two hosts", &[
            "zk_member_info{server_id=\"1\"} m2 1",
            "zk_member_info{server_id=\"2\"} m2@2 1",
        ])
        .fires(Warning, "m2", "a load balancer, whose servers reply in turn", &[
            "zk_member_info{server_id=\"1\"} m2 1 for 5m then stale for 5m then 1 for 5m then stale for 5m then 1 for 5m then stale for 5m then 1",
            "zk_member_info{server_id=\"2\"} m2 absent for 5m then 1 for 5m then stale for 5m then 1 for 5m then stale for 5m then 1 for 5m then stale",
        ])
        .quiet(Warning, "two exporters of one server", &[
            "zk_member_info{server_id=\"2\"} m2 1",
            "zk_member_info{server_id=\"2\"} m2@2 1",
        ])
        .quiet(Warning, "a server id that is not known to one exporter", &[
            "zk_member_info{server_id=\"2\"} m2 1",
            "zk_member_info{server_id=\"\"} m2@2 1",
        ])
        .quiet(Warning, "a server that was replaced by one with another id", &[
            "zk_member_info{server_id=\"2\"} m2 1 for 12m then stale",
            "zk_member_info{server_id=\"4\"} m2 absent for 13m then 1",
        ]),
        condition(
            "VoterNotWatched",
            Unit::Count,
            Expr::newest("zk_ensemble_voters_not_asked", Agg::Min, Keys::Ensemble).gt(0.0).or(leaves_dns),
        )
        .warning(None, five, "A voter of a ZooKeeper ensemble is not monitored.")
        .source("the current membership names every voter; 5 minutes are enough for a pod to move or a name to change its address")
        .says(
            "the membership of ensemble <ensemble> names <value> voter(s) that no exporter has queried for over <for>: dead and removed from DNS, at a new address, or missing from the list.",
            "First compare the voters with the queried members: <info> - if the voter is dead, bring it back: the ensemble tolerates one failure less without it; if it runs at another address, add it to the exporter's list.",
        )
        .means(
            "A voter's address was removed from DNS, has changed, or was never listed.",
            "If the voter is dead, no other alert names it, and the quorum tolerates one failure less.",
        )
        .so("Find out now whether that voter runs; no maintenance until then.", "Start it; correct the list, or let the exporter discover members (discovery: conf); for headless services set publishNotReadyAddresses: true.")
        .fires(Warning, "e", "a pod that was removed from DNS", &["zk_ensemble_voters_not_asked e 1"])
        .fires(Warning, "e", "a pod in a crash loop, two of three minutes out of DNS", &[
            "zk_ensemble_voters_not_asked e 0 for 5m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1 for 2m then 0 for 1m then 1",
        ])
        .quiet(Warning, "a pod that is back after a quarter of an hour", &[
            "zk_ensemble_voters_not_asked e 0 for 12m then 1 for 15m then 0",
        ])
        .quiet(Warning, "a pod out of DNS for a quarter of the time", &[
            "zk_ensemble_voters_not_asked e 0 for 5m then 1 for 1m then 0 for 3m then 1 for 1m then 0 for 3m then 1 for 1m then 0 for 3m then 1 for 1m then 0 for 3m then 1 for 1m then 0 for 3m then 1 for 1m then 0 for 3m then 1 for 1m then 0",
        ])
        .quiet(Warning, "a pod that moves", &["zk_ensemble_voters_not_asked e 0 for 4m then 1 for 2m then 0"])
        .quiet(Warning, "another exporter queries it", &[
            "zk_ensemble_voters_not_asked e 1",
            "zk_ensemble_voters_not_asked e@2 0",
        ]),
        condition(
            "MntrMissing",
            Unit::State,
            // A member that refuses every command is up, and whether it serves is not known.
            Expr::newest("zk_mntr_complete", Agg::Max, Keys::Member)
                .eq(0.0)
                .and(Expr::newest("zk_up", Agg::Max, Keys::Member).eq(1.0))
                .unless(Expr::newest("zk_serving", Agg::Max, Keys::Member).eq(0.0)),
        )
        .warning(None, five, "A ZooKeeper member answers, but its metrics are missing.")
        .source("since 3.5.3 ZooKeeper allows only srvr unless 4lw.commands.whitelist lists more")
        .says(
            "<who> answers, but for over <for> mntr could not be read completely (reason: <reasons>seen by the exporter): most rules cannot fire for it.",
            "First check which command fails, and why: <info> - not_allowed: add to zoo.cfg: 4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro and restart only this member, while the margin is above 0; or set the AdminServer in the exporter's module: admin: http://{host}:8080",
        )
        .means("mntr is not whitelisted, or its reply is truncated or too late.", "Latency, disk, connections and similar values of this member are not monitored. Whether it serves still is, unless srvr is refused too.")
        .so("Plan the restart; until then this member is only partly monitored.", "Whitelist mntr, or let the exporter use the AdminServer.")
        .fires(Warning, "m2", "refused", &["zk_mntr_complete m2 0"])
        .fires(Warning, "m2", "every command refused", &["zk_mntr_complete m2 0", "zk_serving m2 absent for 30m"])
        .quiet(Warning, "a member that does not serve", &["zk_mntr_complete m2 0", "zk_serving m2 0"])
        .quiet(Warning, "a member that is down", &["zk_mntr_complete m2 0", "zk_serving m2 absent for 30m", "zk_up m2 0"])
        .quiet(Warning, "one bad minute", &["zk_mntr_complete m2 1 for 5m then 0 for 1m then 1"]),
        condition(
            "ScrapeSlow",
            Unit::Seconds,
            series("zk_scrape_duration_seconds").avg(five).unless_on(Keys::MemberOfTarget, series(UNSEEN).eq(1.0)).of_member().gt(LIMIT).and(Expr::newest("zk_up", Agg::Max, Keys::Member).eq(1.0)),
        )
        .warning(2.5, Span::minutes(10), "A ZooKeeper member answers the exporter slowly.")
        .source("half of the exporter's default timeout of 5 s; a healthy member answers within milliseconds")
        .says(
            "the exporter has taken <value> on average to query <who>, for over <for> (limit <limit>).",
            "First check which members fail to answer in time: <info> - then measure one, if its port is not TLS: time (<ask mntr> | tail -1) - if it is also slow from the member's own host, the member is overloaded or pauses; if only from other hosts, the cause is the network or DNS.",
        )
        .means("Connecting to the member or receiving its replies takes long.", "Metrics become incomplete when it reaches the timeout.")
        .so("None now, unless latency alerts fire as well.", "Find the cause: pauses, a slow network or a slow name server.")
        .fires(Warning, "m3", "four seconds", &["zk_scrape_duration_seconds m3 4"])
        .quiet(Warning, "a member that is down", &["zk_scrape_duration_seconds m3 5", "zk_up m3 0"]),
        condition(
            "ConfigReloadFailed",
            Unit::State,
            Expr::newest("zk_exporter_config_last_reload_successful", Agg::Max, Keys::Target).eq(0.0),
        )
        .warning(None, Span::minutes(10), "An exporter could not reload its configuration.")
        .source("the previous configuration remains active, so only the change is lost")
        .says(
            "the exporter <who> could not reload its configuration; an older one has been active for over <for>.",
            "First check the file: zookeeper-exporter config check FILE - it reports file, line and the expected value.",
        )
        .means("The configuration file has an error, or cannot be read.", "Changes are not active; at the next restart the exporter would not start.")
        .so("Fix the file before the next restart.", "Fix the file, then send SIGHUP or POST /-/reload.")
        .fires(Warning, "x", "an error in the file", &["zk_exporter_config_last_reload_successful x 0"])
        .quiet(Warning, "fixed after five minutes", &[
            "zk_exporter_config_last_reload_successful x 1 for 3m then 0 for 5m then 1",
        ]),
        condition(
            "SamplesDropped",
            Unit::Count,
            // Wrapped numbers are a known trait of Keeper, without a remedy.
            series_with("zk_exporter_dropped_samples_total", "reason", "cap|duplicate|impossible|not_a_line|not_a_number|not_finite")
                .increase(Span::minutes(15))
                .of_member()
                .gt(0.0),
        )
        .warning(None, Span::minutes(15), "The exporter drops values of a ZooKeeper member.")
        .source("any one: a server version that the exporter does not understand, or a limit that was reached")
        .says(
            "the exporter has dropped <value> values of <who> within 15 minutes.",
            "First check why: sum by (reason) (increase(zk_exporter_dropped_samples_total[15m])) in Prometheus - cap: raise --limit.series-per-member; any other: report it with the member's mntr: <ask mntr> - or, over TLS, curl -s http://<host>:8080/commands/monitor",
        )
        .means("A reply contained values that cannot be samples, or more series than the limit.", "Those series are missing.")
        .so("Report it, or raise the limit.", "Raise --limit.series-per-member; or report the reply.")
        .fires(Warning, "m1", "one in each scrape", &["zk_exporter_dropped_samples_total{reason=\"cap\"} m1 +4/m"])
        .quiet(Warning, "long ago", &["zk_exporter_dropped_samples_total{reason=\"cap\"} m1 40"])
        .quiet(Warning, "wrapped numbers of a Keeper", &["zk_exporter_dropped_samples_total{reason=\"wrapped\"} m1 +4/m"]),
        condition("Watchdog", Unit::State, Expr::Always)
            .info("The chain from Prometheus to the alert receiver works.")
            .source("always fires: route it to a dead man's switch that raises an alarm when it stops")
            .says(
                "this alert fires as long as Prometheus evaluates the ZooKeeper rules and Alertmanager delivers ({{ $value }}); its receiver must raise an alarm when it stops.",
                "First, if it stopped: check Prometheus' rules page and Alertmanager's status page.",
            )
            .means("Rules are evaluated and notifications delivered.", "None; if it is absent, no alert reaches you.")
            .so("None while it fires.", "Route it to a dead man's switch, see deploy/alertmanager/alertmanager.yml.")
            .fires(Info, "", "always", &[]),
    ]
}
