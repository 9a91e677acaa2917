//! Whoever keeps the voices in the daemon: two threads, one that answers at once and one that makes voices.
//!
//! Waits for requests. The inference thread does the computing, in its turn. Ends when nobody can ask any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tracing::info;

use crate::clock;
use crate::control::handler::voices::VoiceTask;
use crate::control::protocol::{Refusal, RefusalCode, Reply, Response};
use crate::engine::pocket::studio::ModelStudio;
use crate::inference::EngineCommand;
use crate::inference::voices::VoiceJob;
use crate::threads::spawn_named;
use crate::voice::NotMade;
use crate::voice::desk::{Answer, DeskError, carry_out};
use crate::voice::library::LibraryError;
use crate::voice::request::VoiceRequest;

/// How many requests wait while a voice is made: whoever has more of them waits himself.
const MAX_WAITING: usize = 4;

/// What the threads work with.
pub struct VoiceKeeper {
    /// The inference thread.
    pub to_engines: Sender<EngineCommand>,
    /// Set to give up what is being made.
    pub give_up: Arc<AtomicBool>,
    /// Gives memory back that recordings took.
    pub trim_memory: fn(),
}

impl VoiceKeeper {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the system refuses them.
    pub fn start(self, tasks: Receiver<VoiceTask>) -> std::io::Result<()> {
        let (to_maker, waiting) = bounded::<VoiceTask>(MAX_WAITING);
        spawn_named("voice-making", move || {
            for task in waiting {
                self.give_up.store(false, Ordering::Relaxed);
                self.work(task);
                (self.trim_memory)();
            }
        })?;
        spawn_named("voices", move || {
            for task in tasks {
                answer(task, &to_maker);
            }
        })?;
        Ok(())
    }

    fn work(&self, VoiceTask { request, registry, reply }: VoiceTask) {
        let casting = registry.casting();
        let now = clock::rfc3339(SystemTime::now());
        let embed = |voice: &str| self.embed(voice);
        let mut studio = ModelStudio { casting, embed };
        // A panic, in a decoder of recordings for one, costs this request and no other.
        let carried_out =
            AssertUnwindSafe(|| carry_out(casting.library(), &mut studio, request, now));
        let answer = catch_unwind(carried_out).unwrap_or_else(|_| {
            let why = "it panicked, which is a bug; another recording may do".to_owned();
            Err(DeskError::NotReady(why))
        });
        if let Err(error) = &answer {
            info!("asked of the voices: {error}");
        }
        let _hung_up = reply.send(reply_of(answer));
    }

    fn embed(&self, voice: &str) -> Result<(), NotMade> {
        let (done, told) = bounded(1); // one message comes
        let give_up = Arc::clone(&self.give_up);
        let job = VoiceJob { voice: voice.to_owned(), give_up, done };
        // Its queue is short and taken from at once: waiting for room is no waiting.
        let sent = self.to_engines.send(EngineCommand::Embed(job));
        let stopping = || NotMade::Failed("the daemon is stopping".to_owned());
        sent.map_err(|_| stopping())?;
        told.recv().unwrap_or_else(|_| Err(stopping()))
    }
}

/// Answers what can be answered at once, and hands the rest on.
fn answer(task: VoiceTask, to_maker: &Sender<VoiceTask>) {
    match task.request {
        VoiceRequest::List | VoiceRequest::Show { .. } => {
            let casting = task.registry.casting();
            let embed = |_: &str| Err(NotMade::Failed("nothing is made at once".to_owned()));
            let mut studio = ModelStudio { casting, embed };
            let answer = carry_out(casting.library(), &mut studio, task.request, String::new());
            let _hung_up = task.reply.send(reply_of(answer));
        }
        VoiceRequest::Add(_)
        | VoiceRequest::Rename { .. }
        | VoiceRequest::Remove { .. }
        | VoiceRequest::Export { .. }
        | VoiceRequest::Import { .. }
        | VoiceRequest::Precompute { .. }
        | VoiceRequest::Cancel => match to_maker.try_send(task) {
            Ok(()) => {}
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => {
                let busy =
                    Refusal::new(RefusalCode::Busy, "other voices are being made; try again");
                let _hung_up = task.reply.send(Err(busy));
            }
        },
    }
}

fn reply_of(answer: Result<Answer, DeskError>) -> Reply {
    match answer {
        Ok(Answer::Done) => Ok(Response::Handled),
        Ok(Answer::Voice(card)) => Ok(Response::Voice(card)),
        Ok(Answer::Voices(cards)) => Ok(Response::Voices(cards)),
        Err(error) => {
            let code = match &error {
                DeskError::Library(LibraryError::Unknown { .. }) => RefusalCode::UnknownVoice,
                _ => RefusalCode::BadVoice,
            };
            Err(Refusal::new(code, error.to_string()))
        }
    }
}
