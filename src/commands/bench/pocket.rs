//! Measures a model of Pocket TTS in this process: how much faster than speech it is, how soon, and what memory it takes.

use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::cli::{PocketBench, Quantisation};
use crate::clock;
use crate::commands::synth::{precision_of, voice_of};
use crate::engine::pocket::ending::Ending;
use crate::engine::pocket::fast::{Codec, FastModel};
use crate::engine::pocket::files::{HubCache, ModelFiles};
use crate::engine::pocket::model::Model;
use crate::engine::pocket::noise::Noise;
use crate::engine::pocket::voice::{VoiceLayer, VoiceState};
use crate::memory;
use crate::nn::kernels::Processor;

/// Measured runs, after one that is not: the middle one of five says what is usual on a busy machine.
const N_RUNS: usize = 5;

/// Positions of a voice of ten seconds.
const N_VOICE: usize = 124;

/// How long the recording is that a voice is made of.
const PROMPT_SECS: usize = 10;

/// What is heard in it.
const TONE_HZ: f64 = 200.0;

/// Text tokens of a sentence or two.
const N_TOKENS: usize = 32;

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    frames: u16,
    threads: u8,
    quant: &'static str,
    processor: String,
    /// Seconds for each second of audio.
    wall_real_time_factor: Spread,
    cpu_secs_per_audio_sec: Spread,
    /// From the text tokens to the first codec frame.
    first_audio_ms: Spread,
    load_secs: f64,
    /// Making a voice of ten seconds, the encoder's weights included; not there where the weights cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    clone_secs: Option<Spread>,
    peak_rss_mb: f64,
    /// With the model loaded, between two texts.
    steady_rss_mb: f64,
}

#[derive(Debug, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut measured: Vec<f64>) -> Self {
        measured.sort_by(f64::total_cmp);
        let at = |idx: usize| measured.get(idx).copied().unwrap_or(f64::NAN);
        let last = measured.len().saturating_sub(1);
        Self { median: at(last / 2), min: at(0), max: at(last) }
    }
}

/// Measures, and prints.
///
/// # Errors
/// Where the model cannot be loaded.
pub(super) fn run(arguments: &PocketBench, json: bool) -> anyhow::Result<()> {
    let Some(model) = &arguments.model else {
        bail!("`bench pocket` measures a model: name its directory with `--model`");
    };
    let files = ModelFiles::find(model, &HubCache::of_this_user())?;
    let codec = if arguments.threads > 1 { Codec::Threaded } else { Codec::Inline };
    let processor = Processor::of_this_machine();
    let begun = clock::now();
    let model = FastModel::load(files, precision_of(arguments.quant), processor, codec)?;
    let load_secs = begun.elapsed_secs();
    let voice = voice_for(&model);
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
    let mut ids = model.tokenizer.encode(&text)?;
    ids.truncate(N_TOKENS);
    let runs = (0..=N_RUNS)
        .map(|seed| one(&model, &voice, &ids, arguments.frames, seed as u64))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let spread = |value: fn(&Run) -> f64| Spread::of(runs[1..].iter().map(value).collect());
    let clone_secs = model.can_clone().then(|| clones(&model)).transpose()?;
    crate::daemon::heap::trim(); // as the daemon does once it was made use of
    let report = Report {
        frames: arguments.frames,
        threads: arguments.threads,
        quant: match arguments.quant {
            Quantisation::Q8 => "q8_0",
            Quantisation::None => "none",
        },
        processor: format!("{processor:?}").to_lowercase(),
        wall_real_time_factor: spread(|run| run.wall / run.audio),
        cpu_secs_per_audio_sec: spread(|run| run.cpu / run.audio),
        first_audio_ms: spread(|run| run.first_audio * 1e3),
        load_secs,
        clone_secs,
        peak_rss_mb: memory::peak_resident_bytes() as f64 / 1e6,
        steady_rss_mb: memory::resident_bytes() as f64 / 1e6,
    };
    print(&report, json)
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    let spread = |name: &str, spread: &Spread, unit: &str| {
        let Spread { median, min, max } = spread;
        println!("{name:<48} {median:>9.3} {unit} median {min:>9.3} to {max:.3}");
    };
    println!("{} threads, {}, {}", report.threads, report.quant, report.processor);
    spread("wall seconds for a second of audio", &report.wall_real_time_factor, "");
    spread("processor seconds for a second of audio", &report.cpu_secs_per_audio_sec, "");
    spread("text to first audio", &report.first_audio_ms, "ms");
    if let Some(clone_secs) = &report.clone_secs {
        spread("a voice of ten seconds", clone_secs, "s");
    }
    for (name, value, unit) in [
        ("load", report.load_secs, "s"),
        ("largest resident memory", report.peak_rss_mb, "MB"),
        ("resident memory afterwards", report.steady_rss_mb, "MB"),
    ] {
        println!("{name:<48} {value:>9.3} {unit}");
    }
    Ok(())
}

