//! Zones of members: names, and the pattern that finds the zone of a member in its host name.

use std::str::FromStr;

use regex_lite::Regex;

/// Maximum length of the name of a zone.
const MAX_ZONE_BYTES: usize = 64;

/// Maximum length of a pattern.
const MAX_PATTERN_BYTES: usize = 200;

/// A regular expression over host names, whose first group is the zone.
#[derive(Clone, Debug)]
pub struct ZonePattern(Regex);

impl ZonePattern {
    /// The zone in a host name; `None` if the pattern does not match, or the group is no name of a zone.
    #[must_use]
    pub fn zone_of<'h>(&self, host: &'h str) -> Option<&'h str> {
        let zone = self.0.captures(host)?.get(1)?.as_str();
        is_zone(zone).then_some(zone)
    }
}

impl PartialEq for ZonePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for ZonePattern {}

impl FromStr for ZonePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = r"expected a regular expression whose first group is the zone, e.g. '\.(az[0-9])\.'";
        if text.len() > MAX_PATTERN_BYTES {
            return Err(format!("zone pattern longer than {MAX_PATTERN_BYTES} bytes: {EXPECTED}"));
        }
        let regex = Regex::new(text).map_err(|error| format!("invalid zone pattern `{text}` ({error}): {EXPECTED}"))?;
        if regex.captures_len() < 2 {
            return Err(format!("zone pattern `{text}` without a group: {EXPECTED}"));
        }
        Ok(Self(regex))
    }
}

/// Checks the name of a zone.
///
/// # Errors
/// What is expected.
pub(super) fn check_zone(name: &str) -> Result<(), String> {
    if is_zone(name) {
        Ok(())
    } else {
        Err(format!(
            "invalid zone `{name}`: expected at most {MAX_ZONE_BYTES} letters, digits, `-`, `_` and `.`, e.g. eu-central-1a"
        ))
    }
}

fn is_zone(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ZONE_BYTES).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_is_the_zone() {
        for (pattern, host, zone) in [
            (r"\.(az[0-9])\.", "zk-1.az2.example.com", Some("az2")),
            (r"\.(az[0-9])\.", "zk-1.example.com", None),
            (r"^zk-([a-c])", "zk-b1", Some("b")),
            (r"^10\.(\d+)\.", "10.3.0.1", Some("3")),
            (r"^(?:zk|kafka)-(\w)", "kafka-c9", Some("c")),
            // The group takes no part in the match, is empty, or has a character that names of zones do not have.
            (r"zk|(a)", "zk-1", None),
            (r"zk(.?)$", "zk", None),
            (r"^(.*)$", "fd00::1", None),
        ] {
            assert_eq!(pattern.parse::<ZonePattern>().unwrap().zone_of(host), zone, "{pattern} {host}");
        }
        assert_eq!("(a)".parse::<ZonePattern>(), "(a)".parse());
        assert_ne!("(a)".parse::<ZonePattern>(), "(b)".parse());
    }

    #[test]
    fn a_pattern_without_a_group_is_refused() {
        for (pattern, part) in
            [("az1", "without a group"), ("(az", "invalid zone pattern `(az`"), ("", "without a group")]
        {
            let error = pattern.parse::<ZonePattern>().unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        assert!(format!("({})", "a".repeat(200)).parse::<ZonePattern>().unwrap_err().contains("longer than 200"));
    }
}
