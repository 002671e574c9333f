//! The shape of an ensemble: more than one leader, an even number of voters.

use super::super::build::series;
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};
use super::quorum::foreign;

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Availability, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let voters = || Expr::newest("zk_ensemble_voters", Agg::Max, Keys::Ensemble);
    vec![
        condition(
            "MultipleLeaders",
            Unit::Count,
            series("zk_ensemble_leaders")
                .of_ensemble()
                .gt(1.0)
                .unless(foreign())
                .or_held("ZooKeeperMultipleLeaders", Keys::Ensemble, "zk_ensemble_leaders"),
        )
        .critical(None, Span::minutes(1), "A ZooKeeper ensemble has more than one leader.")
        .source("1 minute, since two scrapes may fall into one change of the leader; an old leader of a lower epoch with no follower in sync is not counted")
        .says(
            "more than one member of ensemble <ensemble> has reported for over <for> that it leads: clients may read and write two different trees. Members:<states>",
            "First check whether they are one ensemble, and compare their epochs and followers: <info> - do not stop any member before this is clear: two healthy ensembles in one list of members are an error in the list, and both must keep running. If one ensemble is split in two, stop the leader of the lower epoch; with equal epochs, the one with fewer followers.",
        )
        .means(
            "Each of two parts assumes that it has a majority: their configurations differ.",
            "Writes of the two sides conflict; those of one side will be lost.",
        )
        .so(
            "Decide which side continues, by epoch and number of followers.",
            "Make the server lines and myid of all members equal; then let the stopped side sync from the other.",
        )
        .fires(Critical, "e", "two leaders", &["zk_ensemble_leaders e 2"])
        .fires(Critical, "e", "two before the exporter stopped", &[
            "zk_ensemble_leaders e 2 for 4m then stale",
            "zk_up m1 1 for 4m then stale",
            "zk_up m2 1 for 4m then stale",
            "zk_up m3 1 for 4m then stale",
            "up x 1 for 4m then 0",
        ])
        .quiet(Critical, "two ensembles in one list have their own alert", &[
            "zk_ensemble_leaders e 2",
            "zk_ensemble_foreign_members e 3",
        ])
        .quiet(Critical, "a change of the leader", &["zk_ensemble_leaders e 1 for 4m then 2 for 30s then 1"]),
        condition(
            "EnsembleEvenSize",
            Unit::Count,
            voters()
                .eq(2.0)
                .or(voters().eq(4.0))
                .or(voters().eq(6.0))
                // With groups and weights there is no majority of voters.
                .and(Expr::newest("zk_ensemble_majority", Agg::Max, Keys::Ensemble).gt(0.0)),
        )
        .warning(None, Span::hours(1), "A ZooKeeper ensemble has an even number of voters.")
        .off()
        .source("an even number adds a member that can fail, but tolerates no additional failure (ZooKeeper's administrator's guide); off, since it is not a fault")
        .says(
            "ensemble <ensemble> has <value> voters: it tolerates no more failures than with one less.",
            "First check which voters the members know: <info>",
        )
        .means("The number of voters is even.", "One more machine can fail, but the ensemble tolerates no additional failure.")
        .so(
            "Add a voter or make one an observer at the next opportunity.",
            "reconfig -add or -remove (3.5 and later), or the server lines of all members and a rolling restart, each while the margin is above 0.",
        )
        .fires(Warning, "e", "two voters", &["zk_ensemble_voters e 2"])
        .fires(Warning, "e", "four voters", &["zk_ensemble_voters e 4"])
        .fires(Warning, "e", "six voters", &["zk_ensemble_voters e 6"])
        .quiet(Warning, "four voters in groups", &["zk_ensemble_voters e 4", "zk_ensemble_majority e absent"])
        .quiet(Warning, "seven voters", &["zk_ensemble_voters e 7"]),
    ]
}
