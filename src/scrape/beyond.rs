//! What goes on beside the commands: canaries and the reader of znodes, and their last results as samples.

use std::path::PathBuf;
use std::sync::Arc;

use super::reading::SeenConf;
use super::samples::{Collector, Samples};
use crate::canary::{Canary, CanaryReading};
use crate::catalogue::{Own, Part, ProcessFigure};
use crate::config::Module;
use crate::ensemble::Ensemble;
use crate::host::{Dir, HostReading};
use crate::reply::Number;
use crate::session::SessionParams;
use crate::wire::Client;
use crate::znode::{Findings, Reader};

/// The tasks of one ensemble. Aborted on drop.
#[derive(Debug)]
pub(super) struct Beyond {
    module: Arc<Module>,
    members: Vec<Arc<str>>,
    canaries: Vec<Canary>,
    reader: Option<Reader>,
}

impl Beyond {
    /// Starts what the module asks for; those of an old target go on where neither module nor members changed.
    pub(super) fn start(ensemble: &Ensemble, client: &Arc<Client>, old: Option<&Arc<Self>>) -> Arc<Self> {
        let members: Vec<Arc<str>> = ensemble.members.iter().map(|member| Arc::clone(&member.name)).collect();
        if let Some(old) = old.filter(|old| old.members == members && old.module == ensemble.module) {
            return Arc::clone(old);
        }
        let extras = &ensemble.module.extras;
        let addresses = ensemble.members.iter().map(|member| member.address.clone()).collect();
        let params = SessionParams::new(addresses, &ensemble.module, Arc::clone(client));
        let (mut canaries, mut reader) = (Vec::new(), None);
        // A scraper that only looks once, outside a runtime or without members, has nothing going on beside it.
        if tokio::runtime::Handle::try_current().is_ok() && !members.is_empty() {
            let name = || Arc::clone(&ensemble.name);
            if let Some(config) = &extras.canary {
                canaries.push(Canary::start(name(), None, config.clone(), params.clone()));
                for member in ensemble.members.iter().filter(|_| config.per_member) {
                    let params = params.of_member(member.address.clone());
                    canaries.push(Canary::start(name(), Some(Arc::clone(&member.name)), config.clone(), params));
                }
            }
            reader = extras
                .znodes
                .as_ref()
                .map(|config| Reader::start(name(), config.clone(), extras.alarms.clone(), params.clone()));
        }
        Arc::new(Self { module: Arc::clone(&ensemble.module), members, canaries, reader })
    }

    /// Ends all of it, with its sessions, and waits for that within a bound.
    pub(super) async fn stop(&self) {
        for canary in &self.canaries {
            canary.request_stop();
        }
        for canary in &self.canaries {
            canary.stop().await;
        }
        if let Some(reader) = &self.reader {
            reader.stop().await;
        }
    }

    /// The last results, as samples of the ensemble.
    pub(super) fn samples(&self) -> Samples {
        let mut all = Collector::new(usize::MAX);
        self.canaries.iter().filter_map(Canary::reading).for_each(|reading| canary(&mut all, &reading));
        if let Some((findings, age)) = self.reader.as_ref().and_then(Reader::reading) {
            znodes(&mut all, &findings);
            all.push(Own::ZnodeAge.into(), Part::Value, Number::Float(age.as_secs_f64()));
        }
        all.finish()
    }
}

fn canary(all: &mut Collector, reading: &CanaryReading) {
    let member = reading.member.as_deref().unwrap_or("");
    let mut push = |own: Own, labels: &[&str], value| all.push_many(own.into(), Part::Value, labels, value);
    push(Own::CanaryUp, &[member], Number::Int(i64::from(reading.up)));
    push(Own::CanaryRounds, &[member], count(reading.rounds));
    push(Own::CanaryAge, &[member], Number::Float(reading.age.as_secs_f64()));
    for (operation, time) in &reading.durations {
        push(Own::CanaryDuration, &[member, operation.text()], Number::Float(time.as_secs_f64()));
    }
    for ((operation, error), failures) in &reading.failures {
        push(Own::CanaryFailures, &[member, operation.text(), error.text()], count(*failures));
    }
}

fn znodes(all: &mut Collector, findings: &Findings) {
    let mut push = |own: Own, labels: &[&str], value| all.push_many(own.into(), Part::Value, labels, value);
    for (path, pointer, value) in &findings.values {
        push(Own::ZnodeValue, &[path, pointer], Number::Float(*value));
    }
    for (path, severity, threshold) in &findings.thresholds {
        push(Own::ZnodeAlarmThreshold, &[path, severity.text()], Number::Float(*threshold));
    }
    for (path, children) in &findings.children {
        push(Own::ZnodeChildren, &[path], Number::Int(*children));
    }
    for (path, changed) in &findings.changed {
        push(Own::ZnodeLastChange, &[path], Number::Float(*changed));
    }
    for (path, error) in &findings.failures {
        push(Own::ZnodeFailure, &[path, error.text()], Number::Int(1));
    }
}

/// What the host said of a member, as samples that take the place of the member's own.
pub(super) fn of_host(reading: &HostReading) -> Samples {
    let mut all = Collector::new(usize::MAX);
    if let Some(failure) = reading.failure {
        all.push_one(Own::HostFailure.into(), Part::Value, failure.text(), Number::Int(1));
    }
    for dir in &reading.dirs {
        let labels = [dir.dir.text(), dir.path.as_str()];
        let mut push = |own: Own, value: u64| all.push_many(own.into(), Part::Value, &labels, count(value));
        push(Own::DirFree, dir.free_bytes);
        push(Own::DirSize, dir.size_bytes);
        dir.used_bytes.into_iter().for_each(|used| push(Own::DirUsed, used));
    }
    let Some(process) = &reading.process else { return all.finish() };
    let float = |value: f64| Some(Number::Float(value));
    let figures = [
        (ProcessFigure::Cpu.family(), float(process.cpu_seconds)),
        (ProcessFigure::ResidentMemory.family(), Some(count(process.resident_bytes))),
        (ProcessFigure::VirtualMemory.family(), Some(count(process.virtual_bytes))),
        (ProcessFigure::Start.family(), process.start_seconds.and_then(float)),
        (ProcessFigure::OpenFds.family(), process.open_fds.map(count)),
        (ProcessFigure::MaxFds.family(), process.max_fds.map(count)),
        (Some(Own::HostThreads.into()), Some(Number::Int(process.threads))),
        (Some(Own::HostCpus.into()), process.cpus.and_then(float)),
        (Some(Own::HostReadBytes.into()), process.read_bytes.map(count)),
        (Some(Own::HostWrittenBytes.into()), process.written_bytes.map(count)),
    ];
    for (family, value) in figures {
        if let (Some(family), Some(value)) = (family, value) {
            all.push(family, Part::Value, value);
        }
    }
    all.finish()
}

fn count(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The directories of a member, as its `conf` names them.
pub(super) fn dirs(conf: Option<&SeenConf>) -> Vec<(Dir, PathBuf)> {
    let setting = |wanted: &str| {
        let settings = conf.into_iter().flat_map(|conf| &conf.settings);
        let mut found = settings.filter(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
        found.next()
    };
    let data = setting("dataDir").map(|path| (Dir::Data, path));
    data.into_iter().chain(setting("dataLogDir").map(|path| (Dir::Log, path))).collect()
}
