//! `Accept-Encoding` (RFC 9110, 12.5.3): whether a client accepts gzip and prefers it to plain text.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// Whether the response may be compressed. All lines of the header count; a malformed element counts as a refusal.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    wants_gzip(lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')))
}

fn wants_gzip<'t>(elements: impl Iterator<Item = &'t str>) -> bool {
    let (mut gzip, mut identity, mut others) = (None, None, None);
    for element in elements {
        let mut parts = element.split(';').map(str::trim);
        let coding = parts.next().unwrap_or("");
        let place = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut others,
            _ => continue,
        };
        let quality = parts.map(quality).min().unwrap_or(1000);
        // The lower of two contradictory weights is safe.
        *place = Some(place.map_or(quality, |known: u16| known.min(quality)));
    }
    // `*` does not apply to codings that are listed by name.
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The weight of a parameter in thousandths; 0 if malformed.
fn quality(parameter: &str) -> u16 {
    let Some((name, value)) = parameter.split_once('=') else { return 0 };
    if !name.trim().eq_ignore_ascii_case("q") {
        return 0;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.len() > 3 {
        return 0;
    }
    let thousandths = || format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths(),
        "1" if thousandths() == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wants(text: &str) -> bool {
        wants_gzip(text.split(','))
    }

    #[test]
    fn compresses_only_if_the_client_accepts_gzip() {
        for (accept, wanted) in [
            ("", false),
            ("gzip", true),
            ("x-gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;Q=0", false),
            ("gzip;q=0, *", false),
            ("*, gzip;q=0", false),
            ("gzip;q=0, *;q=1", false),
            ("gzip; q=0.0, br", false),
            ("gzip ;\tq=0.000", false),
            ("gzip;q=0.001", true),
            ("gzip;q=1.000", true),
            ("gzip;q=1.001", false),
            ("gzip;q=0.0001", false),
            ("gzip;q=2", false),
            ("gzip;q=-1", false),
            ("gzip;q=nan", false),
            ("gzip;q=", false),
            ("gzip;q", false),
            ("gzip;level=9", false),
            ("gzip;q=1, gzip;q=0", false),
            ("identity", false),
            ("identity;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("identity;q=0.5, gzip", true),
            ("identity;q=0.5, *", true),
            ("*", true),
            ("*;q=0", false),
            ("*;q=0, gzip", true),
            ("gzipped, xgzip, br", false),
        ] {
            assert_eq!(wants(accept), wanted, "{accept:?}");
        }
    }

    #[test]
    fn all_lines_of_the_header_count() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, "*".parse().expect("a value"));
        assert!(accepts_gzip(&headers));
        headers.append(ACCEPT_ENCODING, "br, gzip;q=0".parse().expect("a value"));
        assert!(!accepts_gzip(&headers));
    }

    proptest! {
        #[test]
        fn a_refused_gzip_is_never_sent(
            before in "[ -~]{0,40}",
            after in "[ -~]{0,40}",
            refusal in "(gzip|GZIP|Gzip|x-gzip)[ \t]{0,2};[ \t]{0,2}[qQ]=0(\\.0{0,3})?",
        ) {
            let accept = format!("{before},{refusal},{after}");
            prop_assert!(!wants(&accept), "{:?}", accept);
        }

        #[test]
        fn weight_and_case_mean_the_same_in_any_spelling(thousandths in 0_u16..=1000, upper: bool) {
            let weight = if thousandths == 1000 { "1.000".to_owned() } else { format!("0.{thousandths:03}") };
            let accept = format!("br;q=0.3 , gzip;q={weight}");
            let accept = if upper { accept.to_uppercase() } else { accept };
            prop_assert_eq!(wants(&accept), thousandths > 0);
        }

        #[test]
        fn other_codings_do_not_imply_gzip(accept in "[a-fh-y ;=.0-9]{0,40}") {
            prop_assert!(!wants(&accept));
        }
    }
}
