//! What the demo prints: one line for each step with the time it took, in colour and with progress on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Colours; empty if the output is not a terminal, or with `NO_COLOR`.
#[derive(Default, Clone, Copy)]
pub(super) struct Colours {
    pub(super) bold: &'static str,
    pub(super) red: &'static str,
    pub(super) yellow: &'static str,
    pub(super) green: &'static str,
    pub(super) dim: &'static str,
    pub(super) plain: &'static str,
}

pub(super) struct Screen {
    /// The output is a terminal whose last line can be replaced.
    pub(super) live: bool,
    pub(super) colours: Colours,
}

/// A step in progress.
pub(super) struct Step {
    label: &'static str,
    pub(super) text: String,
    begun: Instant,
}

impl Screen {
    pub(super) fn new() -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let live = std::io::stdout().is_terminal() && !is_dumb;
        let colours = if live && !is_set("NO_COLOR") {
            Colours {
                bold: "\x1b[1m",
                red: "\x1b[31m",
                yellow: "\x1b[33m",
                green: "\x1b[32m",
                dim: "\x1b[2m",
                plain: "\x1b[m",
            }
        } else {
            Colours::default()
        };
        Self { live, colours }
    }

    pub(super) fn print(&self, text: &str) -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        self.clear_in(&mut output)?;
        output.write_all(text.as_bytes())?;
        output.flush()
    }

    pub(super) fn clear(&self) {
        let _ = self.print("");
    }

    fn clear_in(&self, output: &mut impl Write) -> std::io::Result<()> {
        output.write_all(if self.live { b"\r\x1b[K" } else { b"" })
    }

    pub(super) fn begin(&self, label: &'static str, text: impl Into<String>) -> std::io::Result<Step> {
        let step = Step { label, text: text.into(), begun: Instant::now() };
        self.show(&step)?;
        Ok(step)
    }

    /// Shows a step with its time; only on a terminal.
    pub(super) fn show(&self, step: &Step) -> std::io::Result<()> {
        if !self.live {
            return Ok(());
        }
        self.print(&format!("  {:<13} {}, {} s", step.label, step.text, step.begun.elapsed().as_secs()))
    }

    pub(super) fn end(&self, step: &Step, text: &str) -> std::io::Result<()> {
        let Colours { dim, plain, .. } = self.colours;
        let tenths = step.begun.elapsed().as_millis() / 100;
        self.print(&format!("  {:<13} {text} {dim}({}.{} s){plain}\n", step.label, tenths / 10, tenths % 10))
    }

    pub(super) fn width() -> usize {
        rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| usize::from(size.ws_col))
    }
}
