//! The exporter: dead, restarting, unable to reach members, or one of two.

use crate::expect::Who::{Any, Exporter};
use crate::exporter::{Layout, Target};
use crate::story::{Story, story};

pub fn stories() -> Vec<Story> {
    vec![
        story("exporter-dead", 3, 0)
            .minutes(180.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .fires("ExporterDown", Exporter(0), 10.0, 19.0),
        story("exporter-gone-from-discovery", 3, 0)
            .minutes(180.0)
            .at(10.0, |world| world.exporters[0].target = Target::Gone)
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .may(&["ExporterDown"]),
        story("probe-target-dead", 3, 0)
            .minutes(180.0)
            .given(|world| world.exporters[0].layout = Layout::Probe)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .fires("ExporterDown", Exporter(0), 10.0, 19.0),
        // Prometheus was down. Its first scrapes include the other target, but not yet this one.
        two_probes("probe-target-dead-while-prometheus-was-away")
            .minutes(90.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(20.0, |world| world.exporters.iter_mut().for_each(|exporter| exporter.target = Target::Gone))
            .at(30.0, |world| world.exporters[1].target = Target::Up)
            .at(31.0, |world| world.exporters[0].target = Target::Down)
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .fires("ExporterDown", Exporter(0), 10.0, 19.0)
            .mostly(0.7)
            .may(&["ExporterDown", "EnsembleUnwatched"]),
        two_probes("probe-target-removed").at(10.0, |world| world.exporters[0].target = Target::Gone),
        // For longer than ten minutes, so that no page within the window has the observer.
        story("observer-dead-and-the-exporter-away", 3, 1)
            .minutes(60.0)
            .at(5.0, |world| world.stop(4))
            .at(16.0, |world| world.exporters[0].target = Target::Down)
            .at(29.0, |world| world.exporters[0].restart())
            .fires("ObserverDown", crate::expect::Who::Member(4), 5.0, 12.0)
            .warning()
            .may(&["EnsembleUnwatched", "ExporterDown"]),
        two("member-back-after-its-exporter-was-replaced")
            .given(|world| world.exporters[1].target = Target::Gone)
            .at(5.0, |world| world.stop(1))
            .at(15.0, |world| {
                world.exporters[0].target = Target::Gone;
                world.exporters[1].restart();
            })
            .at(16.0, |world| world.start(1, 2.0))
            .fires("MemberDown", crate::expect::Who::Member(1), 5.0, 10.0)
            .ends(15.0, 20.5)
            .may(&["QuorumMarginZero"]),
        two("a-partly-blind-exporter-is-left-alone")
            .minutes(90.0)
            .at(10.0, |world| world.out_of_sight(0, 1))
            .at(40.0, |world| world.exporters[1].target = Target::Gone)
            .fires("ExporterBlind", Any, 10.0, 30.0)
            .warning()
            .may(&["ScrapeSlow"]),
        two("a-partly-blind-exporter-is-left-alone-and-the-quorum-is-lost")
            .minutes(70.0)
            .at(10.0, |world| world.out_of_sight(0, 1))
            .at(40.0, |world| world.exporters[1].target = Target::Gone)
            .at(50.0, |world| [2, 3].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost|EnsembleUnreachable|LeaderSilent", Any, 50.0, 55.0)
            .critical()
            .may(&[
                "ExporterBlind",
                "QuorumMarginZero",
                "ScrapeSlow",
                "MemberDown",
                "MemberNotServing",
                "UnavailableTime",
                "OutageBudgetBurn",
            ]),
        story("exporter-restarts", 3, 0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(11.0, |world| world.exporters[0].restart())
            .intervals(&[15, 30, 60, 120]),
        story("exporter-away-for-165-seconds", 3, 0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(12.75, |world| world.exporters[0].restart()),
        story("exporter-comes-back", 3, 0)
            .minutes(60.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(30.0, |world| world.exporters[0].restart())
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .ends(30.0, 33.0)
            .fires("ExporterDown", Exporter(0), 10.0, 19.0)
            .ends(30.0, 33.0),
        story("exporter-moves-to-another-address", 3, 0).minutes(90.0).at(10.0, |world| {
            let mut new = world.exporters[0].clone();
            new.instance = new.instance.replace("a.", "b.");
            new.restart();
            world.exporters[0].target = Target::Gone;
            world.exporters.push(new);
        }),
        two("one-of-two-exporters-dies")
            .minutes(180.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .fires("ExporterDown", Exporter(0), 10.0, 19.0),
        two("one-of-two-exporters-is-blind")
            .minutes(120.0)
            .at(10.0, |world| world.blind(0))
            .fires("ExporterBlind", Any, 10.0, 30.0)
            .warning()
            .may(&["ScrapeSlow"]),
        two("the-blind-exporter-is-left-alone")
            .minutes(120.0)
            .at(10.0, |world| world.blind(0))
            .at(60.0, |world| world.exporters[1].target = Target::Gone)
            .fires("ExporterBlind|EnsembleUnwatched|EnsembleUnreachable", Any, 10.0, 70.0)
            .may(&["ScrapeSlow", "EnsembleUnreachable"]),
        two("one-exporter-dies-with-the-quorum")
            .at(10.0, |world| {
                world.stop(1);
                world.stop(2);
                world.exporters[1].target = Target::Down;
            })
            .fires("QuorumLost", Any, 10.0, 14.0)
            .critical()
            .fires("ExporterDown", Exporter(1), 10.0, 19.0)
            .may(&["MemberDown", "MemberNotServing", "OutageBudgetBurn", "BudgetBurn", "UnavailableTime"]),
        // The exporter that reaches no member does not delay an alert of the other one.
        two("one-exporter-is-blind-and-the-quorum-is-lost")
            .minutes(60.0)
            .at(5.0, |world| world.blind(0))
            .at(40.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Any, 40.0, 44.0)
            .critical()
            .may(&[
                "ExporterBlind",
                "MemberDown",
                "MemberNotServing",
                "OutageBudgetBurn",
                "UnavailableTime",
                "ScrapeSlow",
            ]),
        two("one-exporter-does-not-reach-one-member")
            .minutes(60.0)
            .at(10.0, |world| world.out_of_sight(0, 1))
            .fires("ExporterBlind", Any, 10.0, 30.0)
            .warning()
            .may(&["ScrapeSlow"]),
        two("one-exporter-dies-and-a-member-with-it")
            .at(10.0, |world| {
                world.stop(1);
                world.exporters[1].target = Target::Gone;
            })
            .fires("MemberDown", Any, 10.0, 15.0)
            .critical()
            .may(&["QuorumMarginZero", "ExporterDown"]),
        two("both-exporters-are-rolled-out-one-by-one")
            .minutes(60.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(11.0, |world| world.exporters[0].restart())
            .at(12.0, |world| world.exporters[1].target = Target::Down)
            .at(13.0, |world| world.exporters[1].restart()),
        two("both-exporters-die")
            .minutes(90.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .at(40.0, |world| world.exporters[1].target = Target::Gone)
            .fires("ExporterDown", Exporter(0), 10.0, 19.0)
            .fires("EnsembleUnwatched", Any, 40.0, 46.0)
            .critical(),
        // The last values of the dead exporter are outdated: mntr is allowed again, which only the running one reports.
        two("an-exporter-dies-as-mntr-is-allowed-again")
            .minutes(60.0)
            .given(|world| world.server(1).mntr_allowed = false)
            .at(20.0, |world| {
                world.exporters[0].target = Target::Down;
                world.server(1).mntr_allowed = true;
            })
            .fires("MntrMissing", Any, 0.0, 15.0)
            .ends(20.0, 22.5)
            .may(&["ExporterDown"]),
        story("exporter-restarts-every-five-minutes", 3, 0).minutes(60.0).again(
            (10.0, 50.0),
            300.0,
            |world| world.exporters[0].target = Target::Down,
            45.0,
            |world| world.exporters[0].restart(),
        ),
    ]
}

/// Exporters of two ensembles in one job.
pub fn one_job() -> Vec<Story> {
    vec![
        two_ensembles("exporter-gone-and-that-of-another-ensemble-replaced")
            .minutes(60.0)
            .at(10.0, |world| world.exporters[0].target = Target::Gone)
            .at(20.0, |world| replaced(world, 1, vec![1]))
            .fires("EnsembleUnwatched", Any, 10.0, 16.0)
            .critical()
            .may(&["ExporterDown"]),
        two_ensembles("one-of-two-ensembles-removed-by-a-roll-out")
            .minutes(60.0)
            .given(|world| {
                world.exporters.truncate(1);
                world.exporters[0].watches = vec![0, 1];
            })
            .at(20.0, |world| replaced(world, 0, vec![1])),
    ]
}

/// An exporter is replaced by a new one, at another address, of these ensembles.
fn replaced(world: &mut crate::world::World, place: usize, watches: Vec<usize>) {
    let mut new = world.exporters[place].clone();
    new.instance = format!("new-{}", new.instance);
    new.watches = watches;
    new.restart();
    world.exporters[place].target = Target::Gone;
    world.exporters.push(new);
}

/// Two ensembles of three, each a target of `/probe`, scraped every minute.
fn two_probes(name: &'static str) -> Story {
    two_ensembles(name)
        .intervals(&[60])
        .given(|world| world.exporters.iter_mut().for_each(|exporter| exporter.layout = Layout::Probe))
}

/// Two ensembles of three, each with an exporter.
fn two_ensembles(name: &'static str) -> Story {
    story(name, 3, 0).rules(crate::story::Rules::Shipped).given(move |world| {
        let mut other = world.exporters[0].clone();
        other.instance = other.instance.replace("a.", "b.");
        other.watches = vec![1];
        let mut ensemble = world.ensembles[0].clone();
        ensemble.name = format!("{name}-other");
        world.ensembles.push(ensemble);
        world.exporters.push(other);
        for exporter in &mut world.exporters {
            // With its own job, because other stories share the run.
            name.clone_into(&mut exporter.job);
        }
    })
}

/// An ensemble of three that two exporters monitor.
fn two(name: &'static str) -> Story {
    story(name, 3, 0).given(|world| {
        let mut other = world.exporters[0].clone();
        other.instance = other.instance.replace("a.", "b.");
        world.exporters.push(other);
    })
}
