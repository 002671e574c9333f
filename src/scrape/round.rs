//! One round of queries to one ensemble, shared by concurrent scrapes.
//!
//! A round can be joined only until its first reply arrives; later it would return data older than the request. Each
//! scrape waits until its own deadline and receives the results so far. A finished round is not reused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::member::{MAX_LISTED_CONNECTIONS, Query, ScrapeContext};
use super::report::{EnsembleReport, MemberReport, State};
use super::target::{Answered, DueProbes, Present, Target};
use super::transcript::Transcript;
use super::{Scraper, member, zxid_recheck};
use crate::config::Command;
use crate::wire::{Limit, Reason};

/// A round in progress or finished. Dropping the last reference aborts its queries, all of which are reads.
#[derive(Debug)]
pub(super) struct Round {
    shared: Arc<Shared>,
    finished: watch::Receiver<bool>,
    deadline: Instant,
    fair: Duration,
    questions: AbortHandle,
}

/// Which connection limit a round uses.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The limit of scrapes.
    Scrape,
    /// The limit of probes; with a transcript of queries and replies if requested.
    Probe(Option<Arc<Transcript>>),
}

/// The queries of a round, and their context.
#[derive(Debug)]
struct Questions {
    scraper: Arc<Scraper>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    begun: Instant,
    deadline: Instant,
    purpose: Purpose,
}

/// Minimum time before a missing reply counts as the member's failure, unless the module's timeout is as short.
const MIN_FAIR: Duration = Duration::from_millis(250);

/// State shared by the queries and the waiting scrapes.
#[derive(Debug)]
struct Shared {
    replied: AtomicBool,
    connection_room: AtomicUsize,
    progress: Mutex<Progress>,
}

/// Progress of a round.
#[derive(Debug)]
struct Progress {
    /// The results so far; complete once the round is finished. All waiting scrapes share it. It is copied only if it
    /// changes after a scrape with an earlier deadline took it.
    report: Arc<EnsembleReport>,
    /// The queried members, once known.
    present: Arc<Present>,
    /// Per member: its report is still missing.
    pending: Vec<bool>,
}

impl Round {
    /// Starts a round. It ends by its deadline, or slightly later.
    pub(super) fn begin(
        scraper: &Arc<Scraper>,
        target: &Arc<Target>,
        deadline: Instant,
        purpose: Purpose,
    ) -> Arc<Self> {
        let progress =
            Progress { report: Arc::new(target.nothing_heard(&[])), present: Arc::default(), pending: Vec::new() };
        let shared = Arc::new(Shared {
            replied: AtomicBool::new(false),
            connection_room: AtomicUsize::new(MAX_LISTED_CONNECTIONS),
            progress: Mutex::new(progress),
        });
        let (finish, finished) = watch::channel(false);
        let questions = Arc::new(Questions {
            scraper: Arc::clone(scraper),
            target: Arc::clone(target),
            shared: Arc::clone(&shared),
            begun: Instant::now(),
            deadline,
            purpose,
        });
        let fair = questions.fair();
        let questions = tokio::spawn(async move {
            questions.run().await;
            // The receiver was dropped; not an error.
            let _ = finish.send(true);
        });
        Arc::new(Self { shared, finished, deadline, fair, questions: questions.abort_handle() })
    }

    /// Whether a scrape with this deadline may join: no reply has arrived, and the remaining time is at least half of
    /// the scrape's, so that members do not appear slow to it.
    pub(super) fn is_open(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let (own, rest) = (deadline.saturating_duration_since(now), self.deadline.saturating_duration_since(now));
        !self.shared.replied.load(Ordering::Relaxed) && !*self.finished.borrow() && rest >= own / 2
    }

    /// Waits for the end of the round or the given deadline, and returns the results so far.
    pub(super) async fn wait(self: Arc<Self>, deadline: Instant) -> Arc<EnsembleReport> {
        let mut finished = self.finished.clone();
        // An error means that the round panicked: no more replies will arrive.
        let end = finished.wait_for(|finished| *finished);
        if deadline < self.deadline {
            let _ = timeout_at(deadline, end).await;
        } else {
            let _ = end.await;
        }
        drop(finished);
        let whole = *self.finished.borrow();
        let progress = self.shared.lock();
        let mut report = Arc::clone(&progress.report);
        if !whole {
            let had_time = |asked: &Query| {
                asked.sent.get().is_some_and(|sent| deadline.saturating_duration_since(*sent) >= self.fair)
            };
            for (place, asked) in progress.present.asked.iter().enumerate() {
                if progress.pending[place] && had_time(asked) {
                    unanswered(&mut Arc::make_mut(&mut report).members[place]);
                }
            }
        }
        report
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.questions.abort();
    }
}

impl Shared {
    /// A panic leaves the report consistent: every change is a single assignment.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut EnsembleReport)) {
        change(Arc::make_mut(&mut self.lock().report));
    }
}

impl Questions {
    /// Minimum time for a query after which a missing reply is the member's failure: half of the round's time.
    fn fair(&self) -> Duration {
        let half = self.deadline.saturating_duration_since(self.begun) / 2;
        half.max(MIN_FAIR).min(self.target.ensemble.module.timeout / 2)
    }

