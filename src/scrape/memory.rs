//! What is remembered of one member between scrapes: its `conf`, its failures, what the log was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::Priority;
use super::log_budget::LogBudget;
use super::reading::{SeenConf, WHITELIST};
use super::report::State;
use crate::config::Command;
use crate::ensemble::Membership;
use crate::host::Watch;
use crate::wire::{Failure, Reason};

/// `conf` walks the data directory of the server: once a minute is enough for what hardly changes.
const CONF_EVERY: Duration = Duration::from_mins(1);

/// A line of the log names no more servers than this.
const MAX_LOGGED: usize = 10;

/// Bounded: one entry a command and reason.
#[derive(Debug)]
pub(super) struct Memory {
    /// The process of a member on this host.
    pub(super) host: Watch,
    inner: Mutex<Inner>,
    /// Failures are for the one who asked, and no news for the log.
    quiet: bool,
    log: LogBudget,
    /// Of all discovered members of an ensemble together, whose number and names a liar may change.
    shared_log: Option<Arc<LogBudget>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            host: Watch::default(),
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
    /// What the member was doing last, and how many packets it had received.
    life: (Option<State>, Option<u64>),
    /// Where it stands among the members that wait for a connection.
    priority: Priority,
    /// Which of its addresses replied last, where it has several.
    replied_at: Option<SocketAddr>,
    totals: BTreeMap<(Command, Reason), u64>,
    /// The failures the log was told of last.
    told: BTreeMap<Command, Reason>,
    /// Whether the replacement of `mntr` by the AdminServer was logged.
    told_of_admin: bool,
}

impl Memory {
    /// Of a member that is asked once.
    pub(super) fn of_one_scrape() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// Of a discovered member.
    pub(super) fn of_discovered(log: &Arc<LogBudget>) -> Self {
        Self { shared_log: Some(Arc::clone(log)), ..Self::default() }
    }

    /// Whether a line about the member may be written now, and how many were not.
    fn log_line(&self) -> Option<u64> {
        let now = Instant::now();
        let own = self.log.take(now)?;
        let shared = self.shared_log.as_ref().map_or(Some(0), |log| log.take(now))?;
        Some(own + shared)
    }

    /// A panic elsewhere leaves the data whole: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it stands among the members that wait for a connection.
    pub(super) fn priority(&self) -> Priority {
        self.lock().priority
    }

    /// Notes that it was asked in the scrape that began then. One that was not keeps its place before the others.
    pub(super) fn note_asked(&self, begun: Instant, silent: bool) {
        self.lock().priority = Priority { silent, asked: Some(begun) };
    }

    /// Which of its addresses replied last, where it has several.
    pub(super) fn replied_at(&self) -> Option<SocketAddr> {
        self.lock().replied_at
    }

    pub(super) fn note_replied_at(&self, address: SocketAddr) {
        self.lock().replied_at = Some(address);
    }

    /// Tells the log, once for each of its forms, of a membership with lines that cannot be read.
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

    /// Whether `conf` may be asked again.
    pub(super) fn conf_is_due(&self, now: Instant) -> bool {
        self.lock().conf_asked.is_none_or(|asked| now.duration_since(asked) >= CONF_EVERY)
    }

    /// Lets `conf` be asked at the next scrape: the leader changed.
    pub(super) fn forget_conf_time(&self) {
        self.lock().conf_asked = None;
    }

    /// A member whose role changed, or whose packet counter restarted, may have another configuration.
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

    /// Keeps what `conf` said; a refusal or failure keeps what was known before.
    ///
    /// `head_start` is a part of a minute by which the second question comes earlier, so that the members of an
    /// ensemble do not all tell at one moment and then nothing for a minute.
    pub(super) fn remember_conf(&self, asked: Instant, head_start: f64, seen: Option<&SeenConf>) {
        let mut inner = self.lock();
        let earlier =
            if inner.conf_asked.is_none() { CONF_EVERY.mul_f64(head_start.clamp(0.0, 1.0)) } else { Duration::ZERO };
        inner.conf_asked = Some(asked.checked_sub(earlier).unwrap_or(asked));
        if let Some(seen) = seen {
            inner.conf = Some(Arc::new(seen.clone()));
        }
    }

    /// What `conf` said last.
    pub(super) fn conf(&self) -> Option<Arc<SeenConf>> {
        self.lock().conf.clone()
    }

    /// Tells the log, once, that the figures come from the AdminServer.
    pub(super) fn note_admin(&self, who: Who<'_>) {
        if !std::mem::replace(&mut self.lock().told_of_admin, true) && !self.quiet {
            let Who { ensemble, member } = who;
            tracing::info!(
                ensemble,
                member,
                "the server refuses `mntr`, the AdminServer is asked instead; to allow the command, {WHITELIST}"
            );
        }
    }

    /// Counts the failures of a scrape, tells the log what changed, gives all totals.
    pub(super) fn note<'f>(
        &self,
        who: Who<'_>,
        failures: impl Iterator<Item = (Command, &'f Failure)>,
    ) -> Vec<((Command, Reason), u64)> {
        let Who { ensemble, member } = who;
        let mut inner = self.lock();
        let mut failed = [false; Command::ALL.len()];
        // The commands of a dead member fail for one reason: one line for all of them.
        let mut news: BTreeMap<(Reason, &str), Vec<&str>> = BTreeMap::new();
        for (command, failure) in failures {
            failed[command as usize] = true;
            *inner.totals.entry((command, failure.reason)).or_default() += 1;
            if inner.told.insert(command, failure.reason) == Some(failure.reason) || self.quiet {
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
        // `conf` is not asked each time: that it did not fail says nothing.
        let healed = |command: &Command, _: &mut Reason| !failed[*command as usize] && *command != Command::Conf;
        let healed: Vec<&str> = inner.told.extract_if(.., healed).map(|(command, _)| command.text()).collect();
        if !healed.is_empty() && self.log_line().is_some() {
            tracing::info!(ensemble, member, commands = healed.join(","), "answers again");
        }
        inner.totals.iter().map(|(key, count)| (*key, *count)).collect()
    }
}

/// Of whom the log speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) ensemble: &'a str,
    pub(super) member: &'a str,
}
