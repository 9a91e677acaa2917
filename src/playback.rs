//! The playback thread: keeps utterances in order, feeds the tap, resolves tickets, opens and closes the output.
//!
//! Knows nothing of engines, text or sources. Waits on audio, on the tap, on nudges and on its own deadlines; ends when
//! inference has ended and everything is resolved.

pub mod card;
#[cfg(feature = "card")]
pub mod device;
pub mod error;
pub mod gap;
pub mod line;
pub mod paced;
#[cfg(all(feature = "card", target_os = "linux"))]
pub mod pulse;
pub mod tap;
pub mod track;
pub mod tracks;
mod upkeep;
pub mod wav;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, TryRecvError, TrySendError};

use crate::clock;
use crate::config::Config;
use crate::pcm::PcmSpec;
use crate::pipe::{AudioMessage, AudioReceiver};
use crate::speech::Lane;
use crate::status::{Speaking, StatusBoard};
use crate::steering::{Steering, Stopping};
use crate::telemetry;
use crate::threads::Pulse;
use card::Output;
use gap::Gap;
use line::{Line, Retry};
use tap::{Block, TapEvent};
use track::{Keep, Played, Track};
use tracks::Tracks;

/// The pace of looking at a card's progress while something is to be heard.
const PROGRESS_POLL: Duration = Duration::from_millis(200);

/// What is left for the ramp when a stop cuts the sound: longer than the tap's ramp.
const CUT_RAMP: Duration = Duration::from_millis(20);

/// What the thread needs.
#[derive(Debug, Clone, Copy)]
pub struct PlaybackSettings {
    /// Silence between two utterances.
    pub gap: Duration,
    /// After how much silence the output is closed; `None` for never.
    pub release: Option<Duration>,
    /// Silence before the first sound of an output that was opened just now: it may still be waking up.
    pub preroll: Duration,
}

impl PlaybackSettings {
    /// As they are configured.
    pub fn of(config: &Config) -> Self {
        let audio = &config.audio;
        Self { gap: audio.gap, release: audio.release, preroll: audio.preroll }
    }
}

/// The thread's state.
pub struct Playback {
    audio: AudioReceiver,
    output: Box<dyn Output>,
    steering: Steering,
    board: StatusBoard,
    /// After how much silence the output is closed.
    release: Option<Duration>,
    /// Other ones; whoever sends them nudges.
    new_settings: Receiver<PlaybackSettings>,
    /// In speaking order. The first ones are with the tap, at most one of them partly.
    tracks: Tracks,
    line: Option<Line>,
    /// A block that did not fit.
    staged: Option<Block>,
    gap: Gap,
    retry: Retry,
    is_closed: bool,
    n_underruns: u64,
    pulse: Pulse,
}

impl Playback {
    /// A thread that has nothing to do yet; the output is opened with the first audio.
    pub fn new(
        audio: AudioReceiver,
        output: Box<dyn Output>,
        steering: Steering,
        board: StatusBoard,
        settings: PlaybackSettings,
        new_settings: Receiver<PlaybackSettings>,
    ) -> Self {
        let name = output.name();
        board.modify(|status| name.clone_into(&mut status.playback.output));
        Self {
            audio,
            output,
            steering,
            board,
            tracks: Tracks::default(),
            line: None,
            staged: None,
            gap: Gap::new(settings.gap, settings.preroll),
            release: settings.release,
            new_settings,
            retry: Retry::default(),
            is_closed: false,
            n_underruns: 0,
            pulse: Pulse::default(),
        }
    }

    /// Beats that pulse.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Runs until everything is resolved.
    pub fn run(mut self) {
        loop {
            let now = clock::now();
            self.pulse.beat(now);
            self.receive();
            if let Ok(settings) = self.new_settings.try_recv() {
                self.gap.set_lengths(settings.gap, settings.preroll);
                self.release = settings.release;
            }
            // Before anything is decided about utterances: what the tap did with them.
            self.take_events(now);
            self.steer();
            self.keep_line(now);
            self.feed();
            self.resolve();
            if self.is_closed && self.tracks.is_empty() {
                break;
            }
            self.wait();
        }
        if let Some(line) = self.line.take() {
            pause(line.card.latency()); // the end of the last word is still in the device
        }
    }

