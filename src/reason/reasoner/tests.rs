//! How an engine that failed comes back.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::decision::{Decision, Source};
use super::super::desk::Publish;
use super::super::logical::LogicalClock;
use super::super::policy::Policy;
use super::super::request::Terms;
use super::*;

const MS: Duration = Duration::from_millis(1);

/// Two exits; `broken` from outside.
struct Stub {
    broken: Arc<AtomicBool>,
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
        out.copy_from_slice(&[0.4, 0.6]);
        Ok(())
    }
}

#[derive(Default)]
struct Sink(std::sync::Mutex<Vec<Decision>>);

impl Publish for Sink {
    fn publish(&self, decision: &Decision) {
        self.0.lock().unwrap().push(decision.clone());
    }
}

struct World {
    desk: Arc<Desk>,
    sink: Arc<Sink>,
    broken: Arc<AtomicBool>,
}

impl World {
    fn new() -> World {
        let sink = Arc::new(Sink::default());
        let terms = Terms {
            deadline: 20 * MS,
            publish_margin: MS,
            fault_time: 1000 * MS,
            hold: Duration::ZERO,
            policy: Policy::Best,
            min_confidence: 0.1,
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
        }
    }

    fn reasoner(&self, station: usize) -> Reasoner {
        let broken = Arc::clone(&self.broken);
        let engine = Box::new(Stub { broken });
        Reasoner::new(Arc::clone(&self.desk), station, engine, CostModel::new(2))
    }

    /// One trigger, as far as `reasoner` takes it.
    fn cycle(&self, reasoner: &mut Reasoner) {
        let mut request = self.desk.blank().unwrap();
        request.trigger.verdict = Verdict::Ready;
        self.desk.offer(request);
        while reasoner.poll() == Poll::Stage {
            reasoner.run_stage();
            reasoner.settle();
        }
    }

    fn last(&self) -> Decision {
        self.sink.0.lock().unwrap().last().unwrap().clone()
    }
}

#[test]
fn an_engine_that_failed_gets_its_place_back_by_a_checkup_only() {
    let world = World::new();
    let mut first = world.reasoner(0);
    let checkup = Checkup::of(first.engine.as_mut(), vec![0.5; 4]).unwrap();
    first = first.with_checkup(checkup);
    let mut second = world.reasoner(1);
    assert!(!first.may_come_back(), "never failed");

    world.broken.store(true, Ordering::Relaxed);
    world.cycle(&mut first);
    assert_eq!(world.last().reason, Reason::BackendFault);
    assert_eq!(world.desk.active_engine(), 1);
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
