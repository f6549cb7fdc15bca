//! The state that ingest, workers and watchdog share: the newest trigger, the open cycles, and for
//! each of them the claim, which decides who answers it.
//!
//! Nothing a decision needs allocates after construction, and locks are held to move things, never
//! across a stage. Every accepted trigger is taken by exactly one thread, which makes it a cycle in
//! the same move: so cycles are numbered in the order in which their triggers arrived, whoever
//! takes them, and the watchdog knows of every cycle from its beginning. Every cycle's claim is won
//! by exactly one compare-and-swap. A request carries the configuration of its time: what is
//! changed meanwhile counts from the next trigger on, and no cycle sees two sets of configuration.

pub(super) mod carried;
mod failover;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::active_engine::ActiveEngine;
use super::counters::Counters;
use super::decision::{Decision, DecisionSource, Probabilities, Reason, Trigger};
use super::engine_slot::EngineSlot;
pub(super) use super::handoff::Handoff;
use super::last_decision::LastDecision;
use super::lock::lock;
use super::outgoing::OutgoingDecision;
use super::publish::Publish;
use super::request::{CycleConfig, Request};
use super::result_cache::CachedAnswer;
use crate::bounded_queue::BoundedQueue;
use crate::time::{Clock, Mono};
use carried::CarriedState;

/// A cycle as the watchdog sees it.
#[derive(Clone, Debug)]
pub(super) struct OpenCycle {
    pub cycle: u64,
    /// The engine slot whose claim decides who answers.
    pub claim: usize,
    /// The engine slot whose engine works on it; another than `claim` once it was handed over.
    pub slot: usize,
    pub trigger: Trigger,
    pub cycle_config: Arc<CycleConfig>,
}

impl OpenCycle {
    pub fn due(&self) -> Mono {
        self.cycle_config.due(self.trigger.arrival)
    }

    pub fn was_handed_over(&self) -> bool {
        self.claim != self.slot
    }
}

/// The shared state.
pub struct SchedulerState {
    pub(super) clock: Arc<dyn Clock>,
    cycle_config: ArcSwap<CycleConfig>,
    /// Configurations that were replaced and that a request may still carry: so that no thread a
    /// decision needs is the one that frees them.
    replaced: Mutex<Vec<Arc<CycleConfig>>>,
    pub(super) labels: usize,
    window_len: usize,
    pub(super) slots: Vec<EngineSlot>,
    pub(super) opened: BoundedQueue<OpenCycle>,
    carried: Arc<CarriedState>,
    /// The newest trigger, until it is taken.
    pending: Mutex<Option<Box<Request>>>,
    /// Cycles on their way from an engine that failed to the active one.
    handoff: BoundedQueue<Handoff>,
    spare: BoundedQueue<Box<Request>>,
    pub(super) engines: ActiveEngine,
    publish: Arc<dyn Publish>,
}

impl SchedulerState {
    /// A scheduler for `engines` engines on windows of `window_len` numbers and `labels` labels.
    pub fn new(
        clock: Arc<dyn Clock>,
        cycle_config: CycleConfig,
        labels: usize,
        window_len: usize,
        engines: usize,
        publish: Arc<dyn Publish>,
    ) -> SchedulerState {
        let carried = Arc::new(CarriedState {
            counts: Arc::new(Counters::new(usize::from(cycle_config.exits))),
            held: LastDecision::new(),
            numbers: Mutex::default(),
        });
        Self::with_carried(
            clock,
            cycle_config,
            (labels, window_len, engines),
            publish,
            carried,
        )
    }

    /// The scheduler of another model on the same windows and labels, with `engines` engines:
    /// cycles, counts and the held decision go on where this scheduler leaves them. Both may be at
    /// work at once; each answers the triggers that were offered to it.
    pub fn successor(
        &self,
        cycle_config: CycleConfig,
        engines: usize,
        publish: Arc<dyn Publish>,
    ) -> SchedulerState {
        self.carried
            .counts
            .go_on_with(usize::from(cycle_config.exits));
        let sizes = (self.labels, self.window_len, engines);
        let carried = Arc::clone(&self.carried);
        Self::with_carried(
            Arc::clone(&self.clock),
            cycle_config,
            sizes,
            publish,
            carried,
        )
    }

