//! Znode paths with optional glob, JSON pointers and ACLs, as written in the configuration.

use std::fmt;
use std::str::FromStr;

/// A path to read, with `*` in at most one of its components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZnodePath {
    path: String,
    /// JSON pointer into the data (RFC 6901); empty if the data is a number.
    pointer: String,
    /// Whether the data is a number.
    has_value: bool,
}

impl ZnodePath {
    /// Parses a path.
    ///
    /// # Errors
    /// What is wrong and what is expected, in one line.
    pub fn new(path: &str, pointer: Option<&str>) -> Result<Self, String> {
        check(path)?;
        if path.split('/').filter(|part| part.contains('*')).count() > 1 {
            return Err(format!(
                "`*` in more than one part of `{path}`: expected a glob of one level, e.g. /app/*/load"
            ));
        }
        if path.split('/').any(|part| part.matches('*').count() > 1) {
            return Err(format!("more than one `*` in a part of `{path}`: expected one, e.g. /workers/w-*"));
        }
        let pointer = pointer.unwrap_or("");
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(format!("invalid JSON pointer `{pointer}`: expected a leading slash, e.g. /queue/length"));
        }
        Ok(Self { path: path.to_owned(), pointer: pointer.to_owned(), has_value: true })
    }

    /// The path of a znode whose data is not a number.
    ///
    /// # Errors
    /// It has a JSON pointer.
    pub(super) fn without_value(self) -> Result<Self, String> {
        if self.pointer.is_empty() {
            return Ok(Self { has_value: false, ..self });
        }
        Err(format!("`pointer` of {} with `value: false`: expected one of them", self.path))
    }

    /// The path, including its glob.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The pointer of the number in the data; `None` if the data is not a number.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.has_value.then_some(self.pointer.as_str())
    }

    /// The parts of a glob: the parent whose children are listed, the component with the `*`, and the rest.
    #[must_use]
    pub fn glob(&self) -> Option<(&str, &str, &str)> {
        let star = self.path.find('*')?;
        let begin = self.path[..star].rfind('/')?;
        let end = self.path[star..].find('/').map_or(self.path.len(), |slash| star + slash);
        let parent = if begin == 0 { "/" } else { &self.path[..begin] };
        Some((parent, &self.path[begin + 1..end], &self.path[end..]))
    }

    /// Whether this path or glob matches a plain path.
    #[must_use]
    pub fn covers(&self, plain: &str) -> bool {
        match self.path.split_once('*') {
            None => self.path == plain,
            Some((before, after)) => plain
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|middle| !middle.contains('/')),
        }
    }
}

/// Whether a name matches a component with one `*`.
#[must_use]
pub fn matches(part: &str, name: &str) -> bool {
    part.split_once('*').map_or(part == name, |(before, after)| {
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    })
}

impl fmt::Display for ZnodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.pointer.is_empty() { Ok(()) } else { write!(f, " (pointer {})", self.pointer) }
    }
}

/// Parses a path without a glob.
///
/// # Errors
/// What is wrong and what is expected, in one line.
pub fn plain(path: &str) -> Result<String, String> {
    check(path)?;
    if path.contains('*') {
        return Err(format!("unexpected `*` in `{path}`: expected the path of one znode, e.g. /cpu_usage"));
    }
    Ok(path.to_owned())
}

/// ZooKeeper's rules for a path (`PathUtils.validatePath`), and a length limit for label values.
fn check(path: &str) -> Result<(), String> {
    const MAX_BYTES: usize = 512;
    let bad = |why: &str| Err(format!("invalid znode path `{path}`, {why}: expected e.g. /cpu_usage"));
    if !path.starts_with('/') {
        return bad("without a leading slash");
    }
    if path.len() < 2 || path.ends_with('/') {
        return bad("without a name or with a trailing slash");
    }
    if path.len() > MAX_BYTES {
        return bad("longer than 512 bytes");
    }
    if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        return bad("with a part that is empty, `.` or `..`");
    }
    let forbidden = |c: char| c.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&c) || c == '\u{fff0}';
    if path.chars().any(forbidden) {
        return bad("with a control character");
    }
    Ok(())
}

/// One entry of an ACL: `world:anyone:r`, `auth::cdrwa`, `digest:user:HASH:rw`, `ip:10.0.0.0/8:r`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `sasl`.
    pub scheme: String,
    /// The identity; empty for `auth`.
    pub id: String,
    /// Letters of `cdrwa`.
    pub permissions: String,
}

impl FromStr for AclEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "invalid ACL `{text}`: expected SCHEME:ID:PERMISSIONS with letters of cdrwa, e.g. world:anyone:r or auth::cdrwa"
            )
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(bad)?;
        let (id, permissions) = rest.rsplit_once(':').ok_or_else(bad)?;
        let known = matches!(scheme, "world" | "auth" | "digest" | "ip" | "x509" | "sasl");
        let letters = !permissions.is_empty() && permissions.chars().all(|letter| "cdrwa".contains(letter));
        let whole = match scheme {
            "world" => id == "anyone",
            "auth" => id.is_empty(),
            _ => !id.is_empty(),
        };
        if !known || !letters || !whole {
            return Err(bad());
        }
        Ok(Self { scheme: scheme.into(), id: id.into(), permissions: permissions.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_split() {
        let glob = |text: &str| {
            let path = ZnodePath::new(text, None).expect("a path");
            path.glob().map(|(parent, part, rest)| format!("{parent} {part} {rest}"))
        };
        assert_eq!(glob("/cpu_usage"), None);
        assert_eq!(glob("/app/*/load").as_deref(), Some("/app * /load"));
        assert_eq!(glob("/w-*").as_deref(), Some("/ w-* "));
        assert_eq!(glob("/a/b/x*y").as_deref(), Some("/a/b x*y "));
        assert!(matches("w-*", "w-1") && matches("*", "x") && !matches("ab*ba", "aba") && !matches("w-*", "v-1"));
        let path = ZnodePath::new("/app/*/load", None).expect("a path");
        assert!(path.covers("/app/a/load") && !path.covers("/app/a/b/load") && !path.covers("/app/load"));
    }

    #[test]
    fn invalid_paths_are_refused_with_the_reason() {
        for (path, part) in [
            ("cpu", "without a leading slash"),
            ("/", "without a name"),
            ("/a/", "trailing slash"),
            ("/a//b", "is empty"),
            ("/a/../b", "is empty, `.` or `..`"),
            ("/a\u{1}", "control character"),
            ("/*/b/*", "more than one part"),
            ("/a*b*", "more than one `*`"),
        ] {
            let error = ZnodePath::new(path, None).expect_err("must be refused");
            assert!(error.contains(part), "{path}: {error}");
        }
        assert!(ZnodePath::new("/a", Some("b")).is_err());
        assert!(plain("/a/*").is_err());
    }

    #[test]
    fn acls_are_parsed() {
        let entry: AclEntry = "digest:super:abc=:cdrwa".parse().expect("an ACL");
        assert_eq!((&*entry.scheme, &*entry.id, &*entry.permissions), ("digest", "super:abc=", "cdrwa"));
        assert!("auth::cdrwa".parse::<AclEntry>().is_ok());
        for text in ["", "world:anyone", "world::r", "auth:x:r", "ip::r", "world:anyone:x", "foo:a:r", "world:anyone:"]
        {
            assert!(text.parse::<AclEntry>().is_err(), "{text}");
        }
    }
}
