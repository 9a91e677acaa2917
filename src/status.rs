//! What the daemon tells of itself: one value that its owners write section by section and readers take whole.
//!
//! Knows none of the daemon's channels.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The state of the daemon at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The process.
    pub daemon: DaemonStatus,
    /// The watched files.
    pub watch: WatchStatus,
    /// What waits.
    pub queue: QueueStatus,
    /// How texts are made ready.
    #[serde(default)]
    pub text: TextStatus,
    /// The engines.
    pub engine: EngineStatus,
    /// The voices in the making.
    #[serde(default)]
    pub voices: VoicesStatus,
    /// The sound.
    pub playback: PlaybackStatus,
    /// What is beyond a limit of `[alerts]`: how much it is, what the limit is, and what to do about it.
    #[serde(default)]
    pub alerts: Vec<String>,
}

/// The process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct DaemonStatus {
    /// speakerd's version.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// The configuration file in force; `None` for the embedded defaults.
    pub config: Option<String>,
    /// Why the configuration as it stands in its file is not in force.
    #[serde(default)]
    pub config_problem: Option<String>,
    /// Keys whose new value holds from the next start on.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// How often it started itself anew because it hung.
    #[serde(default)]
    pub n_rescues: u64,
    /// Why it did last.
    #[serde(default)]
    pub last_rescue: Option<String>,
    /// Resident memory in bytes at the time of asking.
    pub resident_bytes: u64,
    /// Resident memory of the processes that it has started, in bytes: as it was a few seconds ago.
    #[serde(default)]
    pub children_bytes: u64,
    /// Room on the disk of the bookmarks, in bytes: as it was a few seconds ago; `None` where nobody wants to know.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
    /// Where the speech server listens; `None` where there is none.
    #[serde(default)]
    pub http: Option<String>,
    /// Connections to the control socket at the time of asking.
    #[serde(default)]
    pub n_clients: usize,
    /// Whether it is on its way out.
    pub stopping: bool,
}

/// The watched files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct WatchStatus {
    /// Each watched file.
    pub files: Vec<WatchedFile>,
    /// Configured patterns that no file matches yet.
    pub unmatched: Vec<String>,
    /// Files that have lines nobody has read yet.
    pub n_unread_files: usize,
    /// Lines that were taken out of files since the start, whatever became of them; blank ones do not count.
    #[serde(default)]
    pub n_lines_read: u64,
    /// Why files are looked at again and again.
    #[serde(default)]
    pub polling: Option<String>,
    /// What is wrong with watching as a whole.
    pub problem: Option<String>,
}

/// One watched file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct WatchedFile {
    /// Where it is.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// The voice that reads it.
    pub voice: String,
    /// Whether it is read before the others.
    pub important: bool,
    /// The place up to which it was heard, in bytes.
    pub heard_bytes: u64,
    /// The bytes that nobody has read yet.
    pub unread_bytes: u64,
    /// Lines cut because they were too long.
    pub n_cut_lines: u64,
    /// It is looked at again and again, because the system does not tell of its changes.
    #[serde(default)]
    pub polled: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// What waits and what was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct QueueStatus {
    /// How many may wait in each lane.
    pub capacity: usize,
    /// How many wait in the ordinary lane.
    pub n_ordinary: usize,
    /// How many wait in the important lane.
    pub n_important: usize,
    /// Utterances that have no outcome yet, the one that sounds included.
    pub n_open: usize,
    /// Outcomes since the start.
    pub n_spoken: u64,
    /// Outcomes other than `spoken`.
    pub n_not_spoken: u64,
    /// The outcomes among them that are `failed` or `timed-out`.
    pub n_failed: u64,
    /// Each outcome by itself.
    #[serde(default)]
    pub outcomes: OutcomeCounts,
    /// How long the oldest of what was not heard yet waits, in seconds at the time of asking; 0 where nothing does. What
    /// nobody has read out of its file does not count.
    #[serde(default)]
    pub oldest_age_secs: f64,
    /// From queued to first sample, in seconds: of the line that was spoken last.
    #[serde(default)]
    pub first_audio_secs: Option<f64>,
    /// Computing time for a second of audio: of the line that was spoken last.
    #[serde(default)]
    pub real_time_factor: Option<f64>,
}

