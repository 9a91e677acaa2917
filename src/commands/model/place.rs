//! Where a model's file is to be got: the names that stand in a model's configuration, taken apart and checked.
//!
//! Knows no network. What a name leads to lies beside the configuration under its last part, as
//! [`crate::engine::pocket::files`] looks for it.

use crate::config::address::is_loopback;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file in a repository of the hub: `hf://OWNER/REPO/PATH@REVISION`.
    Hub {
        /// `OWNER/REPO`
        repository: String,
        /// Within the repository.
        path: String,
        /// A commit, a tag or a branch.
        revision: String,
    },
    /// Anywhere else: `https://…`.
    Web(String),
    /// A file on this machine.
    Here(String),
}

impl Place {
    /// Takes a name apart.
    ///
    /// # Errors
    /// Where it is no place, or leads elsewhere than it says.
    pub fn parse(name: &str) -> Result<Self, String> {
        let refused = |why: &str| Err(format!("`{name}` {why}"));
        if let Some(rest) = name.strip_prefix("hf://") {
            let (rest, revision) = rest.rsplit_once('@').unwrap_or((rest, "main"));
            let mut parts = rest.splitn(3, '/');
            let (Some(owner), Some(repo), Some(path)) = (parts.next(), parts.next(), parts.next())
            else {
                return refused("is no hf://OWNER/REPO/PATH@REVISION");
            };
            if ![owner, repo, revision].into_iter().chain(path.split('/')).all(is_plain) {
                return refused("has a part that is no plain name");
            }
            let repository = format!("{owner}/{repo}");
            return Ok(Self::Hub { repository, path: path.into(), revision: revision.into() });
        }
        let Some((scheme, rest)) = name.split_once("://") else {
            return Ok(Self::Here(name.to_owned()));
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if scheme != "https" && !(scheme == "http" && is_loopback(host)) {
            return refused("is neither hf:// nor https://");
        }
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) || !path.split('/').all(is_plain) {
            return refused("is no address of plain names; it may have no `?`, `@` or `..`");
        }
        Ok(Self::Web(name.to_owned()))
    }

    /// What the file is called where it is put.
    pub fn file_name(&self) -> &str {
        let path = match self {
            Self::Hub { path, .. } => path,
            Self::Web(name) | Self::Here(name) => name,
        };
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Its address; what is here has none.
    pub fn address(&self, hub: &str) -> Option<String> {
        match self {
            Self::Hub { repository, path, revision } => {
                Some(format!("{hub}/{repository}/resolve/{revision}/{path}"))
            }
            Self::Web(address) => Some(address.clone()),
            Self::Here(_) => None,
        }
    }

    /// The revision that the name asks for.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::Hub { revision, .. } => Some(revision),
            Self::Web(_) | Self::Here(_) => None,
        }
    }

    /// Whether what is there cannot change: it is named by its commit.
    pub fn is_pinned(&self) -> bool {
        self.revision().is_some_and(is_commit)
    }
}

/// As configurations write it.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub { repository, path, revision } => {
                write!(f, "hf://{repository}/{path}@{revision}")
            }
            Self::Web(name) | Self::Here(name) => f.write_str(name),
        }
    }
}

/// Whether a revision is a commit.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a part of a path leads nowhere else and needs no quoting.
fn is_plain(part: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+~".contains(&byte);
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_usual)
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn names_are_places_or_are_refused() {
        let place = Place::parse("hf://ann/tiny/languages/x/model.safetensors@v1").unwrap();
        assert_eq!(place.file_name(), "model.safetensors");
        assert_eq!(
            place.address("https://hub").unwrap(),
            "https://hub/ann/tiny/resolve/v1/languages/x/model.safetensors"
        );
        assert!(!place.is_pinned());
        assert_eq!(place.to_string(), "hf://ann/tiny/languages/x/model.safetensors@v1");
        let commit = "0123456789012345678901234567890123456789";
        assert!(Place::parse(&format!("hf://a/b/c@{commit}")).unwrap().is_pinned());
        assert_eq!(Place::parse("hf://a/b/c").unwrap().revision(), Some("main"));
        let web = Place::parse("https://example.com/a/tokenizer.json").unwrap();
        assert_eq!((web.file_name(), web.revision()), ("tokenizer.json", None));
        assert!(matches!(Place::parse("http://127.0.0.1:80/x"), Ok(Place::Web(_))));
        assert_eq!(Place::parse("model.safetensors"), Ok(Place::Here("model.safetensors".into())));
        for name in [
            "hf://a/b",
            "hf://a/b/",
            "hf://a/b/../../x",
            "hf://../../x/y",
            "hf://a/b/c@../x",
            "hf://a/b/c d",
            "hf://a/b/c?x=y",
            "https://example.com/../x",
            "https://example.com/",
            "https://ann:secret@example.com/x",
            "https://example.com/x?token=1",
            "http://example.com/x",
            "ftp://example.com/x",
            "file:///etc/passwd",
        ] {
            assert!(Place::parse(name).is_err(), "{name}");
        }
    }
}
