//! Takes the newest trigger, runs the model stage by stage, decides.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{trace, trace_span};

use super::CYCLE;
use super::checkup::Checkup;
use super::cost::CostModel;
use super::decision::{MAX_LABELS, Probabilities, Reason, Verdict};
use super::desk::Desk;
use super::engine::{Engine, EngineFault};
use super::policy::{Progress, Step};
use super::request::Request;
use crate::time::Mono;

/// What to do after [`Reasoner::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Nothing; wait for a trigger.
    Idle,
    /// Call [`Reasoner::run_stage`], then [`Reasoner::settle`].
    Stage,
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
    exit: u8,
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

    /// The stage that [`Reasoner::run_stage`] would run, 0-based.
    pub fn stage(&self) -> usize {
        self.work.as_ref().map_or(0, |work| usize::from(work.exit))
    }

    /// Whether a trigger waits for this reasoner.
    pub fn has_work(&self) -> bool {
        self.desk.has_pending() && self.desk.active_engine() == self.station
    }

    /// Takes a trigger if there is one and none is in hand. Triggers whose window cannot be used
    /// are answered at once.
    pub fn poll(&mut self) -> Poll {
        while self.work.is_none() {
            if self.desk.active_engine() != self.station {
                return Poll::Idle;
            }
            let Some(request) = self.desk.take() else {
                return Poll::Idle;
            };
            let cycle = self.desk.open(self.station, &request);
            if let Verdict::Unusable(reason) = request.trigger.verdict {
                self.answer_without_exit(cycle, &request, None, reason);
                self.desk.put_back(request);
                continue;
            }
            if self.desk.clock.now() >= request.due() {
                // Too late even to begin: the machine did not run us. Say so at once.
                self.answer_without_exit(cycle, &request, None, Reason::Deadline);
                self.desk.put_back(request);
                continue;
            }
            trace!(
                target: CYCLE,
                cycle,
                waited_us = self.waited(&request).as_micros() as u64,
                "taken"
            );
            self.work = Some(Work {
                request,
                cycle,
                exit: 0,
                stage_start: Mono(0),
                outcome: Ok(Probabilities::NONE),
            });
        }
        Poll::Stage
    }

    /// Calls the engine for the next stage. This is where an engine may take its time.
    pub fn run_stage(&mut self) {
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
            engine.advance(&mut values[..labels])?;
            let probabilities = Probabilities::from_slice(&values[..labels]);
            match probabilities.are_probabilities() {
                true => Ok(probabilities),
                false => Err(EngineFault(String::from("returned no probabilities"))),
            }
        }))
        .unwrap_or_else(|panic| Err(EngineFault(panic_text(panic.as_ref()))));
    }

    /// The stage is over: takes in its cost and exit, and goes on, decides or gives up.
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
                self.answer_without_exit(
                    work.cycle,
                    &work.request,
                    Some(self.station),
                    Reason::BackendFault,
                );
                desk.fail_over(self.station, now);
                desk.put_back(work.request);
                return;
            }
        };
        self.costs
            .record(usize::from(work.exit), now.since(work.stage_start));
        desk.counts().bound(
            usize::from(work.exit),
            self.costs.bound(usize::from(work.exit)),
        );
        work.exit += 1;
        station.record_exit(work.cycle, work.exit, &probabilities);
        if !station.is_open(work.cycle) {
            // The guard has answered; what is left of this cycle is nobody's.
            desk.put_back(work.request);
            return;
        }
        let policy = work.request.terms.policy;
        let step = policy.next(&self.progress(&work, &probabilities, now));
        if step == Step::Advance {
            self.work = Some(work);
            return;
        }
        if station.claim(work.cycle) {
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

    fn progress(&self, work: &Work, probabilities: &Probabilities, now: Mono) -> Progress {
        let next = usize::from(work.exit);
        let threshold = work.request.terms.thresholds.get(next - 1).copied();
        Progress {
            confidence: probabilities
                .top()
                .map_or(0.0, |(_, confidence)| confidence),
            threshold: threshold.unwrap_or(f32::INFINITY),
            next_bound: (next < self.engine.exits()).then(|| self.costs.bound(next)),
            budget: now.until(work.request.due()),
        }
    }

    /// From the trigger's arrival to now.
    fn waited(&self, request: &Request) -> Duration {
        self.desk.clock.now().since(request.trigger.arrival)
    }

    fn answer_without_exit(
        &self,
        cycle: u64,
        request: &Request,
        station: Option<usize>,
        reason: Reason,
    ) {
        if self.desk.stations[self.station].claim(cycle) {
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
