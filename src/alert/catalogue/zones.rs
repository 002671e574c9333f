//! The placement of voters in zones.

use super::super::build::series;
use super::super::condition::Severity::Warning;
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

pub(super) fn conditions() -> Vec<Condition> {
    let voters = || Expr::newest("zk_ensemble_voters", Agg::Max, Keys::Ensemble);
    let attainable = || Expr::newest("zk_ensemble_zone_margin_attainable", Agg::Max, Keys::Ensemble);
    // The best moment of an hour: a rolling restart neither fires nor resolves it.
    let best = |name| series(name).max(Span::hours(1)).and(series(name)).of_ensemble();
    vec![
        Condition::new(
            "ZoneLossStopsQuorum",
            Group::Drift,
            Unit::State,
            best("zk_ensemble_zone_margin")
                .lt(0.0)
                // A missing voter has its own alerts.
                .unless((voters() - best("zk_ensemble_voters_synced")).gt(0.0))
                // Two voters, or two zones: no placement would survive the loss of a zone.
                .unless(attainable().lt(0.0))
                .and(voters().gt(1.0)),
        )
        .warning(None, Span::minutes(15), "The loss of one zone would stop a ZooKeeper ensemble.")
        .source("a zone is what fails together, so an ensemble should survive the loss of any one; the best moment of the last hour counts, and only with all voters in sync, since a missing voter has its own alerts. Silent where no placement of these voters in the zones of the members would survive: two voters, two zones, one zone")
        .says(
            "ensemble <ensemble> would lose its quorum with one of its zones, although all voters are in sync: a zone has too many of them. Another placement in the same zones would survive the loss of any one.",
            "First check how many voters each zone has (zk_zone_voters), and which members they are: <info>",
        )
        .means(
            "Without one of the zones, the remaining voters are not a majority.",
            "None now; an outage of that zone stops all writes, although most clients may be elsewhere.",
        )
        .so(
            "Decide whether the ensemble is meant to survive the loss of a zone.",
            "Move voters, one at a time, until each zone has less than half of them.",
        )
        .fires(Warning, "e", "three of five in one zone", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5",
            "zk_ensemble_zone_margin e -1",
            "zk_ensemble_zone_margin_attainable e 0",
        ])
        .fires(Warning, "e", "groups, for which no other placement is computed", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5",
            "zk_ensemble_zone_margin e -1",
        ])
        .quiet(Warning, "three and two of five, and no third zone", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5",
            "zk_ensemble_zone_margin e -1",
            "zk_ensemble_zone_margin_attainable e -1",
        ])
        .fires(Warning, "e", "during a rolling restart", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5 for 74m then 4 for 2m then 5 for 2m then 4",
            "zk_ensemble_zone_margin e -1 for 74m then -2 for 2m then -1 for 2m then -2",
        ])
        .quiet(Warning, "a voter has been missing for more than an hour", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 4",
            "zk_ensemble_zone_margin e -1",
        ])
        .quiet(Warning, "two, two and one of five, one restarts", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5 for 70m then 4",
            "zk_ensemble_zone_margin e 0 for 70m then -1",
        ])
        .quiet(Warning, "the voters were placed in three zones", &[
            "zk_ensemble_voters e 5",
            "zk_ensemble_voters_synced e 5",
            "zk_ensemble_zone_margin e -1 for 10m then 0",
        ])
        .quiet(Warning, "a standalone server has no quorum to lose", &[
            "zk_ensemble_voters e 1",
            "zk_ensemble_voters_synced e 1",
            "zk_ensemble_zone_margin e -1",
        ]),
    ]
}
