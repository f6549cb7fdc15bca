//! What ingest, reasoners and guard share: the newest trigger, the cycles in flight and the one
//! right each of them carries, the right to be answered.
//!
//! Nothing here locks or allocates after construction. Every accepted trigger is popped from
//! `pending` by exactly one thread, which makes it a cycle; every cycle's claim is won by exactly
//! one compare-and-swap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use tracing::trace_span;

use super::CYCLE;
use super::counts::Counts;
use super::decision::{Decision, Probabilities, Reason, Source, Trigger};
use super::hold::Held;
use super::policy::Policy;
use super::station::Station;
use crate::time::{Clock, Mono};

/// A trigger with the window assembled at its arrival.
#[derive(Debug)]
pub struct Request {
    /// The trigger.
    pub trigger: Trigger,
    /// Row-major `[frames, features]`.
    pub window: Box<[f32]>,
}

/// Where decisions go. Called on the reasoner's and the guard's thread; must not block.
pub trait Publish: Send + Sync {
    /// Sends the decision.
    fn publish(&self, decision: &Decision);

    /// Time passed; called by the guard at least every [`TICK`].
    fn tick(&self) {}
}

/// The guard's pulse: how soon an act notices that no decision came.
pub const TICK: Duration = Duration::from_millis(20);

/// What holds for every cycle.
#[derive(Clone, Debug)]
pub struct Terms {
    /// From the trigger's arrival to the publication.
    pub deadline: Duration,
    /// Kept free before the deadline for publishing.
    pub publish_margin: Duration,
    /// An engine call longer than this counts as a stall.
    pub fault_time: Duration,
    /// How long a model decision may stand in for a missing one.
    pub hold: Duration,
    /// How the optional stages are spent.
    pub policy: Policy,
    /// Below this confidence the safe label is published.
    pub min_confidence: f32,
    /// Per exit, the confidence at which `fastest` stops.
    pub thresholds: Vec<f32>,
    /// Index of the safe label.
    pub safe_label: u8,
    /// Exits of the model.
    pub exits: u8,
}

/// A cycle as the guard sees it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub cycle: u64,
    pub station: usize,
    pub trigger: Trigger,
}

/// The shared state.
pub struct Desk {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) terms: Terms,
    pub(super) labels: usize,
    pub(super) stations: Vec<Station>,
    pub(super) counts: Counts,
    pub(super) opened: ArrayQueue<Opened>,
    held: Held,
    pending: ArrayQueue<Box<Request>>,
    /// Arrival of the pending trigger, 0 when there is none: tells the guard when to look.
    pending_arrival: AtomicU64,
    spare: ArrayQueue<Box<Request>>,
    cycles: AtomicU64,
    active: AtomicUsize,
    publish: Arc<dyn Publish>,
}

impl Desk {
    /// A desk for `engines` engines on windows of `window_len` numbers and `labels` labels.
    pub fn new(
        clock: Arc<dyn Clock>,
        terms: Terms,
        labels: usize,
        window_len: usize,
        engines: usize,
        publish: Arc<dyn Publish>,
    ) -> Desk {
        // One request per engine in work, one pending, one in the guard's hand, one being filled.
        let requests = engines + 3;
        let spare = ArrayQueue::new(requests);
        for _ in 0..requests {
            let request = Request {
                trigger: Trigger {
                    arrival: Mono(0),
                    stamp: crate::time::Stamp(0),
                    frame: Arc::from(""),
                    input_age: Duration::ZERO,
                    verdict: super::decision::Verdict::Unusable(Reason::IncompleteInput),
                },
                window: vec![0.0; window_len].into_boxed_slice(),
            };
            let _ = spare.push(Box::new(request));
        }
        Desk {
            counts: Counts::new(usize::from(terms.exits)),
            clock,
            terms,
            labels,
            stations: (0..engines).map(|_| Station::new()).collect(),
            opened: ArrayQueue::new(64),
            held: Held::new(),
            pending: ArrayQueue::new(1),
            pending_arrival: AtomicU64::new(0),
            spare,
            cycles: AtomicU64::new(0),
            active: AtomicUsize::new(0),
            publish,
        }
    }

