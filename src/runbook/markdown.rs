//! Converts the Markdown of the runbooks to HTML: headings, paragraphs, lists, tables, code, emphasis and links.
//!
//! The documents are part of the binary; their text is escaped nevertheless.

use maud::{Markup, PreEscaped, html};

use super::target;

/// Converts a document to HTML.
#[must_use]
pub fn html(text: &str) -> Markup {
    let lines: Vec<&str> = text.lines().collect();
    blocks(&lines)
}

fn blocks(lines: &[&str]) -> Markup {
    let mut out = String::new();
    let mut rest = lines;
    while let Some((first, behind)) = rest.split_first() {
        let (markup, after) = if first.trim().is_empty() {
            (html! {}, behind)
        } else if let Some((level, title)) = heading(first) {
            (titled(level, title), behind)
        } else if first.starts_with("```") {
            code(behind)
        } else if is_table(rest) {
            table(rest)
        } else if marker(first).is_some() {
            list(rest)
        } else {
            paragraph(rest)
        };
        out.push_str(&markup.0);
        rest = after;
    }
    PreEscaped(out)
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|&byte| byte == b'#').count();
    line[level..].strip_prefix(' ').filter(|_| (1..=4).contains(&level)).map(|title| (level, title))
}

fn titled(level: usize, title: &str) -> Markup {
    let (id, title) = (anchor(title), inline(title));
    match level {
        1 => html! { h1 id=(id) { (title) } },
        2 => html! { h2 id=(id) { (title) } },
        _ => html! { h3 id=(id) { (title) } },
    }
}

/// The anchor that GitHub generates for a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A code block, up to the closing fence.
fn code<'l, 't>(lines: &'l [&'t str]) -> (Markup, &'l [&'t str]) {
    let end = lines.iter().position(|line| line.starts_with("```")).unwrap_or(lines.len());
    let text = lines[..end].join("\n");
    (html! { pre { code { (text) } } }, lines.get(end + 1..).unwrap_or_default())
}

/// A header row and its delimiter row; a single line with a pipe character may be a command.
fn is_table(lines: &[&str]) -> bool {
    matches!(lines, [head, below, ..] if head.starts_with('|') && below.starts_with("|-"))
}

fn table<'l, 't>(lines: &'l [&'t str]) -> (Markup, &'l [&'t str]) {
    let end = lines.iter().position(|line| !line.starts_with('|')).unwrap_or(lines.len());
    let mut rows = lines[..end].iter().map(|line| cells(line));
    let head = rows.next().unwrap_or_default();
    let markup = html! {
        .scroll {
            table {
                thead { tr { @for cell in &head { th { (inline(cell)) } } } }
                tbody {
                    // The delimiter row is not part of the content.
                    @for row in rows.skip(1) {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                td data-name=(head.get(place).map_or("", String::as_str)) { (inline(cell)) }
                            }
                        }
                    }
                }
            }
        }
    };
    (markup, &lines[end..])
}

/// The cells of a row; `\|` is an escaped pipe character.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|');
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let mut cells = vec![String::new()];
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, cells.last_mut()) {
            ('\\', Some(cell)) if chars.peek() == Some(&'|') => {
                cell.push('|');
                chars.next();
            }
            ('|', _) => cells.push(String::new()),
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The marker of a list item: whether it is numbered, and where its text starts.
fn marker(line: &str) -> Option<(bool, usize)> {
    if line.starts_with("- ") {
        return Some((false, 2));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && line[digits..].starts_with(". ")).then_some((true, digits + 2))
}

fn list<'l, 't>(lines: &'l [&'t str]) -> (Markup, &'l [&'t str]) {
    let numbered = marker(lines[0]).is_some_and(|(numbered, _)| numbered);
    let mut items: Vec<Vec<&str>> = Vec::new();
    let mut end = 0;
    while let Some(line) = lines.get(end) {
        match (marker(line), items.last_mut()) {
            (Some((kind, begin)), _) if kind == numbered => items.push(vec![&line[begin..]]),
            (None, Some(item)) if line.starts_with("  ") => {
                let indent = line.len() - line.trim_start().len();
                item.push(&line[indent.min(if numbered { 3 } else { 2 })..]);
            }
            // An empty line continues the item if an indented line follows.
            (None, Some(item)) if line.is_empty() && lines.get(end + 1).is_some_and(|next| next.starts_with("  ")) => {
                item.push("");
            }
            _ => break,
        }
        end += 1;
    }
    let items = html! { @for item in &items { li { (blocks(item)) } } };
    let markup = if numbered {
        html! { ol { (items) } }
    } else {
        html! { ul { (items) } }
    };
    (markup, &lines[end..])
}

