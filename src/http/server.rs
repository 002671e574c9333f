//! The accept loop: TLS, limits, timeouts, graceful drain. `axum::serve` has none of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::deadline::Deadline;
use super::guard::{guard, try_again};
use super::slots::{ConnectionSlots, Slot};
use super::web::{Web, WebState};
use super::write_timeout::{Stream, WriteTimeout};
use super::{App, HEALTH};

/// What bounds the clients of the exporter.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections open at once, besides some for health checks; for one more, the longest idle is closed and counted.
    pub connections: usize,
    /// Timeout of a TLS handshake.
    pub handshake_timeout: Duration,
    /// Timeout from the connect, or the last response, to the end of a request's headers.
    pub header_timeout: Duration,
    /// Timeout of the requests in flight at a shutdown.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// After a failed accept (out of descriptors, say), wait a little instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is done, then lets open requests finish within the grace period.
pub async fn serve(
    listeners: Vec<TcpListener>,
    app: Arc<App>,
    router: Router,
    limits: ServerLimits,
    web: Arc<Web>,
    stop: impl Future<Output = ()>,
) {
    let slots = ConnectionSlots::new(limits.connections);
    let router = router.layer(middleware::from_fn_with_state((Arc::clone(&web), Arc::clone(&app)), guard));
    let acceptor = Acceptor { app: Arc::clone(&app), router, limits, web: Arc::clone(&web), slots: slots.clone() };
    let following = tokio::spawn(web.follow());
    // Every connection holds a receiver: the channel is closed when the last connection has ended.
    let (shutdown, connections) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listeners, &slots) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok(client) => acceptor.open(client, Some(connections.clone())),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    following.abort();
    // While open requests finish, new ones are still answered: `/-/ready` with 503.
    app.draining.store(true, Ordering::Relaxed);
    // No request is in flight on these, and they would last until the end of the grace period.
    slots.close_silent();
    drop(connections);
    shutdown.send_replace(true);
    let grace = tokio::time::sleep(limits.grace);
    tokio::pin!(grace);
    loop {
        tokio::select! {
            () = shutdown.closed() => return,
            () = &mut grace => {
                tracing::warn!("grace period over: closing open connections");
                return;
            }
            accepted = accept(&listeners, &slots) => {
                if let Ok(client) = accepted {
                    acceptor.open(client, None);
                }
            }
        }
    }
}

/// A connection, and its permit among the open sockets, which is given back after it.
struct Client {
    stream: TcpStream,
    socket: Option<OwnedSemaphorePermit>,
}

/// The next connection of any listener, as soon as one more may be open.
async fn accept(listeners: &[TcpListener], slots: &ConnectionSlots) -> std::io::Result<Client> {
    let socket = slots.socket().await;
    let stream = std::future::poll_fn(|context| {
        for listener in listeners {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                return std::task::Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        std::task::Poll::Pending
    })
    .await?;
    Ok(Client { stream, socket })
}

/// What every connection is served with.
struct Acceptor {
    app: Arc<App>,
    router: Router,
    limits: ServerLimits,
    web: Arc<Web>,
    slots: ConnectionSlots,
}

impl Acceptor {
    /// Serves a client in a task of its own: nothing it does delays the accept loop.
    fn open(&self, client: Client, mut shutdown: Option<watch::Receiver<bool>>) {
        let address = client.stream.peer_addr().ok().map(|address| address.ip());
        let (slot, evicted) = self.slots.take(address);
        if evicted {
            self.app.telemetry.count_rejected();
        }
        let number = slot.number();
        let (router, limits, web, app) =
            (self.router.clone(), self.limits, Arc::clone(&self.web), Arc::clone(&self.app));
        let task = tokio::spawn(async move {
            let Client { stream, socket: _socket } = client;
            // In this order: a change is seen whose configuration the handshake does not use.
            let mut replaced = web.replaced();
            let Some((stream, tls)) = secure(stream, &web, limits).await else { return };
            let is_tls = tls.is_some();
            let stream = WriteTimeout::new(stream, Arc::clone(&slot), app.budgets.waiting.clone());
            let service = TrackedService { router: TowerToHyperService::new(router), slot, app, web, tls };
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_buf_size(64 << 10)
                // A client that has sent all it wants to send still waits for its response.
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing(&mut shutdown, &mut replaced, is_tls) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended early");
            }
        });
        self.slots.driven_by(number, task.abort_handle());
    }
}

/// Until a connection should end after its request in flight: at a shutdown, or when what it was authenticated by has
/// changed.
async fn closing(shutdown: &mut Option<watch::Receiver<bool>>, replaced: &mut watch::Receiver<()>, is_tls: bool) {
    let shutdown = async {
        match shutdown {
            // An error is a server that has ended.
            Some(shutdown) => drop(shutdown.wait_for(|shutdown| *shutdown).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown => {}
        _ = replaced.changed(), if is_tls => {}
    }
}

/// The handshake, where the web-config file asks for TLS, and what it was made with.
async fn secure(
    stream: TcpStream,
    web: &Web,
    limits: ServerLimits,
) -> Option<(Box<dyn Stream>, Option<Arc<WebState>>)> {
    // Only a hint to the kernel: a page that leaves a little later is still a page.
    let _ = stream.set_nodelay(true);
    let state = web.current();
    let Some(tls) = state.tls.clone() else { return Some((Box::new(stream), None)) };
    match timeout(limits.handshake_timeout, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => Some((Box::new(stream), Some(state))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("TLS handshake timed out");
            None
        }
    }
}

/// The router. Every request gets its deadline here, once its head has been read and before anything else.
struct TrackedService {
    router: TowerToHyperService<Router>,
    slot: Arc<Slot>,
    app: Arc<App>,
    web: Arc<Web>,
    /// What the client's certificate was verified by.
    tls: Option<Arc<WebState>>,
}

impl TrackedService {
    /// The answer to a request that this connection is not for.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response> {
        let is_outdated = self.tls.as_ref().is_some_and(|tls| !Arc::ptr_eq(tls, &self.web.current()));
        if is_outdated {
            return Some(try_again("the TLS configuration has changed, connect again\n"));
        }
        if self.slot.is_reserved() && !HEALTH.contains(&request.uri().path()) {
            self.app.telemetry.count_rejected();
            return Some(try_again("too many connections, try again later\n"));
        }
        None
    }
}

impl hyper::service::Service<Request<Incoming>> for TrackedService {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let deadline = Deadline::new(request.headers(), self.app.timeout_offset, Instant::now());
        let in_flight = self.slot.begin(deadline.expires());
        if let Some(mut response) = self.refusal(&request) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Box::pin(std::future::ready(Ok(response)));
        }
        request.extensions_mut().insert(Arc::clone(&self.slot));
        request.extensions_mut().insert(deadline);
        let is_reserved = self.slot.is_reserved();
        let response = self.router.call(request);
        Box::pin(async move {
            let response = timeout_at(deadline.begin_by(), response).await;
            let mut response =
                response.unwrap_or_else(|_| Ok(try_again("the request could not be answered in time\n")))?;
            drop(in_flight);
            if is_reserved {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}
