//! Text preparation, tokenizers, chunks.

use std::path::Path;

use serde_json::Value;
use speakerd::engine::pocket::config::TokenizerKind;
use speakerd::engine::pocket::ending;
use speakerd::engine::pocket::prompt::TextRules;
use speakerd::engine::pocket::tokenizer::{Tokenizer, TokenizerError};

use super::{Golden, fixtures, ids_of, json};
use crate::support::shared;

fn rules(value: &Value) -> TextRules {
    let flag = |name: &str| value[name].as_bool().unwrap();
    let replacements = value["replace_characters"].as_object().unwrap();
    TextRules {
        pads_short_texts: flag("pad_with_spaces_for_short_inputs"),
        removes_semicolons: flag("remove_semicolons"),
        appends_punctuation: flag("append_terminal_punctuation"),
        capitalizes: flag("capitalize_first_letter"),
        replacements: replacements
            .iter()
            .map(|(from, to)| (from.chars().next().unwrap(), to.as_str().unwrap().to_owned()))
            .collect(),
    }
}

#[track_caller]
fn check_prepared(rules: &TextRules, case: &Value) {
    let prepared = rules.prepare(case["text"].as_str().unwrap());
    let found = prepared.as_ref().map(|prepared| prepared.text.as_str());
    assert_eq!(found, case["prepared"].as_str(), "{case}");
    let frames = prepared.map(|prepared| prepared.frames_after_eos as u64);
    assert_eq!(frames, case["frames_after_eos_guess"].as_u64(), "{case}");
}

#[test]
fn text_is_prepared_as_the_reference_does() {
    let sets = json(&fixtures().join("common/prepare_text.json"));
    let mut n_cases = 0;
    for set in sets.as_array().unwrap() {
        let rules = rules(&set["rules"]);
        for case in set["results"].as_array().unwrap() {
            check_prepared(&rules, case);
            n_cases += 1;
        }
    }
    assert!(n_cases > 50, "{n_cases}");
}

#[test]
fn every_kind_of_tokenizer_gives_the_tokens_of_the_reference() {
    let common = fixtures().join("common");
    let files = json(&common.join("tokenize.json"));
    for (name, cases) in files.as_object().unwrap() {
        let (file, kind) = if Path::new(name).extension().is_some_and(|it| it == "json") {
            (common.join(name), TokenizerKind::Json)
        } else {
            (common.join(format!("{name}.model")), TokenizerKind::SentencePiece)
        };
        let tokenizer = Tokenizer::of_any_size(&file, kind).unwrap();
        for case in cases.as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids = ids_of(&case["ids"]);
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{name} {text:?}");
            let decoded = tokenizer.decode(&ids).unwrap();
            assert_eq!(decoded, case["decoded"].as_str().unwrap(), "{name} {text:?}");
        }
    }
}

#[test]
fn text_is_cut_into_the_chunks_of_the_reference() {
    for golden in Golden::all() {
        let config = golden.config();
        let facts = json(&golden.dir.join("golden_text.json"));
        assert_eq!(config.text.replacements.len(), rules(&facts["rules"]).replacements.len());
        let n_bins = config.flow_lm.n_bins;
        let tokenizer =
            Tokenizer::read(&golden.tokenizer(), config.tokenizer_kind, n_bins).unwrap();
        for case in facts["cases"].as_array().unwrap() {
            check_prepared(&config.text, case);
            let Some(prepared) = case["prepared"].as_str() else { continue };
            let ids = ids_of(&case["ids"]);
            assert_eq!(tokenizer.encode(prepared).unwrap(), ids, "{} {case}", golden.name());
            assert_eq!(tokenizer.decode(&ids).unwrap(), case["decoded"].as_str().unwrap());
            for max_tokens in [50, 16] {
                check_chunks(&config.text, &tokenizer, config.frames_after_eos, case, max_tokens);
            }
        }
    }
}

fn check_chunks(
    rules: &TextRules,
    tokenizer: &Tokenizer,
    frames_after_eos: Option<usize>,
    case: &Value,
    max_tokens: usize,
) {
    let text = case["text"].as_str().unwrap();
    let expected = case[format!("chunks_max_{max_tokens}")].as_array().unwrap();
    let chunks = rules.chunks(text, tokenizer, max_tokens).unwrap();
    let texts: Vec<_> = expected.iter().map(|chunk| chunk["chunk"].as_str().unwrap()).collect();
    assert_eq!(chunks, texts, "{text:?}, {max_tokens}");
    for (chunk, expected) in chunks.iter().zip(expected) {
        let prepared = rules.prepare(chunk).unwrap();
        assert_eq!(prepared.text, expected["prepared"].as_str().unwrap());
        let ids = tokenizer.encode(&prepared.text).unwrap();
        assert_eq!(ids, ids_of(&expected["ids"]), "{chunk:?}");
        let after = ending::frames_after_eos(frames_after_eos, prepared.frames_after_eos);
        assert_eq!(after as u64, expected["frames_after_eos"].as_u64().unwrap(), "{chunk:?}");
        let most = ending::max_frames(ids.len());
        assert_eq!(most as u64, expected["max_gen_len"].as_u64().unwrap(), "{chunk:?}");
    }
}

#[test]
fn the_real_tokenizer_gives_the_tokens_that_the_real_model_gets() {
    let Some(dir) = shared::data("pocket-tts") else { return };
    let file = dir.join("tokenizer.model");
    let tokenizer = Tokenizer::read(&file, TokenizerKind::SentencePiece, 4_000).unwrap();
    let facts = json(&dir.join("golden/token_info.json"));
    let ids = tokenizer.encode(facts["text"].as_str().unwrap()).unwrap();
    assert_eq!(ids, ids_of(&facts["tokens"]));
    let refused = Tokenizer::read(&file, TokenizerKind::SentencePiece, 360).unwrap_err();
    assert!(matches!(refused, TokenizerError::Size { found: 4_000, .. }), "{refused}");
}

/// Files that are no tokenizers, or the other kind.
#[test]
fn a_file_that_is_no_tokenizer_is_refused_by_name() {
    let common = fixtures().join("common");
    for (file, kind) in [
        ("unigram_identity_bytes.json", TokenizerKind::SentencePiece),
        ("unigram_identity_bytes.model", TokenizerKind::Json),
        ("stereo_8000.wav", TokenizerKind::SentencePiece),
        ("stereo_8000.wav", TokenizerKind::Json),
        ("not-there", TokenizerKind::Json),
    ] {
        let refused = Tokenizer::of_any_size(&common.join(file), kind).unwrap_err();
        assert!(refused.to_string().contains(file), "{refused}");
    }
}
