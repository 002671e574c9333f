//! `hash`: digests of the data tree at earlier transactions, since 3.6; and the equivalent JSON of the AdminServer.
//!
//! A server records the digest of its tree after every 128th transaction and keeps the last 1024 of them
//! (`DataTree.logZxidDigest`). Transactions applied before the tree is complete are not recorded, except after a
//! snapshot received over the network.

use serde::Deserialize;

use super::{ReplyKind, classify, is_not_serving};

/// The digests of one member, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestLog {
    /// zxid and digest, in ascending order of zxid.
    pub entries: Vec<(u64, i64)>,
    /// Digest version; only digests with the same version are comparable. The four-letter command does not report it.
    pub version: Option<i64>,
}

/// Maximum number of digests kept, newest first. A server keeps 1024 (`DataTree.DIGEST_LOG_LIMIT`).
pub const MAX_DIGESTS: usize = 1024;

impl DigestLog {
    /// The comparable digests in ascending order of zxid, without the digest 0 of a server with digests disabled
    /// (`zookeeper.digest.enabled=false`).
    fn new(all: impl Iterator<Item = (u64, i64)>, version: Option<i64>) -> Self {
        let mut entries: Vec<(u64, i64)> = Vec::new();
        for (zxid, digest) in all {
            // A decreasing zxid means that the tree was reloaded; earlier entries belong to another tree.
            if entries.last().is_some_and(|(last, _)| *last >= zxid) {
                entries.clear();
            }
            entries.push((zxid, digest));
        }
        entries.retain(|(_, digest)| *digest != 0);
        entries.drain(..entries.len().saturating_sub(MAX_DIGESTS));
        entries.shrink_to_fit();
        Self { entries, version }
    }
}

/// Classifies a reply; an empty one is valid for a server without digests yet.
#[must_use]
pub fn kind(text: &str) -> ReplyKind {
    classify(text, |text| text.lines().next().and_then(pair).is_some())
}

