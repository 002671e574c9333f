//! Who has a socket when: members that keep theirs for long must not keep the others from getting one.
//!
//! A site that drops packets makes hundreds of members silent at once, and each would hold its sockets until the
//! deadline. So whoever has had a fair share of the time while others wait gives its socket up, once, and queues again;
//! members that were silent twice in a row have the half of the sockets only; and some of them, others at each scrape,
//! may keep theirs to the deadline, or one that is slow but well would never be heard again.

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
    /// Of these, for the first turns of members that are silent again and again: a quarter.
    doubtful: Semaphore,
    /// Of these, for whoever gave way before or need not: another quarter.
    again: Semaphore,
    prompt: Crowd,
    silent: Crowd,
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
    /// The most that did since nobody did.
    most: AtomicUsize,
    /// The same of the time before.
    before: AtomicUsize,
}

/// What is known of a member that wants a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answered lately, or was never asked.
    Prompt,
    /// It was silent again and again.
    Silent,
    /// So it was, and it is its turn to have the whole time.
    Owed,
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

/// One more of a crowd that asks, until dropped.
struct Asking<'c>(&'c Crowd);

impl<'c> Asking<'c> {
    fn new(crowd: &'c Crowd) -> Self {
        let now = crowd.asking.fetch_add(1, Ordering::Relaxed) + 1;
        crowd.most.fetch_max(now, Ordering::Relaxed);
        Self(crowd)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.0.asking.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.before.store(self.0.most.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// A place in a lane, where there is need of one, and the socket.
type Held<'s> = (Option<SemaphorePermit<'s>>, SemaphorePermit<'s>);

impl Sockets {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            all: Semaphore::new(most),
            doubtful: Semaphore::new((most / 4).max(1)),
            again: Semaphore::new((most / 4).max(1)),
            prompt: Crowd::default(),
            silent: Crowd::default(),
            news: Notify::new(),
        }
    }

    /// Asks with a socket in hand. `ask` must end by the deadline, and may be dropped and begun anew.
    pub(super) async fn with<T, F: Future<Output = T>>(
        &self,
        standing: Standing,
        deadline: Instant,
        ask: impl Fn() -> F,
    ) -> Result<T, Without> {
        let prompt = standing == Standing::Prompt;
        let patience = {
            let crowd = if prompt { &self.prompt } else { &self.silent };
            let asking = Asking::new(crowd);
            if standing == Standing::Owed
                && let Ok(lane) = self.again.try_acquire()
            {
                let held = timeout_at(deadline, self.last(lane)).await.map_err(|_| Without::Socket)?;
                let answer = ask().await;
                drop(held);
                return Ok(answer);
            }
            let held = timeout_at(deadline, self.first(prompt)).await.map_err(|_| Without::Socket)?;
            let begun = Instant::now();
            let question = ask();
            pin!(question);
            tokio::select! {
                biased;
                answer = &mut question => return Ok(answer),
                () = self.crowded(prompt) => {}
            }
            let places = self.most.div_ceil(if prompt { 2 } else { 4 });
            let share = share(places, crowd, deadline.saturating_duration_since(begun));
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
        let lane = if prompt { None } else { Some(self.turn(&self.doubtful, &self.silent).await) };
        let crowd = if prompt { &self.prompt } else { &self.silent };
        (lane, self.turn(&self.all, crowd).await)
    }

    /// A socket for a second turn, which others need not hurry for.
    async fn second(&self) -> Held<'_> {
        self.last(taken(&self.again).await).await
    }

    /// A socket to be kept to the deadline.
    async fn last<'s>(&'s self, again: SemaphorePermit<'s>) -> Held<'s> {
        (Some(again), taken(&self.all).await)
    }

    /// Every so many scrapes, each member that is silent again and again has its turn; none where there is no crowd.
    pub(super) fn turns(&self) -> Option<usize> {
        let most = self.silent.before.load(Ordering::Relaxed).max(self.silent.most.load(Ordering::Relaxed));
        (most > 0).then(|| most.div_ceil((self.most / 4).max(1)))
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
        waiting(&self.prompt) || (waiting(&self.silent) && (!prompt || self.all.available_permits() == 0))
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
}

/// What each may have of the time that is left, where all of a crowd are to have it.
fn share(places: usize, crowd: &Crowd, left: Duration) -> Duration {
    let places = u32::try_from(places).unwrap_or(u32::MAX);
    let asking = u32::try_from(crowd.asking.load(Ordering::Relaxed)).unwrap_or(u32::MAX).max(1);
    let part = left * FIRST_TURNS.0 / FIRST_TURNS.1;
    part.mul_f64((f64::from(places) / f64::from(asking)).min(1.0)).max(SHORTEST)
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

    use super::Standing::{Owed, Prompt, Silent};
    use super::*;

    const TIME: Duration = Duration::from_millis(1500);

    /// As many questions that get no answer before the deadline.
    fn silent(
        sockets: &Arc<Sockets>,
        standing: Standing,
        count: usize,
        deadline: Instant,
    ) -> JoinSet<Result<(), Without>> {
        let mut silent = JoinSet::new();
        for _ in 0..count {
            let sockets = Arc::clone(sockets);
            silent.spawn(async move { sockets.with(standing, deadline, || sleep_until(deadline)).await });
        }
        silent
    }

    /// How many of ten are answered beside those, each within some milliseconds of its turn.
    async fn answered(sockets: &Arc<Sockets>, standing: Standing, deadline: Instant) -> usize {
        let mut asked = JoinSet::new();
        for _ in 0..10 {
            let sockets = Arc::clone(sockets);
            asked.spawn(async move { sockets.with(standing, deadline, || ready(())).await });
        }
        asked.join_all().await.into_iter().flatten().count()
    }

    #[tokio::test]
    async fn who_is_silent_leaves_sockets_to_the_others() {
        // Whoever was silent before, and whoever is so for the first time, at the same moment as the others or before.
        for (silent_were, others_were) in [(Silent, Prompt), (Silent, Silent), (Prompt, Prompt), (Prompt, Silent)] {
            let sockets = Arc::new(Sockets::new(32));
            let deadline = Instant::now() + TIME;
            let silent = silent(&sockets, silent_were, 60, deadline);
            tokio::task::yield_now().await;
            let answered = answered(&sockets, others_were, deadline).await;
            assert_eq!(answered, 10, "silent {silent_were:?}, others {others_were:?}");
            assert!(Instant::now() < deadline, "silent {silent_were:?}, others {others_were:?}");
            let ends = silent.join_all().await;
            assert!(ends.iter().all(|end| !matches!(end, Err(Without::Socket))), "each had a turn: {ends:?}");
        }
    }

    #[tokio::test]
    async fn nobody_gives_way_for_nothing() {
        let sockets = Arc::new(Sockets::new(4));
        let deadline = Instant::now() + TIME / 3;
        for end in silent(&sockets, Prompt, 4, deadline).join_all().await {
            assert_eq!(end, Ok(()));
        }
        let deadline = Instant::now() + TIME / 3;
        for end in silent(&sockets, Silent, 2, deadline).join_all().await {
            assert_eq!(end, Ok(()));
        }
    }

    #[tokio::test]
    async fn one_socket_is_enough_and_none_before_the_deadline_is_said() {
        let sockets = Arc::new(Sockets::new(1));
        let deadline = Instant::now() + TIME;
        for standing in [Prompt, Silent, Owed] {
            assert_eq!(answered(&sockets, standing, deadline).await, 10);
        }
        let held = sockets.first(true).await;
        let deadline = Instant::now() + SHORTEST;
        assert_eq!(sockets.with(Prompt, deadline, pending::<()>).await, Err(Without::Socket));
        drop(held);
        assert_eq!(answered(&sockets, Silent, Instant::now() + TIME).await, 10);
        let counts = [&sockets.prompt, &sockets.silent]
            .map(|crowd| (crowd.waiting.load(Ordering::Relaxed), crowd.asking.load(Ordering::Relaxed)));
        assert_eq!(counts, [(0, 0); 2], "every count went back");
    }

    #[tokio::test]
    async fn each_silent_member_has_the_whole_time_in_turn() {
        let sockets = Arc::new(Sockets::new(16));
        assert_eq!(sockets.turns(), None);
        let deadline = Instant::now() + TIME;
        silent(&sockets, Silent, 60, deadline).join_all().await;
        assert_eq!(sockets.turns(), Some(15), "four at a time");
        let deadline = Instant::now() + TIME;
        let mut others = silent(&sockets, Silent, 56, deadline);
        let owed = silent(&sockets, Owed, 4, deadline).join_all().await;
        assert!(owed.iter().all(Result::is_ok), "none of them gave way: {owed:?}");
        others.abort_all();
    }
}
