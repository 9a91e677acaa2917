//! The command line's end of the control socket: blocking, one request after the other.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{PROTOCOL, Refusal, RefusalCode, Reply, Request, Response};

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("no speakerd is running (nobody listens on `{}`); start it with `speakerd run`, or at every login with `speakerd install`", .0.display())]
    NotRunning(PathBuf),
    /// It speaks another version of the protocol.
    #[error("the running speakerd is version {theirs}, this program is {ours}: restart the daemon")]
    OtherVersion {
        /// The daemon's.
        theirs: String,
        /// This program's.
        ours: &'static str,
    },
    /// Another user listens: he would be told what is said.
    #[error("`{}` belongs to another user; set XDG_RUNTIME_DIR to a directory of yours", .0.display())]
    NotOurs(PathBuf),
    /// It refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection broke.
    #[error("the connection to speakerd broke: {0}")]
    Broken(io::Error),
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] where nobody listens.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        match UnixStream::connect(path) {
            Ok(stream) => {
                check_peer(&stream, path)?;
                Ok(Self { path: path.to_path_buf(), reader: BufReader::new(stream) })
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Err(ClientError::NotRunning(path.to_path_buf()))
            }
            Err(error) => Err(ClientError::Broken(error)),
        }
    }

    /// Waits for so long at most for each line of an answer.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn with_patience(self, patience: Duration) -> Result<Self, ClientError> {
        let stream = self.reader.get_ref();
        let set = stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        set.map_err(ClientError::Broken)?;
        Ok(self)
    }

    /// Asks, and waits for the first line of the answer.
    ///
    /// # Errors
    /// Where it is refused or the connection breaks.
    pub fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        // One that turns us away has said why before it closed.
        if let Err(error) = self.send(request) {
            return match self.next_reply() {
                Ok(Some(response)) => Ok(response),
                Err(refused @ ClientError::Refused(_)) => Err(refused),
                Ok(None) | Err(_) => Err(error),
            };
        }
        self.next_reply()?.ok_or_else(|| ClientError::Broken(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Sends a request whose answer has many lines.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| ClientError::Broken(error.into()))?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).map_err(ClientError::Broken)
    }

    /// The next line of an answer; `None` where the daemon has ended.
    ///
    /// # Errors
    /// Where it is a refusal or the connection breaks.
    pub fn next_reply(&mut self) -> Result<Option<Response>, ClientError> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // What a killed daemon leaves.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(ClientError::Broken(error)),
        }
        if line.last() != Some(&b'\n') {
            return Ok(None); // killed in the middle of a line
        }
        match serde_json::from_slice::<Reply>(&line) {
            Ok(Ok(response)) => Ok(Some(response)),
            Ok(Err(refusal)) => Err(self.explained(refusal)),
            Err(error) => {
                Err(self.version_clash().unwrap_or_else(|| ClientError::Broken(error.into())))
            }
        }
    }

    /// A request that the daemon does not know may be one of a newer program.
    fn explained(&self, refusal: Refusal) -> ClientError {
        let clash =
            (refusal.code == RefusalCode::BadRequest).then(|| self.version_clash()).flatten();
        clash.unwrap_or(ClientError::Refused(refusal))
    }

    /// Asked only when something failed: is it because the daemon is of another version?
    fn version_clash(&self) -> Option<ClientError> {
        let mut other = Self::connect(&self.path).ok()?;
        other.send(&Request::Version).ok()?;
        let mut line = String::new();
        other.reader.read_line(&mut line).ok()?;
        // By hand: the answer's shape is what may have changed.
        let answer: serde_json::Value = serde_json::from_str(&line).ok()?;
        let version = answer.pointer("/Ok/version")?;
        let theirs = version.get("version")?.as_str()?.to_owned();
        let ours = env!("CARGO_PKG_VERSION");
        let is_other = version.get("protocol")?.as_u64() != Some(u64::from(PROTOCOL));
        (is_other || theirs != ours).then_some(ClientError::OtherVersion { theirs, ours })
    }
}

/// Only this user's daemon, or root's, is told what is to be said.
#[cfg(target_os = "linux")]
fn check_peer(stream: &UnixStream, path: &Path) -> Result<(), ClientError> {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    let peer = peer.map_err(|error| ClientError::Broken(error.into()))?;
    if peer.uid == rustix::process::geteuid() || peer.uid.is_root() {
        Ok(())
    } else {
        Err(ClientError::NotOurs(path.to_path_buf()))
    }
}

/// Elsewhere the directory's owner is what tells.
#[cfg(not(target_os = "linux"))]
fn check_peer(_stream: &UnixStream, path: &Path) -> Result<(), ClientError> {
    use std::os::unix::fs::MetadataExt;
    let owner = path.metadata().map_err(ClientError::Broken)?.uid();
    if owner == rustix::process::geteuid().as_raw() || owner == 0 {
        Ok(())
    } else {
        Err(ClientError::NotOurs(path.to_path_buf()))
    }
}
