//! `speakerd synth`: a text into a WAV file, without a daemon.

use std::io::{Cursor, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::cli::{Quantisation, Synth};
use crate::clock;
use crate::config::Config;
use crate::dsp::polyphase;
use crate::engine::pocket::fast::cloning::CloningError;
use crate::engine::pocket::fast::{Codec, FastModel};
use crate::engine::pocket::files::{HubCache, ModelFiles};
use crate::engine::pocket::recording::ended_on_a_pause;
use crate::engine::pocket::stream::{Sampling, TextInTheMaking};
use crate::engine::pocket::voice::VoiceState;
use crate::nn::kernels::Processor;
use crate::nn::kernels::matrix::Precision;
use crate::paths::Paths;
use crate::text::dictionary::DictionaryFile;
use crate::text::{Piece, Reading, Speaking, prepare};
use crate::voice::recording::Recording;

/// The longest text: more than an hour of speech, all of which is in memory until it is written.
const MAX_TEXT_BYTES: u64 = 1 << 16;

/// What is used of a recording, as the reference does.
const MAX_PROMPT_SECS: f64 = 30.0;

/// Runs `speakerd synth`.
///
/// # Errors
/// Where the model, the voice or the text cannot be used, or the sound cannot be written.
pub fn run(arguments: &Synth, paths: &Paths) -> anyhow::Result<()> {
    let text = text_of(&arguments.text)?;
    let pieces = if arguments.raw { vec![Piece::Words(text)] } else { pieces_of(&text, paths)? };
    if !pieces.iter().any(|piece| matches!(piece, Piece::Words(_))) {
        bail!("there is nothing in the text that can be spoken");
    }
    let begun = clock::now();
    let files = ModelFiles::find(&arguments.model, &HubCache::of_this_user())?;
    let prompt = prompt_of(&arguments.voice, &files)?;
    let (precision, processor) = (precision_of(arguments.quant), Processor::of_this_machine());
    let model = FastModel::load(files, precision, processor, Codec::Threaded)?;
    let voice = match prompt {
        Prompt::Exported(voice) => voice,
        Prompt::Recorded(samples) => voice_of(&model, &samples)?,
    };
    let loaded = clock::now();
    let samples = speak(&model, &voice, &pieces, arguments)?;
    let made_secs = clock::now().duration_since(loaded).as_secs_f64();
    let rate_hz = model.config.mimi.sample_rate_hz;
    write(&arguments.output, &samples, rate_hz)?;
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let secs = samples.len() as f64 / f64::from(rate_hz);
        let load_secs = loaded.duration_since(begun).as_secs_f64();
        writeln!(
            stderr,
            "{secs:.1} s of speech in {made_secs:.1} s, after {load_secs:.1} s for the model and the voice"
        )?;
    }
    Ok(())
}

fn text_of(argument: &str) -> anyhow::Result<String> {
    let mut text = argument.as_bytes().to_vec();
    if argument == "-" {
        text.clear();
        let mut input = std::io::stdin().lock().take(MAX_TEXT_BYTES + 1);
        input.read_to_end(&mut text).context("cannot read the text from standard input")?;
    }
    if text.len() as u64 > MAX_TEXT_BYTES {
        bail!("the text has more than {MAX_TEXT_BYTES} bytes; cut it into several");
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The text as the daemon would have it spoken.
fn pieces_of(text: &str, paths: &Paths) -> anyhow::Result<Vec<Piece>> {
    let config = Config::load(None, paths, super::environment())?;
    let reading: Reading = config.text.reading;
    let speaking = Speaking { voice: "", language: "en" };
    let mut dictionary = DictionaryFile::new(config.text.dictionary.clone());
    dictionary.look(clock::now());
    if let Some(problem) = dictionary.problem() {
        bail!("{problem}");
    }
    let max_chars = config.text.max_piece_chars;
    Ok(prepare(text, reading, speaking, dictionary.current(), max_chars, |_, _| {}).pieces)
}

/// How weights are kept.
pub(super) fn precision_of(quant: Quantisation) -> Precision {
    match quant {
        Quantisation::Q8 => Precision::EightBits,
        Quantisation::None => Precision::Full,
    }
}

/// Where a voice comes from.
enum Prompt {
    Exported(VoiceState),
    /// Ended on a pause, at the model's rate.
    Recorded(Vec<f32>),
}

fn prompt_of(path: &Path, files: &ModelFiles) -> anyhow::Result<Prompt> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        let voice = VoiceState::read(path, &files.config.flow_lm.transformer)?;
        return Ok(Prompt::Exported(voice));
    }
    let recording = Recording::read(path)?;
    let mut samples = recording.samples;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few millions")]
    let max_samples = (MAX_PROMPT_SECS * f64::from(recording.rate_hz)) as usize;
    samples.truncate(max_samples);
    let rate_hz = files.config.mimi.sample_rate_hz;
    let samples = polyphase::resample(&samples, recording.rate_hz, rate_hz);
    Ok(Prompt::Recorded(ended_on_a_pause(&samples)))
}

/// A voice of a prompt.
pub(super) fn voice_of(model: &FastModel, prompt: &[f32]) -> Result<VoiceState, CloningError> {
    let mut cloning = model.begin_cloning(prompt)?;
    loop {
        if let Some(voice) = cloning.step()? {
            return Ok(voice);
        }
    }
}

fn speak(
    model: &FastModel,
    voice: &VoiceState,
    pieces: &[Piece],
    arguments: &Synth,
) -> anyhow::Result<Vec<f32>> {
    let mut samples = Vec::new();
    let mut seed = arguments.seed;
    for piece in pieces {
        match piece {
            Piece::Pause(pause) => {
                let n_samples = pause.as_secs_f64() * f64::from(model.config.mimi.sample_rate_hz);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a pause is short"
                )]
                samples.resize(samples.len() + n_samples as usize, 0.0);
            }
            Piece::Words(words) => {
                let sampling =
                    Sampling { temperature: arguments.temperature, ..Sampling::new(seed) };
                seed = seed.wrapping_add(1);
                let mut text = TextInTheMaking::new(model, voice, words, sampling)?;
                while let Some(frame) = text.next_frame()? {
                    samples.extend(frame);
                }
            }
        }
    }
    Ok(samples)
}

fn write(output: &Path, samples: &[f32], rate_hz: u32) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::with_capacity(44 + 2 * samples.len()));
    let mut wav = hound::WavWriter::new(&mut file, spec)?;
    for sample in samples {
        // As the reference has it: full scale is 32767 on both sides.
        #[expect(clippy::cast_possible_truncation, reason = "clamped just before")]
        wav.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16)?;
    }
    wav.finalize()?;
    if output.as_os_str() == "-" {
        return Ok(std::io::stdout().lock().write_all(file.get_ref())?);
    }
    let place = || format!("cannot write `{}`", output.display());
    std::fs::write(output, file.get_ref()).with_context(place)
}
