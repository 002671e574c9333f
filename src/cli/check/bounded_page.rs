//! Parses a metrics page piece by piece, with limits on bytes, lines and samples.

use crate::alert::Page;

/// Maximum size; enough for more than a thousand members with all their series.
const MAX_BYTES: usize = 128 << 20;

/// Maximum number of samples; each one takes up to a kilobyte of memory.
const MAX_SAMPLES: usize = 400_000;

/// Maximum length of a line; each label of a member has at most 1 KiB.
const MAX_LINE_BYTES: usize = 16 << 10;

/// A partly parsed page.
#[derive(Debug, Default)]
pub(in crate::cli) struct BoundedPage {
    page: Page,
    /// The incomplete last line.
    rest: Vec<u8>,
    bytes: usize,
    samples: usize,
}

impl BoundedPage {
    /// Parses the next piece.
    ///
    /// # Errors
    /// The exceeded limit.
    pub(in crate::cli) fn push(&mut self, piece: &[u8]) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > MAX_BYTES {
            return Err(too_large(&format!("{} MiB", MAX_BYTES >> 20)));
        }
        let mut piece = piece;
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (line, behind) = (&piece[..end], &piece[end + 1..]);
            if self.rest.is_empty() {
                self.line(line)?;
            } else {
                self.hold(line)?;
                let line = std::mem::take(&mut self.rest);
                self.line(&line)?;
            }
            piece = behind;
        }
        self.hold(piece)
    }

    /// The complete page, including a last line without a line break.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(in crate::cli) fn finish(mut self) -> Result<Page, String> {
        let line = std::mem::take(&mut self.rest);
        self.line(&line)?;
        Ok(self.page)
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), String> {
        if self.rest.len() + piece.len() > MAX_LINE_BYTES {
            return Err(format!(
                "a line of more than {} KiB: expected the metrics page of a zookeeper-exporter",
                MAX_LINE_BYTES >> 10
            ));
        }
        self.rest.extend_from_slice(piece);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if self.page.read_line(&String::from_utf8_lossy(line)) {
            self.samples += 1;
        }
        if self.samples > MAX_SAMPLES {
            return Err(too_large(&format!("{MAX_SAMPLES} samples")));
        }
        Ok(())
    }
}

fn too_large(bound: &str) -> String {
    format!("the page has more than {bound}: select one ensemble, e.g. --from http://HOST:PORT/probe?ensemble=NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_give_the_same_page() {
        let text = "# HELP a b\na 1\nb{x=\"é\"} 2\nnonsense\nc 3";
        for length in 1..text.len() {
            let mut page = BoundedPage::default();
            text.as_bytes().chunks(length).for_each(|piece| page.push(piece).expect("within bounds"));
            let page = page.finish().expect("within bounds");
            let values: Vec<f64> =
                ["a", "b", "c"].iter().flat_map(|name| page.samples(name)).map(|sample| sample.value).collect();
            assert_eq!(values, [1.0, 2.0, 3.0], "{length}");
            assert_eq!(page.samples("b")[0].labels["x"], "é");
        }
    }

    #[test]
    fn input_beyond_a_limit_is_rejected() {
        let mut page = BoundedPage::default();
        let lines = "a 1\n".repeat(1000);
        let pushed = (0..).find_map(|number| page.push(lines.as_bytes()).err().map(|why| (number, why)));
        let (number, why) = pushed.expect("a bound");
        assert!(number == 400 && why.contains("400000 samples"), "{number} {why}");
        let mut page = BoundedPage::default();
        assert!(page.push(&[b'x'; 10_000]).is_ok());
        assert!(page.push(&[b'x'; 10_000]).is_err_and(|why| why.contains("line of more than 16 KiB")));
        let mut page = BoundedPage::default();
        let comments = format!("#{}\n", " ".repeat(1022)).repeat(2 << 10);
        let pushed = (0..).find_map(|number| page.push(comments.as_bytes()).err().map(|why| (number, why)));
        assert!(pushed.is_some_and(|(number, why)| number == 64 && why.contains("128 MiB")));
    }
}