    /// The present moment on the clock deadlines run on.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// What holds for every cycle.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Counts so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Index of the engine that takes triggers.
    pub fn active_engine(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// An empty request to fill; give it back with [`Desk::offer`] or [`Desk::put_back`].
    pub fn blank(&self) -> Option<Box<Request>> {
        self.spare.pop()
    }

    /// Gives a request back unused.
    pub fn put_back(&self, request: Box<Request>) {
        let _ = self.spare.push(request);
    }

    /// A trigger arrived. It waits for a free reasoner; a newer one supersedes it.
    pub fn offer(&self, request: Box<Request>) {
        self.counts.received();
        let arrival = request.trigger.arrival.0.max(1);
        if let Some(older) = self.pending.force_push(request) {
            self.counts.superseded();
            self.put_back(older);
        }
        self.pending_arrival.store(arrival, Ordering::Release);
    }

    /// Arrivals that are not accepted, because the node is not active or was not run.
    pub fn refuse(&self, arrivals: u64) {
        self.counts.refused(arrivals);
    }

    /// The last model decision must not be held any longer: the world it was made in is gone.
    pub fn forget_held(&self) {
        self.held.withdraw(self.clock.now());
    }

    /// When the guard answers in the reasoner's place.
    pub(super) fn due(&self, trigger: &Trigger) -> Mono {
        trigger.arrival + self.terms.deadline - self.terms.publish_margin
    }

    /// When the guard must look at the pending trigger.
    pub(super) fn pending_due(&self) -> Option<Mono> {
        let arrival = self.pending_arrival.load(Ordering::Acquire);
        (arrival != 0 && !self.pending.is_empty())
            .then(|| Mono(arrival) + self.terms.deadline - self.terms.publish_margin)
    }

    /// Time passed.
    pub(super) fn tick(&self) {
        self.publish.tick();
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes the newest trigger. Whoever gets it owes it an answer.
    pub(super) fn take(&self) -> Option<Box<Request>> {
        self.pending.pop()
    }

    /// Puts a trigger that was taken too early back, unless a newer one has come.
    pub(super) fn untake(&self, request: Box<Request>) {
        if let Err(request) = self.pending.push(request) {
            self.counts.superseded();
            self.put_back(request);
        }
    }

    /// Makes a taken trigger a cycle of `station`.
    pub(super) fn open(&self, station: usize, trigger: &Trigger) -> u64 {
        let cycle = self.next_cycle();
        self.stations[station].open(cycle);
        // A full queue means a guard that has not run for 64 cycles; the oldest of them is long
        // answered.
        self.opened.force_push(Opened {
            cycle,
            station,
            trigger: trigger.clone(),
        });
        cycle
    }

    pub(super) fn next_cycle(&self) -> u64 {
        self.counts.accepted();
        self.cycles.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Hands the triggers to the next engine that is not stalled; stays when there is none.
    pub(super) fn fail_over(&self, from: usize, now: Mono) {
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
            self.counts.failed_over();
        }
    }

    /// An engine that was passed by is sound again: it gets the triggers back from one that is
    /// less preferred.
    pub(super) fn reinstate(&self, station: usize) {
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
            self.counts.failed_over();
        }
    }

    pub(super) fn is_stalled(&self, station: usize, now: Mono) -> bool {
        let since = self.stations[station].busy_since.load(Ordering::Acquire);
        since != 0 && now.since(Mono(since)) >= self.terms.fault_time
    }

    /// Answers by an exit of the model. The caller has won the cycle's claim.
    pub(super) fn answer_by_exit(
        &self,
        cycle: u64,
        trigger: &Trigger,
        station: usize,
        exit: u8,
        probabilities: Probabilities,
    ) {
        let (label, confidence) = probabilities.top().unwrap_or((self.terms.safe_label, 0.0));
        let sure = confidence >= self.terms.min_confidence;
        let mut decision = self.blank_decision(cycle, trigger);
        decision.exit = exit;
        decision.probabilities = probabilities;
        decision.engine = Some(station as u8);
        if sure {
            decision.label = label;
            decision.confidence = confidence;
            decision.source = Source::Model;
            decision.reason = Reason::None;
        } else {
            let safe = usize::from(self.terms.safe_label);
            decision.confidence = probabilities.as_slice().get(safe).copied().unwrap_or(0.0);
            decision.reason = Reason::LowConfidence;
        }
        self.send(decision);
        match sure {
            true => self.held.remember(trigger.arrival, label, confidence),
            false => self.held.withdraw(trigger.arrival),
        }
    }

    /// Answers without the model: by the last decision where the reason allows it and it is young
    /// enough, else by the safe label. The caller has won the cycle's claim.
    pub(super) fn answer_without_exit(
        &self,
        cycle: u64,
        trigger: &Trigger,
        station: Option<usize>,
        reason: Reason,
    ) {
        let mut decision = self.blank_decision(cycle, trigger);
        decision.reason = reason;
        decision.engine = station.map(|station| station as u8);
        if reason.may_hold()
            && let Some((label, confidence)) = self.held.recall(trigger.arrival, self.terms.hold)
        {
            decision.source = Source::Hold;
            decision.label = label;
            decision.confidence = confidence;
        } else {
            // What was declared unsafe to go on with must not come back by a hold.
            self.held.withdraw(trigger.arrival);
        }
        self.send(decision);
    }

    fn blank_decision(&self, cycle: u64, trigger: &Trigger) -> Decision {
        Decision {
            cycle,
            trigger: trigger.clone(),
            label: self.terms.safe_label,
            confidence: 0.0,
            probabilities: Probabilities::NONE,
            source: Source::Fallback,
            reason: Reason::None,
            exit: 0,
            exits: self.terms.exits,
            engine: None,
            latency: Duration::ZERO,
            deadline: self.terms.deadline,
        }
    }

    fn send(&self, mut decision: Decision) {
        decision.latency = self.clock.now().since(decision.trigger.arrival);
        let span = trace_span!(
            target: CYCLE,
            "publish",
            cycle = decision.cycle,
            source = decision.source.name(),
            reason = decision.reason.name(),
            latency_us = decision.latency.as_micros() as u64,
        );
        let _inside = span.enter();
        self.publish.publish(&decision);
        let took = self.clock.now().since(decision.trigger.arrival);
        self.counts.decided(&decision, took);
    }
}
