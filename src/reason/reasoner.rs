//! Takes the newest trigger, runs the model stage by stage, decides. One engine may serve the desks
//! of several robots: what waits at them goes through it side by side where that gains time.
//!
//! The cycles of a batch share the engine's calls and nothing else: each has its own claim, budget and
//! answer, and leaves when its policy stops. The rest go on with the batch as it is.

mod batches;
mod call;
mod seat;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::trace_span;

use super::CYCLE;
use super::checkup::Checkup;
use super::cost::CostModel;
use super::decision::Probabilities;
use super::decision_cache::Kept;
use super::desk::Desk;
use super::engine::{Engine, EngineFault};
use super::policy::{Policy, Progress, Step};
use crate::time::Mono;
pub use batches::Batches;
use call::Call;
use seat::{Seat, Work};

/// What to do after [`Reasoner::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Nothing; wait for a trigger.
    Idle,
    /// Triggers wait for others to join them: poll again at this time, or when another comes.
    Later(Mono),
    /// Call [`Reasoner::run_stages`], then [`Reasoner::settle`].
    Stages,
}

/// One engine's logic, cut at the points where time passes, so that it runs under a fake clock
/// as well.
pub struct Reasoner {
    seats: Vec<Seat>,
    station: usize,
    engine: Box<dyn Engine>,
    batches: Batches,
    call: Call,
    last_fault: Option<EngineFault>,
    checkup: Option<Checkup>,
}

impl Reasoner {
    /// The reasoner of engine number `station` for one robot, with what its stages are known to
    /// cost.
    pub fn new(desk: Arc<Desk>, station: usize, engine: Box<dyn Engine>, costs: CostModel) -> Self {
        Self::of_several(&[desk], station, engine, Batches::single(costs))
    }

    /// The same for several robots, one desk each; all of one model.
    pub fn of_several(
        desks: &[Arc<Desk>],
        station: usize,
        engine: Box<dyn Engine>,
        batches: Batches,
    ) -> Self {
        let most = batches.most();
        let (labels, window) = desks
            .first()
            .map_or((0, 0), |desk| (desk.labels, desk.window_len()));
        Reasoner {
            seats: desks
                .iter()
                .map(|desk| Seat::at(Arc::clone(desk)))
                .collect(),
            station,
            engine,
            call: Call::new(most, window, labels),
            batches,
            last_fault: None,
            checkup: None,
        }
    }

    /// What the engine must answer to be trusted again after a fault. Without it, it gets triggers
    /// again only when all others have failed as well.
    pub fn with_checkup(mut self, checkup: Checkup) -> Self {
        self.checkup = Some(checkup);
        self
    }

    /// Whether the engine was passed by and could show that it is sound.
    pub fn may_come_back(&self) -> bool {
        let passed_by = |seat: &Seat| {
            // Where all have failed it may have the triggers again already.
            seat.desk.active_engine() != self.station
                && seat.desk.stations[self.station]
                    .is_out
                    .load(Ordering::Acquire)
        };
        self.checkup.is_some() && !self.is_busy() && self.seats.iter().any(passed_by)
    }

    /// Puts the engine to the test, with triggers going to another meanwhile, and gives it its
    /// place back when it passes. Where the engine may hang, this does.
    pub fn come_back(&mut self) -> Result<(), EngineFault> {
        let (Some(checkup), Some(first)) = (&self.checkup, self.seats.first()) else {
            return Ok(());
        };
        let fault_time = first.desk.terms().fault_time;
        self.expect_back(Some(self.now() + fault_time));
        let passed = checkup.pass(self.engine.as_mut(), fault_time);
        self.expect_back(None);
        if passed.is_ok() {
            for seat in &self.seats {
                seat.desk.reinstate(self.station);
            }
        }
        passed
    }

    /// What the engine said when it last failed; told once.
    pub fn take_fault(&mut self) -> Option<EngineFault> {
        self.last_fault.take()
    }

    /// Costs of a single window, as known now.
    pub fn costs(&self) -> &CostModel {
        self.batches.costs(1)
    }

    /// The stages that [`Reasoner::run_stages`] would run, 0-based.
    pub fn stages(&self) -> Range<usize> {
        let from = usize::from(self.call.exit);
        match self.is_busy() {
            true if self.call.finish => from..self.engine.exits(),
            true => from..from + 1,
            false => 0..0,
        }
    }

