//! The deadline watchdog of the deliberate lane: answers every question that no worker has answered
//! when it is due, and at once those that wait and can no longer be met.

use std::sync::Arc;

use super::engine::Answer;
use super::open_question::OpenQuestion;
use super::question::FallbackReason;
use super::state::QuestionLane;
use crate::scheduler::lane::LaneWatchdog;
use crate::time::Mono;

const LATE: &str =
    "the mandatory part took longer than was measured; measure again what the model costs here";
const STALLED: &str = "the engine stalled";
const WAITED: &str = "it waited behind other questions until its mandatory part fitted no longer; \
     ask fewer at a time, or give more time";

/// The deadline timer's logic; it owns no thread and no clock of its own. Run
/// [`LaneWatchdog::step`] whenever a question was offered and at the time the last step returned.
pub struct QuestionWatchdog<A> {
    lane: Arc<QuestionLane<A>>,
}

impl<A: Answer> QuestionWatchdog<A> {
    /// A watchdog for this lane; a lane has one.
    pub fn new(lane: Arc<QuestionLane<A>>) -> Self {
        QuestionWatchdog { lane }
    }

    /// By the deepest exit there is.
    fn answer_due(&self, now: Mono) {
        let due: Vec<_> = {
            let board = self.lane.board();
            let due = board.in_work().filter(|(_, question)| now >= question.due);
            due.map(|(slot, question)| (slot, Arc::clone(question)))
                .collect()
        };
        for (slot, question) in due {
            if question.claim() {
                let stalled = self.lane.engines.is_stalled(slot, now);
                let (reason, why) = match stalled || question.was_handed_over() {
                    true => (FallbackReason::BackendFault, STALLED),
                    false => (FallbackReason::Deadline, LATE),
                };
                self.lane.answer_or_fall_back(&question, reason, why);
            }
        }
    }

    /// The next engine gets the questions, and the one that the stalled engine works on.
    fn fail_over_stalled(&self, now: Mono) {
        let active = self.lane.active_engine();
        if self.lane.engines.is_stalled(active, now) && self.lane.fail_over(active, now) {
            self.lane.pass_on(active);
        }
    }

    /// Those that wait and cannot be begun in time any more.
    fn answer_waiting(&self, now: Mono) {
        let active = self.lane.active_engine();
        let lapsed: Vec<Arc<OpenQuestion<A>>> = {
            let board = self.lane.board();
            let waiting = board.waiting().iter();
            let lapsed = waiting.filter(|question| now > question.latest_start(active));
            lapsed.map(Arc::clone).collect()
        };
        for question in lapsed {
            if question.claim() {
                let stalled = self.lane.engines.is_stalled(active, now);
                let (reason, why) = match stalled || question.was_handed_over() {
                    true => (FallbackReason::BackendFault, STALLED),
                    false => (FallbackReason::Deadline, WAITED),
                };
                self.lane.answer_or_fall_back(&question, reason, why);
            }
        }
    }

    fn next_due(&self, now: Mono) -> Option<Mono> {
        let lane = &self.lane;
        let active = lane.active_engine();
        let board = lane.board();
        let due = board.in_work().map(|(_, question)| question.due);
        let after = std::time::Duration::from_nanos(1);
        let starts = board.waiting().iter();
        let starts = starts.map(|question| question.latest_start(active) + after);
        let first = due.chain(starts).min()?;
        // A stall without another engine to take over is handled once. An engine that has just
        // looked up, or not begun yet, is looked at when it could have stalled.
        let stall = match lane.engines.stalls_at(active) {
            Some(at) if at <= now => None,
            Some(at) => Some(at),
            None => Some(now + lane.config.fault_time),
        };
        Some(stall.map_or(first, |stall| stall.min(first)))
    }
}

impl<A: Answer> LaneWatchdog for QuestionWatchdog<A> {
    fn step(&mut self) -> Option<Mono> {
        let now = self.lane.now();
        self.answer_due(now);
        self.fail_over_stalled(now);
        self.answer_waiting(now);
        self.next_due(now)
    }
}
