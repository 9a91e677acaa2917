//! The built-in engine: Flite's two American voices, linked into the program.
//!
//! Knows no files. Flite pushes audio at whoever calls it, an engine is pulled: so each loaded
//! engine has a thread, `flite`, that waits for jobs on a bounded channel, synthesises into another
//! one, and ends when the engine is dropped.
//!
//! Rate works with both voices; pitch with `slt` only, because `rms` takes its pitch from a model
//! that cannot be moved. Flite has no seed: its noise differs from run to run, and with it the samples
//! and, by a few of them, the place where the leading silence is cut.

mod ffi;
mod lead_in;

use std::ffi::CString;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use self::ffi::{Flow, Manner, Model, Voice};
use self::lead_in::LeadIn;
use super::{Engine, EngineError, EngineInfo, Prosody, Speech, SpeechStream};
use crate::pcm::{self, PcmChunk, PcmSpec};
use crate::threads::{self, Thread};

/// The voices, the default one first.
pub const VOICES: &[&str] = &["rms", "slt"];

const SPEC: PcmSpec = PcmSpec::new(16_000);

/// Flite speaks fifty times faster than it is listened to; who waits this long waits for ever.
const HANG: Duration = Duration::from_secs(30);

/// How long unloading waits for the thread: it ends within one chunk, unless it hangs.
const FAREWELL: Duration = Duration::from_secs(5);

/// Eight chunks of 20 ms between synthesis and listener: enough that the thread is not woken for
/// each, few enough that a skip throws hardly any work away.
const N_CHUNKS_AHEAD: usize = 8;

/// One job: there is at most one stream at a time, and a job whose stream is gone is not waited for.
const N_JOBS: usize = 1;

/// Of the silence before the first word 10 ms are kept. Flite makes 130 to 240 ms of it, four times
/// that at the slowest rate.
const LEAD_IN_KEPT: Duration = Duration::from_millis(10);
const LEAD_IN_DROPPED_AT_MOST: Duration = Duration::from_secs(2);

/// The loaded engine.
#[derive(Debug)]
pub struct Builtin {
    info: EngineInfo,
    /// `None` only while dropping: closing it ends the thread.
    jobs: Option<Sender<Job>>,
    thread: Option<Thread<()>>,
}

/// Loads the engine. Its voices are set up when they are first used.
///
/// # Errors
/// Where the operating system refuses a thread.
pub fn load() -> Result<Box<dyn Engine>, EngineError> {
    let (jobs, inbox) = bounded(N_JOBS);
    let thread = threads::spawn_named("flite", move || work(&inbox))
        .map_err(|source| EngineError::Io { action: "start the thread `flite`", source })?;
    let voices = VOICES.iter().map(|&name| name.to_owned()).collect();
    let info = EngineInfo { name: "builtin", spec: SPEC, voices };
    Ok(Box::new(Builtin { info, jobs: Some(jobs), thread: Some(thread) }))
}

impl Engine for Builtin {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn begin<'e>(
        &'e mut self,
        speech: &Speech<'_>,
    ) -> Result<Box<dyn SpeechStream + 'e>, EngineError> {
        let model = model_of(speech.voice)?;
        let text = c_text(speech.text)?;
        let manner = Manner {
            stretch: 1.0 / within(&Prosody::RATE, speech.prosody.rate),
            pitch: within(&Prosody::PITCH, speech.prosody.pitch),
        };
        let (news, inbox) = bounded(N_CHUNKS_AHEAD);
        let wanted = Arc::new(());
        let job = Job { text, model, manner, news, wanted: Arc::downgrade(&wanted) };
        let Some(jobs) = &self.jobs else { return Err(thread_ended()) };
        // Blocks for no longer than it takes to notice that the stream before this one is gone.
        jobs.send_timeout(job, HANG).map_err(|error| {
            if error.is_timeout() {
                EngineError::Hung { waited_secs: HANG.as_secs() }
            } else {
                thread_ended()
            }
        })?;
        Ok(Box::new(Stream { news: Some(inbox), _wanted: wanted, _engine: PhantomData }))
    }
}