    fn wait(&self) {
        let mut select = Select::new();
        select.recv(self.steering.nudged());
        if !self.is_closed {
            select.recv(&self.audio.messages);
        }
        if let Some(line) = &self.line {
            select.recv(&line.feed.events);
            if self.staged.is_some() {
                select.send(&line.feed.blocks);
            }
        }
        let deadline = self.next_deadline();
        self.pulse.rest();
        match deadline {
            Some(at) => drop(select.ready_deadline(at)), // everything is looked at either way
            None => {
                select.ready();
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let Some(line) = &self.line else {
            return self.retry.at().filter(|_| self.tracks.iter().any(Track::has_audio));
        };
        if !self.tracks.is_empty() {
            return Some(clock::now() + PROGRESS_POLL);
        }
        let release = self.release.filter(|_| line.card.pulls_always())?;
        self.gap.silent_since()?.checked_add(release)
    }

    /// Takes what inference sends. The bound on it is the pipe's.
    fn receive(&mut self) {
        loop {
            match self.audio.messages.try_recv() {
                Ok(AudioMessage::Begin(opening)) => self.tracks.begin(opening),
                Ok(AudioMessage::Voice(id, voice)) => {
                    if let Some(track) = self.tracks.get_mut(id.get()) {
                        track.opening.voice = voice;
                    }
                }
                Ok(AudioMessage::Chunk(id, lane, chunk)) => {
                    let unwanted = self.tracks.add(id, chunk);
                    self.audio.release(lane, unwanted);
                }
                Ok(AudioMessage::End { ticket, outcome }) => self.tracks.end(ticket, outcome),
                // Something of it may have gone to the tap a moment ago: that is cut, and spoken again later.
                Ok(AudioMessage::Retract(id)) => {
                    let unwanted = self.tracks.retract(id);
                    self.audio.release(Lane::Ordinary, unwanted); // nothing goes before what is important
                    self.audio.finish(1);
                    self.staged = self.staged.filter(|block| block.id != id.get());
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.is_closed = true;
                    break;
                }
            }
        }
        self.steering.set_front(self.tracks.front());
    }

    /// Applies what was skipped, cleared or stopped to what the tap does not have.
    fn steer(&mut self) {
        while self.steering.nudged().try_recv().is_ok() {
            self.audio.wake_sender();
        }
        for track in self.tracks.iter_mut() {
            if self.steering.verdict(track.opening.id, &track.opening.source).is_some() {
                self.audio.release(track.opening.lane, track.stop());
                if !track.is_untouched() {
                    self.steering.silence(track.opening.id);
                }
            }
        }
        match self.steering.stopping() {
            Stopping::No => {}
            // A dropped ticket is an abandoned utterance.
            Stopping::FinishLine => {
                self.audio.finish(self.tracks.keep_started());
                self.staged =
                    self.staged.filter(|block| block.id == 0 || self.tracks.has(block.id));
            }
            Stopping::Now => {
                if self.line.is_some() && !self.tracks.is_empty() {
                    self.steering.set_paused(true); // ramps down
                    let latency =
                        self.line.as_ref().map_or(Duration::ZERO, |line| line.card.latency());
                    pause(CUT_RAMP.max(latency)); // until it is heard
                }
                self.resolve_stopped();
                self.audio.finish(self.tracks.clear());
                self.staged = None;
                self.line = None;
            }
        }
    }

    fn take_events(&mut self, now: Instant) {
        let Some(line) = &self.line else { return };
        let mut is_gone = false;
        let wall_now = SystemTime::now();
        loop {
            let event = match line.feed.events.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    is_gone = true;
                    break;
                }
            };
            let (TapEvent::Started(id, at) | TapEvent::Finished(id, at) | TapEvent::Cut(id, at)) =
                event;
            let Some(track) = self.tracks.get_mut(id) else { continue };
            match event {
                TapEvent::Started(..) => {
                    track.note_start(at, now, wall_now);
                    let speaking = Speaking {
                        id,
                        source: track.opening.source.name().to_owned(),
                        voice: track.opening.voice.to_string(),
                        text: track.opening.text.chars().take(Speaking::MAX_CHARS).collect(),
                    };
                    self.board.modify(|status| status.playback.speaking = Some(speaking));
                }
                TapEvent::Finished(..) => track.played = Some(Played::Whole),
                TapEvent::Cut(..) => track.played = Some(Played::Cut),
            }
            if track.played.is_some() {
                self.retry = Retry::default(); // it works
                self.gap.note_silence(at);
            }
        }
        let n_underruns = line.feed.n_underruns.swap(0, Ordering::Relaxed);
        if n_underruns > 0 {
            self.n_underruns += n_underruns;
            let total = self.n_underruns;
            telemetry::underruns(n_underruns);
            self.board.modify(|status| status.playback.n_underruns = total);
        }
        if is_gone {
            // The tap was dropped: whoever pulled it has ended, whether it says why or not.
            let failure = line.card.failure();
            self.lose(failure.as_deref().unwrap_or("the output ended"), now);
        }
    }

