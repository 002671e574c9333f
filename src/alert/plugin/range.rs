//! Threshold ranges of the Monitoring Plugins guidelines: `10`, `10:`, `~:10`, `10:20`, `@10:20`.

use std::fmt;
use std::str::FromStr;

/// A range of values, for the warning (`-w`) or critical (`-c`) status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    high: f64,
    /// `@`: alert inside the range, including its ends; otherwise outside.
    inside: bool,
}

/// Why a text is not a valid range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid range `{0}`: expected 10 (alert below 0 or above 10), 10: (below 10), ~:10 (above 10), 10:20 (outside) or @10:20 (inside)"
)]
pub struct BadRange(pub String);

impl Range {
    /// Alerts above this value, but not below 0, unlike the short form `10`.
    #[must_use]
    pub const fn above(limit: f64) -> Self {
        Self { low: f64::NEG_INFINITY, high: limit, inside: false }
    }

    /// Alerts below this value.
    #[must_use]
    pub const fn below(limit: f64) -> Self {
        Self { low: limit, high: f64::INFINITY, inside: false }
    }

    /// Whether the value triggers an alert. The result is meaningless for NaN; check for it first.
    #[must_use]
    pub fn alerts(&self, value: f64) -> bool {
        let within = self.low <= value && value <= self.high;
        within == self.inside
    }
}

impl FromStr for Range {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let bad = || BadRange(text.to_owned());
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(bad);
        let (inside, range) = text.strip_prefix('@').map_or((false, text), |range| (true, range));
        let (low, high) = match range.split_once(':') {
            None => (0.0, number(range)?),
            Some((low, high)) => {
                let low = if low == "~" { f64::NEG_INFINITY } else { number(low)? };
                (low, if high.is_empty() { f64::INFINITY } else { number(high)? })
            }
        };
        if low > high { Err(bad()) } else { Ok(Self { low, high, inside }) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
            f.write_str("@")?;
        }
        if self.low.is_infinite() {
            f.write_str("~:")?;
        } else if self.low != 0.0 || self.high.is_infinite() {
            write!(f, "{}:", self.low)?;
        }
        if self.high.is_finite() { write!(f, "{}", self.high) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the guidelines ("Threshold and Ranges"), and their boundaries.
    #[test]
    fn ranges_follow_the_table_of_the_guidelines() {
        for (range, alerts, quiet) in [
            ("10", &[-0.001, -5.0, 10.001, 11.0][..], &[0.0, 5.0, 10.0][..]),
            ("10:", &[9.999, 0.0, -1.0], &[10.0, 11.0, 1e300]),
            ("~:10", &[10.001, 1e300], &[10.0, 0.0, -1e300]),
            ("10:20", &[9.999, 20.001, -1.0], &[10.0, 15.0, 20.0]),
            ("@10:20", &[10.0, 15.0, 20.0], &[9.999, 20.001, -1.0]),
            ("@10", &[0.0, 10.0], &[-0.001, 10.001]),
            ("-5:-2", &[-6.0, -1.0, 0.0], &[-5.0, -3.0, -2.0]),
            ("0:", &[-0.001], &[0.0, 1.0]),
            ("1.5e-3", &[0.0016, -0.1], &[0.0015, 0.0]),
            ("0", &[0.1, -0.1], &[0.0]),
        ] {
            let parsed: Range = range.parse().unwrap_or_else(|error| panic!("{error}"));
            assert!(alerts.iter().all(|value| parsed.alerts(*value)), "{range} must alert on all of {alerts:?}");
            assert!(!quiet.iter().any(|value| parsed.alerts(*value)), "{range} must not alert on any of {quiet:?}");
            let again: Range = parsed.to_string().parse().unwrap_or_else(|error| panic!("{range}: {error}"));
            assert_eq!(again, parsed, "{range} is written {parsed}");
        }
    }

    #[test]
    fn invalid_ranges_are_rejected_with_the_valid_forms() {
        for text in ["", ":", "~", "@", "a", "1:a", "20:10", "10:20:30", "~:", "nan", "inf", "1,5", " 1"] {
            let parsed = text.parse::<Range>();
            if text == "~:" {
                // Valid, although no value is outside of it.
                assert!(parsed.is_ok_and(|range| !range.alerts(1e300)));
                continue;
            }
            assert_eq!(parsed, Err(BadRange(text.to_owned())), "{text}");
        }
    }
}
