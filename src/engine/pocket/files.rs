//! Where a model's files are: beside its configuration, or where Hugging Face's tools keep what they have got. No network.

use std::path::{Path, PathBuf};

use super::config::{ModelConfig, ModelConfigError};

/// The name of a configuration in a directory.
const CONFIG: &str = "config.yaml";

/// A model whose files are not all here.
#[derive(Debug, thiserror::Error)]
pub enum MissingFiles {
    /// There is no configuration.
    #[error("there is no model at `{}`: a directory with a `{CONFIG}`, or a YAML file, is wanted", path.display())]
    NoConfig {
        /// What was named.
        path: PathBuf,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ModelConfigError),
    /// A file that the configuration names is not here.
    #[error(
        "the model's {what} is not here; looked for {}; put the file there",
        tried.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
    )]
    Missing {
        /// Which.
        what: &'static str,
        /// Where it could have been.
        tried: Vec<PathBuf>,
    },
}

/// A model's files, all of them there.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFiles {
    /// The configuration, read.
    pub config: ModelConfig,
    /// The weights.
    pub weights: PathBuf,
    /// The tokenizer.
    pub tokenizer: PathBuf,
}

impl ModelFiles {
    /// Finds the files of the model in a directory, or of a YAML file.
    ///
    /// # Errors
    /// Where one is missing, or the configuration is wrong.
    pub fn find(model: &Path, hub: &HubCache) -> Result<Self, MissingFiles> {
        let config = if model.is_dir() { model.join(CONFIG) } else { model.to_owned() };
        if !config.is_file() {
            return Err(MissingFiles::NoConfig { path: model.to_owned() });
        }
        let config = ModelConfig::read(&config)?;
        let dir = config.path.parent().unwrap_or(Path::new("")).to_owned();
        let named = [&config.weights, &config.weights_without_cloning];
        let weights: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
        let weights = hub.first("weights", &weights, &dir)?;
        let tokenizer = hub.first("tokenizer", &[&config.tokenizer], &dir)?;
        Ok(Self { config, weights, tokenizer })
    }
}

/// Where Hugging Face's tools keep what they have got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubCache {
    dir: Option<PathBuf>,
}

impl HubCache {
    /// The cache in a directory.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: Some(dir) }
    }

    /// No cache: files are found beside their configuration only.
    pub fn nowhere() -> Self {
        Self { dir: None }
    }

    /// This user's cache, as Hugging Face's tools find it.
    pub fn of_this_user() -> Self {
        let from =
            |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let home = || from("HF_HOME").map(|home| home.join("hub"));
        let cache = || from("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub"));
        let usual = || from("HOME").map(|home| home.join(".cache/huggingface/hub"));
        Self { dir: from("HF_HUB_CACHE").or_else(home).or_else(cache).or_else(usual) }
    }

    /// The first of these files that is here.
    fn first(
        &self,
        what: &'static str,
        names: &[&str],
        dir: &Path,
    ) -> Result<PathBuf, MissingFiles> {
        let places = names.iter().flat_map(|name| self.places(name, dir));
        let mut tried = Vec::new();
        for place in places {
            if place.is_file() {
                return Ok(place);
            }
            tried.push(place);
        }
        Err(MissingFiles::Missing { what, tried })
    }

    /// Where a file may be that a configuration names: a path, or `hf://OWNER/REPO/PATH@REVISION`.
    fn places(&self, name: &str, dir: &Path) -> Vec<PathBuf> {
        let Some((_, remote)) = name.split_once("://") else { return vec![dir.join(name)] };
        let (remote, revision) = remote.rsplit_once('@').unwrap_or((remote, "main"));
        let mut places = Vec::new();
        let file = remote.rsplit('/').next().filter(|file| is_plain(file));
        places.extend(file.map(|file| dir.join(file)));
        let mut parts = remote.splitn(3, '/');
        if let (Some("hf"), Some(cache)) = (name.split("://").next(), &self.dir)
            && let (Some(owner), Some(repo), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            && [owner, repo, revision].into_iter().chain(path.split('/')).all(is_plain)
        {
            let repo = cache.join(format!("models--{owner}--{repo}"));
            // A branch is a file with the revision in it.
            let named = std::fs::read_to_string(repo.join("refs").join(revision));
            let revision = named.ok().map(|it| it.trim().to_owned()).filter(|it| is_plain(it));
            let revision = revision.unwrap_or_else(|| remote_revision(name).to_owned());
            places.push(repo.join("snapshots").join(revision).join(path));
        }
        places
    }
}

fn remote_revision(name: &str) -> &str {
    name.rsplit_once('@').map_or("main", |(_, revision)| revision)
}

/// Whether a part of a path leads nowhere else.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::{HubCache, MissingFiles, ModelFiles};

    #[test]
    fn files_are_found_beside_the_configuration_and_in_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let hub = HubCache::new(dir.path().join("hub"));
        let model = dir.path().join("model");
        let repo = dir.path().join("hub/models--kyutai--pocket-tts");
        let snapshot = repo.join("snapshots/abc");
        std::fs::create_dir_all(&model).unwrap();
        std::fs::create_dir_all(snapshot.join("languages")).unwrap();
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(repo.join("refs/main"), "abc\n").unwrap();
        let weights = snapshot.join("languages/model.safetensors");
        let place = |name: &str| hub.first("weights", &[name], &model);
        let missing = place("hf://kyutai/pocket-tts/languages/model.safetensors@abc").unwrap_err();
        assert!(
            matches!(&missing, MissingFiles::Missing { tried, .. } if tried.len() == 2),
            "{missing}"
        );
        std::fs::write(&weights, "").unwrap();
        for name in ["@abc", ""] {
            let name = format!("hf://kyutai/pocket-tts/languages/model.safetensors{name}");
            assert_eq!(place(&name).unwrap(), weights, "{name}");
        }
        // What was put beside the configuration by hand comes first.
        let by_hand = model.join("model.safetensors");
        std::fs::write(&by_hand, "").unwrap();
        assert_eq!(
            place("hf://kyutai/pocket-tts/languages/model.safetensors@abc").unwrap(),
            by_hand
        );
        assert_eq!(place("model.safetensors").unwrap(), by_hand);
    }

    #[test]
    fn no_name_leads_out_of_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let hub = HubCache::new(dir.path().join("hub"));
        for name in ["hf://../../x/y@z", "hf://a/b/../../c@z", "hf://a/b/c@../../z", "hf://a/b/.."]
        {
            for place in hub.places(name, dir.path()) {
                assert_eq!(place.parent(), Some(dir.path()), "{name}");
            }
        }
        let nothing = ModelFiles::find(dir.path(), &hub).unwrap_err();
        assert!(matches!(nothing, MissingFiles::NoConfig { .. }), "{nothing}");
    }
}
