//! Replies of programs other than `ZooKeeper`.

use crate::config::Command;
use crate::wire::{Failure, Reason};
use crate::{reply, text};

/// How much of a reply of another program is examined and shown.
const SHOWN_BYTES: usize = 256;
const SHOWN_CHARS: usize = 60;

/// Whether bytes that are no reply of `ZooKeeper` are from another program: they are complete, or have a whole line. Some
/// programs send their greeting and wait.
pub(super) fn is_of_another(command: Command, bytes: &[u8], failure: Option<&Failure>) -> bool {
    let is_plain = matches!(command, Command::Mntr | Command::Srvr);
    let is_judged = is_plain && (bytes.contains(&b'\n') || is_tls(bytes));
    failure.is_none_or(|failure| is_judged && matches!(failure.reason, Reason::Timeout | Reason::Reset))
}

/// The failure of a query that another program answers.
pub(super) fn other_program(command: Command, bytes: &[u8]) -> Failure {
    let detail = format!(
        "the reply to `{command}` is not from ZooKeeper, it begins with {}; does another service listen on this port?",
        beginning(bytes)
    );
    Failure::new(Reason::Garbage, detail)
}

/// Whether bytes are a TLS alert or handshake.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 3, ..])
}

/// The begin of a reply of another program, for a message.
fn beginning(bytes: &[u8]) -> String {
    if is_tls(bytes) {
        return "a TLS record: the port expects TLS".to_owned();
    }
    let text = reply::text(&bytes[..bytes.len().min(SHOWN_BYTES)]);
    format!("`{}`", text::line(text.trim_start().lines().next().unwrap_or_default().trim_end(), SHOWN_CHARS))
}
