//! The accept loop: TLS, limits, timeouts and graceful shutdown, which `axum::serve` does not provide.

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
use rustix::io::Errno;
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

/// Limits for clients.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Maximum number of open connections, without those reserved for health checks. At the limit, the longest idle
    /// connection is closed and counted.
    pub connections: usize,
    /// Timeout of a TLS handshake.
    pub handshake_timeout: Duration,
    /// Timeout for the headers of a request, from the connect or the previous response.
    pub header_timeout: Duration,
    /// Time for requests in flight at a shutdown.
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

/// Pause after a failed accept, to avoid a busy loop, e.g. without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Minimum time between two log lines about failed accepts.
const ACCEPT_LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Serves until `stop` completes, then waits for requests in flight within the grace period.
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
    // Every connection holds a receiver: the channel is closed after the last connection.
    let (shutdown, connections) = watch::channel(false);
    tokio::pin!(stop);
    let mut logged = None;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listeners, &slots) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok(client) => acceptor.open(client, Some(connections.clone())),
            Err(error) => {
                let full = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
                if error.raw_os_error().is_some_and(|code| full.contains(&code)) && slots.close_idle() {
                    app.telemetry.count_rejected();
                }
                if logged.is_none_or(|logged: Instant| logged.elapsed() > ACCEPT_LOG_INTERVAL) {
                    logged = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept a connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    following.abort();
    // New requests are still served, so that `/-/ready` returns 503.
    app.draining.store(true, Ordering::Relaxed);
    // These have no request in flight and would stay open for the whole grace period.
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

/// An accepted connection and its socket permit, which is released after the stream is closed.
struct Client {
    stream: TcpStream,
    socket: Option<OwnedSemaphorePermit>,
}

/// Accepts a connection from any listener, once another socket may be opened.
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

/// Handles accepted connections.
struct Acceptor {
    app: Arc<App>,
    router: Router,
    limits: ServerLimits,
    web: Arc<Web>,
    slots: ConnectionSlots,
}

impl Acceptor {
    /// Spawns a task for the client, so that it cannot delay the accept loop.
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
            // Subscribed before the handshake, so that no change of the TLS configuration is missed.
            let mut replaced = web.replaced();
            let Some((stream, tls)) = secure(stream, &web, limits).await else { return };
            let is_tls = tls.is_some();
            let stream = WriteTimeout::new(stream, Arc::clone(&slot), app.budgets.waiting.clone());
            let service = TrackedService { router: TowerToHyperService::new(router), slot, app, web, tls };
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_buf_size(64 << 10)
                // A client that has shut down its sending side still waits for the response.
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

/// Completes when a connection should end after its request in flight: at a shutdown, or when the TLS configuration
/// that authenticated it was replaced.
async fn closing(shutdown: &mut Option<watch::Receiver<bool>>, replaced: &mut watch::Receiver<()>, is_tls: bool) {
    let shutdown = async {
        match shutdown {
            // An error means that the server has stopped.
            Some(shutdown) => drop(shutdown.wait_for(|shutdown| *shutdown).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown => {}
        _ = replaced.changed(), if is_tls => {}
    }
}

/// Performs the handshake if TLS is configured. Also returns the configuration that was used.
async fn secure(
    stream: TcpStream,
    web: &Web,
    limits: ServerLimits,
) -> Option<(Box<dyn Stream>, Option<Arc<WebState>>)> {
    // An optimisation; a failure is harmless.
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

/// Wraps the router; sets the deadline of every request as soon as its head was read.
struct TrackedService {
    router: TowerToHyperService<Router>,
    slot: Arc<Slot>,
    app: Arc<App>,
    web: Arc<Web>,
    /// The configuration that verified the client certificate.
    tls: Option<Arc<WebState>>,
}

impl TrackedService {
    /// The refusal of a request that this connection must not serve, if any.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response> {
        let is_outdated = self.tls.as_ref().is_some_and(|tls| !Arc::ptr_eq(tls, &self.web.current()));
        if is_outdated {
            return Some(try_again("the TLS configuration has changed, connect again\n"));
        }
        let endpoint = self.app.paths.endpoint(request.uri().path());
        if self.slot.is_reserved() && !endpoint.is_some_and(|path| HEALTH.contains(&path)) {
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
