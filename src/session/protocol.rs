//! The state of one connection without its I/O: which replies, events and pings are due. Whatever else arrives is a
//! violation of the protocol, so that a server cannot make the exporter keep what it did not ask for.
//!
//! As in `ClientCnxn.SendThread.readResponse`, replies come in the order of the requests.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::SessionError;
use super::jute::{self, EVENT_XID, EventKind, Malformed, PING_XID, ReplyHeader, Request};

/// A request on its way to the server.
#[derive(Debug)]
pub struct Call {
    /// The encoded request.
    pub frame: Vec<u8>,
    /// A longer body is not handed on: the call fails with [`SessionError::TooLarge`].
    pub max_reply_bytes: usize,
    /// Where the body of the reply goes. A receiver that was dropped is not an error.
    pub reply: oneshot::Sender<Result<Vec<u8>, SessionError>>,
    /// The path whose watch the request sets, and where its event goes.
    pub watch: Option<(String, oneshot::Sender<EventKind>)>,
}

/// What is due on a connection.
#[derive(Debug, Default)]
pub struct Protocol {
    /// Bytes that are not handled yet: at most one frame of the largest size, and what arrived with its end.
    pub inbox: Vec<u8>,
    pending: VecDeque<(i32, Call)>,
    /// By path: a session has one watch on the data of a znode, however often it was set (`WatchManager`).
    watches: HashMap<String, oneshot::Sender<EventKind>>,
    events_due: usize,
    pings_due: usize,
    last_xid: i32,
    /// The last transaction that the server has told of.
    pub last_zxid: i64,
}

/// A connection keeps no more room than this for bytes to come.
const IDLE_INBOX_BYTES: usize = 64 << 10;

impl Protocol {
    /// Requests without a reply.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The frame to send for a call, which is now pending.
    pub fn send(&mut self, mut call: Call) -> Vec<u8> {
        self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
        self.events_due += usize::from(call.watch.is_some());
        let mut frame = std::mem::take(&mut call.frame);
        jute::number(&mut frame, self.last_xid);
        self.pending.push_back((self.last_xid, call));
        frame
    }

    /// The frame of a ping, whose reply is now due.
    pub fn ping(&mut self) -> Vec<u8> {
        self.pings_due += 1;
        Request::Ping.encode()
    }

    /// Handles the whole frames of the inbox.
    ///
    /// # Errors
    /// When the connection is of no more use: the server violates the protocol, or says that the session moved,
    /// expired, or lacks authentication.
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

    /// Ends a stream whose next frame cannot be read: a reply that is larger than what is read, most likely a list of
    /// children, or a violation.
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
        // The receiver may have run into its deadline.
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

    /// Fails what is pending; watches end with the connection, too.
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
    fn replies_find_their_calls_however_the_stream_is_cut() {
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
    fn what_was_not_requested_is_a_violation() {
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
    fn watches_set_again_and_again_are_one() {
        let mut protocol = Protocol::default();
        for xid in 1..=100 {
            let (one, mut event) = watched("/a");
            protocol.send(one);
            // A watch that was refused is not due either.
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
    fn the_room_of_a_large_reply_is_given_back() {
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
