//! What keeps a file from being got, and the way out. No error shows a token, or an address that was redirected to.

use std::path::PathBuf;

use ureq::http::Uri;

use super::place::Place;

/// A file that was not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The hub gives it only to those who accepted its terms.
    #[error("the hub does not give out `{place}` (status {status})")]
    Gated {
        /// The file.
        place: String,
        /// 401 or 403.
        status: u16,
    },
    /// It is not there.
    #[error(
        "there is no `{place}`; the repository, the file or the revision has another name, or is gone"
    )]
    NotFound {
        /// The file.
        place: String,
    },
    /// The server said something else.
    #[error("`{place}` was refused with status {status}; try again later")]
    Refused {
        /// The file.
        place: String,
        /// The status.
        status: u16,
    },
    /// Nobody answers.
    #[error(
        "cannot reach {host} for `{place}`: {reason}; look at your network, or set `models.hub`"
    )]
    Unreachable {
        /// The file.
        place: String,
        /// Who was asked.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The connection ended early.
    #[error(
        "the connection broke off while `{place}` came: {reason}; the same command goes on where it was"
    )]
    Broken {
        /// The file.
        place: String,
        /// What happened.
        reason: String,
    },
    /// What came is no answer.
    #[error("what came for `{place}` cannot be used: {reason}")]
    Malformed {
        /// The file.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// It is larger than it can be.
    #[error("`{place}` is larger than the {max_bytes} bytes that such a file may have")]
    TooLarge {
        /// The file.
        place: String,
        /// The limit.
        max_bytes: u64,
    },
    /// It does not fit.
    #[error(
        "`{place}` does not fit onto the disk: it needs {} MB more, and at `{}` {} MB are free; make room there",
        needed.div_ceil(1_000_000), dir.display(), free / 1_000_000
    )]
    NoRoom {
        /// The file.
        place: String,
        /// Where it should go.
        dir: PathBuf,
        /// How much of it has still to come.
        needed: u64,
        /// How much there is room for.
        free: u64,
    },
    /// It adds up to something else than the hub says.
    #[error(
        "`{place}` was damaged on its way: it does not add up to what the hub says; nothing was kept, try again"
    )]
    Checksum {
        /// The file.
        place: String,
    },
    /// It cannot be written.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// The file on this machine.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl DownloadError {
    /// A request that had no answer.
    pub(super) fn of(place: &Place, uri: &Uri, error: ureq::Error) -> Self {
        let (place, reason) = (place.to_string(), error.to_string());
        match error {
            ureq::Error::Io(error) if !is_hopeless(&error) => Self::Broken { place, reason },
            ureq::Error::Timeout(ureq::Timeout::RecvResponse | ureq::Timeout::PerRead) => {
                Self::Broken { place, reason }
            }
            _ => Self::Unreachable {
                place,
                host: uri.host().unwrap_or("the hub").to_owned(),
                reason,
            },
        }
    }

    /// Whether it may be better in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Gated { .. }
            | Self::NotFound { .. }
            | Self::Unreachable { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::NoRoom { .. }
            | Self::Checksum { .. }
            | Self::Unwritable { .. } => false,
        }
    }
}

fn is_hopeless(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, InvalidData, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | InvalidData | NetworkUnreachable)
}
