mod decoding;

use std::f64::consts::TAU;
use std::io::Write;
use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;

use self::decoding::{decoded, floats, likeness, likeness_of_opus, run};
use super::*;
use crate::memory;
use crate::pcm::to_i16;

/// The built-in voices', espeak's and Pocket's.
const ENGINES_HZ: [u32; 3] = [16_000, 22_050, 24_000];

const WANTED_HZ: u32 = 24_000;

/// MPEG-2 layer III.
const MP3_FRAME_SAMPLES: usize = 576;

/// How alike what was said and what is heard of it must be where bits were saved.
const LIKENESS: f64 = 0.95;

/// LAME's delay and a decoder's, which no player can know of where there is no tag.
const MP3_DELAY_SAMPLES: usize = 576 + 529;

/// Two seconds of speech, where a voice is built in, else of something like a vowel.
static SIGNAL: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut samples = speech();
    samples.resize(32_000, 0.0);
    samples
});

#[cfg(feature = "builtin")]
fn speech() -> Vec<f32> {
    let mut engine = crate::engine::builtin::load().unwrap();
    let speech = crate::engine::Speech {
        text: "The quick brown fox jumps over the lazy dog.",
        voice: "rms",
        prosody: crate::engine::Prosody::default(),
        seed: 0,
    };
    let mut stream = engine.begin(&speech).unwrap();
    let mut samples = Vec::new();
    while let Some(chunk) = stream.next_chunk().unwrap() {
        samples.extend(chunk.samples);
    }
    samples
}

#[cfg(not(feature = "builtin"))]
#[expect(clippy::cast_possible_truncation, reason = "test signal")]
fn speech() -> Vec<f32> {
    let sample = |n: u32| {
        let secs = f64::from(n) / 16_000.0;
        let partials = (1..20).map(|k| (TAU * 120.0 * f64::from(k) * secs).sin() / f64::from(k));
        (0.3 * partials.sum::<f64>() * (TAU * 3.0 * secs).sin()) as f32
    };
    (0..32_000).map(sample).collect()
}

fn resampled(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    let mut resampler = Resampler::new(PcmSpec::new(from_hz), PcmSpec::new(to_hz));
    let mut out = Vec::new();
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    out
}

/// The signal as an engine of that rate would have made it.
fn signal(rate_hz: u32) -> Vec<f32> {
    resampled(&SIGNAL, 16_000, rate_hz)
}

fn encoded<'a>(
    format: Format,
    from_hz: u32,
    wanted_hz: u32,
    pieces: impl IntoIterator<Item = &'a [f32]>,
) -> Vec<u8> {
    let mut encoder = Encoder::new(format, PcmSpec::new(from_hz), wanted_hz).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        encoder.push(piece, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

/// An Opus file's packets with their positions and the ends of its pages: all but what is drawn.
fn packets(bytes: &[u8]) -> Vec<(Vec<u8>, u64, bool, bool)> {
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(bytes));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet().unwrap() {
        let ends = (packet.last_in_page(), packet.last_in_stream());
        packets.push((packet.data.clone(), packet.absgp_page(), ends.0, ends.1));
    }
    packets
}

fn assert_same(format: Format, left: &[u8], right: &[u8], what: &str) {
    if format == Format::Opus {
        assert!(packets(left) == packets(right), "{format} {what}");
    } else {
        assert!(left == right, "{format} {what}");
    }
}

/// Whether what is decoded is what was said, and as long.
fn check_sound(format: Format, bytes: &[u8], from_hz: u32, samples: &[f32], wanted_hz: u32) {
    let what = format!("{format}, {from_hz} to {wanted_hz} Hz, {} samples", samples.len());
    let rate_hz = format.sample_rate_hz(wanted_hz);
    let expected = resampled(samples, from_hz, rate_hz);
    let heard = decoded(format, bytes);
    match format {
        Format::Pcm | Format::Wav | Format::Flac => {
            let expected: Vec<i16> =
                expected.iter().map(|sample| to_i16(sample.clamp(-1.0, 1.0))).collect();
            assert!(heard == expected, "{what}: {} heard", heard.len());
        }
        Format::Opus => {
            let n_expected = expected.len() * 48_000 / rate_hz as usize;
            assert_eq!(heard.len(), n_expected, "{what}");
            if samples.len() > 1_000 {
                let expected = resampled(&expected, rate_hz, 48_000);
                let likeness = likeness_of_opus(&floats(&heard), &expected);
                assert!(likeness > LIKENESS, "{what}: {likeness}");
            }
        }
        Format::Mp3 => {
            let heard = floats(&heard);
            let rest = heard.len().checked_sub(expected.len() + MP3_DELAY_SAMPLES);
            let frame_samples = if rate_hz >= 32_000 { 2 } else { 1 } * MP3_FRAME_SAMPLES;
            assert!(rest.is_some_and(|rest| rest <= 2 * frame_samples), "{what}: {rest:?} behind");
            if samples.len() > 1_000 {
                let likeness = likeness(&heard[MP3_DELAY_SAMPLES..], &expected);
                assert!(likeness > LIKENESS, "{what}: {likeness}");
            }
        }
    }
}

#[test]
fn every_format_sounds_as_what_was_said_and_lasts_as_long() {
    for format in Format::ALL {
        for from_hz in ENGINES_HZ {
            let samples = signal(from_hz);
            let bytes = encoded(format, from_hz, WANTED_HZ, samples.chunks(1_923));
            check_sound(format, &bytes, from_hz, &samples, WANTED_HZ);
        }
    }
}

#[test]
fn every_rate_can_be_had_in_every_format() {
    let samples = signal(16_000);
    for format in Format::ALL {
        for wanted_hz in [8_000, 11_025, 12_345, 16_000, 22_050, 32_000, 44_100, 47_999, 48_000] {
            let bytes = encoded(format, 16_000, wanted_hz, [&samples[..]]);
            check_sound(format, &bytes, 16_000, &samples, wanted_hz);
        }
        for wanted_hz in [0, 7_999, 48_001] {
            let refused = Encoder::new(format, PcmSpec::new(16_000), wanted_hz);
            assert!(matches!(refused, Err(EncodeError::SampleRate { .. })), "{wanted_hz}");
        }
    }
}

#[test]
fn what_is_too_high_for_a_rate_is_not_folded_into_it() {
    #[expect(clippy::cast_possible_truncation, reason = "test signal")]
    let samples: Vec<f32> = (0..16_000)
        .map(|n| (0.9 * (TAU * 6_000.0 * f64::from(n) / 16_000.0).sin()) as f32)
        .collect();
    let heard = decoded(Format::Pcm, &encoded(Format::Pcm, 16_000, 8_000, [&samples[..]]));
    // At the ends the tone is switched on and off, which sounds at any rate.
    let loudest = heard[200..7_800].iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest < Some(33), "60 dB down: {loudest:?}");
}