    /// Sends blocks until the tap is full or there is no more audio.
    fn feed(&mut self) {
        let Some(line) = &self.line else { return };
        let (blocks, spec) = (line.feed.blocks.clone(), line.feed.spec);
        let keep = if line.card.pulls_always()
            || self.output.name() == crate::config::Output::Wav.as_str()
        {
            Keep::UntilHeard
        } else {
            Keep::Nothing
        };
        loop {
            if self.staged.is_none() {
                self.staged = self.next_block(spec, keep);
            }
            let Some(block) = self.staged.take() else { return };
            match blocks.try_send(block) {
                Ok(()) => {}
                Err(TrySendError::Full(block)) => {
                    self.staged = Some(block);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return, // the card says why
            }
        }
    }

    fn next_block(&mut self, spec: PcmSpec, keep: Keep) -> Option<Block> {
        let (idx, track) = self.tracks.to_feed()?;
        // A track with nothing to play needs no silence before it; it is over when its turn comes.
        if track.is_untouched() {
            if !track.has_audio() {
                return None;
            }
            if let Some(silence) = self.gap.next_block(idx > 0, spec, clock::now()) {
                return Some(silence);
            }
        }
        let (block, freed) = track.next_block(spec, keep);
        let lane = track.opening.lane;
        if let Some(block) = &block {
            self.gap.end();
            self.steering.set_fed(block.id);
        }
        self.audio.release(lane, freed);
        block
    }

    /// Resolves the tickets whose turn is over, in order.
    fn resolve(&mut self) {
        let over = self.tracks.take_over();
        if over.is_empty() {
            return;
        }
        self.audio.finish(over.len());
        for mut track in over {
            // What was stopped a moment ago may have audio that the pipe still counts.
            self.audio.release(track.opening.lane, track.stop_at_end());
            let stopped = self.steering.verdict(track.opening.id, &track.opening.source);
            track.resolve(stopped, SystemTime::now());
        }
        self.steering.set_front(self.tracks.front());
        if !self.tracks.is_sounding() {
            self.board.modify(|status| status.playback.speaking = None);
        }
    }

    /// Resolves what was skipped or cleared and only waited for the card to say so: it is settled, whatever ends now.
    fn resolve_stopped(&mut self) {
        for track in self.tracks.take_ended() {
            let stopped = self.steering.verdict(track.opening.id, &track.opening.source);
            self.audio.finish(1);
            if stopped.is_some() {
                track.resolve(stopped, SystemTime::now());
            }
        }
    }
}

fn pause(time: Duration) {
    if !time.is_zero() {
        let _waited = crossbeam_channel::after(time).recv();
    }
}
