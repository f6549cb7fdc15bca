//! Takes the newest trigger, runs the model stage by stage, decides.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{trace, trace_span};

use super::CYCLE;
use super::checkup::Checkup;
use super::cost::CostModel;
use super::decision::{MAX_LABELS, Probabilities, Reason, Verdict};
use super::desk::{Desk, Handed};
use super::engine::{Engine, EngineFault};
use super::policy::{Policy, Progress, Step};
use super::request::Request;
use crate::time::Mono;

/// What to do after [`Reasoner::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Nothing; wait for a trigger.
    Idle,
    /// Call [`Reasoner::run_stages`], then [`Reasoner::settle`].
    Stages,
}

/// One engine's logic, cut at the points where time passes, so that it runs under a fake clock
/// as well.
pub struct Reasoner {
    desk: Arc<Desk>,
    station: usize,
    engine: Box<dyn Engine>,
    costs: CostModel,
    work: Option<Work>,
    last_fault: Option<EngineFault>,
    checkup: Option<Checkup>,
}

struct Work {
    request: Box<Request>,
    cycle: u64,
    /// The station whose claim decides who answers; another's where that engine failed.
    claim: usize,
    /// The desk has a copy of the request.
    copied: bool,
    exit: u8,
    /// The next engine call runs all that is left.
    finish: bool,
    stage_start: Mono,
    outcome: Result<Probabilities, EngineFault>,
}