fn paragraph<'l, 't>(lines: &'l [&'t str]) -> (Markup, &'l [&'t str]) {
    let ends = |place: &usize| {
        let line = lines[*place];
        let other = line.starts_with("```") || heading(line).is_some() || marker(line).is_some();
        line.trim().is_empty() || other || is_table(&lines[*place..])
    };
    let end = (1..lines.len()).find(ends).unwrap_or(lines.len());
    (html! { p { (inline(&lines[..end].join("\n"))) } }, &lines[end..])
}

/// Converts code, emphasis and links in a text.
fn inline(text: &str) -> Markup {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        let marked = code_span(from).or_else(|| strong(from)).or_else(|| link(from));
        let (markup, after) = marked.unwrap_or_else(|| (html! { (from[..1]) }, &from[1..]));
        out.push_str(&html! { (before) (markup) }.0);
        rest = after;
    }
    out.push_str(&html! { (rest) }.0);
    PreEscaped(out)
}

fn code_span(text: &str) -> Option<(Markup, &str)> {
    let (code, after) = text.strip_prefix('`')?.split_once('`')?;
    Some((html! { code { (code) } }, after))
}

fn strong(text: &str) -> Option<(Markup, &str)> {
    let (strong, after) = text.strip_prefix("**")?.split_once("**")?;
    Some((html! { strong { (inline(strong)) } }, after))
}

fn link(text: &str) -> Option<(Markup, &str)> {
    let (shown, behind) = text.strip_prefix('[')?.split_once("](")?;
    let (link, after) = behind.split_once(')')?;
    // Only relative and web links.
    let plain = !link.contains(':') || link.starts_with("https://") || link.starts_with("http://");
    (plain && !shown.contains('[')).then(|| (html! { a href=(target(link)) { (inline(shown)) } }, after))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn each_element_of_the_runbooks_is_written() {
        for (text, expected) in [
            ("# One & two", "<h1 id=\"one--two\">One &amp; two</h1>"),
            ("a\nb\n\nc", "<p>a\nb</p><p>c</p>"),
            ("`a|b` **x** *y", "<p><code>a|b</code> <strong>x</strong> *y</p>"),
            ("[x](https://e.com/y)", "<p><a href=\"https://e.com/y\">x</a></p>"),
            ("1. a\n   b\n2. c\n\nd", "<ol><li><p>a\nb</p></li><li><p>c</p></li></ol><p>d</p>"),
            (
                "- a\n\n  ```sh\n  x <y\n  ```\n- b",
                "<ul><li><p>a</p><pre><code>x &lt;y</code></pre></li><li><p>b</p></li></ul>",
            ),
        ] {
            assert_eq!(html(text).into_string(), expected);
        }
        assert_eq!(html("a `b\n| c`").into_string(), "<p>a <code>b\n| c</code></p>");
        let table = html("| a | b |\n|---|---|\n| `x \\| y` | z |\n").into_string();
        assert!(table.contains("<td data-name=\"a\"><code>x | y</code></td><td data-name=\"b\">z</td>"), "{table}");
    }

    #[test]
    fn nothing_but_the_elements_is_markup() {
        let page = html("<script>1</script> [x](javascript:alert) ![y](z) [\n| <b> |\n|---|\n").into_string();
        assert!(!page.contains("<script") && !page.contains("href=\"javascript") && !page.contains("<b>"), "{page}");
        for broken in ["```", "```\na", "|", "1. ", "**", "[a](", "`", "- ", "  x", "#", "####### x", "é*é`é["] {
            // Terminates for any text.
            let _ = html(broken);
        }
    }
}
