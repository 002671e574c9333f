//! Durations as Prometheus writes them: `5s`, `1m30s`, `500ms`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// Not a number with a unit.
    #[error("invalid duration `{0}`: expected a number with a unit, e.g. 500ms, 5s or 1m30s")]
    Unreadable(String),
    /// Longer than the maximum.
    #[error("duration `{0}` too long: expected at most {1}")]
    TooLong(String, &'static str),
}

/// Maximum in milliseconds: one week, which every clock and ZooKeeper's 32-bit milliseconds can represent.
const MAX_MILLISECONDS: u64 = 7 * 24 * 3600 * 1000;

const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("y", 365 * 24 * 3600 * 1000),
];

/// Parses a duration. Units are in descending order, each at most once (`model.ParseDuration` of Prometheus).
///
/// # Errors
/// If the text is not a duration, or longer than a week.
pub fn parse(text: &str) -> Result<Duration, BadDuration> {
    parse_up_to(text, MAX_MILLISECONDS, "1w")
}

/// Parses a duration of history, at most ten years.
///
/// # Errors
/// If the text is not a duration, or longer.
pub fn parse_years(text: &str) -> Result<Duration, BadDuration> {
    parse_up_to(text, 10 * 365 * 24 * 3600 * 1000, "10y")
}

fn parse_up_to(text: &str, max: u64, words: &'static str) -> Result<Duration, BadDuration> {
    let bad = || BadDuration::Unreadable(text.to_owned());
    let (mut rest, mut total, mut largest) = (text, 0_u64, UNITS.len());
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        if digits == 0 {
            return Err(bad());
        }
        // Only digits: the only possible error is an overflow.
        let number: u64 = rest[..digits].parse().unwrap_or(u64::MAX);
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = UNITS.iter().position(|(name, _)| *name == &rest[..letters]).ok_or_else(bad)?;
        if unit >= largest {
            return Err(bad());
        }
        largest = unit;
        rest = &rest[letters..];
        total = total.saturating_add(number.saturating_mul(UNITS[unit].1));
    }
    match text {
        "" => Err(bad()),
        _ if total > max => Err(BadDuration::TooLong(text.to_owned(), words)),
        _ => Ok(Duration::from_millis(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prometheus_durations() {
        for (text, ms) in [("5s", 5000), ("1m30s", 90_000), ("500ms", 500), ("0s", 0), ("1d", 86_400_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5s1m", "1s1s", "1.5s", "5seconds", "5µs", "99999999999999999999x"] {
            assert_eq!(parse(text), Err(BadDuration::Unreadable(text.into())), "{text}");
        }
    }

    #[test]
    fn durations_above_a_week_are_refused() {
        assert_eq!(parse("1w"), Ok(Duration::from_hours(7 * 24)));
        for text in ["1w1ms", "8d", "1y", "99999999999999999999s", "9999999999999y", "18446744073709551615s"] {
            assert_eq!(parse(text), Err(BadDuration::TooLong(text.into(), "1w")), "{text}");
        }
    }
}
