//! The size of the terminal, and text fitted to it.

use rustix::termios::tcgetwinsize;

use super::one_shot::Style;

/// Standard output. Only a terminal has a size; text in a pipe is not shortened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) style: Style,
    /// Columns and rows of a terminal.
    size: Option<(usize, usize)>,
}

/// Minimum width; a narrower terminal is treated as having this width.
const MIN_WIDTH: usize = 40;

impl Screen {
    pub(super) fn of_stdout() -> Self {
        let size = tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = size.map(|size| (usize::from(size.ws_col).max(MIN_WIDTH), usize::from(size.ws_row)));
        Self { style: Style::of_stdout(), size }
    }

    /// The number of columns of a terminal.
    pub(super) fn width(self) -> Option<usize> {
        self.size.map(|(columns, _)| columns)
    }

    /// Wraps text at words; further lines are indented.
    pub(super) fn wrap(self, text: &str, indent: usize) -> String {
        match self.width() {
            Some(width) => wrapped(text, width, indent).join(&format!("\n{}", " ".repeat(indent))),
            None => text.to_owned(),
        }
    }

    /// Truncates text to the height of the screen; the last line reports the number of omitted lines.
    pub(super) fn cut(self, text: &str) -> String {
        let lines = text.lines().count();
        let Some((_, rows)) = self.size.filter(|(_, rows)| lines >= *rows) else { return text.to_owned() };
        // The cursor occupies the last line.
        let kept = rows.saturating_sub(2);
        let mut out: String = text.lines().take(kept).flat_map(|line| [line, "\n"]).collect();
        out.push_str(&self.style.strong(&format!("{} more lines", lines - kept)));
        out.push('\n');
        out
    }
}

/// Lines of at most `width` columns; the first begins at `indent`. A longer word is not broken.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.is_empty() || used + 1 + length <= width => {
                if !line.is_empty() {
                    line.push(' ');
                    used += 1;
                }
                line.push_str(word);
                used += length;
            }
            _ => {
                lines.push(word.to_owned());
                used = indent + length;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrapped("aa bb cc dd", 10, 4), ["aa bb", "cc dd"]);
        assert_eq!(wrapped("a longer-than-the-line b", 10, 2), ["a", "longer-than-the-line", "b"]);
        assert_eq!(wrapped("", 10, 2), [""]);
    }
}
