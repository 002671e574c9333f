//! Name lookups: one at a time for each name, on a bounded number of threads, with the last addresses as a fallback.
//!
//! A lookup is `getaddrinfo`, which keeps a thread until the resolver answers or gives up after some ten seconds. When
//! many names hang, the others must still find a thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::resolver::{Find, Found, LookupError, by_system, max_lookups, on_thread};
use super::{Failure, Limit, Reason};

/// Of the lookups, the part for names that hung or failed the last time.
const DOUBTFUL_PART: usize = 6;

/// Capacity of the cache; least recently used names are evicted.
const MAX_NAMES: usize = 4096;

/// While the resolver is silent, a member is asked where it was, as long as it is likely to be itself.
const STALE: Duration = Duration::from_mins(5);

/// How long a lookup may take that hung before, where there is an address from an earlier one.
const BRIEF: Duration = Duration::from_millis(250);

/// All names of the process.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(by_system, max_lookups()));

/// How far a lookup is.
#[derive(Clone, Debug)]
enum Stage {
    /// It waits for a thread.
    Queued,
    /// The resolver has been asked.
    Running,
    /// It has ended.
    Done(Found),
}

/// Whether addresses of an earlier look will do while the resolver is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// They will.
    Earlier,
    /// The caller remembers for itself.
    None,
}

/// The addresses of a name, without a port.
pub(super) async fn lookup(host: &str, fallback: Fallback, deadline: Instant) -> Result<Arc<[SocketAddr]>, Failure> {
    NAMES.lookup(host, fallback, deadline).await
}

#[derive(Debug)]
struct Names {
    find: Find,
    known: Mutex<HashMap<Arc<str>, Known>>,
    lookups: Semaphore,
    doubtful: Semaphore,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    /// The lookup under way, or the last.
    lookup: Option<watch::Receiver<Stage>>,
    earlier: Option<(Instant, Arc<[SocketAddr]>)>,
    /// The last lookup hung or failed.
    doubtful: bool,
    /// The log knows that earlier addresses serve.
    told: bool,
}

impl Names {
    fn new(find: Find, max_lookups: usize) -> Self {
        Self {
            find,
            known: Mutex::default(),
            lookups: Semaphore::new(max_lookups),
            doubtful: Semaphore::new((max_lookups / DOUBTFUL_PART).max(1)),
        }
    }

