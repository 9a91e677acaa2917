//! Opus in Ogg (RFC 7845) by libopus: packets of 20 ms, whose positions end exactly where the samples do.
//!
//! Knows only rates that Opus has. Positions are counted in samples of 48 kHz, whatever the rate is.

use std::hash::{BuildHasher, Hasher, RandomState};

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder, Signal};

use super::{Codec, CodecError};

/// What libopus takes.
pub(super) const RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// Wideband speech is clear from 20 kbit/s on (RFC 6716, section 2.1.1); this leaves room.
const BITS_PER_SEC: i32 = 32_000;

/// 20 ms.
const PACKETS_PER_SEC: usize = 50;

/// The longest packet of one codec frame: RFC 6716, section 3.2.1.
const MAX_PACKET_BYTES: usize = 1_275;

/// 100 ms: a page costs 28 bytes, a packet has about 80.
const PACKETS_PER_PAGE: u64 = 5;

/// Positions in an Ogg Opus file are of this rate.
const POSITIONS_PER_SEC: u32 = 48_000;

pub(super) struct Opus {
    encoder: Encoder,
    pages: PacketWriter<'static, Vec<u8>>,
    /// Two files one after the other are one valid file if these differ.
    serial: u32,
    /// Samples that do not fill a packet yet.
    waiting: Vec<f32>,
    packet_samples: usize,
    /// Positions for each sample.
    stride: u64,
    /// How many positions a player drops at the start: the encoder's look-ahead.
    n_skipped: u64,
    n_samples: u64,
    n_packets: u64,
}

impl Opus {
    pub(super) fn new(rate_hz: u32, head: &mut Vec<u8>) -> Result<Self, CodecError> {
        // The coding of a call without its filter against rumble, of which there is none: it turns the lowest tones of a
        // deep voice, whose waveform is then 0.82 like what was said, and 0.98 without.
        let mut encoder = Encoder::new(rate_hz, Channels::Mono, Application::Audio)?;
        encoder.set_signal(Signal::Voice)?;
        encoder.set_bitrate(Bitrate::Bits(BITS_PER_SEC))?;
        let stride = u64::from(POSITIONS_PER_SEC / rate_hz);
        let n_skipped = u64::try_from(encoder.get_lookahead()?)? * stride;
        let mut opus = Self {
            encoder,
            pages: PacketWriter::new(Vec::new()),
            serial: serial(),
            waiting: Vec::new(),
            packet_samples: usize::try_from(rate_hz)? / PACKETS_PER_SEC,
            stride,
            n_skipped,
            n_samples: 0,
            n_packets: 0,
        };
        // Both stand on pages of their own: RFC 7845, section 3.
        let begin = begin(u16::try_from(n_skipped)?, rate_hz);
        opus.pages.write_packet(begin, opus.serial, PacketWriteEndInfo::EndPage, 0)?;
        opus.pages.write_packet(tags()?, opus.serial, PacketWriteEndInfo::EndPage, 0)?;
        head.append(opus.pages.inner_mut());
        Ok(opus)
    }

    /// Where the packets made so far end.
    fn position(&self) -> u64 {
        self.n_packets * u64::from(POSITIONS_PER_SEC) / PACKETS_PER_SEC as u64
    }

    fn encode(&mut self, samples: &[f32]) -> Result<Vec<u8>, CodecError> {
        let packet = self.encoder.encode_vec_float(samples, MAX_PACKET_BYTES)?;
        self.n_packets += 1;
        Ok(packet)
    }
}

impl Codec for Opus {
    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.n_samples += samples.len() as u64;
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut full = waiting.chunks_exact(self.packet_samples);
        for samples in full.by_ref() {
            let packet = self.encode(samples)?;
            // The first one is on its way at once.
            let end = match self.n_packets % PACKETS_PER_PAGE {
                1 if self.n_packets == 1 => PacketWriteEndInfo::EndPage,
                0 => PacketWriteEndInfo::EndPage,
                _ => PacketWriteEndInfo::NormalPacket,
            };
            self.pages.write_packet(packet, self.serial, end, self.position())?;
        }
        self.waiting = full.remainder().to_vec();
        out.append(self.pages.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut rest = std::mem::take(&mut self.waiting);
        // At least one is to come, because the look-ahead is not out yet: it can bear the mark of the end.
        let end = self.n_skipped + self.n_samples * self.stride;
        while self.position() < end {
            rest.resize(self.packet_samples, 0.0);
            let packet = self.encode(&rest)?;
            rest.clear();
            let (mark, position) = if self.position() < end {
                (PacketWriteEndInfo::NormalPacket, self.position())
            } else {
                (PacketWriteEndInfo::EndStream, end)
            };
            self.pages.write_packet(packet, self.serial, mark, position)?;
        }
        out.append(self.pages.inner_mut());
        Ok(())
    }
}

/// The packet `OpusHead`: RFC 7845, section 5.1.
fn begin(n_skipped: u16, rate_hz: u32) -> Vec<u8> {
    let mut packet = b"OpusHead".to_vec();
    packet.extend([1, 1]); // version, channels
    packet.extend(n_skipped.to_le_bytes());
    packet.extend(rate_hz.to_le_bytes());
    packet.extend([0, 0, 0]); // no gain, and the mapping of a single channel
    packet
}

/// The packet `OpusTags`: RFC 7845, section 5.2.
fn tags() -> Result<Vec<u8>, CodecError> {
    let mut packet = b"OpusTags".to_vec();
    append_text(opus::version(), &mut packet)?;
    packet.extend(1_u32.to_le_bytes()); // comments
    append_text(concat!("ENCODER=speakerd ", env!("CARGO_PKG_VERSION")), &mut packet)?;
    Ok(packet)
}

fn append_text(text: &str, packet: &mut Vec<u8>) -> Result<(), CodecError> {
    packet.extend(u32::try_from(text.len())?.to_le_bytes());
    packet.extend(text.as_bytes());
    Ok(())
}

/// Drawn anew for each file; it is no secret.
fn serial() -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half of a random number is one as well")]
    let serial = RandomState::new().build_hasher().finish() as u32;
    serial
}
