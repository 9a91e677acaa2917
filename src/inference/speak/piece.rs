//! One piece of an utterance: pulled from its engine chunk by chunk, checked between chunks, handed on as it is made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Select;

use super::{Job, Speaker};
use crate::clock;
use crate::engine::{Engine, EngineError, Prosody, Speech};
use crate::inference::engines::Engines;
use crate::inference::failures::class_of;
use crate::inference::limits::Stopwatch;
use crate::inference::stop::{Stop, check_sound};
use crate::inference::voices::too_late;
use crate::memory;
use crate::pcm::{PcmChunk, PcmSpec};
use crate::pipe::AudioMessage;
use crate::speech::stream::{Destination, NotTaken, SpokenBy};
use crate::speech::{FailureClass, Lane, Outcome, Utterance};
use crate::steering::Stopping;
use crate::text::Piece;

/// How often a full pipe is looked at without being woken. Wake-ups come at once; this is for the one that was missed.
const FULL_PIPE_POLL: Duration = Duration::from_millis(100);

/// How much silence is sent at once.
const SILENT_CHUNK: Duration = Duration::from_millis(100);

/// What does not change while a piece is said.
struct Wish<'a> {
    words: &'a str,
    voice: &'a str,
    prosody: Prosody,
    budget: Duration,
}

