//! The operations of a session.

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::SessionError;
use super::jute::{self, Acl, EventKind, MAX_FRAME_BYTES, Request, Stat};
use super::protocol::Call;

/// A body of anything but data and children is shorter: paths have at most `jute.maxbuffer`.
const MAX_SMALL_BYTES: usize = 1 << 20;

/// A list of children that was read; the names stay in its bytes.
#[derive(Debug)]
pub struct Children(Vec<u8>);

impl Children {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // It was decoded when it was received.
        jute::children(&self.0).into_iter().flatten()
    }
}

/// A watch that is set; it ends with the connection.
#[derive(Debug)]
pub struct Watch {
    event: oneshot::Receiver<EventKind>,
    deadline: Instant,
}

impl Watch {
    /// What happened to the znode.
    ///
    /// # Errors
    /// When the connection was lost, or nothing happened before the deadline.
    pub async fn event(self) -> Result<EventKind, SessionError> {
        let event = timeout_at(self.deadline, self.event).await.map_err(|_| SessionError::Timeout)?;
        event.map_err(|_| SessionError::Connect)
    }
}

/// Sends requests on a session, all under one deadline. Each fails with [`SessionError`]: the server's own, `Timeout`
/// at the deadline, `Connect` when the connection is lost. A request that failed so may have been carried out.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) session: i64,
    pub(super) deadline: Instant,
}

#[expect(clippy::missing_errors_doc, reason = "the type's comment says how they fail")]
impl Client {
    /// The session's number, which no other session has.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.session
    }

    /// Creates a znode.
    pub async fn create(&self, path: &str, data: &[u8], acl: &[Acl], ephemeral: bool) -> Result<(), SessionError> {
        let body = self.call(&Request::Create(path, data, acl, ephemeral), MAX_SMALL_BYTES).await?;
        // The server adds to the path of sequential znodes only.
        if jute::created(&body)? == path { Ok(()) } else { Err(SessionError::Protocol) }
    }

    /// Deletes a znode.
    pub async fn delete(&self, path: &str) -> Result<(), SessionError> {
        self.call(&Request::Delete(path), MAX_SMALL_BYTES).await.map(drop)
    }

    /// The stat of a znode; none where there is no such znode.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>, SessionError> {
        match self.call(&Request::Exists(path), MAX_SMALL_BYTES).await {
            Err(SessionError::NoNode) => Ok(None),
            reply => Ok(Some(Stat::decode(&reply?)?)),
        }
    }

    /// The data of a znode, of at most so many bytes, and its stat.
    pub async fn data(&self, path: &str, max_bytes: usize) -> Result<(Vec<u8>, Stat), SessionError> {
        data(self.call(&Request::GetData(path, false), room(max_bytes)).await?)
    }

    /// The same, and a watch on the next change.
    pub async fn data_and_watch(&self, path: &str, max_bytes: usize) -> Result<(Vec<u8>, Stat, Watch), SessionError> {
        let (tell, event) = oneshot::channel();
        let watch = Some((path.to_owned(), tell));
        let reply = self.send(&Request::GetData(path, true), room(max_bytes), watch).await?;
        let (data, stat) = data(reply)?;
        Ok((data, stat, Watch { event, deadline: self.deadline }))
    }

    /// Replaces the data of a znode.
    pub async fn set_data(&self, path: &str, data: &[u8]) -> Result<Stat, SessionError> {
        Ok(Stat::decode(&self.call(&Request::SetData(path, data), MAX_SMALL_BYTES).await?)?)
    }

    /// The names of its children.
    pub async fn children(&self, path: &str) -> Result<Children, SessionError> {
        let body = self.call(&Request::GetChildren(path), MAX_FRAME_BYTES).await?;
        jute::children(&body).map(drop)?;
        Ok(Children(body))
    }

    async fn call(&self, request: &Request<'_>, max_reply_bytes: usize) -> Result<Vec<u8>, SessionError> {
        self.send(request, max_reply_bytes, None).await
    }

    async fn send(
        &self,
        request: &Request<'_>,
        max_reply_bytes: usize,
        watch: Option<(String, oneshot::Sender<EventKind>)>,
    ) -> Result<Vec<u8>, SessionError> {
        let (reply, replied) = oneshot::channel();
        let call = Call { frame: request.encode(), max_reply_bytes, reply, watch };
        let done = async {
            self.calls.send(call).await.map_err(|_| SessionError::Connect)?;
            replied.await.unwrap_or(Err(SessionError::Connect))
        };
        timeout_at(self.deadline, done).await.unwrap_or(Err(SessionError::Timeout))
    }
}

/// The reply to `getData` with so much data: a length before it, and the stat behind.
const fn room(max_bytes: usize) -> usize {
    4 + max_bytes + 68
}

fn data(mut body: Vec<u8>) -> Result<(Vec<u8>, Stat), SessionError> {
    let (data, stat) = jute::data_and_stat(&body)?;
    let end = 4 + data.len();
    body.truncate(end);
    body.drain(..4);
    Ok((body, stat))
}
