//! Requests about voices: they take long, so that they are handed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::oneshot;

use super::{Handler, refuse};
use crate::control::protocol::{Refusal, RefusalCode, Reply, Response};
use crate::engine::registry::Registry;
use crate::voice::request::VoiceRequest;

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct VoiceTask {
    /// What is asked.
    pub request: VoiceRequest,
    /// The models and voices, as they are configured now.
    pub registry: Registry,
    /// Who waits for the answer.
    pub reply: oneshot::Sender<Reply>,
}

/// The way to whoever keeps the voices.
#[derive(Debug, Clone)]
pub struct VoicesDoor {
    /// Bounded; closed in a build that makes no voices.
    pub tasks: Sender<VoiceTask>,
    /// Set to give up what is being made; whoever makes it takes it back.
    pub give_up: Arc<AtomicBool>,
}

impl Handler {
    /// Whether a voice can speak here, as far as that can be told without loading it.
    pub(super) fn check_voice(&self, voice: &str) -> Result<(), Refusal> {
        let installed = self.registry.borrow().check_installed(voice);
        installed.map_err(|error| Refusal::new(RefusalCode::UnknownVoice, error.to_string()))
    }

    pub(super) async fn ask_voices(&self, request: VoiceRequest) -> Reply {
        let registry = self.registry.borrow().clone();
        self.voices.ask(request, registry).await
    }
}

impl VoicesDoor {
    async fn ask(&self, request: VoiceRequest, registry: Registry) -> Reply {
        if request == VoiceRequest::Cancel {
            self.give_up.store(true, Ordering::Relaxed);
            return Ok(Response::Handled);
        }
        let (reply, answer) = oneshot::channel();
        match self.tasks.try_send(VoiceTask { request, registry, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return refuse(RefusalCode::Busy, "other voices are being made; try again");
            }
            Err(TrySendError::Disconnected(_)) => {
                return refuse(RefusalCode::BadRequest, "this build makes no voices");
            }
        }
        let gone = |_| refuse(RefusalCode::Stopping, "the daemon is stopping");
        answer.await.unwrap_or_else(gone)
    }
}
