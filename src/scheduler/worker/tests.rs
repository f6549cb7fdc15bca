//! Which calls a worker makes, and how an engine comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::decision::{Decision, DecisionSource, InputStatus};
use super::super::engine::FreeWay;
use super::super::outgoing::OutgoingDecision;
use super::super::request::CycleConfig;
use super::*;
use crate::bins::Bins;
use crate::scheduler::publish::Publish;
use crate::scheduler::simulated::SimulatedClock;

const MS: Duration = Duration::from_millis(1);

/// Two exits; `broken` from outside.
struct Stub {
    broken: Arc<AtomicBool>,
    dear: bool,
    bins: Option<Bins>,
    calls: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl Engine for Stub {
    fn name(&self) -> &str {
        "stub"
    }
    fn exits(&self) -> usize {
        2
    }
    fn labels(&self) -> usize {
        2
    }
    fn begin(&mut self, _: &[f32]) -> Result<(), EngineFault> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(EngineFault(String::from("scripted"))),
            false => Ok(()),
        }
    }
    fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
        self.calls.lock().unwrap().push("stage");
        out.copy_from_slice(&[0.4, 0.6]);
        Ok(())
    }
    fn free_way(&self, _window: usize) -> Option<FreeWay<'_>> {
        Some(FreeWay {
            bins: self.bins.as_ref()?,
            probabilities: &[0.2, 0.3, 0.5],
        })
    }
    fn reads_are_dear(&self) -> bool {
        self.dear
    }
    fn finish(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
        self.calls.lock().unwrap().push("finish");
        out.copy_from_slice(&[0.3, 0.7]);
        Ok(())
    }
}

#[derive(Default)]
struct Sink(std::sync::Mutex<Vec<Decision>>);

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| self.0.lock().unwrap().push(decision.clone()));
    }
}

