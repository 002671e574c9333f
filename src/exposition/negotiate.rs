//! Which format a client wants, from its `Accept` header (RFC 9110, 12.5.1).

use super::Format;

/// The outcome of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The format to write.
    pub format: Format,
    /// The client speaks of name escaping (Prometheus 3): the answer must do so too.
    pub escaping: bool,
}

impl Accepted {
    /// The value of `Content-Type`; Prometheus 3 refuses a page without a right one.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match (self.format, self.escaping) {
            (Format::Classic, false) => "text/plain; version=0.0.4; charset=utf-8",
            (Format::Classic, true) => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            (Format::OpenMetrics, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Format::OpenMetrics, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// Reads an `Accept` header; whoever does not ask for OpenMetrics 1.0.0 gets the classic format.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Accepted {
    let mut classic = Wish::default();
    let mut open = Wish::default();
    for range in accept.unwrap_or("").split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or("").to_ascii_lowercase();
        let (mut quality, mut version, mut escaping) = (1000, None, false);
        for parameter in parts {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => quality = per_mille(value),
                "version" => version = Some(value),
                "escaping" => escaping = true,
                _ => {}
            }
        }
        match media.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => open.raise(quality, escaping),
            "text/plain" if matches!(version, None | Some("0.0.4")) => classic.raise(quality, escaping),
            "text/*" | "*/*" => classic.raise(quality, false),
            _ => {}
        }
    }
    if open.quality > 0 && open.quality >= classic.quality {
        Accepted { format: Format::OpenMetrics, escaping: open.escaping }
    } else {
        Accepted { format: Format::Classic, escaping: classic.escaping }
    }
}

/// How much a format is wanted, from 0 to 1000.
#[derive(Default)]
struct Wish {
    quality: u32,
    escaping: bool,
}

impl Wish {
    fn raise(&mut self, quality: u32, escaping: bool) {
        if quality > self.quality {
            *self = Self { quality, escaping };
        }
    }
}

/// A quality such as `0.75`; nonsense counts as 0, as if the range were not there.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000 by the filter")]
fn per_mille(text: &str) -> u32 {
    text.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q)).map_or(0, |q| (q * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_clients_get_what_they_ask_for() {
        use Format::{Classic, OpenMetrics};
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
            (Some("application/openmetrics-text;version=0.0.1"), Classic, false),
            (Some("application/openmetrics-text"), OpenMetrics, false),
            (Some("application/openmetrics-text;q=0, text/plain"), Classic, false),
            (Some("APPLICATION/OpenMetrics-Text; Version=1.0.0"), OpenMetrics, false),
            (Some(";;;,,q=,=\u{0},application/openmetrics-text;q=nan"), Classic, false),
        ] {
            assert_eq!(negotiate(accept), Accepted { format, escaping }, "{accept:?}");
        }
    }
}
