//! Figures of a process: CPU, memory, threads, files, I/O, start time, and available CPUs.

use std::fs;
use std::path::Path;

use procfs::process::{LimitValue, Process};
use procfs::{ProcError, boot_time_secs, page_size, ticks_per_second};

use super::HostFailure;
use super::find::MemberProcess;

/// Figures of a process; `None` without permission.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// User and system CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Number of usable CPUs, limited by affinity and control groups.
    pub cpus: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Number of threads.
    pub threads: i64,
    /// Start time in Unix seconds.
    pub start_seconds: Option<f64>,
    /// Number of open file descriptors.
    pub open_fds: Option<u64>,
    /// Maximum number of open file descriptors; `None` also if unlimited.
    pub max_fds: Option<u64>,
    /// Bytes read from storage.
    pub read_bytes: Option<u64>,
    /// Bytes written to storage.
    pub written_bytes: Option<u64>,
}

pub(super) fn figures(found: &MemberProcess) -> Result<ProcessFigures, HostFailure> {
    let process = &found.process;
    let stat = process.stat().map_err(|error| match error {
        ProcError::PermissionDenied(_) => HostFailure::NoPermission,
        _ => HostFailure::Proc,
    })?;
    let ticks = seconds(ticks_per_second());
    let max_fds = process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
        LimitValue::Value(most) => Some(most),
        LimitValue::Unlimited => None,
    });
    let io = process.io().ok();
    Ok(ProcessFigures {
        cpu_seconds: seconds(stat.utime + stat.stime) / ticks,
        cpus: cpus(process),
        resident_bytes: stat.rss * page_size(),
        virtual_bytes: stat.vsize,
        threads: stat.num_threads,
        start_seconds: boot_time_secs().ok().map(|boot| seconds(boot) + seconds(stat.starttime) / ticks),
        open_fds: process.fd_count().ok().map(|count| count as u64),
        max_fds,
        read_bytes: io.as_ref().map(|io| io.read_bytes),
        written_bytes: io.as_ref().map(|io| io.write_bytes),
    })
}

#[expect(clippy::cast_precision_loss, reason = "ticks and seconds of one process are far below 2^53")]
fn seconds(number: u64) -> f64 {
    number as f64
}

/// The lower of the affinity and the control group limits.
fn cpus(process: &Process) -> Option<f64> {
    let ranges = process.status().ok()?.cpus_allowed_list?;
    let allowed: u32 = ranges.iter().map(|(first, last)| last.saturating_sub(*first) + 1).sum();
    let allowed = f64::from(allowed);
    Some(quota(process.pid()).map_or(allowed, |quota| quota.min(allowed)))
}

/// The lowest `cpu.max` from the control group (version 2) up to the root; `None` if there is none.
fn quota(pid: i32) -> Option<f64> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let on_the_way = Path::new(group).ancestors().map(|group| root.join(group));
    on_the_way.filter_map(|group| limit(&fs::read_to_string(group.join("cpu.max")).ok()?)).reduce(f64::min)
}

/// Parses `cpu.max`: `50000 100000` is half a CPU, `max 100000` is unlimited.
fn limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0 && quota > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_limit_of_a_control_group() {
        assert_eq!(limit("50000 100000\n"), Some(0.5));
        assert_eq!(limit("max 100000\n"), None);
        assert_eq!(limit(""), None);
        assert_eq!(limit("1 0"), None);
    }

    #[test]
    fn this_process_may_use_a_cpu() {
        let me = Process::myself().expect("/proc");
        assert!(cpus(&me).is_some_and(|cpus| cpus > 0.0));
    }
}
