//! Whose turn it is at the engine, in a place where somebody else can reach it: an engine that hangs on the daemon's own
//! thread never comes back with the ticket.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::{Delivery, FailureClass, Report, Ticket};

/// What the engine works on. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct Custody {
    /// Contended by the thread that speaks, a few times for each piece, and whoever gives it up.
    claim: Arc<Mutex<Option<Claim>>>,
}

/// What is worked on, and by whom.
#[derive(Debug)]
pub struct Claim {
    report: Report,
    delivery: Delivery,
    engine: Option<String>,
}

impl Custody {
    /// That is worked on from now on, by that engine where it is known.
    pub fn hold(&self, ticket: &Ticket, engine: Option<String>) {
        let (report, delivery) = (ticket.report().clone(), ticket.delivery.clone());
        *self.claim.lock() = Some(Claim { report, delivery, engine });
    }

    /// Nothing is worked on for a while; [`Custody::take_back`] goes on.
    pub fn set_aside(&self) -> Option<Claim> {
        self.claim.lock().take()
    }

    /// Goes on with what was set aside.
    pub fn take_back(&self, claim: Option<Claim>) {
        *self.claim.lock() = claim;
    }

    /// The engine came back.
    pub fn release(&self) {
        *self.claim.lock() = None;
    }

    /// Ends what the engine works on, in the place of its ticket, which says nothing any more. Returns what it was, and whose
    /// work.
    pub fn end(
        &self,
        class: FailureClass,
        reason: String,
        now: SystemTime,
    ) -> Option<(Report, Option<String>)> {
        let Claim { mut report, delivery, engine } = self.claim.lock().take()?;
        (report.outcome, report.failure) = (class.outcome(), Some(class));
        (report.reason, report.ended_at) = (Some(reason), Some(now));
        delivery.deliver(&report).then_some((report, engine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Outcome;
    use crate::speech::tests::report;

    #[test]
    fn what_is_given_up_has_one_outcome_also_when_its_ticket_turns_up_later() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let deliver = Box::new(move |report: Report| sink.lock().push(report.outcome));
        let (custody, ticket) = (Custody::default(), Ticket::new(report(), deliver));
        let end = || custody.end(FailureClass::Hang, "it hangs".to_owned(), SystemTime::UNIX_EPOCH);
        assert!(end().is_none(), "nothing is worked on");
        custody.hold(&ticket, Some("pocket".to_owned()));
        let (ended, engine) = end().unwrap();
        assert_eq!(engine.as_deref(), Some("pocket"));
        assert_eq!((ended.outcome, ended.reason.as_deref()), (Outcome::TimedOut, Some("it hangs")));
        assert!(end().is_none());
        ticket.resolve(Outcome::Spoken, SystemTime::UNIX_EPOCH);
        assert_eq!(*seen.lock(), [Outcome::TimedOut]);
    }

    #[test]
    fn what_came_back_cannot_be_given_up() {
        let custody = Custody::default();
        custody.hold(&Ticket::new(report(), Box::new(|_| ())), None);
        custody.release();
        assert!(custody.end(FailureClass::Hang, String::new(), SystemTime::UNIX_EPOCH).is_none());
    }
}
