//! Content negotiation by the `Accept` header (RFC 9110, 12.5.1).

use super::Format;

/// The outcome of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// The format to write.
    pub format: Format,
    /// The client requested version 1.0.0 of the classic format; the output of both versions is the same.
    pub version_1: bool,
    /// The client sent a parameter for name escaping (Prometheus 3), which the response must have, too.
    pub escaping: bool,
}

/// Weight of a media range, and the requested type.
type Offer = (u32, MediaType);

impl MediaType {
    /// The value of `Content-Type`, which Prometheus 3 requires.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match (self.format, self.version_1, self.escaping) {
            (Format::Classic, false, false) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::Classic, false, true) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            (Format::Classic, true, false) => "text/plain; version=1.0.0; charset=utf-8",
            (Format::Classic, true, true) => "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
            (Format::OpenMetrics, _, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, _, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (Format::Protobuf, _, false) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
            (Format::Protobuf, _, true) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=underscores"
            }
        }
    }
}

/// Selects the format with the highest weight in an `Accept` header. Of equal weights, the richer format is selected;
/// the default is the classic format.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> MediaType {
    let classic = MediaType { format: Format::Classic, version_1: false, escaping: false };
    let offers = accept.unwrap_or("").split(',').filter_map(offer);
    let rank =
        |(quality, media): &Offer| (*quality, media.format != Format::Classic, media.format == Format::OpenMetrics);
    // Of equal weights and formats, the first.
    offers.rev().max_by_key(rank).map_or(classic, |(_, media)| media)
}

/// Parses a media range; `None` if it is refused, malformed or not supported.
fn offer(range: &str) -> Option<Offer> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or("").to_ascii_lowercase();
    let (mut quality, mut version, mut escaping) = (1000, None, false);
    let (mut proto, mut encoding) = (None, None);
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => quality = per_mille(value),
            "version" => version = Some(value),
            "escaping" => escaping = true,
            "proto" => proto = Some(value),
            "encoding" => encoding = Some(value),
            _ => {}
        }
    }
    let (format, version_1, escaping) = match media.as_str() {
        "application/vnd.google.protobuf"
            if proto == Some("io.prometheus.client.MetricFamily") && encoding == Some("delimited") =>
        {
            (Format::Protobuf, false, escaping)
        }
        "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
            (Format::OpenMetrics, false, escaping)
        }
        "text/plain" if matches!(version, None | Some("0.0.4" | "1.0.0")) => {
            (Format::Classic, version == Some("1.0.0"), escaping)
        }
        "text/*" | "*/*" => (Format::Classic, false, false),
        _ => return None,
    };
    (quality > 0).then_some((quality, MediaType { format, version_1, escaping }))
}

/// A weight such as `0.75`; an invalid one counts as 0, as if the range were absent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000 by the filter")]
fn per_mille(text: &str) -> u32 {
    text.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q)).map_or(0, |q| (q * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_clients_get_the_requested_format() {
        use Format::{Classic, OpenMetrics, Protobuf};
        for (accept, format, escaping) in [
            (None, Classic, false),
            (Some(""), Classic, false),
            (Some("*/*"), Classic, false),
            (Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), Classic, false),
            // Prometheus 2.42
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                OpenMetrics,
                false,
            ),
            // Prometheus 3
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                ),
                OpenMetrics,
                true,
            ),
            (
                Some(
                    "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",
                ),
                Classic,
                true,
            ),
            // Prometheus 3 that scrapes native histograms
            (
                Some(
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.1",
                ),
                Protobuf,
                false,
            ),
            (
                Some(
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=underscores",
                ),
                Protobuf,
                true,
            ),
            (Some("application/vnd.google.protobuf;proto=other;encoding=delimited"), Classic, false),
            (
                Some(
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text, */*;q=0.1",
                ),
                Classic,
                false,
            ),
            (Some("text/plain;version=1.0.0"), Classic, false),
            (Some("text/plain;version=1.0.0;escaping=allow-utf-8, text/plain;version=0.0.4;q=0.9"), Classic, true),
            (Some("application/openmetrics-text;version=0.0.1"), Classic, false),
            (Some("application/openmetrics-text"), OpenMetrics, false),
            (Some("application/openmetrics-text;q=0, text/plain"), Classic, false),
            (Some("APPLICATION/OpenMetrics-Text; Version=1.0.0"), OpenMetrics, false),
            (Some(";;;,,q=,=\u{0},application/openmetrics-text;q=nan"), Classic, false),
        ] {
            let media = negotiate(accept);
            assert_eq!((media.format, media.escaping), (format, escaping), "{accept:?}");
            let version_1 = accept.is_some_and(|accept| accept.starts_with("text/plain;version=1.0.0"));
            assert_eq!(media.version_1, version_1, "{accept:?}");
            assert_eq!(media.content_type().ends_with("; escaping=underscores"), escaping, "{accept:?}");
        }
    }
}
