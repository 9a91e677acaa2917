//! The speech server's place in the daemon: what it is handed, who answers its questions, and that it may not be in the build.

use std::rc::Rc;

use crate::config::Config;
use crate::control::handler::Handler;
#[cfg(feature = "http")]
use crate::http::{Bound, Parts, Question, Questions, Server};
use crate::paths::Paths;

/// The speech server, where there is one.
pub(super) struct SpeechServer {
    #[cfg(feature = "http")]
    server: Option<Server>,
}

#[cfg(feature = "http")]
impl SpeechServer {
    /// Takes its address, where there is to be one.
    pub(super) fn bind(config: &Config, paths: &Paths) -> anyhow::Result<Option<Bound>> {
        Ok(Bound::new(config, paths)?)
    }

    /// Starts it. Runs in a `LocalSet`.
    pub(super) fn start(
        bound: Option<Bound>,
        config: &Config,
        paths: &Paths,
        handler: &Rc<Handler>,
    ) -> anyhow::Result<Self> {
        let (Some(bound), Some(intake)) = (bound, handler.intake()) else {
            return Ok(Self { server: None });
        };
        let parts = Parts {
            intake,
            history: handler.history().clone(),
            board: handler.board().clone(),
            steering: handler.steering().clone(),
            exposition: super::vitals::exposition(config),
        };
        let (server, questions) = Server::start(bound, config, paths, parts)?;
        tokio::task::spawn_local(answer(questions, Rc::clone(handler)));
        Ok(Self { server: Some(server) })
    }

    /// Goes by another configuration.
    pub(super) fn configure(&self, config: &Config) {
        if let Some(server) = &self.server {
            server.configure(config);
        }
    }

    /// Lets nobody in any more; what is being spoken is finished as long as there is time.
    pub(super) fn stop_speaking(&self) {
        if let Some(server) = &self.server {
            server.stop_speaking();
        }
    }

    /// Whether its thread has ended, though nobody told it to.
    pub(super) fn is_lost(&self) -> bool {
        self.server.as_ref().is_some_and(Server::is_finished)
    }

    /// Whether everyone has their answer.
    pub(super) fn is_finished(&self) -> bool {
        self.server.as_ref().is_none_or(Server::is_finished)
    }
}

/// Answers until nobody can ask any more. What is asked is asked of the same handler as on the control socket.
#[cfg(feature = "http")]
async fn answer(mut questions: Questions, handler: Rc<Handler>) {
    while let Some(Question { request, reply }) = questions.recv().await {
        let handler = Rc::clone(&handler);
        // Some answers take as long as a voice takes to be made.
        tokio::task::spawn_local(async move {
            let _nobody_waits = reply.send(handler.handle(request).await);
        });
    }
}

#[cfg(not(feature = "http"))]
#[expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the other build has something to do"
)]
impl SpeechServer {
    /// Says that this build has none, where there is to be one.
    pub(super) fn bind(config: &Config, _: &Paths) -> anyhow::Result<Option<()>> {
        if config.http.listen.is_some() {
            tracing::warn!("http.listen is set, and this build has no speech server");
        }
        Ok(None)
    }

    /// Nothing to do.
    pub(super) fn start(
        _: Option<()>,
        _: &Config,
        _: &Paths,
        _: &Rc<Handler>,
    ) -> anyhow::Result<Self> {
        Ok(Self {})
    }

    /// Nothing to do.
    pub(super) fn configure(&self, _: &Config) {}

    /// Nothing to do.
    pub(super) fn stop_speaking(&self) {}

    /// It is not there.
    pub(super) fn is_lost(&self) -> bool {
        false
    }

    /// It is not there.
    pub(super) fn is_finished(&self) -> bool {
        true
    }
}
