//! Paths of znodes, plain or with a glob, pointers into their JSON, and ACLs, as people write them.

use std::fmt;
use std::str::FromStr;

/// A path that is read, with `*` in at most one of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZnodePath {
    path: String,
    /// Into the JSON of the data (RFC 6901); empty where the data is a number.
    pointer: String,
}

impl ZnodePath {
    /// A path as written.
    ///
    /// # Errors
    /// One line that says what to write instead.
    pub fn new(path: &str, pointer: Option<&str>) -> Result<Self, String> {
        check(path)?;
        if path.split('/').filter(|part| part.contains('*')).count() > 1 {
            return Err(format!("`{path}` has `*` in more than one part; a glob goes over one level, as /app/*/load"));
        }
        if path.split('/').any(|part| part.matches('*').count() > 1) {
            return Err(format!("`{path}` has more than one `*` in a part; write one, as /workers/w-*"));
        }
        let pointer = pointer.unwrap_or("");
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(format!("`{pointer}` is no JSON pointer; it begins with a slash, as /queue/length"));
        }
        Ok(Self { path: path.to_owned(), pointer: pointer.to_owned() })
    }

    /// The path, with its glob.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The pointer, empty for none.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Where there is a glob: the parent whose children are looked at, the part with the `*`, and what follows.
    #[must_use]
    pub fn glob(&self) -> Option<(&str, &str, &str)> {
        let star = self.path.find('*')?;
        let begin = self.path[..star].rfind('/')?;
        let end = self.path[star..].find('/').map_or(self.path.len(), |slash| star + slash);
        let parent = if begin == 0 { "/" } else { &self.path[..begin] };
        Some((parent, &self.path[begin + 1..end], &self.path[end..]))
    }

    /// Whether the path, glob or not, stands for this plain one.
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

/// Whether a name matches a part with one `*`.
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

/// A path without a glob.
///
/// # Errors
/// One line that says what to write instead.
pub fn plain(path: &str) -> Result<String, String> {
    check(path)?;
    if path.contains('*') {
        return Err(format!("`{path}` has a `*`; write the path of one znode, for example /cpu_usage"));
    }
    Ok(path.to_owned())
}

/// What ZooKeeper itself asks of a path (`PathUtils.validatePath`), and no more than a label should hold.
fn check(path: &str) -> Result<(), String> {
    const MOST: usize = 512;
    let bad = |why: &str| Err(format!("`{path}` is no path of a znode: {why}; write for example /cpu_usage"));
    if !path.starts_with('/') {
        return bad("it does not begin with a slash");
    }
    if path.len() < 2 || path.ends_with('/') {
        return bad("it names none, or ends in a slash");
    }
    if path.len() > MOST {
        return bad("it is longer than 512 bytes");
    }
    if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        return bad("a part of it is empty, `.` or `..`");
    }
    let forbidden = |c: char| c.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&c) || c == '\u{fff0}';
    if path.chars().any(forbidden) {
        return bad("it has a control character");
    }
    Ok(())
}

/// One entry of an ACL: `world:anyone:r`, `auth::cdrwa`, `digest:user:HASH:rw`, `ip:10.0.0.0/8:r`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `sasl`.
    pub scheme: String,
    /// Who; empty for `auth`.
    pub id: String,
    /// Letters of `cdrwa`.
    pub permissions: String,
}

impl FromStr for AclEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no ACL; write SCHEME:ID:PERMISSIONS with letters of cdrwa, for example world:anyone:r or auth::cdrwa"
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
    fn globs_come_apart() {
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
    fn bad_paths_are_told() {
        for (path, part) in [
            ("cpu", "does not begin with a slash"),
            ("/", "names none"),
            ("/a/", "ends in a slash"),
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
    fn acls_as_people_write_them() {
        let entry: AclEntry = "digest:super:abc=:cdrwa".parse().expect("an ACL");
        assert_eq!((&*entry.scheme, &*entry.id, &*entry.permissions), ("digest", "super:abc=", "cdrwa"));
        assert!("auth::cdrwa".parse::<AclEntry>().is_ok());
        for text in ["", "world:anyone", "world::r", "auth:x:r", "ip::r", "world:anyone:x", "foo:a:r", "world:anyone:"]
        {
            assert!(text.parse::<AclEntry>().is_err(), "{text}");
        }
    }
}
