//! A question, and what becomes of it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::scheduler::decision::{DecisionSource, Reason};
use crate::scheduler::policy::Policy;
use crate::time::Mono;

/// What holds for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From its arrival to its answer.
    pub deadline: Duration,
    /// How the time is spent.
    pub policy: Policy,
}

/// A question that is asked.
pub struct Question<A> {
    /// In words.
    pub text: String,
    /// When it came; its deadline counts from here.
    pub arrival: Mono,
    /// What holds for it.
    pub terms: Terms,
    /// Who is told.
    pub asker: Arc<dyn Asker<A>>,
}

/// Who asked. Called on the worker's and the watchdog's thread; must not block.
pub trait Asker<A>: Send + Sync {
    /// An exit was reached, and thinking goes on: the answer that holds so far. One may come after
    /// [`Asker::answered`], from a thread that did not know yet.
    fn so_far(&self, _exit: &ExitAnswer<A>) {}

    /// Called once for every question that was accepted.
    fn answered(&self, answered: Answered<A>);
}

/// An answer with the exit it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitAnswer<A> {
    /// 1: without a thought; each part behind it is one more.
    pub exit: NonZeroUsize,
    /// Number of the engine.
    pub engine: usize,
    /// What it said.
    pub answer: A,
}

/// A question that was accepted, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of a question that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered<A> {
    /// Which question.
    pub ticket: Ticket,
    /// The answer.
    pub outcome: Outcome<A>,
    /// From the question's arrival to here.
    pub took: Duration,
    /// What was promised.
    pub deadline: Duration,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<A> {
    /// The model's.
    Model(ExitAnswer<A>),
    /// Not the model's: the answer that was declared safe.
    Fallback {
        /// Why, as a word.
        reason: FallbackReason,
        /// Why, as a sentence.
        why: String,
    },
    /// Whoever asked does not want it any more.
    Cancelled {
        /// What the model had said by then.
        so_far: Option<ExitAnswer<A>>,
    },
}

/// Why an answer is not the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackReason {
    /// No exit was ready in time.
    Deadline,
    /// It is no question.
    InvalidInput,
    /// The engine failed or stalled.
    BackendFault,
    /// The lane was closed.
    Inactive,
}

impl FallbackReason {
    /// The same among the reasons of all decisions.
    pub fn reason(self) -> Reason {
        match self {
            FallbackReason::Deadline => Reason::Deadline,
            FallbackReason::InvalidInput => Reason::InvalidInput,
            FallbackReason::BackendFault => Reason::BackendFault,
            FallbackReason::Inactive => Reason::Inactive,
        }
    }
}

impl<A> Outcome<A> {
    /// Source, reason and exit for the counters; none where it was cancelled.
    pub(super) fn counted(&self) -> Option<(DecisionSource, Reason, usize)> {
        match self {
            Outcome::Model(answer) => {
                Some((DecisionSource::Model, Reason::None, answer.exit.get()))
            }
            Outcome::Fallback { reason, .. } => {
                Some((DecisionSource::Fallback, reason.reason(), 0))
            }
            Outcome::Cancelled { .. } => None,
        }
    }
}

/// Why a question was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no question.
    #[error("{0}")]
    Unusable(String),
    /// Not even its mandatory part fits; the sentence says what would.
    #[error("{0}")]
    TooShort(String),
    /// Too many wait.
    #[error("{room} questions wait already; ask again when some are answered")]
    Full {
        /// How many may wait.
        room: usize,
    },
    /// The lane is closed.
    #[error("no questions are taken any more")]
    Closed,
}

impl Refused {
    /// The reason that a fallback in its place carries.
    pub fn reason(&self) -> FallbackReason {
        match self {
            Refused::Unusable(_) => FallbackReason::InvalidInput,
            Refused::TooShort(_) | Refused::Full { .. } => FallbackReason::Deadline,
            Refused::Closed => FallbackReason::Inactive,
        }
    }
}
