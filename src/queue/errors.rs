//! Why the queue refuses what a client asks of it.

use super::StoreError;
use crate::action::{QueueName, Status, Token};

/// Why an action was not accepted. No token was issued.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("the queue {queue} is full: {actions_max} actions wait, which is its maximum; try again later")]
    Full { queue: QueueName, actions_max: usize },
    #[error(
        "the queue {queue} is full: the parameters of the waiting actions have no more than {bytes_max} bytes together"
    )]
    FullOfParameters { queue: QueueName, bytes_max: usize },
    /// Every later submission fails the same way until the store can be written.
    #[error(transparent)]
    Store(StoreError),
    #[error("the server is shutting down and accepts no actions")]
    ShuttingDown,
}

/// Why a command had no effect on the action.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("there is no action with the token {0}")]
    UnknownToken(Token),
    #[error("the action {0} is being processed; only a queued action can be cancelled, use QueueAction=Stop")]
    Running(Token),
    #[error("the action {token} has already ended, with the status {status}")]
    Ended { token: Token, status: Status },
    /// Its end is on the way to the store.
    #[error("the action {token} is about to end with the status {status}")]
    Ending { token: Token, status: Status },
    #[error("the action {0} has started; only the priority of a queued action can be changed")]
    Started(Token),
    #[error(
        "the action {0} is queued and has not started; only a running action can be paused, or the whole queue, \
         without a token"
    )]
    NotStarted(Token),
    #[error(
        "the action {token} is {status}; only an ended action can be deleted, use QueueAction=Cancel or Stop before"
    )]
    NotEnded { token: Token, status: Status },
    /// Other commands have kept it waiting for too long: the disk does not answer.
    #[error("another command is being recorded and has not come to its end; try again later")]
    Busy,
    /// Nothing has changed, but for running actions that were asked to stop.
    #[error(transparent)]
    Store(StoreError),
}

/// Why an action was not queued once more.
#[derive(Debug, thiserror::Error)]
pub enum DuplicateError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}
