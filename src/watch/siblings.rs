//! Finds texts that were rotated away, under their new names beside the old one.
//!
//! Looks at directories and files, never at events. What it must get right: a text is known by its inode *and* its
//! content; a name alone, or a few equal bytes in an older file, prove nothing, and would read out a history.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::warn;

use super::continuity::{FileId, Mark, modified_ns};
use super::regular::open_regular;

/// A directory with more entries than this is not a place where one file is rotated.
const MAX_ENTRIES: usize = 4_096;

/// Numbers from here on are dates or times, which count upwards; smaller ones are places in a row, in which the newest
/// file mostly has the lowest.
const DATES_FROM: u64 = 100_000;

/// A text under another name.
#[derive(Debug)]
pub struct Sibling {
    /// Opened.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
}

/// Finds the text of a mark beside `path`: the same file under another name, or else a copy of it.
pub fn find(path: &Path, mark: &Mark) -> Option<Sibling> {
    find_moved(path, mark).or_else(|| find_copy(path, mark))
}

/// Finds the same file under another name, if it still holds the text. An editor's backup does not count: the text at
/// the path goes on then.
pub fn find_moved(path: &Path, mark: &Mark) -> Option<Sibling> {
    let Whereabouts::Moved(name) = whereabouts(path, mark.id) else { return None };
    let found = open_if_it_holds(path.with_file_name(&name), mark)?;
    // Without any content to compare, a number proves little: it may have been used again, for a younger file.
    let is_proven = mark.offset > 0
        || (rest_of_name(path, &name).is_some() && !was_created_after(&found.file, mark));
    is_proven.then_some(found)
}

/// Finds the same file under another name if it holds another text now: it was written anew before it was moved.
pub fn find_reused(path: &Path, mark: &Mark) -> Option<Sibling> {
    let Whereabouts::Moved(name) = whereabouts(path, mark.id) else { return None };
    rest_of_name(path, &name)?;
    let path = path.with_file_name(name);
    let file = open_regular(&path).ok().flatten()?;
    let is_another = mark.is_in(&file).is_ok_and(|is_in| !is_in);
    (is_another && !was_created_after(&file, mark)).then_some(Sibling { file, path })
}

/// Whether a file is too young to be the one of a mark: its inode was used again.
pub fn was_created_after(file: &File, mark: &Mark) -> bool {
    let created = file.metadata().and_then(|it| it.created()).ok();
    let since_1970 = created.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let created_ns = since_1970.and_then(|it| i64::try_from(it.as_nanos()).ok());
    created_ns.zip(mark.modified_ns).is_some_and(|(created, marked)| created > marked)
}

/// Finds a copy of the text that was made since the mark. The newest, where there are several.
pub fn find_copy(path: &Path, mark: &Mark) -> Option<Sibling> {
    find_younger(path, mark, |file| mark.offset > 0 && mark.is_in(file).unwrap_or(false))
}

/// Finds the newest file beside `path` that was written since the mark and holds what it should.
pub fn find_younger(path: &Path, mark: &Mark, holds: impl Fn(&File) -> bool) -> Option<Sibling> {
    let mut found: Option<(i64, Sibling)> = None;
    for other in related(path) {
        let is_newer = found.as_ref().is_none_or(|(modified, _)| other.modified_ns > *modified);
        let may_be = mark.modified_ns.is_none_or(|marked| other.modified_ns >= marked)
            && other.size >= mark.offset;
        if is_newer
            && may_be
            && let Some(file) = open_regular(&other.path).ok().flatten()
            && holds(&file)
        {
            found = Some((other.modified_ns, Sibling { file, path: other.path }));
        }
    }
    found.map(|(_, sibling)| sibling)
}

/// Where a file is that was at a path and still has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// Beside the path, under this name.
    Moved(OsString),
    /// Beside the path, as the backup of an editor.
    Backup,
    /// Not beside the path.
    Elsewhere,
}

