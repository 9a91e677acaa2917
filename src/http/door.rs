//! The way from the server's thread to the daemon's: what is asked there is what can be asked on the control socket.

use tokio::sync::{mpsc, oneshot};

use super::error::ApiError;
use crate::control::protocol::{Refusal, RefusalCode, Reply, Request, Response};

/// How many questions wait: each is answered in a fraction of a millisecond, or handed on.
const MAX_WAITING: usize = 64;

/// A question, and who waits for the answer.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// The asking end.
#[derive(Debug, Clone)]
pub struct Door(mpsc::Sender<Question>);

/// The end at which they arrive, in the daemon.
pub type Questions = mpsc::Receiver<Question>;

/// Makes a door.
pub fn door() -> (Door, Questions) {
    let (ask, asked) = mpsc::channel(MAX_WAITING);
    (Door(ask), asked)
}

impl Door {
    /// Asks.
    ///
    /// # Errors
    /// What was refused, or that the daemon has too much to do or is stopping.
    pub async fn ask(&self, request: Request) -> Result<Response, ApiError> {
        let (reply, answer) = oneshot::channel();
        let refuse = |code, why: &str| ApiError::from(Refusal::new(code, why));
        self.0.try_send(Question { request, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                refuse(RefusalCode::Busy, "the daemon has too much to do; try again")
            }
            mpsc::error::TrySendError::Closed(_) => {
                refuse(RefusalCode::Stopping, "the daemon is stopping")
            }
        })?;
        match answer.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(refuse(RefusalCode::Stopping, "the daemon is stopping")),
        }
    }
}