impl Drop for Builtin {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(error)) = self.thread.take().map(|thread| thread.join_within(FAREWELL)) {
            tracing::warn!(%error, "the built-in engine was not unloaded cleanly");
        }
    }
}

/// Speech in the making. Dropping it closes the channel, at which Flite stops within a chunk.
struct Stream<'e> {
    /// `None` when the speech is over.
    news: Option<Receiver<News>>,
    /// Tells the thread not even to begin where the stream is dropped before its turn.
    _wanted: Arc<()>,
    /// One stream at a time.
    _engine: PhantomData<&'e mut Builtin>,
}

impl SpeechStream for Stream<'_> {
    fn next_chunk(&mut self) -> Result<Option<PcmChunk>, EngineError> {
        let Some(news) = &self.news else { return Ok(None) };
        let result = match news.recv_timeout(HANG) {
            Ok(News::Audio(samples)) => return Ok(Some(PcmChunk { spec: SPEC, samples })),
            Ok(News::End(result)) => result,
            Err(RecvTimeoutError::Timeout) => {
                Err(EngineError::Hung { waited_secs: HANG.as_secs() })
            }
            Err(RecvTimeoutError::Disconnected) => Err(thread_ended()),
        };
        self.news = None;
        result.map(|()| None)
    }
}

/// One text for the thread.
struct Job {
    text: CString,
    model: Model,
    manner: Manner,
    news: Sender<News>,
    wanted: Weak<()>,
}

/// What the thread has to say about a job.
enum News {
    Audio(Vec<f32>),
    /// Always the last; a channel that closes without it lost its thread.
    End(Result<(), EngineError>),
}

/// The body of the thread. Voices live here, because they must not change threads.
fn work(jobs: &Receiver<Job>) {
    let mut voices: [Option<Voice>; 2] = [None, None];
    for job in jobs {
        if job.wanted.strong_count() == 0 {
            continue;
        }
        let result = speak(&mut voices[job.model as usize], &job);
        // Who dropped the stream does not want to know.
        job.news.send(News::End(result)).ok();
    }
}

fn speak(slot: &mut Option<Voice>, job: &Job) -> Result<(), EngineError> {
    let voice = match slot {
        Some(voice) => voice,
        None => slot.insert(register(job.model)?),
    };
    let n_may_drop = SPEC.samples_in(LEAD_IN_DROPPED_AT_MOST);
    let mut lead_in = LeadIn::new(SPEC.samples_in(LEAD_IN_KEPT), n_may_drop);
    let deliver = |samples: Vec<i16>| {
        if samples.is_empty() {
            // Nothing to send, so look whether anybody listens.
            return if job.wanted.strong_count() > 0 { Flow::Continue } else { Flow::Stop };
        }
        let samples = samples.into_iter().map(pcm::from_i16).collect();
        if job.news.send(News::Audio(samples)).is_ok() { Flow::Continue } else { Flow::Stop }
    };
    voice.speak(&job.text, job.manner, &mut |samples| deliver(lead_in.pass(samples)))?;
    deliver(lead_in.finish());
    Ok(())
}

fn register(model: Model) -> Result<Voice, EngineError> {
    let voice = Voice::register(model)?;
    let rate_hz = voice.sample_rate_hz();
    if rate_hz == SPEC.sample_rate_hz.get() {
        return Ok(voice);
    }
    Err(EngineError::Failed(format!("flite's voice {model:?} speaks at {rate_hz} Hz, not 16000")))
}