/// Whether the reply ends with a complete line. A truncated number would be a different number.
#[must_use]
pub fn ends_whole(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

/// Parses a `hash` reply (`DigestCommand`): lines of a hexadecimal zxid and a decimal digest. Other lines, and a last
/// line without a line break, are ignored.
#[must_use]
pub fn parse(text: &str) -> DigestLog {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    DigestLog::new(whole.lines().filter_map(pair), None)
}

/// Parses `100000080: 129551764232`.
fn pair(line: &str) -> Option<(u64, i64)> {
    let (zxid, digest) = line.split_once(": ")?;
    let is_hex = zxid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let zxid = u64::from_str_radix(zxid, 16).ok().filter(|_| is_hex)?;
    Some((zxid, digest.trim_end().parse().ok().filter(|_| !digest.starts_with('+'))?))
}

/// The body of `/commands/hash`.
#[derive(Deserialize)]
struct Body {
    digests: Option<Vec<JsonDigest>>,
    command: Option<String>,
    error: Option<String>,
}

/// One digest in the body.
#[derive(Deserialize)]
struct JsonDigest {
    zxid: i64,
    digest: i64,
    digest_version: Option<i64>,
}

/// Parses the body of the AdminServer's `/commands/hash` (`Commands.DigestCommand`).
///
/// A truncated body is an answer without digests.
#[must_use]
pub fn from_json(body: &str) -> (ReplyKind, DigestLog) {
    let nothing = |kind| (kind, DigestLog::default());
    match serde_json::from_str::<Body>(body) {
        Ok(Body { error: Some(error), .. }) if is_not_serving(&error) => nothing(ReplyKind::NotServing),
        Ok(Body { digests: Some(digests), command: Some(_), error: None }) => {
            let version = digests.last().and_then(|digest| digest.digest_version);
            let same = digests.iter().filter(|digest| digest.digest_version == version);
            let pairs = same.filter_map(|digest| Some((u64::try_from(digest.zxid).ok()?, digest.digest)));
            (ReplyKind::Answer, DigestLog::new(pairs, version))
        }
        Err(_) if body.is_empty() => nothing(ReplyKind::Empty),
        Err(error) if body.starts_with('{') && error.is_eof() => nothing(ReplyKind::Answer),
        _ => nothing(ReplyKind::Garbage),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_replies_of_real_servers() {
        let log = parse("100000080: 129551764232\n100000100: 252618841993\n100000180: -357595133743\n");
        assert_eq!(
            log.entries,
            [(0x1_0000_0080, 129_551_764_232), (0x1_0000_0100, 252_618_841_993), (0x1_0000_0180, -357_595_133_743)]
        );
        assert_eq!(log.version, None);
        assert_eq!(kind("80: 147259702691\n"), ReplyKind::Answer);
        assert_eq!(
            kind("This ZooKeeper instance is not currently serving requests"),
            ReplyKind::NotServing,
            "without an end of line"
        );
        assert_eq!(kind("hash is not executed because it is not in the whitelist.\n"), ReplyKind::NotAllowed);
        for garbage in ["imok", "80:1\n", "x: 1\n", "80: \n", "+80: 1\n", "80: +1\n", "<html>: 5\n"] {
            assert_eq!(kind(garbage), ReplyKind::Garbage, "{garbage}");
        }
    }

    #[test]
    fn a_truncated_number_is_not_a_digest() {
        let text = "80: 147259702691\n100: 2522215";
        assert!(!ends_whole(text));
        assert_eq!(parse(text).entries, [(0x80, 147_259_702_691)]);
        assert_eq!(parse("80: 14").entries, []);
    }

    #[test]
    fn incomparable_digests_are_omitted() {
        assert_eq!(parse("80: 0\n100: 0\n").entries, [], "a server without digests");
        assert_eq!(parse("80: 1\n100: 2\n80: 3\n100: 4\n180: 5\n").entries, [(0x80, 3), (0x100, 4), (0x180, 5)]);
        let many: Vec<String> = (1..3000).map(|number| format!("{number:x}: {number}\n")).collect();
        let log = parse(&many.concat());
        assert_eq!((log.entries.len(), log.entries.last()), (MAX_DIGESTS, Some(&(2999, 2999))));
    }

    #[test]
    fn the_admin_server_names_the_version() {
        let body = r#"{"digests":[{"zxid":4294967424,"digest":129551764232,"digest_version":2}],"command":"hash","error":null}"#;
        let log = DigestLog { entries: vec![(0x1_0000_0080, 129_551_764_232)], version: Some(2) };
        assert_eq!(from_json(body), (ReplyKind::Answer, log));
        let error = r#"{"command":"hash","error":"This ZooKeeper instance is not currently serving requests"}"#;
        assert_eq!(from_json(error).0, ReplyKind::NotServing);
        for (body, kind) in [
            ("", ReplyKind::Empty),
            (&body[..40], ReplyKind::Answer),
            ("<html>", ReplyKind::Garbage),
            ("{}", ReplyKind::Garbage),
            (r#"{"command":"hash","error":"Unknown command: hash"}"#, ReplyKind::Garbage),
        ] {
            assert_eq!(from_json(body), (kind, DigestLog::default()), "{body}");
        }
    }

    proptest! {
        /// For any input, the digests are bounded, in ascending order of zxid, and not 0.
        #[test]
        fn any_text_gives_a_log_in_order(text in "([0-9a-f]{1,17}: -?[0-9]{1,20}\r?\n|[ -~]{0,20}\n?){0,40}") {
            for log in [parse(&text), from_json(&text).1] {
                prop_assert!(log.entries.len() <= MAX_DIGESTS);
                prop_assert!(log.entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!(log.entries.iter().all(|(_, digest)| *digest != 0));
            }
        }

        /// A truncated reply gives a prefix of the complete digests.
        #[test]
        fn a_truncated_reply_gives_no_other_digest(digests in proptest::collection::vec(1..i64::MAX, 1..20), cut in 0..600_usize) {
            let lines = digests.iter().enumerate().map(|(place, digest)| format!("{:x}: {digest}\n", (place + 1) * 128));
            let text = lines.collect::<Vec<_>>().concat();
            let cut = &text[..cut.min(text.len())];
            prop_assert!(parse(&text).entries.starts_with(&parse(cut).entries));
        }
    }
}
