//! The question worker: takes the most urgent question, answers it without a thought, then thinks
//! part by part, and decides.

use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::engine::{Answer, Exit, Part, PartFault, QuestionEngine, TakeFault};
use super::open_question::{OpenQuestion, WorkerId};
use super::question::{ExitAnswer, FallbackReason};
use super::state::QuestionLane;
use crate::scheduler::engine::EngineFault;
use crate::scheduler::lane::LaneWorker;
use crate::scheduler::policy::{StageProgress, Step};
use crate::scheduler::worker::{Poll, panic_text};
use crate::time::Mono;

const LATE: &str =
    "the mandatory part took longer than was measured; measure again what the model costs here";
const NO_TIME: &str = "when its turn came its mandatory part fitted no longer; ask fewer at a time, or give more time";
const NOTHING: &str = "came to the end of a question without an answer";

/// One engine's logic, cut at the points where time passes, so that it runs under a fake clock as
/// well.
pub struct QuestionWorker<A: Answer> {
    lane: Arc<QuestionLane<A>>,
    slot: usize,
    id: WorkerId,
    engine: Box<dyn QuestionEngine<A>>,
    work: Option<Work<A>>,
    last_fault: Option<EngineFault>,
}

/// The question in hand.
struct Work<A> {
    question: Arc<OpenQuestion<A>>,
    /// Exits so far.
    exits: usize,
    /// Bounds of the part that is next or runs.
    part: Part,
    /// How the part ended.
    end: Result<Option<Exit<A>>, PartFault>,
}

impl<A: Answer> QuestionWorker<A> {
    /// The worker of engine number `slot`. One that was there before is replaced: what it has in
    /// hand is handed over, and where its engine comes back it finds nothing to do.
    pub fn new(
        lane: Arc<QuestionLane<A>>,
        slot: usize,
        engine: Box<dyn QuestionEngine<A>>,
    ) -> QuestionWorker<A> {
        QuestionWorker {
            id: lane.seat(slot),
            lane,
            slot,
            engine,
            work: None,
            last_fault: None,
        }
    }

    fn is_seated(&self) -> bool {
        self.lane.is_seated(self.slot, self.id)
    }

    /// From when on the watchdog takes the engine's silence for a stall.
    fn expect_back(&self, at: Option<Mono>) {
        if self.is_seated() {
            self.lane.engines.expect_back(self.slot, at);
        }
    }

    /// Calls the engine, with the watchdog looking on.
    fn call<T, E: From<EngineFault>>(
        &mut self,
        call: impl FnOnce(&mut dyn QuestionEngine<A>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.expect_back(Some(self.lane.now() + self.lane.config.fault_time));
        // The engine is not used again after a panic unless it takes its next question.
        let engine = self.engine.as_mut();
        let done = catch_unwind(AssertUnwindSafe(|| call(engine)));
        self.expect_back(None);
        done.unwrap_or_else(|panic| Err(EngineFault(panic_text(panic.as_ref())).into()))
    }

    /// Gives a question to the engine, which may have no time left for it.
    fn begin(&mut self, question: Arc<OpenQuestion<A>>) {
        let taken = self.call(|engine| engine.take(&question.text));
        match taken {
            Ok(part) if self.lane.now() + part.needs() <= question.due => {
                self.work = Some(Work {
                    question,
                    exits: 0,
                    part,
                    end: Err(PartFault::GivenUp),
                });
            }
            Ok(_) => {
                let reason = match question.was_handed_over() {
                    true => FallbackReason::BackendFault,
                    false => FallbackReason::Deadline,
                };
                self.decide(&question, reason, NO_TIME);
            }
            Err(TakeFault::Unusable(why)) => {
                self.decide(&question, FallbackReason::InvalidInput, &why);
            }
            Err(TakeFault::Engine(fault)) => self.give_up(&question, fault),
        }
    }

    /// By the deepest exit there is, else by a fallback, unless another thread has answered or the
    /// question is another worker's.
    fn decide(&self, question: &OpenQuestion<A>, reason: FallbackReason, why: &str) {
        if question.is_wanted_of(self.id) && question.claim() {
            self.lane.answer_or_fall_back(question, reason, why);
        }
    }

    /// The engine failed: the next one takes its place, and the question.
    fn give_up(&mut self, question: &OpenQuestion<A>, fault: EngineFault) {
        if !self.is_seated() {
            return;
        }
        let why = format!("the engine {} failed: {fault}", self.engine.name());
        self.last_fault = Some(fault);
        question.distrust(self.slot);
        let elsewhere = self.lane.fail_over(self.slot, self.lane.now());
        if !question.is_wanted_of(self.id) {
            return;
        }
        match elsewhere {
            true => self.lane.pass_on(self.slot),
            false => self.decide(question, FallbackReason::BackendFault, &why),
        }
    }

    /// After an exit: on to the next part, or the answer.
    fn next(&mut self, mut work: Work<A>, exit: Exit<A>) {
        let Some(number) = std::num::NonZeroUsize::new(work.exits + 1) else {
            return;
        };
        let wrong = exit.answer.fault().or_else(|| {
            let sound = (0.0..=1.0).contains(&exit.confidence);
            (!sound).then(|| String::from("returned no probability"))
        });
        if let Some(wrong) = wrong {
            return self.give_up(&work.question, EngineFault(wrong));
        }
        let answer = ExitAnswer {
            exit: number,
            engine: self.slot,
            answer: exit.answer,
        };
        if !work.question.record(self.id, answer.clone()) {
            return;
        }
        work.exits += 1;
        let next = self.engine.next_part();
        let due = work.question.due.min(self.lane.needed_at());
        let progress = StageProgress {
            confidence: exit.confidence,
            threshold: exit.threshold,
            next_bound: next.map(|part| part.needs()),
            finish_bound: None,
            unchanged: exit.unchanged,
            budget: self.lane.now().until(due),
        };
        match (work.question.terms.policy.next(&progress), next) {
            (Step::Advance | Step::Finish, Some(part)) => {
                work.question.asker.so_far(&answer);
                work.part = part;
                self.work = Some(work);
            }
            _ => self.decide(&work.question, FallbackReason::Deadline, LATE),
        }
    }
}

impl<A: Answer> LaneWorker for QuestionWorker<A> {
    const LOOKS_UP: bool = true;