    /// Whether a trigger waits for this reasoner.
    pub fn has_work(&self) -> bool {
        self.seats.iter().any(|seat| seat.has_work(self.station))
    }

    fn works(&self) -> impl Iterator<Item = &Work> {
        self.seats.iter().filter_map(|seat| seat.work.as_ref())
    }

    /// When the triggers that wait for this engine are due.
    fn waiting(&self) -> impl Iterator<Item = Mono> {
        let seats = self.seats.iter();
        seats.filter_map(|seat| seat.waiting(self.station))
    }

    fn is_busy(&self) -> bool {
        self.works().next().is_some()
    }

    fn now(&self) -> Mono {
        self.seats.first().map_or(Mono(0), |seat| seat.desk.now())
    }

    /// From when on the guards take the engine's silence for a stall.
    fn expect_back(&self, at: Option<Mono>) {
        let at = at.map_or(0, |at| at.0.max(1));
        for seat in &self.seats {
            let station = &seat.desk.stations[self.station];
            station.stalls_at.store(at, Ordering::Release);
        }
    }

    /// Takes triggers if there are any and none is in hand. Triggers whose window cannot be used
    /// are answered at once, and so are those whose answer is known.
    pub fn poll(&mut self) -> Poll {
        while !self.is_busy() {
            let Some(due) = self.waiting().min() else {
                return Poll::Idle;
            };
            let count = self.waiting().count();
            if let Some(until) = self.waits_for_others(count, due) {
                return Poll::Later(until);
            }
            let budget = self.now().until(due);
            self.gather(self.batches.worth(count, budget));
        }
        Poll::Stages
    }

    /// Until when triggers wait for those of other robots, where the engine gains by that: while
    /// their slack lasts, and the most urgent has time left for two first stages of all of them.
    fn waits_for_others(&self, count: usize, due: Mono) -> Option<Mono> {
        let more = self.seats.len().min(self.batches.most());
        if count >= more || !self.batches.ever_gain() {
            return None;
        }
        let slacks = self
            .seats
            .iter()
            .filter_map(|seat| seat.desk.pending_slack());
        let slack = slacks.min()?;
        let cost = self.batches.costs(more).bound(0);
        let until = slack.min(due - cost * 2);
        (self.now() < until).then_some(until)
    }

    /// Takes up to `count` triggers, the most urgent first.
    fn gather(&mut self, count: usize) {
        let station = self.station;
        let mut taken = 0;
        while taken < count {
            let seats = self.seats.iter_mut();
            let waiting = seats.filter_map(|seat| Some((seat.waiting(station)?, seat)));
            let Some((_, seat)) = waiting.min_by_key(|(due, _)| *due) else {
                break;
            };
            if seat.take(station, taken) {
                taken += 1;
            }
        }
        let filled = self.batches.costs(taken);
        let at_once = |work: &Work| {
            let policy = work.request.terms.policy;
            let budget = self.now().until(work.request.due());
            policy.finishes_at_once(filled.finish_bound(0), budget)
        };
        let finish = self.works().all(at_once);
        let best = |work: &Work| work.request.terms.policy == Policy::Best;
        let wanted = self.works().all(best);
        if !finish && wanted {
            // A bound too high is forgotten in time.
            self.batches.costs_mut(taken).pass_over_finish(0);
        }
        self.call.count = taken;
        self.call.exit = 0;
        self.call.finish = finish;
    }

    /// Calls the engine for the next stage, or for all that are left. This is where an engine may
    /// take its time.
    pub fn run_stages(&mut self) {
        let Some(work) = self.works().next() else {
            return;
        };
        let (cycle, fault_time) = (work.cycle, work.request.terms.fault_time);
        let span = trace_span!(
            target: CYCLE, "stage", cycle, stage = self.call.exit + 1, windows = self.call.count
        );
        let _inside = span.enter();
        self.call.start = self.now();
        self.expect_back(Some(self.call.start + fault_time));
        self.call.make(&self.seats, self.engine.as_mut());
    }

