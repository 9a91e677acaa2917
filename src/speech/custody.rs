//! Whose turn it is at the engine, in a place where somebody else can reach it: an engine that hangs on the daemon's own
//! thread never comes back with the ticket.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::{Delivery, FailureClass, Outcome, Report, Ticket};

/// What the engine works on. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct Custody {
    /// Contended by the thread that speaks, twice for each utterance, and whoever gives it up.
    claim: Arc<Mutex<Option<Claim>>>,
}

#[derive(Debug)]
struct Claim {
    report: Report,
    delivery: Delivery,
}

impl Custody {
    /// The engine works on that from now on.
    pub fn hold(&self, ticket: &Ticket) {
        let claim = Claim { report: ticket.report().clone(), delivery: ticket.delivery.clone() };
        *self.claim.lock() = Some(claim);
    }

    /// The engine came back.
    pub fn release(&self) {
        *self.claim.lock() = None;
    }

    /// Ends what the engine works on, in the place of its ticket, which says nothing any more. Returns what it was.
    pub fn end(&self, outcome: Outcome, reason: String, now: SystemTime) -> Option<Report> {
        let Claim { mut report, delivery } = self.claim.lock().take()?;
        report.failure = Some(FailureClass::Hang);
        (report.outcome, report.reason, report.ended_at) = (outcome, Some(reason), Some(now));
        delivery.deliver(&report).then_some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::tests::report;

    #[test]
    fn what_is_given_up_has_one_outcome_also_when_its_ticket_turns_up_later() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let deliver = Box::new(move |report: Report| sink.lock().push(report.outcome));
        let (custody, ticket) = (Custody::default(), Ticket::new(report(), deliver));
        let end = || custody.end(Outcome::TimedOut, "it hangs".to_owned(), SystemTime::UNIX_EPOCH);
        assert!(end().is_none(), "nothing is worked on");
        custody.hold(&ticket);
        let ended = end().unwrap();
        assert_eq!((ended.outcome, ended.reason.as_deref()), (Outcome::TimedOut, Some("it hangs")));
        assert!(end().is_none());
        ticket.resolve(Outcome::Spoken, SystemTime::UNIX_EPOCH);
        assert_eq!(*seen.lock(), [Outcome::TimedOut]);
    }

    #[test]
    fn what_came_back_cannot_be_given_up() {
        let custody = Custody::default();
        custody.hold(&Ticket::new(report(), Box::new(|_| ())));
        custody.release();
        assert!(custody.end(Outcome::TimedOut, String::new(), SystemTime::UNIX_EPOCH).is_none());
    }
}