/// Outcomes since the start, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct OutcomeCounts {
    /// Heard to the end.
    pub n_spoken: u64,
    /// Hit by a `skip`.
    pub n_skipped: u64,
    /// Covered by a `clear`.
    pub n_cleared: u64,
    /// Waited longer than allowed.
    pub n_expired: u64,
    /// Passed over.
    pub n_dropped: u64,
    /// Told together with an equal neighbour.
    pub n_folded: u64,
    /// Took the engine too long.
    pub n_timed_out: u64,
    /// Could not be said.
    pub n_failed: u64,
    /// Not finished when the daemon ended.
    pub n_abandoned: u64,
}

/// How texts are made ready.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct TextStatus {
    /// Why the pronunciation dictionary is not in force as it stands.
    pub problem: Option<String>,
}

/// The engines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct EngineStatus {
    /// Where they run: `thread` or `process`.
    #[serde(default)]
    pub isolation: String,
    /// Names of the loaded engines.
    pub loaded: Vec<String>,
    /// The processes of those that have one of their own.
    #[serde(default)]
    pub processes: Vec<EngineProcess>,
    /// Why another voice than the one asked for spoke last time, and what to do about it.
    pub degraded: Option<String>,
    /// The engines that broke down again and again, and why; the fallback speaks for them.
    #[serde(default)]
    pub failing: Vec<String>,
    /// The engines that broke down and have not spoken since.
    #[serde(default)]
    pub breakdowns: Vec<Breakdowns>,
    /// How often an engine broke down.
    #[serde(default)]
    pub n_failures: u64,
    /// How often the process of an engine was lost, and had to be started anew.
    #[serde(default)]
    pub n_restarts: u64,
    /// How often an engine was loaded.
    pub n_loads: u64,
    /// How often engines were unloaded.
    pub n_unloads: u64,
}

/// How often an engine broke down in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Breakdowns {
    /// The engine.
    pub engine: String,
    /// How often.
    pub n_in_a_row: u32,
    /// Why it did last.
    pub last: String,
}

/// The process of an engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct EngineProcess {
    /// The engine.
    pub engine: String,
    /// Its process id.
    pub pid: u32,
    /// Resident memory in bytes at the time of asking.
    pub resident_bytes: u64,
}

/// The voices in the making.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct VoicesStatus {
    /// The one that is being made.
    pub making: Option<String>,
    /// How far it is, from 0 to 1.
    pub progress: f32,
    /// How many wait behind it.
    pub n_waiting: usize,
}

/// The sound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct PlaybackStatus {
    /// Where the sound goes: `card`, `null` or `wav`.
    pub output: String,
    /// Whether it can be heard.
    pub card: CardState,
    /// Why not, and what to do about it.
    pub problem: Option<String>,
    /// What sounds now.
    pub speaking: Option<Speaking>,
    /// Whether the sound is held.
    pub paused: bool,
    /// Whether the sound is silenced.
    pub muted: bool,
    /// The loudness of everything, as a factor.
    pub volume: f32,
    /// The loudest sample of the last hundredth of a second that went to the card, 0 to 1.
    #[serde(default)]
    pub level: f32,
    /// How often the engine was too slow and the sound broke off within an utterance.
    pub n_underruns: u64,
}

/// Whether the output can be heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// It is opened when there is something to say.
    #[default]
    Closed,
    /// It is open.
    Open,
    /// It cannot be opened; lines are kept and it is tried again.
    Lost,
}

/// The utterance that sounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub struct Speaking {
    /// Which.
    pub id: u64,
    /// Whose.
    pub source: String,
    /// In which voice.
    pub voice: String,
    /// What, as it stands in the file or the request: the beginning of it.
    #[serde(default)]
    pub text: String,
}

impl Speaking {
    /// Enough to recognise a line by.
    pub const MAX_CHARS: usize = 200;
}

/// Where the owners write and the readers read. A clone is the same board.
#[derive(Debug, Clone)]
pub struct StatusBoard(watch::Sender<Status>);

impl Default for StatusBoard {
    fn default() -> Self {
        Self(watch::Sender::new(Status::default()))
    }
}

impl StatusBoard {
    /// Changes one's own section. Never blocks for longer than a reader copies.
    pub fn modify(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(change);
    }

    /// The state now.
    pub fn snapshot(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Follows the changes.
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.0.subscribe()
    }

    /// Waits until the state is as wished, up to a limit; tells whether it was.
    pub async fn wait_until(&self, limit: Duration, wished: impl Fn(&Status) -> bool) -> bool {
        let mut changes = self.subscribe();
        let waited = tokio::time::timeout(limit, changes.wait_for(|status| wished(status))).await;
        matches!(waited, Ok(Ok(_)))
    }
}
