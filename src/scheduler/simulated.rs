//! The scheduler, workers and watchdog in simulated time: what replays and property tests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::Request;
use super::state::SchedulerState;
use super::watchdog::Watchdog;
use super::worker::{InferenceWorker, Poll};
use crate::time::{Clock, Mono};

/// A clock that moves only when it is set.
#[derive(Debug, Default)]
pub struct SimulatedClock(AtomicU64);

impl SimulatedClock {
    fn set(&self, now: Mono) {
        self.0.fetch_max(now.0, Ordering::AcqRel);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Mono {
        Mono(self.0.load(Ordering::Acquire))
    }
}

/// What the machine does to us: how long stages take and when the watchdog gets to run.
///
/// On a machine where every stage takes 8 ms, two of four exits fit a deadline of 20 ms:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// use edge_reasoner::configure::Configuration;
/// use edge_reasoner::params::{Value, Values};
/// use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
/// use edge_reasoner::scheduler::{InputStatus, OutgoingDecision, Publish};
/// use edge_reasoner::time::Mono;
///
/// const STAGE: Duration = Duration::from_millis(8);
///
/// struct SlowMachine;
///
/// impl MachineModel for SlowMachine {
///     fn stage_cost(&mut self, _slot: usize, _stage: usize) -> Option<Duration> {
///         Some(STAGE)
///     }
/// }
///
/// #[derive(Default)]
/// struct Exits(Mutex<Vec<u8>>);
///
/// impl Publish for Exits {
///     fn publish(&self, outgoing: OutgoingDecision) {
///         outgoing.send(|decision| self.0.lock().unwrap().push(decision.exit));
///     }
/// }
///
/// let text = |text: &str| Value::String(text.into());
/// let values = Values::from([
///     ("model".into(), text("models/clearance")),
///     ("policy".into(), text("best")),
/// ]);
/// let configuration = Configuration::read(&values)?;
/// let (clock, exits) = (Arc::new(SimulatedClock::default()), Arc::new(Exits::default()));
/// let scheduler = configuration.scheduler(clock.clone(), exits.clone());
/// let known = configuration.recorded_costs()?;
/// let known: Vec<_> = known.iter().map(|stages| vec![STAGE; stages.len()]).collect();
/// let workers = configuration.workers_at(&scheduler, &known)?;
/// let mut simulated = SimulatedScheduler::new(clock, vec![scheduler], workers, SlowMachine);
///
/// let arrival = Mono(1_000_000_000);
/// simulated.advance_to(arrival);
/// let mut request = simulated.scheduler(0).empty_request().ok_or("too many requests")?;
/// request.trigger.arrival = arrival;
/// request.trigger.input_status = InputStatus::Ready;
/// simulated.offer(0, request);
/// simulated.advance_to(arrival + Duration::from_millis(20));
/// assert_eq!(*exits.0.lock().unwrap(), [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait MachineModel {
    /// Cost of stage `stage` (0-based) on engine `slot`; `None`: it never comes back.
    fn stage_cost(&mut self, slot: usize, stage: usize) -> Option<Duration>;