    /// A panic elsewhere leaves the data whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lookup(
        &'static self,
        host: &str,
        fallback: Fallback,
        deadline: Instant,
    ) -> Result<Arc<[SocketAddr]>, Failure> {
        let (mut lookup, earlier, doubtful) = self.begin(host);
        let earlier = earlier.filter(|(at, _)| fallback == Fallback::Earlier && at.elapsed() < STALE);
        let now = Instant::now();
        let quarter = deadline.saturating_duration_since(now) / 4;
        let until = match &earlier {
            // Most of the time is for the member.
            Some(_) => now + if doubtful { quarter.min(BRIEF) } else { quarter },
            None => deadline,
        };
        let stage = timeout_at(until, lookup.wait_for(|stage| matches!(stage, Stage::Done(_)))).await;
        let stage = stage.ok().and_then(Result::ok).map(|stage| stage.clone());
        let failure = match stage {
            Some(Stage::Done(Ok(addresses))) if addresses.is_empty() => {
                return Err(Failure::new(Reason::Dns, "the name has no address"));
            }
            Some(Stage::Done(Ok(addresses))) => return Ok(addresses),
            Some(Stage::Done(Err(error))) => match &*error {
                LookupError::Limited(limit, _) => Failure::limited(*limit, error.to_string()),
                // An answer that there is no such name is believed.
                LookupError::Resolver(reason) if !LookupError::is_temporary(reason) => {
                    return Err(Failure::new(Reason::Dns, error.to_string()));
                }
                LookupError::Resolver(_) => Failure::new(Reason::Dns, error.to_string()),
            },
            _ if matches!(*lookup.borrow(), Stage::Queued) => Failure::limited(
                Limit::Threads,
                "all threads of the resolver were busy: is it down? else raise the limit of open files and processes",
            ),
            // No answer, or the runtime of the lookup is gone.
            _ => Failure::new(Reason::Dns, "the resolver did not answer in time"),
        };
        let told = self.doubt(host, earlier.is_some());
        let Some((_, addresses)) = earlier else { return Err(failure) };
        if !told {
            tracing::warn!(name = host, "{}; its earlier addresses are used for some minutes", failure.detail);
        }
        Ok(addresses)
    }

    /// The lookup of a name that is under way, or a new one; what an earlier one found; whether the last one failed.
    #[expect(clippy::type_complexity, reason = "read at once, in one place")]
    fn begin(&'static self, host: &str) -> (watch::Receiver<Stage>, Option<(Instant, Arc<[SocketAddr]>)>, bool) {
        let mut names = self.lock();
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            names.retain(|_, known| known.is_needed());
        }
        let name: Arc<str> = host.into();
        let known = names.entry(Arc::clone(&name)).or_default();
        let (earlier, doubtful) = (known.earlier.clone(), known.doubtful);
        if let Some(lookup) = known.lookup.as_ref().filter(|lookup| is_under_way(lookup)) {
            return (lookup.clone(), earlier, doubtful);
        }
        let (tell, lookup) = watch::channel(Stage::Queued);
        known.lookup = Some(lookup.clone());
        drop(names);
        tokio::spawn(async move {
            // Never closed: both live as long as the process.
            let _doubtful = if doubtful { self.doubtful.acquire().await.ok() } else { None };
            let _lookup = self.lookups.acquire().await;
            let _ = tell.send(Stage::Running);
            let found = on_thread(self.find, Arc::clone(&name)).await;
            self.learn(&name, &found);
            let _ = tell.send(Stage::Done(found));
        });
        (lookup, earlier, doubtful)
    }

    fn learn(&self, host: &str, found: &Found) {
        if let Some(known) = self.lock().get_mut(host) {
            known.doubtful = found.is_err();
            match found {
                Ok(addresses) => (known.earlier, known.told) = (Some((Instant::now(), Arc::clone(addresses))), false),
                // An answer that there is no such name.
                Err(error) if matches!(&**error, LookupError::Resolver(error) if !LookupError::is_temporary(error)) => {
                    known.earlier = None;
                }
                Err(_) => {}
            }
        }
    }

    /// Records that the lookup timed out and earlier addresses are used; whether that was logged.
    fn doubt(&self, host: &str, earlier: bool) -> bool {
        let mut names = self.lock();
        let Some(known) = names.get_mut(host) else { return true };
        known.doubtful = true;
        let told = known.told;
        known.told |= earlier;
        told
    }
}

impl Known {
    fn is_needed(&self) -> bool {
        let recent = self.earlier.as_ref().is_some_and(|(at, _)| at.elapsed() < STALE);
        recent || self.lookup.as_ref().is_some_and(is_under_way)
    }
}