/// All in seconds.
struct Run {
    wall: f64,
    cpu: f64,
    first_audio: f64,
    audio: f64,
}

fn one(
    model: &FastModel,
    voice: &VoiceState,
    ids: &[u32],
    n_frames: u16,
    seed: u64,
) -> anyhow::Result<Run> {
    let (begun, cpu_begun) = (clock::now(), cpu_time());
    let ending = Ending::new(f32::INFINITY, 0, usize::from(n_frames));
    let noise = Noise::new(seed, 0, model.config.temperature);
    let mut chunk = model.begin(voice, ids, ending, noise)?;
    let (mut n_samples, mut first_audio) = (0, 0.0);
    while let Some(frame) = chunk.next_frame()? {
        if n_samples == 0 {
            first_audio = begun.elapsed_secs();
        }
        n_samples += frame.len();
    }
    Ok(Run {
        wall: begun.elapsed_secs(),
        cpu: cpu_time().saturating_sub(cpu_begun).as_secs_f64(),
        first_audio,
        audio: n_samples as f64 / f64::from(model.config.mimi.sample_rate_hz),
    })
}

/// Makes a voice as often as texts are spoken.
fn clones(model: &FastModel) -> anyhow::Result<Spread> {
    let prompt = prompt_for(model);
    let mut measured = Vec::new();
    for _ in 0..N_RUNS {
        let begun = clock::now();
        voice_of(model, &prompt)?;
        measured.push(begun.elapsed_secs());
    }
    Ok(Spread::of(measured))
}

/// Ten seconds of a tone that trembles: how long a step takes does not depend on what is said.
fn prompt_for(model: &FastModel) -> Vec<f32> {
    let rate_hz = f64::from(model.config.mimi.sample_rate_hz);
    let mut tremble = vec![0.0; PROMPT_SECS * model.config.mimi.sample_rate_hz as usize];
    Noise::new(2, 0, 1.0).fill(&mut tremble);
    let angle = |idx: usize| 2.0 * std::f64::consts::PI * TONE_HZ * idx as f64 / rate_hz;
    #[expect(clippy::cast_possible_truncation, reason = "from -1 to 1")]
    let tone = |idx: usize| angle(idx).sin() as f32;
    let samples = tremble.iter().enumerate();
    samples.map(|(idx, tremble)| 0.3 * tone(idx) * (1.0 + 0.2 * tremble)).collect()
}

trait ElapsedSecs {
    fn elapsed_secs(&self) -> f64;
}

impl ElapsedSecs for Instant {
    fn elapsed_secs(&self) -> f64 {
        clock::now().duration_since(*self).as_secs_f64()
    }
}

/// Processor time of all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Positions like those of a voice: how long a step takes does not depend on what they say.
fn voice_for(model: &FastModel) -> VoiceState {
    let config = &model.config.flow_lm.transformer;
    let mut noise = Noise::new(1, 0, 1.0);
    let mut values = || {
        let mut values = vec![0.0; N_VOICE * config.d_kv()];
        noise.fill(&mut values);
        values
    };
    let layers = (0..config.n_layers).map(|_| VoiceLayer { keys: values(), values: values() });
    VoiceState { n_positions: N_VOICE, layers: layers.collect() }
}
