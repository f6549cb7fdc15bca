//! Which calls a reasoner makes, and how an engine comes back.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::decision::{Decision, Source, Verdict};
use super::super::desk::Publish;
use super::super::engine::FreeWay;
use super::super::logical::LogicalClock;
use super::super::outgoing::Outgoing;
use super::super::request::Terms;
use super::*;
use crate::bins::Bins;

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
    fn publish(&self, outgoing: Outgoing) {
        outgoing.send(|decision| self.0.lock().unwrap().push(decision.clone()));
    }
}

struct World {
    desk: Arc<Desk>,
    sink: Arc<Sink>,
    broken: Arc<AtomicBool>,
    bins: Option<Bins>,
    calls: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl World {
    fn new(deadline: Duration) -> World {
        let sink = Arc::new(Sink::default());
        let terms = Terms {
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
        let clock = Arc::new(LogicalClock::default());
        let desk = Desk::new(clock, terms, 2, 4, 2, Arc::clone(&sink) as _);
        World {
            desk: Arc::new(desk),
            sink,
            broken: Arc::default(),
            bins: None,
            calls: Arc::default(),
        }
    }

    fn reasoner(&self, station: usize, costs: CostModel, dear: bool) -> Reasoner {
        let engine = Stub {
            broken: match station {
                0 => Arc::clone(&self.broken),
                _ => Arc::default(),
            },
            dear,
            bins: self.bins.clone(),
            calls: Arc::clone(&self.calls),
        };
        Reasoner::new(Arc::clone(&self.desk), station, Box::new(engine), costs)
    }

    /// One trigger, as far as `reasoner` takes it.
    fn cycle(&self, reasoner: &mut Reasoner) {
        let mut request = self.desk.blank().unwrap();
        request.trigger.verdict = Verdict::Ready;
        self.desk.offer(request);
        self.work(reasoner);
    }

    fn work(&self, reasoner: &mut Reasoner) {
        while reasoner.poll() == Poll::Stages {
            reasoner.run_stages();
            reasoner.settle();
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
        let mut reasoner = world.reasoner(0, known(finish), true);
        let mut request = world.desk.blank().unwrap();
        request.trigger.verdict = Verdict::Ready;
        world.desk.offer(request);
        assert_eq!(reasoner.poll(), Poll::Stages);
        assert_eq!(reasoner.stages(), exits);
        world.work(&mut reasoner);
        assert_eq!(*world.calls.lock().unwrap(), calls, "{finish:?}");
        assert_eq!((world.last().exit, world.last().source), (2, Source::Model));
    }
}

#[test]
fn an_engine_that_failed_gets_its_place_back_by_a_checkup_only() {
    let world = World::new(20 * MS);
    let mut first = world.reasoner(0, CostModel::new(2), false);
    let checkup = Checkup::of(first.engine.as_mut(), vec![0.5; 4]).unwrap();
    first = first.with_checkup(checkup);
    let mut second = world.reasoner(1, CostModel::new(2), false);
    assert!(!first.may_come_back(), "never failed");

    world.broken.store(true, Ordering::Relaxed);
    world.cycle(&mut first);
    assert_eq!(world.desk.active_engine(), 1);
    world.work(&mut second);
    let by = (world.last().engine, world.last().source);
    assert_eq!(by, (Some(1), Source::Model), "the cycle it failed in");
    assert!(first.may_come_back());
    assert!(first.come_back().is_err(), "still broken");
    assert_eq!(world.desk.active_engine(), 1);

    world.broken.store(false, Ordering::Relaxed);
    world.cycle(&mut second);
    assert_eq!(world.last().engine, Some(1), "sound, but not asked yet");
    assert_eq!(first.come_back(), Ok(()));
    assert!(!first.may_come_back());
    world.cycle(&mut first);
    assert_eq!(
        (world.last().engine, world.last().source),
        (Some(0), Source::Model)
    );
}

#[test]
fn a_decision_carries_the_free_way_of_its_exit_and_its_quantile() {
    let mut world = World::new(100 * MS);
    world.bins = Some(Bins {
        edges_m: vec![0.4, 0.8],
        bounds_m: vec![0.8],
        horizon_s: 1.0,
    });
    let mut reasoner = world.reasoner(0, known(MS), false);
    world.cycle(&mut reasoner);
    let decision = world.last();
    assert_eq!(decision.source, Source::Model);
    assert_eq!(decision.free_way_m, Some(0.2));
    let desk = &world.desk;
    desk.set_terms(Terms {
        free_way_quantile: 0.35,
        ..desk.terms().as_ref().clone()
    });
    world.cycle(&mut reasoner);
    assert!((world.last().free_way_m.unwrap() - 0.6).abs() < 1e-6);
}

#[test]
fn a_free_way_is_held_with_its_label_and_told_by_no_fallback() {
    let mut world = World::new(100 * MS);
    world.bins = Some(Bins {
        edges_m: vec![0.4, 0.8],
        bounds_m: vec![0.8],
        horizon_s: 1.0,
    });
    let mut reasoner = world.reasoner(0, known(MS), false);
    let desk = Arc::clone(&world.desk);
    let fallback = |hold: Duration| {
        desk.set_terms(Terms {
            hold,
            ..desk.terms().as_ref().clone()
        });
        let mut request = desk.blank().unwrap();
        request.trigger.verdict = Verdict::Ready;
        let terms = desk.terms();
        let cycle = (&request.trigger, &*terms);
        desk.answer_without_exit(99, cycle, None, super::super::decision::Reason::Deadline);
        desk.put_back(request);
        world.last()
    };
    world.cycle(&mut reasoner);
    let held = fallback(1000 * MS);
    assert_eq!(held.source, Source::Hold);
    let way = held.free_way_m.expect("it was told");
    assert!(way <= 0.2 && way > 0.17, "{way}");
    desk.forget_held();
    let decision = fallback(1000 * MS);
    assert_eq!(
        (decision.source, decision.free_way_m),
        (Source::Fallback, None)
    );
}
