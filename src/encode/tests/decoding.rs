//! What the tests hear: the formats' own decoders, and how alike two sounds are.

use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Output, Stdio};

use super::Format;
use crate::pcm;

/// libopus is up to 0.1 ms early or late, by the rate that it works at inside.
const OPUS_PLAY_SAMPLES: usize = 5;

pub(super) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(file).stderr(Stdio::piped());
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {} {said}", output.status);
    output
}

/// What the format's own decoder makes of it; the rate is 48 kHz for Opus.
pub(super) fn decoded(format: Format, bytes: &[u8]) -> Vec<i16> {
    let samples = match format {
        Format::Mp3 => run("mpg123", &["-q", "-s", "-e", "s16", "--no-gapless", "-"], bytes).stdout,
        Format::Opus => {
            run("opusdec", &["--quiet", "--no-dither", "--rate", "48000", "-", "-"], bytes).stdout
        }
        Format::Flac => {
            let raw = ["--force-raw-format", "--endian=little", "--sign=signed"];
            run("flac", &[&["-d", "-c", "-s"], &raw[..], &["-"]].concat(), bytes).stdout
        }
        Format::Wav => {
            run("sox", &["--ignore-length", "-t", "wav", "-", "-t", "s16", "-"], bytes).stdout
        }
        Format::Pcm => bytes.to_vec(),
    };
    samples.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

/// How alike two signals are that begin at the same time.
pub(super) fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// How alike they are at the best of the places where libopus may put it.
pub(super) fn likeness_of_opus(heard: &[f32], expected: &[f32]) -> f64 {
    let late = (0..=OPUS_PLAY_SAMPLES).map(|n| likeness(&heard[n..], expected));
    let early = (0..=OPUS_PLAY_SAMPLES).map(|n| likeness(heard, &expected[n..]));
    late.chain(early).fold(0.0, f64::max)
}

pub(super) fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|sample| pcm::from_i16(*sample)).collect()
}