#[test]
fn a_very_short_or_an_empty_file_is_valid_and_has_its_length() {
    for format in Format::ALL {
        for n_samples in [0, 1, 15, 16, 479, 480, 481] {
            let samples = &signal(24_000)[..n_samples];
            let bytes = encoded(format, 24_000, WANTED_HZ, [samples]);
            if !(format == Format::Flac && n_samples == 0) {
                check_sound(format, &bytes, 24_000, samples, WANTED_HZ);
            }
        }
    }
    // `flac` refuses a file without a block; that there is none is what the file says.
    let empty = encoded(Format::Flac, 24_000, WANTED_HZ, []);
    assert!(empty.starts_with(b"fLaC") && empty.len() == 42, "{empty:?}");
}

#[test]
fn the_size_of_the_pieces_does_not_matter() {
    for format in Format::ALL {
        for from_hz in ENGINES_HZ {
            let samples = signal(from_hz);
            let whole = encoded(format, from_hz, WANTED_HZ, [&samples[..]]);
            for n_samples in [1, 19, 320, 1_923] {
                let pieces = encoded(format, from_hz, WANTED_HZ, samples.chunks(n_samples));
                assert_same(format, &pieces, &whole, &format!("{from_hz} Hz by {n_samples}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_pieces_matter(
        sizes in proptest::collection::vec(prop_oneof![0_usize..40, 0_usize..5_000], 0..40),
        from_hz in prop::sample::select(&ENGINES_HZ[..]),
        wanted_hz in RATES_HZ,
    ) {
        let samples = &signal(from_hz)[..sizes.iter().sum::<usize>().min(from_hz as usize)];
        let mut rest = samples;
        let pieces: Vec<&[f32]> = sizes.iter().map(|size| {
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            rest = behind;
            piece
        }).collect();
        for format in Format::ALL {
            let whole = encoded(format, from_hz, wanted_hz, [samples]);
            let pieces = encoded(format, from_hz, wanted_hz, pieces.iter().copied());
            assert_same(format, &pieces, &whole, &format!("{from_hz} to {wanted_hz} Hz"));
        }
    }
}

#[test]
fn what_is_too_loud_is_clipped_in_every_format() {
    let samples: Vec<f32> = signal(16_000).iter().map(|sample| sample * 20.0).collect();
    let clipped: Vec<f32> = resampled(&samples, 16_000, WANTED_HZ)
        .iter()
        .map(|sample| sample.clamp(-1.0, 1.0))
        .collect();
    for format in Format::ALL {
        let heard = floats(&decoded(format, &encoded(format, 16_000, WANTED_HZ, [&samples[..]])));
        let likeness = match format {
            Format::Mp3 => likeness(&heard[MP3_DELAY_SAMPLES..], &clipped),
            Format::Opus => likeness_of_opus(&heard, &resampled(&clipped, WANTED_HZ, 48_000)),
            Format::Flac | Format::Wav | Format::Pcm => likeness(&heard, &clipped),
        };
        assert!(likeness > LIKENESS, "{format}: {likeness}");
    }
}

/// How many samples of the engine's go in until the first byte of sound comes out.
fn n_samples_to_first_sound(format: Format, from_hz: u32) -> usize {
    let mut encoder = Encoder::new(format, PcmSpec::new(from_hz), WANTED_HZ).unwrap();
    let mut out = Vec::new();
    encoder.push(&[], &mut out).unwrap();
    let head_bytes = out.len();
    let samples = signal(from_hz);
    let n_pieces = samples.chunks(10).position(|piece| {
        encoder.push(piece, &mut out).unwrap();
        out.len() > head_bytes
    });
    10 * (n_pieces.unwrap() + 1)
}

#[test]
fn the_first_sound_does_not_wait() {
    for (format, millis) in [
        (Format::Pcm, 0),
        (Format::Wav, 0),
        (Format::Opus, 20),
        (Format::Mp3, 40),
        (Format::Flac, 100),
    ] {
        for from_hz in ENGINES_HZ {
            let n_samples = n_samples_to_first_sound(format, from_hz);
            let n_kept =
                if from_hz == WANTED_HZ { 0 } else { crate::dsp::resample::LATENCY_SAMPLES };
            let n_allowed = from_hz as usize * millis / 1_000 + n_kept + 10;
            assert!(n_samples <= n_allowed, "{format} at {from_hz} Hz: {n_samples} samples");
        }
    }
}

#[test]
fn a_chunk_of_20_ms_is_sent_but_for_what_the_resampler_keeps() {
    let mut encoder = Encoder::new(Format::Pcm, PcmSpec::new(16_000), WANTED_HZ).unwrap();
    for (n, chunk) in signal(16_000).chunks_exact(320).enumerate() {
        let mut out = Vec::new();
        encoder.push(chunk, &mut out).unwrap();
        let n_least = if n == 0 { 320 - crate::dsp::resample::LATENCY_SAMPLES } else { 320 };
        assert!(out.len() / 2 >= n_least * 3 / 2 - 1, "{n}: {} bytes", out.len());
    }
}

#[test]
fn opus_files_are_without_a_fault() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&encoded(Format::Opus, 16_000, WANTED_HZ, signal(16_000).chunks(320))).unwrap();
    let output = run("opusinfo", &[file.path().to_str().unwrap()], &[]);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!said.to_lowercase().contains("warning"), "{said}");
    assert!(said.contains("Playback length: 0m:02.000s"), "{said}");
}

#[test]
fn two_opus_files_in_a_row_are_one_of_both_lengths() {
    let one = || encoded(Format::Opus, 16_000, WANTED_HZ, [&signal(16_000)[..]]);
    assert_eq!(decoded(Format::Opus, &[one(), one()].concat()).len(), 4 * 48_000);
}

#[test]
fn an_mp3_file_begins_with_sound() {
    let bytes = encoded(Format::Mp3, 24_000, WANTED_HZ, [&signal(24_000)[..]]);
    // MPEG-2 layer III without a checksum, 96 kbit/s, 24 kHz.
    assert_eq!(bytes[..3], [0xFF, 0xF3, 0xA4]);
    for tag in [b"Xing", b"Info", b"LAME"] {
        assert!(!bytes[..600].windows(4).any(|four| four == tag), "{tag:?}");
    }
    let secs = bytes.len() as f64 * 8.0 / 96_000.0;
    assert!((secs - 2.0).abs() < 0.1, "a player thinks that it lasts {secs} s");
}

#[test]
fn names_and_media_types_are_those_of_the_wire() {
    for format in Format::ALL {
        let json = serde_json::to_string(&format).unwrap();
        assert_eq!(json, format!("\"{format}\""));
        assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), format);
        assert!(format.content_type().starts_with("audio/"));
    }
    assert!(serde_json::from_str::<Format>("\"aac\"").is_err());
}

