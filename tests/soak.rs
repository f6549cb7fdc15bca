//! A million cycles in logical time, and machines that change while they run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use edge_reasoner::scheduler::{
    CostModel, CycleConfig, DecisionSource, EngineFault, InferenceWorker, InputStatus,
    OutgoingDecision, Policy, Publish, Reason, SchedulerState,
};
use edge_reasoner::time::{Clock, Mono};

mod support;
use support::{Advance, Dice, Stub};

const LABELS: usize = 3;
const EXITS: usize = 4;
const US: Duration = Duration::from_micros(1);
const MS: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_millis(20);

/// Mostly answers, of any confidence.
fn advance(mut dice: Dice) -> Advance {
    Box::new(move |out| {
        match dice.roll(10_000) {
            0 => return Err(EngineFault("scripted".into())),
            1 => out.fill(f32::NAN),
            more => {
                let sure = 0.34 + more as f32 * 6e-5;
                out.copy_from_slice(&[sure, (1.0 - sure) * 0.6, (1.0 - sure) * 0.4]);
            }
        }
        Ok(())
    })
}

type Cost = Box<dyn FnMut(usize) -> Duration>;

struct Scripted(Cost);

impl MachineModel for Scripted {
    fn stage_cost(&mut self, _: usize, stage: usize) -> Option<Duration> {
        Some((self.0)(stage))
    }
}

/// Keeps counts only: a million decisions would not fit a list.
struct Sink {
    clock: Arc<SimulatedClock>,
    last_cycle: AtomicU64,
    out_of_time: AtomicU64,
    repeated: AtomicU64,
    recent: Mutex<Vec<(DecisionSource, Reason, u8)>>,
}

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| {
            let due = decision.trigger.arrival + DEADLINE;
            if self.clock.now() > due {
                self.out_of_time.fetch_add(1, Ordering::Relaxed);
            }
            // Two engines may answer out of order, but never one cycle twice: sums of 1..=n and n
            // tell.
            self.last_cycle.fetch_max(decision.cycle, Ordering::Relaxed);
            self.repeated.fetch_add(decision.cycle, Ordering::Relaxed);
            let mut recent = self.recent.lock().unwrap();
            recent.push((decision.source, decision.reason, decision.exit));
            if recent.len() > 4000 {
                recent.drain(..2000);
            }
        });
    }
}

struct World {
    logical: SimulatedScheduler<Scripted>,
    sink: Arc<Sink>,
    now: Mono,
}

impl World {
    fn new(engines: usize, cost: Cost) -> World {
        let clock = Arc::new(SimulatedClock::default());
        let sink = Arc::new(Sink {
            clock: Arc::clone(&clock),
            last_cycle: AtomicU64::new(0),
            out_of_time: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            recent: Mutex::default(),
        });
        let cycle_config = CycleConfig {
            deadline: DEADLINE,
            publish_margin: 2 * MS,
            fault_time: 50 * MS,
            hold: 150 * MS,
            batch_slack: Duration::ZERO,
            reuse: None,
            policy: Policy::Best,
            min_confidence: 0.4,
            free_way_quantile: 0.1,
            thresholds: vec![0.8; EXITS],
            safe_label: 2,
            exits: EXITS as u8,
        };
        let scheduler = Arc::new(SchedulerState::new(
            Arc::clone(&clock) as _,
            cycle_config,
            LABELS,
            4,
            engines,
            Arc::clone(&sink) as _,
        ));
        let workers = (0..engines).map(|slot| {
            let engine = Box::new(Stub {
                exits: EXITS,
                labels: LABELS,
                advance: advance(Dice(slot as u64)),
            });
            InferenceWorker::new(Arc::clone(&scheduler), slot, engine, CostModel::new(EXITS))
        });
        World {
            logical: SimulatedScheduler::new(
                clock,
                vec![Arc::clone(&scheduler)],
                workers.collect(),
                Scripted(cost),
            ),
            sink,
            now: Mono(1_000_000_000),
        }
    }

