//! `start`: makes an ensemble in a directory and waits until it serves.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::arguments::{Arguments, StartOptions, cfg_of_member};
use super::files::{INSTALL, class_path};
use super::network::sweep_claims;
use super::state::{self, Ensemble, Owner};
use super::{MAX_MEMBERS, PROGRAM};
use crate::failure::{Failure, fail, refuse, tell};
use crate::process::{self, Stat};
use crate::stop_signal::StopSignal;

pub(super) fn start(dir: PathBuf, all: &Arguments) -> Result<(), Failure> {
    let options = &all.start;
    check(options)?;
    if !process::is_installed("java") {
        return fail(format!("java is missing; {INSTALL}"));
    }
    let class_path = class_path()?;
    let owner = options.with_pid.map(owner).transpose()?;
    let _lock = take_directory(&dir)?;
    sweep_claims();
    let mut ensemble = Ensemble {
        dir,
        net: String::new(),
        members: options.members,
        observers: options.observers,
        tls: options.tls.clone(),
        admin: options.admin,
        heap: options.heap.clone(),
        class_path,
        owner,
        jvm: options.jvm.clone(),
    };
    ensemble.choose_network()?;
    // From here on, a failure or Ctrl-C must not leave a partial ensemble.
    let stop = StopSignal::catch()?;
    if let Err(failure) = ensemble.bring_up(all, &stop) {
        if let Err(Failure::Failed(also)) = ensemble.stop() {
            tell(PROGRAM, &also);
        }
        return Err(failure);
    }
    ensemble.print_status()
}

fn check(options: &StartOptions) -> Result<(), Failure> {
    let (members, observers) = (options.members, options.observers);
    let total = members + observers;
    if total > MAX_MEMBERS {
        return refuse(format!(
            "--members {members} --observers {observers} is too many; write at most {MAX_MEMBERS} together"
        ));
    }
    for line in &options.cfg {
        if let (Some(id), _) = cfg_of_member(line)
            && !id.parse().is_ok_and(|id| (1..=total).contains(&id))
        {
            return refuse(format!(
                "--cfg {line} names member {id}; write a number from 1 to {total} before the colon"
            ));
        }
    }
    Ok(())
}

fn owner(pid: u32) -> Result<Owner, Failure> {
    match Stat::of(pid) {
        Some(stat) if !stat.is_zombie() => Ok(Owner { pid, born: stat.born }),
        _ => fail(format!("--with-pid {pid}: there is no such process")),
    }
}

/// Creates the directory, or removes a stopped ensemble from it. It is locked until the file is closed.
fn take_directory(dir: &Path) -> Result<File, Failure> {
    let elsewhere = |what: &str| fail(format!("{what}; choose another one with --dir"));
    if std::fs::create_dir_all(dir).is_err() {
        return elsewhere(&format!("cannot make the directory {}", dir.display()));
    }
    let own = rustix::process::geteuid().as_raw();
    let is_own = std::fs::metadata(dir).is_ok_and(|found| found.uid() == own);
    if !is_own || rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        return elsewhere(&format!("the directory {} is not yours", dir.display()));
    }
    let lock = File::open(dir)?;
    if lock.try_lock().is_err() {
        return fail(format!("another start is at work in {}; choose another directory with --dir", dir.display()));
    }
    if state::is_ours(dir) {
        wipe(dir)?;
    } else if std::fs::read_dir(dir)?.next().is_some() {
        return fail(format!(
            "{} is not empty and holds no ensemble; choose another directory with --dir",
            dir.display()
        ));
    }
    Ok(lock)
}

fn wipe(dir: &Path) -> Result<(), Failure> {
    let Some(old) = Ensemble::load(dir) else {
        return fail(format!("{0}/ensemble.env is damaged; remove {0}", dir.display()));
    };
    if old.any_member_runs() {
        let stop = state::command(dir, "stop");
        return fail(format!("an ensemble runs in {} already; stop it first: {stop}", dir.display()));
    }
    // A watcher and a claim may remain.
    old.stop()?;
    // By name, so that other files in the directory are kept.
    for folder in old.ids().map(|id| old.folder(id)).chain([dir.join("tls")]).filter(|folder| folder.exists()) {
        std::fs::remove_dir_all(folder)?;
    }
    for file in ["watcher.log", "ensemble.env.new", "ensemble.env"] {
        let _ = std::fs::remove_file(dir.join(file));
    }
    Ok(())
}

impl Ensemble {
    fn bring_up(&self, all: &Arguments, stop: &StopSignal) -> Result<(), Failure> {
        let interrupted = || stop.status().map_or(Ok(()), |status| Err(Failure::Ended(status)));
        if self.tls.is_some() {
            self.make_certificates()?;
        }
        for id in self.ids() {
            self.write_member(id, &all.start)?;
        }
        // Before the members, so that they are never without a watcher.
        self.launch_watcher()?;
        for id in self.ids() {
            interrupted()?;
            self.launch(id, &self.class_path)?;
        }
        if all.start.wait {
            self.await_start(all.wait, stop)?;
        }
        interrupted()?;
        // The watcher may have stopped the first members before the last ones were started.
        self.owner_runs("")
    }
}
