//! Gets one file, so that what is put in place is whole: a part beside it, gone on with after a break, checked, then renamed.
//!
//! Knows no models. Who asks the servers is [`Client`]; the part is `NAME.part`, what was said of it `NAME.part.json`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use backon::{BlockingRetryable, ExponentialBuilder};
use serde::{Deserialize, Serialize};
use tracing::debug;

use super::answer::{Answer, Client, Patience, Said};
use super::checksum::Digests;
use super::error::DownloadError;
use super::place::Place;
use super::progress::Progress;

/// How much comes at once.
const PART_BYTES: usize = 1 << 17;

/// The disk is not filled to its last byte.
const SPARE_BYTES: u64 = 16 << 20;

/// Pauses grow no longer than this many times the first.
const LONGEST_PAUSE: u32 = 30;

/// A file that is wanted.
pub struct Wanted<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// Where it is put.
    pub to: PathBuf,
    /// What it is called in messages.
    pub name: &'a str,
    /// It is no larger.
    pub max_bytes: u64,
    /// Looks into it before it is put in place; what is wrong with it otherwise.
    pub check: &'a dyn Fn(&Path) -> Result<(), String>,
}

/// A file that was got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// What it adds up to.
    pub digests: Digests,
    /// The commit that it was taken from, where the hub says it.
    pub commit: Option<String>,
}

/// Gets a file. Blocks until it is there, for as long as something comes.
///
/// # Errors
/// Where it cannot be got; what came of it stays for the next try, unless it is wrong.
pub fn download(
    client: &Client,
    wanted: &Wanted<'_>,
    patience: Patience,
    progress: &Progress,
) -> Result<Got, DownloadError> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(patience.pause)
        .with_max_delay(patience.pause * LONGEST_PAUSE)
        .with_max_times(patience.n_retries);
    let part = Part::of(&wanted.to);
    let n_before = part.n_bytes();
    // A network that is gone in the middle comes back; one that was never there does not.
    let is_gone = |error: &DownloadError| {
        matches!(error, DownloadError::Unreachable { .. }) && part.n_bytes() > n_before
    };
    let got = (|| attempt(client, wanted, progress))
        .retry(pauses)
        .when(|error| error.passes() || is_gone(error))
        .notify(|error, pause| progress.again(wanted.name, error, pause))
        .call();
    progress.end();
    got
}

/// What was said of a part when it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Notes {
    address: String,
    identity: String,
    n_bytes: Option<u64>,
}

/// What came of a file so far.
struct Part {
    path: PathBuf,
    notes: PathBuf,
}

fn attempt(
    client: &Client,
    wanted: &Wanted<'_>,
    progress: &Progress,
) -> Result<Got, DownloadError> {
    let part = Part::of(&wanted.to);
    let address = wanted.place.address(client.hub()).unwrap_or_default();
    let (mut n_here, notes) = part.begun(&address);
    if let Some(max) = notes.as_ref().and_then(|it| it.n_bytes).filter(|it| *it < n_here) {
        debug!("a part has more than its {max} bytes");
        n_here = 0;
    }
    let mut answer = client.get(wanted.place, n_here)?;
    if n_here > 0 && !goes_on(&answer, n_here, notes.as_ref()) {
        let is_whole = answer.status == 416
            && notes
                .as_ref()
                .is_some_and(|notes| notes.n_bytes == Some(n_here) && answer.said.is_as(notes));
        if is_whole {
            return finish(wanted, &part, &answer.said);
        }
        match answer.status {
            // A server that sends all or nothing.
            200 => n_here = 0,
            // Another file than the one that was begun.
            206 | 416 => (n_here, answer) = (0, client.get(wanted.place, 0)?),
            // Nothing that is said of the file: what is here may still be good.
            _ => {}
        }
    }
    let said = &answer.said;
    let place = wanted.place.to_string();
    match (answer.status, n_here) {
        (200, 0) | (206, 1..) => {}
        (401 | 403, _) => return Err(DownloadError::Gated { place, status: answer.status }),
        (404 | 410, _) => return Err(DownloadError::NotFound { place }),
        (status, _) => return Err(DownloadError::Refused { place, status }),
    }
    if let (Some(wanted_sum), true) = (&said.checksum, wanted.to.is_file())
        && let Ok(digests) = Digests::of(&wanted.to)
        && digests.is(wanted_sum)
    {
        part.forget();
        return Ok(Got { digests, commit: said.commit.clone() });
    }
    if said.n_bytes.is_some_and(|n_bytes| n_bytes > wanted.max_bytes) {
        return Err(DownloadError::TooLarge { place, max_bytes: wanted.max_bytes });
    }
    let dir = wanted.to.parent().unwrap_or(Path::new("."));
    let needed = said.n_bytes.unwrap_or(0).saturating_sub(n_here);
    if let Some(free) = free_bytes(dir).filter(|free| needed + SPARE_BYTES.min(needed) > *free) {
        return Err(DownloadError::NoRoom { place, dir: dir.to_owned(), needed, free });
    }
    receive(wanted, &part, answer.body.as_mut(), said, &address, n_here, progress)?;
    finish(wanted, &part, said)
}

