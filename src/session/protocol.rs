//! The state of one connection without I/O: the replies, events and pings that are due. Anything else is a protocol
//! violation, so that a server cannot make the exporter store data that was not requested.
//!
//! As in `ClientCnxn.SendThread.readResponse`, replies arrive in the order of the requests.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::SessionError;
use super::jute::{self, EVENT_XID, EventKind, Malformed, PING_XID, ReplyHeader, Request};

/// A request and the receiver of its reply.
#[derive(Debug)]
pub struct Call {
    /// The encoded request.
    pub frame: Vec<u8>,
    /// Maximum size of the reply's body; for a larger one the call fails with [`SessionError::TooLarge`].
    pub max_reply_bytes: usize,
    /// Receives the body of the reply. A dropped receiver is not an error.
    pub reply: oneshot::Sender<Result<Vec<u8>, SessionError>>,
    /// The path of the watch that the request sets, and the receiver of its event.
    pub watch: Option<(String, oneshot::Sender<EventKind>)>,
}

/// The replies, events and pings that are due on a connection.
#[derive(Debug, Default)]
pub struct Protocol {
    /// Unprocessed bytes: at most one frame of the maximum size, and the bytes received together with its end.
    pub inbox: Vec<u8>,
    pending: VecDeque<(i32, Call)>,
    /// By path: a session has one watch for the data of a znode, even if it was set repeatedly (`WatchManager`).
    watches: HashMap<String, oneshot::Sender<EventKind>>,
    events_due: usize,
    pings_due: usize,
    last_xid: i32,
    /// The last transaction reported by the server.
    pub last_zxid: i64,
}

/// Maximum size of the buffer that an idle connection keeps.
const IDLE_INBOX_BYTES: usize = 64 << 10;

impl Protocol {
    /// The number of requests without a reply.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Registers a call as pending and returns its frame.
    pub fn send(&mut self, mut call: Call) -> Vec<u8> {
        self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
        self.events_due += usize::from(call.watch.is_some());
        let mut frame = std::mem::take(&mut call.frame);
        jute::number(&mut frame, self.last_xid);
        self.pending.push_back((self.last_xid, call));
        frame
    }

    /// Registers a ping as due and returns its frame.
    pub fn ping(&mut self) -> Vec<u8> {
        self.pings_due += 1;
        Request::Ping.encode()
    }

    /// Processes the complete frames of the inbox.
    ///
    /// # Errors
    /// If the connection is unusable: the server violates the protocol, or reports that the session has moved or
    /// expired, or that authentication failed.
    pub fn receive(&mut self) -> Result<(), SessionError> {
        let inbox = std::mem::take(&mut self.inbox);
        let mut handled = 0;
        let outcome = loop {
            match jute::first_frame(&inbox[handled..]) {
                Ok(None) => break Ok(()),
                Ok(Some((frame, length))) => {
                    handled += length;
                    if let Err(error) = self.frame(frame) {
                        break Err(error);
                    }
                }
                Err(Malformed) => break Err(self.unreadable(&inbox[handled..])),
            }
        };
        self.inbox = inbox;
        self.inbox.drain(..handled);
        if self.inbox.is_empty() && self.inbox.capacity() > IDLE_INBOX_BYTES {
            self.inbox = Vec::new();
        }
        outcome
    }

    /// The error for a frame of invalid length: a reply above the limit, most likely a list of children, or a protocol
    /// violation.
    fn unreadable(&mut self, rest: &[u8]) -> SessionError {
        let is_negative = rest.first().is_some_and(|byte| byte & 0x80 != 0);
        let Some((_, call)) = self.pending.pop_front() else { return SessionError::Protocol };
        let error = if is_negative { SessionError::Protocol } else { SessionError::TooLarge };
        let _ = call.reply.send(Err(error));
        error
    }