    /// Determines the members, queries all of them concurrently, and updates the remembered state.
    async fn run(self: &Arc<Self>) {
        let cap = self.scraper.limits.members_per_ensemble;
        let present = Arc::new(self.target.present(self.deadline, cap).await);
        let count = present.asked.len();
        *self.shared.lock() = Progress {
            report: Arc::new(self.target.nothing_heard(&present.asked)),
            present: Arc::clone(&present),
            pending: vec![true; count],
        };
        let mut asked = JoinSet::new();
        for place in 0..count + present.hidden.len() {
            let (questions, present) = (Arc::clone(self), Arc::clone(&present));
            asked.spawn(async move {
                let who = present.asked.get(place).unwrap_or_else(|| &present.hidden[place - present.asked.len()]);
                let terms = ScrapeContext { probes: present.probes, ..questions.terms(questions.deadline) };
                (place, member::scrape(&questions.target.ensemble, who, terms).await)
            });
        }
        let mut told = vec![false; count];
        let silent = |asked: &Query| (unasked(&self.target, asked), false);
        let mut hidden: Vec<Answered> = present.hidden.iter().map(silent).collect();
        while let Some(found) = asked.join_next().await {
            match found {
                Ok((place, answered)) if place >= count => hidden[place - count] = answered,
                Ok((place, (report, has_told))) => {
                    told[place] = has_told;
                    let report = MemberReport { shown: self.target.shown.clone(), ..report };
                    let mut progress = self.shared.lock();
                    Arc::make_mut(&mut progress.report).members[place] = report;
                    progress.pending[place] = false;
                }
                // A bug in the exporter costs the series of one member, not the page, and must not raise an alert about
                // the member.
                Err(error) => tracing::error!(%error, "scrape task panicked"),
            }
        }
        self.take_panics();
        let mut settled = None;
        if !present.names.is_empty() {
            self.shared.change(|all| settled = self.target.settle(&present, all, &mut told, &hidden));
        }
        // Other addresses of a name are not members that report a membership.
        let present = settled.map_or(present, |settled| {
            hidden.clear();
            Arc::new(settled)
        });
        self.ask_again(&present).await;
        self.shared.change(|all| self.target.learn(all, &present, &told, &hidden, self.begun, self.scraper.strangers));
    }

    /// Marks members whose task ended without a report as an internal error.
    fn take_panics(&self) {
        let mut progress = self.shared.lock();
        let Progress { report, pending, .. } = &mut *progress;
        for (place, pending) in pending.iter_mut().enumerate() {
            if std::mem::take(pending) {
                Arc::make_mut(report).members[place].limits = vec![Limit::Internal];
            }
        }
    }

    /// Queries members again that appear to lag behind the leader.
    async fn ask_again(self: &Arc<Self>, present: &Arc<Present>) {
        let behind = zxid_recheck::seem_behind(&self.shared.lock().report);
        let again = behind.into_iter().map(|place| {
            let (questions, present) = (Arc::clone(self), Arc::clone(present));
            async move {
                let terms =
                    ScrapeContext { transcript: None, ..questions.terms(zxid_recheck::until(questions.deadline)) };
                (place, member::zxid(&present.asked[place], terms).await)
            }
        });
        let mut again: JoinSet<_> = again.collect();
        while let Some(found) = again.join_next().await {
            if let Ok((place, Some(zxid))) = found {
                self.shared.change(|all| all.members[place].zxid = Some(zxid));
            }
        }
    }

    fn terms(&self, deadline: Instant) -> ScrapeContext<'_> {
        let (connections, transcript) = match &self.purpose {
            Purpose::Scrape => (&self.scraper.connections.scrapes, None),
            Purpose::Probe(transcript) => (&self.scraper.connections.probes, transcript.as_deref()),
        };
        ScrapeContext {
            client: &self.target.client,
            connections,
            limits: self.scraper.limits,
            begun: self.begun,
            deadline,
            fair: self.fair(),
            reading: self.scraper.reading,
            replied: &self.shared.replied,
            connection_room: &self.shared.connection_room,
            probes: DueProbes::default(),
            transcript,
        }
    }
}

/// The report of a member that has not been queried yet.
pub(super) fn unasked(target: &Target, asked: &Query) -> MemberReport {
    let commands =
        [Command::Mntr, Command::Srvr].into_iter().filter(|command| target.ensemble.module.commands.contains(command));
    MemberReport {
        state: State::Unknown,
        failures: commands.map(|command| (command, Reason::Limit)).collect(),
        limits: vec![Limit::Deadline],
        shown: target.shown.clone(),
        ..MemberReport::silent(Arc::clone(&asked.member.name))
    }
}

/// Changes the report of a member that had enough time to reply into a timeout.
fn unanswered(member: &mut MemberReport) {
    member.state = State::NoAnswer;
    member.limits.clear();
    member.failure_details.clear();
    member.failures.iter_mut().for_each(|(_, reason)| *reason = Reason::Timeout);
}