fn is_under_way(lookup: &watch::Receiver<Stage>) -> bool {
    // An error is a lookup whose runtime is gone.
    !matches!(*lookup.borrow(), Stage::Done(_)) && lookup.has_changed().is_ok()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LOOKUPS: usize = 384;
    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 0);

    fn names(find: Find) -> &'static Names {
        Box::leak(Box::new(Names::new(find, LOOKUPS)))
    }

    fn soon(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[expect(clippy::disallowed_methods, reason = "a resolver that hangs keeps its thread")]
    fn hang() {
        std::thread::sleep(Duration::from_secs(2));
    }

    #[tokio::test]
    async fn names_that_hang_leave_threads_to_the_others() {
        let names = names(|host| {
            if host.starts_with("slow") {
                hang();
            }
            Ok(vec![ADDRESS])
        });
        let ask = |host: String, milliseconds| async move {
            names.lookup(&host, Fallback::Earlier, soon(milliseconds)).await.map(|ips| ips.to_vec())
        };
        let hang_once = (0..300).map(|number| tokio::spawn(ask(format!("slow{number}"), 300)));
        let hang_once: Vec<_> = hang_once.collect();
        assert_eq!(ask("fast".to_owned(), 250).await.expect("at once"), [ADDRESS]);
        for hung in hang_once {
            assert_eq!(
                hung.await.expect("no panic").expect_err("it hangs").detail,
                "the resolver did not answer in time"
            );
        }
        // When those have ended, names that hung have some threads only.
        tokio::time::sleep(Duration::from_secs(2)).await;
        names.lock().values_mut().for_each(|known| (known.doubtful, known.earlier) = (true, None));
        let hang_again: Vec<_> = (0..300).map(|number| tokio::spawn(ask(format!("slow{number}"), 200))).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(names.lookups.available_permits(), LOOKUPS - LOOKUPS / DOUBTFUL_PART);
        drop(hang_again);
    }

    #[tokio::test]
    async fn a_name_that_found_no_thread_is_a_limit_and_not_a_failure_of_the_name() {
        let names: &'static Names = Box::leak(Box::new(Names::new(
            |_| {
                hang();
                Ok(vec![ADDRESS])
            },
            1,
        )));
        let busy = tokio::spawn(names.lookup("busy", Fallback::None, soon(300)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let queued = names.lookup("queued", Fallback::None, soon(100)).await.expect_err("no thread");
        assert_eq!((queued.reason, queued.limit), (Reason::Limit, Some(Limit::Threads)));
        let hung = busy.await.expect("no panic").expect_err("it hangs");
        assert_eq!((hung.reason, hung.limit), (Reason::Dns, None));
        // With an earlier address, the member is asked there.
        names.lock().entry("known".into()).or_default().earlier = Some((Instant::now(), [ADDRESS].into()));
        assert_eq!(*names.lookup("known", Fallback::Earlier, soon(400)).await.expect("as before"), [ADDRESS]);
    }

    #[tokio::test]
    async fn a_resolver_without_descriptors_is_a_limit() {
        let names = names(|_| Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())));
        let failure = names.lookup("zk", Fallback::None, soon(500)).await.expect_err("no descriptor");
        assert_eq!((failure.reason, failure.limit), (Reason::Limit, Some(Limit::Files)));
    }

    #[tokio::test]
    async fn while_the_resolver_is_silent_the_earlier_addresses_serve() {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let names = names(|_| match LOOKS.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(vec![ADDRESS]),
            1 => Err(io::Error::other("failed to lookup address information: Temporary failure in name resolution")),
            2 => {
                hang();
                Err(io::Error::other("failed to lookup address information: Name or service not known"))
            }
            _ => Err(io::Error::other("failed to lookup address information: Name or service not known")),
        });
        for _ in 0..2 {
            let found = names.lookup("zk", Fallback::Earlier, soon(500)).await;
            assert_eq!(*found.expect("known"), [ADDRESS]);
        }
        assert!(names.lock()["zk"].told, "the log knows that an earlier address serves");
        // Two ask at once: one look, and neither waits for it to the end.
        let begun = Instant::now();
        let (one, other) = tokio::join!(
            names.lookup("zk", Fallback::Earlier, soon(1000)),
            names.lookup("zk", Fallback::Earlier, soon(1000))
        );
        assert!(one.is_ok() && other.is_ok() && begun.elapsed() < Duration::from_millis(400));
        assert_eq!(LOOKS.load(Ordering::Relaxed), 3);
        let strict = names.lookup("zk", Fallback::None, soon(100)).await;
        assert_eq!(strict.expect_err("it hangs").detail, "the resolver did not answer in time");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let gone = names.lookup("zk", Fallback::Earlier, soon(500)).await.expect_err("there is no such name");
        assert!(gone.detail.contains("not known"), "{}", gone.detail);
    }

    #[tokio::test]
    async fn names_are_forgotten_when_there_are_too_many() {
        let names = names(|_| Err(io::Error::other("Name or service not known")));
        for number in 0..=MAX_NAMES {
            let _ = names.lookup(&number.to_string(), Fallback::Earlier, soon(500)).await;
        }
        assert!(names.lock().len() < MAX_NAMES, "{}", names.lock().len());
    }
}
