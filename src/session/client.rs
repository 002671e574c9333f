//! The operations of a session.

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::jute::{self, Acl, EventKind, MAX_FRAME_BYTES, Request, Stat};
use super::protocol::Call;
use super::{SessionError, SessionState};

/// Maximum body of replies without data or children: paths are limited by `jute.maxbuffer`.
const MAX_SMALL_BYTES: usize = 1 << 20;

/// A list of child names, stored as the bytes of the reply.
#[derive(Debug)]
pub struct Children(Vec<u8>);

impl Children {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // Cannot fail: the bytes were validated when they were received.
        jute::children(&self.0).into_iter().flatten()
    }
}

/// An active watch; ends with the connection.
#[derive(Debug)]
pub struct Watch {
    event: oneshot::Receiver<EventKind>,
    state: watch::Receiver<SessionState>,
    deadline: Instant,
}

impl Watch {
    /// Waits for the event.
    ///
    /// # Errors
    /// If the connection was lost, or no event arrived before the deadline.
    pub async fn event(self) -> Result<EventKind, SessionError> {
        let event = timeout_at(self.deadline, self.event).await.map_err(|_| SessionError::Timeout)?;
        event.map_err(|_| self.state.borrow().error())
    }
}

/// Sends requests on a session with one deadline for all. A request fails with a [`SessionError`]: an error of the
/// server, `Timeout` at the deadline, `Connect` if the connection is lost, or the error that ended the session. After
/// the last three the request may have been executed.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) session: i64,
    pub(super) state: watch::Receiver<SessionState>,
    pub(super) deadline: Instant,
}

#[expect(clippy::missing_errors_doc, reason = "described at the type")]
impl Client {
    /// The session id, unique within the ensemble.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.session
    }

    /// Creates a znode.
    pub async fn create(&self, path: &str, data: &[u8], acl: &[Acl], ephemeral: bool) -> Result<(), SessionError> {
        let body = self.call(&Request::Create(path, data, acl, ephemeral), MAX_SMALL_BYTES).await?;
        // The server changes the path of sequential znodes only.
        if jute::created(&body)? == path { Ok(()) } else { Err(SessionError::Protocol) }
    }

    /// Deletes a znode.
    pub async fn delete(&self, path: &str) -> Result<(), SessionError> {
        self.call(&Request::Delete(path), MAX_SMALL_BYTES).await.map(drop)
    }

    /// The stat of a znode; `None` if it does not exist.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>, SessionError> {
        match self.call(&Request::Exists(path), MAX_SMALL_BYTES).await {
            Err(SessionError::NoNode) => Ok(None),
            reply => Ok(Some(Stat::decode(&reply?)?)),
        }
    }

    /// The data of a znode, at most `max_bytes`, with its stat.
    pub async fn data(&self, path: &str, max_bytes: usize) -> Result<(Vec<u8>, Stat), SessionError> {
        data(self.call(&Request::GetData(path, false), room(max_bytes)).await?)
    }

    /// As [`Client::data`]; also sets a watch for the next change.
    pub async fn data_and_watch(&self, path: &str, max_bytes: usize) -> Result<(Vec<u8>, Stat, Watch), SessionError> {
        let (tell, event) = oneshot::channel();
        let watch = Some((path.to_owned(), tell));
        let reply = self.send(&Request::GetData(path, true), room(max_bytes), watch).await?;
        let (data, stat) = data(reply)?;
        Ok((data, stat, Watch { event, state: self.state.clone(), deadline: self.deadline }))
    }

    /// Replaces the data of a znode.
    pub async fn set_data(&self, path: &str, data: &[u8]) -> Result<Stat, SessionError> {
        Ok(Stat::decode(&self.call(&Request::SetData(path, data), MAX_SMALL_BYTES).await?)?)
    }

    /// The names of the children of a znode.
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
            // An error means that the session has ended, which has set the state before.
            self.calls.send(call).await.map_err(|_| self.state.borrow().error())?;
            replied.await.unwrap_or_else(|_| Err(self.state.borrow().error()))
        };
        timeout_at(self.deadline, done).await.unwrap_or(Err(SessionError::Timeout))
    }
}

/// Maximum size of a `getData` reply: the length, the data, and the stat.
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
