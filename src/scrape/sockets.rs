//! Who has a socket when: members that keep theirs for long must not keep the others from getting one.
//!
//! A site that drops packets makes hundreds of members silent at once, and each would hold its sockets until the
//! deadline. So a member that did not answer promptly last time, or was never asked, has the half of the sockets only;
//! and whoever has had a fair share of the time while others wait gives its socket up, once, and queues again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::pin;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// The sockets of all scrapes.
#[derive(Debug)]
pub(super) struct Sockets {
    most: usize,
    all: Semaphore,
    /// Of these, for members of whom promptness is not known: the half.
    doubtful: Semaphore,
    /// Of those, for members that gave way before: the half again.
    again: Semaphore,
    prompt: Crowd,
    unknown: Crowd,
    /// Somebody has begun to wait.
    news: Notify,
}

/// Questions on their first way to an answer.
#[derive(Debug, Default)]
struct Crowd {
    /// That wait for a socket.
    waiting: AtomicUsize,
    /// That wait for one or have one.
    asking: AtomicUsize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// No socket was free before the deadline.
    Socket,
    /// The answer was not there after this time, others waited, and no socket was free a second time.
    Patience(Duration),
}

/// A socket less than this is no fair share.
const SHORTEST: Duration = Duration::from_millis(100);

/// Everybody's first turn is to be over when this part of the time is.
const FIRST_TURNS: (u32, u32) = (2, 3);

/// One more in a count, until dropped.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in a lane, where there is need of one, and the socket.
type Held<'s> = ([Option<SemaphorePermit<'s>>; 2], SemaphorePermit<'s>);

impl Sockets {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            all: Semaphore::new(most),
            doubtful: Semaphore::new((most / 2).max(1)),
            again: Semaphore::new((most / 4).max(1)),
            prompt: Crowd::default(),
            unknown: Crowd::default(),
            news: Notify::new(),
        }
    }

    /// Asks with a socket in hand. `ask` must end by the deadline, and may be dropped and begun anew.
    pub(super) async fn with<T, F: Future<Output = T>>(
        &self,
        prompt: bool,
        deadline: Instant,
        ask: impl Fn() -> F,
    ) -> Result<T, Without> {
        let patience = {
            let crowd = if prompt { &self.prompt } else { &self.unknown };
            let asking = Counted::new(&crowd.asking);
            let held = timeout_at(deadline, self.first(prompt)).await.map_err(|_| Without::Socket)?;
            let begun = Instant::now();
            let question = ask();
            pin!(question);
            tokio::select! {
                biased;
                answer = &mut question => return Ok(answer),
                () = self.crowded(prompt) => {}
            }
            let share = self.share(crowd, deadline.saturating_duration_since(begun));
            let mut until = begun + share;
            loop {
                until = until.max(Instant::now() + SHORTEST / 4);
                if until >= deadline {
                    return Ok(question.await);
                }
                match timeout_at(until, &mut question).await {
                    Ok(answer) => return Ok(answer),
                    Err(_) if self.is_crowded(prompt) => break,
                    Err(_) => until += SHORTEST,
                }
            }
            drop((held, asking));
            begun.elapsed()
        };
        match timeout_at(deadline, self.second()).await {
            Ok(_held) => Ok(ask().await),
            Err(_) => Err(Without::Patience(patience)),
        }
    }

    /// A socket for a first turn.
    async fn first(&self, prompt: bool) -> Held<'_> {
        let lane = if prompt { None } else { Some(self.turn(&self.doubtful, &self.unknown).await) };
        let crowd = if prompt { &self.prompt } else { &self.unknown };
        ([lane, None], self.turn(&self.all, crowd).await)
    }

    /// A socket for a second turn, which others need not hurry for.
    async fn second(&self) -> Held<'_> {
        let again = taken(&self.again).await;
        let lane = taken(&self.doubtful).await;
        ([Some(again), Some(lane)], taken(&self.all).await)
    }

    async fn turn<'s>(&'s self, lane: &'s Semaphore, crowd: &'s Crowd) -> SemaphorePermit<'s> {
        if let Ok(permit) = lane.try_acquire() {
            return permit;
        }
        let _waiting = Counted::new(&crowd.waiting);
        self.news.notify_waiters();
        taken(lane).await
    }

    /// Whether somebody waits for what this one holds. Who is known to be prompt stands in nobody's way in the lane of
    /// the others.
    fn is_crowded(&self, prompt: bool) -> bool {
        let waiting = |crowd: &Crowd| crowd.waiting.load(Ordering::Relaxed) > 0;
        waiting(&self.prompt) || (waiting(&self.unknown) && (!prompt || self.all.available_permits() == 0))
    }

    async fn crowded(&self, prompt: bool) {
        loop {
            let news = self.news.notified();
            if self.is_crowded(prompt) {
                return;
            }
            news.await;
        }
    }

    /// What each may have of the time that is left, where all of a crowd are to have it.
    fn share(&self, crowd: &Crowd, left: Duration) -> Duration {
        let side_by_side = u32::try_from(self.most.div_ceil(2)).unwrap_or(u32::MAX);
        let asking = u32::try_from(crowd.asking.load(Ordering::Relaxed)).unwrap_or(u32::MAX).max(1);
        let part = left * FIRST_TURNS.0 / FIRST_TURNS.1;
        part.mul_f64((f64::from(side_by_side) / f64::from(asking)).min(1.0)).max(SHORTEST)
    }
}