impl Reasoner {
    /// The reasoner of engine number `station`, with what its stages are known to cost.
    pub fn new(desk: Arc<Desk>, station: usize, engine: Box<dyn Engine>, costs: CostModel) -> Self {
        Reasoner {
            desk,
            station,
            engine,
            costs,
            work: None,
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
        let station = &self.desk.stations[self.station];
        // Where all have failed it may have the triggers again already.
        self.checkup.is_some()
            && self.work.is_none()
            && self.desk.active_engine() != self.station
            && station.is_out.load(Ordering::Acquire)
    }

    /// Puts the engine to the test, with triggers going to another meanwhile, and gives it its
    /// place back when it passes. Where the engine may hang, this does.
    pub fn come_back(&mut self) -> Result<(), EngineFault> {
        let Some(checkup) = &self.checkup else {
            return Ok(());
        };
        let fault_time = self.desk.terms().fault_time;
        let stalls_at = &self.desk.stations[self.station].stalls_at;
        let at = self.desk.clock.now() + fault_time;
        stalls_at.store(at.0.max(1), Ordering::Release);
        let passed = checkup.pass(self.engine.as_mut(), fault_time);
        stalls_at.store(0, Ordering::Release);
        if passed.is_ok() {
            self.desk.reinstate(self.station);
        }
        passed
    }

    /// What the engine said when it last failed; told once.
    pub fn take_fault(&mut self) -> Option<EngineFault> {
        self.last_fault.take()
    }

    /// Costs as known now.
    pub fn costs(&self) -> &CostModel {
        &self.costs
    }

    /// The stages that [`Reasoner::run_stages`] would run, 0-based.
    pub fn stages(&self) -> Range<usize> {
        match &self.work {
            Some(work) if work.finish => usize::from(work.exit)..self.engine.exits(),
            Some(work) => usize::from(work.exit)..usize::from(work.exit) + 1,
            None => 0..0,
        }
    }

    /// Whether a trigger waits for this reasoner.
    pub fn has_work(&self) -> bool {
        self.desk.has_pending() && self.desk.active_engine() == self.station
    }

    /// Takes a trigger if there is one and none is in hand. Triggers whose window cannot be used
    /// are answered at once.
    pub fn poll(&mut self) -> Poll {
        while self.work.is_none() {
            // A cycle of this station may be in another engine's hands; its claim is needed until it
            // is answered.
            let is_lent = self.desk.stations[self.station].has_open();
            if self.desk.active_engine() != self.station || is_lent {
                return Poll::Idle;
            }
            let Some((handed, late)) = self.next() else {
                return Poll::Idle;
            };
            let Handed {
                cycle,
                claim,
                request,
            } = handed;
            if let Verdict::Unusable(reason) = request.trigger.verdict {
                self.answer_without_exit((cycle, claim), &request, None, reason);
                self.desk.put_back(request);
                continue;
            }
            if self.desk.clock.now() >= request.due() {
                // Too late even to begin. Say so at once.
                self.answer_without_exit((cycle, claim), &request, None, late);
                self.desk.put_back(request);
                continue;
            }
            // A cycle is handed over once.
            let copied = claim == self.station && self.desk.keep_copy(cycle, claim, &request);
            trace!(
                target: CYCLE,
                cycle,
                waited_us = self.waited(&request).as_micros() as u64,
                "taken"
            );
            let finish = self.finishes_at_once(&request);
            self.work = Some(Work {
                request,
                cycle,
                claim,
                copied,
                exit: 0,
                finish,
                stage_start: Mono(0),
                outcome: Ok(Probabilities::NONE),
            });
        }
        Poll::Stages
    }

    /// What to work on, as a cycle, and why it would be answered without the model if it is late
    /// already: another engine failed, or the machine did not run us.
    fn next(&self) -> Option<(Handed, Reason)> {
        if let Some(handed) = self.desk.take_handed(self.station) {
            return Some((handed, Reason::BackendFault));
        }
        let request = self.desk.take()?;
        let fresh = Handed {
            cycle: self.desk.open(self.station, &request),
            claim: self.station,
            request,
        };
        Some((fresh, Reason::Deadline))
    }

    /// Calls the engine for the next stage, or for all that are left. This is where an engine may
    /// take its time.
    pub fn run_stages(&mut self) {
        let Some(work) = self.work.as_mut() else {
            return;
        };
        let span = trace_span!(target: CYCLE, "stage", cycle = work.cycle, stage = work.exit + 1);
        let _inside = span.enter();
        work.stage_start = self.desk.clock.now();
        let stalls_at = work.stage_start + work.request.terms.fault_time;
        self.desk.stations[self.station]
            .stalls_at
            .store(stalls_at.0.max(1), Ordering::Release);
        let engine = &mut self.engine;
        let labels = self.desk.labels;
        // The engine is not used again after a panic unless its next `begin` succeeds.
        work.outcome = catch_unwind(AssertUnwindSafe(|| {
            if work.exit == 0 {
                engine.begin(&work.request.window)?;
            }
            let mut values = [0.0; MAX_LABELS];
            match work.finish {
                true => engine.finish(&mut values[..labels])?,
                false => engine.advance(&mut values[..labels])?,
            }
            let probabilities = Probabilities::from_slice(&values[..labels]);
            match probabilities.are_probabilities() {
                true => Ok(probabilities),
                false => Err(EngineFault(String::from("returned no probabilities"))),
            }
        }))
        .unwrap_or_else(|panic| Err(EngineFault(panic_text(panic.as_ref()))));
    }

    /// The call is over: takes in its cost and exit, and goes on, decides or gives up.
    pub fn settle(&mut self) {
        let desk = Arc::clone(&self.desk);
        let station = &desk.stations[self.station];
        let Some(mut work) = self.work.take() else {
            return;
        };
        let now = desk.clock.now();
        station.stalls_at.store(0, Ordering::Release);
        let probabilities = match std::mem::replace(&mut work.outcome, Ok(Probabilities::NONE)) {
            Ok(probabilities) => probabilities,
            Err(fault) => {
                self.last_fault = Some(fault);
                self.give_up(work, now);
                return;
            }
        };
        let (from, cost) = (usize::from(work.exit), now.since(work.stage_start));
        if work.finish {
            self.costs.record_finish(from, cost);
            work.exit = self.engine.exits() as u8;
        } else {
            self.costs.record(from, cost);
            desk.counts().bound(from, self.costs.bound(from));
            work.exit += 1;
        }
        station.record_exit(work.cycle, work.exit, &probabilities);
        let claim = &desk.stations[work.claim];
        if !claim.is_open(work.cycle) {
            // The guard has answered; what is left of this cycle is nobody's.
            desk.put_back(work.request);
            return;
        }
        let policy = work.request.terms.policy;
        let step = policy.next(&self.progress(&work, &probabilities, now));
        if matches!(step, Step::Advance | Step::Finish) {
            work.finish = step == Step::Finish;
            self.work = Some(work);
            return;
        }
        if claim.claim(work.cycle) {
            desk.answer_by_exit(
                work.cycle,
                (&work.request.trigger, &work.request.terms),
                self.station,
                work.exit,
                probabilities,
            );
        }
        if step == Step::PassOver {
            let next = usize::from(work.exit);
            self.costs.pass_over(next);
            desk.counts().bound(next, self.costs.bound(next));
        }
        desk.put_back(work.request);
    }

    /// The engine failed: the next one takes the cycle over where there is one and time is left, once;
    /// else it is answered.
    fn give_up(&self, work: Work, now: Mono) {
        let desk = &self.desk;
        let next = desk.fail_over(self.station, now);
        let handed = Handed {
            cycle: work.cycle,
            claim: work.claim,
            request: work.request,
        };
        let mine = work.claim == self.station;
        let may = mine && next && now < handed.request.due();
        // Where there was a copy and it is gone, the guard has handed that over.
        let copied = desk.take_copy(work.cycle, self.station);
        let gone = work.copied && copied.is_none();
        if let Some(copy) = copied {
            desk.put_back(copy.request);
        }
        if gone {
            desk.put_back(handed.request);
        } else if may {
            desk.hand_over(handed);
        } else {
            let cycle = (handed.cycle, handed.claim);
            let reason = Reason::BackendFault;
            self.answer_without_exit(cycle, &handed.request, Some(self.station), reason);
            desk.put_back(handed.request);
        }
    }

    fn progress(&self, work: &Work, probabilities: &Probabilities, now: Mono) -> Progress {
        let next = usize::from(work.exit);
        let threshold = work.request.terms.thresholds.get(next - 1).copied();
        Progress {
            confidence: probabilities
                .top()
                .map_or(0.0, |(_, confidence)| confidence),
            threshold: threshold.unwrap_or(f32::INFINITY),
            next_bound: (next < self.engine.exits()).then(|| self.costs.bound(next)),
            finish_bound: self.costs.finish_bound(next),
            budget: now.until(work.request.due()),
        }
    }

    /// Told to the costs where it does not fit: a bound too high is forgotten in time.
    fn finishes_at_once(&mut self, request: &Request) -> bool {
        let policy = request.terms.policy;
        let budget = self.desk.clock.now().until(request.due());
        let at_once = policy.finishes_at_once(self.costs.finish_bound(0), budget);
        if !at_once && policy == Policy::Best {
            self.costs.pass_over_finish(0);
        }
        at_once
    }

    /// From the trigger's arrival to now.
    fn waited(&self, request: &Request) -> Duration {
        self.desk.clock.now().since(request.trigger.arrival)
    }

    fn answer_without_exit(
        &self,
        (cycle, claim): (u64, usize),
        request: &Request,
        station: Option<usize>,
        reason: Reason,
    ) {
        if self.desk.stations[claim].claim(cycle) {
            self.desk.answer_without_exit(
                cycle,
                (&request.trigger, &request.terms),
                station,
                reason,
            );
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("panicked: {text}"),
        None => String::from("panicked"),
    }
}

#[cfg(test)]
mod tests;
