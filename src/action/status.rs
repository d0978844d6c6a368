//! The life of an action, as one table.

use std::fmt;

/// Where an action stands. The spellings are those of `QueueInfo` (aci.md 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Accepted and durable, not started.
    Queued,
    /// A worker performs it.
    Processing,
    /// Started, holds its worker, does nothing until resumed.
    Paused,
    /// Ended by itself.
    Finished,
    /// Ended by a failure that its `error` text names.
    Error,
    /// Taken out before it started.
    Cancelled,
    /// Ended on request, keeping what it had done.
    Stopped,
}

/// What can happen to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A worker takes it.
    Take,
    /// A client takes it out of the queue.
    Cancel,
    /// A client ends it, running or not.
    Stop,
    /// A client halts it.
    Pause,
    /// A client lets it go on.
    Resume,
    /// It came to its own end.
    Finish,
    /// It could not go on.
    Fail,
    /// The process ended (cleanly or not) while it ran.
    Restart,
    /// A client lets it go on when no worker has it.
    Requeue,
}

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Status; 7] = [
        Status::Queued,
        Status::Processing,
        Status::Paused,
        Status::Finished,
        Status::Error,
        Status::Cancelled,
        Status::Stopped,
    ];

    /// The status that `event` leads to, or `None` if it cannot happen in this one.
    ///
    /// The live queue and the reading of the store at start both go through here, so they cannot disagree.
    pub fn after(self, event: Event) -> Option<Status> {
        match (self, event) {
            (Status::Queued, Event::Take) | (Status::Paused, Event::Resume) => Some(Status::Processing),
            (Status::Queued, Event::Cancel) => Some(Status::Cancelled),
            // "You can stop an asynchronous action at any point": also before it starts.
            (Status::Queued | Status::Processing | Status::Paused, Event::Stop) => Some(Status::Stopped),
            // Also a paused one: it had passed its last gate when the pause came.
            (Status::Processing | Status::Paused, Event::Finish) => Some(Status::Finished),
            (Status::Processing | Status::Paused, Event::Fail) => Some(Status::Error),
            // The process died or was shut down mid-action: it runs again and goes on from its last batch.
            (Status::Processing, Event::Restart) | (Status::Paused, Event::Requeue) => Some(Status::Queued),
            // Over the end of the process, too, what a client has halted stays so until a client says otherwise.
            (Status::Processing, Event::Pause) | (Status::Paused, Event::Restart) => Some(Status::Paused),
            _ => None,
        }
    }

    /// Whether no event leads out of this status.
    pub fn is_end(self) -> bool {
        matches!(self, Status::Finished | Status::Error | Status::Cancelled | Status::Stopped)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "Queued",
            Status::Processing => "Processing",
            Status::Paused => "Paused",
            Status::Finished => "Finished",
            Status::Error => "Error",
            Status::Cancelled => "Cancelled",
            Status::Stopped => "Stopped",
        }
    }

    /// Reads a status in any case, as the store and the `State` filter spell it.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_no_way_out_and_everything_else_has_one() {
        use Event::{Cancel, Fail, Finish, Pause, Requeue, Restart, Resume, Stop, Take};
        for status in Status::ALL {
            let ways_out = [Take, Cancel, Stop, Pause, Resume, Finish, Fail, Restart, Requeue]
                .into_iter()
                .filter(|event| status.after(*event).is_some())
                .count();
            assert_eq!(ways_out == 0, status.is_end(), "{status}");
        }
    }

    #[test]
    fn only_a_waiting_action_can_be_cancelled() {
        for status in Status::ALL {
            assert_eq!(status.after(Event::Cancel).is_some(), status == Status::Queued);
        }
    }

    #[test]
    fn spellings_are_read_back_in_any_case() {
        for status in Status::ALL {
            assert_eq!(Status::parse(&status.as_str().to_uppercase()), Some(status));
        }
        assert_eq!(Status::parse("done"), None);
    }
}
