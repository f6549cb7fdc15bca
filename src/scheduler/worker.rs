//! The inference worker: takes the newest trigger, runs the model stage by stage, and decides. One
//! engine may serve the schedulers of several robots: their windows go through it as a batch where
//! that gains time.
//!
//! The cycles of a batch share the engine's calls and nothing else: each has its own claim, budget
//! and answer, and leaves when its policy stops. The rest go on with the batch as it is.

mod batch_costs;
mod engine_call;
mod served_robot;

use std::ops::Range;
use std::sync::Arc;

use tracing::trace_span;

use super::CYCLE;
use super::cost_model::CostModel;
use super::decision::Probabilities;
use super::engine::{Engine, EngineFault};
use super::health_check::HealthCheck;
use super::policy::{Policy, StageProgress, Step};
use super::result_cache::CachedAnswer;
use super::state::SchedulerState;
use crate::time::Mono;
pub use batch_costs::BatchCosts;
use engine_call::EngineCall;
pub(super) use engine_call::panic_text;
use served_robot::{CycleInHand, ServedRobot};

/// What to do after [`InferenceWorker::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Nothing; wait for a trigger.
    Idle,
    /// Triggers wait for others to join them: poll again at this time, or when another comes.
    Later(Mono),
    /// Call [`InferenceWorker::run_stages`], then [`InferenceWorker::settle`].
    Stages,
}

/// One engine's logic, cut at the points where time passes, so that it runs under a fake clock
/// as well.
pub struct InferenceWorker {
    robots: Vec<ServedRobot>,
    slot: usize,
    engine: Box<dyn Engine>,
    batches: BatchCosts,
    call: EngineCall,
    last_fault: Option<EngineFault>,
    health_check: Option<HealthCheck>,
}

impl InferenceWorker {
    /// The worker of engine number `slot` for one robot, with what its stages are known to
    /// cost.
    pub fn new(
        scheduler: Arc<SchedulerState>,
        slot: usize,
        engine: Box<dyn Engine>,
        costs: CostModel,
    ) -> Self {
        Self::of_several(&[scheduler], slot, engine, BatchCosts::single(costs))
    }

    /// The same for several robots, one scheduler each; all of one model.
    pub fn of_several(
        schedulers: &[Arc<SchedulerState>],
        slot: usize,
        engine: Box<dyn Engine>,
        batches: BatchCosts,
    ) -> Self {
        let most = batches.most();
        let (labels, window) = schedulers.first().map_or((0, 0), |scheduler| {
            (scheduler.labels, scheduler.window_len())
        });
        InferenceWorker {
            robots: schedulers
                .iter()
                .map(|scheduler| ServedRobot::at(Arc::clone(scheduler)))
                .collect(),
            slot,
            engine,
            call: EngineCall::new(most, window, labels),
            batches,
            last_fault: None,
            health_check: None,
        }
    }

    /// What the engine must answer to be used again after a fault. Without it, it gets triggers
    /// again only when all others have failed as well.
    pub fn with_health_check(mut self, health_check: HealthCheck) -> Self {
        self.health_check = Some(health_check);
        self
    }

    /// Whether the engine was passed by and could show that it is sound.
    pub fn may_recover(&self) -> bool {
        let passed_by = |robot: &ServedRobot| {
            // Where all have failed it may have the triggers again already.
            robot.scheduler.active_engine() != self.slot
                && robot.scheduler.engines.is_out(self.slot)
        };
        self.health_check.is_some() && !self.is_busy() && self.robots.iter().any(passed_by)
    }

    /// Puts the engine to the test, with triggers going to another meanwhile, and gives it its
    /// place back when it passes. Where the engine may hang, this does.
    pub fn run_health_check(&mut self) -> Result<(), EngineFault> {
        let (Some(health_check), Some(first)) = (&self.health_check, self.robots.first()) else {
            return Ok(());
        };
        let fault_time = first.scheduler.cycle_config().fault_time;
        self.expect_back(Some(self.now() + fault_time));
        let passed = health_check.pass(self.engine.as_mut(), fault_time);
        self.expect_back(None);
        if passed.is_ok() {
            for robot in &self.robots {
                robot.scheduler.reinstate(self.slot);
            }
        }
        passed
    }

    /// The engine's last error; returned once.
    pub fn take_fault(&mut self) -> Option<EngineFault> {
        self.last_fault.take()
    }

    /// Costs of a single window, as known now.
    pub fn costs(&self) -> &CostModel {
        self.batches.costs(1)
    }

    /// The stages that [`InferenceWorker::run_stages`] would run, 0-based.
    pub fn stages(&self) -> Range<usize> {
        let from = usize::from(self.call.exit);
        match self.is_busy() {
            true if self.call.finish => from..self.engine.exits(),
            true => from..from + 1,
            false => 0..0,
        }
    }

    /// Whether a trigger waits for this worker.
    pub fn has_work(&self) -> bool {
        self.robots.iter().any(|robot| robot.has_work(self.slot))
    }

    fn works(&self) -> impl Iterator<Item = &CycleInHand> {
        self.robots.iter().filter_map(|robot| robot.work.as_ref())
    }

    /// When the triggers that wait for this engine are due.
    fn waiting(&self) -> impl Iterator<Item = Mono> {
        let robots = self.robots.iter();
        robots.filter_map(|robot| robot.waiting(self.slot))
    }

    fn is_busy(&self) -> bool {
        self.works().next().is_some()
    }

    fn now(&self) -> Mono {
        self.robots
            .first()
            .map_or(Mono(0), |robot| robot.scheduler.now())
    }

