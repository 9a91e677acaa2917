//! Messages in a stream of bytes: four bytes with the length, then so many of the message, in postcard's format.
//!
//! Knows neither pipes nor what the messages mean. What comes in is bounded before it is kept.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message. A chunk of audio has some 40 KB, the names of all voices of a full library less than 1 MB.
pub const MAX_BYTES: usize = 4 << 20;

/// The length in front of each message.
const HEAD_BYTES: usize = 4;

/// What is no message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// It would be longer than any message.
    #[error("a message of {0} bytes, where {MAX_BYTES} are the most")]
    TooLong(usize),
    /// Its bytes mean nothing.
    #[error("a message that means nothing: {0}")]
    Meaningless(postcard::Error),
    /// There is more in it than a message.
    #[error("{0} bytes behind a message, in the same frame")]
    Behind(usize),
}

/// A message as it goes through a pipe.
///
/// # Errors
/// [`FrameError::TooLong`]
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes =
        postcard::to_extend(message, vec![0; HEAD_BYTES]).map_err(FrameError::Meaningless)?;
    let n_bytes = bytes.len() - HEAD_BYTES;
    let head = u32::try_from(n_bytes).ok().filter(|_| n_bytes <= MAX_BYTES);
    let head = head.ok_or(FrameError::TooLong(n_bytes))?;
    bytes[..HEAD_BYTES].copy_from_slice(&head.to_le_bytes());
    Ok(bytes)
}

/// Bytes that came in, as messages.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Up to here they were taken.
    n_taken: usize,
}

impl Frames {
    /// Takes bytes in; [`Frames::take`] is to be asked until it has none before more come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.n_taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, where all of it is there.
    ///
    /// # Errors
    /// Where it is none; what follows it means nothing then.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.n_taken..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let n_bytes = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if n_bytes > MAX_BYTES {
            return Err(FrameError::TooLong(n_bytes));
        }
        let Some(message) = rest.get(..n_bytes) else { return Ok(None) };
        let (message, behind) =
            postcard::take_from_bytes(message).map_err(FrameError::Meaningless)?;
        if !behind.is_empty() {
            return Err(FrameError::Behind(behind.len()));
        }
        self.n_taken += HEAD_BYTES + n_bytes;
        Ok(Some(message))
    }

    /// Whether a message was begun and is not whole.
    pub fn is_broken_off(&self) -> bool {
        self.n_taken < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::worker::wire::{Answer, Reply};

    fn chunk(number: u32, n_samples: usize) -> Reply {
        let samples = vec![0.25; n_samples];
        Reply { number, answer: Answer::Chunk { samples, is_preparing: false } }
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_the_pipe_cuts_them() {
        let sent = [chunk(1, 0), chunk(2, 1_920), Reply { number: 3, answer: Answer::End }];
        let bytes: Vec<u8> = sent.iter().flat_map(|reply| frame(reply).unwrap()).collect();
        for n_at_once in [1, 3, 1_000, bytes.len()] {
            let (mut frames, mut received) = (Frames::default(), Vec::new());
            for some in bytes.chunks(n_at_once) {
                frames.push(some);
                while let Some(reply) = frames.take::<Reply>().unwrap() {
                    received.push(reply);
                }
            }
            assert_eq!(received, sent);
            assert!(!frames.is_broken_off());
        }
    }

    #[test]
    fn what_is_no_message_is_refused_before_memory_is_taken_for_it() {
        let refusal = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.push(bytes);
            frames.take::<Reply>().unwrap_err()
        };
        assert_eq!(refusal(&[255; 4]), FrameError::TooLong(usize::try_from(u32::MAX).unwrap()));
        assert!(matches!(refusal(b"\x04\0\0\0oops"), FrameError::Meaningless(_)));
        let mut behind = frame(&chunk(1, 0)).unwrap();
        behind.push(7);
        behind[0] += 1;
        assert_eq!(refusal(&behind), FrameError::Behind(1));
        // A claim of four thousand million samples, without them.
        assert!(matches!(
            refusal(b"\x07\0\0\0\x01\x02\xff\xff\xff\xff\x0f"),
            FrameError::Meaningless(_)
        ));
        let too_long = frame(&chunk(1, MAX_BYTES)).unwrap_err();
        assert!(matches!(too_long, FrameError::TooLong(_)));
    }
}
