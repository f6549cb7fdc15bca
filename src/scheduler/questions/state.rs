//! The state that askers, workers and watchdog of the deliberate lane share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::board::Board;
use super::engine::{Answer, QuestionReader, Reading, TooShort};
use super::open_question::{OpenQuestion, WorkerId};
use super::question::{Answered, FallbackReason, Outcome, Question, Refused, Ticket};
use crate::scheduler::active_engine::ActiveEngine;
use crate::scheduler::counters::{CounterValues, Counters};
use crate::scheduler::lock::lock;
use crate::time::{Clock, Mono};

/// What holds for a lane as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneConfig {
    /// Kept free before a deadline for handing the answer out.
    pub margin: Duration,
    /// An engine that looks up for so long not once has stalled.
    pub fault_time: Duration,
    /// Questions that may wait.
    pub room: usize,
}

/// Counts of the guarantee: `received = accepted + refused`, and `accepted = decisions + cancelled`
/// once all is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionCounts {
    /// Those that both lanes have.
    pub values: CounterValues,
    /// Questions that nobody wanted answered any more.
    pub cancelled: u64,
}

/// The shared state.
pub struct QuestionLane<A> {
    clock: Arc<dyn Clock>,
    pub(super) config: LaneConfig,
    /// By engine.
    readers: Box<[Arc<dyn QuestionReader>]>,
    pub(super) engines: ActiveEngine,
    board: Mutex<Board<A>>,
    /// When those that wait need the active engine; the end of time: nobody does.
    needed_at: AtomicU64,
    /// Of the engines' workers.
    workers: Box<[AtomicU64]>,
    counts: Counters,
    cancelled: AtomicU64,
}

impl<A: Answer> QuestionLane<A> {
    /// For engines that these read for, the preferred first; answers have up to `exits` exits.
    pub fn new(
        clock: Arc<dyn Clock>,
        config: LaneConfig,
        exits: usize,
        readers: Vec<Arc<dyn QuestionReader>>,
    ) -> QuestionLane<A> {
        QuestionLane {
            clock,
            config,
            engines: ActiveEngine::first_of(readers.len()),
            board: Mutex::new(Board::new(readers.len())),
            needed_at: AtomicU64::new(u64::MAX),
            workers: readers.iter().map(|_| AtomicU64::new(0)).collect(),
            readers: readers.into(),
            counts: Counters::new(exits),
            cancelled: AtomicU64::new(0),
        }
    }

    /// The present moment on the clock deadlines run on.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// Counts so far.
    pub fn counts(&self) -> QuestionCounts {
        QuestionCounts {
            values: self.counts.tally(),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// Index of the engine that takes questions.
    pub fn active_engine(&self) -> usize {
        self.engines.index()
    }

    /// Accepts a question or refuses it, at once.
    ///
    /// # Errors
    /// It is no question, its mandatory part cannot fit, or too many wait.
    pub fn ask(&self, question: Question<A>) -> Result<Ticket, Refused> {
        let accepted = self.accept(question);
        match accepted.is_ok() {
            true => self.counts.received(),
            false => self.counts.refused(1),
        }
        accepted
    }

    fn accept(&self, question: Question<A>) -> Result<Ticket, Refused> {
        let Question {
            text,
            arrival,
            terms,
            asker,
        } = question;
        let active = self.active_engine();
        let readings = self.readings(&text);
        let reading = readings[active].clone().map_err(Refused::Unusable)?;
        let due = arrival + terms.deadline - self.config.margin;
        let now = self.now();
        let budget = now.until(due);
        if reading.mandatory.needs() > budget {
            let short = TooShort {
                deadline: terms.deadline,
                budget,
                // Twice what it took to come here: so much may pass again.
                beside: self.config.margin + now.since(arrival) * 2,
            };
            let advice = self.readers[active].advice(&reading, &short);
            return Err(Refused::TooShort(advice));
        }
        let needs = |reading: &Result<Reading, String>| {
            let reading = reading.as_ref().ok()?;
            Some(reading.mandatory.needs())
        };
        let needs = readings.iter().map(needs).collect();
        let mut board = lock(&self.board);
        let room = self.config.room;
        if board.is_closed {
            return Err(Refused::Closed);
        }
        if board.waiting().len() >= room {
            return Err(Refused::Full { room });
        }
        board.newest += 1;
        let ticket = Ticket(board.newest);
        let open = OpenQuestion::new(ticket, (text, arrival, terms), due, needs, asker);
        board.wait(Arc::new(open));
        self.counts.accepted();
        self.settle_need(&board);
        Ok(ticket)
    }

    /// By engine; those that share a reader share the reading.
    fn readings(&self, text: &str) -> Vec<Result<Reading, String>> {
        let mut all: Vec<Result<Reading, String>> = Vec::with_capacity(self.readers.len());
        for (index, reader) in self.readers.iter().enumerate() {
            let same = |other: &Arc<dyn QuestionReader>| Arc::ptr_eq(other, reader);
            let known = self.readers[..index].iter().position(same);
            let reading = known.map_or_else(|| reader.read(text), |known| all[known].clone());
            all.push(reading);
        }
        all
    }

    /// Nobody wants this answer any more: its asker is told so at once, and an engine that works on
    /// it turns to the next within a layer. False where it was answered already.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        let found = lock(&self.board)
            .all()
            .find(|question| question.ticket == ticket)
            .map(Arc::clone);
        let Some(question) = found.filter(|question| question.claim()) else {
            return false;
        };
        let so_far = question.best();
        self.finish(&question, Outcome::Cancelled { so_far });
        true
    }

    /// Takes no more questions, and answers those that are open by fallbacks.
    pub fn close(&self) {
        let open: Vec<_> = {
            let mut board = lock(&self.board);
            board.is_closed = true;
            board.all().map(Arc::clone).collect()
        };
        for question in open {
            if question.claim() {
                let why = "no questions are answered any more";
                self.fall_back(&question, FallbackReason::Inactive, why);
            }
        }
    }

    pub(super) fn board(&self) -> MutexGuard<'_, Board<A>> {
        lock(&self.board)
    }

