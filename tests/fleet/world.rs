//! Robots that share engines on a machine of scripted costs, and what each of them was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use edge_reasoner::scheduler::{
    BatchCosts, CostModel, CycleConfig, Decision, Engine, EngineFault, InferenceWorker,
    InputStatus, OutgoingDecision, Policy, Publish, SchedulerState,
};
use edge_reasoner::time::{Clock, Mono};

pub const LABELS: usize = 8;
pub const EXITS: usize = 4;
pub const WINDOW: usize = 2;
pub const SAFE: u8 = 7;
pub const US: Duration = Duration::from_micros(1);
pub const MS: Duration = Duration::from_millis(1);
pub const DEADLINE: Duration = Duration::from_millis(20);
pub const MARGIN: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Answer,
    Fail,
    Panic,
    NotANumber,
}

/// Answers every window with the label that stands in it.
pub struct Parrot {
    pub capacity: usize,
    pub script: Vec<Act>,
    pub windows: Vec<f32>,
    /// Windows per call of `begin`.
    pub begun: Arc<Mutex<Vec<usize>>>,
}

impl Engine for Parrot {
    fn name(&self) -> &str {
        "parrot"
    }
    fn exits(&self) -> usize {
        EXITS
    }
    fn labels(&self) -> usize {
        LABELS
    }
    fn capacity(&self) -> usize {
        self.capacity
    }
    fn begin(&mut self, windows: &[f32]) -> Result<(), EngineFault> {
        assert!(windows.len() / WINDOW <= self.capacity && windows.len().is_multiple_of(WINDOW));
        self.windows = windows.to_vec();
        self.begun.lock().unwrap().push(windows.len() / WINDOW);
        Ok(())
    }
    fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
        let act = self.script.pop().unwrap_or(Act::Answer);
        assert_eq!(out.len() / LABELS, self.windows.len() / WINDOW);
        for (row, window) in out.chunks_mut(LABELS).zip(self.windows.chunks(WINDOW)) {
            row.fill(0.4 / (LABELS as f32 - 1.0));
            row[window[0] as usize] = 0.6;
        }
        match act {
            Act::Answer => Ok(()),
            Act::Fail => Err(EngineFault("scripted".into())),
            Act::Panic => panic!("scripted panic"),
            Act::NotANumber => {
                out[LABELS - 1] = f32::NAN;
                Ok(())
            }
        }
    }
}

pub struct Sink {
    pub clock: Arc<dyn Clock>,
    pub decisions: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| {
            let now = self.clock.now();
            self.decisions.lock().unwrap().push((now, decision.clone()));
        });
    }
}

/// Costs from a list; none: the engine never comes back.
pub struct Costs(pub Vec<Option<Duration>>, pub Duration);

impl MachineModel for Costs {
    fn stage_cost(&mut self, _: usize, _: usize) -> Option<Duration> {
        self.0.pop().unwrap_or(Some(self.1))
    }
}

pub struct Fleet {
    pub logical: SimulatedScheduler<Costs>,
    pub sinks: Vec<Arc<Sink>>,
    pub begun: Arc<Mutex<Vec<usize>>>,
}

pub struct Wish {
    pub robots: usize,
    pub policy: Policy,
    pub slack: Duration,
    pub scripts: Vec<Vec<Act>>,
    pub costs: Costs,
    pub capacity: usize,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            robots: 3,
            policy: Policy::Fastest,
            slack: Duration::ZERO,
            scripts: vec![vec![]],
            costs: Costs(vec![], 100 * US),
            capacity: 8,
        }
    }
}

pub fn schedulers(
    clock: &Arc<dyn Clock>,
    wish: &Wish,
) -> (Vec<Arc<SchedulerState>>, Vec<Arc<Sink>>) {
    let cycle_config = CycleConfig {
        deadline: DEADLINE,
        publish_margin: MARGIN,
        fault_time: 5 * MS,
        hold: Duration::ZERO,
        batch_slack: wish.slack,
        reuse: None,
        policy: wish.policy,
        min_confidence: 0.3,
        free_way_quantile: 0.1,
        thresholds: vec![0.5; EXITS],
        safe_label: SAFE,
        exits: EXITS as u8,
    };
    let made = (0..wish.robots).map(|_| {
        let sink = Arc::new(Sink {
            clock: Arc::clone(clock),
            decisions: Mutex::default(),
        });
        let publish = Arc::clone(&sink) as Arc<dyn Publish>;
        let (clock, engines) = (Arc::clone(clock), wish.scripts.len());
        let scheduler = SchedulerState::new(
            clock,
            cycle_config.clone(),
            LABELS,
            WINDOW,
            engines,
            publish,
        );
        (Arc::new(scheduler), sink)
    });
    made.unzip()
}

/// Twice as many at once take a tenth longer.
pub fn known(typical: Duration, power: u32) -> CostModel {
    let mut costs = CostModel::new(EXITS);
    (0..EXITS).for_each(|stage| costs.record(stage, typical + typical / 10 * power));
    costs
}

impl Fleet {
    pub fn new(wish: Wish) -> Fleet {
        let clock = Arc::new(SimulatedClock::default());
        let (schedulers, sinks) = schedulers(&(Arc::clone(&clock) as Arc<dyn Clock>), &wish);
        let begun = Arc::new(Mutex::default());
        let typical = wish.costs.1;
        let sizes = wish.capacity.trailing_zeros();
        let workers = wish.scripts.into_iter().enumerate();
        let workers = workers.map(|(slot, script)| {
            let engine = Parrot {
                capacity: wish.capacity,
                script,
                windows: Vec::new(),
                begun: Arc::clone(&begun),
            };
            let several = (1..=sizes).map(|power| known(typical, power));
            let batches = BatchCosts::new(known(typical, 0), several);
            InferenceWorker::of_several(&schedulers, slot, Box::new(engine), batches)
        });
        let workers = workers.collect();
        Fleet {
            logical: SimulatedScheduler::new(clock, schedulers, workers, wish.costs),
            sinks,
            begun,
        }
    }

    pub fn arrive(&mut self, at: Mono, robot: usize, input_status: InputStatus) {
        self.logical.advance_to(at);
        let mut request = self
            .logical
            .scheduler(robot)
            .empty_request()
            .expect("a request");
        request.trigger.arrival = at;
        request.trigger.input_status = input_status;
        request.window[0] = label_of(at, robot) as f32;
        self.logical.offer(robot, request);
    }

    pub fn decisions(&self, robot: usize) -> Vec<(Mono, Decision)> {
        self.sinks[robot].decisions.lock().unwrap().clone()
    }

    /// Windows per batch, in their order.
    pub fn begun(&self) -> Vec<usize> {
        self.begun.lock().unwrap().clone()
    }
}

/// What stands in the window of a trigger; never the safe label.
pub fn label_of(at: Mono, robot: usize) -> u8 {
    ((at.0 / 1000 + robot as u64 * 3) % u64::from(SAFE)) as u8
}

pub fn at(ms: f64) -> Mono {
    Mono(1_000_000_000 + (ms * 1e6) as u64)
}