    fn with_carried(
        clock: Arc<dyn Clock>,
        cycle_config: CycleConfig,
        (labels, window_len, engines): (usize, usize, usize),
        publish: Arc<dyn Publish>,
        carried: Arc<CarriedState>,
    ) -> SchedulerState {
        // Per engine one request in work, one copied and one handed over; one pending, one in the
        // watchdog's hand, one being filled.
        let requests = 3 * engines + 3;
        let cycle_config = Arc::new(cycle_config);
        let spare = BoundedQueue::new(requests);
        for _ in 0..requests {
            let request = Request {
                trigger: Trigger {
                    arrival: Mono(0),
                    arrival_ros: crate::time::Stamp(0),
                    stamp: crate::time::Stamp(0),
                    frame: Arc::from(""),
                    mount: crate::features::frames::Mount::default(),
                    input_age: Duration::ZERO,
                    input_status: super::decision::InputStatus::Unusable(Reason::IncompleteInput),
                },
                window: vec![0.0; window_len].into_boxed_slice(),
                cycle_config: Arc::clone(&cycle_config),
            };
            let _ = spare.push(Box::new(request));
        }
        SchedulerState {
            clock,
            cycle_config: ArcSwap::new(cycle_config),
            replaced: Mutex::default(),
            labels,
            window_len,
            slots: (0..engines).map(|_| EngineSlot::new()).collect(),
            opened: BoundedQueue::new(64),
            carried,
            pending: Mutex::new(None),
            handoff: BoundedQueue::new(engines),
            spare,
            engines: ActiveEngine::first_of(engines),
            publish,
        }
    }

    /// The present moment on the clock deadlines run on.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// What holds for the next trigger.
    pub fn cycle_config(&self) -> Arc<CycleConfig> {
        self.cycle_config.load_full()
    }

    /// From the next trigger on this holds; cycles that are open keep what held when they began.
    /// Not for threads that decisions need: it allocates and frees.
    pub fn set_cycle_config(&self, cycle_config: CycleConfig) {
        let before = self.cycle_config.swap(Arc::new(cycle_config));
        let mut replaced = lock(&self.replaced);
        replaced.push(before);
        replaced.retain(|cycle_config| Arc::strong_count(cycle_config) > 1);
    }

    /// Counts so far.
    pub fn counts(&self) -> &Counters {
        &self.carried.counts
    }

    /// Numbers in a window.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Whether no trigger waits and no cycle is open, here or at a scheduler this one succeeded.
    pub fn is_at_rest(&self) -> bool {
        let pending = lock(&self.pending);
        pending.is_none() && self.carried.counts.in_flight() == 0
    }

    /// Index of the engine that takes triggers.
    pub fn active_engine(&self) -> usize {
        self.engines.index()
    }

    /// An empty request to fill; give it back with [`SchedulerState::offer`] or
    /// [`SchedulerState::put_back`].
    pub fn empty_request(&self) -> Option<Box<Request>> {
        let mut request = self.spare.pop()?;
        request.cycle_config = self.cycle_config.load_full();
        Some(request)
    }

    /// Gives a request back unused.
    pub fn put_back(&self, request: Box<Request>) {
        let _ = self.spare.push(request);
    }

    /// A trigger arrived. It waits for a free worker; a newer one supersedes it.
    pub fn offer(&self, request: Box<Request>) {
        self.carried.counts.received();
        let older = lock(&self.pending).replace(request);
        if let Some(older) = older {
            self.carried.counts.superseded();
            self.put_back(older);
        }
    }

    /// Arrivals that are not accepted, because the node is not active or was not run.
    pub fn refuse(&self, arrivals: u64) {
        self.carried.counts.refused(arrivals);
    }

    /// The last model decision must not be held any longer: the world it was made in is gone.
    pub fn forget_last_decision(&self) {
        self.carried.held.withdraw(self.clock.now());
    }

    /// When the watchdog must look at the pending trigger.
    pub(super) fn pending_due(&self) -> Option<Mono> {
        lock(&self.pending).as_ref().map(|request| request.due())
    }

    /// Time passed.
    pub(super) fn tick(&self) {
        self.publish.tick();
    }

    /// Whether a trigger, new or handed over, waits for the active engine.
    pub(super) fn has_pending(&self) -> bool {
        lock(&self.pending).is_some() || !self.handoff.is_empty()
    }

    /// Whether a cycle that another engine failed in waits for the active one.
    pub(super) fn has_handoff(&self) -> bool {
        !self.handoff.is_empty()
    }

    /// Until when the pending trigger may wait for those of other robots.
    pub(super) fn pending_slack(&self) -> Option<Mono> {
        let pending = lock(&self.pending);
        let request = pending.as_ref()?;
        Some(request.trigger.arrival + request.cycle_config.batch_slack)
    }

    /// Takes the newest trigger and makes it a cycle of `slot`. Whoever gets it owes it an answer.
    pub(super) fn take(&self, slot: usize) -> Option<(Box<Request>, u64)> {
        self.take_as(
            |_| true,
            |request, cycle| {
                self.slots[slot].open(cycle);
                self.tell_watchdog(cycle, slot, slot, request);
            },
        )
    }

    /// Takes the newest trigger where it is due by `now`, as a cycle that no engine works on.
    pub(super) fn take_due(&self, now: Mono) -> Option<(Box<Request>, u64)> {
        self.take_as(|request| now >= request.due(), |_, _| ())
    }

