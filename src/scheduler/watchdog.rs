//! The deadline watchdog: answers every cycle that no worker has answered when it is due.

use std::sync::Arc;

use super::decision::{InputStatus, Reason};
use super::state::{OpenCycle, SchedulerState};
use crate::time::Mono;

/// Most open cycles: one per engine, and one pending.
const MOST_OPEN: usize = 16;

/// The deadline timer's logic; it owns no thread and no clock of its own, so that it runs under a
/// fake one as well. Run [`Watchdog::step`] whenever a trigger was offered and at the time the last
/// step returned.
pub struct Watchdog {
    scheduler: Arc<SchedulerState>,
    open: Vec<OpenCycle>,
}

impl Watchdog {
    /// A watchdog for this scheduler; a scheduler has one.
    pub fn new(scheduler: Arc<SchedulerState>) -> Self {
        Watchdog {
            scheduler,
            open: Vec::with_capacity(MOST_OPEN + 64),
        }
    }

    /// Answers everything that is due, hands over from an engine that stalls, and returns when it
    /// must run again; `None` when there is nothing to wait for.
    pub fn step(&mut self) -> Option<Mono> {
        let now = self.scheduler.clock.now();
        while let Some(opened) = self.scheduler.opened.pop() {
            // Said again where it was handed over.
            match self.open.iter_mut().find(|o| o.cycle == opened.cycle) {
                Some(known) => *known = opened,
                None => self.open.push(opened),
            }
        }
        self.answer_open(now);
        self.fail_over_stalled(now);
        self.answer_pending(now);
        self.next_due(now)
    }

    fn answer_open(&mut self, now: Mono) {
        let scheduler = &self.scheduler;
        self.open.retain(|opened| {
            let claim = &scheduler.slots[opened.claim];
            if !claim.is_open(opened.cycle) {
                return false;
            }
            if now < opened.due() {
                return true;
            }
            if claim.claim(opened.cycle) {
                answer_due(scheduler, opened, now);
            }
            false
        });
    }

    /// The next engine gets the triggers, and the cycle that the stalled one works on. A cycle
    /// is handed over once; where the second engine stalls as well it is answered at once.
    fn fail_over_stalled(&self, now: Mono) {
        let scheduler = &self.scheduler;
        let active = scheduler.active_engine();
        if !scheduler.is_stalled(active, now) || !scheduler.fail_over(active, now) {
            return;
        }
        for opened in self.open.iter().filter(|opened| opened.slot == active) {
            if opened.was_handed_over() {
                if scheduler.slots[opened.claim].claim(opened.cycle) {
                    let cycle_config = (&opened.trigger, &*opened.cycle_config);
                    let reason = Reason::BackendFault;
                    scheduler.answer_without_exit(opened.cycle, cycle_config, Some(active), reason);
                }
            } else if let Some(copy) = scheduler.take_copy(opened.cycle, active) {
                scheduler.hand_over(copy);
            }
        }
    }

    /// Answers a trigger that no worker has taken by the time it is due.
    fn answer_pending(&self, now: Mono) {
        let Some((request, cycle)) = self.scheduler.take_due(now) else {
            return;
        };
        let active = self.scheduler.active_engine();
        let reason = match request.trigger.input_status {
            InputStatus::Unusable(reason) => reason,
            InputStatus::Ready if self.scheduler.is_stalled(active, now) => Reason::BackendFault,
            InputStatus::Ready => Reason::Deadline,
        };
        self.scheduler.answer_without_exit(
            cycle,
            (&request.trigger, &request.cycle_config),
            None,
            reason,
        );
        self.scheduler.put_back(request);
    }

    fn next_due(&self, now: Mono) -> Option<Mono> {
        let scheduler = &self.scheduler;
        let cycles = self.open.iter().map(OpenCycle::due);
        let stall = scheduler.engines.stalls_at(scheduler.active_engine());
        // A stall without another engine to take over is handled once.
        let stall = stall.filter(|stall| *stall > now);
        cycles.chain(scheduler.pending_due()).chain(stall).min()
    }
}

/// By the deepest exit there is; of a cycle that was handed over, by one of the first engine only
/// where that stalled, not where it failed. The caller has won the cycle's claim.
fn answer_due(scheduler: &SchedulerState, opened: &OpenCycle, now: Mono) {
    let cycle_config = (&opened.trigger, &*opened.cycle_config);
    let handoff = opened.was_handed_over();
    let exit_of = |slot: usize| {
        let exit = scheduler.slots[slot].deepest_exit(opened.cycle, scheduler.labels);
        exit.map(|(exit, probabilities)| (slot, exit, probabilities))
    };
    let first =
        || exit_of(opened.claim).filter(|_| handoff && scheduler.is_stalled(opened.claim, now));
    match exit_of(opened.slot).or_else(first) {
        Some((slot, exit, probabilities)) => {
            scheduler.answer_by_exit(opened.cycle, cycle_config, slot, exit, probabilities);
        }
        None => {
            let reason = match handoff || scheduler.is_stalled(opened.slot, now) {
                true => Reason::BackendFault,
                false => Reason::Deadline,
            };
            scheduler.answer_without_exit(opened.cycle, cycle_config, Some(opened.slot), reason);
        }
    }
}
