//! The models that Kyutai released: what they are called, what they speak, and what of them can be got from where.
//!
//! Knows no network and no disk: the facts are in `config/models.toml`, which is in the binary.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use toml::{Table, Value};

const FILE: &str = include_str!("../../../config/models.toml");

/// The language of a model of which nothing is known.
const USUAL_LANGUAGE: &str = "en";

/// A released model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueModel {
    name: String,
    language: String,
    variant: String,
    family: String,
    text: String,
    weights: String,
    open_weights: String,
    tokenizer: String,
}

/// Which weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Those that can make a voice of a recording; their terms have to be accepted.
    WithCloning,
    /// Those without the voice encoder, open to everyone.
    WithoutCloning,
}

impl CatalogueModel {
    /// Its name: `english`, `german_24l`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it speaks, as a tag: `en`, `de`.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// What it speaks, in English.
    pub fn language_name(&self) -> &'static str {
        CATALOGUE.languages.get(&self.language).map_or("", |language| &language.name)
    }

    /// What sets it apart: `100M`, `24 layers`.
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// The predefined voice that speaks where none is named.
    pub fn default_voice(&self) -> &'static str {
        CATALOGUE.languages.get(&self.language).map_or("", |language| &language.voice)
    }

    /// Where its weights are, as configurations name places.
    pub fn weights(&self, which: Weights) -> String {
        let (repository, revision) = match which {
            Weights::WithCloning => (&CATALOGUE.repositories.cloning, &self.weights),
            Weights::WithoutCloning => (&CATALOGUE.repositories.open, &self.open_weights),
        };
        format!("hf://{repository}/languages/{}/model.safetensors@{revision}", self.name)
    }

    /// Where its tokenizer is.
    pub fn tokenizer(&self) -> String {
        format!("hf://{}/{}", CATALOGUE.repositories.open, self.tokenizer)
    }

    /// Where the state of one of its predefined voices is.
    pub fn voice(&self, name: &str) -> String {
        let (repository, revision) = (&CATALOGUE.repositories.open, &CATALOGUE.voices.revision);
        format!(
            "hf://{repository}/languages/{}/embeddings/{name}.safetensors@{revision}",
            self.name
        )
    }

    /// Its configuration, as the YAML file of a model.
    ///
    /// # Panics
    /// Never: a test makes them all.
    pub fn config_yaml(&self) -> String {
        let mut config = CATALOGUE.config_of(&self.family);
        if let Some(text) = CATALOGUE.texts.get(&self.text) {
            lay_over(&mut config, text);
        }
        let tokenizer = Table::from_iter([("tokenizer_path".to_owned(), self.tokenizer().into())]);
        let tokenizer = Table::from_iter([("lookup_table".to_owned(), tokenizer.into())]);
        let names = Table::from_iter([
            ("weights_path".to_owned(), self.weights(Weights::WithCloning).into()),
            (
                "weights_path_without_voice_cloning".to_owned(),
                self.weights(Weights::WithoutCloning).into(),
            ),
            ("flow_lm".to_owned(), Value::Table(tokenizer)),
        ]);
        lay_over(&mut config, &names);
        // One line for each name: people look for them.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(&config, options)
            .expect("tables of plain values are YAML")
    }
}

/// All of them, the best for an ordinary processor first.
pub fn models() -> &'static [CatalogueModel] {
    &CATALOGUE.models
}

/// The model of that name.
pub fn find(name: &str) -> Option<&'static CatalogueModel> {
    models().iter().find(|model| model.name == name)
}

/// What a model speaks, as a tag; `en` where it is not known.
pub fn language_of(model: &str) -> &'static str {
    find(model).map_or(USUAL_LANGUAGE, CatalogueModel::language)
}

/// The names of the voices that come with each model, sorted.
pub fn predefined_voices() -> &'static [String] {
    &CATALOGUE.voices.names
}

