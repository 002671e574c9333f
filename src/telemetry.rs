//! The exporter's own metrics: build, HTTP, dropped samples, process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::alert::Thresholds;
use crate::catalogue::{FamilyId, Kind, Own, catalogue};
use crate::exposition::{Names, collisions};
use crate::scrape::{DroppedMembers, Report};
use crate::{text, version};

/// Ensemble, member and reason.
type DroppedOf = (Arc<str>, Arc<str>, &'static str);

/// Counters that live as long as the process.
#[derive(Debug, Default)]
pub struct Telemetry {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    rejected: AtomicU64,
    /// By ensemble, member and reason: bounded by the configuration.
    dropped: Mutex<BTreeMap<DroppedOf, u64>>,
    reload: Mutex<Reload>,
}

/// The outcome of the last reload.
#[derive(Clone, Copy, Debug, Default)]
struct Reload {
    successful: bool,
    /// Time of the last successful reload, in seconds since the Unix epoch.
    time: f64,
}

impl Telemetry {
    /// Counts a response. `handler` is a route, never a path sent by a client.
    pub fn count_request(&self, handler: &'static str, code: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((handler, code)).or_default() += 1;
    }

    /// Counts a connection that was closed immediately.
    pub fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the outcome of a reload.
    pub fn note_reload(&self, successful: bool) {
        let mut reload = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        reload.successful = successful;
        if successful {
            reload.time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        }
    }

    /// Counts the samples that a scrape dropped, and those without a name of their own in the `mntr` naming.
    ///
    /// Counts of members that are no longer in the report are removed.
    pub fn count_dropped(&self, report: &Report, names: Names) {
        for ensemble in &report.ensembles {
            for member in &ensemble.members {
                let count = |why: &'static str, number: u64| {
                    let key = (Arc::clone(&ensemble.name), Arc::clone(&member.name), why);
                    let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
                    *dropped.entry(key).or_default() += number;
                };
                member.samples.dropped().iter().for_each(|(why, number)| count(why.text(), *number));
                if names == Names::Mntr && collisions(member) > 0 {
                    count("collision", collisions(member));
                }
            }
        }
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        if !dropped.is_empty() {
            let names = report
                .ensembles
                .iter()
                .flat_map(|ensemble| ensemble.members.iter().map(|member| (&*ensemble.name, &*member.name)));
            let there: BTreeSet<(&str, &str)> = names.collect();
            dropped.retain(|(ensemble, member, _), _| there.contains(&(&**ensemble, &**member)));
        }
    }
}

/// Collector of the exporter's own families.
#[derive(Debug)]
pub struct OwnFamilies {
    /// Process-wide counters.
    pub telemetry: Arc<Telemetry>,
    /// The limits of the alerts.
    pub thresholds: Arc<Thresholds>,
    /// Discovered members that were dropped.
    pub dropped: Vec<DroppedMembers>,
}

impl Collector for OwnFamilies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let build = [
            ("version", version::VERSION),
            ("revision", version::REVISION),
            ("branch", version::BRANCH),
            ("builddate", version::DATE),
            ("target", version::TARGET),
            ("features", version::FEATURES),
            ("rustversion", version::RUSTC),
        ];
        family(encoder, Own::BuildInfo)?.encode_info(&build)?;

        let requests = self.telemetry.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        counters(
            encoder,
            Own::HttpRequests,
            requests.iter().map(|((handler, code), count)| {
                ([("handler", (*handler).to_owned()), ("code", code.to_string())], *count)
            }),
        )?;
        let rejected = self.telemetry.rejected.load(Ordering::Relaxed);
        family(encoder, Own::HttpConnectionsRejected)?.encode_counter::<NoLabelSet, u64, f64>(&rejected, None)?;

        let dropped = self.telemetry.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        counters(
            encoder,
            Own::DroppedSamples,
            dropped.iter().map(|((ensemble, member, reason), count)| {
                (
                    [
                        ("ensemble", ensemble.to_string()),
                        ("member", member.to_string()),
                        ("reason", (*reason).to_owned()),
                    ],
                    *count,
                )
            }),
        )?;
        family(encoder, Own::CutTexts)?.encode_counter::<NoLabelSet, u64, f64>(&text::cut_texts(), None)?;
        let members = self.dropped.iter().flat_map(|dropped| {
            [("cap", dropped.over_cap), ("address", dropped.unusable)].map(|(reason, count)| {
                ([("ensemble", dropped.ensemble.to_string()), ("reason", reason.to_owned())], count)
            })
        });
        counters(encoder, Own::DroppedMembers, members.filter(|(_, count)| *count > 0))?;
        let reload = *self.telemetry.reload.lock().unwrap_or_else(PoisonError::into_inner);
        family(encoder, Own::ConfigLastReloadSuccessful)?.encode_gauge(&i64::from(reload.successful))?;
        family(encoder, Own::ConfigLastReloadSuccessTimestamp)?.encode_gauge(&reload.time)?;
        thresholds(encoder, &self.thresholds)?;
        process(encoder)
    }
}

