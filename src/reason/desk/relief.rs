//! How an engine's place, and the cycle it has in hand, pass to another one.
//!
//! A cycle's claim stays at the station that opened it, so that it is answered once whoever works on
//! it; that station opens no other cycle before. A cycle changes hands once at most.

use std::sync::atomic::Ordering;

use super::Desk;
use crate::reason::request::Request;
use crate::time::Mono;

/// A request on its way from an engine that failed or stalled to the next one, within its cycle.
#[derive(Debug)]
pub(in crate::reason) struct Handed {
    /// The cycle.
    pub cycle: u64,
    /// The station whose claim decides who answers: that of the engine that had it first.
    pub claim: usize,
    /// The trigger and its window.
    pub request: Box<Request>,
}

impl Desk {
    /// Leaves a copy of what `station` works on, where a stall would show before it is due and
    /// another engine could take it over; whether it did.
    pub(in crate::reason) fn keep_copy(
        &self,
        cycle: u64,
        station: usize,
        request: &Request,
    ) -> bool {
        if self.stations.len() == 1 || request.terms.fault_time >= request.terms.deadline {
            return false;
        }
        let Some(mut copy) = self.spare.pop() else {
            return false;
        };
        copy.copy_from(request);
        let copy = Handed {
            cycle,
            claim: station,
            request: copy,
        };
        if let Some(older) = self.stations[station].copy.force_push(copy) {
            self.put_back(older.request);
        }
        true
    }

    /// The copy of what `station` works on in `cycle`; none where there never was one, or somebody
    /// has taken it.
    pub(in crate::reason) fn take_copy(&self, cycle: u64, station: usize) -> Option<Handed> {
        let copy = self.stations[station].copy.pop()?;
        if copy.cycle == cycle {
            return Some(copy);
        }
        self.put_back(copy.request);
        None
    }

    /// Gives a cycle to the active engine. Its claim stays where it is.
    pub(in crate::reason) fn hand_over(&self, handed: Handed) {
        let active = self.active_engine();
        self.tell_guard(handed.cycle, handed.claim, active, &handed.request);
        // One per engine, and each fails once before another takes its place.
        if let Err(handed) = self.handed.push(handed) {
            self.put_back(handed.request);
        }
    }

    /// A cycle that was handed over to `station`, unless it was answered meanwhile.
    pub(in crate::reason) fn take_handed(&self, station: usize) -> Option<Handed> {
        loop {
            let handed = self.handed.pop()?;
            if self.stations[handed.claim].is_open(handed.cycle) {
                self.stations[station].clear(handed.cycle);
                self.tell_guard(handed.cycle, handed.claim, station, &handed.request);
                return Some(handed);
            }
            self.put_back(handed.request);
        }
    }

    /// Hands the triggers to the next engine that is not stalled; stays when there is none. Whether
    /// another engine than `from` takes them now.
    pub(in crate::reason) fn fail_over(&self, from: usize, now: Mono) -> bool {
        let count = self.stations.len();
        let next = (1..count)
            .map(|step| (from + step) % count)
            .find(|&station| !self.is_stalled(station, now));
        if let Some(next) = next
            && self
                .active
                .compare_exchange(from, next, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            self.stations[from].is_out.store(true, Ordering::Release);
            self.ledger.counts.failed_over();
        }
        self.active_engine() != from
    }

    /// An engine that was passed by is sound again: it gets the triggers back from one that is
    /// less preferred.
    pub(in crate::reason) fn reinstate(&self, station: usize) {
        self.stations[station]
            .is_out
            .store(false, Ordering::Release);
        let active = self.active_engine();
        if station < active
            && self
                .active
                .compare_exchange(active, station, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            self.ledger.counts.failed_over();
        }
    }

    pub(in crate::reason) fn is_stalled(&self, station: usize, now: Mono) -> bool {
        let at = self.stations[station].stalls_at.load(Ordering::Acquire);
        at != 0 && now >= Mono(at)
    }
}