    /// The call is over: takes in its cost and the exits, and with every cycle goes on, decides or
    /// gives up.
    pub fn settle(&mut self) {
        if !self.is_busy() {
            return;
        }
        let now = self.now();
        self.expect_back(None);
        if let Some(fault) = self.call.fault.take() {
            self.last_fault = Some(fault);
            self.give_up(now);
            return;
        }
        self.record(now);
        let needed_at = self.needed_at();
        let mut finish = true;
        let mut passed_over = false;
        for index in 0..self.seats.len() {
            let Some(work) = self.seats[index].work.take() else {
                continue;
            };
            match self.next_step(index, &work, needed_at, now) {
                None => self.seats[index].desk.put_back(work.request),
                Some(Step::Advance) => {
                    finish = false;
                    self.seats[index].work = Some(work);
                }
                Some(Step::Finish) => self.seats[index].work = Some(work),
                Some(step @ (Step::Stop | Step::PassOver)) => {
                    passed_over |= step == Step::PassOver;
                    self.decide(index, work, step);
                }
            }
        }
        self.call.finish = finish;
        if passed_over {
            let next = usize::from(self.call.exit);
            let costs = self.batches.costs_mut(self.call.count);
            costs.pass_over(next);
            let bound = costs.bound(next);
            for seat in &self.seats {
                seat.desk.counts().bound(next, bound);
            }
        }
    }

    /// What the call cost.
    fn record(&mut self, now: Mono) {
        let (from, cost) = (usize::from(self.call.exit), now.since(self.call.start));
        let costs = self.batches.costs_mut(self.call.count);
        if self.call.finish {
            costs.record_finish(from, cost);
            self.call.exit = self.engine.exits() as u8;
        } else {
            costs.record(from, cost);
            let bound = costs.bound(from);
            self.call.exit += 1;
            for seat in &self.seats {
                seat.desk.counts().bound(from, bound);
            }
        }
    }

    /// When robots that wait need the engine for their mandatory part: nobody's optional part may
    /// last longer.
    fn needed_at(&self) -> Option<Mono> {
        let first = self.batches.costs(1).bound(0);
        Some(self.waiting().min()? - first)
    }

    /// None where the guard has answered: what is left of such a cycle is nobody's.
    fn next_step(
        &self,
        seat: usize,
        work: &Work,
        needed_at: Option<Mono>,
        now: Mono,
    ) -> Option<Step> {
        let desk = &self.seats[seat].desk;
        let exit = self.call.exit;
        let probabilities = self.answer(desk, work);
        desk.stations[self.station].record_exit(work.cycle, exit, &probabilities);
        if !desk.stations[work.claim].is_open(work.cycle) {
            return None;
        }
        let next = usize::from(exit);
        let costs = self.batches.costs(self.call.count);
        let terms = &work.request.terms;
        let due = work.request.due();
        let progress = Progress {
            confidence: probabilities
                .top()
                .map_or(0.0, |(_, confidence)| confidence),
            threshold: terms
                .thresholds
                .get(next - 1)
                .copied()
                .unwrap_or(f32::INFINITY),
            next_bound: (next < self.engine.exits()).then(|| costs.bound(next)),
            finish_bound: costs.finish_bound(next),
            budget: now.until(needed_at.map_or(due, |needed| needed.min(due))),
        };
        Some(terms.policy.next(&progress))
    }

    /// What the newest exit says of a cycle's window.
    fn answer(&self, desk: &Desk, work: &Work) -> Probabilities {
        let free_way = self.engine.free_way(work.row);
        let quantile = work.request.terms.free_way_quantile;
        let metres = free_way.and_then(|way| way.quantile_m(quantile));
        let probabilities = self.call.answer(work.row, desk.labels);
        probabilities.with_free_way(metres)
    }

    fn decide(&mut self, seat: usize, work: Work, step: Step) {
        let batched = self.call.count > 1;
        let probabilities = self.answer(&self.seats[seat].desk, &work);
        let Seat { desk, answers, .. } = &mut self.seats[seat];
        let exit = self.call.exit;
        let request = &work.request;
        if desk.stations[work.claim].claim(work.cycle) {
            let terms = (&request.trigger, &*request.terms);
            desk.answer_by_exit(work.cycle, terms, self.station, exit, probabilities);
            if batched {
                desk.counts().batched();
            }
        }
        if let (Step::Stop, Some(answers)) = (step, answers) {
            answers.keep(Kept {
                exit,
                probabilities,
                station: self.station,
                arrival: request.trigger.arrival,
            });
        }
        desk.put_back(work.request);
    }

    /// The engine failed: the next one takes its place at every desk, and the cycles in hand.
    fn give_up(&mut self, now: Mono) {
        for seat in &mut self.seats {
            let next = seat.desk.fail_over(self.station, now);
            seat.give_up(self.station, next, now);
        }
    }
}

#[cfg(test)]
mod tests;
