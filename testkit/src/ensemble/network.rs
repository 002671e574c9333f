//! A loopback network for each ensemble.
//!
//! A symbolic link `/tmp/zookeeper-ensemble-net-127.A.B` that points to the directory of the ensemble claims the network.
//! It is created atomically. It is in /tmp, independent of TMPDIR, because all users and tests must see the same claims.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::state::{ADMIN_PORT, CLIENT_PORT, ELECTION_PORT, Ensemble, QUORUM_PORT, SECURE_PORT};
use crate::failure::{Failure, fail};
use crate::random;

const CLAIMS: &str = "/tmp/zookeeper-ensemble-net-";
const ATTEMPTS: usize = 20;
/// A claim without a process is kept for this time: its ensemble may be between two starts.
const CLAIM_SECONDS: u64 = 3600;

impl Ensemble {
    fn claim(&self) -> PathBuf {
        format!("{CLAIMS}{}", self.net).into()
    }

    pub(super) fn claim_network(&self) -> bool {
        std::os::unix::fs::symlink(&self.dir, self.claim()).is_ok()
    }

    pub(super) fn owns_network(&self) -> bool {
        std::fs::read_link(self.claim()).is_ok_and(|dir| dir == self.dir)
    }

    pub(super) fn release_network(&self) {
        if self.owns_network() {
            let _ = std::fs::remove_file(self.claim());
        }
    }

    /// Chooses a network that no other ensemble has, and saves the ensemble.
    pub(super) fn choose_network(&mut self) -> Result<(), Failure> {
        let mut why = format!("cannot claim a network; is /tmp writable, and what are {CLAIMS}*?");
        for _ in 0..ATTEMPTS {
            self.net = format!("127.{}.{}", 64 + random(64), 1 + random(254));
            // First, because a claim is only valid if ensemble.env matches.
            self.save()?;
            if !self.claim_network() {
                continue;
            }
            if self.ports_are_free() {
                return Ok(());
            }
            self.release_network();
            why = format!(
                "{CLIENT_PORT}, {SECURE_PORT}, {QUORUM_PORT}, {ELECTION_PORT} or {ADMIN_PORT} is in use on every address"
            );
        }
        let _ = std::fs::remove_file(self.dir.join("ensemble.env"));
        fail(why)
    }

    /// Reads the tables of the kernel, because connecting to a listener with a full backlog would hang.
    fn ports_are_free(&self) -> bool {
        let taken = listeners();
        let is_taken = |id: usize, port: u16| {
            let octets = self.host(id).split('.').rev().map(|octet| octet.parse().unwrap_or(0)).collect::<Vec<u8>>();
            let address: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
            let forms = ["00000000", &address, &"0".repeat(32), &format!("0000000000000000FFFF0000{address}")]
                .map(str::to_owned);
            forms.iter().any(|form| taken.contains(&format!("{form}:{port:04X}")))
        };
        let ports = [CLIENT_PORT, SECURE_PORT, QUORUM_PORT, ELECTION_PORT, ADMIN_PORT];
        !self.ids().any(|id| ports.iter().any(|port| is_taken(id, *port)))
    }
}

/// The local addresses of all listeners, as the kernel writes them.
fn listeners() -> HashSet<String> {
    let mut found = HashSet::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(file).unwrap_or_default();
        for line in table.lines() {
            let mut fields = line.split_whitespace().skip(1);
            if let (Some(local), Some(_), Some("0A")) = (fields.next(), fields.next(), fields.next()) {
                found.insert(local.to_owned());
            }
        }
    }
    found
}

/// Removes the claims of this user that are stale: the ensemble does not exist, uses a different network, or has had no
/// process for an hour, for example after a reboot.
pub(super) fn sweep_claims() {
    let (folder, prefix) = CLAIMS.rsplit_once('/').unwrap_or(("/tmp", ""));
    let own = rustix::process::geteuid().as_raw();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for link in
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path())
    {
        let Some(made) = made(&link, own) else { continue };
        let Ok(owner) = std::fs::read_link(&link) else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let is_used = Ensemble::load(&owner).is_some_and(|ensemble| {
            ensemble.claim() == link
                && (ensemble.any_member_runs() || now.saturating_sub(made.unsigned_abs()) < CLAIM_SECONDS)
        });
        // Another start may have removed it meanwhile, and a third one claimed it again.
        if !is_used && self::made(&link, own) == Some(made) {
            let _ = std::fs::remove_file(&link);
        }
    }
}

/// When a link of this user was created, in seconds.
fn made(link: &Path, owner: u32) -> Option<i64> {
    let found = std::fs::symlink_metadata(link).ok()?;
    (found.is_symlink() && found.uid() == owner).then(|| found.mtime())
}
