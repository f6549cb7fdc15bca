//! Machines that run scripts of costs and faults, one scheduler before them, and what was
//! published.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use edge_reasoner::scheduler::{
    CostModel, CycleConfig, Decision, EngineFault, InferenceWorker, InputStatus, OutgoingDecision,
    Policy, Publish, SchedulerState, Trigger,
};
use edge_reasoner::time::{Clock, Mono, Stamp};

use crate::support::{Advance, Stub};

pub const LABELS: usize = 3;
pub const EXITS: usize = 4;
pub const US: Duration = Duration::from_micros(1);
pub const DEADLINE: Duration = Duration::from_millis(20);
pub const MARGIN: Duration = Duration::from_millis(2);
pub const FAULT_TIME: Duration = Duration::from_millis(50);

/// What an engine does in one of its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Answer { confidence: f32 },
    Fail,
    Panic,
    NotANumber,
}

pub fn scripted(mut script: Vec<Act>) -> Stub {
    // The first act is the last in the list.
    script.reverse();
    let advance: Advance =
        Box::new(
            move |out| match script.pop().unwrap_or(Act::Answer { confidence: 0.6 }) {
                Act::Answer { confidence } => {
                    out.fill((1.0 - confidence) / (LABELS as f32 - 1.0));
                    out[0] = confidence;
                    Ok(())
                }
                Act::Fail => Err(EngineFault("scripted".into())),
                Act::Panic => panic!("scripted panic"),
                Act::NotANumber => {
                    out.fill(f32::NAN);
                    Ok(())
                }
            },
        );
    Stub {
        exits: EXITS,
        labels: LABELS,
        advance,
    }
}

#[derive(Clone, Debug)]
pub struct Stage {
    pub at: Mono,
    pub slot: usize,
    pub stage: usize,
    pub cost: Duration,
}

/// Hands out costs from a list and remembers when each stage was begun.
pub struct Costs {
    pub clock: Arc<SimulatedClock>,
    pub costs: Vec<Option<Duration>>,
    pub watchdog_delays: Vec<Duration>,
    pub begun: Vec<Stage>,
}

impl MachineModel for Costs {
    fn stage_cost(&mut self, slot: usize, stage: usize) -> Option<Duration> {
        let cost = self.costs.pop().unwrap_or(Some(100 * US));
        self.begun.push(Stage {
            at: self.clock.now(),
            slot,
            stage,
            cost: cost.unwrap_or(Duration::MAX),
        });
        cost
    }
    fn watchdog_delay(&mut self) -> Duration {
        self.watchdog_delays.pop().unwrap_or_default()
    }
}

#[derive(Default)]
pub struct Sink {
    pub clock: Option<Arc<SimulatedClock>>,
    pub decisions: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| {
            let now = self.clock.as_ref().unwrap().now();
            self.decisions.lock().unwrap().push((now, decision.clone()));
        });
    }
}

pub struct World {
    pub logical: SimulatedScheduler<Costs>,
    pub sink: Arc<Sink>,
    pub offered: u64,
}

impl World {
    pub fn new(policy: Policy, acts: Vec<Vec<Act>>, mut costs: Vec<Option<Duration>>) -> World {
        let clock = Arc::new(SimulatedClock::default());
        let sink = Arc::new(Sink {
            clock: Some(clock.clone()),
            ..Sink::default()
        });
        let cycle_config = CycleConfig {
            deadline: DEADLINE,
            publish_margin: MARGIN,
            fault_time: FAULT_TIME,
            hold: Duration::from_millis(150),
            batch_slack: Duration::ZERO,
            reuse: None,
            policy,
            min_confidence: 0.4,
            free_way_quantile: 0.1,
            thresholds: vec![0.8; EXITS],
            safe_label: 2,
            exits: EXITS as u8,
        };
        let scheduler = Arc::new(SchedulerState::new(
            clock.clone(),
            cycle_config,
            LABELS,
            4,
            acts.len(),
            sink.clone(),
        ));
        let workers = acts
            .into_iter()
            .enumerate()
            .map(|(slot, script)| {
                let mut known = CostModel::new(EXITS);
                for stage in 0..EXITS {
                    known.record(stage, 100 * US);
                }
                InferenceWorker::new(scheduler.clone(), slot, Box::new(scripted(script)), known)
            })
            .collect();
        costs.reverse();
        let machine = Costs {
            clock: clock.clone(),
            costs,
            watchdog_delays: Vec::new(),
            begun: Vec::new(),
        };
        World {
            logical: SimulatedScheduler::new(clock, vec![scheduler], workers, machine),
            sink,
            offered: 0,
        }
    }

    pub fn arrive(&mut self, at: Mono, input_status: InputStatus) {
        self.logical.advance_to(at);
        let mut request = self
            .logical
            .scheduler(0)
            .empty_request()
            .expect("requests never run out");
        request.trigger = Trigger {
            arrival: at,
            arrival_ros: Stamp(at.0 as i64),
            stamp: Stamp(at.0 as i64),
            frame: "laser".into(),
            mount: Default::default(),
            input_age: Duration::ZERO,
            input_status,
        };
        self.logical.offer(0, request);
        self.offered += 1;
    }

    /// From the next trigger on.
    pub fn set_fault_time(&mut self, fault_time: Duration) {
        let scheduler = self.logical.scheduler(0);
        let cycle_config = (*scheduler.cycle_config()).clone();
        scheduler.set_cycle_config(CycleConfig {
            fault_time,
            ..cycle_config
        });
    }

    pub fn decisions(&self) -> Vec<(Mono, Decision)> {
        self.sink.decisions.lock().unwrap().clone()
    }
}

pub fn at(ms: f64) -> Mono {
    Mono(1_000_000_000 + (ms * 1e6) as u64)
}
