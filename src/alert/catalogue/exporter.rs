//! Whether the watcher itself is well.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Info, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Selector, Span};
use super::super::trouble::{flapping, watched};
use super::super::watch::{UNSEEN, WATCH};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Exporter, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let five = Span::minutes(5);
    vec![
        Condition::new(
            "EnsembleUnwatched",
            Group::Availability,
            Unit::State,
            series(WATCH)
                .eq(1.0)
                .by(Agg::Group, Keys::Ensemble)
                .unless_on(Keys::Ensemble, watched())
                .or(Expr::AbsentEnsembles(Selector { name: "zk_up", labels: Vec::new() })),
        )
        .critical(None, Span::minutes(3), "No exporter watches a ZooKeeper ensemble any more.")
        .source("3 minutes are several scrapes and outlast the restart of an exporter; kube-prometheus waits as long")
        .says(
            "Prometheus has had no figures of ensemble <ensemble> for over <for>: the exporter that watched it is gone, not scraped, or reaches no member that another one reached. No new alarm of this ensemble can fire, and none that fires can end.",
            "First look at Prometheus' targets page for the exporter; then on its host: systemctl status zookeeper-exporter; journalctl -u zookeeper-exporter -n 50",
        )
        .means(
            "The ensemble was watched, or is in the configuration, and no exporter that reaches it reports it now.",
            "The ensemble may be well; if it is not, no alert will say so.",
        )
        .so(
            "Look at the ensemble by hand until it is watched again.",
            "Start the exporter, repair the scrape configuration or service discovery. If the ensemble was given up: see docs/alerts.md.",
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
        .fires(Critical, "e", "no member could be asked", &[
            "zk_up m1 1 for 3m then stale",
            "zk_up m2 1 for 3m then stale",
            "zk_up m3 1 for 3m then stale",
            "zk_ensemble_members e 3",
        ])
        .fires(Critical, "e", "the only exporter left reaches no member that the other one reached", &[
            "up x 1",
            "up x@2 1 for 12m then 0",
            "zk_up m1 0",
            "zk_up m2 0",
            "zk_up m3 0",
            "zk_up m1@2 1 for 12m then stale",
            "zk_up m2@2 1 for 12m then stale",
            "zk_up m3@2 1 for 12m then stale",
        ])
        .quiet(Critical, "the new exporter of a roll-out does not have the ensemble", &[
            "up x 1 for 7m then stale",
            "zk_up m1 1 for 7m then stale",
            "zk_up m2 1 for 7m then stale",
            "zk_up m3 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 absent for 6m then 1",
            "zk_exporter_build_info{version=\"1.0.0\"} x@2 absent for 6m then 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 absent for 6m then 1",
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
        .quiet(Critical, "a probe that was taken out of the service discovery", &[
            "up x 1 for 7m then stale",
            "zk_exporter_build_info{version=\"1.0.0\"} x absent",
            "zk_up m1 1 for 7m then stale",
            "zk_up m2 1 for 7m then stale",
            "zk_up m3 1 for 7m then stale",
            "zk_ensemble_members e 3 for 7m then stale",
            "up x@2 1",
            "zk_up{ensemble=\"b\",member=\"zk-9:2181\"} x@2 1",
        ])
        .quiet(Critical, "another exporter watches it still", &[
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
        .quiet(Critical, "an ensemble taken out of the configuration", &[
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
        .source("Strimzi waits 3 minutes. Or away for 4 of 10 minutes in pieces, so that a crash loop counts. If no other exporter watches the same ensembles, ZooKeeperEnsembleUnwatched is the alarm")
        .says(
            "Prometheus has not reached the exporter <who> for over <for>, or reaches it only now and then.",
            "First on its host: systemctl status zookeeper-exporter; journalctl -u zookeeper-exporter -n 50; curl -s http://<instance>/-/healthy",
        )
        .means("The exporter does not run, or Prometheus does not reach it.", "Its ensembles are watched by one exporter less, or by none.")
        .so("None tonight, as long as another exporter watches.", "Start it; repair the network or its TLS and password settings (web configuration).")
        .fires(Warning, "x", "it does not answer", &["up x 1 for 3m then 0"])
        .fires(Warning, "x", "it starts and dies again", &[
            "up x 1 for 13m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1",
        ])
        .quiet(Warning, "a restart", &["up x 1 for 14m then 0 for 1m then 1"])
        .quiet(Warning, "four restarts of half a minute within ten", &[
            "up x 1 for 16m then 0 for 30s then 1 for 2m then 0 for 30s then 1 for 2m then 0 for 30s then 1 for 2m then 0 for 30s then 1",
        ])
        .quiet(Warning, "it is back after nine minutes", &["up x 1 for 16m then 0 for 9m then 1"])
        .quiet(Warning, "its target is gone", &[
            "up x 1 for 13m then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then 0 for 1m then 1 for 30s then stale",
        ])
        .quiet(Warning, "a target that is no exporter of ours", &[
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
        .source("answered in less than half of 10 minutes, while another exporter had answers in 90 % of them; 5 minutes more, since one exporter still watches")
        .says(
            "the exporter <who> gets no answers from <value> member(s) of ensemble <ensemble> that another exporter reaches. Alone, it would not watch them; no alarm about them follows from what it reports.",
            "First ask from its host: <info> - then its firewall, NetworkPolicy, DNS and certificates: curl -s http://<instance>/metrics | grep zk_scrape_failure",
        )
        .means(
            "The network, a firewall or a certificate is between this exporter and the members.",
            "Those members are watched by one exporter less.",
        )
        .so("None tonight, as long as the other exporter runs; do not restart that one.", "Open the way from this exporter to the members' client ports.")
        .fires(Warning, "x ensemble=a", "it reaches one member less than another", &[
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
        .quiet(Warning, "it reaches it again", &[
            "zk_up m1 1 for 2m then 0 for 3m then 1",
            "zk_up m1@2 1",
            "up x@2 1",
        ]),
        condition(
            "ExporterOverloaded",
            Unit::Count,
            series("zk_exporter_limited_members").max(five).of_ensemble().gt(0.0),
        )
        .warning(None, five, "An exporter cannot ask all members of a ZooKeeper ensemble.")
        .source("any one: the state of a member that was not asked is unknown, and no alert about it can fire")
        .says(
            "the exporter's own limits (<limits> ) have kept it from asking up to <value> members of ensemble <ensemble> for over <for>. Nothing is known of them; it does not mean that they are down.",
            "First see which limit: topk(5, zk_exporter_limited_members) in Prometheus - sockets or files: raise LimitNOFILE of the exporter's service (or --limit.sockets); ports: widen net.ipv4.ip_local_port_range; memory: free kernel memory on its host; threads: see whether the name server answers, then raise TasksMax; deadline: raise scrape_timeout or the module's timeout; cpu: give the exporter more CPU; internal: report its log.",
        )
        .means(
            "The exporter had no connection, descriptor, port, thread, CPU or time left to ask every member in every scrape.",
            "Members that are not asked have no zk_up: their alarms and those that need a majority in sight are blind while it lasts.",
        )
        .so(
            "None tonight, unless ZooKeeperEnsembleUnwatched fires as well: then the ensemble has to be looked at by hand.",
            "Raise the limit that is named, or share the ensembles among several exporters.",
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
        .source("a membership names its servers: members that no common server joins are two ensembles")
        .says(
            "<value> member(s) in the list of ensemble <ensemble> belong to another ensemble, by the servers that they name themselves. Both may be healthy: do not stop any of them. What is reported of this ensemble leaves them out.",
            "First see which: <info> - then correct the exporter's configuration: each ensemble has a name and a list of its own.",
        )
        .means(
            "The configuration, a DNS name or a service selector brings two ensembles together under one name.",
            "The foreign members are not watched as the ensemble that they are: its quorum has no alarm.",
        )
        .so("None tonight, if both ensembles are healthy.", "Give each ensemble its own entry, DNS name or selector.")
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
        .source("each server says its id: two members with one id and one process are one server")
        .says(
            "<value> member(s) in the list of ensemble <ensemble> are a server that is already listed under another address: it is counted once for the quorum and shown twice.",
            "First see which: <info> - then take one of the two addresses out of the exporter's configuration.",
        )
        .means(
            "A server has two names, or a name and an address, in the list.",
            "When it fails, two members are down; the list may lack another server instead.",
        )
        .so("None tonight.", "Remove one address of each pair; with DNS, choose one name for each server.")
        .fires(Warning, "e", "one server twice", &["zk_ensemble_duplicate_members e 1"])
        .quiet(Warning, "for two minutes, while an address changes", &[
            "zk_ensemble_duplicate_members e 0 for 4m then 1 for 2m then 0",
        ]),
        condition(
            "VoterNotWatched",
            Unit::Count,
            Expr::newest("zk_ensemble_voters_not_asked", Agg::Min, Keys::Ensemble).gt(0.0),
        )
        .warning(None, five, "A voter of a ZooKeeper ensemble is not watched.")
        .source("the current membership names every voter; 5 minutes let a pod move or a name change its address")
        .says(
            "the membership of ensemble <ensemble> names <value> voter(s) that no exporter has asked for over <for>: dead and gone from DNS, at a new address, or missing in the list.",
            "First compare the voters with the members asked: <info> - a voter that is dead is one failure less to spare: bring it back; one that runs at another address belongs into the exporter's list.",
        )
        .means(
            "A voter's address left DNS, changed, or was never listed.",
            "If the voter is dead, no other alert names it, and the quorum has one failure less to spare.",
        )
        .so("Find out now whether that voter runs: no maintenance before.", "Start it; correct the list, or let the exporter discover members (discovery: conf); for headless services set publishNotReadyAddresses: true.")
        .fires(Warning, "e", "a pod that left DNS", &["zk_ensemble_voters_not_asked e 1"])
        .quiet(Warning, "a pod that moves", &["zk_ensemble_voters_not_asked e 0 for 4m then 1 for 2m then 0"])
        .quiet(Warning, "another exporter asks it", &[
            "zk_ensemble_voters_not_asked e 1",
            "zk_ensemble_voters_not_asked e@2 0",
        ]),
        condition(
            "MntrMissing",
            Unit::State,
            Expr::newest("zk_mntr_complete", Agg::Max, Keys::Member).eq(0.0).and(Expr::newest("zk_serving", Agg::Max, Keys::Member).eq(1.0)),
        )
        .warning(None, five, "A ZooKeeper member serves, but its metrics are missing.")
        .source("since 3.5.3 ZooKeeper allows only srvr unless 4lw.commands.whitelist says more")
        .says(
            "<who> serves clients, but for over <for> mntr could not be read whole (reason: <reasons>seen by the exporter): most rules cannot fire for it.",
            "First see which command fails, and why: <info> - not_allowed: add to zoo.cfg: 4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro and restart this member alone, while the margin is above 0; or name the AdminServer in the exporter's module: admin: http://{host}:8080",
        )
        .means("mntr is not whitelisted, or its answer is cut or comes too late.", "Latency, disk, connections and the like of this member are not watched; whether it runs and serves still is.")
        .so("Plan the restart; until then this member is half blind.", "Whitelist mntr, or let the exporter use the AdminServer.")
        .fires(Warning, "m2", "refused", &["zk_mntr_complete m2 0"])
        .quiet(Warning, "a member that does not serve", &["zk_mntr_complete m2 0", "zk_serving m2 0"])
        .quiet(Warning, "one bad minute", &["zk_mntr_complete m2 1 for 5m then 0 for 1m then 1"]),
        condition(
            "ScrapeSlow",
            Unit::Seconds,
            series("zk_scrape_duration_seconds").avg(five).of_member().gt(LIMIT).and(Expr::newest("zk_up", Agg::Max, Keys::Member).eq(1.0)),
        )
        .warning(2.5, Span::minutes(10), "A ZooKeeper member answers the exporter slowly.")
        .source("half of the exporter's default timeout of 5 s; a healthy member answers within milliseconds")
        .says(
            "the exporter has needed <value> on average to ask <who>, for over <for> (limit <limit>).",
            "First see which members fail to answer in time: <info> - then time one, where its port is not TLS: time (<ask mntr> | tail -1) - slow from the member's own host as well: the member is overloaded or pauses; only from afar: the network, or DNS.",
        )
        .means("Connecting to the member or its answers take long.", "Metrics become incomplete when it reaches the timeout.")
        .so("None tonight, unless latency alarms fire as well.", "Find the pause, the network or the name server that is slow.")
        .fires(Warning, "m3", "four seconds", &["zk_scrape_duration_seconds m3 4"])
        .quiet(Warning, "a member that is down", &["zk_scrape_duration_seconds m3 5", "zk_up m3 0"]),
        condition(
            "ConfigReloadFailed",
            Unit::State,
            Expr::newest("zk_exporter_config_last_reload_successful", Agg::Max, Keys::Target).eq(0.0),
        )
        .warning(None, Span::minutes(10), "An exporter could not read its configuration again.")
        .source("the previous configuration remains active, so only the change is lost")
        .says(
            "the exporter <who> could not reload its configuration; an older one has been active for over <for>.",
            "First check the file: zookeeper-exporter config check FILE - it names file, line and what to write instead.",
        )
        .means("The configuration file has a mistake, or cannot be read.", "Changes are not active; at the next restart the exporter would not start.")
        .so("Fix the file before the next restart.", "Fix the file, then send SIGHUP or POST /-/reload.")
        .fires(Warning, "x", "a mistake in the file", &["zk_exporter_config_last_reload_successful x 0"])
        .quiet(Warning, "fixed after five minutes", &[
            "zk_exporter_config_last_reload_successful x 1 for 3m then 0 for 5m then 1",
        ]),
        condition(
            "SamplesDropped",
            Unit::Count,
            series("zk_exporter_dropped_samples_total").increase(Span::minutes(15)).of_member().gt(0.0),
        )
        .warning(None, Span::minutes(15), "The exporter leaves out values of a ZooKeeper member.")
        .source("any one: a server version that the exporter does not understand, or a cap that was reached")
        .says(
            "the exporter has left out <value> values of <who> within 15 minutes.",
            "First see why: sum by (reason) (increase(zk_exporter_dropped_samples_total[15m])) in Prometheus - cap: raise --limit.series-per-member; any other: report it with the member's mntr: <ask mntr> - or, over TLS, curl -s http://<host>:8080/commands/monitor",
        )
        .means("A reply held what cannot be a sample, or more series than the cap.", "Those series are missing.")
        .so("Report it, or raise the cap.", "Raise --limit.series-per-member; or report the reply.")
        .fires(Warning, "m1", "one a scrape", &["zk_exporter_dropped_samples_total{reason=\"cap\"} m1 +4/m"])
        .quiet(Warning, "long ago", &["zk_exporter_dropped_samples_total{reason=\"cap\"} m1 40"]),
        condition("Watchdog", Unit::State, Expr::Always)
            .info("The chain from Prometheus to you works.")
            .source("fires always: send it to a dead man's switch that alarms when it stops")
            .says(
                "this alert fires as long as Prometheus evaluates the ZooKeeper rules and Alertmanager delivers ({{ $value }}); its receiver must raise an alarm when it stops.",
                "First, if it stopped: look at Prometheus' rules page and Alertmanager's status page.",
            )
            .means("Rules are evaluated and notifications delivered.", "None; its absence means that no alarm reaches you.")
            .so("None while it fires.", "Route it to a dead man's switch, see deploy/alertmanager/alertmanager.yml.")
            .fires(Info, "", "always", &[]),
    ]
}
