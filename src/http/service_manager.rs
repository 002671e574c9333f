//! Notifications to systemd by the protocol of `sd_notify(3)`: state, reloads and the watchdog.

use std::env::var;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};

use crate::text;

/// A manager that does not read must not block the exporter.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// Maximum length of a status, in characters.
const MAX_STATUS: usize = 500;

/// The notification socket of the service manager. Without it, nothing is sent.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    #[must_use]
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| open(&path));
        let of_us = var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let microseconds = var("WATCHDOG_USEC").ok().filter(|_| of_us).and_then(|text| text.parse().ok());
        let watchdog = microseconds.filter(|&time| time > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Reports that the exporter is ready, with the active configuration.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", text::line(status, MAX_STATUS)));
    }

    /// Reports the start of a reload. `ready` must follow even if it fails: the protocol has no message for a failure.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading the configuration"));
    }

    /// Reports the shutdown.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=shutting down");
    }

    /// Notifies the watchdog twice per period, as long as the runtime runs.
    pub async fn keep_alive(&self) {
        let Some(period) = self.watchdog else { return };
        let mut ticks = interval((period / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, state: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}

fn open(path: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT)).ok()?;
    address.ok().map(|address| (socket, address))
}
