//! Runs all queries of a backtest with limited concurrency; collects the firings, and the times for which data exists.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::client::{QueryApi, QueryConnection, QueryError};
use super::fetch::Pieces;
use super::grid::Grid;
use super::journal::{Journal, key};
use super::levels::{Firing, replay};
use super::matrix::Matrix;
use super::seen::{HOUR, Presence, hour_of};
use crate::alert::history_query::{HistoryQuery, present, watched_ensembles};
use crate::alert::inline::with_matcher;

/// The input of a backtest.
#[derive(Debug)]
pub struct BacktestPlan {
    /// The evaluation times.
    pub grid: Grid,
    /// The queries to replay.
    pub queries: Vec<HistoryQuery>,
    /// A matcher for the label `ensemble`; `None` for all ensembles.
    pub matcher: Option<String>,
    /// Maximum number of concurrent queries.
    pub concurrency: usize,
    /// Maximum number of evaluation times per request.
    pub moments: usize,
}

/// The times at which each ensemble was monitored, by its name.
pub type WatchedTimes = BTreeMap<String, Presence>;

/// The result of a backtest.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The times at which each ensemble was monitored.
    pub watched: WatchedTimes,
    /// The firings of each level of each query; `None` for queries that were not run.
    pub firings: Vec<Option<Result<Vec<Vec<Firing>>, String>>>,
    /// The hours with samples of a metric name, by name and ensemble.
    pub families: BTreeMap<String, BTreeMap<String, BTreeSet<i64>>>,
    /// Why the run ended early, if it did.
    pub ended: Option<String>,
}

/// Progress of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunProgress {
    /// Number of completed requests.
    pub done: usize,
    /// Expected number of requests.
    pub expected: usize,
}

#[derive(Clone, Debug)]
enum Job {
    Levels(usize),
    Family(String),
}

enum Event {
    Tick,
    Levels(usize, Result<Vec<Vec<Firing>>, QueryError>),
    Family(String, Result<BTreeMap<String, BTreeSet<i64>>, QueryError>),
}

impl BacktestPlan {
    fn expr(&self, expr: &str) -> String {
        self.matcher.as_ref().map_or_else(|| expr.to_owned(), |matcher| with_matcher(expr, matcher))
    }

    /// A query with the matcher applied.
    fn query(&self, number: usize) -> HistoryQuery {
        let mut query = self.queries[number].clone();
        query.exprs.iter_mut().for_each(|expr| *expr = self.expr(expr));
        if let Some(held) = &mut query.held {
            held.no_page = self.expr(&held.no_page);
            held.unknown = self.expr(&held.unknown);
            held.recovered = held.recovered.as_ref().map(|expr| self.expr(expr));
        }
        query
    }

    fn key(&self, job: &Job) -> String {
        match job {
            Job::Levels(number) => {
                let query = self.query(*number);
                key((query.exprs.clone(), format!("{:?} {:?} {:?}", query.compare, query.held, query.levels)))
            }
            Job::Family(name) => key((name, &self.matcher)),
        }
    }

    fn pieces(&self, job: &Job, seen: &Grid) -> usize {
        match job {
            Job::Levels(_) => seen.len().div_ceil(self.moments) + 1,
            Job::Family(_) => 1,
        }
    }
}

/// The times at which each ensemble was monitored.
///
/// # Errors
/// If the server does not respond.
pub async fn watched(api: &QueryApi, plan: &BacktestPlan) -> Result<WatchedTimes, QueryError> {
    let mut connection = QueryConnection::default();
    let expr = plan.expr(watched_ensembles());
    let mut pieces = Pieces::new(&plan.grid, plan.moments);
    let mut watched = WatchedTimes::new();
    while let Some((_, matrices)) = pieces.next(api, &mut connection, &[&expr]).await? {
        for series in matrices.into_iter().flat_map(|matrix| matrix.series) {
            let Some(ensemble) = series.labels.get("ensemble") else { continue };
            let presence = watched.entry(ensemble.clone()).or_default();
            series.points.iter().for_each(|(moment, _)| presence.add(*moment, plan.grid.step));
        }
    }
    Ok(watched)
}

