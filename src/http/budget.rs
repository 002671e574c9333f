//! How long a scrape may take, from what Prometheus says about its own patience.

use std::time::Duration;

/// Prometheus sends its scrape timeout with every scrape, in seconds.
pub(super) const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// Without the header the module's timeout decides; this only bounds it.
const WITHOUT_HEADER: Duration = Duration::from_mins(1);

/// Below this no member could answer at all.
const LEAST: Duration = Duration::from_millis(50);

/// The time a scrape may take. A header that is no positive number is ignored.
#[must_use]
pub fn budget(header: Option<&str>, offset: Duration) -> Duration {
    let patience = header.and_then(|text| text.trim().parse::<f64>().ok()).filter(|seconds| *seconds > 0.0);
    let patience = patience.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let Some(patience) = patience else { return WITHOUT_HEADER };
    // With less patience than the offset, half of it goes to the members.
    let left = patience.checked_sub(offset).filter(|left| *left > patience / 2).unwrap_or(patience / 2);
    left.clamp(LEAST, WITHOUT_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_clear_of_prometheus_deadline() {
        let offset = Duration::from_millis(500);
        for (header, seconds) in [
            (Some("10"), 9.5),
            (Some(" 2.5 "), 2.0),
            (Some("0.8"), 0.4),
            (Some("0.01"), 0.05),
            (Some("1e9"), 60.0),
            (None, 60.0),
            (Some(""), 60.0),
            (Some("ten"), 60.0),
            (Some("-1"), 60.0),
            (Some("NaN"), 60.0),
            (Some("inf"), 60.0),
            (Some("1e400"), 60.0),
        ] {
            assert_eq!(budget(header, offset), Duration::from_secs_f64(seconds), "{header:?}");
        }
    }
}
