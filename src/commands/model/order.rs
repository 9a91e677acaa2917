//! What a pull is to bring: a released model, or what a YAML file of one's own names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::manifest::MANIFEST;
use super::place::Place;
use crate::cli::{Pull, Voices};
use crate::engine::pocket::catalogue::{self, CatalogueModel, Weights};
use crate::engine::pocket::config::ModelConfig;
use crate::engine::pocket::shelf::is_name;

/// A YAML file is shorter.
const MAX_YAML_BYTES: u64 = 1 << 20;

/// What is to be got.
#[derive(Debug)]
pub struct Order {
    /// What the model is called.
    pub name: String,
    /// What was asked for.
    pub asked: String,
    /// Its configuration, as it is written …
    pub yaml: String,
    /// … where that is from …
    pub yaml_source: String,
    /// … and as it is meant.
    pub config: ModelConfig,
    /// Relative names in it begin here.
    pub base: PathBuf,
    /// Which weights …
    pub which: Weights,
    /// … and where they are.
    pub weights: Place,
    /// The name of the file with the other kind of weights.
    pub other_weights: Option<String>,
    /// The tokenizer.
    pub tokenizer: Place,
    /// The predefined voices.
    pub voices: Vec<Voice>,
    /// Whether each was asked for by name.
    pub voices_are_named: bool,
}

/// A predefined voice.
#[derive(Debug)]
pub struct Voice {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

impl Order {
    /// What is asked for.
    ///
    /// # Errors
    /// Where there is no such model or voice, or a configuration names what cannot be got.
    pub fn of(arguments: &Pull) -> anyhow::Result<Self> {
        let asked = &arguments.model;
        let file = Path::new(asked);
        let is_file = file.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let (name, yaml, yaml_source, released) = if is_file {
            let name = name_of(file, arguments.name.as_deref())?;
            (name, read(file)?, file.display().to_string(), None)
        } else {
            let Some(model) = catalogue::find(asked) else {
                bail!(
                    "there is no model `{asked}`; `speakerd model list` shows those there are, and a YAML file can be \
                     named as well"
                );
            };
            if arguments.name.is_some() {
                bail!("a released model keeps its name; `--name` is for a YAML file");
            }
            (asked.clone(), model.config_yaml(), "speakerd".to_owned(), Some(model))
        };
        let config = ModelConfig::parse(file, &yaml)?;
        let which =
            if arguments.without_cloning { Weights::WithoutCloning } else { Weights::WithCloning };
        let (weights, other) = match which {
            Weights::WithCloning => (&config.weights, &config.weights_without_cloning),
            Weights::WithoutCloning => (&config.weights_without_cloning, &config.weights),
        };
        let Some(weights) = weights else {
            match which {
                Weights::WithCloning => {
                    bail!("`{asked}` names no weights that can clone; say `--without-cloning`")
                }
                Weights::WithoutCloning => {
                    bail!("`{asked}` names no `weights_path_without_voice_cloning`")
                }
            }
        };
        let weights = place(weights, &["safetensors"])?;
        let other_weights = other.as_ref().and_then(|name| Place::parse(name).ok());
        let tokenizer = place(&config.tokenizer, &["json", "model"])?;
        let (voices, voices_are_named) = voices(released, arguments.voices.as_ref())?;
        Ok(Self {
            name,
            asked: asked.clone(),
            yaml,
            yaml_source,
            base: file.parent().unwrap_or(Path::new("")).to_owned(),
            which,
            weights,
            other_weights: other_weights.map(|place| place.file_name().to_owned()),
            tokenizer,
            voices,
            voices_are_named,
            config,
        })
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let place = || format!("cannot read the model's configuration `{}`", file.display());
    let n_bytes = file.metadata().with_context(place)?.len();
    if n_bytes > MAX_YAML_BYTES {
        bail!("{}: it has {n_bytes} bytes", place());
    }
    std::fs::read_to_string(file).with_context(place)
}

fn name_of(file: &Path, given: Option<&str>) -> anyhow::Result<String> {
    let stem = file.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
    let name = given.unwrap_or(stem);
    if !is_name(name) {
        bail!("`{name}` is no name for a model: `--name` gives one of a-z, 0-9, `_`, `-` and `.`");
    }
    Ok(name.to_owned())
}

/// A place whose file may lie in a model's directory.
fn place(name: &str, extensions: &[&str]) -> anyhow::Result<Place> {
    let place = Place::parse(name).map_err(anyhow::Error::msg)?;
    let file = place.file_name();
    if let Place::Here(name) = &place
        && name != file
    {
        bail!("`{name}` is not beside the configuration; put it there, and write only its name");
    }
    let extension = Path::new(file).extension().and_then(|it| it.to_str()).unwrap_or_default();
    if !extensions.contains(&extension) || file.starts_with('.') || file == MANIFEST {
        bail!("`{name}` has no name that ends with .{}", extensions.join(" or ."));
    }
    Ok(place)
}

fn voices(
    released: Option<&CatalogueModel>,
    asked: Option<&Voices>,
) -> anyhow::Result<(Vec<Voice>, bool)> {
    let (names, are_named) = match asked {
        None if released.is_none() => return Ok((Vec::new(), false)),
        None | Some(Voices::All) => (catalogue::predefined_voices(), false),
        Some(Voices::None) => return Ok((Vec::new(), false)),
        Some(Voices::Named(names)) => (names.as_slice(), true),
    };
    let Some(model) = released else {
        bail!(
            "predefined voices were made for the released models only; clone one, or say `--voices none`"
        );
    };
    let voice = |name: &String| {
        if !catalogue::is_predefined_voice(name) {
            let known = catalogue::predefined_voices().join(", ");
            bail!("there is no predefined voice `{name}`; there are: {known}");
        }
        let place = Place::parse(&model.voice(name)).map_err(anyhow::Error::msg)?;
        Ok(Voice { name: name.clone(), place })
    };
    Ok((names.iter().map(voice).collect::<anyhow::Result<_>>()?, are_named))
}