    fn frame(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        let (header, body) = ReplyHeader::decode(frame)?;
        match header.xid {
            EVENT_XID => return self.event(body),
            PING_XID => {
                self.pings_due = self.pings_due.checked_sub(1).ok_or(SessionError::Protocol)?;
                return Ok(());
            }
            _ => {}
        }
        let (xid, call) = self.pending.pop_front().ok_or(SessionError::Protocol)?;
        if xid != header.xid {
            let _ = call.reply.send(Err(SessionError::Protocol));
            return Err(SessionError::Protocol);
        }
        self.last_zxid = self.last_zxid.max(header.zxid);
        let error = (header.error != 0).then(|| SessionError::from_code(header.error));
        if let Some((path, sender)) = call.watch {
            let is_new = error.is_none() && self.watches.insert(path, sender).is_none();
            self.events_due = self.events_due.saturating_sub(usize::from(!is_new));
        }
        let reply = match error {
            Some(error) => Err(error),
            None if body.len() > call.max_reply_bytes => Err(SessionError::TooLarge),
            None => Ok(body.to_vec()),
        };
        // The caller may have timed out.
        let _ = call.reply.send(reply);
        match error {
            Some(error @ (SessionError::Connect | SessionError::SessionExpired | SessionError::AuthFailed)) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn event(&mut self, body: &[u8]) -> Result<(), SessionError> {
        let (kind, path) = jute::event(body)?;
        self.events_due = self.events_due.checked_sub(1).ok_or(SessionError::Protocol)?;
        if let Some(watch) = self.watches.remove(path) {
            let _ = watch.send(kind);
        }
        Ok(())
    }

    /// Fails the pending calls. The watches end as well.
    pub fn fail(self, error: SessionError) {
        for (_, call) in self.pending {
            let _ = call.reply.send(Err(error));
        }
    }
}

impl From<Malformed> for SessionError {
    fn from(Malformed: Malformed) -> Self {
        Self::Protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<Vec<u8>, SessionError>>;

    fn call(max_reply_bytes: usize) -> (Call, Reply) {
        let (reply, replied) = oneshot::channel();
        (Call { frame: Request::GetChildren("/a").encode(), max_reply_bytes, reply, watch: None }, replied)
    }

    fn watched(path: &str) -> (Call, oneshot::Receiver<EventKind>) {
        let (tell, told) = oneshot::channel();
        let (call, _) = call(9);
        (Call { watch: Some((path.to_owned(), tell)), ..call }, told)
    }

    fn frame(parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&u32::try_from(body.len()).expect("short").to_be_bytes()[..], &body].concat()
    }

    fn reply(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
        frame(&[&xid.to_be_bytes(), &8_i64.to_be_bytes(), &error.to_be_bytes(), body])
    }

    fn changed(path: &str) -> Vec<u8> {
        let length = i32::try_from(path.len()).expect("short");
        let event = [&3_i32.to_be_bytes()[..], &3_i32.to_be_bytes(), &length.to_be_bytes(), path.as_bytes()].concat();
        reply(EVENT_XID, 0, &event)
    }

    fn receive(protocol: &mut Protocol, bytes: &[u8]) -> Result<(), SessionError> {
        protocol.inbox.extend_from_slice(bytes);
        protocol.receive()
    }

    #[test]
    fn replies_reach_their_calls_for_any_split_of_the_stream() {
        let mut protocol = Protocol::default();
        let ((one, mut first), (two, mut second)) = (call(9), call(9));
        assert_eq!(protocol.send(one)[4..8], 1_i32.to_be_bytes());
        assert_eq!(protocol.send(two)[4..8], 2_i32.to_be_bytes());
        for byte in [reply(1, 0, b"body"), reply(2, -101, b"")].concat() {
            assert_eq!(receive(&mut protocol, &[byte]), Ok(()));
        }
        assert_eq!(first.try_recv(), Ok(Ok(b"body".to_vec())));
        assert_eq!(second.try_recv(), Ok(Err(SessionError::NoNode)));
        assert_eq!((protocol.pending(), protocol.last_zxid, protocol.inbox.len()), (0, 8, 0));
    }

    #[test]
    fn unrequested_data_is_a_violation() {
        for unasked in [reply(1, 0, b""), reply(PING_XID, 0, b""), changed("/a"), frame(&[b"short"]), frame(&[])] {
            assert_eq!(receive(&mut Protocol::default(), &unasked), Err(SessionError::Protocol), "{unasked:?}");
        }
    }

    #[test]
    fn a_wrong_or_repeated_number_is_a_violation() {
        let mut protocol = Protocol::default();
        let ((one, mut first), (two, mut second)) = (call(9), call(9));
        protocol.send(one);
        protocol.send(two);
        assert_eq!(receive(&mut protocol, &reply(2, 0, b"")), Err(SessionError::Protocol));
        assert_eq!(first.try_recv(), Ok(Err(SessionError::Protocol)));
        protocol.fail(SessionError::Connect);
        assert_eq!(second.try_recv(), Ok(Err(SessionError::Connect)));

        let mut protocol = Protocol::default();
        protocol.send(call(9).0);
        let twice = [reply(1, 0, b""), reply(1, 0, b"")].concat();
        assert_eq!(receive(&mut protocol, &twice), Err(SessionError::Protocol));
    }

    #[test]
    fn an_event_is_due_once_for_each_watch_and_goes_to_its_path() {
        let mut protocol = Protocol::default();
        let ((one, mut first), (two, mut second)) = (watched("/a"), watched("/b"));
        protocol.send(one);
        protocol.send(two);
        assert_eq!(receive(&mut protocol, &[reply(1, 0, b""), reply(2, 0, b""), changed("/b")].concat()), Ok(()));
        assert_eq!(second.try_recv(), Ok(EventKind::DataChanged));
        assert!(first.try_recv().is_err());
        assert_eq!(receive(&mut protocol, &changed("/a")), Ok(()));
        assert_eq!(first.try_recv(), Ok(EventKind::DataChanged));
        assert_eq!(receive(&mut protocol, &changed("/a")), Err(SessionError::Protocol));
    }

    #[test]
    fn repeated_watches_are_one() {
        let mut protocol = Protocol::default();
        for xid in 1..=100 {
            let (one, mut event) = watched("/a");
            protocol.send(one);
            // A watch is not due if its request failed.
            let error = if xid % 2 == 0 { -101 } else { 0 };
            assert_eq!(receive(&mut protocol, &reply(xid, error, b"")), Ok(()));
            assert!(event.try_recv().is_err());
        }
        assert_eq!((protocol.watches.len(), protocol.events_due), (1, 1));
        assert_eq!(receive(&mut protocol, &changed("/a")), Ok(()));
        assert_eq!(receive(&mut protocol, &changed("/a")), Err(SessionError::Protocol));
    }

    #[test]
    fn a_negative_length_is_a_violation() {
        let mut protocol = Protocol::default();
        let (one, mut first) = call(9);
        protocol.send(one);
        assert_eq!(receive(&mut protocol, &(-7_i32).to_be_bytes()), Err(SessionError::Protocol));
        assert_eq!(first.try_recv(), Ok(Err(SessionError::Protocol)));
        assert_eq!(receive(&mut Protocol::default(), &0x7fff_ffff_u32.to_be_bytes()), Err(SessionError::Protocol));
    }

    #[test]
    fn a_ping_is_answered_once() {
        let mut protocol = Protocol::default();
        protocol.ping();
        assert_eq!(receive(&mut protocol, &reply(PING_XID, 0, b"")), Ok(()));
        assert_eq!(receive(&mut protocol, &reply(PING_XID, 0, b"")), Err(SessionError::Protocol));
    }

    #[test]
    fn a_long_reply_fails_its_call_and_a_frame_above_the_limit_the_connection() {
        let mut protocol = Protocol::default();
        let ((one, mut first), (two, mut second)) = (call(3), call(3));
        protocol.send(one);
        protocol.send(two);
        assert_eq!(receive(&mut protocol, &reply(1, 0, b"body")), Ok(()));
        assert_eq!(first.try_recv(), Ok(Err(SessionError::TooLarge)));
        assert_eq!(receive(&mut protocol, &0x7fff_ffff_u32.to_be_bytes()), Err(SessionError::TooLarge));
        assert_eq!(second.try_recv(), Ok(Err(SessionError::TooLarge)));
    }

    #[test]
    fn the_buffer_of_a_large_reply_is_released() {
        let mut protocol = Protocol::default();
        protocol.send(call(3).0);
        assert_eq!(receive(&mut protocol, &reply(1, 0, &vec![0; 1 << 20])), Ok(()));
        assert!(protocol.inbox.capacity() <= IDLE_INBOX_BYTES);
    }

    #[test]
    fn errors_of_the_session_end_the_connection() {
        for (code, error) in
            [(-118, SessionError::Connect), (-112, SessionError::SessionExpired), (-124, SessionError::AuthFailed)]
        {
            let mut protocol = Protocol::default();
            let (one, mut first) = call(9);
            protocol.send(one);
            assert_eq!(receive(&mut protocol, &reply(1, code, b"")), Err(error));
            assert_eq!(first.try_recv(), Ok(Err(error)));
        }
    }
}
