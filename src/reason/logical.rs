//! The same desk, reasoners and guard under logical time: what replays and property tests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::desk::Desk;
use super::guard::Guard;
use super::reasoner::{Poll, Reasoner};
use super::request::Request;
use crate::time::{Clock, Mono};

/// A clock that moves only when it is told to.
#[derive(Debug, Default)]
pub struct LogicalClock(AtomicU64);

impl LogicalClock {
    fn set(&self, now: Mono) {
        self.0.fetch_max(now.0, Ordering::AcqRel);
    }
}

impl Clock for LogicalClock {
    fn now(&self) -> Mono {
        Mono(self.0.load(Ordering::Acquire))
    }
}

/// What the machine does to us: how long stages take and when the guard gets to run.
pub trait Machine {
    /// Cost of stage `stage` (0-based) on engine `station`; `None`: it never comes back.
    fn stage_cost(&mut self, station: usize, stage: usize) -> Option<Duration>;

    /// How much later than asked the guard runs.
    fn guard_delay(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// Runs everything a live node runs, on one thread and in logical time, event by event. The same
/// events and costs give the same decisions, always.
pub struct Logical<M> {
    clock: Arc<LogicalClock>,
    desks: Vec<Arc<Desk>>,
    guards: Vec<Guard>,
    guard_at: Option<Mono>,
    seats: Vec<Seat>,
    machine: M,
}

struct Seat {
    reasoner: Reasoner,
    state: SeatState,
}

#[derive(Clone, Copy, PartialEq)]
enum SeatState {
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
    Guard,
}

/// The least time between two runs of the guard, as a machine would take some to wake it. A guard
/// that asks to run at a time that has passed would otherwise hold time still for ever.
const LEAST_SLEEP: Duration = Duration::from_micros(50);

impl<M: Machine> Logical<M> {
    /// `clock` must be the desks'; there is one desk per robot.
    pub fn new(
        clock: Arc<LogicalClock>,
        desks: Vec<Arc<Desk>>,
        reasoners: Vec<Reasoner>,
        machine: M,
    ) -> Self {
        let seats = reasoners
            .into_iter()
            .map(|reasoner| Seat {
                reasoner,
                state: SeatState::Idle,
            })
            .collect();
        Logical {
            guards: desks
                .iter()
                .map(|desk| Guard::new(Arc::clone(desk)))
                .collect(),
            guard_at: None,
            clock,
            desks,
            seats,
            machine,
        }
    }

    /// The desk of robot number `robot`.
    pub fn desk(&self, robot: usize) -> &Desk {
        &self.desks[robot]
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
                Event::StageOver(seat) => {
                    self.seats[seat].state = SeatState::Idle;
                    self.seats[seat].reasoner.settle();
                    self.start_work();
                }
                Event::WaitOver(seat) => {
                    self.seats[seat].state = SeatState::Idle;
                    self.start_work();
                }
                Event::Guard => {
                    self.guard_at = None;
                    self.run_guard();
                    self.start_work();
                }
            }
        }
        self.clock.set(until);
    }

    /// A trigger of robot number `robot` arrives now. `request` was filled by the caller.
    pub fn offer(&mut self, robot: usize, request: Box<Request>) {
        self.desks[robot].offer(request);
        self.start_work();
        // A live trigger wakes the guard too, so that it learns of the new due time.
        self.schedule_guard();
    }

    /// Lets everything that was accepted be answered.
    pub fn drain(&mut self) {
        let horizon = |desk: &Arc<Desk>| {
            let terms = desk.terms();
            terms.deadline * 2 + terms.fault_time
        };
        let horizon = self.desks.iter().map(horizon).max().unwrap_or_default();
        self.advance_to(self.clock.now() + horizon);
    }

    fn next_event(&self) -> Option<(Mono, Event)> {
        let stages = self
            .seats
            .iter()
            .enumerate()
            .filter_map(|(index, seat)| match seat.state {
                SeatState::Running { until } => Some((until, Event::StageOver(index))),
                SeatState::Waiting { until } => Some((until, Event::WaitOver(index))),
                SeatState::Idle | SeatState::Gone => None,
            });
        let guard = self.guard_at.map(|at| (at, Event::Guard));
        stages.chain(guard).min_by_key(|(at, _)| *at)
    }

    fn start_work(&mut self) {
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            if matches!(seat.state, SeatState::Gone | SeatState::Running { .. }) {
                continue;
            }
            let polled = seat.reasoner.poll();
            seat.state = match polled {
                Poll::Later(until) => SeatState::Waiting { until },
                Poll::Idle | Poll::Stages => SeatState::Idle,
            };
            if polled == Poll::Stages {
                let mut stages = seat.reasoner.stages();
                seat.reasoner.run_stages();
                let machine = &mut self.machine;
                let cost = stages.try_fold(Duration::ZERO, |cost, stage| {
                    Some(cost + machine.stage_cost(index, stage)?)
                });
                seat.state = match cost {
                    Some(cost) => SeatState::Running {
                        until: self.clock.now() + cost,
                    },
                    None => SeatState::Gone,
                };
                self.schedule_guard();
            }
        }
    }

    fn run_guard(&mut self) {
        if let Some(due) = self.guards.iter_mut().filter_map(Guard::step).min() {
            let (now, delay) = (self.clock.now(), self.machine.guard_delay());
            let at = if due > now { due } else { now + LEAST_SLEEP };
            self.guard_at = Some(at + delay);
        }
    }

    fn schedule_guard(&mut self) {
        let now = self.clock.now();
        if self.guard_at.is_none_or(|at| at > now) {
            self.run_guard();
        }
    }
}
