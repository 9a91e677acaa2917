//! A voice's card, as notes in the header of its file.

use std::collections::BTreeMap;

use super::{LibraryError, RECORDING, STATE};
use crate::voice::card::{VoiceCard, VoiceStatus};
use crate::weights::Checkpoint;

/// The longest note on consent, and the longest problem.
const MAX_NOTE_CHARS: usize = 1_024;

/// The note on a recording that goes once the voice is made.
const FORGET: &str = "forget";

/// The card in a file's header.
pub(super) fn card_of(file: &Checkpoint, name: &str) -> Result<VoiceCard, LibraryError> {
    let (has_state, has_recording) = (file.has(STATE), file.has(RECORDING));
    if !has_state && !has_recording {
        return Err(LibraryError::Empty(file.path().to_owned()));
    }
    let note = |key: &str| file.notes().and_then(|notes| notes.get(key)).cloned();
    let word = |key: &str| note(key).map(serde_json::Value::String);
    let languages = note("languages").unwrap_or_default();
    let status = word("status").and_then(|it| serde_json::from_value(it).ok());
    let usual = if has_state { VoiceStatus::Completed } else { VoiceStatus::Processing };
    Ok(VoiceCard {
        name: name.to_owned(), // the file's name is what it is called
        languages: languages.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        status: status.unwrap_or(usual),
        problem: note("problem"),
        visibility: word("visibility")
            .and_then(|it| serde_json::from_value(it).ok())
            .unwrap_or_default(),
        consent: note("consent").unwrap_or_default(),
        created: note("created").unwrap_or_default(),
        source_digest: note("source_digest"),
        model: note("model"),
        model_hash: note("model_hash"),
        has_recording,
        forget_recording: note("recording").is_some_and(|it| it == FORGET),
        quality: note("quality").and_then(|it| serde_json::from_str(&it).ok()),
    })
}

/// The header's notes of a card.
pub(super) fn notes_of(card: &VoiceCard) -> BTreeMap<String, String> {
    let bounded = |text: &str| -> String { text.chars().take(MAX_NOTE_CHARS).collect() };
    let quality = card.quality.as_ref().and_then(|it| serde_json::to_string(it).ok());
    let notes = [
        ("format", Some("speakerd-voice-1".to_owned())),
        ("name", Some(card.name.clone())),
        ("languages", Some(card.languages.join(","))),
        ("status", Some(card.status.as_str().to_owned())),
        ("problem", card.problem.as_deref().map(bounded)),
        ("visibility", Some(card.visibility.as_str().to_owned())),
        ("consent", Some(bounded(&card.consent))),
        ("created", Some(card.created.clone())),
        ("source_digest", card.source_digest.clone()),
        ("model", card.model.clone()),
        ("model_hash", card.model_hash.clone()),
        ("recording", card.forget_recording.then(|| FORGET.to_owned())),
        ("quality", quality),
    ];
    notes.into_iter().filter_map(|(key, note)| Some((key.to_owned(), note?))).collect()
}
