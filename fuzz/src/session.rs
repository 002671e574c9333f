//! Input from the server of a session: frames, records, and replies to requests.

use tokio::sync::oneshot;
use zookeeper_exporter::session::jute::{self, ConnectResponse, ReplyHeader, Request, Stat};
use zookeeper_exporter::session::protocol::{Call, Protocol};

/// The first byte selects the number of pending calls and those with a watch. The rest is sent by the server, in pieces
/// of the size given by the second byte.
pub fn session(data: &[u8]) {
    records(data);
    let [calls, piece, stream @ ..] = data else { return };
    let mut protocol = Protocol::default();
    let mut replies = Vec::new();
    let mut events = Vec::new();
    for number in 0..calls & 7 {
        let (reply, answer) = oneshot::channel();
        let watch = (calls & 8 != 0).then(|| {
            let (tell, told) = oneshot::channel();
            events.push(told);
            ("/a".to_owned(), tell)
        });
        let max_reply_bytes = usize::from(*piece);
        let frame = protocol.send(Call { frame: Request::GetData("/a", true).encode(), max_reply_bytes, reply, watch });
        assert_eq!(frame[4..8], (i32::from(number) + 1).to_be_bytes());
        replies.push((max_reply_bytes, answer));
    }
    if calls & 16 != 0 {
        protocol.ping();
    }
    let due = protocol.pending();
    let mut received = 0;
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        protocol.inbox.extend_from_slice(piece);
        received += piece.len();
        let outcome = protocol.receive();
        assert!(protocol.inbox.len() <= received && protocol.pending() <= due);
        if outcome.is_err() {
            break;
        }
        assert!(matches!(jute::first_frame(&protocol.inbox), Ok(None)), "a whole frame is left");
    }
    let answered = replies.iter_mut().filter_map(|(max, reply)| Some((*max, reply.try_recv().ok()?))).count();
    assert!(answered <= due);
    let told = events.iter_mut().filter_map(|event| event.try_recv().ok()).count();
    assert!(told <= answered, "an event for a watch that was not set");
    protocol.fail(zookeeper_exporter::session::SessionError::Connect);
    for (max, mut reply) in replies {
        match reply.try_recv() {
            Ok(Ok(body)) => assert!(body.len() <= max && body.len() <= stream.len()),
            // The reply was received above, or the call failed.
            Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => {}
            Err(oneshot::error::TryRecvError::Empty) => panic!("a call is left without a reply"),
        }
    }
}

/// No decoded value is longer than the bytes it was decoded from.
fn records(data: &[u8]) {
    if let Ok(response) = ConnectResponse::decode(data) {
        assert!(response.password.len() + 20 <= data.len());
    }
    if let Ok((_, body)) = ReplyHeader::decode(data) {
        assert_eq!(body.len() + 16, data.len());
    }
    let _ = (Stat::decode(data), jute::event(data));
    if let Ok((value, _)) = jute::data_and_stat(data) {
        assert!(value.len() + 72 <= data.len());
    }
    if let Ok(path) = jute::created(data) {
        assert!(path.len() + 4 <= data.len());
    }
    if let Ok(names) = jute::children(data) {
        let mut length = 4;
        for name in names {
            assert!(!name.is_empty() && !name.contains('/'));
            length += 4 + name.len();
        }
        assert!(length <= data.len());
    }
}
