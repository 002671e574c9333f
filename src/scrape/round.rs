//! One round of questions to one ensemble, shared by scrapes that come at the same moment.
//!
//! A round can be joined only until its first reply arrived; from then on it would show a past that the newcomer did not
//! ask for. Who joins waits to its own deadline and gets what is there. A finished round serves nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::member::Asked;
use super::report::{EnsembleReport, MemberReport};
use super::target::{Answered, Target};
use super::transcript::Transcript;
use super::{Scraper, again, member};
use crate::config::Word;
use crate::wire::Reason;

/// A round under way or finished; dropping the last hold on it ends its questions: everything asked is a read.
#[derive(Debug)]
pub(super) struct Round {
    shared: Arc<Shared>,
    finished: watch::Receiver<bool>,
    deadline: Instant,
    questions: AbortHandle,
}

/// What the questions and those who wait for them share.
#[derive(Debug)]
struct Shared {
    replied: AtomicBool,
    /// What is there so far; whole once the round is finished. Everyone who waits gets this one report: it is copied only
    /// when it changes after a reader took it, which is a reader whose deadline came before the end.
    report: Mutex<Arc<EnsembleReport>>,
}

impl Round {
    /// Begins a round. It ends by its deadline, or a moment later.
    pub(super) fn begin(
        scraper: &Arc<Scraper>,
        target: &Arc<Target>,
        deadline: Instant,
        transcript: Option<Arc<Transcript>>,
    ) -> Arc<Self> {
        let report = Mutex::new(Arc::new(target.nothing_heard(&[])));
        let shared = Arc::new(Shared { replied: AtomicBool::new(false), report });
        let (finish, finished) = watch::channel(false);
        let run = run(Arc::clone(scraper), Arc::clone(target), Arc::clone(&shared), deadline, transcript);
        let questions = tokio::spawn(async move {
            run.await;
            // Nobody waits any more: that is no failure.
            let _ = finish.send(true);
        });
        Arc::new(Self { shared, finished, deadline, questions: questions.abort_handle() })
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
        // An error is a round that broke off: what is there then is all there will be.
        let end = finished.wait_for(|finished| *finished);
        if deadline < self.deadline {
            let _ = timeout_at(deadline, end).await;
        } else {
            let _ = end.await;
        }
        Arc::clone(&self.shared.lock())
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.questions.abort();
    }
}

impl Shared {
    /// A panic elsewhere leaves the report whole: every change is one assignment.
    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<EnsembleReport>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut EnsembleReport)) {
        change(Arc::make_mut(&mut self.lock()));
    }
}

/// Finds the members, asks them all at once, and learns from what they say.
async fn run(
    scraper: Arc<Scraper>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    deadline: Instant,
    transcript: Option<Arc<Transcript>>,
) {
    let present = Arc::new(target.present(deadline, scraper.limits.members_per_ensemble).await);
    *shared.lock() = Arc::new(target.nothing_heard(&present.asked));
    let count = present.asked.len();
    let mut asked = JoinSet::new();
    for place in 0..count + present.hidden.len() {
        let (scraper, target, shared) = (Arc::clone(&scraper), Arc::clone(&target), Arc::clone(&shared));
        let (present, transcript) = (Arc::clone(&present), transcript.clone());
        asked.spawn(async move {
            let terms = terms(&scraper, &target, &shared, deadline, transcript.as_deref());
            let who = present.asked.get(place).unwrap_or_else(|| &present.hidden[place - present.asked.len()]);
            (place, member::scrape(&target.ensemble, who, terms).await)
        });
    }
    let mut told = vec![false; count];
    let silent = |asked: &Asked| (unanswered(&target, asked), false);
    let mut hidden: Vec<Answered> = present.hidden.iter().map(silent).collect();
    while let Some(found) = asked.join_next().await {
        match found {
            Ok((place, answered)) if place >= count => hidden[place - count] = answered,
            Ok((place, (report, has_told))) => {
                told[place] = has_told;
                let report = MemberReport { shown: target.shown.clone(), ..report };
                shared.change(|all| all.members[place] = report);
            }
            // A bug of ours costs the one member its series, never the page.
            Err(error) => tracing::error!(%error, "the scrape of a member broke off"),
        }
    }
    let behind = again::seem_behind(&shared.lock());
    let again = behind.into_iter().map(|place| {
        let (scraper, target, shared) = (Arc::clone(&scraper), Arc::clone(&target), Arc::clone(&shared));
        let present = Arc::clone(&present);
        async move {
            let terms = terms(&scraper, &target, &shared, again::until(deadline), None);
            (place, member::zxid(&present.asked[place], terms).await)
        }
    });
    let mut again: JoinSet<_> = again.collect();
    while let Some(found) = again.join_next().await {
        if let Ok((place, Some(zxid))) = found {
            shared.change(|all| all.members[place].zxid = Some(zxid));
        }
    }
    shared.change(|all| target.learn(all, &present, &told, &hidden));
}

fn terms<'t>(
    scraper: &'t Scraper,
    target: &'t Target,
    shared: &'t Shared,
    deadline: Instant,
    transcript: Option<&'t Transcript>,
) -> member::Terms<'t> {
    member::Terms {
        client: &target.client,
        sockets: &scraper.sockets,
        limits: scraper.limits,
        deadline,
        reading: scraper.reading,
        replied: &shared.replied,
        transcript,
    }
}

/// A member that has not answered yet, as somebody sees it whose time is over.
pub(super) fn unanswered(target: &Target, asked: &Asked) -> MemberReport {
    let words = [Word::Mntr, Word::Srvr].into_iter().filter(|word| target.ensemble.module.commands.contains(word));
    MemberReport {
        failures: words.map(|word| (word, Reason::Timeout)).collect(),
        shown: target.shown.clone(),
        ..MemberReport::silent(Arc::clone(&asked.member.name))
    }
}
