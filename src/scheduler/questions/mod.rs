//! The deliberate lane: questions for a model that thinks as long as the deadline lets it, one
//! answer to each, no later than that.
//!
//! A question is offered to the [`QuestionLane`]. One whose mandatory part cannot fit is refused at
//! once; the others wait, the most urgent first, for the worker of the active engine, which answers
//! without a thought and then thinks on, part by part, until the
//! [`Policy`](crate::scheduler::Policy) stops it or another question needs the engine. Every part
//! ends in an exit: an answer that counts. The [`QuestionWatchdog`] answers when the deadline less
//! its margin comes first, by the deepest exit so far, else by a declared fallback. Which of the
//! two answers is decided by one compare-and-swap. An engine looks at clock and claim between its
//! layers, and gives up there what nobody waits for any more.
//!
//! What an answer is, this lane does not know; see [`Answer`]. Unlike the reflex lane it may
//! allocate, and it holds locks to move things, never while an engine works or an asker is told.

mod board;
mod engine;
mod lane;
mod open_question;
mod question;
mod state;
mod watchdog;
mod worker;

pub use engine::{
    Answer, Exit, Part, PartFault, QuestionEngine, QuestionReader, Reading, TakeFault, TooShort,
};
pub use question::{
    Answered, Asker, ExitAnswer, FallbackReason, Outcome, Question, Refused, Terms, Ticket,
};
pub use state::{LaneConfig, QuestionCounts, QuestionLane};
pub use watchdog::QuestionWatchdog;
pub use worker::QuestionWorker;
