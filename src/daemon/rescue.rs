//! A daemon that hangs: it gives up the line it hangs in, has all positions saved, and starts itself anew in its place, taking
//! along what was asked for and not said. The process stays the same, so that a service manager sees it come back as well.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rustix::process::{Pid, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::threads::Trouble;
use crate::clock;
use crate::control::handler::Handler;
use crate::control::handler::saying::CarriedSay;
use crate::engine::worker::own_program;
use crate::inference::past::Past;
use crate::speech::FailureClass;
use crate::speech::custody::Custody;
use crate::status::Breakdowns;
use crate::steering::Steering;
use crate::telemetry;
use crate::watch::WatchCommand;

/// Says that standard input, which a daemon has no other use for, is what was taken along. It is in memory only: what is to be
/// said is private.
const CARRIED: &str = "SPEAKERD_CARRIED";

/// How the kernel shows that memory.
const NAME: &str = "speakerd-carried";

/// How long the positions may take to be saved: the thread that saves them may be the one that hangs.
const SAVING: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone.
const GRACE: Duration = Duration::from_millis(200);

/// The thread that plays takes no longer for one step: opening a device takes some seconds at most.
pub(super) const STUCK: Duration = Duration::from_secs(60);

/// More is not believed.
const MAX_CARRIED_BYTES: u64 = 64 << 20;

/// What one life of the daemon leaves to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Carried {
    /// What was asked for and not said.
    pub unsaid: Vec<CarriedSay>,
    /// How often the daemon started itself anew.
    pub n_rescues: u64,
    /// Why it did last.
    pub why: String,
    /// For the engines.
    pub past: Past,
    /// What became of the line that was given up, for those who count: what was counted in the life before is gone.
    pub failed: Option<FailureClass>,
    /// How the sound was steered.
    pub sound: Option<Sound>,
    /// Processes of engines that have ended with the life before, and that only their parent can lay to rest.
    pub processes: Vec<u32>,
}

/// How the sound is steered by hand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// It is held.
    pub paused: bool,
    /// It is silenced.
    pub muted: bool,
    /// Its loudness.
    pub volume: f32,
}

impl Carried {
    /// What the life before this one left, if there was one.
    pub(super) fn take() -> Self {
        if std::env::var_os(CARRIED).is_none() || !is_carried() {
            return Self::default();
        }
        let mut text = Vec::new();
        let read = io::stdin().lock().take(MAX_CARRIED_BYTES).read_to_end(&mut text);
        // It was read, and is nobody else's business.
        if let Ok(nothing) = File::open("/dev/null") {
            let _replaced = rustix::stdio::dup2_stdin(nothing);
        }
        match read.map(|_| serde_json::from_slice(&text)) {
            Ok(Ok(carried)) => carried,
            Ok(Err(_)) | Err(_) => Self::default(),
        }
    }

    /// Writes it down, to be read from the beginning.
    fn leave(&self) -> io::Result<File> {
        let mut file = in_memory()?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()?;
        Ok(file)
    }

    /// For the engines. Taken once.
    pub(super) fn take_past(&mut self) -> Past {
        std::mem::take(&mut self.past)
    }

    /// Steers the sound as it was.
    pub(super) fn steer(&self, steering: &Steering) {
        if let Some(Sound { paused, muted, volume }) = self.sound {
            steering.set_volume(volume);
            steering.set_muted(muted);
            steering.set_paused(paused);
        }
    }

    /// Goes on with it. Returns whoever starts this life anew, should it come to that.
    pub(super) fn go_on(self, handler: &Handler, custody: Custody, is_activated: bool) -> Rescuer {
        let n_rescues = self.n_rescues;
        if n_rescues > 0 {
            self.hand_over(handler);
        }
        Rescuer { custody, is_activated, n_rescues }
    }

    fn hand_over(self, handler: &Handler) {
        warn!(n_rescues = self.n_rescues, "started anew, because {}", self.why);
        telemetry::rescued(self.n_rescues);
        if let Some(class) = self.failed {
            telemetry::utterance_over(class.outcome().as_str());
            telemetry::utterance_failed(class.as_str());
        }
        handler.board().modify(|status| {
            status.daemon.n_rescues = self.n_rescues;
            status.daemon.last_rescue = Some(self.why);
        });
        for process in self.processes {
            lay_to_rest(process);
        }
        handler.say_carried(self.unsaid);
    }
}

/// Takes note of the end of a process that was killed.
fn lay_to_rest(process: u32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let until = clock::now() + GRACE;
    while let Some(pid) = pid
        && matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None))
        && clock::now() < until
    {
        let _waited = crossbeam_channel::after(GRACE / 20).recv();
    }
}

/// Whoever starts the daemon anew.
pub(super) struct Rescuer {
    /// What hangs.
    custody: Custody,
    /// The socket is the service manager's: only that can hand it over again.
    is_activated: bool,
    /// How often it was done before.
    n_rescues: u64,
}

