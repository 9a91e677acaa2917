//! `speakerd model pull`: gets what a model needs into its directory. What was interrupted goes on where it was.

#![expect(clippy::print_stdout, reason = "the answer goes to standard output")]

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::answer::{Client, Patience};
use super::checksum::Digests;
use super::download::{Wanted, download, write_whole};
use super::error::DownloadError;
use super::manifest::{self, Entry, Manifest, voice_file};
use super::order::{Order, Voice};
use super::place::Place;
use super::progress::{Progress, size};
use super::token::Token;
use crate::cli::Pull;
use crate::engine::pocket::catalogue::Weights;
use crate::engine::pocket::files::{HubCache, ModelFiles};
use crate::engine::pocket::shelf::Shelf;
use crate::engine::pocket::tokenizer::Tokenizer;
use crate::engine::pocket::voice::VoiceState;
use crate::paths::{Paths, private_dir};
use crate::weights::Checkpoint;

const MAX_WEIGHTS_BYTES: u64 = 8 << 30;
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;
const MAX_VOICE_BYTES: u64 = 256 << 20;

/// Runs `speakerd model pull`.
///
/// # Errors
/// Where something cannot be got, with the way out.
pub fn run(arguments: &Pull, hub: String, paths: &Paths) -> anyhow::Result<()> {
    let order = Order::of(arguments)?;
    let patience = Patience::default();
    let client = Client::new(hub, Token::of_this_user()?, patience);
    let shelf = Shelf::new(paths.models_dir());
    let progress = if arguments.json { Progress::for_programs() } else { Progress::for_people() };
    let pulled = Pulling { order: &order, client: &client, patience, progress: &progress }
        .run(&shelf, &paths.data_dir)?;
    if arguments.json {
        let Pulled { dir, n_files, n_bytes } = &pulled;
        println!(
            "{}",
            json!({ "model": order.name, "dir": dir, "files": n_files, "bytes": n_bytes })
        );
    } else {
        let place = pulled.dir.display();
        println!("`{}` is installed in {place}: {}", order.name, size(pulled.n_bytes));
    }
    Ok(())
}

/// One pull.
struct Pulling<'a> {
    order: &'a Order,
    client: &'a Client,
    patience: Patience,
    progress: &'a Progress,
}

/// What is there now.
struct Pulled {
    dir: PathBuf,
    n_files: usize,
    n_bytes: u64,
}