/// Finds out where a file is that is no longer at `path`.
pub fn whereabouts(path: &Path, id: FileId) -> Whereabouts {
    let is_it = |entry: &std::fs::DirEntry| {
        entry.ino() == id.ino
            && Some(&*entry.file_name()) != path.file_name()
            && entry.metadata().is_ok_and(|it| FileId::of_metadata(&it) == id)
    };
    match entries(path).find(is_it).map(|entry| entry.file_name()) {
        Some(name) if is_backup(name.as_encoded_bytes()) => Whereabouts::Backup,
        Some(name) => Whereabouts::Moved(name),
        None => Whereabouts::Elsewhere,
    }
}

/// Files were renamed while we looked: what was seen never was so at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Unstable;

/// The texts that came between the file `old`, which is beside `path` now, and the file `current`, which is at `path`:
/// rotated away in their turn before anybody looked. The oldest first.
///
/// # Errors
/// Where files are being rotated at this very moment, or `current` is no longer at `path`.
pub fn rotated_between(
    path: &Path,
    mark: &Mark,
    old: FileId,
    current: FileId,
) -> Result<Vec<Sibling>, Unstable> {
    let listed = stable_listing(path).ok_or(Unstable)?;
    if !listed.iter().any(|other| other.rest.is_none() && other.id == current) {
        return Err(Unstable);
    }
    let is_old = |other: &&Related| other.id == old && other.rest.is_some();
    let Some(rest) = listed.iter().find(is_old).and_then(|other| other.rest.clone()) else {
        return Ok(Vec::new());
    };
    let (shape, number) = shape_of(&rest);
    if number.is_empty() {
        return Ok(Vec::new());
    }
    let mut family: Vec<_> = listed
        .into_iter()
        .filter_map(|other| {
            let (its_shape, its_number) = shape_of(other.rest.as_ref()?);
            (its_shape == shape).then_some((its_number, other))
        })
        .collect();
    family.sort_by(|(number, _), (other, _)| number.cmp(other));
    let counts_up = counts_up(&number, &family);
    if !counts_up {
        family.reverse();
    }
    let is_after = |its: &Vec<u64>| if counts_up { *its > number } else { *its < number };
    let is_young = |other: &Related| mark.modified_ns.is_some_and(|it| other.modified_ns >= it);
    family
        .into_iter()
        .filter(|(its, other)| is_after(its) && is_young(other))
        .filter_map(|(_, other)| match open_regular(&other.path) {
            Ok(Some(file)) if FileId::of(&file).is_ok_and(|id| id == other.id) => {
                Some(Ok(Sibling { file, path: other.path }))
            }
            Ok(_) => Some(Err(Unstable)),
            Err(error) => {
                warn!(path = %other.path.display(), "what was rotated away cannot be read: {error}");
                None
            }
        })
        .collect()
}

/// What is at the path and related to it, once two looks in a row have seen the same.
fn stable_listing(path: &Path) -> Option<Vec<Related>> {
    /// A rotation takes microseconds; what changes for longer is looked at later.
    const MAX_LOOKS: usize = 8;
    let mut before = listing(path);
    for _ in 1..MAX_LOOKS {
        let listed = listing(path);
        let names = |listed: &[Related]| -> Vec<_> {
            listed.iter().map(|other| (other.path.clone(), other.id)).collect()
        };
        if names(&listed) == names(&before) {
            return Some(listed);
        }
        before = listed;
    }
    None
}

/// What is at the path and related to it, by name.
fn listing(path: &Path) -> Vec<Related> {
    let mut listed: Vec<_> = related(path).collect();
    if let Ok(metadata) = path.metadata() {
        listed.push(Related::of(path.to_path_buf(), None, &metadata));
    }
    listed.sort_by(|one, other| one.path.cmp(&other.path));
    listed
}