    /// A worker takes the place of engine `slot`. What another one there had in hand is handed
    /// over.
    pub(super) fn seat(&self, slot: usize) -> WorkerId {
        let worker = WorkerId(self.workers[slot].fetch_add(1, Ordering::AcqRel) + 1);
        self.pass_on(slot);
        self.engines.expect_back(slot, None);
        if self.engines.is_out(slot) && self.engines.reinstate(slot) {
            self.counts.failed_over();
        }
        worker
    }

    /// Whether no other worker has taken its place.
    pub(super) fn is_seated(&self, slot: usize, worker: WorkerId) -> bool {
        self.workers[slot].load(Ordering::Acquire) == worker.0
    }

    /// The most urgent question, for the worker of the active engine.
    pub(super) fn take(&self, slot: usize, worker: WorkerId) -> Option<Arc<OpenQuestion<A>>> {
        let mut board = lock(&self.board);
        if self.active_engine() != slot || !self.is_seated(slot, worker) {
            return None;
        }
        let question = Arc::clone(board.take(slot)?);
        question.begin(worker);
        self.settle_need(&board);
        Some(question)
    }

    /// When a question that waits needs the active engine: no optional part may last longer.
    pub(super) fn needed_at(&self) -> Mono {
        Mono(self.needed_at.load(Ordering::Acquire))
    }

    fn settle_need(&self, board: &Board<A>) {
        let at = board.needed_at(self.active_engine());
        let at = at.map_or(u64::MAX, |at| at.0);
        self.needed_at.store(at, Ordering::Release);
    }

    /// The next engine takes questions. Whether another than `slot` does.
    pub(super) fn fail_over(&self, slot: usize, now: Mono) -> bool {
        if self.engines.fail_over(slot, now) {
            self.counts.failed_over();
            self.settle_need(&lock(&self.board));
        }
        self.active_engine() != slot
    }

    /// An engine that was passed by is sound again.
    pub(super) fn reinstate(&self, slot: usize) {
        if self.engines.reinstate(slot) {
            self.counts.failed_over();
            self.settle_need(&lock(&self.board));
        }
    }

    /// What engine `slot` works on waits for the active one, which begins it anew; once. Whoever
    /// was passed on before is answered by what there is.
    pub(super) fn pass_on(&self, slot: usize) {
        let mut board = lock(&self.board);
        let question = board.in_work().find(|(engine, _)| *engine == slot);
        let Some(question) = question.map(|(_, question)| Arc::clone(question)) else {
            return;
        };
        if question.hand_over() {
            board.put_back(slot);
            self.settle_need(&board);
            return;
        }
        drop(board);
        if question.claim() {
            let why = "one engine after the other failed or stalled at this question";
            self.answer_or_fall_back(&question, FallbackReason::BackendFault, why);
        }
    }

    /// By the deepest exit so far, else by a fallback. The caller has won the claim.
    pub(super) fn answer_or_fall_back(
        &self,
        question: &OpenQuestion<A>,
        reason: FallbackReason,
        why: &str,
    ) {
        match question.best() {
            Some(best) => self.finish(question, Outcome::Model(best)),
            None => self.fall_back(question, reason, why),
        }
    }

    pub(super) fn fall_back(&self, question: &OpenQuestion<A>, reason: FallbackReason, why: &str) {
        let why = why.to_owned();
        self.finish(question, Outcome::Fallback { reason, why });
    }

    /// Tells the answer. The caller has won the claim.
    pub(super) fn finish(&self, question: &OpenQuestion<A>, outcome: Outcome<A>) {
        let mut board = lock(&self.board);
        board.remove(question.ticket);
        self.settle_need(&board);
        drop(board);
        let took = self.now().since(question.arrival);
        let deadline = question.terms.deadline;
        match outcome.counted() {
            Some((source, reason, exit)) => {
                self.counts.decided((source, reason), exit, deadline, took);
            }
            None => {
                self.cancelled.fetch_add(1, Ordering::Relaxed);
            }
        }
        question.asker.answered(Answered {
            ticket: question.ticket,
            outcome,
            took,
            deadline,
        });
    }
}
