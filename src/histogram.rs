//! Histogram of durations: exponential buckets for native histograms, and a few fixed buckets for text formats.
//!
//! The exponential buckets are those of Prometheus' schema 3: bucket `i` counts durations in seconds above
//! `2^((i-1)/8)` and up to `2^(i/8)`, so the relative error of a quantile is at most 9.1 %. Only buckets with
//! observations use memory. Durations are integral nanoseconds up to `MAX_COUNTED`, so there are at most about 350
//! buckets.

use std::time::Duration;

/// Bucketed durations, with their count and sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurationHistogram {
    count: u64,
    sum: Duration,
    /// Number of observations of 0.
    zero: u64,
    /// Bucket index and count, sorted, without empty buckets.
    exponential: Vec<(i32, u64)>,
    /// Counts of the buckets of [`UPPER_BOUNDS`], not cumulative.
    fixed: [u64; UPPER_BOUNDS.len()],
}

/// Native histogram schema: eight buckets per power of two.
pub const SCHEMA: i32 = 3;

/// Upper bounds of the fixed buckets, in seconds; longer durations are only in the implicit `+Inf` bucket.
pub const UPPER_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Buckets per power of two.
const PER_DOUBLING: i32 = 1 << SCHEMA;

/// `2^(i/8) / 2`: the bounds between 0.5 and 1.
const FRACTIONS: [f64; PER_DOUBLING as usize] = [
    0.5,
    0.545_253_866_332_628_8,
    0.594_603_557_501_360_5,
    0.648_419_777_325_504_8,
    0.707_106_781_186_547_5,
    0.771_105_412_703_970_4,
    0.840_896_415_253_714_5,
    0.917_004_043_204_671_2,
];

/// Longer durations are counted as this one; every timeout is far shorter.
const MAX_COUNTED: Duration = Duration::from_hours(4);

impl DurationHistogram {
    /// Adds an observation.
    pub fn observe(&mut self, duration: Duration) {
        let duration = duration.min(MAX_COUNTED);
        let seconds = duration.as_secs_f64();
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        if let Some(place) = UPPER_BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.fixed[place] += 1;
        }
        if duration.is_zero() {
            self.zero += 1;
            return;
        }
        let bucket = bucket_of(seconds);
        match self.exponential.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.exponential[place].1 += 1,
            Err(place) => self.exponential.insert(place, (bucket, 1)),
        }
    }

    /// Number of observations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the observations, in seconds.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    /// Number of observations of 0.
    #[must_use]
    pub const fn zero(&self) -> u64 {
        self.zero
    }

    /// The exponential buckets with observations: index and count, sorted.
    #[must_use]
    pub fn exponential(&self) -> &[(i32, u64)] {
        &self.exponential
    }

    /// The fixed buckets: upper bound and count, not cumulative; the last bound is infinite.
    #[must_use]
    pub fn fixed(&self) -> [(f64, u64); UPPER_BOUNDS.len() + 1] {
        let longer = self.count - self.fixed.iter().sum::<u64>();
        let bounds = UPPER_BOUNDS.into_iter().chain([f64::INFINITY]);
        let mut held = self.fixed.into_iter().chain([longer]);
        let mut all = [(0.0, 0); UPPER_BOUNDS.len() + 1];
        for (place, bound) in all.iter_mut().zip(bounds) {
            *place = (bound, held.next().unwrap_or(0));
        }
        all
    }

    /// Memory use in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.exponential.as_slice())
    }
}

/// The bucket index of a positive duration in seconds.
fn bucket_of(seconds: f64) -> i32 {
    /// Number of mantissa bits, and the stored exponent of 1.
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: i32 = f64::MAX_EXP - 1;
    // Durations are never subnormal: seconds = fraction * 2^exponent, with a fraction from 0.5 to below 1.
    let bits = seconds.to_bits();
    let exponent = i32::try_from(bits >> MANTISSA_BITS & 0x7ff).unwrap_or(0) - BIAS + 1;
    let fraction = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | 0.5_f64.to_bits());
    let place = FRACTIONS.partition_point(|bound| *bound < fraction);
    (exponent - 1) * PER_DOUBLING + i32::try_from(place).unwrap_or(PER_DOUBLING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_within_the_bounds_of_its_bucket() {
        let upper = |bucket: i32| (f64::from(bucket) / f64::from(PER_DOUBLING)).exp2();
        let mut nanos = 1_u64;
        while nanos < 4 * 3600 * 1_000_000_000 {
            let seconds = Duration::from_nanos(nanos).as_secs_f64();
            let bucket = bucket_of(seconds);
            // The bounds are compared with a tolerance of one unit in the last place.
            assert!(seconds <= upper(bucket) * (1.0 + 1e-15), "{nanos} ns in {bucket}");
            assert!(seconds > upper(bucket - 1) * (1.0 - 1e-15), "{nanos} ns in {bucket}");
            nanos += nanos / 97 + 1;
        }
        // A bound belongs to the bucket that it closes.
        for (seconds, bucket) in [(0.5, -8), (1.0, 0), (2.0, 8), (1.000_000_001, 1), (0.25, -16)] {
            assert_eq!(bucket_of(seconds), bucket, "{seconds} s");
        }
    }

    #[test]
    fn counts_sums_and_bounds_are_exact() {
        let mut all = DurationHistogram::default();
        for millis in [0, 1, 1, 2, 3, 2500, 2501, u64::MAX] {
            all.observe(Duration::from_millis(millis));
        }
        assert_eq!((all.count(), all.zero()), (8, 1));
        assert!((all.sum() - (5.008 + MAX_COUNTED.as_secs_f64())).abs() < 1e-9);
        assert_eq!(all.exponential().iter().map(|(_, held)| held).sum::<u64>(), 7);
        assert!(all.exponential().is_sorted());
        let fixed = all.fixed();
        assert_eq!(fixed.map(|(_, held)| held), [3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert!(fixed[11].0.is_infinite());
    }

    #[test]
    fn memory_is_bounded() {
        let mut all = DurationHistogram::default();
        let mut nanos = 1_u64;
        while let Some(next) = nanos.checked_add(nanos / 50 + 1) {
            all.observe(Duration::from_nanos(nanos));
            nanos = next;
        }
        assert!(all.exponential().len() < 360, "{}", all.exponential().len());
    }
}
