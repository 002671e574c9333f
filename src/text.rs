//! Untrusted texts: truncated where they enter, escaped where they are displayed.
//!
//! A stored text of a server has at most [`MAX_TEXT_BYTES`]. Names (namespaces, znode paths) keep all their characters
//! in the metrics output, which has escapes of its own; terminal, log, JSON and HTML use [`printable`] or
//! [`escape_json`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Maximum length of a text of a server; real names, versions and settings are shorter.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Number of texts truncated since the process started.
static CUT: AtomicU64 = AtomicU64::new(0);

/// The text, truncated to [`MAX_TEXT_BYTES`] at a character boundary; a cut is counted.
#[must_use]
pub fn cut(text: &str) -> &str {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    CUT.fetch_add(1, Ordering::Relaxed);
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

/// A text that describes its server (version, setting, subject): truncated and printable.
#[must_use]
pub fn fact(text: &str) -> String {
    printable(cut(text)).into_owned()
}

/// Number of texts truncated since the process started.
#[must_use]
pub fn cut_texts() -> u64 {
    CUT.load(Ordering::Relaxed)
}

/// The text with U+FFFD in place of unprintable characters ([`is_unprintable`]).
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unprintable) {
        text.chars().map(|c| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

/// One printable line, truncated with an ellipsis after `max` characters.
#[must_use]
pub fn line(text: &str, max: usize) -> String {
    let end = text.char_indices().nth(max).map_or(text.len(), |(end, _)| end);
    let mut line = printable(&text[..end]).into_owned();
    if end < text.len() {
        line.push('…');
    }
    line
}

/// The text with `***` in place of user and password in every URL: the part between `://` and the last `@` before the
/// next URL.
#[must_use]
pub fn without_logins(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut found = false;
    for part in parts {
        out.push_str("://");
        match part.rsplit_once('@') {
            Some((_, rest)) => {
                found = true;
                out.push_str("***@");
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    if found { Cow::Owned(out) } else { Cow::Borrowed(text) }
}

/// Parses a label value of the text formats up to its closing quote: the unescaped value, and the text after the quote.
#[must_use]
pub fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_owned();
    let mut characters = text[end..].char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), &text[end + place + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// JSON text with escapes in place of unprintable characters; serializers do not escape those from DEL on.
///
/// Line breaks occur only between JSON tokens, and are kept.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let stays = |c: char| c == '\n' || !is_unprintable(c);
    if json.chars().all(stays) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if stays(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

/// Whether a character moves the cursor, sets colours, breaks a line, changes the text direction or is invisible:
/// controls (C0, DEL, C1), format characters, line and paragraph separators, noncharacters.
#[must_use]
pub const fn is_unprintable(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\0'..='\u{9f}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        // The last two code points of each plane are noncharacters.
        c => c as u32 & 0xfffe == 0xfffe,
    }
}

/// Labels by name, in their order, unescaped.
pub type PageLabels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Parses the labels of a sample, starting after the opening brace; returns them and the text after the closing brace.
#[must_use]
pub fn page_labels(mut text: &str) -> Option<(PageLabels<'_>, &str)> {
    let mut labels = PageLabels::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.push((name, value));
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_whole_character_and_counted() {
        let before = cut_texts();
        assert_eq!(cut(&"x".repeat(MAX_TEXT_BYTES)).len(), MAX_TEXT_BYTES);
        let long = "é".repeat(600) + "x";
        assert_eq!(cut(&long), "é".repeat(512));
        assert_eq!(cut(&format!("x{long}")).len(), MAX_TEXT_BYTES - 1);
        assert!(cut_texts() >= before + 2);
    }

    #[test]
    fn nothing_that_paints_or_hides_is_shown() {
        for c in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{ad}', '\u{200b}', '\u{2028}', '\u{202e}'] {
            assert_eq!(printable(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        for c in ['\u{2066}', '\u{feff}', '\u{fffe}', '\u{fdd0}', '\u{e0041}', '\u{10ffff}'] {
            assert!(is_unprintable(c), "{c:?}");
        }
        let fine = "3.9.3 é 漢字 العربية 🦀 – … \u{fffd}";
        assert!(matches!(printable(fine), Cow::Borrowed(text) if text == fine));
        assert_eq!(fact(&"\u{9b}".repeat(2000)).chars().count(), 512);
        assert_eq!((line("ab\nc", 3), line("abc", 3)), ("ab\u{fffd}…".to_owned(), "abc".to_owned()));
    }

    #[test]
    fn no_login_of_a_url_is_shown() {
        for (text, shown) in [
            ("'http://u:p/q@zk:1/' found", "'http://***@zk:1/' found"),
            ("a http://u:p q@r@zk, https://v:w@x", "a http://***@zk, https://***@x"),
            ("http://zk:1/metrics", "http://zk:1/metrics"),
            ("to@someone", "to@someone"),
        ] {
            assert_eq!(without_logins(text), shown);
        }
    }

    #[test]
    fn json_means_the_same_after_the_escapes() {
        let value = serde_json::json!({"a\u{202e}": "\u{7f}\u{9b}\n\u{e0041}é", "b": ["\u{2028}\\"]});
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let escaped = escape_json(&text);
        assert!(escaped.contains("a\\u202e") && escaped.contains("\\udb40\\udc41é"), "{escaped}");
        assert!(!escaped.chars().any(|c| c != '\n' && is_unprintable(c)), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
    }
}
