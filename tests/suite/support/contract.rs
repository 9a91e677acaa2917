//! What every engine promises, real ones and fakes: one check, called with each of them.

use std::time::Duration;

use speakerd::engine::{Engine, EngineError, Prosody, Speech};
use speakerd::pcm::PcmChunk;

/// A line as the daemon gets them.
pub(crate) const LINE: &str = "The quick brown fox jumps over the lazy sleeping dog.";

/// Speech below this is silence: −40 dB of full scale.
const LOUDNESS_FLOOR: f32 = 0.01;

/// Checks an engine with one of its voices.
///
/// # Panics
/// Where the engine breaks a promise; the message says which.
pub(crate) fn check_engine(engine: &mut dyn Engine, voice: &str) {
    let plain = Prosody::default();
    let spoken = speak(engine, voice, LINE, plain);
    let loudness =
        (spoken.iter().map(|sample| sample * sample).sum::<f32>() / spoken.len() as f32).sqrt();
    assert!(loudness > LOUDNESS_FLOOR, "speech is silence: {loudness}");
    let length = engine.info().spec.duration_of(spoken.len());
    assert!(length > Duration::from_secs(1), "ten words are spoken in {length:?}");

    refuses_what_cannot_be_said(engine, voice);
    survives_dropped_streams(engine, voice, spoken.len());

    let fast = speak(engine, voice, LINE, Prosody { rate: 2.0, ..plain }).len();
    let slow = speak(engine, voice, LINE, Prosody { rate: 0.7, ..plain }).len();
    assert!(fast * 2 < slow, "rate changes little: {fast} and {slow} samples");

    for text in odd_texts() {
        speak(engine, voice, &text, plain);
    }
    speak(engine, voice, LINE, Prosody { rate: f32::NAN, pitch: f32::INFINITY });
    let again = speak(engine, voice, LINE, plain).len();
    let differs = again.abs_diff(spoken.len()) > spoken.len() / 2;
    assert!(!differs, "after odd texts, the same line has {again} samples, not {}", spoken.len());
}

/// Checks that an engine gives the same text the same length each time, but for the 10 ms within
/// which noise can move the first sound, where a lead-in is cut.
#[cfg(feature = "builtin")]
pub(crate) fn check_equal_length(engine: &mut dyn Engine, voice: &str) {
    let n_leeway = engine.info().spec.samples_in(Duration::from_millis(10));
    let lengths = [(); 4].map(|()| speak(engine, voice, LINE, Prosody::default()).len());
    for length in lengths {
        let differs = length.abs_diff(lengths[0]) > n_leeway;
        assert!(!differs, "the same text differs in length: {lengths:?} samples");
    }
}

/// Speaks a text to its end and checks each chunk on the way.
pub(crate) fn speak(
    engine: &mut dyn Engine,
    voice: &str,
    text: &str,
    prosody: Prosody,
) -> Vec<f32> {
    let spec = engine.info().spec;
    let mut spoken = Vec::new();
    let speech = Speech { text, voice, prosody, seed: 1 };
    let mut stream = engine.begin(&speech).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    while let Some(chunk) =
        stream.next_chunk().unwrap_or_else(|error| panic!("in {text:?}: {error}"))
    {
        assert_eq!(chunk.spec, spec, "a chunk has another rate than the engine");
        if chunk.samples.is_empty() {
            continue; // it is at work
        }
        assert!(chunk.duration() <= PcmChunk::MAX, "a chunk lasts {:?}", chunk.duration());
        let is_sound = |sample: &f32| (-1.0..=1.0).contains(sample); // false for NaN, too
        assert!(chunk.samples.iter().all(is_sound), "a sample is outside of -1..=1");
        spoken.extend(chunk.samples);
    }
    assert!(matches!(stream.next_chunk(), Ok(None)), "the stream goes on after its end");
    spoken
}

fn refuses_what_cannot_be_said(engine: &mut dyn Engine, voice: &str) {
    for text in ["", " \n\t", "\0"] {
        let error = refusal(engine, voice, text);
        assert!(matches!(error, EngineError::EmptyText), "{text:?}: {error}");
    }
    for unknown in ["no such voice", "", "rms\0", "espeak:../../etc/passwd", "espeak:zz"] {
        let error = refusal(engine, unknown, LINE);
        assert!(matches!(error, EngineError::UnknownVoice { .. }), "{unknown:?}: {error}");
    }
}

fn refusal(engine: &mut dyn Engine, voice: &str, text: &str) -> EngineError {
    let speech = Speech { text, voice, prosody: Prosody::default(), seed: 1 };
    let mut stream = match engine.begin(&speech) {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    // One that runs elsewhere finds out when it is asked for sound.
    loop {
        match stream.next_chunk() {
            Ok(Some(chunk)) if chunk.samples.is_empty() => {}
            Ok(_) => panic!("the voice {voice:?} speaks {text:?}"),
            Err(error) => return error,
        }
    }
}

fn survives_dropped_streams(engine: &mut dyn Engine, voice: &str, n_samples: usize) {
    let speech = Speech { text: LINE, voice, prosody: Prosody::default(), seed: 1 };
    for n_pulls in [0, 1, 0, 3] {
        assert!(engine.is_fit());
        let mut stream = engine.begin(&speech).expect("a stream after a dropped one");
        for _ in 0..n_pulls {
            assert!(matches!(stream.next_chunk(), Ok(Some(_))), "a long text ended at once");
        }
    }
    let after = speak(engine, voice, LINE, Prosody::default()).len();
    let differs = after.abs_diff(n_samples) > n_samples / 2;
    assert!(!differs, "a dropped stream leaves its mark: {after} samples, not {n_samples}");
}

fn odd_texts() -> Vec<String> {
    let mut texts: Vec<_> =
        ["...", "😀🎉", "你好，世界", "nul\0inside", "<b>&amp;</b> [[h@'loU]] %s %n"]
            .map(str::to_owned)
            .into();
    texts.push("https://example.org/a/b?c=d&e=10.0.0.1#f".to_owned());
    texts.push("-v".to_owned());
    texts.push("x".repeat(300));
    texts.push("é̂\u{202e}\u{feff}\u{ad} naïve".to_owned());
    texts.push("1234567890123456789012345678901234567890".to_owned());
    texts
}
