//! `metrics:` of a module: which families of a member stand on the page.

/// Which families of its members a module shows; what the exporter says itself is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Every family.
    #[default]
    All,
    /// The families that alerts and main dashboards need.
    Essential,
    /// Families whose name fits one of these patterns.
    Globs(Vec<String>),
}

/// Patterns beyond this many are a mistake.
const MAX_GLOBS: usize = 1000;

impl Choice {
    /// Reads `all` or `essential`.
    pub(super) fn from_word(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "essential" => Ok(Self::Essential),
            _ => Err(format!(
                "`{text}` is no choice of metrics; write all, essential, or a list of patterns, for example [zk_fsync*, zk_znodes]"
            )),
        }
    }

    /// Reads a list of patterns.
    pub(super) fn from_globs(globs: Vec<String>) -> Result<Self, String> {
        if globs.is_empty() {
            return Err(
                "the list of metrics is empty; write patterns, for example [zk_fsync*, zk_znodes], or all".into()
            );
        }
        if globs.len() > MAX_GLOBS {
            return Err(format!("{} patterns, the most is {MAX_GLOBS}; write * for any text", globs.len()));
        }
        let sane = |glob: &String| {
            !glob.is_empty() && glob.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:*?".contains(&byte))
        };
        if let Some(bad) = globs.iter().find(|glob| !sane(glob)) {
            return Err(format!(
                "`{bad}` is no pattern for names of metrics; write letters, digits, `_`, * for any text and ? for one character, for example zk_fsync*"
            ));
        }
        Ok(Self::Globs(globs))
    }
}

/// Whether a text fits a pattern: `*` is any text, `?` one character. Takes at most the product of both lengths.
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
                // The last star takes one byte more.
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