impl Pulling<'_> {
    fn run(&self, shelf: &Shelf, data_dir: &Path) -> anyhow::Result<Pulled> {
        let name = &self.order.name;
        let dir = shelf.dir_of(name).with_context(|| format!("`{name}` is no name for a model"))?;
        for dir in [data_dir, shelf.dir(), &dir] {
            private_dir(dir)?;
        }
        let _lock = lock(shelf, name)?;
        let pulled = self.get_all(&dir);
        if pulled.is_err() {
            // Where nothing came, nothing is left behind; what came is not empty, and stays.
            drop(std::fs::remove_dir(&dir));
        }
        pulled
    }

    fn get_all(&self, dir: &Path) -> anyhow::Result<Pulled> {
        let Order { config, weights, tokenizer, voices, .. } = self.order;
        let mut manifest = Manifest::read(dir)?.unwrap_or_default();
        let is_weights =
            |path: &Path| Checkpoint::open(path).map(drop).map_err(|error| error.to_string());
        self.file(dir, &mut manifest, weights, MAX_WEIGHTS_BYTES, None, &is_weights)
            .map_err(|error| self.explained(error))?;
        // With both there, those that can clone would be used.
        if let Some(other) = &self.order.other_weights
            && other != weights.file_name()
            && manifest.files.remove(other).is_some()
        {
            drop(std::fs::remove_file(dir.join(other)));
        }
        let is_tokenizer = |path: &Path| {
            let read = Tokenizer::read(path, config.tokenizer_kind, config.flow_lm.n_bins);
            read.map(drop).map_err(|error| error.to_string())
        };
        self.file(dir, &mut manifest, tokenizer, MAX_TOKENIZER_BYTES, None, &is_tokenizer)
            .map_err(|error| self.explained(error))?;
        self.config(dir, &mut manifest)?;
        self.voices(dir, &mut manifest, voices)?;
        // What is there can be used.
        ModelFiles::find(dir, &HubCache::nowhere())?;
        let n_bytes = manifest.files.values().map(|entry| entry.n_bytes).sum();
        Ok(Pulled { dir: dir.to_owned(), n_files: manifest.files.len(), n_bytes })
    }

    /// The configuration is the last that a model needs: with it, it is installed.
    fn config(&self, dir: &Path, manifest: &mut Manifest) -> anyhow::Result<()> {
        let path = dir.join("config.yaml");
        let place = || format!("cannot write `{}`", path.display());
        write_whole(&path, self.order.yaml.as_bytes()).with_context(place)?;
        let digests = Digests::of(&path).with_context(place)?;
        let entry = Entry {
            n_bytes: digests.n_bytes,
            sha256: digests.sha256,
            source: self.order.yaml_source.clone(),
            revision: None,
        };
        manifest.files.insert("config.yaml".to_owned(), entry);
        manifest.write(dir)
    }

    fn voices(&self, dir: &Path, manifest: &mut Manifest, voices: &[Voice]) -> anyhow::Result<()> {
        if voices.is_empty() {
            return Ok(());
        }
        private_dir(&dir.join("voices"))?;
        let transformer = &self.order.config.flow_lm.transformer;
        let is_voice = |path: &Path| {
            VoiceState::read(path, transformer).map(drop).map_err(|error| error.to_string())
        };
        let mut missing = Vec::new();
        for Voice { name, place } in voices {
            let to = voice_file(name);
            match self.file(dir, manifest, place, MAX_VOICE_BYTES, Some(&to), &is_voice) {
                Ok(()) => {}
                // Not every voice need have been made for every model; one that was named must be there.
                Err(error) if is_missing(&error) && !self.order.voices_are_named => {
                    missing.push(name.as_str());
                }
                Err(error) => return Err(self.explained(error)),
            }
        }
        if !missing.is_empty() {
            self.progress.remark(&format!("not made for this model: {}", missing.join(", ")));
        }
        Ok(())
    }

    /// Gets one file, unless it is here already.
    fn file(
        &self,
        dir: &Path,
        manifest: &mut Manifest,
        place: &Place,
        max_bytes: u64,
        to: Option<&str>,
        check: &dyn Fn(&Path) -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let name = to.unwrap_or(place.file_name()).to_owned();
        let source = place.to_string();
        let known = manifest.files.get(&name).filter(|entry| entry.source == source);
        if let Some(entry) = known
            && place.is_pinned()
            && manifest::check(dir, &name, entry).is_ok()
        {
            self.progress.done(&name, entry.n_bytes);
            return Ok(());
        }
        let to = dir.join(&name);
        let (digests, revision) = if let Place::Here(_) = place {
            (self.copy(place, &to, max_bytes, check)?, None)
        } else {
            let wanted = Wanted { place, to, name: &name, max_bytes, check };
            let got = download(self.client, &wanted, self.patience, self.progress)?;
            (got.digests, got.commit.or_else(|| place.revision().map(str::to_owned)))
        };
        let n_bytes = digests.n_bytes;
        let entry = Entry { n_bytes, sha256: digests.sha256, source, revision };
        manifest.files.insert(name.clone(), entry);
        // After each file: what is here need not come again.
        manifest.write(dir)?;
        self.progress.done(&name, n_bytes);
        Ok(())
    }

    /// A file beside a YAML file of one's own.
    fn copy(
        &self,
        place: &Place,
        to: &Path,
        max_bytes: u64,
        check: &dyn Fn(&Path) -> Result<(), String>,
    ) -> anyhow::Result<Digests> {
        let from = self.order.base.join(place.to_string());
        let context = || format!("cannot copy `{}`", from.display());
        let n_bytes = from.metadata().with_context(context)?.len();
        if n_bytes > max_bytes {
            bail!("{}: it is larger than {}", context(), size(max_bytes));
        }
        check(&from).map_err(anyhow::Error::msg).with_context(context)?;
        let dir = to.parent().unwrap_or(Path::new("."));
        let mut part = tempfile::NamedTempFile::new_in(dir).with_context(context)?;
        std::io::copy(&mut File::open(&from).with_context(context)?, &mut part)
            .with_context(context)?;
        part.as_file().sync_all().with_context(context)?;
        part.persist(to).with_context(context)?;
        Digests::of(to).with_context(context)
    }

    /// The error, with all that there is to know where the hub keeps a file to itself.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(DownloadError::Gated { status, .. }) = error.downcast_ref::<DownloadError>()
        else {
            return error;
        };
        let hub = self.client.hub();
        let Place::Hub { repository, .. } = &self.order.weights else { return error };
        let token = match (self.client.token_found(), status) {
            (None, _) => "There is no token here.".to_owned(),
            (Some(found), 401) => format!("The token of {found} was not accepted."),
            (Some(found), _) => format!(
                "The token of {found} was not enough: its account has not accepted the terms yet, or it may not read \
                 such repositories."
            ),
        };
        let mut text = format!(
            "\n{repository} is gated: the hub gives its files to those who accepted its terms. {token}\n\
             1. Open {hub}/{repository}, log in and accept the terms.\n\
             2. Make a token at {hub}/settings/tokens, then `hf auth login`, or set HF_TOKEN.\n\
             3. Give the same command again."
        );
        if self.order.which == Weights::WithCloning && self.order.other_weights.is_some() {
            use std::fmt::Write as _;
            let _written = write!(
                text,
                "\nWithout any of this: `speakerd model pull {} --without-cloning` gets the same weights without the \
                 voice encoder. They speak with the predefined voices, but no voice can be made of a recording.",
                self.order.asked
            );
        }
        anyhow::anyhow!("{error}{text}")
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(DownloadError::NotFound { .. }))
}

/// Keeps others from the model until it is dropped.
///
/// # Errors
/// Where somebody else has it.
pub(super) fn lock(shelf: &Shelf, name: &str) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = shelf.dir().join(format!(".{name}.lock"));
    let place = || format!("cannot open `{}`", path.display());
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(place)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("another `speakerd model` is at work on `{name}`; wait until it is done")
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock `{}`", path.display())),
    }
}