    fn poll(&mut self) -> Poll {
        while self.work.is_none() {
            let Some(question) = self.lane.take(self.slot, self.id) else {
                return Poll::Idle;
            };
            self.begin(question);
        }
        Poll::Stages
    }

    fn parts(&self) -> Range<usize> {
        let work = self.work.as_ref();
        work.map_or(0..0, |work| work.exits..work.exits + 1)
    }

    fn run(&mut self, pause: &mut dyn FnMut()) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        let (lane, slot, id) = (Arc::clone(&self.lane), self.slot, self.id);
        let (question, step, optional) = (&work.question, work.part.step, work.exits > 0);
        let mut look = || {
            let now = lane.now();
            let next = now + step;
            let in_time = next <= question.due && (!optional || next <= lane.needed_at());
            if !in_time || !question.is_wanted_of(id) {
                return ControlFlow::Break(());
            }
            lane.engines
                .expect_back(slot, Some(now + lane.config.fault_time));
            pause();
            ControlFlow::Continue(())
        };
        let end = self.call(|engine| engine.advance(&mut look));
        work.end = end;
        self.work = Some(work);
    }

    fn settle(&mut self) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        match std::mem::replace(&mut work.end, Err(PartFault::GivenUp)) {
            Ok(Some(exit)) => self.next(work, exit),
            Ok(None) if work.exits > 0 => {
                self.decide(&work.question, FallbackReason::Deadline, LATE);
            }
            Ok(None) => self.give_up(&work.question, EngineFault(NOTHING.to_owned())),
            Err(PartFault::GivenUp) => {
                self.decide(&work.question, FallbackReason::Deadline, LATE);
            }
            Err(PartFault::NoAnswer(why)) => {
                self.decide(&work.question, FallbackReason::BackendFault, &why);
            }
            Err(PartFault::Engine(fault)) => self.give_up(&work.question, fault),
        }
    }

    fn take_fault(&mut self) -> Option<EngineFault> {
        self.last_fault.take()
    }

    fn may_recover(&self) -> bool {
        self.is_seated()
            && self.work.is_none()
            && self.lane.active_engine() != self.slot
            && self.lane.engines.is_out(self.slot)
    }

    fn run_health_check(&mut self) -> Result<(), EngineFault> {
        let (lane, slot, id) = (Arc::clone(&self.lane), self.slot, self.id);
        let mut look = || {
            if !lane.is_seated(slot, id) {
                return ControlFlow::Break(());
            }
            let stalls_at = lane.now() + lane.config.fault_time;
            lane.engines.expect_back(slot, Some(stalls_at));
            ControlFlow::Continue(())
        };
        let passed = self.call(|engine| engine.check(&mut look));
        if passed.is_ok() && self.is_seated() {
            lane.reinstate(slot);
        }
        passed
    }
}

impl From<EngineFault> for TakeFault {
    fn from(fault: EngineFault) -> TakeFault {
        TakeFault::Engine(fault)
    }
}

impl From<EngineFault> for PartFault {
    fn from(fault: EngineFault) -> PartFault {
        PartFault::Engine(fault)
    }
}
