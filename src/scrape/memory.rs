//! State of one member that is kept between scrapes: its `conf`, its failures, and what was logged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::Priority;
use super::log_budget::LogBudget;
use super::reading::{SeenConf, WHITELIST};
use super::report::{Source, State};
use crate::config::Command;
use crate::ensemble::Membership;
use crate::host::HostReader;
use crate::wire::{Failure, Reason};

/// `conf` reads the server's data directory and rarely changes, so it is queried once a minute.
const CONF_EVERY: Duration = Duration::from_mins(1);

/// Maximum number of servers named in a log line.
const MAX_LOGGED: usize = 10;

/// State of a member. Bounded: one entry per command and reason.
#[derive(Debug)]
pub(super) struct Memory {
    /// Reads the member's process on the local host.
    pub(super) host: HostReader,
    inner: Mutex<Inner>,
    /// Failures are reported to the caller and not logged.
    quiet: bool,
    log: LogBudget,
    /// Shared budget of all discovered members of an ensemble, whose number and names are not trusted.
    shared_log: Option<Arc<LogBudget>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            host: HostReader::default(),
            inner: Mutex::default(),
            quiet: false,
            log: LogBudget::of_member(),
            shared_log: None,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    conf_asked: Option<Instant>,
    conf: Option<Arc<SeenConf>>,
    /// Last state, and number of received packets.
    life: (Option<State>, Option<u64>),
    /// Priority when connections are short.
    priority: Priority,
    /// The address that replied last, if it has several.
    replied_at: Option<SocketAddr>,
    totals: BTreeMap<(Command, Reason), u64>,
    /// The last failure of each command that has not succeeded since.
    failing: BTreeMap<Command, Reason>,
    /// Whether the replacement of `mntr` by the AdminServer was logged.
    logged_replacement: bool,
}

impl Memory {
    /// State for a one-shot scrape.
    pub(super) fn of_one_scrape() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// State of a discovered member.
    pub(super) fn of_discovered(log: &Arc<LogBudget>) -> Self {
        Self { shared_log: Some(Arc::clone(log)), ..Self::default() }
    }

    /// Whether a line about the member may be logged; returns the number of suppressed lines.
    fn log_line(&self) -> Option<u64> {
        let now = Instant::now();
        let own = self.log.take(now)?;
        let shared = self.shared_log.as_ref().map_or(Some(0), |log| log.take(now))?;
        Some(own + shared)
    }

    /// A panic leaves the data consistent: every change is a single assignment.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Priority when connections are short.
    pub(super) fn priority(&self) -> Priority {
        self.lock().priority
    }

    /// Records a query in the scrape that began at `begun`. A member that was not queried keeps its earlier priority.
    pub(super) fn note_asked(&self, begun: Instant, silent: bool) {
        self.lock().priority = Priority { silent, asked: Some(begun) };
    }

    /// The address that replied last, if it has several.
    pub(super) fn replied_at(&self) -> Option<SocketAddr> {
        self.lock().replied_at
    }

    pub(super) fn note_replied_at(&self, address: SocketAddr) {
        self.lock().replied_at = Some(address);
    }

    /// Logs a membership with unreadable lines, once for each set of unreadable ids.
    pub(super) fn note_unreadable(&self, who: Who<'_>, seen: &SeenConf) {
        let ids = |conf: &SeenConf| -> Vec<String> {
            conf.membership.iter().flat_map(Membership::unreadable).map(str::to_owned).collect()
        };
        let unreadable = ids(seen);
        let is_known = self.conf().is_some_and(|known| ids(&known) == unreadable);
        if !unreadable.is_empty() && !is_known && !self.quiet {
            let Who { ensemble, member } = who;
            let servers: Vec<&str> = unreadable.iter().take(MAX_LOGGED).map(|id| crate::text::cut(id)).collect();
            tracing::warn!(
                ensemble,
                member,
                servers = servers.join(","),
                "membership lines cannot be read; each is counted as a server of unknown address"
            );
        }
    }

    /// Whether `conf` is due.
    pub(super) fn conf_is_due(&self, now: Instant) -> bool {
        self.lock().conf_asked.is_none_or(|asked| now.duration_since(asked) >= CONF_EVERY)
    }

    /// Makes `conf` due at the next scrape, after a change of the leader.
    pub(super) fn forget_conf_time(&self) {
        self.lock().conf_asked = None;
    }

    /// Makes `conf` due if the role changed or the packet counter was reset: the configuration may have changed.
    pub(super) fn note_life(&self, state: State, received: Option<u64>) {
        if state == State::Unknown {
            return;
        }
        let mut inner = self.lock();
        let (before, count) = inner.life;
        let restarted = matches!((count, received), (Some(count), Some(received)) if received < count);
        if before.is_some_and(|before| before != state) || restarted {
            inner.conf_asked = None;
        }
        inner.life = (Some(state), received.or(count));
    }

