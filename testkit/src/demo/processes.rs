//! The processes of the demo: each in a session of its own, so that Ctrl-C reaches only the demo, with a log in its
//! directory, and with a signal that it receives when the demo dies.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::PROGRAM;
use super::screen::{Screen, Step};
use crate::failure::{Failure, fail};
use crate::http;
use crate::stop_signal::StopSignal;
use crate::wait;

const READY_TIMEOUT: Duration = Duration::from_secs(30);
const END_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// Another process may take a free port before the server does.
const PORT_ATTEMPTS: usize = 5;

/// The signal that a child receives when the demo dies.
#[derive(Clone, Copy)]
pub(super) enum AtDeath {
    Term,
    Kill,
}

/// Where the standard output of a process goes.
#[derive(PartialEq, Eq, Clone, Copy)]
pub(super) enum Output {
    Log,
    Pipe,
}

/// A started command.
pub(super) struct Running {
    name: &'static str,
    child: Child,
}

/// A server that is ready.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) output: Option<ChildStdout>,
}

pub(super) struct Processes {
    /// The directory of the demo.
    pub(super) dir: PathBuf,
    pub(super) screen: Screen,
    pub(super) stop: StopSignal,
    running: Vec<Running>,
}

impl Processes {
    pub(super) fn new(dir: PathBuf, screen: Screen, stop: StopSignal) -> Self {
        Self { dir, screen, stop, running: Vec::new() }
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    /// Fails if the user wants the demo to end.
    pub(super) fn proceed(&self) -> Result<(), Failure> {
        self.stop.status().map_or(Ok(()), |status| Err(Failure::Ended(status)))
    }

    /// Starts a command. Returns its place for `await_end`.
    pub(super) fn launch(
        &mut self,
        at_death: AtDeath,
        name: &'static str,
        command: &[String],
    ) -> Result<usize, Failure> {
        self.launch_with(at_death, name, Output::Log, command)
    }

    fn launch_with(
        &mut self,
        at_death: AtDeath,
        name: &'static str,
        output: Output,
        command: &[String],
    ) -> Result<usize, Failure> {
        let log = OpenOptions::new().append(true).create(true).open(self.log(name))?;
        let signal = match at_death {
            AtDeath::Term => "TERM",
            AtDeath::Kill => "KILL",
        };
        let variables = std::env::vars_os().map(|(variable, _)| variable);
        let mut child = Command::new("setsid");
        // Variables may be set for another exporter.
        for variable in variables.filter(|variable| variable.to_string_lossy().starts_with("ZOOKEEPER_EXPORTER_")) {
            child.env_remove(variable);
        }
        // The inner shell checks whether the demo died before the signal was set.
        let child = child
            .args(["setpriv", "--pdeathsig", signal, "--", "sh", "-c", "[ \"$PPID\" = \"$0\" ] || exit 1; exec \"$@\""])
            .arg(std::process::id().to_string())
            .args(command)
            .current_dir(crate::root())
            .stdin(Stdio::null())
            .stdout(if output == Output::Pipe { Stdio::piped() } else { log.try_clone()?.into() })
            .stderr(log)
            .spawn()?;
        self.running.push(Running { name, child });
        Ok(self.running.len() - 1)
    }

    /// The exit status of a process, if it has ended.
    fn ended(&mut self, place: usize) -> Option<ExitStatus> {
        self.running.get_mut(place).and_then(|one| one.child.try_wait().ok().flatten())
    }

    /// Waits until a process ends, and shows the time; fails with the end of its log if it was not successful.
    pub(super) fn await_end(
        &mut self,
        place: usize,
        step: &mut Step,
        failed: &str,
        mut update: impl FnMut(&mut Step),
    ) -> Result<(), Failure> {
        loop {
            if let Some(status) = self.ended(place) {
                let name = self.running.get(place).map_or("", |one| one.name);
                return if status.success() { Ok(()) } else { self.fail_with_log(name, failed) };
            }
            self.proceed()?;
            update(step);
            self.screen.show(step)?;
            wait::pause(2 * POLL);
        }
    }

    /// Starts a server on a free port and waits until it is ready. `{port}` in the command is replaced by the port.
    /// Retries with another port if a different process takes it first.
    pub(super) fn serve(
        &mut self,
        step: &Step,
        server: (&'static str, u16, &str),
        output: Output,
        command: &[String],
    ) -> Result<Server, Failure> {
        let (name, usual, path) = server;
        for _ in 0..PORT_ATTEMPTS {
            let port = http::free_port(usual)?;
            File::create(self.log(name))?;
            let command: Vec<String> = command.iter().map(|word| word.replace("{port}", &port.to_string())).collect();
            let place = self.launch_with(AtDeath::Kill, name, output, &command)?;
            let deadline = Instant::now() + READY_TIMEOUT;
            while self.ended(place).is_none() {
                let child = &mut self.running[place].child;
                if http::listens(child.id(), port) && http::get(port, path).is_ok_and(|(status, _)| status == 200) {
                    return Ok(Server { port, output: child.stdout.take() });
                }
                if Instant::now() >= deadline {
                    return self.fail_with_log(name, &format!("{name} was not ready within 30 s"));
                }
                self.proceed()?;
                self.screen.show(step)?;
                wait::pause(POLL);
            }
            self.running.remove(place);
            let log = std::fs::read(self.log(name)).unwrap_or_default();
            if !String::from_utf8_lossy(&log).to_lowercase().contains("in use") {
                break;
            }
        }
        self.fail_with_log(name, &format!("{name} ended before it was ready"))
    }

    /// A failure with the end of a log that will be removed.
    pub(super) fn fail_with_log<T>(&self, name: &str, message: &str) -> Result<T, Failure> {
        let log = std::fs::read(self.log(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).replace('\r', "\n");
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_matches(' ').is_empty()).collect();
        let end = lines[lines.len().saturating_sub(8)..].join("\n");
        fail(format!("{message}; the end of its log:\n{end}"))
    }

    /// The servers that have ended since the last call.
    pub(super) fn report_ended(&mut self) {
        let ended = |one: &mut Running| one.child.try_wait().ok().flatten().is_some();
        for one in self.running.extract_if(.., ended) {
            let log = self.dir.join(format!("{}.log", one.name));
            self.screen.clear();
            crate::failure::tell(PROGRAM, &format!("the {} has ended, see {}", one.name, log.display()));
        }
    }

    /// The processes that only started something have ended by now.
    pub(super) fn forget_ended(&mut self) {
        self.running.retain_mut(|one| one.child.try_wait().ok().flatten().is_none());
    }

    /// Ends all processes.
    pub(super) fn stop_all(&mut self) {
        let mut signal = Signal::TERM;
        let deadline = Instant::now() + END_TIMEOUT;
        let mut signalled = false;
        loop {
            self.forget_ended();
            if self.running.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                (signal, signalled) = (Signal::KILL, false);
            }
            for one in self.running.iter().filter(|_| !signalled) {
                let Some(pid) = i32::try_from(one.child.id()).ok().and_then(Pid::from_raw) else { continue };
                // Before its setsid, a child has no group of its own.
                if kill_process_group(pid, signal).is_err() {
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
            signalled = true;
            wait::pause(POLL);
        }
    }
}
