//! Parsers of member replies, one file per command. They accept any bytes and do no I/O.
//!
//! A parser returns untyped entries: key, labels, value as text. The catalogue defines their meaning, and `scrape`
//! joins the two.

pub mod conf;
pub mod cons;
pub mod digits;
pub mod hash;
pub mod mntr;
pub mod monitor;
pub mod native;
pub mod number;
pub mod srvr;

use std::borrow::Cow;

pub use number::Number;

/// The kind of a reply, decided before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// The reply to the command.
    Answer,
    /// `This ZooKeeper instance is not currently serving requests` (`AbstractFourLetterCommand`), or the same with
    /// another product name or none (`ClickHouse` Keeper, `RaftKeeper`).
    NotServing,
    /// `<word> is not executed because it is not in the whitelist.` (`NopCommand`).
    NotAllowed,
    /// No bytes.
    Empty,
    /// Not a reply of ZooKeeper.
    Garbage,
}

/// Between `This ` and this text is the name of the product, if any.
const NOT_SERVING: &str = "instance is not currently serving requests";
const NOT_ALLOWED: &str = "is not executed because it is not in the whitelist.";

/// Decodes bytes as text. Releases 3.4 to 3.6 use the JVM's default charset, so invalid UTF-8 is replaced. A leading
/// byte order mark, as added by a proxy or in a file, is removed.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    // Validating first is several times faster than lossy decoding, and nearly all replies are valid.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Classifies a reply by its beginning; `is_answer` decides whether it is the reply to the command.
fn classify(text: &str, is_answer: impl FnOnce(&str) -> bool) -> ReplyKind {
    if text.is_empty() {
        ReplyKind::Empty
    } else if is_answer(text) {
        ReplyKind::Answer
    } else if is_not_serving(text) {
        ReplyKind::NotServing
    } else if is_not_allowed(text) {
        ReplyKind::NotAllowed
    } else {
        ReplyKind::Garbage
    }
}

/// Whether a text begins with the message of a member that serves no clients, in any letter case.
fn is_not_serving(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let head = line[..line.floor_char_boundary(MAX_SENTENCE_BYTES)].to_ascii_lowercase();
    let sentence = head.strip_prefix("this ");
    sentence.and_then(|rest| rest.find(NOT_SERVING)).is_some_and(|at| at <= MAX_PRODUCT_BYTES)
}

/// Whether the first line ends with the message of a member that refuses a command, in any letter case.
fn is_not_allowed(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().as_bytes();
    let end = line.len().checked_sub(NOT_ALLOWED.len()).map(|at| &line[at..]);
    end.is_some_and(|end| end.eq_ignore_ascii_case(NOT_ALLOWED.as_bytes()))
}

/// Maximum length of the product name in the message.
const MAX_PRODUCT_BYTES: usize = 32;

/// Maximum length of the sentence of a member that serves no clients, including a product name of maximum length.
const MAX_SENTENCE_BYTES: usize = 128;

/// `3.9.3` of `3.9.3-c26634f…, built on 2024-10-17 23:21 UTC`, and `v2.0.5` of `RaftKeeper v2.0.5-0123…`.
#[must_use]
pub fn short_version(full: &str) -> &str {
    let begins = |word: &&str| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit())
    };
    // Other products may begin with their name.
    let product = full.split(' ').next().unwrap_or(full);
    let word = if begins(&product) { product } else { full.split(' ').nth(1).filter(begins).unwrap_or(product) };
    word.split(['-', ',']).next().unwrap_or(word)
}

/// The numbers of a version such as `3.9.3`; `None` if it does not begin with `X.Y`.
#[must_use]
pub fn release(full: &str) -> Option<(u16, u16, u16)> {
    let mut parts = short_version(full).split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.parse().ok()?;
    let patch = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_real_servers_are_parsed() {
        for (full, short, numbers) in [
            ("3.9.3-c26634f34490bb0ea7a09cc51e05ede3b4e320ee, built on 2024-10-17 23:21 UTC", "3.9.3", Some((3, 9, 3))),
            ("3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC", "3.8.0", Some((3, 8, 0))),
            (
                "3.6.3--6401e4ad2087061bc6b9f80dec2d69f2e3c8660a, built on 04/08/2021 16:35 GMT",
                "3.6.3",
                Some((3, 6, 3)),
            ),
            ("v23.3.1.2823-lts-46e85357ce2da2a99f56ee83a079e892d7ec3726", "v23.3.1.2823", None),
            ("RaftKeeper v2.0.5-0123456789abcdef, built on 2024-04-15 17:19:43 CST", "v2.0.5", None),
            ("RaftKeeper v2.0.5", "v2.0.5", None),
            ("RaftKeeper", "RaftKeeper", None),
            ("", "", None),
        ] {
            assert_eq!(short_version(full), short);
            assert_eq!(release(full), numbers);
        }
    }

    #[test]
    fn not_serving_is_recognised_for_three_products() {
        let kind = |text: &str| classify(text, |_| false);
        for text in [
            "This ZooKeeper instance is not currently serving requests\n",
            "This instance is not currently serving requests",
            "This RaftKeeper instance is not currently serving requests\r\n",
            "this zookeeper instance is not currently serving requests",
            "THIS ZOOKEEPER INSTANCE IS NOT CURRENTLY SERVING REQUESTS\n",
        ] {
            assert_eq!(kind(text), ReplyKind::NotServing, "{text}");
        }
        assert_eq!(kind("MNTR is not executed because it is not in the WhiteList.\r\n"), ReplyKind::NotAllowed);
        for text in [
            "The leader is not currently serving requests.",
            "This page: no\ninstance is not currently serving requests",
            "This ZooKeeper ensemble of many names and places instance is not currently serving requests",
        ] {
            assert_eq!(kind(text), ReplyKind::Garbage, "{text}");
        }
    }
}
