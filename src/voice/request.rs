//! What can be asked of the voices. Types only: they are a part of the wire.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::card::Visibility;

/// What can be asked of the voices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoiceRequest {
    /// Make a voice of recordings; answered when it can speak, or could not be made.
    Add(Box<AddVoice>),
    /// All voices.
    List,
    /// One of them.
    Show {
        /// Which.
        name: String,
    },
    /// Call one otherwise.
    Rename {
        /// Its name now.
        from: String,
        /// Its name then.
        to: String,
    },
    /// Forget one.
    Remove {
        /// Which.
        name: String,
    },
    /// Write one into a file, as other programs read it.
    Export {
        /// Which.
        name: String,
        /// Where; an absolute path at which nothing is yet.
        file: PathBuf,
    },
    /// Take one over from such a file.
    Import {
        /// What it is to be called.
        name: String,
        /// Where; an absolute path.
        file: PathBuf,
    },
    /// Make those ready that are not, or all of them; answered when that is done.
    Precompute {
        /// Those that are ready as well.
        #[serde(default)]
        all: bool,
    },
    /// Give up what is being made.
    Cancel,
}

/// See [`VoiceRequest::Add`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddVoice {
    /// What it is to be called.
    pub name: String,
    /// The recordings; absolute paths.
    pub files: Vec<PathBuf>,
    /// The languages that it is for.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Who agreed to what.
    #[serde(default)]
    pub consent: String,
    /// For whom it is.
    #[serde(default)]
    pub visibility: Visibility,
    /// Forget the recordings once it is made.
    #[serde(default)]
    pub forget_recording: bool,
    /// Take the place of a voice of that name.
    #[serde(default)]
    pub replace: bool,
}
