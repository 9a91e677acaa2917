//! `speakerd synth`: a text into a WAV file, without a daemon.

mod speaker;

use std::io::{Cursor, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use self::speaker::Speaker;
pub(super) use self::speaker::voice_of;
use crate::cli::{Quantisation, Synth};
use crate::clock;
use crate::config::Config;
use crate::engine::pocket::fast::FastModel;
use crate::engine::pocket::stream::{Sampling, TextInTheMaking};
use crate::engine::pocket::voice::VoiceState;
use crate::nn::kernels::matrix::Precision;
use crate::paths::Paths;
use crate::pcm::PcmSpec;
use crate::text::dictionary::DictionaryFile;
use crate::text::{Piece, Speaking, prepare};

/// The longest text: more than an hour of speech, all of which is in memory until it is written.
const MAX_TEXT_BYTES: u64 = 1 << 16;

/// Runs `speakerd synth`.
///
/// # Errors
/// Where the model, the voice or the text cannot be used, or the sound cannot be written.
pub fn run(arguments: &Synth, paths: &Paths) -> anyhow::Result<()> {
    let text = text_of(&arguments.text)?;
    let config = Config::load(None, paths, super::environment())?;
    let begun = clock::now();
    let speaker = Speaker::find(arguments, &config, paths)?;
    let pieces = if arguments.raw {
        vec![Piece::Words(text)]
    } else {
        let speaking = Speaking { voice: &speaker.name, language: &speaker.language };
        pieces_of(&text, &config, speaking)?
    };
    if !pieces.iter().any(|piece| matches!(piece, Piece::Words(_))) {
        bail!("there is nothing in the text that can be spoken");
    }
    let (model, voice) = speaker.load(arguments.quant)?;
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
fn pieces_of(text: &str, config: &Config, speaking: Speaking<'_>) -> anyhow::Result<Vec<Piece>> {
    let mut dictionary = DictionaryFile::new(config.text.dictionary.clone());
    dictionary.look(clock::now());
    if let Some(problem) = dictionary.problem() {
        bail!("{problem}");
    }
    let (reading, max_chars) = (config.text.reading, config.text.max_piece_chars);
    Ok(prepare(text, reading, speaking, dictionary.current(), max_chars, |_, _| {}).pieces)
}

/// How weights are kept.
pub(super) fn precision_of(quant: Quantisation) -> Precision {
    match quant {
        Quantisation::Q8 => Precision::EightBits,
        Quantisation::None => Precision::Full,
    }
}

fn speak(
    model: &FastModel,
    voice: &VoiceState,
    pieces: &[Piece],
    arguments: &Synth,
) -> anyhow::Result<Vec<i16>> {
    let mut samples = Vec::new();
    let mut seed = arguments.seed;
    let rate_hz = model.config.mimi.sample_rate_hz;
    let spinner = ProgressBar::new_spinner();
    for piece in pieces {
        match piece {
            Piece::Pause(pause) => {
                let n_samples = PcmSpec::new(rate_hz).samples_in(*pause);
                samples.resize(samples.len() + n_samples, 0);
            }
            Piece::Words(words) => {
                let sampling =
                    Sampling { temperature: arguments.temperature, ..Sampling::new(seed) };
                seed = seed.wrapping_add(1);
                let mut text = TextInTheMaking::new(model, voice, words, sampling)?;
                while let Some(frame) = text.next_frame()? {
                    samples.extend(frame.into_iter().map(to_i16));
                    let secs = samples.len() as f64 / f64::from(rate_hz);
                    spinner.set_message(format!("{secs:.1} s of speech"));
                    spinner.tick();
                }
            }
        }
    }
    spinner.finish_and_clear();
    Ok(samples)
}

/// As the reference has it: full scale is 32767 on both sides.
#[expect(clippy::cast_possible_truncation, reason = "clamped just before")]
fn to_i16(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16
}

fn write(output: &Path, samples: &[i16], rate_hz: u32) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::with_capacity(44 + 2 * samples.len()));
    let mut wav = hound::WavWriter::new(&mut file, spec)?;
    for sample in samples {
        wav.write_sample(*sample)?;
    }
    wav.finalize()?;
    if output.as_os_str() == "-" {
        return Ok(std::io::stdout().lock().write_all(file.get_ref())?);
    }
    let place = || format!("cannot write `{}`", output.display());
    std::fs::write(output, file.get_ref()).with_context(place)
}
