//! Numbers in Java's notation: `42`, `-1`, `0.3918`, `1.6308337E7`, `NaN`, `18446744073709551615`.

/// A value; integers are kept as integers, so that those above 2^53 remain exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other number, including `NaN` and infinities.
    Float(f64),
}

/// 2^53: every whole `f64` below is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// 2^63; `i64::MAX` is rounded to it.
const WRAPPED: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// Parses a number; `None` for text, `null` and the empty string.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        // 18 digits cannot overflow an i64; almost every value of mntr takes this path.
        if (1..=18).contains(&digits.len()) {
            let mut value = 0_i64;
            let whole = digits.iter().all(|byte| {
                value = value.wrapping_mul(10).wrapping_add(i64::from(byte.wrapping_sub(b'0')));
                byte.is_ascii_digit()
            });
            if whole {
                return Some(Self::Int(if negative { -value } else { value }));
            }
        }
        if let Ok(value) = text.parse::<i64>() {
            return Some(Self::Int(value));
        }
        // Rust also accepts `inf` and `+5`, which Java does not write.
        text.parse::<f64>().ok().map(Self::Float)
    }

    /// The value as a float.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' own values are f64")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Whether it is 2^63 or more, which no real count or time is: an unsigned number that underflowed, or Java's
    /// largest `long` used as "no value".
    #[must_use]
    pub fn is_wrapped(self) -> bool {
        self.as_f64() >= WRAPPED
    }

    /// The value as a count; `None` if it is negative or not a whole number.
    #[must_use]
    pub fn as_count(self) -> Option<u64> {
        match self.over(1) {
            Self::Int(value) => u64::try_from(value).ok(),
            Self::Float(_) => None,
        }
    }

    /// Divides by `divisor`; an integral result is an integer in both dialects.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, checked in the guard")]
    pub fn over(self, divisor: u32) -> Self {
        let value = match self {
            Self::Int(value) => {
                if divisor == 1 {
                    return self;
                }
                if value % i64::from(divisor) == 0 {
                    return Self::Int(value / i64::from(divisor));
                }
                self.as_f64() / f64::from(divisor)
            }
            Self::Float(value) => value / f64::from(divisor),
        };
        if value.abs() < EXACT && value.fract() == 0.0 { Self::Int(value as i64) } else { Self::Float(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_numbers_of_java() {
        use Number::{Float, Int};
        for (text, number) in [
            ("0", Int(0)),
            ("-1", Int(-1)),
            ("999999999999999999", Int(999_999_999_999_999_999)),
            ("9223372036854775807", Int(i64::MAX)),
            ("-9223372036854775808", Int(i64::MIN)),
            ("18446744073709551615", Float(18_446_744_073_709_551_615.0)),
            ("0.3918", Float(0.3918)),
            ("8.0E-4", Float(0.0008)),
            ("1.6308337E7", Float(16_308_337.0)),
            ("Infinity", Float(f64::INFINITY)),
        ] {
            assert_eq!(Number::parse(text), Some(number), "{text}");
        }
        assert!(matches!(Number::parse("NaN"), Some(Float(value)) if value.is_nan()));
        for text in ["", "-", "null", "leader", "1 2", "0x1", "1e", " 1", "1:2"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn scales_without_losing_whole_numbers() {
        assert_eq!(Number::Int(3000).over(1000), Number::Int(3));
        assert_eq!(Number::Int(44).over(1000), Number::Float(0.044));
        assert_eq!(Number::Float(486.0).over(1), Number::Int(486));
        assert_eq!(Number::Int(i64::MAX).over(1), Number::Int(i64::MAX));
    }

    #[test]
    fn numbers_from_2_to_the_63_up_are_wrapped() {
        for text in ["18446744073709551615", "9223372036854775808", "9223372036854775807", "1.8446744073709552E19"] {
            assert!(Number::parse(text).is_some_and(Number::is_wrapped), "{text}");
        }
        for text in ["0", "-1", "-9223372036854775808", "9223372036854770000", "9.2E18", "NaN"] {
            assert!(Number::parse(text).is_some_and(|number| !number.is_wrapped()), "{text}");
        }
    }
}
