//! Times as UTC text (RFC 3339), without a calendar library.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current Unix time in seconds.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Formats a time as `2026-11-30T06:12:31.250Z`; clamped to the years 1970 to 9999.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the years that have four digits"
)]
pub fn utc(seconds: f64) -> String {
    let millis = (seconds.clamp(0.0, 253_402_300_799.0) * 1000.0).round() as u64;
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Parses the format of [`utc`], with or without a fraction, into Unix seconds.
#[must_use]
pub fn parse_utc(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour_minute, second) = time.rsplit_once(':')?;
    let (hour, minute) = hour_minute.split_once(':')?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    let second: f64 = second.parse().ok().filter(|second| (0.0..61.0).contains(second))?;
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
    {
        return None;
    }
    // The first day with this date or a later one, in case the date does not exist.
    let near = u64::from(year - 1970) * 365;
    let days = (near..near + 3000).find(|days| civil(*days) >= (u64::from(year), u64::from(month), u64::from(day)))?;
    #[expect(clippy::cast_precision_loss, reason = "days of 8000 years")]
    Some(days as f64 * 86_400.0 + f64::from(hour) * 3600.0 + f64::from(minute) * 60.0 + second)
}

/// The forms that [`parse_moment`] accepts.
pub const MOMENT_FORMS: &str = "seconds since 1970, a UTC time such as 2026-01-31T06:00:00Z, or a duration such as 1h";

/// A time in Unix seconds, from a number, a UTC time, or a duration before now.
#[must_use]
pub fn parse_moment(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds).filter(|seconds| seconds.is_finite());
    }
    let before = || crate::config::parse_years(text).ok().map(|time| now() - time.as_secs_f64());
    parse_utc(text).or_else(before)
}

/// The Gregorian year, month and day for a number of days since 1970. 400 years have 146,097 days; years begin in
/// March, so that the leap day is the last day of a year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_back() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_400.0, "2000-02-29T00:00:00.000Z"),
            (1_764_482_400.25, "2025-11-30T06:00:00.250Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(seconds), text);
            assert_eq!(parse_utc(text), Some(seconds), "{text}");
        }
        assert_eq!(parse_utc("2025-11-30T06:00:00Z"), Some(1_764_482_400.0));
        let month = parse_moment("30d").map(|begin| (now() - begin - 30.0 * 86_400.0).abs() < 60.0);
        assert_eq!((month, parse_moment("1month")), (Some(true), None));
        for bad in
            ["", "2025-11-30", "2025-11-30T06:00:00", "2025-13-01T00:00:00Z", "2025-1-1T+1:00:00Z", "x-y-zT1:2:3Z"]
        {
            assert_eq!(parse_utc(bad), None, "{bad}");
        }
        assert_eq!((utc(f64::NAN).len(), utc(-1.0).as_str()), (24, "1970-01-01T00:00:00.000Z"));
    }
}
