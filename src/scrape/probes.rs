//! Background tasks of an ensemble: canaries and the znode reader, and their last results as samples.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::Strangers;
use super::clients;
use super::reading::SeenConf;
use super::report::EnsembleReport;
use super::samples::{Collector, Samples};
use crate::canary::{Canary, CanaryReading, OperationDurations};
use crate::catalogue::{Own, Part, ProcessFigure};
use crate::config::{Address, Module};
use crate::ensemble::{Clients, Ensemble};
use crate::host::{Dir, HostReading};
use crate::reply::Number;
use crate::session::{AvoidedMembers, SessionParams};
use crate::wire::Client;
use crate::znode::{Findings, Reader};

/// The tasks of one ensemble. Aborted on drop.
#[derive(Debug)]
pub(super) struct RunningProbes {
    module: Arc<Module>,
    members: Vec<Arc<str>>,
    avoided: Arc<AvoidedMembers>,
    canaries: Vec<Canary>,
    durations: Arc<OperationDurations>,
    reader: Option<Reader>,
}

impl RunningProbes {
    /// Starts the tasks that the module configures. Tasks of an old target continue if module and members are
    /// unchanged.
    ///
    /// `durations` belongs to the ensemble and outlives the tasks.
    pub(super) fn start(
        ensemble: &Ensemble,
        client: &Arc<Client>,
        durations: Arc<OperationDurations>,
        old: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let members: Vec<Arc<str>> = ensemble.members.iter().map(|member| Arc::clone(&member.name)).collect();
        if let Some(old) = old.filter(|old| old.members == members && old.module == ensemble.module) {
            return Arc::clone(old);
        }
        let probes = &ensemble.module.probes;
        let addresses = ensemble.members.iter().map(|member| member.address.clone()).collect();
        let params = SessionParams::new(addresses, &ensemble.module, Arc::clone(client));
        // The first rounds begin before the next scrape, which replaces these.
        if let Some(old) = old {
            params.avoided.replace(old.avoided.get());
        }
        let (mut canaries, mut reader) = (Vec::new(), None);
        // No tasks for a one-shot scrape, outside a runtime, or without members.
        if tokio::runtime::Handle::try_current().is_ok() && !members.is_empty() {
            let name = || Arc::clone(&ensemble.name);
            if let Some(config) = &probes.canary {
                canaries.push(Canary::start(name(), None, config.clone(), params.clone(), Arc::clone(&durations)));
                for member in ensemble.members.iter().filter(|_| config.per_member) {
                    let params = params.of_member(member.address.clone());
                    let member = Some(Arc::clone(&member.name));
                    canaries.push(Canary::start(name(), member, config.clone(), params, Arc::clone(&durations)));
                }
            }
            reader = probes
                .znodes
                .as_ref()
                .map(|config| Reader::start(name(), config.clone(), probes.alarms.clone(), params.clone()));
        }
        let (module, avoided) = (Arc::clone(&ensemble.module), Arc::clone(&params.avoided));
        Arc::new(Self { module, members, avoided, canaries, durations, reader })
    }

    /// Keeps the sessions away from the strangers of this report. While no other member serves, earlier strangers
    /// remain: what the report shows of them alone is not evidence that they belong to the ensemble.
    pub(super) fn avoid(&self, report: &EnsembleReport, strangers: Strangers) {
        if self.canaries.is_empty() && self.reader.is_none() {
            return;
        }
        let strangers = strangers(report);
        let before = self.avoided.get();
        let (mut avoided, mut earlier, mut others_serve) = (BTreeSet::new(), BTreeSet::new(), false);
        for (place, member) in report.members.iter().enumerate() {
            let Ok(address) = member.name.parse::<Address>() else { continue };
            if strangers.contains(&place) {
                avoided.insert(address);
            } else if before.contains(&address) {
                earlier.insert(address);
            } else {
                others_serve |= member.state.serves();
            }
        }
        if !others_serve {
            avoided.append(&mut earlier);
        }
        self.avoided.replace(avoided);
    }

    /// Stops all tasks and closes their sessions, within a timeout.
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

    /// The last results, as samples of the ensemble. `of_clients` are those of the clients.
    pub(super) fn samples(&self, of_clients: Option<&Clients>) -> Samples {
        let mut all = Collector::new(usize::MAX);
        if let (Some(of_clients), Some(config)) = (of_clients, &self.module.probes.clients) {
            clients::push(&mut all, of_clients, config.top);
        }
        self.canaries.iter().filter_map(Canary::reading).for_each(|reading| canary(&mut all, &reading));
        if let Some((findings, age)) = self.reader.as_ref().and_then(Reader::reading) {
            znodes(&mut all, &findings);
            all.push(Own::ZnodeAge.into(), Part::Value, Number::Float(age.as_secs_f64()));
        }
        let mut samples = all.finish();
        if !self.canaries.is_empty() {
            for (operation, histogram) in self.durations.read() {
                samples.push_histogram(Own::CanaryOperationDurations, operation.text(), histogram);
            }
        }
        samples
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

/// Metrics of the host about a member, as samples that replace the member's own.
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

/// The directories in a member's `conf`.
pub(super) fn dirs(conf: Option<&SeenConf>) -> Vec<(Dir, PathBuf)> {
    let setting = |wanted: &str| {
        let settings = conf.into_iter().flat_map(|conf| &conf.settings);
        let mut found = settings.filter(|(name, _)| name == wanted).map(|(_, value)| PathBuf::from(value));
        found.next()
    };
    let data = setting("dataDir").map(|path| (Dir::Data, path));
    data.into_iter().chain(setting("dataLogDir").map(|path| (Dir::Log, path))).collect()
}
