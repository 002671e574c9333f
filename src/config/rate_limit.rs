//! `rate_limit` of the web-config file: the maximum rate of requests.

use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::duration;
use super::error::Mistake;

/// A token bucket of `burst` requests; one token is added per `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Time after which one more request is allowed; not zero.
    pub interval: Duration,
    /// Maximum number of requests at once; 0 refuses every request, as in exporter-toolkit.
    pub burst: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRateLimit {
    interval: Option<Spanned<String>>,
    burst: Option<Spanned<i64>>,
}

impl RawRateLimit {
    /// The limit; `None` without an interval or with an interval of 0.
    pub(super) fn validate(self) -> Result<Option<RateLimit>, Mistake> {
        let Some(interval) = self.interval.filter(|interval| interval.value != "0") else { return Ok(None) };
        let burst = self.burst.as_ref().map_or(0, |burst| burst.value);
        let Ok(burst) = u32::try_from(burst) else {
            let at = self.burst.map_or(interval.referenced, |burst| burst.referenced);
            return Err((at, format!("invalid burst `{burst}`: expected a whole number from 0 to {}", u32::MAX)));
        };
        match duration::parse(&interval.value) {
            Ok(Duration::ZERO) => Ok(None),
            Ok(interval) => Ok(Some(RateLimit { interval, burst })),
            Err(error) => Err((interval.referenced, format!("rate_limit: {error}"))),
        }
    }
}
