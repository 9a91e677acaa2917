//! The process's end: reads requests, has the engine work, and writes answers.
//!
//! Requests are read on a thread of their own, `asks`, which ends the process when nobody can ask any more, whatever the
//! engine is doing then.

use std::io::{self, Read, Write};

use crossbeam_channel::{Receiver, bounded};

use super::frames::{Frames, frame};
use super::wire::{Answer, Ask, Order, Reply, Request, Words};
use crate::engine::{Embedding, Engine, EngineError, Progress, Prosody, Speech};
use crate::threads::spawn_named;

/// Requests that wait: one is asked at a time, and what needs no answer comes with the next one.
const ASKS: usize = 4;

/// What is read at once: requests are a text long.
const READ_BYTES: usize = 16 * 1_024;

/// Loads what is ordered.
pub type Load<'a> = &'a mut dyn FnMut(&Order) -> Result<Box<dyn Engine>, EngineError>;

/// Serves until nobody asks any more. `at_end` is called at once then, in the middle of whatever is done, and on another thread.
///
/// # Errors
/// Where the answers cannot be written, or the system refuses a thread.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    at_end: impl FnOnce() + Send + 'static,
    load: Load<'_>,
) -> io::Result<()> {
    let (to_desk, asks) = bounded(ASKS);
    spawn_named("asks", move || {
        let mut input = input;
        let (mut frames, mut buffer) = (Frames::default(), [0; READ_BYTES]);
        while let Ok(n_bytes @ 1..) = input.read(&mut buffer) {
            frames.push(&buffer[..n_bytes]);
            loop {
                match frames.take::<Request>() {
                    Ok(Some(request)) => {
                        if to_desk.send(request).is_err() {
                            return at_end();
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return at_end(),
                }
            }
        }
        at_end();
    })?;
    Desk { asks, output, embedding: None }.work(load)
}

/// Whoever answers.
struct Desk<W> {
    asks: Receiver<Request>,
    output: W,
    embedding: Option<Box<dyn Embedding>>,
}

impl<W: Write> Desk<W> {
    fn work(&mut self, load: Load<'_>) -> io::Result<()> {
        let Ok(Request { number, ask: Ask::Load(order) }) = self.asks.recv() else {
            return Ok(());
        };
        let mut engine = match load(&order) {
            Ok(engine) => engine,
            Err(error) => return self.reply(number, Answer::Failed(error.into())),
        };
        let info = engine.info();
        let (sample_rate_hz, voices) = (info.spec.sample_rate_hz.get(), info.voices.clone());
        self.reply(number, Answer::Loaded { sample_rate_hz, voices })?;
        let mut next = None;
        loop {
            let Some(Request { number, ask }) = next.take().or_else(|| self.asks.recv().ok())
            else {
                return Ok(());
            };
            match ask {
                Ask::Begin(words) => next = self.speak(&mut *engine, number, &words)?,
                Ask::Embed { voice } => {
                    self.embedding = None;
                    let answer = match engine.embed(&voice) {
                        Ok(embedding) => {
                            self.embedding = Some(embedding);
                            Answer::Embedding
                        }
                        Err(error) => Answer::Failed(error.into()),
                    };
                    self.reply(number, answer)?;
                }
                Ask::Step | Ask::GiveUp => self.embed(number, &ask)?,
                Ask::Stop => {}
                Ask::Next | Ask::Load(_) => {
                    let error = EngineError::Told("nothing is spoken".to_owned());
                    self.reply(number, Answer::Failed(error.into()))?;
                }
            }
        }
    }

    /// Speaks until something else is asked for, which is returned.
    fn speak(
        &mut self,
        engine: &mut dyn Engine,
        number: u32,
        words: &Words,
    ) -> io::Result<Option<Request>> {
        let prosody = Prosody { rate: words.rate, pitch: words.pitch };
        let speech = Speech { text: &words.text, voice: &words.voice, prosody, seed: words.seed };
        let mut stream = match engine.begin(&speech) {
            Ok(stream) => stream,
            Err(error) => {
                self.reply(number, Answer::Failed(error.into()))?;
                return Ok(None);
            }
        };
        self.reply(number, Answer::Begun)?;
        while let Ok(request) = self.asks.recv() {
            let number = request.number;
            match request.ask {
                Ask::Next => {
                    let answer = match stream.next_chunk() {
                        Ok(Some(chunk)) => Answer::Chunk {
                            samples: chunk.samples,
                            is_preparing: stream.is_preparing(),
                        },
                        Ok(None) => Answer::End,
                        Err(error) => Answer::Failed(error.into()),
                    };
                    let is_over = !matches!(answer, Answer::Chunk { .. });
                    self.reply(number, answer)?;
                    if is_over {
                        return Ok(None);
                    }
                }
                Ask::Step | Ask::GiveUp => self.embed(number, &request.ask)?,
                Ask::Stop => return Ok(None),
                Ask::Begin(_) | Ask::Embed { .. } | Ask::Load(_) => return Ok(Some(request)),
            }
        }
        Ok(None)
    }

    /// The next step of the voice that is made, or none any more.
    fn embed(&mut self, number: u32, ask: &Ask) -> io::Result<()> {
        let embedding = self.embedding.take();
        if *ask == Ask::GiveUp {
            return Ok(());
        }
        let stepped = match embedding {
            None => Err(EngineError::Told("no voice is made".to_owned())),
            Some(mut embedding) => embedding.step().map(|progress| (progress, embedding)),
        };
        let answer = match stepped {
            Ok((Progress::Working(progress), embedding)) => {
                self.embedding = Some(embedding);
                Answer::Working(progress)
            }
            Ok((Progress::Done, _)) => Answer::Made,
            Err(error) => Answer::Failed(error.into()),
        };
        self.reply(number, answer)
    }

    fn reply(&mut self, number: u32, answer: Answer) -> io::Result<()> {
        let reply = Reply { number, answer };
        let bytes = frame(&reply).or_else(|error| {
            let error = EngineError::Told(format!("the engine's answer is too long: {error}"));
            frame(&Reply { number, answer: Answer::Failed(error.into()) })
        });
        let bytes = bytes.map_err(io::Error::other)?;
        self.output.write_all(&bytes)?;
        self.output.flush()
    }
}
