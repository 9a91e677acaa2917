//! What is said on the control socket. Types only: anyone may import this file, it is the wire.
//!
//! The socket is `$XDG_RUNTIME_DIR/speakerd/control.sock`. To speak the protocol by hand:
//!
//! 1. Connect: `socat - UNIX-CONNECT:$XDG_RUNTIME_DIR/speakerd/control.sock`.
//! 2. Write one JSON value on one line, at most 64 KiB: `"status"`, or `{"say":{"text":"Tea is ready."}}`.
//! 3. Read one line: `{"Ok":…}` with the answer, or `{"Err":{"code":…,"message":…}}`.
//! 4. Answers come in the order of the requests. Two requests have more than one line as their answer: `subscribe`
//!    sends the whole status again after each change; `history` sends one line for each entry, and `"handled"` as its
//!    end where it does not follow.
//! 5. A reader that is too slow is disconnected, with an `Err` where it can still be told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::raw::RawWatch;
use crate::history::Entry;
use crate::queue::Waiting;
use crate::speech::{Lane, Outcome};
use crate::status::Status;
use crate::voice::card::VoiceCard;
use crate::voice::request::VoiceRequest;

/// Raised with each change that an older program would misunderstand.
pub const PROTOCOL: u32 = 1;

/// The longest request line.
pub const MAX_REQUEST_BYTES: usize = 64 * 1_024;

/// What a program may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Which version runs.
    Version,
    /// The state now.
    Status,
    /// The state now and after each change, until one hangs up.
    Subscribe,
    /// Say something.
    Say(Say),
    /// Stop what sounds, or what would sound next, and go on with the following.
    Skip,
    /// Drop everything that waits, what was not read from the files yet included, and stop what sounds.
    Clear(Clear),
    /// Hold the sound where it is.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Silence the sound; it goes on unheard.
    Mute,
    /// Let it be heard again.
    Unmute,
    /// Set the loudness of everything until the next start, 0 to 2.
    Volume(f32),
    /// Say the last things again.
    Replay(Replay),
    /// List what waits.
    Queue,
    /// What was said.
    History(HistoryRequest),
    /// Watched files.
    Watch(WatchRequest),
    /// The voices: list them, make one of a recording, and so on.
    Voice(VoiceRequest),
    /// Load an engine ahead of its first use.
    Load(Load),
    /// Unload every engine once it is idle.
    Unload,
    /// Answered when every file was looked at, everything was said and the last sample was played.
    WaitIdle(WaitIdle),
    /// Read the configuration again and put it in force; a wrong one leaves the old one in force and is refused.
    Reload,
    /// End the daemon.
    Shutdown,
}

/// See [`Request::Say`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// What.
    pub text: String,
    /// In which voice; the default one where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// In which lane.
    #[serde(default)]
    pub priority: Lane,
    /// Skip what sounds and say this next: behind other important things, before everything else.
    #[serde(default)]
    pub interrupt: bool,
    /// Answer when it was said, with its outcome.
    #[serde(default)]
    pub wait: bool,
    /// Speed, as a factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f32>,
}

/// See [`Request::Clear`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clear {
    /// Only of this source: a file's path, or `control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// See [`Request::Replay`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    /// How many, 1 to 64.
    #[cfg_attr(feature = "http", schema(minimum = 1, maximum = 64))]
    pub n: usize,
}

impl Default for Replay {
    fn default() -> Self {
        Self { n: 1 }
    }
}

/// See [`Request::History`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryRequest {
    /// Go on with what is said from now on, until the daemon ends.
    pub follow: bool,
}

/// See [`Request::Watch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchRequest {
    /// Watch another file or pattern, until the daemon ends; answered when its position is written down.
    Add(Box<RawWatch>),
    /// Watch it no longer.
    Remove {
        /// As it was added.
        path: PathBuf,
    },
    /// List the watched files.
    List,
}

/// See [`Request::Load`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Load {
    /// The engine of this voice; the default one where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

/// See [`Request::WaitIdle`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaitIdle {
    /// For how long at most; for ever where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<f64>,
}

/// What is answered.
pub type Reply = Result<Response, Refusal>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// Done, or on its way.
    Handled,
    /// To [`Request::Version`].
    Version {
        /// speakerd's version.
        version: String,
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// To [`Request::Status`] and [`Request::Subscribe`].
    Status(Box<Status>),
    /// To [`Request::Say`]: it waits its turn.
    Queued {
        /// Its id, as in the history.
        id: u64,
    },
    /// To [`Request::Say`] with `wait`.
    Ended {
        /// Its id, as in the history.
        id: u64,
        /// What became of it.
        outcome: Outcome,
        /// Why.
        reason: Option<String>,
    },
    /// To [`Request::Skip`].
    Skipped {
        /// Which utterance.
        id: u64,
    },
    /// To [`Request::Replay`]: they wait their turn.
    Replayed {
        /// Their ids, oldest first.
        ids: Vec<u64>,
    },
    /// To [`Request::Queue`], in speaking order.
    Queue(Vec<Waiting>),
    /// To [`Request::History`], one line for each.
    Entry(Box<Entry>),
    /// To [`Request::Reload`]: it is in force.
    Reloaded {
        /// Keys whose new value holds only from the next start on.
        needs_restart: Vec<String>,
    },
    /// To [`WatchRequest`]: the files that it is about.
    Files(Vec<String>),
    /// To [`VoiceRequest`]: one voice.
    Voice(Box<VoiceCard>),
    /// To [`VoiceRequest`]: several.
    Voices(Vec<VoiceCard>),
}

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what is wrong and the way out.
    pub message: String,
}

impl Refusal {
    /// A refusal of that class.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Classes of refusals, by what the asking program does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// It is no request, or a value in it is wrong: mend it.
    BadRequest,
    /// No room: try again later.
    QueueFull,
    /// Another request of the kind is being worked on: try again later.
    Busy,
    /// Nothing sounds or waits.
    NothingToSkip,
    /// Nothing was said yet.
    NothingToReplay,
    /// There is no such voice, or it cannot speak on this machine.
    UnknownVoice,
    /// The voice cannot be made, or not be called so: the message says why.
    BadVoice,
    /// There is no such source or watched file.
    UnknownSource,
    /// The file cannot be watched.
    CannotWatch,
    /// The configuration is wrong: mend it.
    BadConfig,
    /// The time allowed has passed.
    TimedOut,
    /// The daemon is on its way out.
    Stopping,
    /// The history went past this reader.
    TooSlow,
    /// Too many connections: close one.
    TooManyClients,
}
