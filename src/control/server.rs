//! The daemon's end of the control socket: one task for each client, one request at a time.
//!
//! Knows nothing of what a request means; that is the handler's. A slow or hostile client loses only itself.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::handler::Handler;
use super::protocol::{MAX_REQUEST_BYTES, Refusal, RefusalCode, Reply, Request, Response};
use crate::history::Next;

/// A connection on which nothing is asked for so long is closed, so that forgotten ones do not use up the limit.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// A request line must be complete within this time of its first byte.
const LINE_LIMIT: Duration = Duration::from_secs(10);

/// A client that does not take its answer for so long is disconnected.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// The pace of looking whether a client is gone that has said all it has to say.
const HANG_UP_POLL: Duration = Duration::from_millis(200);

/// Followers' entries are sent in batches of about this size.
const BATCH_BYTES: usize = 32 * 1_024;

/// Serves clients until `closing` turns true, and then until each has what was said to it. Runs in a `LocalSet`.
pub async fn serve(
    listener: UnixListener,
    handler: Rc<Handler>,
    mut closing: watch::Receiver<bool>,
) {
    let permits = handler.connections();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: those who are connected go on, newcomers wait.
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if !is_allowed(&stream) {
            continue;
        }
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            turn_away(&stream);
            continue;
        };
        let client = Client::new(stream, Rc::clone(&handler), closing.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = client.run().await {
                debug!("a client was disconnected: {error}");
            }
            drop(permit);
        });
    }
    let all = u32::try_from(handler.max_connections()).unwrap_or(u32::MAX);
    // A client that does not read does not keep the daemon: the caller has a deadline.
    drop(permits.acquire_many(all).await);
}

/// Only this user, and root, may steer. The socket's mode says so already; a file system may not keep modes.
fn is_allowed(stream: &UnixStream) -> bool {
    let me = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == me || peer.uid() == 0 => true,
        Ok(peer) => {
            warn!(uid = peer.uid(), pid = peer.pid(), "another user tried to connect");
            false
        }
        Err(error) => {
            warn!("cannot tell who connects: {error}");
            false
        }
    }
}

/// Tells a client that there are too many, as far as its buffer takes it: nobody is waited for.
fn turn_away(stream: &UnixStream) {
    let refusal = Refusal::new(
        RefusalCode::TooManyClients,
        "too many connections; close one, or raise limits.max_clients",
    );
    let _untold = stream.try_write(&line(&Err(refusal)));
}

struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    handler: Rc<Handler>,
    closing: watch::Receiver<bool>,
}

enum Asked {
    Request(Request),
    Wrong(Refusal),
    /// It cannot be told where the next request begins.
    Hopeless(Refusal),
    HungUp,
}

impl Client {
    fn new(stream: UnixStream, handler: Rc<Handler>, closing: watch::Receiver<bool>) -> Self {
        let (reader, writer) = stream.into_split();
        // Small: most requests are, and there may be many clients.
        Self { reader: BufReader::with_capacity(1_024, reader), writer, handler, closing }
    }

    async fn run(mut self) -> io::Result<()> {
        loop {
            let mut closing = self.closing.clone();
            let asked = tokio::select! {
                asked = self.read_request() => asked?,
                _ = closing.wait_for(|closing| *closing) => return Ok(()),
            };
            match asked {
                Asked::Request(Request::Subscribe) => return self.subscribe().await,
                Asked::Request(Request::History(history)) => {
                    let is_lost = !self.send_history(history.follow).await?;
                    if history.follow || is_lost {
                        return Ok(());
                    }
                }
                Asked::Request(request) => {
                    let handler = Rc::clone(&self.handler);
                    let reply = tokio::select! {
                        biased; // a request that was heard is carried out, whether its answer is or not
                        reply = handler.handle(request) => reply,
                        () = hung_up(&mut self.reader) => return Ok(()),
                    };
                    self.send(&line(&reply)).await?;
                }
                Asked::Wrong(refusal) => self.send(&line(&Err(refusal))).await?,
                Asked::Hopeless(refusal) => return self.send(&line(&Err(refusal))).await,
                Asked::HungUp => return Ok(()),
            }
        }
    }

