//! The accept loop: TLS, limits, timeouts, graceful drain. `axum::serve` has none of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::App;
use super::guard::guard;
use super::patience::{Patient, Stream};
use super::seats::{Asked, Seat, Seats};
use super::web::Web;

/// What bounds the clients of the exporter.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections open at once; for one more, the one that was idle longest is closed and counted.
    pub connections: usize,
    /// Most time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Most time from the connect, or the last response, to the end of a request's headers.
    pub header_timeout: Duration,
    /// Most time for a client to take an answer, from the first byte that had to wait for it.
    pub write_timeout: Duration,
    /// Most time to finish what is under way when told to stop.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_mins(1),
            grace: Duration::from_secs(10),
        }
    }
}

/// After a failed accept (out of descriptors, say), wait a little instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is done, then lets open requests finish within the grace.
pub async fn serve(
    listeners: Vec<TcpListener>,
    app: Arc<App>,
    router: Router,
    limits: ServerLimits,
    web: Arc<Web>,
    stop: impl Future<Output = ()>,
) {
    let seats = Seats::new(limits.connections);
    let router = router.layer(middleware::from_fn_with_state((Arc::clone(&web), Arc::clone(&app)), guard));
    let door = Door { app: Arc::clone(&app), router, limits, web: Arc::clone(&web), seats: seats.clone() };
    let following = tokio::spawn(web.follow());
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listeners, &seats) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok(client) => door.open(client, Some(graceful.watcher())),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    following.abort();
    // While open requests finish, new ones are still answered: `/-/ready` with 503.
    app.draining.store(true, Ordering::Relaxed);
    // Nothing is under way there, and it would hold the end up until the grace is over.
    seats.close_silent();
    let drained = graceful.shutdown();
    let grace = tokio::time::sleep(limits.grace);
    tokio::pin!(drained, grace);
    loop {
        tokio::select! {
            () = &mut drained => return,
            () = &mut grace => {
                tracing::warn!("requests were still open after the grace period");
                return;
            }
            accepted = accept(&listeners, &seats) => {
                if let Ok(client) = accepted {
                    door.open(client, None);
                }
            }
        }
    }
}

/// A connection, and its count among the open sockets, which ends after it.
struct Client {
    stream: TcpStream,
    socket: Option<OwnedSemaphorePermit>,
}

/// The next connection of any listener, as soon as one more may be open.
async fn accept(listeners: &[TcpListener], seats: &Seats) -> std::io::Result<Client> {
    let socket = seats.socket().await;
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
struct Door {
    app: Arc<App>,
    router: Router,
    limits: ServerLimits,
    web: Arc<Web>,
    seats: Seats,
}

impl Door {
    /// Lets a client in, in a task of its own: nothing it does holds the accept loop up.
    fn open(&self, client: Client, watcher: Option<Watcher>) {
        let seat = match self.seats.ask() {
            Asked::Free(seat) => seat,
            Asked::MadeFree(seat) => {
                self.app.telemetry.count_rejected();
                seat
            }
            Asked::Full => {
                self.app.telemetry.count_rejected();
                return;
            }
        };
        let number = seat.number();
        let (router, limits, web) = (self.router.clone(), self.limits, Arc::clone(&self.web));
        let task = tokio::spawn(async move {
            let Client { stream, socket: _socket } = client;
            let Some(stream) = secure(stream, &web, limits).await else { return };
            let stream = Patient::new(stream, limits.write_timeout, Arc::clone(&seat));
            let service = Attended { router: TowerToHyperService::new(router), seat };
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service);
            let ended = match watcher {
                Some(watcher) => watcher.watch(connection).await,
                None => connection.await,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
        Seat::driven_by(number, &self.seats, task.abort_handle());
    }
}

/// The handshake, where the web-config file asks for TLS.
async fn secure(stream: TcpStream, web: &Web, limits: ServerLimits) -> Option<Box<dyn Stream>> {
    // Only a hint to the kernel: a page that leaves a little later is still a page.
    let _ = stream.set_nodelay(true);
    let Some(tls) = web.current().tls.clone() else { return Some(Box::new(stream)) };
    match timeout(limits.handshake_timeout, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake did not end in time");
            None
        }
    }
}

/// The router, with the seat marked busy while a request is under way.
struct Attended {
    router: TowerToHyperService<Router>,
    seat: Arc<Seat>,
}

impl hyper::service::Service<Request<Incoming>> for Attended {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let busy = self.seat.busy();
        request.extensions_mut().insert(Arc::clone(&self.seat));
        let answer = self.router.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(busy);
            answer
        })
    }
}
