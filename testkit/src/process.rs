//! Processes of this machine, as `/proc` shows them.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::kill_process;

use crate::wait;

/// State (R, S, T, Z, ...) and start time of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// The letter of the state.
    pub state: char,
    /// Clock ticks after boot; distinguishes the process from a later one with the same pid.
    pub born: u64,
}

impl Stat {
    /// `None` if there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // The name before the fields is in brackets, and may contain any characters.
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        Some(Self { state: fields.next()?.chars().next()?, born: fields.nth(18)?.parse().ok()? })
    }

    /// By SIGSTOP, or by a debugger.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// It has ended, and its parent has not waited for it.
    #[must_use]
    pub fn is_zombie(self) -> bool {
        self.state == 'Z'
    }
}

/// The command line of a process; empty for a zombie. `None` if there is no such process.
#[must_use]
pub fn command_line(pid: u32) -> Option<Vec<Vec<u8>>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    words.pop();
    Some(words)
}

/// Whether the last argument of a process is this path.
#[must_use]
pub fn last_argument_is(pid: u32, path: &Path) -> bool {
    // The command line is empty during an exec, for example from setsid to java, and always for a zombie.
    for _ in 0..5 {
        let Some(words) = command_line(pid) else { return false };
        if let [_, .., last] = &words[..] {
            return last == path.as_os_str().as_bytes();
        }
        if !words.is_empty() || Stat::of(pid).is_none_or(Stat::is_zombie) {
            return false;
        }
        wait::pause(Duration::from_millis(20));
    }
    false
}

/// Whether a process has ended completely, so that its ports are free. The main thread of a dying JVM may be a zombie
/// while other threads are still running, hence the check of all threads.
#[must_use]
pub fn is_gone(pid: u32) -> bool {
    let Some(stat) = Stat::of(pid) else { return true };
    stat.is_zombie() && std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1
}

/// Waits until all processes have ended; returns whether they did within this time.
#[must_use]
pub fn await_gone(within: Duration, pids: &[u32]) -> bool {
    wait::until(within, || pids.iter().all(|pid| is_gone(*pid)))
}

/// Sends a signal; returns whether there is such a process.
pub fn send(signal: Signal, pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// A pid in a file.
#[must_use]
pub fn pid_in(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.parse().ok().filter(|pid| *pid > 0)
}

/// Whether a command is in `PATH`.
#[must_use]
pub fn is_installed(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_last_argument_until_it_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert!(wait::until(Duration::from_secs(5), || last_argument_is(pid, Path::new("60"))));
        assert!(!last_argument_is(pid, Path::new("61")) && !is_gone(pid));
        assert!(send(Signal::STOP, pid));
        assert!(wait::until(Duration::from_secs(5), || Stat::of(pid).unwrap().is_stopped()));
        let born = Stat::of(pid).unwrap().born;
        assert!(send(Signal::KILL, pid) && await_gone(Duration::from_secs(5), &[pid]));
        // It is a zombie until its parent waits for it.
        assert!(Stat::of(pid).is_some_and(|stat| stat.is_zombie() && stat.born == born));
        assert!(!last_argument_is(pid, Path::new("60")));
        child.wait().unwrap();
        assert!(Stat::of(pid).is_none() && is_gone(pid) && !send(Signal::TERM, pid));
    }
}
