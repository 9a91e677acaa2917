use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, test_kill_process};

use super::frames::frame;
use super::wire::{Answer, Order, Reply};
use super::*;
use crate::engine::Prosody;
use crate::engine::registry::{Choice, Places};

/// What a process does that is no engine at all.
struct Impostor {
    directory: tempfile::TempDir,
    confinement: Confinement,
}

impl Impostor {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("engine");
        let mut file = std::fs::File::create(&program).unwrap();
        file.write_all(format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{script}\n").as_bytes())
            .unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o700)).unwrap();
        let (hang, load) = (Duration::from_millis(700), Duration::from_secs(10));
        let confinement = Confinement { hang, load, ..Confinement::default() };
        Self { directory, confinement }
    }

    /// Has it say these answers, in order, when the script sends the file with that name.
    fn with_answers(self, name: &str, answers: &[(u32, Answer)]) -> Self {
        let said: Vec<u8> = answers
            .iter()
            .flat_map(|(number, answer)| {
                frame(&Reply { number: *number, answer: answer.clone() }).unwrap()
            })
            .collect();
        std::fs::write(self.directory.path().join(name), said).unwrap();
        self
    }

    fn start(&self) -> Result<WorkerEngine, EngineError> {
        let places = Places::below(self.directory.path());
        let order =
            Order { places, choice: Choice::default(), engine: "test".to_owned(), model: None };
        let program = self.directory.path().join("engine");
        // Another test may be in the middle of a fork, and still have the script open for writing.
        loop {
            let started = WorkerEngine::start_with(
                &program,
                &order,
                &EngineId::new("test"),
                &self.confinement,
            );
            match started {
                Err(EngineError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                started => return started,
            }
        }
    }
}

fn loaded() -> (u32, Answer) {
    (1, Answer::Loaded { sample_rate_hz: 24_000, voices: vec!["one".to_owned()] })
}

fn is_gone(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_err()
}

const SPEECH: Speech<'_> =
    Speech { text: "text", voice: "one", prosody: Prosody { rate: 1.0, pitch: 1.0 }, seed: 1 };

#[test]
fn a_process_that_is_no_engine_is_found_out_and_ended() {
    let told = Answer::Failed(wire::Fault::Told("the weights are damaged".to_owned()));
    let wrong_rate = Answer::Loaded { sample_rate_hz: 0, voices: Vec::new() };
    for (script, answers, wanted) in [
        ("exit 3", vec![], "exit status: 3"),
        ("kill -9 $$", vec![], "signal: 9"),
        ("head -c 3 answers; exit 0", vec![loaded()], "in the middle of an answer"),
        ("exec sleep 100", vec![], "made no sound"),
        ("exec >&-; exec sleep 100", vec![], "ended"),
        ("yes; sleep 100", vec![], "makes no sense"),
        ("head -c 8 /dev/zero; exec sleep 100", vec![], "makes no sense"),
        ("cat answers; exec sleep 100", vec![(2, Answer::Begun)], "answers what nobody asked"),
        ("cat answers; exec sleep 100", vec![(1, Answer::Begun)], "said something else"),
        ("cat answers; exec sleep 100", vec![(1, wrong_rate)], "speaks at 0 Hz"),
        ("cat answers; exec sleep 100", vec![(1, told)], "the weights are damaged"),
    ] {
        let begun = clock::now();
        let mut impostor = Impostor::new(script).with_answers("answers", &answers);
        if wanted == "made no sound" {
            impostor.confinement.load = Duration::from_millis(700);
        }
        let error = impostor.start().unwrap_err();
        assert!(error.to_string().contains(wanted), "{script}: {error}");
        assert!(clock::now().duration_since(begun) < Duration::from_secs(10), "{script}");
    }
}

#[test]
fn a_process_that_takes_too_much_memory_is_ended() {
    let mut impostor = Impostor::new("x=a; while :; do x=$x$x; done");
    impostor.confinement.memory_limit_bytes = Some(64 << 20);
    impostor.confinement.load = Duration::from_secs(60);
    let error = impostor.start().unwrap_err();
    assert!(matches!(error, EngineError::TooMuchMemory { limit_mb: 64 }), "{error}");
}

#[test]
fn an_engine_that_is_dropped_takes_its_process_along_whatever_that_is_doing() {
    let answers = [loaded(), (2, Answer::Begun)];
    let impostor = Impostor::new("cat answers; trap '' TERM; while :; do :; done");
    let impostor = impostor.with_answers("answers", &answers);
    let mut engine = impostor.start().unwrap();
    let pid = engine.process().unwrap();
    let mut stream = engine.begin(&SPEECH).unwrap();
    for _begun_and_at_work in 0..2 {
        assert!(stream.next_chunk().unwrap().unwrap().samples.is_empty());
    }
    assert!(!is_gone(pid));
    drop(stream);
    drop(engine);
    assert!(is_gone(pid));
}

