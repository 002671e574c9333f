//! `metrics:` of a module: the families of a member that are exported.

/// The exported families of the members; the exporter's own metrics are always exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Every family.
    #[default]
    All,
    /// The families that the alerts and the main dashboards use.
    Essential,
    /// Families whose name matches one of these patterns.
    Globs(Vec<String>),
}

/// Maximum number of patterns.
const MAX_GLOBS: usize = 1000;

impl Choice {
    /// Parses `all` or `essential`.
    pub(super) fn from_word(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "essential" => Ok(Self::Essential),
            _ => Err(format!(
                "invalid metrics `{text}`: expected all, essential or a list of patterns, e.g. [zk_fsync*, zk_znodes]"
            )),
        }
    }

    /// Parses a list of patterns.
    pub(super) fn from_globs(globs: Vec<String>) -> Result<Self, String> {
        if globs.is_empty() {
            return Err("empty list of metrics: expected patterns, e.g. [zk_fsync*, zk_znodes], or all".into());
        }
        if globs.len() > MAX_GLOBS {
            return Err(format!(
                "too many patterns ({}): expected at most {MAX_GLOBS}; * matches any text",
                globs.len()
            ));
        }
        let sane = |glob: &String| {
            !glob.is_empty() && glob.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:*?".contains(&byte))
        };
        if let Some(bad) = globs.iter().find(|glob| !sane(glob)) {
            return Err(format!(
                "invalid metric pattern `{bad}`: expected letters, digits, `_`, * for any text and ? for one character, e.g. zk_fsync*"
            ));
        }
        Ok(Self::Globs(globs))
    }
}

/// Whether a text matches a pattern: `*` matches any text, `?` one character. The running time is bounded by the
/// product of both lengths.
#[must_use]
pub fn fits(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                // The last star matches one more byte.
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, read) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (glob, text, fitting) in [
            ("zk_znodes", "zk_znodes", true),
            ("zk_znodes", "zk_znodes_total", false),
            ("zk_*", "zk_", true),
            ("*latency*", "zk_readlatency_seconds", true),
            ("*latency", "zk_readlatency_seconds", false),
            ("zk_?nodes", "zk_znodes", true),
            ("zk_?nodes", "zk_nodes", false),
            ("*", "", true),
            ("**a*b", "xxaxbxb", true),
            ("?", "", false),
        ] {
            assert_eq!(fits(glob, text), fitting, "{glob} {text}");
        }
    }
}
