//! A daemon that hangs: it gives up the line it hangs in, has all positions saved, and starts itself anew in its place, taking
//! along what was asked for and not said. The process stays the same, so that a service manager sees it come back as well.

use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::control::handler::Handler;
use crate::control::handler::saying::CarriedSay;
use crate::inference::EngineCommand;
use crate::speech::Outcome;
use crate::speech::custody::Custody;
use crate::watch::WatchCommand;

/// Names the descriptor with what was taken along. It is in memory only: what is to be said is private.
const CARRIED: &str = "SPEAKERD_CARRIED_FD";

/// How long the positions may take to be saved: the thread that saves them may be the one that hangs.
const SAVING: Duration = Duration::from_secs(2);

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
    /// The voice whose engine it was, and how often in a row.
    pub broken: Option<(String, u32)>,
}

impl Carried {
    /// What the life before this one left, if there was one.
    pub(super) fn take() -> Self {
        let Some(number) = std::env::var_os(CARRIED) else { return Self::default() };
        let number = number.to_str().and_then(|number| number.parse::<i32>().ok());
        let opened = number.map(|number| std::fs::File::open(format!("/proc/self/fd/{number}")));
        let Some(Ok(file)) = opened else { return Self::default() };
        let mut text = Vec::new();
        match file.take(MAX_CARRIED_BYTES).read_to_end(&mut text) {
            Ok(_) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(_) => Self::default(),
        }
    }

    /// Puts it where the next life finds it. The descriptor is open for as long as what is returned is there.
    fn leave(&self) -> io::Result<OwnedFd> {
        // Not closed when the program is started anew: that is what it is for.
        let kept = memfd_create("speakerd-carried", MemfdFlags::empty())?;
        let mut file = std::fs::File::from(kept);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()?;
        Ok(file.into())
    }

    /// Goes on with it. Returns whoever starts this life anew, should it come to that.
    pub(super) fn go_on(self, handler: &Handler, custody: Custody, is_activated: bool) -> Rescuer {
        let (n_rescues, broken) = (self.n_rescues, self.broken.clone());
        if n_rescues > 0 {
            self.hand_over(handler);
        }
        Rescuer { custody, is_activated, n_rescues, broken }
    }

    fn hand_over(self, handler: &Handler) {
        warn!(n_rescues = self.n_rescues, "started anew, because {}", self.why);
        handler.board().modify(|status| {
            status.daemon.n_rescues = self.n_rescues;
            status.daemon.last_rescue = Some(self.why.clone());
        });
        if let Some((voice, n_in_a_row)) = self.broken {
            let why = self.why;
            let taken_over = EngineCommand::TakeOver { voice, n_in_a_row, why };
            if handler.tell_engine(taken_over).is_err() {
                warn!("the engines do not hear of it");
            }
        }
        let n_refused = handler.say_carried(self.unsaid);
        if n_refused > 0 {
            warn!("{n_refused} things that were to be said found no room, and are lost");
        }
    }
}

/// Whoever starts the daemon anew.
pub(super) struct Rescuer {
    /// What hangs.
    pub(super) custody: Custody,
    /// The socket is the service manager's: only that can hand it over again.
    pub(super) is_activated: bool,
    /// How often it was done before.
    pub(super) n_rescues: u64,
    /// The voice that it was done for last, and how often in a row.
    pub(super) broken: Option<(String, u32)>,
}

impl Rescuer {
    /// Saves what can be saved and starts this program anew, where there is trouble.
    ///
    /// # Errors
    /// Where that cannot be done: the trouble stays then.
    pub(super) async fn mend(
        &self,
        trouble: Option<String>,
        handler: &Handler,
    ) -> anyhow::Result<()> {
        let Some(why) = trouble else { return Ok(()) };
        error!("{why}; the positions are saved and the daemon starts itself anew");
        let reason = format!("{why}; the daemon started itself anew");
        let ended = self.custody.end(Outcome::TimedOut, reason, SystemTime::now());
        let spoke = handler.board().snapshot().queue.n_spoken > 0;
        let broken = ended.map(|report| {
            let voice = report.voice.to_string();
            let before = self.broken.as_ref().filter(|(before, _)| *before == voice && !spoke);
            let n_before = before.map_or(0, |(_, n)| *n);
            (voice, n_before + 1)
        });
        save(handler).await;
        if self.is_activated {
            bail!("{why}; the service manager starts the daemon anew");
        }
        let (unsaid, n_rescues) = (handler.unsaid(), self.n_rescues + 1);
        let carried = Carried { unsaid, n_rescues, why: why.clone(), broken };
        let error = start_anew(&carried);
        Err(error).context(format!("{why}, and the daemon cannot start anew"))
    }
}

/// Starts this program anew in the place of this one. Returns only where that cannot be done.
fn start_anew(carried: &Carried) -> io::Error {
    let carried = carried.leave();
    let mut anew = Command::new(own_program());
    anew.args(std::env::args_os().skip(1));
    if let Some(name) = std::env::args_os().next() {
        anew.arg0(name);
    }
    match &carried {
        Ok(kept) => {
            anew.env(CARRIED, kept.as_raw_fd().to_string());
        }
        Err(error) => {
            warn!("what was asked for and not said is lost: {error}");
            anew.env_remove(CARRIED);
        }
    }
    info!("starting anew");
    anew.exec()
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

/// This program, also where its file was replaced since it was started: the new one may understand other arguments.
fn own_program() -> std::path::PathBuf {
    let running = std::path::PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Lane;

    #[test]
    fn what_is_left_is_found() {
        let say = CarriedSay {
            text: "Tea is ready.".to_owned(),
            words: None,
            voice: "rms".to_owned(),
            rate: 1.5,
            lane: Lane::Important,
        };
        let carried = Carried {
            unsaid: vec![say.clone()],
            n_rescues: 3,
            why: "it hangs".to_owned(),
            broken: Some(("rms".to_owned(), 2)),
        };
        let kept = carried.leave().unwrap();
        let mut text = String::new();
        std::fs::File::from(kept).read_to_string(&mut text).unwrap();
        let found: Carried = serde_json::from_str(&text).unwrap();
        assert_eq!((found.unsaid, found.n_rescues), (vec![say], 3));
        assert_eq!(found.broken, carried.broken);
    }

    #[test]
    fn nothing_is_found_where_nothing_was_left() {
        assert_eq!(Carried::take().n_rescues, 0);
    }
}
