//! The processes of the members and of the watcher: start, signals, stop.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::PROGRAM;
use super::state::{self, Ensemble};
use crate::failure::{Failure, fail, tell};
use crate::process::{self, Signal, Stat};
use crate::wait;

/// The time in which a process must end after a signal.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// The time in which a new process must have its own command line.
const EXEC_TIMEOUT: Duration = Duration::from_secs(5);
const WATCH_INTERVAL: Duration = Duration::from_millis(300);

impl Ensemble {
    /// Starts a member. One compiler thread, one collector thread and no optimising compiler reduce the cost of a start;
    /// several members share few cores.
    pub(super) fn launch(&self, id: usize, class_path: &str) -> Result<(), Failure> {
        let folder = self.folder(id);
        let mut log = OpenOptions::new().append(true).create(true).open(folder.join("log"))?;
        writeln!(log, "--- start of member {id}")?;
        let mut temporary = std::ffi::OsString::from("-Djava.io.tmpdir=");
        temporary.push(folder.join("tmp"));
        let child = detached("java", log)?
            // Otherwise java cannot decode a directory with non-ASCII characters.
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&folder)
            .args([
                &format!("-Xmx{}", self.heap),
                "-Xms8m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:CICompilerCount=1",
            ])
            .arg("-XX:-UsePerfData")
            .arg(temporary)
            .args(["-Djava.net.preferIPv4Stack=true", "-Dzookeeper.jmx.log4j.disable=true"])
            .args([
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            ])
            .arg("-Dorg.slf4j.simpleLogger.showShortLogName=true")
            .args(&self.jvm)
            .args(["-cp", class_path, "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
            .arg(folder.join("zoo.cfg"))
            .spawn()?;
        let pid = child.id();
        std::fs::write(folder.join("pid"), format!("{pid}\n"))?;
        // Before its exec, the child is a copy of this program and is not recognised as a member.
        wait::until(EXEC_TIMEOUT, || self.pid(id).is_some() || process::is_gone(pid));
        Ok(())
    }

    /// Sends a signal to a member; returns when it has taken effect.
    pub(super) fn signal(&self, id: usize, signal: Signal) -> Result<(), Failure> {
        let Some(pid) = self.pid(id) else {
            let restart = state::command(&self.dir, &format!("restart {id}"));
            return fail(format!("member {id} is not running; start it with: {restart}"));
        };
        let was_paused = Stat::of(pid).is_some_and(Stat::is_stopped);
        if !process::send(signal, pid) {
            return fail(format!("member {id} ended just now"));
        }
        let late = format!("member {id} did not end within 5 s");
        match signal {
            Signal::KILL if !process::await_gone(END_TIMEOUT, &[pid]) => fail(late),
            Signal::TERM if !was_paused && !process::await_gone(END_TIMEOUT, &[pid]) => {
                fail(format!("{late}; use: {}", state::command(&self.dir, &format!("kill {id}"))))
            }
            Signal::STOP | Signal::CONT => {
                wait::until(Duration::from_secs(1), || {
                    Stat::of(pid).is_none_or(|stat| {
                        let stopped = stat.is_stopped();
                        if signal == Signal::STOP { stopped || stat.is_zombie() } else { !stopped }
                    })
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Stops all members and the watcher, unless this process is the watcher.
    pub(super) fn stop(&self) -> Result<(), Failure> {
        // The watcher is stopped first: it must not see a partially stopped ensemble.
        if let Some(watcher) = self.watcher().filter(|pid| *pid != std::process::id()) {
            process::send(Signal::KILL, watcher);
            let _ = process::await_gone(END_TIMEOUT, &[watcher]);
        }
        let _ = std::fs::remove_file(self.dir.join("watcher.pid"));
        let pids: Vec<u32> = self.ids().filter_map(|id| self.pid(id)).collect();
        for pid in &pids {
            process::send(Signal::TERM, *pid);
            // A paused process handles SIGTERM only now.
            process::send(Signal::CONT, *pid);
        }
        if !process::await_gone(END_TIMEOUT, &pids) {
            for pid in self.ids().filter_map(|id| self.pid(id)) {
                process::send(Signal::KILL, pid);
            }
            if !process::await_gone(END_TIMEOUT, &pids) {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                return fail(format!("a member does not end even by SIGKILL: {}", pids.join(" ")));
            }
        }
        for id in self.ids() {
            let _ = std::fs::remove_file(self.folder(id).join("pid"));
        }
        self.release_network();
        Ok(())
    }

    /// The process that stops this ensemble when the process of `--with-pid` has ended.
    fn watcher(&self) -> Option<u32> {
        let pid = process::pid_in(&self.dir.join("watcher.pid"))?;
        let words = process::command_line(pid)?;
        let wanted: [&[u8]; 3] = [b"--dir", self.dir.as_os_str().as_encoded_bytes(), b"_watch"];
        (words.len() > 3 && words[words.len() - 3..] == wanted).then_some(pid)
    }

    pub(super) fn launch_watcher(&self) -> Result<(), Failure> {
        if self.owner.is_none() || self.watcher().is_some() {
            return Ok(());
        }
        let log = OpenOptions::new().append(true).create(true).open(self.dir.join("watcher.log"))?;
        let child = detached(std::env::current_exe()?, log)?
            .current_dir("/")
            .args(["ensemble", "--dir"])
            .arg(&self.dir)
            .arg("_watch")
            .spawn()?;
        let pid = child.id();
        std::fs::write(self.dir.join("watcher.pid"), format!("{pid}\n"))?;
        wait::until(EXEC_TIMEOUT, || self.watcher().is_some() || process::is_gone(pid));
        Ok(())
    }
}

/// The watcher. Ends when the ensemble is stopped or when another watcher has replaced it.
pub(super) fn watch(dir: &Path) -> Result<(), Failure> {
    let Some(ensemble) = Ensemble::load(dir) else { return Ok(()) };
    let Some(owner) = ensemble.owner else { return Ok(()) };
    let exists = || ensemble.dir.join("ensemble.env").exists();
    let mut seen = BTreeMap::new();
    // Until the pid file contains our pid.
    wait::pause(Duration::from_millis(200));
    while owner.is_running() && exists() {
        if process::pid_in(&ensemble.dir.join("watcher.pid")).is_some_and(|pid| pid != std::process::id()) {
            return Ok(());
        }
        seen.extend(ensemble.ids().filter_map(|id| Some((id, ensemble.pid(id)?))));
        wait::pause(WATCH_INTERVAL);
    }
    if exists() {
        tell(PROGRAM, &format!("process {} is gone, stopping the ensemble", owner.pid));
        // A restart may have changed it.
        return Ensemble::load(dir).map_or(Ok(()), |ensemble| ensemble.stop());
    }
    // A test that removes its directory also removes the pid files: use the pids seen before.
    for (id, pid) in seen {
        if process::last_argument_is(pid, &ensemble.folder(id).join("zoo.cfg")) {
            process::send(Signal::KILL, pid);
        }
    }
    ensemble.release_network();
    Ok(())
}

/// A command in a session of its own, which does not receive the signals of the terminal, with its output in a log.
fn detached(program: impl AsRef<std::ffi::OsStr>, log: File) -> std::io::Result<Command> {
    let mut command = Command::new("setsid");
    command.arg(program).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}
