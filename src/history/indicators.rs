//! The values of an indicator at all evaluation times, for a few ensembles at a time to bound the memory.

use std::collections::BTreeMap;

use super::backtest::WatchedTimes;
use super::client::{QueryApi, QueryConnection, QueryError};
use super::fetch::Pieces;
use super::grid::Grid;
use super::matrix::SeriesLabels;
use super::suggest::{IndicatorSeries, IndicatorsByEnsemble};
use crate::alert::inline::{ensembles_matcher, with_matcher};

/// Maximum number of values in memory; each has 8 bytes.
const MAX_VALUES: usize = 16 << 20;

/// Assumed number of members of an ensemble.
const MEMBERS: usize = 5;

/// Batches of ensembles whose values fit into memory together.
#[must_use]
pub fn batches(watched: &WatchedTimes, grid: &Grid) -> Vec<Vec<String>> {
    let names: Vec<String> = watched.keys().cloned().collect();
    let size = (MAX_VALUES / MEMBERS / grid.len().max(1)).clamp(1, 50);
    names.chunks(size).map(<[String]>::to_vec).collect()
}

/// The values of an expression for some ensembles.
///
/// # Errors
/// If the server does not respond, or returns more values than allowed in memory.
pub async fn indicator_values(
    api: &QueryApi,
    connection: &mut QueryConnection,
    expr: &str,
    ensembles: &[String],
    grid: &Grid,
    moments: usize,
    mut tick: impl FnMut(),
) -> Result<IndicatorsByEnsemble, QueryError> {
    let expr = with_matcher(expr, &ensembles_matcher(ensembles));
    let mut pieces = Pieces::new(grid, moments);
    let mut found: BTreeMap<SeriesLabels, Vec<f64>> = BTreeMap::new();
    while let Some((_, matrices)) = pieces.next(api, connection, &[&expr]).await? {
        for series in matrices.into_iter().flat_map(|matrix| matrix.series) {
            if !found.contains_key(&series.labels) && (found.len() + 1) * grid.len() > 4 * MAX_VALUES {
                return Err(QueryError::Refused(
                    "more series than fit into memory: select fewer with --ensemble".to_owned(),
                ));
            }
            let values = found.entry(series.labels).or_insert_with(|| vec![f64::NAN; grid.len()]);
            for (moment, value) in series.points {
                let at = usize::try_from((moment - grid.start) / grid.step).unwrap_or(usize::MAX);
                if let Some(place) = values.get_mut(at) {
                    *place = value;
                }
            }
        }
        tick();
    }
    let mut by_ensemble = IndicatorsByEnsemble::new();
    for (labels, values) in found {
        if let Some(name) = labels.get("ensemble").cloned() {
            by_ensemble.entry(name).or_default().push(IndicatorSeries { labels, values });
        }
    }
    Ok(by_ensemble)
}
