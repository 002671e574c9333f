//! What an ensemble consists of: the file `DIR/ensemble.env`, and the addresses of the members.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{MAX_MEMBERS, PROGRAM};
use crate::failure::{Failure, fail};
use crate::process::{self, Stat};

const MARK: &str = "# A throw-away ZooKeeper ensemble made by scripts/ensemble; its start may delete it.";

/// Below the ephemeral ports of the kernel. The usual ports of ZooKeeper are avoided: an installed copy on 0.0.0.0:2181
/// would also occupy 127.A.B.i:2181.
pub(super) const CLIENT_PORT: u16 = 21810;
pub(super) const SECURE_PORT: u16 = 22810;
pub(super) const QUORUM_PORT: u16 = 22880;
pub(super) const ELECTION_PORT: u16 = 23880;
pub(super) const ADMIN_PORT: u16 = 28080;

/// The process whose end stops the ensemble.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) pid: u32,
    /// Start time, by which a later process with the same pid is distinguished.
    pub(super) born: u64,
}

impl Owner {
    pub(super) fn is_running(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| !stat.is_zombie() && stat.born == self.born)
    }
}

/// An ensemble in its directory.
pub(super) struct Ensemble {
    pub(super) dir: PathBuf,
    /// The first three bytes of the addresses, as `127.A.B`.
    pub(super) net: String,
    pub(super) members: usize,
    pub(super) observers: usize,
    /// `ssl.clientAuth` of the TLS ports.
    pub(super) tls: Option<String>,
    pub(super) admin: bool,
    /// The largest heap of a member.
    pub(super) heap: String,
    pub(super) class_path: String,
    pub(super) owner: Option<Owner>,
    pub(super) jvm: Vec<String>,
}

/// Whether a directory contains an ensemble of this program.
pub(super) fn is_ours(dir: &Path) -> bool {
    std::fs::read_to_string(dir.join("ensemble.env")).is_ok_and(|text| text.lines().next() == Some(MARK))
}

