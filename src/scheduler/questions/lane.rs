//! What threads and simulated time know of the deliberate lane.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Answer;
use super::question::{Question, Refused, Ticket};
use super::state::QuestionLane;
use super::watchdog::QuestionWatchdog;
use super::worker::QuestionWorker;
use crate::scheduler::lane::Lane;
use crate::time::Mono;

impl<A: Answer> Lane for QuestionLane<A> {
    type Request = Question<A>;
    type Offered = Result<Ticket, Refused>;
    type Worker = QuestionWorker<A>;
    type Watchdog = QuestionWatchdog<A>;

    const WORKERS: &'static str = "language";
    const WATCHDOG: &'static str = "question-dog";
    const PULSE: Duration = Duration::from_secs(2);

    fn watchdog(self: &Arc<Self>) -> QuestionWatchdog<A> {
        QuestionWatchdog::new(Arc::clone(self))
    }

    fn now(&self) -> Mono {
        self.now()
    }

    fn offer(&self, question: Question<A>) -> Result<Ticket, Refused> {
        self.ask(question)
    }

    fn has_pending(&self) -> bool {
        !self.board().waiting().is_empty()
    }

    fn active_engine(&self) -> usize {
        self.active_engine()
    }

    fn horizon(&self) -> Duration {
        let now = self.now();
        let board = self.board();
        let due = board.all().map(|question| now.until(question.due)).max();
        due.unwrap_or_default() + self.config.margin + self.config.fault_time * 2
    }

    fn close(&self) {
        self.close();
    }
}
