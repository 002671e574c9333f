//! Two clusters in one Prometheus, Thanos or Mimir, each with an ensemble of the same name.

use crate::ensemble::Ensemble;
use crate::expect::Who::Cluster;
use crate::exporter::{Layout, Target};
use crate::story::{Rules, Story, story};

pub fn stories() -> Vec<Story> {
    vec![
        two("two-clusters-quiet").minutes(40.0),
        two("two-clusters-quorum-lost-in-one")
            .at(10.0, |world| [1, 2].into_iter().for_each(|id| world.stop(id)))
            .fires("QuorumLost", Cluster("eu"), 10.0, 14.0)
            .critical()
            .may(&["MemberDown", "MemberNotServing", "OutageBudgetBurn", "BudgetBurn", "UnavailableTime"]),
        two("two-clusters-follower-dead-in-one")
            .at(10.0, |world| world.stop(1))
            .fires("MemberDown", Cluster("eu"), 10.0, 15.0)
            .fires("QuorumMarginZero", Cluster("eu"), 10.0, 17.0),
        two("two-clusters-exporter-of-one-dead")
            .minutes(90.0)
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .fires("EnsembleUnwatched", Cluster("eu"), 10.0, 16.0)
            .critical()
            .fires("ExporterDown", Cluster("eu"), 10.0, 19.0),
        two("two-clusters-probe-target-of-one-dead")
            .minutes(90.0)
            .given(|world| world.exporters.iter_mut().for_each(|exporter| exporter.layout = Layout::Probe))
            .at(10.0, |world| world.exporters[0].target = Target::Down)
            .fires("EnsembleUnwatched", Cluster("eu"), 10.0, 16.0)
            .fires("ExporterDown", Cluster("eu"), 10.0, 19.0),
        two("two-clusters-exporter-of-one-gone")
            .minutes(90.0)
            .at(10.0, |world| world.exporters[0].target = Target::Gone)
            .fires("EnsembleUnwatched", Cluster("eu"), 10.0, 16.0)
            .may(&["ExporterDown"]),
        // Margin, lag and leaders are those of each cluster, not of both ensembles together.
        two("two-clusters-leaders-restart-together")
            .at(10.0, |world| {
                world.stop(3);
                world.ensembles[1].server(3).delay = 4.0;
            })
            .at(11.0, |world| {
                world.start(3, 5.0);
                world.ensembles[1].server(3).delay = 0.01;
            }),
    ]
}

/// An ensemble `STORY` in each of the clusters `eu` and `us`. The targets have the same address in both.
fn two(name: &'static str) -> Story {
    story(name, 3, 0).rules(Rules::Written).given(move |world| {
        let mut other = world.exporters[0].clone();
        world.exporters[0].cluster = Some("eu".to_owned());
        other.cluster = Some("us".to_owned());
        other.watches = vec![1];
        world.ensembles.push(Ensemble::new(name, 3, 0));
        world.exporters.push(other);
    })
}