impl Speaker<'_> {
    /// Has the engine say the next piece.
    pub(super) fn say_piece(&self, engines: &mut Engines, job: &mut Job) -> Result<(), Stop> {
        let Some(script) = &mut job.script else { return Ok(()) };
        let Some(piece) = script.pieces.pop_front() else { return Ok(()) };
        let (spec, prosody, budget) = (script.spec, script.prosody, script.budget);
        let (voice, id) = (Arc::clone(&script.voice), script.engine.clone());
        let words = match piece {
            Piece::Words(words) => words,
            Piece::Pause(pause) => return self.be_silent(spec, pause, job),
        };
        self.pulse.beat_for(clock::now(), self.settings.confinement.load);
        // Whoever loads it has noted that it failed: it broke down for nobody else.
        let failed = |error: EngineError| Stop::Failing(class_of(&error), error.to_string());
        let engine = engines.again(&id, clock::now()).map_err(failed)?;
        self.pulse.beat(clock::now());
        let wish = Wish { words: &words, voice: &voice, prosody, budget };
        catch_unwind(AssertUnwindSafe(|| self.pull(engine, &wish, job)))
            .unwrap_or_else(|_| Err(Stop::of(&EngineError::Panicked)))
    }

    fn pull(&self, engine: &mut dyn Engine, wish: &Wish<'_>, job: &mut Job) -> Result<(), Stop> {
        let Wish { words, voice, prosody, budget } = *wish;
        let speech = Speech { text: words, voice, prosody, seed: job.utterance.id.get() };
        let mut stopwatch = Stopwatch::new(self.settings.piece_deadline);
        let mut preparing = Stopwatch::new(self.settings.voice_deadline);
        let began = clock::now();
        let mut stream = engine.begin(&speech).map_err(|error| self.failed(error, job))?;
        self.account(&mut job.utterance, &mut stopwatch, began)?;
        loop {
            let began = clock::now();
            let chunk = stream.next_chunk().map_err(|error| self.failed(error, job))?;
            if stream.is_preparing() {
                self.pulse.beat(clock::now());
                if preparing.add(clock::now().duration_since(began)) {
                    let why = too_late(self.settings.voice_deadline);
                    return Err(Stop::Failing(FailureClass::Deadline, why));
                }
            } else {
                self.account(&mut job.utterance, &mut stopwatch, began)?;
            }
            let Some(chunk) = chunk else { return Ok(()) };
            if chunk.samples.is_empty() {
                // It is at work, and may no longer be wanted.
                self.check(job)?;
                continue;
            }
            check_sound(&chunk)?;
            Self::count(&chunk, &mut job.utterance);
            if job.utterance.ticket.report().audio > budget {
                return Err(Stop::Failing(
                    FailureClass::Budget,
                    format!(
                        "the engine spoke for more than {} s, its text is shorter",
                        budget.as_secs()
                    ),
                ));
            }
            self.deliver(chunk, job)?;
        }
    }

    /// Silence that the text asks for.
    fn be_silent(&self, spec: PcmSpec, pause: Duration, job: &mut Job) -> Result<(), Stop> {
        let mut n_left = spec.samples_in(pause);
        while n_left > 0 {
            let n = n_left.min(spec.samples_in(SILENT_CHUNK));
            n_left -= n;
            let chunk = PcmChunk { spec, samples: vec![0.0; n] };
            Self::count(&chunk, &mut job.utterance);
            self.deliver(chunk, job)?;
        }
        Ok(())
    }

    /// Notes what was made. Playback notes when the first of it sounds; a stream has it at once.
    fn count(chunk: &PcmChunk, utterance: &mut Utterance) {
        let report = utterance.ticket.report_mut();
        if matches!(utterance.destination, Destination::Stream(_)) && report.first_audio.is_none() {
            report.first_audio = Some(clock::now().duration_since(utterance.enqueued_at));
            report.started_at = Some(SystemTime::now());
        }
        report.audio += chunk.duration();
    }

    /// Counts engine time, and ends the utterance where a piece took too much of it.
    fn account(
        &self,
        utterance: &mut Utterance,
        stopwatch: &mut Stopwatch,
        began: Instant,
    ) -> Result<(), Stop> {
        let now = clock::now();
        self.pulse.beat(now);
        let time = now.duration_since(began);
        utterance.ticket.report_mut().compute += time;
        if let Some(limit) = self.settings.confinement.limit_within()
            && self.memory_pace.is_due(now)
            && memory::resident_bytes() > limit
        {
            return Err(Stop::of(&EngineError::TooMuchMemory { limit_mb: limit >> 20 }));
        }
        if stopwatch.add(time) {
            let secs = self.settings.piece_deadline.as_secs_f64();
            return Err(Stop::Failing(
                FailureClass::Deadline,
                format!(
                    "a piece took more than {secs} s of engine time (limits.piece_deadline_secs)"
                ),
            ));
        }
        Ok(())
    }

    /// Sends a chunk on: to a stream at once, to playback as soon as that has room for it. Where a stream waits for the engine,
    /// the piece is finished without waiting: it is `text.max_piece_chars` long at most, by default a quarter of a minute.
    fn deliver(&self, chunk: PcmChunk, job: &Job) -> Result<(), Stop> {
        self.check(job)?;
        let utterance = &job.utterance;
        match &utterance.destination {
            Destination::Stream(sender) => {
                // Not earlier: as long as nothing was heard, another voice may take its place.
                sender.note_speaker(|| {
                    let report = utterance.ticket.report();
                    let (voice, engine) = (report.spoken_voice.clone(), report.engine);
                    SpokenBy {
                        voice: voice.unwrap_or_default(),
                        engine: engine.unwrap_or_default(),
                    }
                });
                let why = |error: NotTaken| match error {
                    NotTaken::Gone => sender.why_gone(),
                    NotTaken::Behind => error.to_string(),
                };
                let sent = sender.send(chunk);
                sent.map_err(|error| Stop::because(Outcome::Skipped, why(error)))
            }
            Destination::Card => {
                while !self.audio.has_room(utterance.lane) && !self.is_shared() {
                    self.wait(utterance);
                    self.check(job)?;
                }
                self.send(AudioMessage::Chunk(utterance.id, utterance.lane, chunk))
            }
        }
    }

    /// Waits until there may be room, something important or a stream comes, or the marks have changed. Whatever keeps it
    /// meanwhile is no fault of the engine, nor of the utterance.
    pub(super) fn wait(&self, utterance: &Utterance) {
        let claim = self.custody.set_aside();
        self.wait_for_room(utterance);
        self.custody.take_back(claim);
    }

    fn wait_for_room(&self, utterance: &Utterance) {
        if self.voices.borrow_mut().advance() {
            let _woken = self.audio.freed().try_recv();
            self.pulse.beat(clock::now());
            return;
        }
        let mut select = Select::new();
        select.recv(self.audio.freed());
        // Channels that are closed, as they are at the end, would wake us again and again; so would something important that
        // waits already, where it waits for this one.
        if self.steering.stopping() == Stopping::No {
            if utterance.lane == Lane::Ordinary && !self.outlet.has_important() {
                select.recv(&self.outlet.important);
            }
            select.recv(&self.outlet.streams);
        }
        self.pulse.rest();
        // Which of them it was does not matter: everything is looked at again.
        if select.ready_timeout(FULL_PIPE_POLL).is_ok() {
            let _woken = self.audio.freed().try_recv();
        }
        self.pulse.beat(clock::now());
    }
}
