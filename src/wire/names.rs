//! DNS lookups: one per name at a time, on a bounded number of threads, with the previous addresses as a fallback.
//!
//! A lookup is `getaddrinfo`, which blocks a thread until the resolver responds or gives up after about ten seconds.
//! Names whose last lookup hung or failed share a part of the threads, so that they cannot starve other names. While
//! the resolver does not respond, the addresses of the last successful lookup are used for a few minutes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::resolver::{LookupError, LookupFn, LookupResult, by_system, max_lookups, on_thread};
use super::{Failure, Limit, Reason};

/// One in this number of lookups is available to names whose last lookup hung or failed.
const SUSPECT_SHARE: usize = 6;

/// Capacity of the cache; least recently used names are evicted.
const MAX_NAMES: usize = 4096;

/// Maximum age of addresses used while the resolver does not respond; later they may belong to another server.
const MAX_ADDRESS_AGE: Duration = Duration::from_mins(5);

/// Timeout of a lookup for a name whose last lookup hung, if earlier addresses are available.
const SHORT_LOOKUP_TIMEOUT: Duration = Duration::from_millis(250);

/// The cache, shared by the whole process.
static CACHE: LazyLock<NameCache> = LazyLock::new(|| NameCache::new(by_system, max_lookups()));

/// The state of a lookup.
#[derive(Clone, Debug)]
enum Stage {
    /// Waiting for a thread.
    Queued,
    /// Sent to the resolver.
    Running,
    /// Completed.
    Done(LookupResult),
}

/// Whether earlier addresses are used while the resolver does not respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// Use the addresses of the last successful lookup.
    Earlier,
    /// Fail; the caller has its own cache.
    None,
}

/// The addresses of a name, with port 0.
pub(super) async fn lookup(host: &str, fallback: Fallback, deadline: Instant) -> Result<Arc<[SocketAddr]>, Failure> {
    CACHE.lookup(host, fallback, deadline).await
}

#[derive(Debug)]
struct NameCache {
    find: LookupFn,
    known: Mutex<HashMap<Arc<str>, CachedName>>,
    lookups: Semaphore,
    suspect: Semaphore,
}

/// The cached state of a name.
#[derive(Debug, Default)]
struct CachedName {
    /// The lookup in flight, or the last completed one.
    lookup: Option<watch::Receiver<Stage>>,
    earlier: Option<(Instant, Arc<[SocketAddr]>)>,
    /// Whether the last lookup hung or failed.
    suspect: bool,
    /// Whether the fallback to earlier addresses was logged.
    logged: bool,
}

impl NameCache {
    fn new(find: LookupFn, max_lookups: usize) -> Self {
        Self {
            find,
            known: Mutex::default(),
            lookups: Semaphore::new(max_lookups),
            suspect: Semaphore::new((max_lookups / SUSPECT_SHARE).max(1)),
        }
    }

    /// Ignores poisoning: every change is a single assignment.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, CachedName>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lookup(
        &'static self,
        host: &str,
        fallback: Fallback,
        deadline: Instant,
    ) -> Result<Arc<[SocketAddr]>, Failure> {
        let (mut lookup, earlier, suspect) = self.begin(host);
        let earlier = earlier.filter(|(at, _)| fallback == Fallback::Earlier && at.elapsed() < MAX_ADDRESS_AGE);
        let now = Instant::now();
        let quarter = deadline.saturating_duration_since(now) / 4;
        let until = match &earlier {
            // Leaves most of the time for querying the member.
            Some(_) => now + if suspect { quarter.min(SHORT_LOOKUP_TIMEOUT) } else { quarter },
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
                // A definite response: the name does not exist.
                LookupError::Resolver(reason) if !LookupError::is_temporary(reason) => {
                    return Err(Failure::new(Reason::Dns, error.to_string()));
                }
                LookupError::Resolver(_) => Failure::new(Reason::Dns, error.to_string()),
            },
            _ if matches!(*lookup.borrow(), Stage::Queued) => Failure::limited(
                Limit::Threads,
                "all threads of the resolver were busy: is it down? else raise the limit of open files and processes",
            ),
            // No response, or the runtime of the lookup has ended.
            _ => Failure::new(Reason::Dns, "the resolver did not answer in time"),
        };
        let logged = self.note_timeout(host, earlier.is_some());
        let Some((_, addresses)) = earlier else { return Err(failure) };
        if !logged {
            tracing::warn!(name = host, error = %failure.detail, "name lookup failed, using earlier addresses");
        }
        Ok(addresses)
    }

    /// The lookup in flight or a new one, the earlier addresses, and whether the last lookup hung or failed.
    #[expect(clippy::type_complexity, reason = "destructured in one place")]
    fn begin(&'static self, host: &str) -> (watch::Receiver<Stage>, Option<(Instant, Arc<[SocketAddr]>)>, bool) {
        let mut names = self.lock();
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            names.retain(|_, known| known.is_needed());
            // All are recent: the one with the oldest addresses is evicted.
            let is_idle = |known: &CachedName| !known.lookup.as_ref().is_some_and(is_under_way);
            let idle = names.iter().filter(|(_, known)| is_idle(known));
            let oldest = idle.min_by_key(|(_, known)| known.earlier.as_ref().map(|(at, _)| *at));
            let oldest = oldest.map(|(name, _)| Arc::clone(name)).filter(|_| names.len() >= MAX_NAMES);
            if let Some(oldest) = oldest {
                names.remove(&oldest);
            }
        }
        let name: Arc<str> = host.into();
        let known = names.entry(Arc::clone(&name)).or_default();
        let (earlier, suspect) = (known.earlier.clone(), known.suspect);
        if let Some(lookup) = known.lookup.as_ref().filter(|lookup| is_under_way(lookup)) {
            return (lookup.clone(), earlier, suspect);
        }
        let (sender, lookup) = watch::channel(Stage::Queued);
        known.lookup = Some(lookup.clone());
        drop(names);
        tokio::spawn(async move {
            // The semaphores are never closed.
            let _suspect = if suspect { self.suspect.acquire().await.ok() } else { None };
            let _lookup = self.lookups.acquire().await;
            let _ = sender.send(Stage::Running);
            let found = on_thread(self.find, Arc::clone(&name)).await;
            self.learn(&name, &found);
            let _ = sender.send(Stage::Done(found));
        });
        (lookup, earlier, suspect)
    }

    fn learn(&self, host: &str, found: &LookupResult) {
        if let Some(known) = self.lock().get_mut(host) {
            known.suspect = found.is_err();
            match found {
                Ok(addresses) => (known.earlier, known.logged) = (Some((Instant::now(), Arc::clone(addresses))), false),
                // A definite response: the name does not exist.
                Err(error) if matches!(&**error, LookupError::Resolver(error) if !LookupError::is_temporary(error)) => {
                    known.earlier = None;
                }
                Err(_) => {}
            }
        }
    }

    /// Records that the lookup timed out, and whether earlier addresses are used. Returns whether this was logged
    /// before.
    fn note_timeout(&self, host: &str, earlier: bool) -> bool {
        let mut names = self.lock();
        let Some(known) = names.get_mut(host) else { return true };
        known.suspect = true;
        let logged = known.logged;
        known.logged |= earlier;
        logged
    }
}

