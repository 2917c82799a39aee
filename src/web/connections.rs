//! Connections: how many there are at most, and how long a client may keep one for nothing.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

/// How long requests that are under way may take when it is to stop: foreman kills after five seconds.
const GRACE: Duration = Duration::from_millis(2500);
/// More wait until one is free: each takes memory, and there are 32 MiB.
const CONNECTIONS: usize = 512;
/// How long a new connection may take to ask for something.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one may take to ask for more, idle or not. Proxies keep theirs for up to 90 seconds; were we the first to end
/// one, a request could be on its way.
const HEAD_TIMEOUT: Duration = Duration::from_secs(95);
/// The longest head.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take none of what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait after the system has refused us a connection, as it does when there are no files left.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves `routes` until `stop` is ready, and then finishes what is under way.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, slot) = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        start(stream, peer, slot, routes.clone(), &connections);
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        tracing::info!("clients were still connected at the end");
    }
}

/// Waits for a free slot first: a client beyond them stays in the queue of the system, which costs us nothing.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let slot = Arc::clone(slots).acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            // The client has gone already.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take connections, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

fn start(
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    routes: Router,
    connections: &GracefulShutdown,
) {
    // Small events go out at once; a connection that has ended meanwhile says so when it is read.
    stream.set_nodelay(true).ok();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&has_asked);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                }
            }
            () = nothing_asked(&has_asked) => tracing::debug!("a connection asked for nothing"),
        }
        drop(slot);
    });
}

/// Is ready when the first request has not come in time, and never when it has.
async fn nothing_asked(has_asked: &AtomicBool) {
    tokio::time::sleep(FIRST_HEAD_TIMEOUT).await;
    if has_asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}
