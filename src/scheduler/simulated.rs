//! The scheduler, workers and watchdog in simulated time: what replays and property tests run.

mod lockstep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::lane::{Lane, LaneWatchdog, LaneWorker};
use super::state::SchedulerState;
use super::worker::Poll;
use crate::time::{Clock, Mono};
use lockstep::{Lockstep, Turn};

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
pub trait MachineModel {
    /// Cost of stage `stage` (0-based) on engine `slot`; `None`: it never comes back. Of a worker
    /// that looks at the clock within a part: what lies between one look and the next.
    fn stage_cost(&mut self, slot: usize, stage: usize) -> Option<Duration>;

    /// How much later than asked the watchdog runs.
    fn watchdog_delay(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// Runs everything a live node runs, one after the other and in simulated time, event by event. The
/// same events and costs give the same decisions, always.
pub struct SimulatedScheduler<M, L: Lane = SchedulerState> {
    clock: Arc<SimulatedClock>,
    schedulers: Vec<Arc<L>>,
    watchdogs: Vec<L::Watchdog>,
    watchdog_at: Option<Mono>,
    workers: Vec<SimulatedWorker<L::Worker>>,
    machine: M,
}

struct SimulatedWorker<W> {
    place: Place<W>,
    /// The part it runs or ran last.
    part: usize,
    state: WorkerState,
}

enum Place<W> {
    Here(W),
    Away(Lockstep<W>),
    /// On its way from one to the other.
    Between,
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

impl<M: MachineModel, L: Lane> SimulatedScheduler<M, L> {
    /// `clock` must be the schedulers'; there is one scheduler per robot.
    pub fn new(
        clock: Arc<SimulatedClock>,
        schedulers: Vec<Arc<L>>,
        workers: Vec<L::Worker>,
        machine: M,
    ) -> Self {
        SimulatedScheduler {
            watchdogs: schedulers.iter().map(L::watchdog).collect(),
            watchdog_at: None,
            clock,
            schedulers,
            workers: workers.into_iter().map(SimulatedWorker::idle).collect(),
            machine,
        }
    }

    /// The scheduler of robot number `robot`.
    pub fn scheduler(&self, robot: usize) -> &Arc<L> {
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
                    self.go_on(worker);
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
    pub fn offer(&mut self, robot: usize, request: L::Request) -> L::Offered {
        let offered = self.schedulers[robot].offer(request);
        self.start_work();
        // A live trigger wakes the watchdog too, so that it learns of the new due time.
        self.schedule_watchdog();
        offered
    }

    /// Another worker with another engine in the place of one that may never come back.
    pub fn replace(&mut self, slot: usize, worker: L::Worker) {
        self.workers[slot] = SimulatedWorker::idle(worker);
        self.start_work();
    }

    /// Puts an engine that was passed by to the test, as its thread would after a while; whether
    /// there was one to test.
    pub fn check_health(&mut self, slot: usize) -> bool {
        let Place::Here(worker) = &mut self.workers[slot].place else {
            return false;
        };
        let may = worker.may_recover();
        // What it says is for the log.
        let _ = may.then(|| worker.run_health_check());
        self.start_work();
        may
    }

    /// Lets everything that was accepted be answered.
    pub fn drain(&mut self) {
        let horizons = self.schedulers.iter().map(|scheduler| scheduler.horizon());
        let horizon = horizons.max().unwrap_or_default();
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
            let simulated = &mut self.workers[index];
            if matches!(
                simulated.state,
                WorkerState::Gone | WorkerState::Running { .. }
            ) {
                continue;
            }
            let Place::Here(worker) = &mut simulated.place else {
                continue;
            };
            let polled = worker.poll();
            simulated.state = match polled {
                Poll::Later(until) => WorkerState::Waiting { until },
                Poll::Idle | Poll::Stages => WorkerState::Idle,
            };
            if polled == Poll::Stages {
                self.begin(index);
                self.schedule_watchdog();
            }
        }
    }

    /// The worker has work: runs it, as far as that goes without time.
    fn begin(&mut self, index: usize) {
        let simulated = &mut self.workers[index];
        let Place::Here(mut worker) = std::mem::replace(&mut simulated.place, Place::Between)
        else {
            return;
        };
        let mut parts = worker.parts();
        simulated.part = parts.start;
        if L::Worker::LOOKS_UP {
            let (lockstep, turn) = Lockstep::begin(worker);
            self.take_turn(index, lockstep, turn);
            return;
        }
        worker.run(&mut || ());
        simulated.place = Place::Here(worker);
        let machine = &mut self.machine;
        let cost = parts.try_fold(Duration::ZERO, |cost, stage| {
            Some(cost + machine.stage_cost(index, stage)?)
        });
        self.takes(index, cost);
    }

    /// What a worker was at is over: up to its next look, or its part.
    fn go_on(&mut self, index: usize) {
        let simulated = &mut self.workers[index];
        match std::mem::replace(&mut simulated.place, Place::Between) {
            Place::Away(lockstep) => {
                let turn = lockstep.resume();
                self.take_turn(index, lockstep, turn);
            }
            Place::Here(mut worker) => {
                worker.settle();
                *simulated = SimulatedWorker::idle(worker);
            }
            Place::Between => {}
        }
    }

    fn take_turn(&mut self, index: usize, lockstep: Lockstep<L::Worker>, turn: Turn<L::Worker>) {
        let part = self.workers[index].part;
        let (place, cost) = match turn {
            Turn::Looked => (Place::Away(lockstep), self.machine.stage_cost(index, part)),
            Turn::Over(worker) => (Place::Here(worker), Some(Duration::ZERO)),
        };
        self.workers[index].place = place;
        self.takes(index, cost);
    }

    fn takes(&mut self, index: usize, cost: Option<Duration>) {
        self.workers[index].state = match cost {
            Some(cost) => WorkerState::Running {
                until: self.clock.now() + cost,
            },
            None => WorkerState::Gone,
        };
    }

    fn run_watchdog(&mut self) {
        if let Some(due) = self
            .watchdogs
            .iter_mut()
            .filter_map(L::Watchdog::step)
            .min()
        {
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

impl<W> SimulatedWorker<W> {
    fn idle(worker: W) -> SimulatedWorker<W> {
        SimulatedWorker {
            place: Place::Here(worker),
            part: 0,
            state: WorkerState::Idle,
        }
    }
}