    /// How much later than asked the watchdog runs.
    fn watchdog_delay(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// Runs everything a live node runs, on one thread and in simulated time, event by event. The same
/// events and costs give the same decisions, always.
pub struct SimulatedScheduler<M> {
    clock: Arc<SimulatedClock>,
    schedulers: Vec<Arc<SchedulerState>>,
    watchdogs: Vec<Watchdog>,
    watchdog_at: Option<Mono>,
    workers: Vec<SimulatedWorker>,
    machine: M,
}

struct SimulatedWorker {
    worker: InferenceWorker,
    state: WorkerState,
}

#[derive(Clone, Copy, PartialEq)]
enum WorkerState {
    Idle,
    /// For triggers of other robots.
    Waiting {
        until: Mono,
    },
    Running {
        until: Mono,
    },
    Gone,
}

enum Event {
    StageOver(usize),
    WaitOver(usize),
    WatchdogDue,
}

/// The least time between two runs of the watchdog, as a machine would take some to wake it. A
/// watchdog that asks to run at a time that has passed would otherwise hold time still for ever.
const LEAST_SLEEP: Duration = Duration::from_micros(50);

impl<M: MachineModel> SimulatedScheduler<M> {
    /// `clock` must be the schedulers'; there is one scheduler per robot.
    pub fn new(
        clock: Arc<SimulatedClock>,
        schedulers: Vec<Arc<SchedulerState>>,
        workers: Vec<InferenceWorker>,
        machine: M,
    ) -> Self {
        let workers = workers
            .into_iter()
            .map(|worker| SimulatedWorker {
                worker,
                state: WorkerState::Idle,
            })
            .collect();
        SimulatedScheduler {
            watchdogs: schedulers
                .iter()
                .map(|scheduler| Watchdog::new(Arc::clone(scheduler)))
                .collect(),
            watchdog_at: None,
            clock,
            schedulers,
            workers,
            machine,
        }
    }

    /// The scheduler of robot number `robot`.
    pub fn scheduler(&self, robot: usize) -> &SchedulerState {
        &self.schedulers[robot]
    }

    /// What the machine did.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, to change what it does.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Lets everything happen that happens up to and at `until`.
    pub fn advance_to(&mut self, until: Mono) {
        while let Some((at, event)) = self.next_event().filter(|(at, _)| *at <= until) {
            self.clock.set(at);
            match event {
                Event::StageOver(worker) => {
                    self.workers[worker].state = WorkerState::Idle;
                    self.workers[worker].worker.settle();
                    self.start_work();
                }
                Event::WaitOver(worker) => {
                    self.workers[worker].state = WorkerState::Idle;
                    self.start_work();
                }
                Event::WatchdogDue => {
                    self.watchdog_at = None;
                    self.run_watchdog();
                    self.start_work();
                }
            }
        }
        self.clock.set(until);
    }

    /// A trigger of robot number `robot` arrives now. `request` was filled by the caller.
    pub fn offer(&mut self, robot: usize, request: Box<Request>) {
        self.schedulers[robot].offer(request);
        self.start_work();
        // A live trigger wakes the watchdog too, so that it learns of the new due time.
        self.schedule_watchdog();
    }

    /// Lets everything that was accepted be answered.
    pub fn drain(&mut self) {
        let horizon = |scheduler: &Arc<SchedulerState>| {
            let cycle_config = scheduler.cycle_config();
            cycle_config.deadline * 2 + cycle_config.fault_time
        };
        let horizon = self
            .schedulers
            .iter()
            .map(horizon)
            .max()
            .unwrap_or_default();
        self.advance_to(self.clock.now() + horizon);
    }

    fn next_event(&self) -> Option<(Mono, Event)> {
        let stages = self
            .workers
            .iter()
            .enumerate()
            .filter_map(|(index, worker)| match worker.state {
                WorkerState::Running { until } => Some((until, Event::StageOver(index))),
                WorkerState::Waiting { until } => Some((until, Event::WaitOver(index))),
                WorkerState::Idle | WorkerState::Gone => None,
            });
        let watchdog = self.watchdog_at.map(|at| (at, Event::WatchdogDue));
        stages.chain(watchdog).min_by_key(|(at, _)| *at)
    }

    fn start_work(&mut self) {
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            if matches!(
                worker.state,
                WorkerState::Gone | WorkerState::Running { .. }
            ) {
                continue;
            }
            let polled = worker.worker.poll();
            worker.state = match polled {
                Poll::Later(until) => WorkerState::Waiting { until },
                Poll::Idle | Poll::Stages => WorkerState::Idle,
            };
            if polled == Poll::Stages {
                let mut stages = worker.worker.stages();
                worker.worker.run_stages();
                let machine = &mut self.machine;
                let cost = stages.try_fold(Duration::ZERO, |cost, stage| {
                    Some(cost + machine.stage_cost(index, stage)?)
                });
                worker.state = match cost {
                    Some(cost) => WorkerState::Running {
                        until: self.clock.now() + cost,
                    },
                    None => WorkerState::Gone,
                };
                self.schedule_watchdog();
            }
        }
    }

    fn run_watchdog(&mut self) {
        if let Some(due) = self.watchdogs.iter_mut().filter_map(Watchdog::step).min() {
            let (now, delay) = (self.clock.now(), self.machine.watchdog_delay());
            let at = if due > now { due } else { now + LEAST_SLEEP };
            self.watchdog_at = Some(at + delay);
        }
    }

    fn schedule_watchdog(&mut self) {
        let now = self.clock.now();
        if self.watchdog_at.is_none_or(|at| at > now) {
            self.run_watchdog();
        }
    }
}