/// The active limits of the alerts, with the label `ensemble` for limits of a single ensemble.
fn thresholds(encoder: &mut DescriptorEncoder<'_>, thresholds: &Thresholds) -> fmt::Result {
    let mut metric = family(encoder, Own::AlertThreshold)?;
    for level in thresholds.levels() {
        let alert = level.condition.alert();
        let labels = [("alert", alert.as_str()), ("severity", level.level.severity.text())];
        if let Some(Some(limit)) = level.usual {
            metric.encode_family(&labels)?.encode_gauge(&limit)?;
        }
        for (ensemble, limit) in &level.own {
            if let Some(Some(limit)) = limit {
                metric.encode_family(&(labels, [("ensemble", ensemble.as_str())]))?.encode_gauge(limit)?;
            }
        }
    }
    Ok(())
}

fn counters<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    own: Own,
    samples: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut samples = samples.peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut metric = family(encoder, own)?;
    samples.try_for_each(|(labels, count)| {
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)
    })
}

/// Begins one of the exporter's own families.
fn family<'e>(encoder: &'e mut DescriptorEncoder<'_>, own: Own) -> Result<MetricEncoder<'e>, fmt::Error> {
    let family = catalogue().family(FamilyId::from(own));
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Info => MetricType::Info,
        Kind::Gauge | Kind::Summary | Kind::Histogram | Kind::Unknown => MetricType::Gauge,
    };
    encoder.encode_descriptor(&family.name, &family.help, None, kind)
}

/// The machine's start in seconds since the Unix epoch: `/proc/stat`, which the kernel generates for each reader.
static BOOT_TIME: LazyLock<Option<u64>> = LazyLock::new(|| procfs::boot_time_secs().ok());

/// The standard process families, from `/proc/self`, if available.
fn process(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Ok(me) = procfs::process::Process::myself() else { return Ok(()) };
    #[expect(clippy::cast_precision_loss, reason = "seconds and bytes of one process are far below 2^53")]
    if let Ok(stat) = me.stat() {
        let ticks = procfs::ticks_per_second();
        let cpu = (stat.utime + stat.stime) as f64 / ticks as f64;
        family(encoder, Own::ProcessCpu)?.encode_counter::<NoLabelSet, f64, f64>(&cpu, None)?;
        family(encoder, Own::ProcessResidentMemory)?.encode_gauge(&(stat.rss * procfs::page_size()))?;
        family(encoder, Own::ProcessVirtualMemory)?.encode_gauge(&stat.vsize)?;
        family(encoder, Own::ProcessThreads)?.encode_gauge(&stat.num_threads)?;
        if let Some(boot) = *BOOT_TIME {
            let start = boot as f64 + stat.starttime as f64 / ticks as f64;
            family(encoder, Own::ProcessStartTime)?.encode_gauge(&start)?;
        }
    }
    if let Ok(open) = me.fd_count() {
        family(encoder, Own::ProcessOpenFds)?.encode_gauge(&open)?;
    }
    // `getrlimit` is much cheaper than reading `/proc/self/limits`.
    if let Some(max) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        family(encoder, Own::ProcessMaxFds)?.encode_gauge(&max)?;
    }
    Ok(())
}