/// Whether a voice of that name comes with each model.
pub fn is_predefined_voice(name: &str) -> bool {
    predefined_voices().iter().any(|voice| voice == name)
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    repositories: Repositories,
    voices: Voices,
    languages: BTreeMap<String, Language>,
    texts: BTreeMap<String, Table>,
    families: BTreeMap<String, Family>,
    #[serde(rename = "model")]
    models: Vec<CatalogueModel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repositories {
    cloning: String,
    open: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Voices {
    revision: String,
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    name: String,
    voice: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    based_on: Option<String>,
    config: Table,
}

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| toml::from_str(FILE).expect("a test reads the catalogue"));

impl Catalogue {
    /// What the configurations of a family have in common.
    fn config_of(&self, family: &str) -> Table {
        let Some(family) = self.families.get(family) else { return Table::new() };
        let mut config =
            family.based_on.as_ref().map_or_else(Table::new, |base| self.config_of(base));
        lay_over(&mut config, &family.config);
        config
    }
}

/// Puts the values of one table over those of another.
fn lay_over(below: &mut Table, above: &Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::engine::pocket::config::{FlowKind, ModelConfig};
    use crate::engine::pocket::shelf::is_name;

    fn config(name: &str) -> ModelConfig {
        ModelConfig::parse(Path::new(name), &find(name).unwrap().config_yaml()).unwrap()
    }

    #[test]
    fn every_model_has_a_configuration_that_can_be_used() {
        let is_revision =
            |it: &str| it.len() == 40 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut names = BTreeSet::new();
        for model in models() {
            assert!(is_name(&model.name) && names.insert(&model.name), "{}", model.name);
            let config = config(&model.name);
            assert_eq!(config.weights, Some(model.weights(Weights::WithCloning)));
            let open = Some(model.weights(Weights::WithoutCloning));
            assert_eq!(config.weights_without_cloning, open);
            assert_eq!(config.tokenizer, model.tokenizer());
            assert!(CATALOGUE.families.contains_key(&model.family), "{}", model.family);
            assert!(CATALOGUE.texts.contains_key(&model.text), "{}", model.text);
            assert!(!model.language_name().is_empty(), "{}", model.language);
            assert!(is_predefined_voice(model.default_voice()), "{}", model.name);
            let (_, tokenizer) = model.tokenizer.rsplit_once('@').unwrap();
            for revision in [&model.weights, &model.open_weights, tokenizer] {
                assert!(is_revision(revision), "{}: {revision}", model.name);
            }
        }
        assert!(is_revision(&CATALOGUE.voices.revision));
        assert!(predefined_voices().iter().all(|voice| is_name(voice)));
        assert!(predefined_voices().is_sorted());
        assert_eq!((names.len(), models()[0].name()), (27, "english"));
    }

    #[test]
    fn families_differ_in_what_they_say_and_in_nothing_else() {
        let english = config("english");
        assert_eq!((english.flow_lm.transformer.n_layers, english.flow_lm.z_dim), (6, None));
        let large = config("german_24l");
        assert_eq!(large.flow_lm.transformer.n_layers, 24);
        assert_eq!((&large.mimi, large.temperature), (&english.mimi, english.temperature));
        assert!(large.text.removes_semicolons && !english.text.removes_semicolons);
        let small = config("english_7m_refl_2026-10");
        let sizes = &small.flow_lm.transformer;
        assert_eq!(
            (sizes.d_model, sizes.n_heads, sizes.n_kv_heads, sizes.n_layers),
            (224, 8, 2, 8)
        );
        assert_eq!((small.flow_lm.rank, small.flow_lm.z_dim), (Some(64), Some(64)));
        assert_eq!((small.flow_lm.flow.kind, small.eos_threshold), (FlowKind::Drifting, -1.0));
        assert_eq!(small.mimi.encoder, english.mimi.encoder);
        assert_eq!(config("english_2m_2026-10").flow_lm.flow.kind, FlowKind::Pointwise);
        let first = config("english_2026-01");
        assert!(first.text.pads_short_texts && !first.flow_lm.bos_before_voice);
    }

    #[test]
    fn names_are_known_or_not() {
        for (model, language, voice) in [
            ("english", "en", "alba"),
            ("french_24l", "fr", "estelle"),
            ("german", "de", "juergen"),
            ("italian", "it", "giovanni"),
            ("spanish", "es", "lola"),
            ("portuguese", "pt", "rafael"),
            ("dutch_24l", "nl", "daan"),
        ] {
            assert_eq!(language_of(model), language);
            assert_eq!(find(model).unwrap().default_voice(), voice);
        }
        assert_eq!((language_of("mine"), find("mine").is_none()), ("en", true));
        assert!(is_predefined_voice("jean") && !is_predefined_voice("Jean"));
    }
}
