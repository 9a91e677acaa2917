use std::os::unix::fs::MetadataExt;

use super::*;
use crate::voice::card::Quality;

fn state() -> Vec<NamedTensor> {
    vec![
        NamedTensor {
            name: STATE.to_owned(),
            shape: vec![2, 1, 1, 1, 2],
            values: Values::Floats(vec![0.5, -1.0, 2.0, 3.0]),
        },
        NamedTensor {
            name: "transformer.layers.0.self_attn/offset".to_owned(),
            shape: vec![1],
            values: Values::Integers(vec![1]),
        },
    ]
}

fn voice(name: &str) -> Voice {
    let card = VoiceCard {
        name: name.to_owned(),
        languages: vec!["en".to_owned(), "fr".to_owned()],
        status: VoiceStatus::Completed,
        problem: None,
        visibility: Visibility::Public,
        consent: "she agreed, 2026-11-25".to_owned(),
        created: "2026-11-25T00:00:00Z".to_owned(),
        source_digest: Some("ab".to_owned()),
        model: Some("english".to_owned()),
        model_hash: Some("cd".to_owned()),
        has_recording: true,
        forget_recording: true,
        quality: Some(Quality { used_secs: 9.5, ..Quality::default() }),
    };
    Voice { card, recording: Some(vec![0.25, -0.5, 1.0]), state: state() }
}

#[test]
fn a_voice_comes_back_as_it_was_saved_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path().join("voices"));
    assert!(library.cards().is_empty());
    library.save(&voice("anna")).unwrap();
    let mut loaded = library.load("anna").unwrap();
    loaded.state.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(loaded, voice("anna"));
    assert_eq!(library.card("anna").unwrap(), voice("anna").card);
    assert_eq!(library.recording("anna").unwrap(), voice("anna").recording);
    let file = library.file("anna").unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(file.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(dir.path().join("voices")).unwrap().count(), 1, "nothing is left");
}

#[test]
fn voices_are_renamed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path().to_owned());
    library.save(&voice("anna")).unwrap();
    library.save(&voice("ben")).unwrap();
    assert!(matches!(library.rename("anna", "ben"), Err(LibraryError::Exists(_))));
    assert!(matches!(library.rename("anna", "../x"), Err(LibraryError::BadName { .. })));
    assert!(matches!(library.rename("eve", "x"), Err(LibraryError::Unknown { .. })));
    library.rename("anna", "carla").unwrap();
    assert_eq!(library.names(), ["ben", "carla"]);
    assert_eq!(library.card("carla").unwrap().name, "carla");
    library.remove("carla").unwrap();
    assert!(matches!(library.remove("carla"), Err(LibraryError::Unknown { .. })));
    assert_eq!(library.names(), ["ben"]);
}

#[test]
fn what_is_exported_can_be_imported_without_what_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path().join("voices"));
    library.save(&voice("anna")).unwrap();
    let file = dir.path().join("anna.safetensors");
    library.export("anna", &file).unwrap();
    assert!(library.export("anna", &file).is_err(), "nothing is written over");
    let exported = Checkpoint::open(&file).unwrap();
    assert!(exported.notes().is_none() && !exported.has(RECORDING));
    let card = library.import("copy", &file, "now".to_owned()).unwrap();
    assert_eq!((card.status, card.has_recording), (VoiceStatus::Completed, false));
    assert!(matches!(library.import("copy", &file, String::new()), Err(LibraryError::Exists(_))));
    let mut copy = library.load("copy").unwrap();
    copy.state.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(copy.state, state());
}

#[test]
fn damaged_and_foreign_files_are_told_and_hide_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path().to_owned());
    library.save(&voice("anna")).unwrap();
    std::fs::write(dir.path().join("broken.safetensors"), "no").unwrap();
    let other = [NamedTensor {
        name: "weight".to_owned(),
        shape: vec![1],
        values: Values::Floats(vec![1.0]),
    }];
    std::fs::write(dir.path().join("other.safetensors"), to_bytes(&other, None).unwrap()).unwrap();
    let cards = library.cards();
    let found: Vec<_> = cards.iter().map(|card| (card.name.as_str(), card.status)).collect();
    assert_eq!(
        found,
        [
            ("anna", VoiceStatus::Completed),
            ("broken", VoiceStatus::Failed),
            ("other", VoiceStatus::Failed)
        ]
    );
    assert!(cards[1].problem.as_ref().unwrap().contains("broken.safetensors"));
    assert!(matches!(
        library.import("x", &dir.path().join("other.safetensors"), String::new()),
        Err(LibraryError::Empty(_))
    ));
}

#[test]
fn there_is_an_end_to_how_many_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path().to_owned());
    for idx in 0..MAX_VOICES {
        std::fs::write(dir.path().join(format!("v{idx}.safetensors")), "").unwrap();
    }
    assert!(matches!(library.check_new("one-more"), Err(LibraryError::TooMany)));
    assert!(matches!(library.check_new("v1"), Err(LibraryError::Exists(_))));
}
