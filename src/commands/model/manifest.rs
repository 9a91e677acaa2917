//! What `pull` put into a model's directory: each file with its size, its checksum, and where it is from.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::download::write_whole;

/// Its name.
pub const MANIFEST: &str = "manifest.json";

/// Where predefined voices are.
const VOICES: &str = "voices/";

/// A manifest is shorter.
const MAX_BYTES: u64 = 1 << 20;

const VERSION: u32 = 1;

/// The manifest of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// Each file, by its place in the directory.
    pub files: BTreeMap<String, Entry>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How long it is.
    #[serde(rename = "size")]
    pub n_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Where it is from, as configurations name places.
    pub source: String,
    /// The commit that it was taken from, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self { version: VERSION, files: BTreeMap::new() }
    }
}

impl Manifest {
    /// The one in a model's directory; `None` where there is none: the files were put there by hand.
    ///
    /// # Errors
    /// Where it cannot be read, or is not ours.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(MANIFEST);
        let place = || {
            format!("the manifest `{}` cannot be used; remove it, then pull again", path.display())
        };
        let n_bytes = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(place),
        };
        if n_bytes > MAX_BYTES {
            bail!("{}: it has {n_bytes} bytes", place());
        }
        let text = std::fs::read(&path).with_context(place)?;
        let manifest: Self = serde_json::from_slice(&text).with_context(place)?;
        if manifest.version != VERSION {
            bail!("{}: it is of version {}", place(), manifest.version);
        }
        if let Some(name) = manifest.files.keys().find(|name| !leads_within(name)) {
            bail!("{}: `{name}` leads elsewhere", place());
        }
        Ok(Some(manifest))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// Where the operating system refuses it.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let path = dir.join(MANIFEST);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_whole(&path, &text).with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// The names of the predefined voices in it.
    pub fn voices(&self) -> impl Iterator<Item = &str> {
        self.files.keys().filter_map(|name| name.strip_prefix(VOICES)?.strip_suffix(".safetensors"))
    }
}

/// Where in a model's directory a predefined voice is.
pub fn voice_file(voice: &str) -> String {
    format!("{VOICES}{voice}.safetensors")
}

/// A file that is as the manifest says.
///
/// # Errors
/// What is wrong with it.
pub fn check(dir: &Path, name: &str, entry: &Entry) -> Result<(), String> {
    let path: PathBuf = dir.join(name);
    let n_bytes = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("is missing".to_owned());
        }
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if n_bytes != entry.n_bytes {
        return Err(format!("has {n_bytes} bytes instead of {}", entry.n_bytes));
    }
    let digests = super::checksum::Digests::of(&path);
    match digests {
        Ok(digests) if digests.sha256 == entry.sha256 => Ok(()),
        Ok(_) => Err("is damaged: it does not add up to what came".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Whether a file's name is one that `pull` gives.
fn leads_within(name: &str) -> bool {
    let name = name.strip_prefix(VOICES).unwrap_or(name);
    !name.contains(['/', '\\', '\0']) && !name.starts_with('.') && !name.is_empty()
}