/// Set for the process that [`encoders_leave_no_memory_behind`] starts.
const MEASURING: &str = "SPEAKERD_TEST_MEASURES_ENCODERS";

#[test]
fn encoders_leave_no_memory_behind() {
    if std::env::var_os(MEASURING).is_some() {
        return measure();
    }
    // Alone in a process: what other tests take meanwhile would count as well.
    let name = "encode::tests::encoders_leave_no_memory_behind";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([name, "--exact"]).env(MEASURING, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn measure() {
    let samples = &signal(24_000)[12_000..12_480];
    let make = |n_encoders: usize| {
        for n in 0..n_encoders {
            let mut out = Vec::new();
            let format = Format::ALL[n % Format::ALL.len()];
            // Some with a resampler, which takes the longest to make.
            let from_hz = if n % 21 == 0 { 16_000 } else { WANTED_HZ };
            let mut encoder = Encoder::new(format, PcmSpec::new(from_hz), WANTED_HZ).unwrap();
            encoder.push(samples, &mut out).unwrap();
            // Every other one is given up, as when a listener goes away.
            if n % 2 == 0 {
                encoder.finish(&mut out).unwrap();
            }
        }
    };
    make(500);
    let before = memory::resident_bytes();
    make(10_000);
    let grown = memory::resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "200 bytes for each encoder: {grown}");
}
