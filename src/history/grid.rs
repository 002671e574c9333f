//! The evaluation times of a replay, aligned to the interval, so that two runs over the same range evaluate the same
//! times.

use std::fmt;

/// Evaluation times from `start` to `end`, both inclusive, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The first evaluation time.
    pub start: i64,
    /// The last evaluation time.
    pub end: i64,
    /// Interval in seconds.
    pub step: i64,
}

/// A time in Unix seconds, displayed as `2026-11-30T06:45:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Grid {
    /// The multiples of `step` within a range.
    #[must_use]
    pub fn new(from: i64, until: i64, step: i64) -> Self {
        let step = step.max(1);
        let start = from.div_euclid(step) * step;
        Self { start: if start < from { start + step } else { start }, end: until.div_euclid(step) * step, step }
    }

    /// The number of evaluation times.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from((self.end - self.start) / self.step + 1).unwrap_or(0)
    }

    /// Whether the grid has no evaluation time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end < self.start
    }

    /// The same grid, extended at the beginning by at least `seconds`.
    #[must_use]
    pub fn earlier(&self, seconds: i64) -> Self {
        Self { start: self.start - (seconds + self.step - 1) / self.step * self.step, ..*self }
    }

    /// Splits the grid into pieces of at most `moments` evaluation times.
    #[must_use]
    pub fn pieces(&self, moments: usize) -> Vec<Self> {
        let length = i64::try_from(moments.max(1)).unwrap_or(i64::MAX / self.step).saturating_mul(self.step);
        let mut pieces = Vec::new();
        let mut start = self.start;
        while start <= self.end {
            let end = self.end.min(start + length - self.step);
            pieces.push(Self { start, end, step: self.step });
            start = end + self.step;
        }
        pieces
    }

    /// The evaluation time nearest to a timestamp of a response; `None` outside of the grid.
    #[must_use]
    pub fn nearest(&self, time: f64) -> Option<i64> {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let moment = self.start + ((time - self.start as f64) / self.step as f64).round() as i64 * self.step;
        (self.start..=self.end).contains(&moment).then_some(moment)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = date(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

impl Moment {
    /// Parses `2026-11-30T06:45:00Z`, `2026-11-30`, or Unix seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse::<i64>() {
            return (0..=253_402_300_799).contains(&seconds).then_some(Self(seconds));
        }
        let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
        let numbers = |text: &str, sign: char| -> Option<Vec<i64>> {
            text.split(sign)
                .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten())
                .collect()
        };
        let (date, time) = (numbers(date, '-')?, numbers(time.strip_suffix('Z')?, ':')?);
        let ([year, month, day], [hour, minute, second]) = (&date[..], &time[..]) else { return None };
        let fits = (1970..=9999).contains(year) && *hour < 24 && *minute < 60 && *second < 60;
        let days = fits.then(|| days_since_1970(*year, *month, *day))?;
        let same = self::date(days) == (*year, *month, *day);
        same.then(|| Self(days * 86_400 + hour * 3600 + minute * 60 + second))
    }
}

/// Days since 1970 of a Gregorian date. Years begin in March, so that the leap day is the last day of a year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let shifted = (month + 9).rem_euclid(12);
    let year = if shifted >= 10 { year - 1 } else { year };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day - 719_469
}

/// Year, month and day for a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(366);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (2..=12).take_while(|month| days_since_1970(year, *month, 1) <= days).last().unwrap_or(1);
    (year, month, days - days_since_1970(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_multiples_of_the_step() {
        let grid = Grid::new(61, 200, 60);
        assert_eq!(grid, Grid { start: 120, end: 180, step: 60 });
        assert_eq!(
            (grid.len(), grid.earlier(61).start, grid.nearest(179.9), grid.nearest(241.0)),
            (2, 0, Some(180), None)
        );
        assert!(Grid::new(61, 100, 60).is_empty());
        let pieces = Grid::new(0, 100, 10).pieces(4);
        assert_eq!(
            pieces.iter().map(|piece| (piece.start, piece.end)).collect::<Vec<_>>(),
            [(0, 30), (40, 70), (80, 100)]
        );
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment(seconds).to_string(), text);
            assert_eq!(Moment::parse(text), Some(Moment(seconds)));
        }
        assert_eq!(Moment::parse("2024-02-29"), Some(Moment(1_709_164_800)));
        assert_eq!(Moment::parse("1709164800"), Some(Moment(1_709_164_800)));
        for text in
            ["", "2023-02-29", "2024-13-01", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00", "-5", "2024-+1-01", "x"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
