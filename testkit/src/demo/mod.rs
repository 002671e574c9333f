//! `scripts/demo`: the product on this machine. A real ensemble, the exporter, Prometheus with the alert rules, and
//! Alertmanager, until Ctrl-C.
//!
//! All files are in one new directory, and all servers use free ports of 127.0.0.1. However the demo ends, nothing remains:
//! the kernel ends its processes (PDEATHSIG), the watcher of the ensemble stops the ensemble, and the sweeper, which waits for
//! the end of a pipe, removes the directory.
//!
//! Needs Linux, util-linux (setsid, setpriv), cargo, and what `scripts/demo` installs.

mod parts;
mod processes;
mod prometheus;
mod screen;
mod show;

use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parts::Parts;
use processes::Processes;
use prometheus::Prometheus;
use screen::Screen;

use crate::ensemble;
use crate::failure::{Failure, fail, refuse, tell};
use crate::stop_signal::StopSignal;
use crate::wait;

/// The name in messages.
pub const PROGRAM: &str = "scripts/demo";

/// The beginning of the name of a directory of the demo.
const PREFIX: &str = "zk-demo.";

/// Runs `SECONDS KEEP`: the time, or 0 for no limit, and 1 to keep the directory. `scripts/demo` parses the options.
///
/// # Errors
/// The message and exit status of a demo that failed.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["_sweep", dir, keep] => sweep(Path::new(dir), keep == "1"),
        [seconds, keep] => match seconds.parse() {
            Ok(seconds) => demo(seconds, keep == "1"),
            Err(_) => refuse(format!("invalid time '{seconds}'")),
        },
        _ => refuse("expected SECONDS KEEP; use scripts/demo"),
    }
}

fn demo(seconds: u64, keep: bool) -> Result<(), Failure> {
    let signal = StopSignal::catch()?;
    let dir = make_directory()?;
    let mut sweeper = launch_sweeper(&dir, keep)?;
    let mut processes = Processes::new(dir, Screen::new(), signal);
    let mut started = false;
    let done = show(&mut processes, seconds, &mut started);
    let done = done.map_err(|failure| ended(&processes.screen, &failure, started && seconds == 0));
    if started {
        let _ = processes.screen.begin("stopping", "every process of the demo");
    }
    processes.stop_all();
    // The sweeper removes the rest.
    drop(sweeper.stdin.take());
    let _ = sweeper.wait();
    processes.screen.clear();
    let dir = processes.dir.display();
    match (started, keep) {
        (true, true) => processes.screen.print(&format!("stopped; logs and data are in {dir}\n"))?,
        (true, false) => processes.screen.print("stopped; nothing is left behind\n")?,
        (false, true) => tell(PROGRAM, &format!("logs are in {dir}")),
        (false, false) => {}
    }
    match done {
        Err(Failure::Ended(0)) => Ok(()),
        done => done,
    }
}

/// Reports a failure before the processes are stopped; Ctrl-C ends a demo without a time limit well.
fn ended(screen: &Screen, failure: &Failure, is_well: bool) -> Failure {
    match failure {
        Failure::Ended(status) => {
            if screen.live {
                let _ = screen.print("\n");
            }
            Failure::Ended(if is_well && *status != 141 { 0 } else { *status })
        }
        Failure::Failed(message) | Failure::Usage(message) => {
            screen.clear();
            tell(PROGRAM, message);
            Failure::Ended(1)
        }
    }
}

fn show(processes: &mut Processes, seconds: u64, started: &mut bool) -> Result<(), Failure> {
    let exporter = parts::build(processes)?;
    let (members, flag) = parts::start_ensemble(processes)?;
    parts::start_load(processes, &members)?;
    let mut ports = Parts { exporter: parts::start_exporter(processes, &exporter, &flag)?, ..Parts::default() };
    let (alertmanager, lines) = parts::start_alertmanager(processes)?;
    ports.alertmanager = alertmanager;
    let (port, waits) = parts::start_prometheus(processes, &ports)?;
    ports.prometheus = port;
    let prometheus = Prometheus { port, members };
    parts::await_members(processes, &prometheus)?;
    *started = true;
    show::table(&processes.screen, &prometheus.table())?;
    show::places(processes, &ports)?;
    show::trials(processes, &waits)?;
    show::alerts(processes, seconds, prometheus.members.first().map_or(0, String::len), &lines)?;
    match prometheus.problem() {
        None => {
            let text = format!("after {seconds} s: every member is up, Prometheus scrapes\n");
            Ok(processes.screen.print(&text)?)
        }
        Some(problem) => fail(format!("after {seconds} s: {problem}")),
    }
}

fn make_directory() -> Result<PathBuf, Failure> {
    let parent =
        PathBuf::from(std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/tmp".into()));
    let name = format!("{PREFIX}{:06x}", crate::random(1 << 24));
    let make = || -> std::io::Result<PathBuf> {
        let dir = parent.canonicalize()?.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(dir)
    };
    make().or_else(|error| fail(format!("cannot make a directory in {}: {error}", parent.display())))
}

fn launch_sweeper(dir: &Path, keep: bool) -> std::io::Result<Child> {
    Command::new("setsid")
        .arg(std::env::current_exe()?)
        .args(["demo", "_sweep"])
        .arg(dir)
        .arg(if keep { "1" } else { "0" })
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Ends the remaining processes of a demo and removes its directory, however the demo ended. The only writer of the standard
/// input is the demo, so this works even after SIGKILL. The other children of the demo have ended by then.
fn sweep(dir: &Path, keep: bool) -> Result<(), Failure> {
    let _ignored = StopSignal::catch()?;
    if !dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
        return refuse(format!("{} is no directory of a demo", dir.display()));
    }
    while std::io::stdin().read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
    // Repeated, because a starting ensemble or a busy process may still create files.
    for _ in 0..10 {
        let _ = ensemble::stop(&dir.join("zk"));
        if keep {
            return Ok(());
        }
        let _ = std::fs::remove_dir_all(dir);
        if !dir.exists() {
            return Ok(());
        }
        wait::pause(Duration::from_millis(500));
    }
    let _ = writeln!(std::io::stderr(), "{PROGRAM}: {} remains", dir.display());
    Ok(())
}
