//! The requests that the watch thread answers: watched files, one source's clear, and waiting until all is read.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{CONTROL_SOURCE, Handler, refuse};
use crate::clock;
use crate::config::WatchConfig;
use crate::config::raw::RawWatch;
use crate::control::protocol::{
    Clear, Refusal, RefusalCode, Reply, Response, WaitIdle, WatchRequest,
};
use crate::status::Status;
use crate::watch::WatchCommand;

/// A look at all files takes milliseconds; after this long the watch thread hangs.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

impl Handler {
    pub(super) async fn clear(&self, clear: Clear) -> Reply {
        let through = self.queue.last_issued();
        if clear.source.as_deref() == Some(CONTROL_SOURCE) {
            self.source.clear_through(through);
            return Ok(self.silence(CONTROL_SOURCE));
        }
        let name = clear.source;
        if name.is_none() {
            self.steering.clear_through(through);
        }
        let (tell, told) = oneshot::channel();
        let reply = Box::new(move |known| {
            let _hung_up = tell.send(known);
        });
        self.ask_watch(WatchCommand::Clear(name.clone(), through, reply))?;
        let is_known = told.await.unwrap_or(false);
        match name {
            None => {
                self.steering.nudge();
                Ok(Response::Handled)
            }
            Some(name) if is_known => Ok(self.silence(&name)),
            Some(name) => {
                let message =
                    format!("there is no source `{name}`; `speakerd watch list` names them");
                refuse(RefusalCode::UnknownSource, message)
            }
        }
    }

    /// Silences what sounds of a source that was cleared.
    fn silence(&self, name: &str) -> Response {
        // The audio callback knows no sources: what sounds is silenced by its id.
        let speaking =
            self.board.snapshot().playback.speaking.filter(|speaking| speaking.source == name);
        if let Some(id) = self
            .steering
            .current()
            .filter(|id| speaking.is_some_and(|speaking| speaking.id == id.get()))
        {
            self.steering.skip(id);
        }
        self.steering.nudge();
        Response::Handled
    }

    pub(super) async fn watch(&self, request: WatchRequest) -> Reply {
        let (tell, told) = oneshot::channel();
        let reply = Box::new(move |files| {
            let _hung_up = tell.send(files);
        });
        match request {
            WatchRequest::List => {
                let files = self.board.snapshot().watch.files;
                return Ok(Response::Files(files.into_iter().map(|file| file.path).collect()));
            }
            WatchRequest::Add(raw) => {
                self.ask_watch(WatchCommand::Add(self.checked(*raw)?, reply))?;
            }
            WatchRequest::Remove { path } => {
                let path = self.paths.absolute(&path, &self.paths.home);
                self.ask_watch(WatchCommand::Remove(path, reply))?;
            }
        }
        match told.await {
            Ok(Ok(files)) => Ok(Response::Files(
                files.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            )),
            Ok(Err(why)) => refuse(RefusalCode::CannotWatch, why),
            Err(_) => refuse(RefusalCode::Stopping, "the daemon is stopping"),
        }
    }

    fn checked(&self, raw: RawWatch) -> Result<WatchConfig, Refusal> {
        if let Some(voice) = &raw.voice {
            self.check_voice(voice)?;
        }
        let known = |_: &str| Ok(()); // and can speak, which is more
        raw.check(&self.paths, &self.paths.home, self.manner.borrow().reading, &known)
            .map_err(|error| Refusal::new(RefusalCode::BadRequest, error.to_string()))
    }

    pub(super) fn ask_watch(&self, command: WatchCommand) -> Result<(), Refusal> {
        self.to_watch.try_send(command).map_err(|_| {
            Refusal::new(RefusalCode::Busy, "the files are being looked at; try again")
        })
    }

    pub(super) async fn wait_idle(&self, wait: &WaitIdle) -> Reply {
        let limit = match wait.timeout_secs {
            None => Duration::MAX,
            Some(secs) => Duration::try_from_secs_f64(secs).map_err(|_| {
                Refusal::new(RefusalCode::BadRequest, format!("{secs} is not a number of seconds"))
            })?,
        };
        let begun = clock::now();
        let (tell, looked) = oneshot::channel();
        self.ask_watch(WatchCommand::Look(Box::new(move || {
            let _hung_up = tell.send(());
        })))?;
        match tokio::time::timeout(LOOK_LIMIT.min(limit), looked).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return refuse(RefusalCode::Stopping, "the daemon is stopping"),
            Err(_) => {
                return refuse(RefusalCode::TimedOut, "the files could not be looked at in time");
            }
        }
        let left = limit.saturating_sub(clock::now().duration_since(begun));
        let is_idle = |status: &Status| {
            let is_done = status.watch.n_unread_files == 0 && status.queue.n_open == 0;
            is_done || status.daemon.stopping
        };
        // tokio has no timer for ever; ten years will do.
        let came = self.board.wait_until(left.min(Duration::from_secs(315_360_000)), is_idle).await;
        if self.board.snapshot().daemon.stopping {
            return refuse(RefusalCode::Stopping, "the daemon is stopping");
        }
        if came {
            Ok(Response::Handled)
        } else {
            let n_open = self.board.snapshot().queue.n_open;
            refuse(RefusalCode::TimedOut, format!("not idle in time: still to be said: {n_open}"))
        }
    }
}
