//! Voices, weights and recordings, damaged.

use speakerd::voice::library::Library;
use speakerd::voice::recording::Recording;
use speakerd::weights::Checkpoint;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pocket-tts/english_tiny");
    std::fs::read(root.join(name)).unwrap()
}

/// Found by the properties below.
#[test]
fn a_recording_whose_header_makes_a_decoder_panic_is_refused() {
    let mut wav = fixture("voice.wav");
    wav[22..24].copy_from_slice(&u16::MAX.to_le_bytes()); // channels, which are multiplied
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("voice.wav");
    std::fs::write(&file, wav).unwrap();
    let error = Recording::read(&file).unwrap_err();
    assert!(error.to_string().contains("voice.wav"), "{error}");
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_voice_file_is_taken_or_refused_by_name(damages in damages(), in_header: bool) {
        let right = fixture("voice_state.safetensors");
        // Most of the bytes are numbers, of which any will do.
        let n_header = if in_header { 600.min(right.len()) } else { right.len() };
        let (front, back) = right.split_at(n_header);
        let bytes = [damaged(front, &damages), back.to_vec()].concat();
        let home = tempfile::tempdir().unwrap();
        let library = Library::new(home.path().join("voices"));
        let file = home.path().join("state.safetensors");
        std::fs::write(&file, &bytes).unwrap();
        match library.import("nora", &file, "2026-01-01T00:00:00Z".to_owned()) {
            Ok(card) => {
                prop_assert_eq!(card.name, "nora");
                prop_assert!(library.load("nora").is_ok());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        // As it may have been damaged in its place.
        std::fs::create_dir_all(library.dir()).unwrap();
        std::fs::write(library.dir().join("ida.safetensors"), &bytes).unwrap();
        drop(library.cards());
        drop(library.card("ida"));
        drop(library.recording("ida"));
    }

    #[test]
    fn weights_are_opened_or_refused(damages in damages()) {
        let right = fixture("model.safetensors");
        let (front, back) = right.split_at(2_000.min(right.len()));
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("model.safetensors");
        std::fs::write(&file, [damaged(front, &damages), back.to_vec()].concat()).unwrap();
        if let Ok(weights) = Checkpoint::open(&file) {
            for name in weights.names() {
                if let Ok(shape) = weights.shape(&name).map(<[usize]>::to_vec) {
                    drop(weights.floats(&name, &shape));
                }
            }
        }
    }

    #[test]
    fn a_recording_is_sound_or_refused(damages in damages(), in_header: bool) {
        let right = fixture("voice.wav");
        let n_header = if in_header { 64 } else { right.len() };
        let (front, back) = right.split_at(n_header);
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("voice.wav");
        std::fs::write(&file, [damaged(front, &damages), back.to_vec()].concat()).unwrap();
        match Recording::read(&file) {
            Ok(recording) => {
                prop_assert!((4_000..=384_000).contains(&recording.rate_hz));
                prop_assert!(recording.samples.iter().all(|it| (-1.0..=1.0).contains(it)));
            }
            Err(error) => prop_assert!(error.to_string().contains("voice.wav")),
        }
    }
}
