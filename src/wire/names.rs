//! Names looked up: one look at a name at a time, on a bounded number of threads, and what it led to last.
//!
//! A look is `getaddrinfo`, which keeps a thread until the resolver answers or is given up after some ten seconds. When
//! many names hang, the others must still find a thread, and so must whatever else the runtime does on threads.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{Failure, Reason};

/// Looks at once; well below the threads that the runtime has for blocking work, 512.
const MOST_LOOKS: usize = 384;

/// Of these, at names that hung or failed the last time.
const MOST_DOUBTFUL: usize = 64;

/// Names that are remembered before those that nobody asked for lately are forgotten.
const MOST_NAMES: usize = 4096;

/// While the resolver is silent, a member is asked where it was, as long as it is likely to be itself.
const STALE: Duration = Duration::from_mins(5);

/// How long a look may take that hung before, where there is an address from an earlier one.
const BRIEF: Duration = Duration::from_millis(250);

/// All names of the process.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(by_system));

/// How a name is looked up.
type Find = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// What came of a look.
type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

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

fn by_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((host, 0).to_socket_addrs()?.collect())
}

#[derive(Debug)]
struct Names {
    find: Find,
    known: Mutex<HashMap<Arc<str>, Known>>,
    looks: Arc<Semaphore>,
    doubtful: Arc<Semaphore>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    /// The look under way, or the last.
    look: Option<watch::Receiver<Option<Found>>>,
    earlier: Option<(Instant, Arc<[SocketAddr]>)>,
    /// The last look hung or failed.
    doubtful: bool,
    /// The log knows that earlier addresses serve.
    told: bool,
}

impl Names {
    fn new(find: Find) -> Self {
        Self {
            find,
            known: Mutex::default(),
            looks: Arc::new(Semaphore::new(MOST_LOOKS)),
            doubtful: Arc::new(Semaphore::new(MOST_DOUBTFUL)),
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
        let (mut look, earlier, doubtful) = self.look(host);
        let earlier = earlier.filter(|(at, _)| fallback == Fallback::Earlier && at.elapsed() < STALE);
        let now = Instant::now();
        let patience = deadline.saturating_duration_since(now) / 4;
        let until = match &earlier {
            // Most of the time is for the member.
            Some(_) => now + if doubtful { patience.min(BRIEF) } else { patience },
            None => deadline,
        };
        let found = timeout_at(until, look.wait_for(Option::is_some)).await;
        let found = found.map(|found| found.ok().and_then(|found| found.clone()));
        let trouble = match found {
            Ok(Some(Ok(addresses))) if addresses.is_empty() => {
                return Err(Failure::new(Reason::Dns, "the name has no address"));
            }
            Ok(Some(Ok(addresses))) => return Ok(addresses),
            Ok(Some(Err(error))) => {
                let failure = Failure::new(Reason::Dns, format!("the name does not resolve: {error}"));
                // Who is told that there is no such name believes it.
                if !is_of_resolver(&error) {
                    return Err(failure);
                }
                failure
            }
            // The runtime that looked is gone, or nobody answered.
            Ok(None) | Err(_) => Failure::new(Reason::Dns, "the resolver did not answer in time"),
        };
        let told = self.doubt(host, earlier.is_some());
        let Some((_, addresses)) = earlier else { return Err(trouble) };
        if !told {
            tracing::warn!(name = host, "{}; its earlier addresses are used for some minutes", trouble.detail);
        }
        Ok(addresses)
    }

    /// The look at a name that is under way, or a new one; what an earlier one found; whether the last was in vain.
    #[expect(clippy::type_complexity, reason = "read at once, in one place")]
    fn look(&'static self, host: &str) -> (watch::Receiver<Option<Found>>, Option<(Instant, Arc<[SocketAddr]>)>, bool) {
        let mut names = self.lock();
        if names.len() >= MOST_NAMES && !names.contains_key(host) {
            names.retain(|_, known| known.is_needed());
        }
        let name: Arc<str> = host.into();
        let known = names.entry(Arc::clone(&name)).or_default();
        let (earlier, doubtful) = (known.earlier.clone(), known.doubtful);
        if let Some(look) = known.look.as_ref().filter(|look| is_under_way(look)) {
            return (look.clone(), earlier, doubtful);
        }
        let (tell, look) = watch::channel(None);
        known.look = Some(look.clone());
        drop(names);
        tokio::spawn(async move {
            // Never closed: both live as long as the process.
            let _lane = if doubtful { self.doubtful.acquire().await.ok() } else { None };
            let _look = self.looks.acquire().await;
            let (find, host) = (self.find, Arc::clone(&name));
            let found = spawn_blocking(move || find(&host)).await.unwrap_or_else(|error| Err(io::Error::other(error)));
            let found = found.map(Arc::from).map_err(Arc::new);
            self.learn(&name, &found);
            let _ = tell.send(Some(found));
        });
        (look, earlier, doubtful)
    }

    fn learn(&self, host: &str, found: &Found) {
        if let Some(known) = self.lock().get_mut(host) {
            known.doubtful = found.is_err();
            match found {
                Ok(addresses) => (known.earlier, known.told) = (Some((Instant::now(), Arc::clone(addresses))), false),
                Err(error) if is_of_resolver(error) => {}
                Err(_) => known.earlier = None,
            }
        }
    }

    /// Notes that nobody knows the name's addresses in time, and that earlier ones serve; whether the log knew.
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
        recent || self.look.as_ref().is_some_and(is_under_way)
    }
}

fn is_under_way(look: &watch::Receiver<Option<Found>>) -> bool {
    // An error is a look whose runtime is gone.
    look.borrow().is_none() && look.has_changed().is_ok()
}

/// Whether it was the resolver that failed, and not the name (`EAI_AGAIN`, for which the standard library has no kind).
fn is_of_resolver(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("Temporary failure") || text.contains("Try again")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 0);

    fn names(find: Find) -> &'static Names {
        Box::leak(Box::new(Names::new(find)))
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
        assert_eq!(names.looks.available_permits(), MOST_LOOKS - MOST_DOUBTFUL);
        drop(hang_again);
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
        for number in 0..=MOST_NAMES {
            let _ = names.lookup(&number.to_string(), Fallback::Earlier, soon(500)).await;
        }
        assert!(names.lock().len() < MOST_NAMES, "{}", names.lock().len());
    }
}