impl Ensemble {
    /// Reads the ensemble of a directory. In /tmp, the file may have been created by any user.
    pub(super) fn load(dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join("ensemble.env")).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(MARK) {
            return None;
        }
        let mut found = Self {
            dir: dir.to_owned(),
            net: String::new(),
            members: 0,
            observers: 0,
            tls: None,
            admin: false,
            heap: String::new(),
            class_path: String::new(),
            owner: None,
            jvm: Vec::new(),
        };
        let (mut pid, mut born) = (0, 0);
        for (name, value) in lines.filter_map(|line| line.split_once('=')) {
            match name {
                "NET" => value.clone_into(&mut found.net),
                "MEMBERS" => found.members = value.parse().ok()?,
                "OBSERVERS" => found.observers = value.parse().ok()?,
                "TLS" => found.tls = Some(value.to_owned()).filter(|value| !value.is_empty()),
                "ADMIN" => found.admin = value == "1",
                "HEAP" => value.clone_into(&mut found.heap),
                "CLASS_PATH" => value.clone_into(&mut found.class_path),
                "WITH_PID" => pid = value.parse().ok()?,
                "WITH_PID_START" => born = value.parse().ok()?,
                "JVM" => found.jvm.push(value.to_owned()),
                _ => {}
            }
        }
        found.owner = (pid != 0).then_some(Owner { pid, born });
        (found.members >= 1 && found.total() <= MAX_MEMBERS).then_some(found)
    }

    /// The ensemble of a directory, or a message how to make one.
    pub(super) fn existing(dir: &Path) -> Result<Self, Failure> {
        Self::load(dir).map_or_else(
            || fail(format!("there is no ensemble in {}; make one with: {}", dir.display(), command(dir, "start"))),
            Ok,
        )
    }

    /// Replaces the file atomically: other ensembles may read it concurrently, for claims of networks.
    pub(super) fn save(&self) -> std::io::Result<()> {
        let (pid, born) = self.owner.map_or((0, 0), |owner| (owner.pid, owner.born));
        let mut text = format!(
            "{MARK}\nNET={}\nMEMBERS={}\nOBSERVERS={}\nTLS={}\nADMIN={}\nHEAP={}\nCLASS_PATH={}\nWITH_PID={pid}\nWITH_PID_START={born}\n",
            self.net,
            self.members,
            self.observers,
            self.tls.as_deref().unwrap_or(""),
            u8::from(self.admin),
            self.heap,
            self.class_path,
        );
        for option in &self.jvm {
            let _ = writeln!(text, "JVM={option}");
        }
        let new = self.dir.join("ensemble.env.new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, self.dir.join("ensemble.env"))
    }

    pub(super) fn total(&self) -> usize {
        self.members + self.observers
    }

    pub(super) fn ids(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.total()
    }

    pub(super) fn is_observer(&self, id: usize) -> bool {
        id > self.members
    }

    pub(super) fn host(&self, id: usize) -> String {
        format!("{}.{id}", self.net)
    }

    /// The address of the plain client port.
    pub(super) fn client(&self, id: usize) -> String {
        format!("{}:{CLIENT_PORT}", self.host(id))
    }

    /// The folder of a member, with its configuration, log and data.
    pub(super) fn folder(&self, id: usize) -> PathBuf {
        self.dir.join(id.to_string())
    }

    /// The process of a member. The command line distinguishes it from a later process with the same pid.
    pub(super) fn pid(&self, id: usize) -> Option<u32> {
        let folder = self.folder(id);
        process::pid_in(&folder.join("pid")).filter(|pid| process::last_argument_is(*pid, &folder.join("zoo.cfg")))
    }

    pub(super) fn any_member_runs(&self) -> bool {
        self.ids().any(|id| self.pid(id).is_some())
    }

    /// The end of a member's log, without stack traces and without the queries of this program, which would displace
    /// the reason.
    pub(super) fn log_tail(&self, id: usize) -> String {
        let bytes = std::fs::read(self.folder(id).join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| {
            !line.starts_with("\tat ") && !line.starts_with("\t... ") && !line.contains("Processing srvr command")
        });
        let mut last: Vec<&str> = lines.rev().take(5).collect();
        last.reverse();
        last.join("\n")
    }

    /// A message about a member with the end of its log.
    pub(super) fn with_log(&self, id: usize, message: &str) -> Failure {
        let log = self.folder(id).join("log");
        Failure::Failed(format!("{message}; the end of {}:\n{}", log.display(), self.log_tail(id)))
    }
}

/// A command of this program for the same directory, as a user can paste it.
pub(super) fn command(dir: &Path, rest: &str) -> String {
    format!("{PROGRAM} --dir {} {rest}", quoted(&dir.display().to_string()))
}

/// A word for the shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_ensemble_is_loaded_and_a_damaged_one_is_not() {
        let dir = std::env::temp_dir().join(format!("testkit-state-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let saved = Ensemble {
            dir: dir.clone(),
            net: "127.64.7".to_owned(),
            members: 3,
            observers: 1,
            tls: Some("need".to_owned()),
            admin: true,
            heap: "96m".to_owned(),
            class_path: "/a.jar:/b=c.jar".to_owned(),
            owner: Some(Owner { pid: 7, born: 8 }),
            jvm: vec!["-Da=b".to_owned(), "-Dc=d e".to_owned()],
        };
        saved.save().unwrap();
        let loaded = Ensemble::load(&dir).unwrap();
        assert_eq!((loaded.client(4).as_str(), loaded.is_observer(4)), ("127.64.7.4:21810", true));
        assert_eq!((&loaded.class_path, &loaded.jvm, &loaded.tls), (&saved.class_path, &saved.jvm, &saved.tls));
        assert!(loaded.admin && loaded.owner.is_some_and(|owner| (owner.pid, owner.born) == (7, 8)));

        let text = std::fs::read_to_string(dir.join("ensemble.env")).unwrap();
        for damaged in
            [text.replace("MEMBERS=3", "MEMBERS=x"), text.replace("MEMBERS=3", "MEMBERS=20"), text.replace('#', "")]
        {
            std::fs::write(dir.join("ensemble.env"), damaged).unwrap();
            assert!(Ensemble::load(&dir).is_none());
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn words_for_the_shell_are_quoted() {
        assert_eq!(command(Path::new("/tmp/it's"), "stop"), "scripts/ensemble --dir '/tmp/it'\\''s' stop");
    }
}