/// Waits for a place. The semaphores live as long as the process and are never closed.
async fn taken(lane: &Semaphore) -> SemaphorePermit<'_> {
    match lane.acquire().await {
        Ok(permit) => permit,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;

    use tokio::task::JoinSet;
    use tokio::time::sleep_until;

    use super::*;

    const TIME: Duration = Duration::from_millis(1500);

    /// As many questions that get no answer before the deadline.
    fn silent(sockets: &Arc<Sockets>, prompt: bool, count: usize, deadline: Instant) -> JoinSet<Result<(), Without>> {
        let mut silent = JoinSet::new();
        for _ in 0..count {
            let sockets = Arc::clone(sockets);
            silent.spawn(async move { sockets.with(prompt, deadline, || sleep_until(deadline)).await });
        }
        silent
    }

    /// How many of ten are answered beside those, each within some milliseconds of its turn.
    async fn answered(sockets: &Arc<Sockets>, prompt: bool, deadline: Instant) -> usize {
        let mut asked = JoinSet::new();
        for _ in 0..10 {
            let sockets = Arc::clone(sockets);
            asked.spawn(async move { sockets.with(prompt, deadline, || ready(())).await });
        }
        asked.join_all().await.into_iter().flatten().count()
    }

    #[tokio::test]
    async fn who_is_silent_leaves_sockets_to_the_others() {
        // Whoever was silent before, and whoever is so for the first time, at the same moment as the others or before.
        for (silent_were, others_were) in [(false, true), (false, false), (true, true), (true, false)] {
            let sockets = Arc::new(Sockets::new(16));
            let deadline = Instant::now() + TIME;
            let silent = silent(&sockets, silent_were, 60, deadline);
            tokio::task::yield_now().await;
            let answered = answered(&sockets, others_were, deadline).await;
            assert_eq!(answered, 10, "silent {silent_were}, others {others_were}");
            assert!(Instant::now() < deadline, "silent {silent_were}, others {others_were}");
            let ends = silent.join_all().await;
            assert!(ends.iter().all(|end| !matches!(end, Err(Without::Socket))), "each had a turn: {ends:?}");
            assert!(ends.iter().any(|end| matches!(end, Err(Without::Patience(_)))), "they gave way");
        }
    }

    #[tokio::test]
    async fn nobody_gives_way_for_nothing() {
        let sockets = Arc::new(Sockets::new(4));
        let deadline = Instant::now() + TIME / 3;
        for end in silent(&sockets, true, 4, deadline).join_all().await {
            assert_eq!(end, Ok(()));
        }
        let deadline = Instant::now() + TIME / 3;
        for end in silent(&sockets, false, 2, deadline).join_all().await {
            assert_eq!(end, Ok(()));
        }
    }

    #[tokio::test]
    async fn one_socket_is_enough_and_none_before_the_deadline_is_said() {
        let sockets = Arc::new(Sockets::new(1));
        let deadline = Instant::now() + TIME;
        for prompt in [true, false] {
            assert_eq!(answered(&sockets, prompt, deadline).await, 10);
        }
        let held = sockets.first(true).await;
        let deadline = Instant::now() + SHORTEST;
        assert_eq!(sockets.with(true, deadline, pending::<()>).await, Err(Without::Socket));
        drop(held);
        assert_eq!(answered(&sockets, false, Instant::now() + TIME).await, 10);
        let counts = [&sockets.prompt, &sockets.unknown]
            .map(|crowd| (crowd.waiting.load(Ordering::Relaxed), crowd.asking.load(Ordering::Relaxed)));
        assert_eq!(counts, [(0, 0); 2], "every count went back");
    }
}
