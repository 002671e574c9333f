//! YAML scalars for the alert rule files.

use crate::text::is_unprintable;

/// Line width of folded text.
const WIDTH: usize = 112;

/// A key or value: plain if it is a simple word, otherwise double-quoted with escapes for non-printable characters.
pub(super) fn quoted(text: &str) -> String {
    // YAML 1.1 parses these as booleans or null.
    let taken = matches!(text, "on" | "off" | "yes" | "no" | "true" | "false" | "null" | "y" | "n");
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte));
    if plain && !taken {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if is_unprintable(c) => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A sentence or URL: plain if every parser reads it as a string, otherwise quoted.
pub(super) fn prose(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && (text.contains(' ') || text.contains("://"))
        && ![": ", " #", "  "].iter().any(|piece| text.contains(piece))
        && !text.ends_with([':', ' ']);
    if plain { text.to_owned() } else { quoted(text) }
}

/// A folded block: line breaks are read as spaces, and only existing spaces are broken.
pub(super) fn folded(text: &str, out: &mut String) {
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + word.len() > WIDTH {
            out.push_str(&format!("            {line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push_str(&format!("            {line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_unquoted() {
        for (text, written) in [
            ("storage-1", "\"storage-1\""),
            ("on_call", "on_call"),
            ("on", "\"on\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("say \"hi\\", "\"say \\\"hi\\\\\""),
            ("--", "\"--\""),
            ("a\n\u{9b}", "\"a\\n\\U0000009b\""),
        ] {
            assert_eq!(quoted(text), written);
        }
        for (text, plain) in [
            ("A member is down.", true),
            ("https://x/y#z.md", true),
            ("a: b", false),
            ("a #b", false),
            ("a:", false),
            ("word", true),
            ("null", false),
            ("2001-12-14 21:59:43", false),
            ("é a", false),
        ] {
            assert_eq!(!prose(text).starts_with('"'), plain, "{text}");
        }
    }
}
