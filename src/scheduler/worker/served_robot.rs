//! One of the robots that a worker serves, and the cycle that the worker runs for it.

use std::sync::Arc;

use tracing::trace;

use super::super::CYCLE;
use super::super::decision::{InputStatus, Reason};
use super::super::request::Request;
use crate::scheduler::handoff::Handoff;
use crate::scheduler::result_cache::ResultCache;
use crate::scheduler::state::SchedulerState;
use crate::time::Mono;

pub(super) struct ServedRobot {
    pub scheduler: Arc<SchedulerState>,
    pub work: Option<CycleInHand>,
    /// What may be answered again, where that is wanted.
    pub cache: Option<ResultCache>,
}

/// The cycle that is being computed.
pub(super) struct CycleInHand {
    pub request: Box<Request>,
    pub cycle: u64,
    /// The engine slot whose claim decides who answers; another's where that engine failed.
    pub claim: usize,
    /// The scheduler has a copy of the request.
    pub copied: bool,
    /// Its place in the batch.
    pub row: usize,
}

impl ServedRobot {
    pub fn at(scheduler: Arc<SchedulerState>) -> ServedRobot {
        let cache = scheduler
            .cycle_config()
            .reuse
            .map(|_| ResultCache::new(scheduler.window_len()));
        ServedRobot {
            scheduler,
            work: None,
            cache,
        }
    }

    /// Whether a trigger waits here for engine number `slot`.
    pub fn has_work(&self, slot: usize) -> bool {
        self.scheduler.has_pending() && self.scheduler.active_engine() == slot
    }

    /// When the trigger that waits here for engine number `slot` is due, while there is no cycle
    /// in hand; a cycle that another engine failed in is due at once.
    pub fn waiting(&self, slot: usize) -> Option<Mono> {
        // A cycle of this engine slot may be in another engine's hands; its claim is needed until
        // it is answered.
        let is_lent = self.scheduler.slots[slot].has_open();
        if self.work.is_some() || !self.has_work(slot) || is_lent {
            return None;
        }
        match self.scheduler.has_handoff() {
            true => Some(Mono(0)),
            false => self.scheduler.pending_due(),
        }
    }

    /// Takes what waits here into row `row` of the batch. False where there was nothing, or it is
    /// answered already.
    pub fn take(&mut self, slot: usize, row: usize) -> bool {
        let Some((handoff, late)) = self.next(slot) else {
            return false;
        };
        let Handoff {
            cycle,
            claim,
            request,
        } = handoff;
        let scheduler = &self.scheduler;
        if let InputStatus::Unusable(reason) = request.trigger.input_status {
            self.answer_without_exit((cycle, claim), &request, None, reason);
            scheduler.put_back(request);
            return false;
        }
        if scheduler.now() >= request.due() {
            // Too late even to begin. Say so at once.
            self.answer_without_exit((cycle, claim), &request, None, late);
            scheduler.put_back(request);
            return false;
        }
        if self.answer_from_cache((cycle, claim), &request) {
            self.scheduler.put_back(request);
            return false;
        }
        // A cycle is handed over once.
        let copied = claim == slot && self.scheduler.keep_copy(cycle, claim, &request);
        trace!(
            target: CYCLE,
            cycle,
            waited_us = self.scheduler.now().since(request.trigger.arrival).as_micros() as u64,
            "taken"
        );
        self.work = Some(CycleInHand {
            request,
            cycle,
            claim,
            copied,
            row,
        });
        true
    }

    /// What to work on, as a cycle, and why it would be answered without the model if it is late
    /// already: another engine failed, or the machine did not run us.
    fn next(&self, slot: usize) -> Option<(Handoff, Reason)> {
        if let Some(handoff) = self.scheduler.take_handoff(slot) {
            return Some((handoff, Reason::BackendFault));
        }
        let (request, cycle) = self.scheduler.take(slot)?;
        let fresh = Handoff {
            cycle,
            claim: slot,
            request,
        };
        Some((fresh, Reason::Deadline))
    }

    /// Whether the world is as it was a moment ago, and was answered so.
    fn answer_from_cache(&mut self, (cycle, claim): (u64, usize), request: &Request) -> bool {
        let (Some(cache), Some(reuse)) = (&mut self.cache, request.cycle_config.reuse) else {
            return false;
        };
        let (arrival, cycle_config) = (request.trigger.arrival, &request.cycle_config);
        let Some(cached) = cache.find(&request.window, arrival, reuse, cycle_config) else {
            return false;
        };
        if self.scheduler.slots[claim].claim(cycle) {
            self.scheduler
                .answer_from_cache(cycle, (&request.trigger, cycle_config), &cached);
        }
        true
    }

    /// The engine failed. Where the next one has its place (`next`) and time is left, that takes
    /// the cycle over, once; else it is answered.
    pub fn give_up(&mut self, slot: usize, next: bool, now: Mono) {
        if let Some(cache) = &mut self.cache {
            cache.forget();
        }
        let Some(work) = self.work.take() else {
            return;
        };
        let scheduler = &self.scheduler;
        let handoff = Handoff {
            cycle: work.cycle,
            claim: work.claim,
            request: work.request,
        };
        let mine = work.claim == slot;
        let may = mine && next && now < handoff.request.due();
        // Where there was a copy and it is gone, the watchdog has handed that over.
        let copied = scheduler.take_copy(work.cycle, slot);
        let gone = work.copied && copied.is_none();
        if let Some(copy) = copied {
            scheduler.put_back(copy.request);
        }
        if gone {
            scheduler.put_back(handoff.request);
        } else if may {
            scheduler.hand_over(handoff);
        } else {
            let cycle = (handoff.cycle, handoff.claim);
            let reason = Reason::BackendFault;
            self.answer_without_exit(cycle, &handoff.request, Some(slot), reason);
            scheduler.put_back(handoff.request);
        }
    }

    fn answer_without_exit(
        &self,
        (cycle, claim): (u64, usize),
        request: &Request,
        slot: Option<usize>,
        reason: Reason,
    ) {
        if self.scheduler.slots[claim].claim(cycle) {
            let cycle_config = (&request.trigger, &*request.cycle_config);
            self.scheduler
                .answer_without_exit(cycle, cycle_config, slot, reason);
        }
    }
}