/// Whether an answer has the bytes behind those that are here, of the file that was begun.
fn goes_on(answer: &Answer, n_here: u64, notes: Option<&Notes>) -> bool {
    answer.status == 206
        && answer.begin == Some(n_here)
        && notes.is_some_and(|notes| answer.said.is_as(notes))
}

impl Said {
    fn is_as(&self, notes: &Notes) -> bool {
        self.identity.as_ref() == Some(&notes.identity)
    }
}

fn receive(
    wanted: &Wanted<'_>,
    part: &Part,
    body: &mut dyn Read,
    said: &Said,
    address: &str,
    n_here: u64,
    progress: &Progress,
) -> Result<(), DownloadError> {
    let unwritable = |source| DownloadError::Unwritable { path: part.path.clone(), source };
    let mut file = part.open(n_here).map_err(unwritable)?;
    if n_here == 0 {
        part.note(address, said).map_err(unwritable)?;
    }
    let place = || wanted.place.to_string();
    let broken = |reason: String| DownloadError::Broken { place: place(), reason };
    let mut n_bytes = n_here;
    progress.begin(wanted.name, n_here, said.n_bytes);
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let n_new = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n_new) => n_new,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error.to_string())),
        };
        n_bytes += n_new as u64;
        if n_bytes > wanted.max_bytes.min(said.n_bytes.unwrap_or(u64::MAX)) {
            part.forget();
            return Err(match said.n_bytes {
                Some(n_said) => DownloadError::Malformed {
                    place: place(),
                    reason: format!("more than its {n_said} bytes came"),
                },
                None => DownloadError::TooLarge { place: place(), max_bytes: wanted.max_bytes },
            });
        }
        file.write_all(buffer.get(..n_new).unwrap_or_default()).map_err(unwritable)?;
        progress.at(wanted.name, n_bytes, said.n_bytes);
    }
    if said.n_bytes.is_some_and(|n_said| n_bytes < n_said) {
        return Err(broken(format!("{n_bytes} bytes are here")));
    }
    file.sync_all().map_err(unwritable)
}

/// Checks what is here, and puts it in place.
fn finish(wanted: &Wanted<'_>, part: &Part, said: &Said) -> Result<Got, DownloadError> {
    let unwritable = |source| DownloadError::Unwritable { path: wanted.to.clone(), source };
    let digests = Digests::of(&part.path).map_err(unwritable)?;
    if said.checksum.as_ref().is_some_and(|checksum| !digests.is(checksum)) {
        part.forget();
        return Err(DownloadError::Checksum { place: wanted.place.to_string() });
    }
    if let Err(reason) = (wanted.check)(&part.path) {
        part.forget();
        return Err(DownloadError::Malformed { place: wanted.place.to_string(), reason });
    }
    put_in_place(&part.path, &wanted.to).map_err(unwritable)?;
    part.forget();
    Ok(Got { digests, commit: said.commit.clone() })
}

/// Gives a file, which is on the disk, its name.
///
/// # Errors
/// Where the operating system refuses it.
pub(super) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    to.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Writes a file, so that its name has the old bytes or the new ones.
///
/// # Errors
/// Where the operating system refuses it.
pub(super) fn write_whole(to: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = Part::of(to);
    let mut file = part.open(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    put_in_place(&part.path, to)
}

impl Part {
    fn of(to: &Path) -> Self {
        let with = |end: &str| {
            let mut name = to.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Self { path: with(".part"), notes: with(".part.json") }
    }

    /// How much is here of what is at that address, and what was said of it.
    fn begun(&self, address: &str) -> (u64, Option<Notes>) {
        let notes = std::fs::read(&self.notes).ok();
        let notes = notes.and_then(|notes| serde_json::from_slice::<Notes>(&notes).ok());
        let Some(notes) = notes.filter(|notes| notes.address == address) else { return (0, None) };
        (self.n_bytes(), Some(notes))
    }

    fn n_bytes(&self) -> u64 {
        let part = self.path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
        part.map_or(0, |it| it.len())
    }

    fn open(&self, n_here: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        file.set_len(n_here)?;
        file.seek(io::SeekFrom::Start(n_here))?;
        Ok(file)
    }

    /// Without a mark nobody could tell whether the file is still the same: then there is nothing to go on with.
    fn note(&self, address: &str, said: &Said) -> io::Result<()> {
        let Some(identity) = said.identity.clone() else {
            drop(std::fs::remove_file(&self.notes));
            return Ok(());
        };
        let notes = Notes { address: address.to_owned(), identity, n_bytes: said.n_bytes };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.notes)?;
        file.write_all(&serde_json::to_vec(&notes)?)
    }

    fn forget(&self) {
        // They need not be there.
        drop(std::fs::remove_file(&self.path));
        drop(std::fs::remove_file(&self.notes));
    }
}

/// How much a user may still write there; `None` where nobody knows.
fn free_bytes(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