impl Rescuer {
    /// Saves what can be saved and starts this program anew, where there is trouble.
    ///
    /// # Errors
    /// Where that cannot be done: the trouble stays then.
    pub(super) async fn mend(
        &self,
        trouble: Option<Trouble>,
        handler: &Handler,
    ) -> anyhow::Result<()> {
        let Some(Trouble { why, class }) = trouble else { return Ok(()) };
        error!("{why}; the positions are saved and the daemon starts itself anew");
        let reason = format!("{why}; the daemon started itself anew");
        let now = SystemTime::now();
        let ended = class.and_then(|class| self.custody.end(class, reason, now));
        save(handler).await;
        if self.is_activated {
            bail!("{why}; the service manager starts the daemon anew");
        }
        let status = handler.status();
        let mut breakdowns = status.engine.breakdowns;
        let (mut given_up, mut failed) = (None, None);
        if let Some((report, engine)) = ended {
            note_breakdown(&mut breakdowns, engine, &why);
            failed = report.failure;
            // What is still open in front of it keeps its file's bookmark there.
            let is_read_again = handler.has_open_before(report.id);
            given_up =
                is_read_again.then(|| (report.source.name().to_owned(), report.text.to_string()));
        }
        let playback = &status.playback;
        let carried = Carried {
            unsaid: handler.unsaid(),
            n_rescues: self.n_rescues + 1,
            why: why.clone(),
            past: Past::new(breakdowns, given_up),
            failed,
            sound: Some(Sound {
                paused: playback.paused,
                muted: playback.muted,
                volume: playback.volume,
            }),
            processes: status.engine.processes.iter().map(|process| process.pid).collect(),
        };
        let error = start_anew(&carried);
        Err(error).context(format!("{why}, and the daemon cannot start anew"))
    }
}

/// Counts the engine that the daemon hung in.
fn note_breakdown(breakdowns: &mut Vec<Breakdowns>, engine: Option<String>, why: &str) {
    let Some(engine) = engine else { return };
    let last = why.to_owned();
    match breakdowns.iter_mut().find(|known| known.engine == engine) {
        Some(known) => (known.n_in_a_row, known.last) = (known.n_in_a_row + 1, last),
        None => breakdowns.push(Breakdowns { engine, n_in_a_row: 1, last }),
    }
}

/// Starts this program anew in the place of this one. Returns only where that cannot be done.
fn start_anew(carried: &Carried) -> io::Error {
    // What standard input becomes is not closed when the program is started anew.
    let carried = carried.leave().and_then(|file| Ok(rustix::stdio::dup2_stdin(file)?));
    let mut anew = Command::new(own_program());
    anew.args(std::env::args_os().skip(1));
    if let Some(name) = std::env::args_os().next() {
        anew.arg0(name);
    }
    match &carried {
        Ok(()) => {
            anew.env(CARRIED, "stdin");
        }
        Err(error) => {
            warn!("what was asked for and not said is lost: {error}");
            anew.env_remove(CARRIED);
        }
    }
    info!("starting anew");
    anew.exec()
}

/// A file that is nowhere on a disk, or where that cannot be, one that has no name there.
fn in_memory() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    return Ok(File::from(rustix::fs::memfd_create(NAME, rustix::fs::MemfdFlags::CLOEXEC)?));
    #[cfg(not(target_os = "linux"))]
    tempfile::tempfile()
}

/// Whether standard input is what a life before this one left.
fn is_carried() -> bool {
    if cfg!(target_os = "linux") {
        let target = std::fs::read_link("/proc/self/fd/0").unwrap_or_default();
        return target.to_string_lossy().starts_with(&format!("/memfd:{NAME}"));
    }
    rustix::fs::fstat(io::stdin())
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
}

/// Has the watch thread write down what became of the line that was given up. Everything else is on the disk already.
async fn save(handler: &Handler) {
    let (tell, told) = oneshot::channel();
    let reply = Box::new(move || {
        let _gone = tell.send(());
    });
    let asked = handler.tell_watch(WatchCommand::Look(reply));
    if asked.is_err() || tokio::time::timeout(SAVING, told).await.is_err() {
        warn!("the positions were saved last when a line was heard");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Lane;

    #[test]
    fn what_is_left_is_found() {
        let say = CarriedSay {
            text: "Tea is ready.".into(),
            words: None,
            voice: "rms".into(),
            rate: 1.5,
            lane: Lane::Important,
        };
        let breakdown =
            Breakdowns { engine: "espeak".to_owned(), n_in_a_row: 2, last: "it hangs".to_owned() };
        let given_up = Some(("/a.txt".to_owned(), "poison".to_owned()));
        let carried = Carried {
            unsaid: vec![say.clone()],
            n_rescues: 3,
            why: "it hangs".to_owned(),
            past: Past::new(vec![breakdown], given_up),
            failed: Some(FailureClass::Hang),
            sound: Some(Sound { paused: true, muted: false, volume: 0.5 }),
            processes: vec![1],
        };
        let kept = carried.leave().unwrap();
        let mut text = String::new();
        (&kept).read_to_string(&mut text).unwrap();
        let found: Carried = serde_json::from_str(&text).unwrap();
        assert_eq!((found.unsaid, found.n_rescues), (vec![say], 3));
        assert_eq!((found.past, found.sound), (carried.past, carried.sound));
    }

    #[test]
    fn an_engine_that_hangs_again_has_failed_once_more() {
        let mut breakdowns = Vec::new();
        for (engine, wanted) in [("one", 1), ("one", 2), ("two", 1), ("one", 3)] {
            note_breakdown(&mut breakdowns, Some(engine.to_owned()), "it hangs");
            let found = breakdowns.iter().find(|it| it.engine == engine).unwrap();
            assert_eq!(found.n_in_a_row, wanted);
        }
        note_breakdown(&mut breakdowns, None, "it hangs");
        assert_eq!(breakdowns.len(), 2);
    }

    #[test]
    fn nothing_is_found_where_nothing_was_left() {
        assert_eq!(Carried::take().n_rescues, 0);
    }
}
