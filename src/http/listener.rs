//! Connections: how many, how long they may take for what they send and to take what they are sent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::{Service, ServiceExt};
use tracing::{debug, warn};

/// A request's head must be complete within this time, and a connection on which nothing is asked for so long is closed.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// A client that takes nothing of its answer for so long is disconnected.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// The share of the connections that one address may have, unless it is this machine: a proxy asks for many.
const SHARE: usize = 4;

/// How long the last bytes of an answer may take to leave, at a stop.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 64 * 1_024;

/// Serves connections until `stopping` turns true, and then until each has its answer.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    mut stopping: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let peers = Peers::new(max_connections.div_ceil(SHARE));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: those who are connected go on, newcomers wait.
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = peers.enter(peer) else { continue };
        let (router, stopping) = (router.clone(), stopping.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, router, stopping).await {
                debug!("a client was disconnected: {error}");
            }
            drop((permit, place));
        });
    }
    drop(listener);
    // All of them back: nobody is connected any more.
    let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
    drop(permits.acquire_many(all).await);
}

/// The next connection. Beyond the limit they wait in the kernel, which has a bound of its own.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Small pieces of audio are to leave at once; where that cannot be had, they leave a little later.
    drop(stream.set_nodelay(true));
    Ok((stream, peer.ip(), permit))
}

/// How many connections each address has.
#[derive(Clone)]
struct Peers {
    /// Bounded by the connections that there may be. Contended by their beginnings and ends, for a count.
    connections: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One connection of an address; it is over when this is dropped.
struct Place(Peers, IpAddr);

impl Peers {
    fn new(most: usize) -> Self {
        Self { connections: Arc::default(), most }
    }

    /// One more; `None` where that address has as many as it may.
    fn enter(&self, peer: IpAddr) -> Option<Place> {
        let mut connections = self.connections.lock();
        let n = connections.entry(peer).or_default();
        if *n >= self.most && !peer.is_loopback() {
            return None;
        }
        *n += 1;
        Some(Place(self.clone(), peer))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(peers, peer) = self;
        let mut connections = peers.connections.lock();
        if let Some(n) = connections.get_mut(peer) {
            *n -= 1;
            if *n == 0 {
                connections.remove(peer);
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), hyper::Error> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_LIMIT));
    let at_work = AtWork::default();
    let counted = at_work.clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        answer(router.clone(), request, counted.begin())
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    // Whoever has not even asked is not waited for.
    tokio::select! {
        ended = connection => ended,
        () = at_work.rests() => Ok(()),
    }
}

/// Whether a connection has a request that is not answered to its end.
#[derive(Clone)]
struct AtWork(Arc<watch::Sender<usize>>);

/// One request; it is answered when this is dropped.
struct Answering(AtWork);

impl Default for AtWork {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl AtWork {
    fn begin(&self) -> Answering {
        self.0.send_modify(|n| *n += 1);
        Answering(self.clone())
    }

    async fn rests(&self) {
        // The sender is here, so that it cannot be gone.
        drop(self.0.subscribe().wait_for(|n| *n == 0).await);
        // The last bytes are on their way.
        tokio::time::sleep(LAST_BYTES).await;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.send_modify(|n| *n -= 1);
    }
}

/// The body of an answer, which is not over before it was taken.
struct Counted {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    answering: Answering,
) -> Result<Response<Counted>, Infallible> {
    let ready = <Router as ServiceExt<Request<Incoming>>>::ready(&mut router).await?;
    let response = ready.call(request).await?;
    Ok(response.map(|body| Counted { body, _answering: answering }))
}
