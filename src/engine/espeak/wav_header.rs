//! The header of a WAV stream, read as it trickles in.
//!
//! Knows nothing of programs or pipes. A program that writes a stream does not know its length, so the
//! lengths of the file and of the sound are not looked at: the sound ends where the stream ends.

use crate::pcm::PcmSpec;

/// The header that is read here is 44 bytes long; nothing sensible in front of the sound takes more
/// than this.
const MAX_BYTES: usize = 4_096;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct WavHeader {
    bytes: Vec<u8>,
}

impl WavHeader {
    /// Takes bytes; once the header is complete, gives back those after it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn push(&mut self, bytes: &[u8], spec: PcmSpec) -> Result<Option<Vec<u8>>, String> {
        self.bytes.extend_from_slice(bytes);
        match sound_offset(&self.bytes, spec)? {
            Some(offset) => Ok(Some(self.bytes.split_off(offset))),
            None if self.bytes.len() > MAX_BYTES => Err("it sent a header without end".to_owned()),
            None => Ok(None),
        }
    }
}

/// Where the sound begins, once that is known.
fn sound_offset(bytes: &[u8], spec: PcmSpec) -> Result<Option<usize>, String> {
    let Some((riff, _)) = bytes.split_at_checked(12) else { return Ok(None) };
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
        return Err("it sent something else than a WAV stream".to_owned());
    }
    let mut offset = riff.len();
    let mut has_format = false;
    // A chunk: four letters, a length of four bytes, and so many bytes, padded to an even number.
    while let Some((head, rest)) = bytes.get(offset..).and_then(|rest| rest.split_at_checked(8)) {
        let (name, length) = head.split_at(4);
        offset += head.len();
        if name == b"data" {
            return if has_format { Ok(Some(offset)) } else { Err(no_format()) };
        }
        let n_bytes = number(length);
        let Some(content) = rest.get(..n_bytes) else { return Ok(None) };
        if name == b"fmt " {
            check_format(content, spec)?;
            has_format = true;
        }
        offset += n_bytes + n_bytes % 2;
    }
    Ok(None)
}

/// The format chunk: kind, channels, rate, two derived numbers, bits.
fn check_format(format: &[u8], spec: PcmSpec) -> Result<(), String> {
    let Some(fields) = format.get(..16) else { return Err(no_format()) };
    let [kind, n_channels, bits] = [0..2, 2..4, 14..16].map(|range| number(&fields[range]));
    if (kind, n_channels, bits) != (1, 1, 16) {
        return Err(format!("it sent {n_channels} channels of {bits} bits, not 1 of 16"));
    }
    let rate_hz = number(&fields[4..8]);
    if rate_hz != spec.sample_rate_hz.get() as usize {
        return Err(format!(
            "this voice speaks at {rate_hz} Hz, not {}; choose another one",
            spec.sample_rate_hz
        ));
    }
    Ok(())
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
                let mut sound = head.push(first, SPEC).unwrap();
                match &mut sound {
                    Some(sound) => sound.extend_from_slice(second),
                    None => sound = head.push(second, SPEC).unwrap(),
                }
                assert_eq!(sound.unwrap(), b"sound", "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        for (bytes, reason) in [
            (b"something else altogether".to_vec(), "something else"),
            (header(16_000, 1, b""), "16000 Hz"),
            (header(22_050, 2, b""), "2 channels"),
            (b"RIFF....WAVEdata....".to_vec(), "without a format"),
            (
                header(22_050, 1, &[&b"LIST\xff\xff\xff\x7f"[..], &[0; 5_000]].concat()),
                "without end",
            ),
        ] {
            let error = WavHeader::default().push(&bytes, SPEC).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