    fn trigger(&mut self, gap: Duration) {
        self.now = self.now + gap;
        self.logical.advance_to(self.now);
        let mut request = self
            .logical
            .scheduler(0)
            .empty_request()
            .expect("requests never run out");
        request.trigger.arrival = self.now;
        request.trigger.input_status = InputStatus::Ready;
        self.logical.offer(0, request);
    }

    fn costs(&mut self, cost: Cost) {
        self.logical.machine_mut().0 = cost;
    }

    /// What was decided on the next triggers, 50 ms apart.
    fn decide(&mut self, triggers: usize) -> Vec<(DecisionSource, Reason, u8)> {
        self.logical.drain();
        self.now = self.now + 200 * MS;
        self.sink.recent.lock().unwrap().clear();
        for _ in 0..triggers {
            self.trigger(50 * MS);
        }
        self.logical.drain();
        self.now = self.now + 200 * MS;
        std::mem::take(&mut self.sink.recent.lock().unwrap())
    }
}

#[test]
fn a_million_cycles_keep_the_guarantee() {
    let mut machine = Dice(7);
    let mut world = World::new(
        2,
        Box::new(move |_| match machine.roll(1000) {
            0 => 45 * MS,
            1..20 => (3000 + machine.roll(15_000) as u32) * US,
            _ => (20 + machine.roll(2000) as u32) * US,
        }),
    );
    let mut gaps = Dice(11);
    let mut offered = 0u64;
    while world.logical.scheduler(0).counts().tally().accepted < 1_000_000 {
        let gap = match gaps.roll(20) {
            0 => gaps.roll(500) as u32,
            _ => 1000 + gaps.roll(40_000) as u32,
        };
        world.trigger(gap * US);
        offered += 1;
        // Nobody collects latencies here; the live node's control plane does.
    }
    world.logical.drain();
    world.logical.drain();
    let tally = world.logical.scheduler(0).counts().tally();
    assert_eq!(tally.received, offered);
    assert_eq!(
        tally.received,
        tally.accepted + tally.superseded + tally.refused
    );
    assert_eq!(tally.decisions, tally.accepted);
    assert_eq!(
        (tally.late, world.sink.out_of_time.load(Ordering::Relaxed)),
        (0, 0)
    );
    let last = world.sink.last_cycle.load(Ordering::Relaxed);
    assert_eq!(last, tally.decisions);
    let sum = world.sink.repeated.load(Ordering::Relaxed);
    assert_eq!(
        sum,
        last * (last + 1) / 2,
        "a cycle was answered twice, another not"
    );
    assert!(
        tally.of_source(DecisionSource::Model) > tally.decisions / 2,
        "{tally:?}"
    );
}

#[test]
fn a_machine_that_becomes_three_times_slower_costs_a_handful_of_fallbacks() {
    let mut world = World::new(1, Box::new(|_| 4 * MS));
    let calm = world.decide(300);
    assert!(
        calm.iter()
            .skip(100)
            .filter(|(.., exit)| *exit == 4)
            .count()
            > 190
    );
    world.costs(Box::new(|_| 12 * MS));
    let slow = world.decide(300);
    let faults = |reason: Reason| slow.iter().filter(|(_, r, _)| *r == reason).count();
    // Faults of the stub itself are not the machine's.
    assert!(
        faults(Reason::Deadline) <= 5,
        "{}",
        faults(Reason::Deadline)
    );
    let deep = slow.iter().filter(|(.., exit)| *exit > 1).count();
    assert_eq!(deep, 0, "the first exit is all that fits");
    // And when it is well again, so are the decisions.
    world.costs(Box::new(|_| 4 * MS));
    world.decide(400);
    let well = world.decide(100);
    let full = well.iter().filter(|(.., exit)| *exit == 4).count();
    assert!(full > 90, "{full} of 100 at full depth");
}
