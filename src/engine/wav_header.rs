//! The header of a WAV stream, read as it trickles in.
//!
//! Knows nothing of programs, servers or pipes. Who writes a stream does not know its length, and says something large, or 0:
//! the sound ends where the stream ends then.

use crate::pcm::PcmSpec;

/// The header that is read here is 44 bytes long; nothing sensible in front of the sound takes more
/// than this.
const MAX_BYTES: usize = 4_096;

/// Lengths from here on are those of a stream: 12 hours of 24 kHz, and what programs write that do not know better.
const UNKNOWN_BYTES: usize = 0x7fff_0000;

/// The rates of speech that anything is made with.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct WavHeader {
    bytes: Vec<u8>,
}

/// A header that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WavSound {
    /// The rate of the samples; they are mono and have 16 bits.
    pub(super) spec: PcmSpec,
    /// How long they are; `None` where the stream's end tells.
    pub(super) n_bytes: Option<usize>,
    /// Those that have come already.
    pub(super) begun: Vec<u8>,
}

impl WavHeader {
    /// Takes bytes; once the header is complete, gives back what it says and those after it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<WavSound>, String> {
        self.bytes.extend_from_slice(bytes);
        match sound_in(&self.bytes)? {
            Some((offset, spec, n_bytes)) => {
                let begun = self.bytes.split_off(offset);
                Ok(Some(WavSound { spec, n_bytes, begun }))
            }
            None if self.bytes.len() > MAX_BYTES => Err("it sent a header without end".to_owned()),
            None => Ok(None),
        }
    }
}

/// Where the sound begins, at which rate, and how long it is, once that is known.
fn sound_in(bytes: &[u8]) -> Result<Option<(usize, PcmSpec, Option<usize>)>, String> {
    let Some((riff, _)) = bytes.split_at_checked(12) else { return Ok(None) };
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
        return Err("it sent something else than a WAV stream".to_owned());
    }
    let mut offset = riff.len();
    let mut format = None;
    // A chunk: four letters, a length of four bytes, and so many bytes, padded to an even number.
    while let Some((head, rest)) = bytes.get(offset..).and_then(|rest| rest.split_at_checked(8)) {
        let (name, length) = head.split_at(4);
        offset += head.len();
        let n_bytes = number(length);
        if name == b"data" {
            let spec = format.ok_or_else(no_format)?;
            let n_bytes = Some(n_bytes).filter(|it| (1..UNKNOWN_BYTES).contains(it));
            return Ok(Some((offset, spec, n_bytes)));
        }
        let Some(content) = rest.get(..n_bytes) else { return Ok(None) };
        if name == b"fmt " {
            format = Some(spec_of(content)?);
        }
        offset += n_bytes + n_bytes % 2;
    }
    Ok(None)
}

/// The format chunk: kind, channels, rate, two derived numbers, bits.
fn spec_of(format: &[u8]) -> Result<PcmSpec, String> {
    let Some(fields) = format.get(..16) else { return Err(no_format()) };
    let [kind, n_channels, bits] = [0..2, 2..4, 14..16].map(|range| number(&fields[range]));
    if (kind, n_channels, bits) != (1, 1, 16) {
        return Err(format!(
            "it sent WAV of kind {kind} with {n_channels} channels of {bits} bits, not of kind 1 with 1 of 16"
        ));
    }
    let rate_hz = u32::try_from(number(&fields[4..8])).unwrap_or(0);
    if !RATES_HZ.contains(&rate_hz) {
        return Err(format!("it sent WAV at {rate_hz} Hz"));
    }
    Ok(PcmSpec::new(rate_hz))
}

fn no_format() -> String {
    "it sent a WAV stream without a format".to_owned()
}

/// A little-endian number of up to four bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: PcmSpec = PcmSpec::new(22_050);

    /// As the program writes it: lengths that are not true.
    fn header(rate_hz: u32, n_channels: u16, between: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\x24\xf0\xff\x7fWAVE".to_vec();
        bytes.extend_from_slice(between);
        bytes.extend_from_slice(b"fmt \x10\0\0\0\x01\0");
        bytes.extend(n_channels.to_le_bytes());
        bytes.extend(rate_hz.to_le_bytes());
        bytes.extend((rate_hz * 2).to_le_bytes());
        bytes.extend_from_slice(b"\x02\0\x10\0data\x00\xf0\xff\x7f");
        bytes
    }

    #[test]
    fn the_sound_begins_behind_the_header_however_it_is_cut() {
        for between in [&b""[..], b"LIST\x03\0\0\0abc\0"] {
            let mut stream = header(22_050, 1, between);
            stream.extend_from_slice(b"sound");
            for cut in 1..stream.len() {
                let (first, second) = stream.split_at(cut);
                let mut head = WavHeader::default();
                let mut sound = head.push(first).unwrap();
                match &mut sound {
                    Some(sound) => sound.begun.extend_from_slice(second),
                    None => sound = head.push(second).unwrap(),
                }
                let sound = sound.unwrap();
                assert_eq!(sound.begun, b"sound", "cut at {cut}");
                assert_eq!((sound.spec, sound.n_bytes), (SPEC, None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_length_that_can_be_true_is_believed() {
        for (said, n_bytes) in [(0, None), (4, Some(4)), (0x7fff_ffff, None), (u32::MAX, None)] {
            let mut bytes = header(16_000, 1, b"");
            let at = bytes.len() - 4;
            bytes.splice(at.., u32::to_le_bytes(said));
            let sound = WavHeader::default().push(&bytes).unwrap().unwrap();
            assert_eq!(sound.n_bytes, n_bytes, "{said}");
        }
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        for (bytes, reason) in [
            (b"something else altogether".to_vec(), "something else"),
            (header(300, 1, b""), "300 Hz"),
            (header(22_050, 2, b""), "2 channels"),
            (b"RIFF....WAVEdata....".to_vec(), "without a format"),
            (
                header(22_050, 1, &[&b"LIST\xff\xff\xff\x7f"[..], &[0; 5_000]].concat()),
                "without end",
            ),
        ] {
            let error = WavHeader::default().push(&bytes).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