    async fn read_request(&mut self) -> io::Result<Asked> {
        match timeout(IDLE_LIMIT, self.reader.fill_buf()).await {
            Ok(Ok([])) | Err(_) => return Ok(Asked::HungUp),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        let limit = MAX_REQUEST_BYTES as u64 + 1;
        let mut limited = (&mut self.reader).take(limit);
        let Ok(read) = timeout(LINE_LIMIT, limited.read_until(b'\n', &mut bytes)).await else {
            let message = format!("a request must be complete within {} s", LINE_LIMIT.as_secs());
            return Ok(Asked::Hopeless(Refusal::new(RefusalCode::TimedOut, message)));
        };
        read?;
        if bytes.last() != Some(&b'\n') {
            let message = if bytes.len() > MAX_REQUEST_BYTES {
                format!("a request is one line of at most {MAX_REQUEST_BYTES} bytes")
            } else {
                "a request ends with a newline".to_owned()
            };
            return Ok(Asked::Hopeless(Refusal::new(RefusalCode::BadRequest, message)));
        }
        Ok(match serde_json::from_slice(&bytes) {
            Ok(request) => Asked::Request(request),
            Err(error) => Asked::Wrong(Refusal::new(
                RefusalCode::BadRequest,
                format!("this is no request: {error}"),
            )),
        })
    }

    /// Sends the whole status now and after each change; changes that come faster than they are read are one.
    async fn subscribe(mut self) -> io::Result<()> {
        let mut changes = self.handler.board().subscribe();
        loop {
            changes.mark_unchanged();
            let status = Response::Status(Box::new(self.handler.status()));
            self.send(&line(&Ok(status))).await?;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = hung_up(&mut self.reader) => return Ok(()),
                _ = self.closing.wait_for(|closing| *closing) => return Ok(()),
            }
            // Positions and counts change with every line; nobody reads faster than this.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends the ring, and with `follow` what comes after it until nothing will. Returns whether the reader kept up.
    async fn send_history(&mut self, follow: bool) -> io::Result<bool> {
        let history = self.handler.history().clone();
        let mut latest = history.subscribe();
        let (mut seq, mut batch) = (history.start(), Vec::new());
        let newest = latest.borrow().seq;
        loop {
            let closed = latest.borrow_and_update().closed;
            match history.after(seq) {
                Next::Entry(entry) if follow || entry.seq <= newest => {
                    seq = entry.seq;
                    batch.extend(line(&Ok(Response::Entry(Box::new((*entry).clone())))));
                    if batch.len() >= BATCH_BYTES {
                        self.send(&batch).await?;
                        batch.clear();
                    }
                    continue;
                }
                Next::Lost => {
                    let message = "the history went past you; raise queue.history or read faster";
                    batch.extend(line(&Err(Refusal::new(RefusalCode::TooSlow, message))));
                    self.send(&batch).await?;
                    return Ok(false);
                }
                Next::Entry(_) | Next::None => {}
            }
            if !follow {
                batch.extend(line(&Ok(Response::Handled)));
            }
            self.send(&batch).await?;
            batch.clear();
            if !follow || closed {
                return Ok(true);
            }
            tokio::select! {
                changed = latest.changed() => if changed.is_err() { return Ok(true) },
                () = hung_up(&mut self.reader) => return Ok(true),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "it did not take its answer");
        timeout(WRITE_LIMIT, self.writer.write_all(bytes)).await.map_err(|_| too_slow())?
    }
}

/// Ends when the other side is gone. One that has only said all it has to say still reads: a pipe into `socat` does so.
async fn hung_up(reader: &mut BufReader<OwnedReadHalf>) {
    // Neither more requests nor their end tell; but without either, nothing has happened.
    drop(reader.fill_buf().await);
    loop {
        let stream: &UnixStream = reader.get_ref().as_ref();
        let mut polled = [PollFd::new(stream, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // An empty question: only that both sides are closed, or an error, is answered.
        if poll(&mut polled, Some(&at_once)).is_err() || !polled[0].revents().is_empty() {
            return;
        }
        tokio::time::sleep(HANG_UP_POLL).await;
    }
}

fn line(reply: &Reply) -> Vec<u8> {
    let mut line = serde_json::to_vec(reply).unwrap_or_else(|error| {
        // Only a map with keys that are no text could do this; the protocol has none.
        format!(r#"{{"Err":{{"code":"bad-request","message":"{error}"}}}}"#).into_bytes()
    });
    line.push(b'\n');
    line
}
