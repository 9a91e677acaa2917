use super::*;

/// An engine with a program of our own, which lists German and then does this.
fn engine(dir: &tempfile::TempDir, body: &str) -> Espeak {
    let program = dir.path().join("espeak-ng");
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = --voices ]; then\n\
         echo 'Pty Language Age/Gender VoiceName File Other Languages'\n\
         echo ' 5  de  --/M  German  gmw/de  (de-at 5)(gsw 7)'\n\
         echo ' 5  ../x  --/M  Path  x/x'\n\
         exit 0; fi\n{body}\n"
    );
    // Written by another process: a program that this one has open for writing cannot be
    // started, and a thread that forks meanwhile keeps it open.
    let write = "printf %s \"$1\" > \"$0\" && chmod +x \"$0\"";
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", write, program.to_str().unwrap(), &script])
        .status();
    assert!(status.unwrap().success());
    Espeak::with_program(program).unwrap()
}

fn german(text: &str) -> Speech<'_> {
    Speech { text, voice: "espeak:de", prosody: Prosody::default(), seed: 0 }
}

/// A header of 44 bytes, for `printf`.
const HEADER: &str = "RIFF\\044\\360\\377\\177WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\
                      \\042\\126\\0\\0\\104\\254\\0\\0\\002\\0\\020\\0data\\0\\360\\377\\177";

fn all_of(engine: &mut Espeak, text: &str) -> Result<Vec<f32>, EngineError> {
    let mut stream = engine.begin(&german(text))?;
    let mut samples = Vec::new();
    while let Some(chunk) = stream.next_chunk()? {
        samples.extend(chunk.samples);
    }
    Ok(samples)
}

#[test]
fn only_plain_languages_are_languages() {
    for (voice, language) in [
        ("espeak:de", Some("de")),
        ("espeak:en-gb", Some("en-gb")),
        ("espeak:fr+f3", Some("fr+f3")),
        ("espeak:en-gb-x-rp", Some("en-gb-x-rp")),
        ("espeak:12345678901234567890123456789012", Some("12345678901234567890123456789012")),
        ("espeak:123456789012345678901234567890123", None),
        ("espeak:", None),
        ("espeak:-v", None),
        ("espeak:../de", None),
        ("espeak:de en", None),
        ("espeak:de\n", None),
        ("espeak:dé", None),
        ("Espeak:de", None),
        ("de", None),
    ] {
        assert_eq!(language_of(voice), language, "{voice:?}");
    }
}

#[test]
fn voices_and_their_other_names_come_from_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine(&dir, "exit 0");
    assert_eq!(engine.info().voices, ["espeak:de"]);
    let mut is_known = |voice| engine.begin(&Speech { voice, ..german("a") }).is_ok();
    assert!(is_known("espeak:gsw") && is_known("espeak:de-at") && is_known("espeak:DE+f2"));
    assert!(!is_known("espeak:fr") && !is_known("espeak:../x"));
}

#[test]
fn samples_survive_a_pipe_that_cuts_them_in_two() {
    let dir = tempfile::tempdir().unwrap();
    let body = format!("printf '{HEADER}\\001'; read line; printf '\\0\\002'; printf '\\0\\003'");
    let samples = all_of(&mut engine(&dir, &body), "a\n").unwrap();
    assert_eq!(samples, [pcm::from_i16(1), pcm::from_i16(2)]);
}

#[test]
fn a_text_reaches_the_program_whole_and_the_prosody_as_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let body = format!("echo \"$@\" > {0}; cat >> {0}; printf '{HEADER}'", seen.display());
    let mut engine = engine(&dir, &body);
    let text = "ä ".repeat(100_000); // more than a pipe holds
    let prosody = Prosody { rate: 2.0, pitch: 0.5 };
    let mut stream = engine.begin(&Speech { prosody, ..german(&text) }).unwrap();
    assert!(matches!(stream.next_chunk(), Ok(None)));
    let seen = std::fs::read_to_string(seen).unwrap();
    let (args, rest) = seen.split_once('\n').unwrap();
    assert_eq!(args, "-v de -s 350 -p 0 -b 1 --stdin --stdout");
    assert_eq!(rest, text);
}

#[test]
fn a_program_that_fails_is_quoted() {
    let dir = tempfile::tempdir().unwrap();
    for (body, want) in [
        ("echo out of  luck >&2; exit 1", "out of luck"),
        ("exit 3", "exit status: 3"),
        ("kill -11 $$", "signal: 11"),
        ("echo this is no sound", "something else"),
    ] {
        let error = all_of(&mut engine(&dir, body), "a").unwrap_err();
        let EngineError::ProgramFailed { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains(want), "{body}: {reason}");
    }
    let body = "echo 'Error: The specified espeak-ng voice does not exist.' >&2; exit 1";
    let error = all_of(&mut engine(&dir, body), "a").unwrap_err();
    assert!(matches!(error, EngineError::UnknownVoice { .. }), "{error}");
}

#[test]
fn a_silent_program_is_given_up_on() {
    let dir = tempfile::tempdir().unwrap();
    let silent = format!("exec 3<&0; printf '{HEADER}aa'; exec tail -f /dev/null");
    let mut engine = engine(&dir, &silent).with_patience(Duration::from_millis(50));
    let mut stream = engine.begin(&german("a")).unwrap();
    assert!(matches!(stream.next_chunk(), Ok(Some(_))));
    assert!(matches!(stream.next_chunk(), Err(EngineError::Hung { .. })));
    assert!(matches!(stream.next_chunk(), Ok(None)));
}

#[test]
fn a_program_that_only_complains_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine(&dir, "exec yes trouble >&2");
    let error = all_of(&mut engine, "a").unwrap_err();
    assert!(matches!(error, EngineError::ProgramFailed { .. }), "{error}");
}

#[test]
fn a_flood_comes_in_short_chunks_and_ends_when_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine(&dir, &format!("printf '{HEADER}'; exec yes"));
    let mut stream = engine.begin(&german("a")).unwrap();
    for _ in 0..100 {
        let chunk = stream.next_chunk().unwrap().unwrap();
        assert!(chunk.duration() <= PcmChunk::MAX);
    }
    drop(stream);
    assert!(engine.begin(&german("a")).is_ok());
}

#[test]
fn a_program_that_is_not_there_names_its_package() {
    let error = Espeak::with_program(PathBuf::from("/nowhere/espeak-ng")).unwrap_err();
    assert!(matches!(error, EngineError::MissingProgram { package: "espeak-ng", .. }));
}

#[test]
fn prosody_turns_into_the_programs_numbers() {
    let rates = [0.25, 0.5, 1.0, 2.0, 4.0, f32::NAN, f32::INFINITY].map(words_a_minute);
    assert_eq!(rates, [80, 88, 175, 350, 700, 175, 700]);
    let pitches = [0.5, 1.0, 1.5, 2.0, f32::NAN, f32::NEG_INFINITY].map(pitch_number);
    assert_eq!(pitches, [0, 50, 79, 99, 50, 0]);
}
