//! Failover: how an engine's place, and the cycle it works on, pass to another engine.
//!
//! A cycle's claim stays at the engine slot that opened it, so that it is answered once whoever
//! works on it; that engine slot opens no other cycle before. A cycle changes hands once at most.

use super::SchedulerState;
use crate::scheduler::handoff::Handoff;
use crate::scheduler::request::Request;
use crate::time::Mono;

impl SchedulerState {
    /// Leaves a copy of what `slot` works on, where a stall would show before it is due and
    /// another engine could take it over; whether it did.
    pub(in crate::scheduler) fn keep_copy(
        &self,
        cycle: u64,
        slot: usize,
        request: &Request,
    ) -> bool {
        if self.slots.len() == 1 || request.cycle_config.fault_time >= request.cycle_config.deadline
        {
            return false;
        }
        let Some(mut copy) = self.spare.pop() else {
            return false;
        };
        copy.copy_from(request);
        let copy = Handoff {
            cycle,
            claim: slot,
            request: copy,
        };
        if let Some(older) = self.slots[slot].copy.force_push(copy) {
            self.put_back(older.request);
        }
        true
    }

    /// The copy of what `slot` works on in `cycle`; none where there never was one, or another
    /// thread has taken it.
    pub(in crate::scheduler) fn take_copy(&self, cycle: u64, slot: usize) -> Option<Handoff> {
        let copy = self.slots[slot].copy.pop()?;
        if copy.cycle == cycle {
            return Some(copy);
        }
        self.put_back(copy.request);
        None
    }

    /// Gives a cycle to the active engine. Its claim stays where it is.
    pub(in crate::scheduler) fn hand_over(&self, handoff: Handoff) {
        let active = self.active_engine();
        self.tell_watchdog(handoff.cycle, handoff.claim, active, &handoff.request);
        // One per engine, and each fails once before another takes its place.
        if let Err(handoff) = self.handoff.push(handoff) {
            self.put_back(handoff.request);
        }
    }

    /// A cycle that was handed over to `slot`, unless it was answered meanwhile.
    pub(in crate::scheduler) fn take_handoff(&self, slot: usize) -> Option<Handoff> {
        loop {
            let handoff = self.handoff.pop()?;
            if self.slots[handoff.claim].is_open(handoff.cycle) {
                self.slots[slot].clear(handoff.cycle);
                self.tell_watchdog(handoff.cycle, handoff.claim, slot, &handoff.request);
                return Some(handoff);
            }
            self.put_back(handoff.request);
        }
    }

    /// Hands the triggers to the next engine that is not stalled; stays when there is none. Whether
    /// another engine than `from` takes them now.
    pub(in crate::scheduler) fn fail_over(&self, from: usize, now: Mono) -> bool {
        if self.engines.fail_over(from, now) {
            self.carried.counts.failed_over();
        }
        self.active_engine() != from
    }

    /// An engine that was passed by is sound again: it gets the triggers back from one that is
    /// less preferred.
    pub(in crate::scheduler) fn reinstate(&self, slot: usize) {
        if self.engines.reinstate(slot) {
            self.carried.counts.failed_over();
        }
    }

    pub(in crate::scheduler) fn is_stalled(&self, slot: usize, now: Mono) -> bool {
        self.engines.is_stalled(slot, now)
    }
}