/// Runs all queries until they are complete, `stop` is ready, or the server is unreachable.
///
/// The replay begins with the first data of any ensemble: before that, an alert about missing data means nothing.
pub async fn run(
    api: Arc<QueryApi>,
    plan: Arc<BacktestPlan>,
    watched: WatchedTimes,
    journal: &mut Journal,
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(RunProgress),
) -> Replayed {
    let first = watched.values().filter_map(|presence| presence.spans().first()).map(|(start, _)| *start).min();
    let seen = Grid { start: first.unwrap_or(plan.grid.start), ..plan.grid };
    let mut done = Replayed { watched, firings: vec![None; plan.queries.len()], ..Replayed::default() };
    let names: BTreeSet<&str> = plan.queries.iter().flat_map(|query| query.needs.iter().flatten().copied()).collect();
    let families = names.into_iter().map(|name| Job::Family(name.to_owned()));
    let mut jobs: VecDeque<Job> = VecDeque::new();
    for job in families.chain((0..plan.queries.len()).map(Job::Levels)) {
        match &job {
            Job::Levels(number) => match journal.get(&plan.key(&job)) {
                Some(firings) => done.firings[*number] = Some(Ok(firings)),
                None => jobs.push_back(job),
            },
            Job::Family(name) => match journal.get(&plan.key(&job)) {
                Some(hours) => _ = done.families.insert(name.clone(), hours),
                None => jobs.push_back(job),
            },
        }
    }
    let mut so_far = RunProgress { done: 0, expected: jobs.iter().map(|job| plan.pieces(job, &seen)).sum() };
    let jobs = Arc::new(Mutex::new(jobs));
    let (sender, mut events) = mpsc::channel(64);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..plan.concurrency.max(1) {
        workers.spawn(work(Arc::clone(&api), Arc::clone(&plan), seen, Arc::clone(&jobs), sender.clone()));
    }
    drop(sender);
    tokio::pin!(stop);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut stop => {
                done.ended = Some("interrupted".to_owned());
                None
            }
        };
        let Some(event) = event else { break };
        let gone = match event {
            Event::Tick => {
                so_far.done += 1;
                so_far.expected = so_far.expected.max(so_far.done);
                progress(so_far);
                continue;
            }
            Event::Levels(number, Ok(firings)) => {
                done.ended = journal.put(&plan.key(&Job::Levels(number)), &firings).err();
                done.firings[number] = Some(Ok(firings));
                None
            }
            Event::Family(name, Ok(hours)) => {
                done.ended = journal.put(&plan.key(&Job::Family(name.clone())), &hours).err();
                done.families.insert(name, hours);
                None
            }
            Event::Levels(_, Err(QueryError::Unreachable(why)))
            | Event::Family(_, Err(QueryError::Unreachable(why))) => Some(why),
            Event::Levels(number, Err(error)) => {
                done.firings[number] = Some(Err(error.text().to_owned()));
                None
            }
            Event::Family(name, Err(error)) => Some(format!("{name}: {}", error.text())),
        };
        if gone.is_some() {
            done.ended = gone;
        }
        if done.ended.is_some() {
            break;
        }
    }
    workers.shutdown().await;
    done
}

async fn work(
    api: Arc<QueryApi>,
    plan: Arc<BacktestPlan>,
    seen: Grid,
    jobs: Arc<Mutex<VecDeque<Job>>>,
    events: mpsc::Sender<Event>,
) {
    let mut connection = QueryConnection::default();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let event = match job {
            None => return,
            Some(Job::Levels(number)) => {
                let tick = || _ = events.try_send(Event::Tick);
                let query = plan.query(number);
                let firings = replay(&api, &mut connection, &query, seen, plan.moments, tick).await;
                Event::Levels(number, firings)
            }
            Some(Job::Family(name)) => {
                let hours = hours(&api, &mut connection, &plan, &name).await;
                let _ = events.send(Event::Tick).await;
                Event::Family(name, hours)
            }
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// The hours with samples of a metric name, by ensemble.
async fn hours(
    api: &QueryApi,
    connection: &mut QueryConnection,
    plan: &BacktestPlan,
    name: &str,
) -> Result<BTreeMap<String, BTreeSet<i64>>, QueryError> {
    let grid = Grid { start: hour_of(plan.grid.start), end: hour_of(plan.grid.end), step: HOUR };
    let expr = plan.expr(&present(name));
    let mut pieces = Pieces::new(&grid, plan.moments);
    let mut found: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    while let Some((_, matrices)) = pieces.next(api, connection, &[&expr]).await? {
        for series in matrices.into_iter().flat_map(|matrix: Matrix| matrix.series) {
            let Some(ensemble) = series.labels.get("ensemble") else { continue };
            found.entry(ensemble.clone()).or_default().extend(series.points.iter().map(|(moment, _)| *moment));
        }
    }
    Ok(found)
}