    /// From when on the watchdogs take the engine's silence for a stall.
    fn expect_back(&self, at: Option<Mono>) {
        for robot in &self.robots {
            robot.scheduler.engines.expect_back(self.slot, at);
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
        let more = self.robots.len().min(self.batches.most());
        if count >= more || !self.batches.ever_gain() {
            return None;
        }
        let slacks = self
            .robots
            .iter()
            .filter_map(|robot| robot.scheduler.pending_slack());
        let slack = slacks.min()?;
        let cost = self.batches.costs(more).bound(0);
        let until = slack.min(due - cost * 2);
        (self.now() < until).then_some(until)
    }

    /// Takes up to `count` triggers, the most urgent first.
    fn gather(&mut self, count: usize) {
        let slot = self.slot;
        let mut taken = 0;
        while taken < count {
            let robots = self.robots.iter_mut();
            let waiting = robots.filter_map(|robot| Some((robot.waiting(slot)?, robot)));
            let Some((_, robot)) = waiting.min_by_key(|(due, _)| *due) else {
                break;
            };
            if robot.take(slot, taken) {
                taken += 1;
            }
        }
        let filled = self.batches.costs(taken);
        let at_once = |work: &CycleInHand| {
            let policy = work.request.cycle_config.policy;
            let budget = self.now().until(work.request.due());
            policy.finishes_at_once(filled.finish_bound(0), budget)
        };
        let finish = self.works().all(at_once);
        let best = |work: &CycleInHand| work.request.cycle_config.policy == Policy::Best;
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
        let (cycle, fault_time) = (work.cycle, work.request.cycle_config.fault_time);
        let span = trace_span!(
            target: CYCLE, "stage", cycle, stage = self.call.exit + 1, windows = self.call.count
        );
        let _inside = span.enter();
        self.call.start = self.now();
        self.expect_back(Some(self.call.start + fault_time));
        self.call.make(&self.robots, self.engine.as_mut());
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
        for index in 0..self.robots.len() {
            let Some(work) = self.robots[index].work.take() else {
                continue;
            };
            match self.next_step(index, &work, needed_at, now) {
                None => self.robots[index].scheduler.put_back(work.request),
                Some(Step::Advance) => {
                    finish = false;
                    self.robots[index].work = Some(work);
                }
                Some(Step::Finish) => self.robots[index].work = Some(work),
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
            for robot in &self.robots {
                robot.scheduler.counts().bound(next, bound);
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
            for robot in &self.robots {
                robot.scheduler.counts().bound(from, bound);
            }
        }
    }

    /// When robots that wait need the engine for their mandatory part: no optional part may
    /// last longer.
    fn needed_at(&self) -> Option<Mono> {
        let first = self.batches.costs(1).bound(0);
        Some(self.waiting().min()? - first)
    }

    /// None where the watchdog has answered: the rest of such a cycle is dropped.
    fn next_step(
        &self,
        robot: usize,
        work: &CycleInHand,
        needed_at: Option<Mono>,
        now: Mono,
    ) -> Option<Step> {
        let scheduler = &self.robots[robot].scheduler;
        let exit = self.call.exit;
        let probabilities = self.answer(scheduler, work);
        scheduler.slots[self.slot].record_exit(work.cycle, exit, &probabilities);
        if !scheduler.slots[work.claim].is_open(work.cycle) {
            return None;
        }
        let next = usize::from(exit);
        let costs = self.batches.costs(self.call.count);
        let cycle_config = &work.request.cycle_config;
        let due = work.request.due();
        let progress = StageProgress {
            confidence: probabilities
                .top()
                .map_or(0.0, |(_, confidence)| confidence),
            threshold: cycle_config
                .thresholds
                .get(next - 1)
                .copied()
                .unwrap_or(f32::INFINITY),
            next_bound: (next < self.engine.exits()).then(|| costs.bound(next)),
            finish_bound: costs.finish_bound(next),
            unchanged: false,
            budget: now.until(needed_at.map_or(due, |needed| needed.min(due))),
        };
        Some(cycle_config.policy.next(&progress))
    }

    /// What the newest exit says of a cycle's window.
    fn answer(&self, scheduler: &SchedulerState, work: &CycleInHand) -> Probabilities {
        let free_way = self.engine.free_way(work.row);
        let quantile = work.request.cycle_config.free_way_quantile;
        let metres = free_way.and_then(|way| way.quantile_m(quantile));
        let probabilities = self.call.answer(work.row, scheduler.labels);
        probabilities.with_free_way(metres)
    }

    fn decide(&mut self, robot: usize, work: CycleInHand, step: Step) {
        let batched = self.call.count > 1;
        let probabilities = self.answer(&self.robots[robot].scheduler, &work);
        let ServedRobot {
            scheduler, cache, ..
        } = &mut self.robots[robot];
        let exit = self.call.exit;
        let request = &work.request;
        if scheduler.slots[work.claim].claim(work.cycle) {
            let cycle_config = (&request.trigger, &*request.cycle_config);
            scheduler.answer_by_exit(work.cycle, cycle_config, self.slot, exit, probabilities);
            if batched {
                scheduler.counts().batched();
            }
        }
        if let (Step::Stop, Some(cache)) = (step, cache) {
            cache.keep(CachedAnswer {
                exit,
                probabilities,
                slot: self.slot,
                arrival: request.trigger.arrival,
            });
        }
        scheduler.put_back(work.request);
    }

    /// The engine failed: the next one takes its place at every scheduler, and the cycles in hand.
    fn give_up(&mut self, now: Mono) {
        for robot in &mut self.robots {
            let next = robot.scheduler.fail_over(self.slot, now);
            robot.give_up(self.slot, next, now);
        }
    }
}

#[cfg(test)]
mod tests;
