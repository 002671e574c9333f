//! `scripts/ensemble`: a real, temporary ZooKeeper ensemble on loopback, for tests, demos and interactive use.
//!
//! - Every ensemble has a separate loopback network (127.A.B.0, member i is 127.A.B.i), so that concurrent ensembles and
//!   an installed ZooKeeper on *:2181 do not conflict (`network`).
//! - All files are in its directory, except for one symbolic link in /tmp, which claims the network.
//! - A process is only signalled if its command line contains the zoo.cfg of the member, because the pid in a file may be
//!   outdated (`members`).
//!
//! Needs Linux (/proc), util-linux (setsid), java, the ZooKeeper jars, and openssl for `--tls`.

mod arguments;
mod commands;
mod files;
mod members;
mod network;
mod roles;
mod start;
mod state;

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use arguments::{Arguments, Command};
pub use files::JARS;
use state::Ensemble;

use crate::failure::{Failure, refuse};
use crate::process::Signal;

/// The name in messages.
pub const PROGRAM: &str = "scripts/ensemble";

const MAX_MEMBERS: usize = 20;

/// Runs a command line.
///
/// # Errors
/// The message and exit status of a command that failed.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let Some(all) = arguments::parse(arguments)? else {
        return Ok(std::io::stdout().write_all(include_bytes!("help.txt"))?);
    };
    let dir = resolved(&all.dir.clone().unwrap_or_else(default_dir))?;
    if dir.as_os_str().as_encoded_bytes().contains(&b'\n') {
        return refuse("--dir must be one line, e.g. --dir /tmp/my-ensemble");
    }
    match all.command {
        Some(Command::Start) => start::start(dir, &all),
        Some(Command::Stop) => stop(&dir),
        Some(Command::Watch) => members::watch(&dir),
        Some(command) => existing(&Ensemble::existing(&dir)?, command, &all),
        None => Ok(()),
    }
}

/// Stops the ensemble of a directory, if there is one.
///
/// # Errors
/// If a process cannot be ended.
pub fn stop(dir: &Path) -> Result<(), Failure> {
    Ensemble::load(dir).map_or(Ok(()), |ensemble| ensemble.stop())
}

/// The comma-separated client addresses of an ensemble; `flag` marks observers.
///
/// # Errors
/// If there is no ensemble in the directory.
pub fn members(dir: &Path, flag: bool) -> Result<String, Failure> {
    Ok(Ensemble::existing(dir)?.addresses(false, flag))
}

/// The commands that need an ensemble.
fn existing(ensemble: &Ensemble, command: Command, all: &Arguments) -> Result<(), Failure> {
    let given = |number: usize| all.positional.get(number).map_or("", String::as_str);
    match command {
        Command::Kill => ensemble.fault(given(0), Signal::KILL, "killed"),
        Command::Term => ensemble.fault(given(0), Signal::TERM, "stopped"),
        Command::Pause => ensemble.fault(given(0), Signal::STOP, "paused"),
        Command::Resume => ensemble.fault(given(0), Signal::CONT, "resumed"),
        Command::Restart => ensemble.restart(given(0), all),
        Command::Status => ensemble.print_status(),
        Command::Members => ensemble.print_members(all.tls_ports, all.flag),
        Command::Mode => ensemble.print_mode(given(0)),
        Command::Env => ensemble.print_env(),
        Command::Word => ensemble.word(given(0), given(1)),
        Command::Wait => ensemble.await_settled(all.wait),
        Command::Start | Command::Stop | Command::Watch => Ok(()),
    }
}

fn default_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(dir) = set("ZOOKEEPER_ENSEMBLE_DIR") {
        return dir.into();
    }
    let user = set("USER")
        .map_or_else(|| rustix::process::geteuid().as_raw().to_string(), |user| user.to_string_lossy().into_owned());
    PathBuf::from(set("TMPDIR").unwrap_or_else(|| "/tmp".into())).join(format!("zookeeper-ensemble-{user}"))
}

/// The absolute path without links; its last parts need not exist.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let mut whole = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
        whole = whole.canonicalize().unwrap_or(whole);
    }
    Ok(whole)
}