struct World {
    scheduler: Arc<SchedulerState>,
    sink: Arc<Sink>,
    broken: Arc<AtomicBool>,
    bins: Option<Bins>,
    calls: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl World {
    fn new(deadline: Duration) -> World {
        let sink = Arc::new(Sink::default());
        let cycle_config = CycleConfig {
            deadline,
            publish_margin: MS,
            fault_time: 1000 * MS,
            hold: Duration::ZERO,
            batch_slack: Duration::ZERO,
            reuse: None,
            policy: Policy::Best,
            min_confidence: 0.1,
            free_way_quantile: 0.1,
            thresholds: vec![0.9; 2],
            safe_label: 0,
            exits: 2,
        };
        let clock = Arc::new(SimulatedClock::default());
        let scheduler = SchedulerState::new(clock, cycle_config, 2, 4, 2, Arc::clone(&sink) as _);
        World {
            scheduler: Arc::new(scheduler),
            sink,
            broken: Arc::default(),
            bins: None,
            calls: Arc::default(),
        }
    }

    fn worker(&self, slot: usize, costs: CostModel, dear: bool) -> InferenceWorker {
        let engine = Stub {
            broken: match slot {
                0 => Arc::clone(&self.broken),
                _ => Arc::default(),
            },
            dear,
            bins: self.bins.clone(),
            calls: Arc::clone(&self.calls),
        };
        InferenceWorker::new(Arc::clone(&self.scheduler), slot, Box::new(engine), costs)
    }

    /// One trigger, as far as `worker` takes it.
    fn cycle(&self, worker: &mut InferenceWorker) {
        let mut request = self.scheduler.empty_request().unwrap();
        request.trigger.input_status = InputStatus::Ready;
        self.scheduler.offer(request);
        self.work(worker);
    }

    fn work(&self, worker: &mut InferenceWorker) {
        while worker.poll() == Poll::Stages {
            worker.run_stages();
            worker.settle();
        }
    }

    fn last(&self) -> Decision {
        self.sink.0.lock().unwrap().last().unwrap().clone()
    }
}

fn known(finish: Duration) -> CostModel {
    let mut costs = CostModel::new(2);
    for stage in 0..2 {
        costs.record(stage, MS);
        costs.record_finish(stage, finish);
    }
    costs
}

#[test]
fn an_engine_whose_exits_are_dear_runs_to_its_end_in_one_go_where_that_fits_twice() {
    for (finish, calls, exits) in [
        (MS, vec!["finish"], 0..2),
        (10 * MS, vec!["stage", "stage"], 0..1),
    ] {
        let world = World::new(20 * MS);
        let mut worker = world.worker(0, known(finish), true);
        let mut request = world.scheduler.empty_request().unwrap();
        request.trigger.input_status = InputStatus::Ready;
        world.scheduler.offer(request);
        assert_eq!(worker.poll(), Poll::Stages);
        assert_eq!(worker.stages(), exits);
        world.work(&mut worker);
        assert_eq!(*world.calls.lock().unwrap(), calls, "{finish:?}");
        assert_eq!(
            (world.last().exit, world.last().source),
            (2, DecisionSource::Model)
        );
    }
}

#[test]
fn an_engine_that_failed_gets_its_place_back_by_a_health_check_only() {
    let world = World::new(20 * MS);
    let mut first = world.worker(0, CostModel::new(2), false);
    let health_check = HealthCheck::of(first.engine.as_mut(), vec![0.5; 4]).unwrap();
    first = first.with_health_check(health_check);
    let mut second = world.worker(1, CostModel::new(2), false);
    assert!(!first.may_recover(), "never failed");

    world.broken.store(true, Ordering::Relaxed);
    world.cycle(&mut first);
    assert_eq!(world.scheduler.active_engine(), 1);
    world.work(&mut second);
    let by = (world.last().engine, world.last().source);
    assert_eq!(
        by,
        (Some(1), DecisionSource::Model),
        "the cycle it failed in"
    );
    assert!(first.may_recover());
    assert!(first.run_health_check().is_err(), "still broken");
    assert_eq!(world.scheduler.active_engine(), 1);

    world.broken.store(false, Ordering::Relaxed);
    world.cycle(&mut second);
    assert_eq!(world.last().engine, Some(1), "sound, but not asked yet");
    assert_eq!(first.run_health_check(), Ok(()));
    assert!(!first.may_recover());
    world.cycle(&mut first);
    assert_eq!(
        (world.last().engine, world.last().source),
        (Some(0), DecisionSource::Model)
    );
}

fn three_bins() -> Bins {
    Bins {
        edges_m: vec![0.4, 0.8],
        bounds_m: vec![0.8],
        horizon_s: 1.0,
    }
}

#[test]
fn a_decision_carries_the_free_way_of_its_exit_and_its_quantile() {
    let mut world = World::new(100 * MS);
    world.bins = Some(three_bins());
    let mut worker = world.worker(0, known(MS), false);
    world.cycle(&mut worker);
    let decision = world.last();
    assert_eq!(decision.source, DecisionSource::Model);
    assert_eq!(decision.free_way_m, Some(0.2));
    let scheduler = &world.scheduler;
    scheduler.set_cycle_config(CycleConfig {
        free_way_quantile: 0.35,
        ..scheduler.cycle_config().as_ref().clone()
    });
    world.cycle(&mut worker);
    assert!((world.last().free_way_m.unwrap() - 0.6).abs() < 1e-6);
}

#[test]
fn a_free_way_is_held_with_its_label_and_told_by_no_fallback() {
    let mut world = World::new(100 * MS);
    world.bins = Some(three_bins());
    let mut worker = world.worker(0, known(MS), false);
    let scheduler = Arc::clone(&world.scheduler);
    let fallback = |hold: Duration| {
        scheduler.set_cycle_config(CycleConfig {
            hold,
            ..scheduler.cycle_config().as_ref().clone()
        });
        let mut request = scheduler.empty_request().unwrap();
        request.trigger.input_status = InputStatus::Ready;
        let cycle_config = scheduler.cycle_config();
        let cycle = (&request.trigger, &*cycle_config);
        scheduler.answer_without_exit(
            99,
            cycle,
            None,
            crate::scheduler::decision::Reason::Deadline,
        );
        scheduler.put_back(request);
        world.last()
    };
    world.cycle(&mut worker);
    let held = fallback(1000 * MS);
    assert_eq!(held.source, DecisionSource::Hold);
    let way = held.free_way_m.expect("it was told");
    assert!(way <= 0.2 && way > 0.17, "{way}");
    scheduler.forget_last_decision();
    let decision = fallback(1000 * MS);
    assert_eq!(
        (decision.source, decision.free_way_m),
        (DecisionSource::Fallback, None)
    );
}
