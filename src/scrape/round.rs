//! One round of questions to one ensemble, shared by scrapes that come at the same moment.
//!
//! A round can be joined only until its first reply arrived; from then on it would show a past that the newcomer did not
//! ask for. Who joins waits to its own deadline and gets what is there. A finished round is not reused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::member::{Asked, Terms};
use super::report::{EnsembleReport, MemberReport, State};
use super::target::{Answered, Present, Target};
use super::transcript::Transcript;
use super::{Scraper, again, member};
use crate::config::Command;
use crate::wire::{Limit, Reason};

/// A round under way or finished; dropping the last hold on it ends its questions: everything asked is a read.
#[derive(Debug)]
pub(super) struct Round {
    shared: Arc<Shared>,
    finished: watch::Receiver<bool>,
    deadline: Instant,
    fair: Duration,
    questions: AbortHandle,
}

/// Whose connections a round takes.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Those of scrapes.
    Scrape,
    /// Those of probes; with queries and replies, if they are to be shown.
    Probe(Option<Arc<Transcript>>),
}

/// The questions of a round, and what they need.
#[derive(Debug)]
struct Questions {
    scraper: Arc<Scraper>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    begun: Instant,
    deadline: Instant,
    purpose: Purpose,
}

/// Below this, a missing answer never says anything about a member, unless its module's timeout is as short.
const MIN_FAIR: Duration = Duration::from_millis(250);

/// What the questions and those who wait for them share.
#[derive(Debug)]
struct Shared {
    replied: AtomicBool,
    progress: Mutex<Progress>,
}

/// How far a round is.
#[derive(Debug)]
struct Progress {
    /// What is there so far; whole once the round is finished. Everyone who waits gets this one report: it is copied only
    /// when it changes after a reader took it, which is a reader whose deadline came before the end.
    report: Arc<EnsembleReport>,
    /// Who is asked, once that is known.
    present: Arc<Present>,
    /// One entry a member: its report is not there yet.
    pending: Vec<bool>,
}

impl Round {
    /// Begins a round. It ends by its deadline, or a moment later.
    pub(super) fn begin(
        scraper: &Arc<Scraper>,
        target: &Arc<Target>,
        deadline: Instant,
        purpose: Purpose,
    ) -> Arc<Self> {
        let progress =
            Progress { report: Arc::new(target.nothing_heard(&[])), present: Arc::default(), pending: Vec::new() };
        let shared = Arc::new(Shared { replied: AtomicBool::new(false), progress: Mutex::new(progress) });
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

    /// Whether a scrape that has until `deadline` may join: nothing was answered yet, and the round is not so much
    /// shorter that its members would seem slow to the newcomer.
    pub(super) fn is_open(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let (own, rest) = (deadline.saturating_duration_since(now), self.deadline.saturating_duration_since(now));
        !self.shared.replied.load(Ordering::Relaxed) && !*self.finished.borrow() && rest >= own / 2
    }

    /// Waits for the end, or for one's own deadline, and gives what is there.
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
            let had_time = |asked: &Asked| {
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
    /// A panic elsewhere leaves the report whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut EnsembleReport)) {
        change(Arc::make_mut(&mut self.lock().report));
    }
}

impl Questions {
    /// The time that a question must have had for a missing answer to be the member's fault: half of the round's.
    fn fair(&self) -> Duration {
        let half = self.deadline.saturating_duration_since(self.begun) / 2;
        half.max(MIN_FAIR).min(self.target.ensemble.module.timeout / 2)
    }

    /// Finds the members, asks them all at once, and learns from what they say.
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
                let terms = questions.terms(questions.deadline);
                (place, member::scrape(&questions.target.ensemble, who, terms).await)
            });
        }
        let mut told = vec![false; count];
        let silent = |asked: &Asked| (unasked(&self.target, asked), false);
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
                // A bug of ours costs the one member its series, never the page, and is no alarm about the member.
                Err(error) => tracing::error!(%error, "scrape task panicked"),
            }
        }
        self.take_panics();
        let mut settled = None;
        if !present.names.is_empty() {
            self.shared.change(|all| settled = self.target.settle(&present, all, &mut told, &hidden));
        }
        // The other addresses of a name are no members that could tell a membership.
        let present = settled.map_or(present, |settled| {
            hidden.clear();
            Arc::new(settled)
        });
        self.ask_again(&present).await;
        self.shared.change(|all| self.target.learn(all, &present, &told, &hidden));
    }

    /// Says of members whose task ended without a report that it was a defect.
    fn take_panics(&self) {
        let mut progress = self.shared.lock();
        let Progress { report, pending, .. } = &mut *progress;
        for (place, pending) in pending.iter_mut().enumerate() {
            if std::mem::take(pending) {
                Arc::make_mut(report).members[place].limits = vec![Limit::Internal];
            }
        }
    }

    /// Asks members that seem behind the leader once more.
    async fn ask_again(self: &Arc<Self>, present: &Arc<Present>) {
        let behind = again::seem_behind(&self.shared.lock().report);
        let again = behind.into_iter().map(|place| {
            let (questions, present) = (Arc::clone(self), Arc::clone(present));
            async move {
                let terms = Terms { transcript: None, ..questions.terms(again::until(questions.deadline)) };
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

    fn terms(&self, deadline: Instant) -> Terms<'_> {
        let (connections, transcript) = match &self.purpose {
            Purpose::Scrape => (&self.scraper.connections.scrapes, None),
            Purpose::Probe(transcript) => (&self.scraper.connections.probes, transcript.as_deref()),
        };
        Terms {
            client: &self.target.client,
            connections,
            limits: self.scraper.limits,
            begun: self.begun,
            deadline,
            fair: self.fair(),
            reading: self.scraper.reading,
            replied: &self.shared.replied,
            transcript,
        }
    }
}

/// A member that has not been asked yet: nothing is known of it.
pub(super) fn unasked(target: &Target, asked: &Asked) -> MemberReport {
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

/// Turns a member that was not asked into one that had a fair time to answer and did not.
fn unanswered(member: &mut MemberReport) {
    member.state = State::NoAnswer;
    member.limits.clear();
    member.failures.iter_mut().for_each(|(_, reason)| *reason = Reason::Timeout);
}
