//! The models that are installed: a directory for each, below one. Knows no network.
//!
//! A model's directory has its `config.yaml`, what that names, and the states of its predefined voices in `voices`.

use std::path::{Path, PathBuf};

use super::files::{HubCache, MissingFiles, ModelFiles};
pub use crate::voice::is_name;

/// More directories are not looked at.
const MAX_MODELS: usize = 256;

/// More predefined voices of a model are not listed.
const MAX_VOICES: usize = 1_024;

/// Where predefined voices are in a model's directory.
const VOICES: &str = "voices";

/// The directory of the installed models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// The models below a directory, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a model of that name is, or would be; `None` where that is no name.
    pub fn dir_of(&self, model: &str) -> Option<PathBuf> {
        is_name(model).then(|| self.dir.join(model))
    }

    /// The installed models' names, sorted.
    pub fn installed(&self) -> Vec<String> {
        let has_config = |name: &String| self.is_installed(name);
        let mut names: Vec<_> = names_in(&self.dir, MAX_MODELS).filter(has_config).collect();
        names.sort_unstable();
        names
    }

    /// Whether there is such a model; its files may still be incomplete.
    pub fn is_installed(&self, model: &str) -> bool {
        self.dir_of(model).is_some_and(|dir| dir.join("config.yaml").is_file())
    }

    /// The files of an installed model.
    ///
    /// # Errors
    /// Where it is not there, or not whole.
    pub fn files(&self, model: &str) -> Result<ModelFiles, MissingFiles> {
        let dir = self.dir_of(model);
        let dir = dir.ok_or_else(|| MissingFiles::NoConfig { path: self.dir.join("?") })?;
        ModelFiles::find(&dir, &HubCache::of_this_user())
    }
}

/// The names of the predefined voices in a model's directory, sorted.
pub fn predefined_in(dir: &Path) -> Vec<String> {
    let voice = |name: String| name.strip_suffix(".safetensors").map(str::to_owned);
    let names = names_in(&dir.join(VOICES), MAX_VOICES).filter_map(voice);
    let mut voices: Vec<_> = names.filter(|name| is_name(name)).collect();
    voices.sort_unstable();
    voices
}

/// The first names in a directory; none where it cannot be read.
fn names_in(dir: &Path, max: usize) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(dir).ok().into_iter().flatten().flatten().take(max);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::{Shelf, predefined_in};

    #[test]
    fn a_model_is_a_directory_with_a_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().join("models"));
        assert!(shelf.installed().is_empty());
        std::fs::create_dir_all(dir.path().join("models/german/voices")).unwrap();
        std::fs::create_dir_all(dir.path().join("models/empty")).unwrap();
        std::fs::write(dir.path().join("models/german/config.yaml"), "").unwrap();
        for name in ["juergen.safetensors", "juergen.safetensors.part", ".hidden.safetensors"] {
            std::fs::write(dir.path().join("models/german/voices").join(name), "").unwrap();
        }
        assert_eq!(shelf.installed(), ["german"]);
        assert_eq!(predefined_in(&shelf.dir_of("german").unwrap()), ["juergen"]);
        assert!(shelf.dir_of("../german").is_none());
    }
}
