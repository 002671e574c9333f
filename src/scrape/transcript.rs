//! Transcript of the queries and replies of one scrape, for debugging.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Command;
use crate::wire::{Exchange, Failure};

/// All queries of a scrape, in the order of their replies.
#[derive(Debug)]
pub struct Transcript {
    begun: Instant,
    questions: Mutex<Vec<Question>>,
}

/// Maximum number of queries kept.
const MOST: usize = 4000;

/// Number of lines shown of a reply.
const HEAD_LINES: usize = 5;
const HEAD_BYTES: usize = 1000;

/// One query and its result.
#[derive(Debug)]
pub struct Question {
    member: Arc<str>,
    command: Command,
    addresses: Vec<SocketAddr>,
    begun: Instant,
    took: Duration,
    connect: Option<Duration>,
    bytes: usize,
    head: String,
    /// Why the reply is missing or incomplete.
    pub failure: Option<Failure>,
}

impl Default for Transcript {
    fn default() -> Self {
        Self { begun: Instant::now(), questions: Mutex::default() }
    }
}

impl Transcript {
    /// Adds a query.
    pub(super) fn note(&self, question: Question) {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() < MOST {
            questions.push(question);
        }
    }
}

impl Question {
    /// Builds the entry for an exchange.
    pub(super) fn new(
        member: &Arc<str>,
        command: Command,
        addresses: &[SocketAddr],
        exchange: &Exchange,
        begun: Instant,
    ) -> Self {
        let head = &exchange.bytes[..exchange.bytes.len().min(HEAD_BYTES)];
        let text = String::from_utf8_lossy(head);
        let mut lines = text.lines();
        let mut head: Vec<String> =
            lines.by_ref().take(HEAD_LINES).map(|line| line.escape_debug().to_string()).collect();
        if lines.next().is_some() || exchange.bytes.len() > HEAD_BYTES {
            head.push("...".to_owned());
        }
        Self {
            member: Arc::clone(member),
            command,
            addresses: addresses.to_vec(),
            begun,
            took: begun.elapsed(),
            connect: exchange.connect,
            bytes: exchange.bytes.len(),
            head: head.join("\n"),
            failure: None,
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for question in self.questions.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let Question { member, command, addresses, begun, took, connect, bytes, head, failure } = question;
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            writeln!(f, "{member} {command}")?;
            writeln!(f, "  connected to   {}", addresses.join(", "))?;
            writeln!(f, "  sent at        {:.3}s", begun.duration_since(self.begun).as_secs_f64())?;
            let connect = connect.map_or("-".to_owned(), |time| format!("{:.4}s", time.as_secs_f64()));
            writeln!(f, "  connect, total {connect}, {:.4}s", took.as_secs_f64())?;
            match failure {
                None => writeln!(f, "  result         ok, {bytes} bytes")?,
                Some(failure) => {
                    writeln!(f, "  result         {}, {bytes} bytes: {}", failure.reason.text(), failure.detail)?;
                }
            }
            for line in head.lines() {
                writeln!(f, "  | {line}")?;
            }
        }
        Ok(())
    }
}
