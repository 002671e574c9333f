//! Texts as YAML has them, in the files of the alert rules.

/// Lines of prose are broken here.
const WIDTH: usize = 112;

/// A word as it is, anything else in quotes.
pub(super) fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte));
    if plain && !matches!(text, "on" | "off" | "yes" | "no" | "true" | "false" | "null" | "y" | "n" | "-") {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// A folded block: line breaks are read as spaces, and none is made where there was none.
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
    fn only_plain_words_stand_without_quotes() {
        for (text, written) in [
            ("storage-1", "\"storage-1\""),
            ("on_call", "on_call"),
            ("on", "\"on\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("say \"hi\\", "\"say \\\"hi\\\\\""),
        ] {
            assert_eq!(quoted(text), written);
        }
    }
}