#[test]
fn a_hang_is_told_in_time_and_is_the_end_of_the_speech() {
    let samples = vec![0.5; 240];
    let chunk = Answer::Chunk { samples, is_preparing: false };
    let answers = [loaded(), (2, Answer::Begun), (3, chunk)];
    let impostor = Impostor::new("cat answers; exec sleep 100").with_answers("answers", &answers);
    let mut engine = impostor.start().unwrap();
    let pid = engine.process().unwrap();
    let mut stream = engine.begin(&SPEECH).unwrap();
    assert_eq!(sound(&mut *stream).len(), 240);
    let begun = clock::now();
    let error = loop {
        match stream.next_chunk() {
            Ok(Some(chunk)) => assert!(chunk.samples.is_empty()),
            Ok(None) => panic!("it is no end"),
            Err(error) => break error,
        }
    };
    let waited = clock::now().duration_since(begun);
    assert!(matches!(error, EngineError::Hung { .. }), "{error}");
    assert!((0.7..1.7).contains(&waited.as_secs_f64()), "{waited:?}");
    assert!(matches!(stream.next_chunk(), Ok(None)));
    assert!(is_gone(pid));
}

#[test]
fn an_engine_that_hangs_in_a_line_that_was_given_up_is_not_fit_for_the_next_one() {
    let script = "cat answers; exec sleep 100";
    let answers = [loaded(), (2, Answer::Begun)];
    let mut impostor = Impostor::new(script).with_answers("answers", &answers);
    impostor.confinement.hang = Duration::from_secs(60);
    let mut engine = impostor.start().unwrap();
    assert!(engine.is_fit());
    let mut stream = engine.begin(&SPEECH).unwrap();
    for _begun_and_at_work in 0..2 {
        assert!(stream.next_chunk().unwrap().unwrap().samples.is_empty());
    }
    drop(stream); // a skip
    assert!(!engine.is_fit());
}

#[test]
fn an_engine_whose_process_is_gone_is_not_fit_whenever_it_went() {
    let impostor =
        Impostor::new("cat answers; exec sleep 0.1").with_answers("answers", &[loaded()]);
    let mut engine = impostor.start().unwrap();
    drop(engine.begin(&SPEECH).unwrap()); // it has no answer, and never will
    assert!(!engine.is_fit());
}

#[test]
fn a_voice_in_the_making_does_not_keep_the_process_of_an_engine_that_was_unloaded() {
    let answers = [loaded(), (2, Answer::Embedding)];
    let impostor = Impostor::new("cat answers; exec sleep 100").with_answers("answers", &answers);
    let mut engine = impostor.start().unwrap();
    let pid = engine.process().unwrap();
    let mut embedding = engine.embed("nora").unwrap();
    drop(engine);
    assert!(is_gone(pid));
    assert!(matches!(embedding.step(), Err(EngineError::Died { .. })));
}

/// The next sound of a speech.
fn sound(stream: &mut dyn SpeechStream) -> Vec<f32> {
    loop {
        let samples = stream.next_chunk().unwrap().unwrap().samples;
        if !samples.is_empty() {
            return samples;
        }
    }
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_another_one() {
    let chunk = |n_samples| Answer::Chunk { samples: vec![0.5; n_samples], is_preparing: false };
    // The first speech is given up (3, and 4 without an answer) before its chunk is there.
    let answers = [loaded(), (2, Answer::Begun), (3, chunk(1)), (5, Answer::Begun), (6, chunk(2))];
    let script = "cat answers; exec sleep 100";
    let impostor = Impostor::new(script).with_answers("answers", &answers);
    let mut engine = impostor.start().unwrap();
    let mut link = engine.link.borrow_mut();
    link.ask(&Ask::Begin(words()), Duration::from_secs(60)).unwrap();
    assert_eq!(link.answer().unwrap(), Answer::Begun);
    link.ask(&Ask::Next, Duration::from_secs(60)).unwrap();
    link.tell(&Ask::Stop);
    drop(link);
    assert!(engine.is_fit());
    let mut stream = engine.begin(&SPEECH).unwrap();
    assert_eq!(sound(&mut *stream).len(), 2);
}

fn words() -> Words {
    Words { text: "text".to_owned(), voice: "one".to_owned(), rate: 1.0, pitch: 1.0, seed: 1 }
}