impl CachedName {
    fn is_needed(&self) -> bool {
        let recent = self.earlier.as_ref().is_some_and(|(at, _)| at.elapsed() < MAX_ADDRESS_AGE);
        recent || self.lookup.as_ref().is_some_and(is_under_way)
    }
}

fn is_under_way(lookup: &watch::Receiver<Stage>) -> bool {
    // An error means that the runtime of the lookup has ended.
    !matches!(*lookup.borrow(), Stage::Done(_)) && lookup.has_changed().is_ok()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LOOKUPS: usize = 384;
    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 0);

    fn names(find: LookupFn) -> &'static NameCache {
        Box::leak(Box::new(NameCache::new(find, LOOKUPS)))
    }

    fn soon(milliseconds: u64) -> Instant {
        Instant::now() + Duration::from_millis(milliseconds)
    }

    #[expect(clippy::disallowed_methods, reason = "a resolver that hangs keeps its thread")]
    fn hang() {
        std::thread::sleep(Duration::from_secs(2));
    }

    #[tokio::test]
    async fn hanging_names_do_not_starve_others() {
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
        // From now on, names whose lookup hung get only a part of the threads.
        tokio::time::sleep(Duration::from_secs(2)).await;
        names.lock().values_mut().for_each(|known| (known.suspect, known.earlier) = (true, None));
        let hang_again: Vec<_> = (0..300).map(|number| tokio::spawn(ask(format!("slow{number}"), 200))).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(names.lookups.available_permits(), LOOKUPS - LOOKUPS / SUSPECT_SHARE);
        drop(hang_again);
    }

    #[tokio::test]
    async fn the_number_of_names_is_bounded_even_if_all_are_recent() {
        let names = names(|_| Ok(vec![ADDRESS]));
        let at = Instant::now();
        for number in 0..MAX_NAMES {
            names.lock().entry(format!("known{number}").into()).or_default().earlier = Some((at, [ADDRESS].into()));
        }
        for host in ["one", "other"] {
            assert_eq!(*names.lookup(host, Fallback::Earlier, soon(2000)).await.expect("found"), [ADDRESS]);
        }
        let known = names.lock();
        assert_eq!((known.len(), known.contains_key("one") && known.contains_key("other")), (MAX_NAMES, true));
    }

    #[tokio::test]
    async fn a_lookup_without_a_thread_is_a_limit_of_the_exporter() {
        let names: &'static NameCache = Box::leak(Box::new(NameCache::new(
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
        // With an earlier address, the member is queried at it.
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
    async fn earlier_addresses_are_used_while_the_resolver_is_silent() {
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
        assert!(names.lock()["zk"].logged, "the use of an earlier address is logged");
        // Two callers share one lookup; neither waits for its end.
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
    async fn the_least_recent_names_are_evicted() {
        let names = names(|_| Err(io::Error::other("Name or service not known")));
        for number in 0..=MAX_NAMES {
            let _ = names.lookup(&number.to_string(), Fallback::Earlier, soon(500)).await;
        }
        assert!(names.lock().len() < MAX_NAMES, "{}", names.lock().len());
    }
}