fn model_of(voice: &str) -> Result<Model, EngineError> {
    match voice {
        "rms" => Ok(Model::Rms),
        "slt" => Ok(Model::Slt),
        _ => Err(EngineError::UnknownVoice {
            name: voice.to_owned(),
            known: VOICES.iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

/// The text as C wants it: a NUL would end it early, so it becomes a blank.
fn c_text(text: &str) -> Result<CString, EngineError> {
    let text = text.replace('\0', " ");
    if text.trim().is_empty() {
        return Err(EngineError::EmptyText);
    }
    CString::new(text).map_err(|error| EngineError::Failed(error.to_string()))
}

/// The nearest value that the engine can do; a factor that is no number changes nothing.
fn within(range: &RangeInclusive<f32>, factor: f32) -> f32 {
    if factor.is_nan() { 1.0 } else { factor.clamp(*range.start(), *range.end()) }
}

fn thread_ended() -> EngineError {
    EngineError::Failed("its thread ended before its time; load the engine again".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech<'a>(text: &'a str, voice: &'a str) -> Speech<'a> {
        Speech { text, voice, prosody: Prosody::default(), seed: 0 }
    }

    fn spoken(engine: &mut dyn Engine, speech: &Speech<'_>) -> Vec<f32> {
        let mut stream = engine.begin(speech).unwrap();
        let mut samples = Vec::new();
        while let Some(chunk) = stream.next_chunk().unwrap() {
            samples.extend(chunk.samples);
        }
        samples
    }

    #[test]
    fn every_voice_that_is_named_exists() {
        let mut engine = load().unwrap();
        for voice in engine.info().voices.clone() {
            assert!(!spoken(engine.as_mut(), &speech("one", &voice)).is_empty(), "{voice}");
        }
    }

    #[test]
    fn the_first_sound_comes_within_its_lead_in() {
        let mut engine = load().unwrap();
        for voice in VOICES {
            let samples = spoken(engine.as_mut(), &speech("Hello there.", voice));
            let first = samples.iter().position(|sample| sample.abs() > 0.0032).unwrap();
            assert!(first <= 160, "{voice} begins with {first} silent samples");
        }
    }

    #[test]
    fn a_text_of_silence_ends_with_a_short_silence() {
        let mut engine = load().unwrap();
        assert_eq!(spoken(engine.as_mut(), &speech("...", "slt")).len(), 160);
    }

    #[test]
    fn pitch_moves_slt_and_leaves_rms_alone() {
        let mut engine = load().unwrap();
        let mut crossings = |voice, pitch| {
            let prosody = Prosody { rate: 1.0, pitch };
            let speech = Speech { text: "mama loves aroma oils", voice, prosody, seed: 0 };
            fundamental_hz(&spoken(engine.as_mut(), &speech))
        };
        assert!(crossings("slt", 1.5) > crossings("slt", 0.75) * 1.5);
        let change = crossings("rms", 1.5) / crossings("rms", 0.75);
        assert!((0.9..1.1).contains(&change), "pitch of rms changed by {change}");
    }

    #[test]
    fn a_stream_that_was_dropped_unheard_costs_its_successor_nothing() {
        let mut engine = load().unwrap();
        let long = "word ".repeat(60);
        for _ in 0..50 {
            drop(engine.begin(&speech(&long, "rms")).unwrap());
        }
        assert!(!spoken(engine.as_mut(), &speech("now", "rms")).is_empty());
    }

    /// The lag at which loud stretches resemble themselves most, as a frequency: their median.
    fn fundamental_hz(samples: &[f32]) -> f32 {
        let mut found: Vec<f32> = samples.chunks_exact(1_024).filter_map(lag_hz).collect();
        found.sort_by(f32::total_cmp);
        found[found.len() / 2]
    }

    fn lag_hz(frame: &[f32]) -> Option<f32> {
        let likeness = |lag: usize| {
            let pairs = frame.iter().zip(&frame[lag..]);
            pairs.map(|(a, b)| a * b).sum::<f32>() / (frame.len() - lag) as f32
        };
        let best = (40..250).max_by(|&a, &b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(best) > 0.003).then_some(16_000.0 / best as f32)
    }
}