    /// Stores the content of `conf`; after a refusal or failure the previous content is kept.
    ///
    /// `head_start` is the fraction of a minute by which the second query comes earlier, so that queries of an
    /// ensemble's members are spread over the minute.
    pub(super) fn remember_conf(&self, asked: Instant, head_start: f64, seen: Option<&SeenConf>) {
        let mut inner = self.lock();
        let earlier =
            if inner.conf_asked.is_none() { CONF_EVERY.mul_f64(head_start.clamp(0.0, 1.0)) } else { Duration::ZERO };
        inner.conf_asked = Some(asked.checked_sub(earlier).unwrap_or(asked));
        if let Some(seen) = seen {
            inner.conf = Some(Arc::new(seen.clone()));
        }
    }

    /// Forgets what may have changed since the member refuses `conf`, as after a start of the exporter: its membership
    /// and settings, not its identity.
    pub(super) fn forget_conf(&self) {
        let mut inner = self.lock();
        let known = inner.conf.as_ref().filter(|conf| conf.membership.is_some() || !conf.settings.is_empty());
        let identity = known.map(|conf| SeenConf {
            server_id: conf.server_id.clone(),
            peer_type: conf.peer_type,
            max_client_connections: conf.max_client_connections,
            ..SeenConf::default()
        });
        if let Some(identity) = identity {
            inner.conf = Some(Arc::new(identity));
        }
    }

    /// The last content of `conf`.
    pub(super) fn conf(&self) -> Option<Arc<SeenConf>> {
        self.lock().conf.clone()
    }

    /// Logs once that metrics come from another source than `mntr`.
    pub(super) fn note_replacement(&self, who: Who<'_>, source: Source) {
        if !std::mem::replace(&mut self.lock().logged_replacement, true) && !self.quiet {
            let Who { ensemble, member } = who;
            let source = source.text();
            tracing::info!(
                ensemble,
                member,
                source,
                "the server refuses `mntr`, another source is queried instead; to allow the command, {WHITELIST}"
            );
        }
    }

    /// Counts the failures of a scrape, logs changes, and returns all totals. `sent`: whether a command was sent.
    pub(super) fn note<'f>(
        &self,
        who: Who<'_>,
        failures: impl Iterator<Item = (Command, &'f Failure)>,
        sent: impl Fn(Command) -> bool,
    ) -> Vec<((Command, Reason), u64)> {
        let Who { ensemble, member } = who;
        let mut inner = self.lock();
        let mut failed = [false; Command::ALL.len()];
        // All commands to an unreachable member fail for the same reason: one line for all of them.
        let mut news: BTreeMap<(Reason, &str), Vec<&str>> = BTreeMap::new();
        for (command, failure) in failures {
            failed[command as usize] = true;
            *inner.totals.entry((command, failure.reason)).or_default() += 1;
            if inner.failing.insert(command, failure.reason) == Some(failure.reason) || self.quiet {
                tracing::debug!(ensemble, member, %command, reason = failure.reason.text(), "{}", failure.detail);
            } else {
                news.entry((failure.reason, &failure.detail)).or_default().push(command.text());
            }
        }
        for ((reason, detail), commands) in news {
            let commands = commands.join(",");
            match self.log_line() {
                Some(0) => tracing::warn!(ensemble, member, commands, reason = reason.text(), "{detail}"),
                Some(suppressed) => {
                    tracing::warn!(ensemble, member, commands, reason = reason.text(), suppressed, "{detail}");
                }
                None => tracing::debug!(ensemble, member, commands, reason = reason.text(), "{detail}"),
            }
        }
        let healed =
            |command: &Command, _: &mut Reason| !failed[*command as usize] && (!is_rare(*command) || sent(*command));
        let healed: Vec<&str> = inner.failing.extract_if(.., healed).map(|(command, _)| command.text()).collect();
        if !healed.is_empty() && self.log_line().is_some() {
            tracing::info!(ensemble, member, commands = healed.join(","), "member recovered");
        }
        inner.totals.iter().map(|(key, count)| (*key, *count)).collect()
    }

    /// The last failures of commands that were not sent in this scrape.
    pub(super) fn earlier_failures(&self, sent: impl Fn(Command) -> bool) -> Vec<(Command, Reason)> {
        let inner = self.lock();
        let failing = inner.failing.iter().map(|(command, reason)| (*command, *reason));
        failing.filter(|(command, reason)| is_rare(*command) && !sent(*command) && *reason != Reason::Limit).collect()
    }
}

/// Whether a command is not sent in every scrape, so that the absence of a failure is not a recovery.
fn is_rare(command: Command) -> bool {
    command == Command::Conf || command.is_of_probe()
}

/// Log context: ensemble and member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) ensemble: &'a str,
    pub(super) member: &'a str,
}