    fn take_as(
        &self,
        wanted: impl FnOnce(&Request) -> bool,
        begin: impl FnOnce(&Request, u64),
    ) -> Option<(Box<Request>, u64)> {
        let mut pending = lock(&self.pending);
        let request = pending.take_if(|request| wanted(request))?;
        let cycle = self.carried.number(request.trigger.arrival);
        if let Some(cycle) = cycle {
            begin(&request, cycle);
        }
        drop(pending);
        match cycle {
            Some(cycle) => Some((request, cycle)),
            None => {
                self.carried.counts.superseded();
                self.put_back(request);
                None
            }
        }
    }

    fn tell_watchdog(&self, cycle: u64, claim: usize, slot: usize, request: &Request) {
        // A full queue means a watchdog that has not run for 64 cycles; the oldest of them is long
        // answered.
        self.opened.force_push(OpenCycle {
            cycle,
            claim,
            slot,
            trigger: request.trigger.clone(),
            cycle_config: Arc::clone(&request.cycle_config),
        });
    }

    /// Answers by an exit of the model. The caller has won the cycle's claim.
    pub(super) fn answer_by_exit(
        &self,
        cycle: u64,
        (trigger, cycle_config): (&Trigger, &CycleConfig),
        slot: usize,
        exit: u8,
        probabilities: Probabilities,
    ) {
        let decision = blank_decision(cycle, trigger, cycle_config);
        self.answer_by_model(decision, cycle_config, slot, (exit, probabilities));
    }

    /// Answers by what the model said of the same window a moment ago. The caller has won the
    /// cycle's claim.
    pub(super) fn answer_from_cache(
        &self,
        cycle: u64,
        (trigger, cycle_config): (&Trigger, &CycleConfig),
        cached: &CachedAnswer,
    ) {
        let mut decision = blank_decision(cycle, trigger, cycle_config);
        decision.reused = Some(trigger.arrival.since(cached.arrival));
        let said = (cached.exit, cached.probabilities);
        self.answer_by_model(decision, cycle_config, cached.slot, said);
    }

    fn answer_by_model(
        &self,
        mut decision: Decision,
        cycle_config: &CycleConfig,
        slot: usize,
        (exit, probabilities): (u8, Probabilities),
    ) {
        let arrival = decision.trigger.arrival;
        let (label, confidence) = probabilities
            .top()
            .unwrap_or((cycle_config.safe_label, 0.0));
        let sure = confidence >= cycle_config.min_confidence;
        decision.exit = exit;
        decision.probabilities = probabilities;
        decision.engine = Some(slot as u8);
        if sure {
            decision.label = label;
            decision.confidence = confidence;
            decision.source = DecisionSource::Model;
            decision.free_way_m = probabilities.free_way_m();
            decision.reason = Reason::None;
        } else {
            let safe = usize::from(cycle_config.safe_label);
            decision.confidence = probabilities.as_slice().get(safe).copied().unwrap_or(0.0);
            decision.reason = Reason::LowConfidence;
        }
        // Before it leaves: the next trigger's answer may look at once.
        match sure {
            true => {
                let way = probabilities.free_way_m();
                self.carried.held.remember(arrival, label, confidence, way);
            }
            false => self.carried.held.withdraw(arrival),
        }
        self.send(decision);
    }

    /// Answers without the model: by the last decision where the reason allows it and it is young
    /// enough, else by the safe label. The caller has won the cycle's claim.
    pub(super) fn answer_without_exit(
        &self,
        cycle: u64,
        (trigger, cycle_config): (&Trigger, &CycleConfig),
        slot: Option<usize>,
        reason: Reason,
    ) {
        let mut decision = blank_decision(cycle, trigger, cycle_config);
        decision.reason = reason;
        decision.engine = slot.map(|slot| slot as u8);
        if reason.may_hold()
            && let Some(held) = self.carried.held.recall(trigger.arrival, cycle_config.hold)
        {
            decision.source = DecisionSource::Hold;
            decision.label = held.label;
            decision.confidence = held.confidence;
            decision.free_way_m = held.free_way_m;
        } else {
            // What was declared unsafe to go on with must not come back by a hold.
            self.carried.held.withdraw(trigger.arrival);
        }
        self.send(decision);
    }

    fn send(&self, decision: Decision) {
        let counts = Arc::clone(&self.carried.counts);
        let outgoing = OutgoingDecision::new(decision, Arc::clone(&self.clock), counts);
        self.publish.publish(outgoing);
    }
}

fn blank_decision(cycle: u64, trigger: &Trigger, cycle_config: &CycleConfig) -> Decision {
    Decision {
        cycle,
        trigger: trigger.clone(),
        label: cycle_config.safe_label,
        confidence: 0.0,
        probabilities: Probabilities::NONE,
        free_way_m: None,
        source: DecisionSource::Fallback,
        reason: Reason::None,
        exit: 0,
        exits: cycle_config.exits,
        engine: None,
        reused: None,
        latency: Duration::ZERO,
        deadline: cycle_config.deadline,
    }
}

#[cfg(test)]
mod tests;
