//! FLAC of 16 bits, block by block: how long it gets, and the checksum of it all, are left open.
//!
//! Knows nothing of what the samples were made of.

use std::io;
use std::sync::Arc;

use flac_codec::encode::{FlacStreamWriter, Options};
use flac_codec::metadata::{Block, Streaminfo, write_blocks};
use parking_lot::Mutex;

use super::{Codec, CodecError};
use crate::pcm;

/// 100 ms: half as long costs 3 % more bytes.
const BLOCKS_PER_SEC: u32 = 10;

/// The longest block that a player of 48 kHz must be able to play: RFC 9639, section 7.
const MAX_BLOCK_SAMPLES: u32 = 4_608;

const BITS: u32 = 16;

pub(super) struct Flac {
    rate_hz: u32,
    writer: FlacStreamWriter<Outbox>,
    outbox: Outbox,
    /// Samples that do not fill a block yet.
    waiting: Vec<i32>,
    block_samples: usize,
}

/// Where the writer leaves its bytes. It does not let go of it, so it is shared; nobody contends for it, because both ends
/// are in one `Flac`.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Flac {
    pub(super) fn new(rate_hz: u32, head: &mut Vec<u8>) -> Result<Self, CodecError> {
        let block_samples = (rate_hz / BLOCKS_PER_SEC).min(MAX_BLOCK_SAMPLES);
        let info = Streaminfo {
            minimum_block_size: u16::try_from(block_samples)?,
            maximum_block_size: u16::try_from(block_samples)?,
            minimum_frame_size: None,
            maximum_frame_size: None,
            sample_rate: rate_hz,
            channels: 1.try_into()?,
            bits_per_sample: BITS.try_into().map_err(|bits| format!("FLAC has no {bits} bits"))?,
            total_samples: None,
            md5: None,
        };
        write_blocks(head, [Block::from(info)])?;
        let outbox = Outbox::default();
        Ok(Self {
            rate_hz,
            writer: FlacStreamWriter::new(outbox.clone(), Options::default()),
            outbox,
            waiting: Vec::new(),
            block_samples: usize::try_from(block_samples)?,
        })
    }

    fn encode(&mut self, block: &[i32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.writer.write(self.rate_hz, 1, BITS, block)?;
        out.append(&mut self.outbox.0.lock());
        Ok(())
    }
}

impl Codec for Flac {
    fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.waiting.extend(samples.iter().map(|sample| i32::from(pcm::to_i16(*sample))));
        let waiting = std::mem::take(&mut self.waiting);
        let mut full = waiting.chunks_exact(self.block_samples);
        for block in full.by_ref() {
            self.encode(block, out)?;
        }
        self.waiting = full.remainder().to_vec();
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let rest = std::mem::take(&mut self.waiting);
        if rest.is_empty() { Ok(()) } else { self.encode(&rest, out) }
    }
}

impl io::Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