/// Whether higher numbers are newer.
fn counts_up(number: &[u64], family: &[(Vec<u64>, Related)]) -> bool {
    let pairs = family.windows(2).map(|pair| (pair[0].1.modified_ns, pair[1].1.modified_ns));
    let (n_up, n_down) = pairs.fold((0, 0), |(n_up, n_down), (lower, higher)| {
        (n_up + u32::from(higher > lower), n_down + u32::from(higher < lower))
    });
    if number.len() > 1 || number.iter().any(|number| *number >= DATES_FROM) {
        n_up >= n_down
    } else {
        // One late line in an old file does not turn the order round.
        n_up > n_down + 1
    }
}

/// The watched file, or one whose name is made from the watched one's.
struct Related {
    path: PathBuf,
    /// What was added to the name; `None` for the watched one.
    rest: Option<Vec<u8>>,
    id: FileId,
    size: u64,
    modified_ns: i64,
}

impl Related {
    fn of(path: PathBuf, rest: Option<Vec<u8>>, metadata: &std::fs::Metadata) -> Self {
        let (id, modified_ns) = (FileId::of_metadata(metadata), modified_ns(metadata));
        Self { path, rest, id, size: metadata.size(), modified_ns }
    }
}

fn related(path: &Path) -> impl Iterator<Item = Related> {
    entries(path).filter_map(move |entry| {
        let rest = rest_of_name(path, &entry.file_name())?;
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Related::of(entry.path(), Some(rest), &metadata))
    })
}

fn entries(path: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    let directory = path.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    directory.into_iter().flatten().take(MAX_ENTRIES).flatten()
}

/// Whether a path is beside another one, with a name that was made from the other's.
pub fn is_made_of(path: &Path, other: &Path) -> bool {
    path.parent() == other.parent()
        && other.file_name().is_some_and(|name| rest_of_name(path, name).is_some())
}

/// Whether a name is one that editors give to what they replace.
fn is_backup(name: &[u8]) -> bool {
    [&b"~"[..], b".bak", b".orig", b".swp", b".tmp", b".save"].iter().any(|end| name.ends_with(end))
}

fn open_if_it_holds(path: PathBuf, mark: &Mark) -> Option<Sibling> {
    let file = open_regular(&path).ok().flatten()?;
    mark.is_in(&file).is_ok_and(|is_in| is_in).then_some(Sibling { file, path })
}

/// What a rotation has added to a name: `.1` in `chat.log.1` as well as in `chat.1.log`, `-20261125` in
/// `chat-20261125.log`. `None` where the name is not made from the watched one's.
fn rest_of_name(path: &Path, name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    let (own, name) = (path.file_name()?.as_encoded_bytes(), name.as_encoded_bytes());
    if own == name || is_backup(name) {
        return None;
    }
    if let Some(rest) = name.strip_prefix(own) {
        return rest.first().is_some_and(|byte| !byte.is_ascii_alphabetic()).then(|| rest.to_vec());
    }
    let (stem, extension) = (path.file_stem()?, path.extension()?);
    let rest = name.strip_prefix(stem.as_encoded_bytes())?;
    let rest = rest.strip_suffix(extension.as_encoded_bytes())?.strip_suffix(b".")?;
    let is_a_number = rest.iter().all(|byte| byte.is_ascii_digit() || b"-_.:T@".contains(byte))
        && rest.iter().any(u8::is_ascii_digit);
    is_a_number.then(|| rest.to_vec())
}

/// The numbers in a part of a name, and the part with each of them replaced.
fn shape_of(rest: &[u8]) -> (Vec<u8>, Vec<u64>) {
    let (mut shape, mut numbers) = (Vec::new(), Vec::<u64>::new());
    let mut is_in_number = false;
    for byte in rest {
        if byte.is_ascii_digit() {
            if !is_in_number {
                shape.push(b'#');
                numbers.push(0);
            }
            let digit = u64::from(byte - b'0');
            if let Some(number) = numbers.last_mut() {
                *number = number.saturating_mul(10).saturating_add(digit);
            }
        } else {
            shape.push(*byte);
        }
        is_in_number = byte.is_ascii_digit();
    }
    (shape, numbers)
}

#[cfg(test)]
mod tests;
