//! Pure parsers of what a member answers, one file per command; total on any bytes, no I/O.
//!
//! A parser gives untyped entries: key, labels, value as text. The catalogue knows what they mean, and `scrape` joins
//! the two.

pub mod conf;
pub mod digits;
pub mod mntr;
pub mod monitor;
pub mod number;
pub mod srvr;

use std::borrow::Cow;

pub use number::Number;

/// What kind of reply came, before anything is read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// The answer to the word.
    Answer,
    /// `This ZooKeeper instance is not currently serving requests` (`AbstractFourLetterCommand`), or the same without a
    /// name (`ClickHouse` Keeper, `RaftKeeper`).
    NotServing,
    /// `<word> is not executed because it is not in the whitelist.` (`NopCommand`).
    NotAllowed,
    /// Not a byte.
    Empty,
    /// Nothing that ZooKeeper says.
    Garbage,
}

/// What ZooKeeper says between `This ` and this is its own name; Keeper and RaftKeeper name nothing.
const NOT_SERVING: &str = "instance is not currently serving requests";
const NOT_ALLOWED: &str = "is not executed because it is not in the whitelist.";

/// Reads bytes as text; 3.4 to 3.6 write the JVM's own charset, so bad UTF-8 is replaced.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Checking first is several times faster than replacing as one goes, and nearly all replies are clean.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Sorts a reply by its beginning; `is_answer` says whether it answers the word.
fn recognise(text: &str, is_answer: impl FnOnce(&str) -> bool) -> Recognised {
    if text.is_empty() {
        Recognised::Empty
    } else if is_answer(text) {
        Recognised::Answer
    } else if says_not_serving(text) {
        Recognised::NotServing
    } else if text.lines().next().is_some_and(|line| line.ends_with(NOT_ALLOWED)) {
        Recognised::NotAllowed
    } else {
        Recognised::Garbage
    }
}

/// Whether a text begins with the sentence of a member that serves no clients.
fn says_not_serving(text: &str) -> bool {
    let sentence = text.strip_prefix("This ").and_then(|rest| rest.lines().next());
    sentence.and_then(|line| line.find(NOT_SERVING)).is_some_and(|at| at <= MAX_PRODUCT_BYTES)
}

/// No product has a longer name.
const MAX_PRODUCT_BYTES: usize = 32;

/// `3.9.3` of `3.9.3-c26634f…, built on 2024-10-17 23:21 UTC`, and `v2.0.5` of `RaftKeeper v2.0.5-0123…`.
#[must_use]
pub fn short_version(full: &str) -> &str {
    let begins = |word: &&str| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit())
    };
    // Other products may put their own name first.
    let product = full.split(' ').next().unwrap_or(full);
    let word = if begins(&product) { product } else { full.split(' ').nth(1).filter(begins).unwrap_or(product) };
    word.split(['-', ',']).next().unwrap_or(word)
}

/// The numbers of a version such as `3.9.3`; `None` where it does not begin with `X.Y`.
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
    fn versions_as_real_servers_write_them() {
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
    fn a_member_that_does_not_serve_says_so_in_three_products() {
        let kind = |text: &str| recognise(text, |_| false);
        for text in [
            "This ZooKeeper instance is not currently serving requests\n",
            "This instance is not currently serving requests",
            "This RaftKeeper instance is not currently serving requests\r\n",
        ] {
            assert_eq!(kind(text), Recognised::NotServing, "{text}");
        }
        for text in [
            "The leader is not currently serving requests.",
            "This page says: no\ninstance is not currently serving requests",
        ] {
            assert_eq!(kind(text), Recognised::Garbage, "{text}");
        }
    }
}
