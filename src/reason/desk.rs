//! What ingest, reasoners and guard share: the newest trigger, the cycles in flight and the one
//! right each of them carries, the right to be answered.
//!
//! Nothing a decision needs allocates after construction, and locks are held to move things, never
//! across a stage. Every accepted trigger is taken by exactly one thread, which makes it a cycle in
//! the same move: so cycles are numbered in the order in which their triggers arrived, whoever takes
//! them, and the guard knows of every cycle from its beginning. Every cycle's claim is won by
//! exactly one compare-and-swap. A request carries the terms of its time: what is changed meanwhile
//! counts from the next trigger on, and no cycle sees two sets of terms.

mod relief;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::counts::Counts;
use super::decision::{Decision, Probabilities, Reason, Source, Trigger};
use super::decision_cache::Kept;
use super::hold::Held;
use super::outgoing::Outgoing;
use super::request::{Request, Terms};
use super::station::Station;
use crate::ring::Ring;
use crate::time::{Clock, Mono};
pub(super) use relief::Handed;

/// Where decisions go. Called on the reasoner's and the guard's thread; must not block.
pub trait Publish: Send + Sync {
    /// Sends the decision, or hands it to whoever does.
    fn publish(&self, outgoing: Outgoing);

    /// Time passed; called by the guard at least every [`TICK`].
    fn tick(&self) {}
}

/// The guard's pulse: how soon an act notices that no decision came.
pub const TICK: Duration = Duration::from_millis(20);

/// A cycle as the guard sees it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub cycle: u64,
    /// The station whose claim decides who answers.
    pub claim: usize,
    /// The station whose engine works on it; another than `claim` once it was handed over.
    pub station: usize,
    pub trigger: Trigger,
    pub terms: Arc<Terms>,
}

impl Opened {
    pub fn due(&self) -> Mono {
        self.terms.due(self.trigger.arrival)
    }

    pub fn was_handed_over(&self) -> bool {
        self.claim != self.station
    }
}

/// What goes on when another model takes over: the count of cycles, and the last decision.
struct Ledger {
    counts: Arc<Counts>,
    held: Held,
    numbered: Mutex<Numbered>,
}

/// The cycles so far.
#[derive(Default)]
struct Numbered {
    cycles: u64,
    /// When the newest trigger of them arrived.
    newest: Mono,
}

impl Ledger {
    /// The next cycle's number; none for a trigger that is older than one that has a number, at this
    /// desk or at one that succeeded it.
    fn number(&self, arrival: Mono) -> Option<u64> {
        let mut numbered = lock(&self.numbered);
        if arrival < numbered.newest {
            return None;
        }
        numbered.newest = arrival;
        numbered.cycles += 1;
        self.counts.accepted();
        Some(numbered.cycles)
    }
}

/// The shared state.
pub struct Desk {
    pub(super) clock: Arc<dyn Clock>,
    terms: ArcSwap<Terms>,
    /// Terms that were replaced and that a request may still carry: so that no thread a decision
    /// needs is the one that frees them.
    replaced: Mutex<Vec<Arc<Terms>>>,
    pub(super) labels: usize,
    window_len: usize,
    pub(super) stations: Vec<Station>,
    pub(super) opened: Ring<Opened>,
    ledger: Arc<Ledger>,
    /// The newest trigger, until it is taken.
    pending: Mutex<Option<Box<Request>>>,
    /// Cycles on their way from an engine that failed to the active one.
    handed: Ring<Handed>,
    spare: Ring<Box<Request>>,
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
        let ledger = Arc::new(Ledger {
            counts: Arc::new(Counts::new(usize::from(terms.exits))),
            held: Held::new(),
            numbered: Mutex::default(),
        });
        Self::with_ledger(clock, terms, (labels, window_len, engines), publish, ledger)
    }

    /// The desk of another model on the same windows and labels, with `engines` engines: cycles,
    /// counts and the held decision go on where this desk leaves them. Both may be at work at once;
    /// each answers the triggers that were offered to it.
    pub fn successor(&self, terms: Terms, engines: usize, publish: Arc<dyn Publish>) -> Desk {
        self.ledger.counts.go_on_with(usize::from(terms.exits));
        let sizes = (self.labels, self.window_len, engines);
        let ledger = Arc::clone(&self.ledger);
        Self::with_ledger(Arc::clone(&self.clock), terms, sizes, publish, ledger)
    }

    fn with_ledger(
        clock: Arc<dyn Clock>,
        terms: Terms,
        (labels, window_len, engines): (usize, usize, usize),
        publish: Arc<dyn Publish>,
        ledger: Arc<Ledger>,
    ) -> Desk {
        // Per engine one request in work, one copied and one handed over; one pending, one in the
        // guard's hand, one being filled.
        let requests = 3 * engines + 3;
        let terms = Arc::new(terms);
        let spare = Ring::new(requests);
        for _ in 0..requests {
            let request = Request {
                trigger: Trigger {
                    arrival: Mono(0),
                    arrival_ros: crate::time::Stamp(0),
                    stamp: crate::time::Stamp(0),
                    frame: Arc::from(""),
                    mount: crate::sense::frames::Mount::default(),
                    input_age: Duration::ZERO,
                    verdict: super::decision::Verdict::Unusable(Reason::IncompleteInput),
                },
                window: vec![0.0; window_len].into_boxed_slice(),
                terms: Arc::clone(&terms),
            };
            let _ = spare.push(Box::new(request));
        }
        Desk {
            clock,
            terms: ArcSwap::new(terms),
            replaced: Mutex::default(),
            labels,
            window_len,
            stations: (0..engines).map(|_| Station::new()).collect(),
            opened: Ring::new(64),
            ledger,
            pending: Mutex::new(None),
            handed: Ring::new(engines),
            spare,
            active: AtomicUsize::new(0),
            publish,
        }
    }

    /// The present moment on the clock deadlines run on.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// What holds for the next trigger.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// From the next trigger on this holds; cycles that are open keep what held when they began.
    /// Not for threads that decisions need: it allocates and frees.
    pub fn set_terms(&self, terms: Terms) {
        let before = self.terms.swap(Arc::new(terms));
        let mut replaced = lock(&self.replaced);
        replaced.push(before);
        replaced.retain(|terms| Arc::strong_count(terms) > 1);
    }

    /// Counts so far.
    pub fn counts(&self) -> &Counts {
        &self.ledger.counts
    }

    /// Numbers in a window.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Whether no trigger waits and no cycle is open, here or at a desk this one succeeded.
    pub fn is_at_rest(&self) -> bool {
        let pending = lock(&self.pending);
        pending.is_none() && self.ledger.counts.in_flight() == 0
    }

    /// Index of the engine that takes triggers.
    pub fn active_engine(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// An empty request to fill; give it back with [`Desk::offer`] or [`Desk::put_back`].
    pub fn blank(&self) -> Option<Box<Request>> {
        let mut request = self.spare.pop()?;
        request.terms = self.terms.load_full();
        Some(request)
    }

    /// Gives a request back unused.
    pub fn put_back(&self, request: Box<Request>) {
        let _ = self.spare.push(request);
    }

    /// A trigger arrived. It waits for a free reasoner; a newer one supersedes it.
    pub fn offer(&self, request: Box<Request>) {
        self.ledger.counts.received();
        let older = lock(&self.pending).replace(request);
        if let Some(older) = older {
            self.ledger.counts.superseded();
            self.put_back(older);
        }
    }

    /// Arrivals that are not accepted, because the node is not active or was not run.
    pub fn refuse(&self, arrivals: u64) {
        self.ledger.counts.refused(arrivals);
    }

    /// The last model decision must not be held any longer: the world it was made in is gone.
    pub fn forget_held(&self) {
        self.ledger.held.withdraw(self.clock.now());
    }

    /// When the guard must look at the pending trigger.
    pub(super) fn pending_due(&self) -> Option<Mono> {
        lock(&self.pending).as_ref().map(|request| request.due())
    }

    /// Time passed.
    pub(super) fn tick(&self) {
        self.publish.tick();
    }

    /// Whether a trigger, new or handed over, waits for the active engine.
    pub(super) fn has_pending(&self) -> bool {
        lock(&self.pending).is_some() || !self.handed.is_empty()
    }

    /// Whether a cycle that another engine failed in waits for the active one.
    pub(super) fn has_handed(&self) -> bool {
        !self.handed.is_empty()
    }

    /// Until when the pending trigger may wait for those of other robots.
    pub(super) fn pending_slack(&self) -> Option<Mono> {
        let pending = lock(&self.pending);
        let request = pending.as_ref()?;
        Some(request.trigger.arrival + request.terms.batch_slack)
    }

    /// Takes the newest trigger and makes it a cycle of `station`. Whoever gets it owes it an answer.
    pub(super) fn take(&self, station: usize) -> Option<(Box<Request>, u64)> {
        self.take_as(
            |_| true,
            |request, cycle| {
                self.stations[station].open(cycle);
                self.tell_guard(cycle, station, station, request);
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
        let cycle = self.ledger.number(request.trigger.arrival);
        if let Some(cycle) = cycle {
            begin(&request, cycle);
        }
        drop(pending);
        match cycle {
            Some(cycle) => Some((request, cycle)),
            None => {
                self.ledger.counts.superseded();
                self.put_back(request);
                None
            }
        }
    }

    fn tell_guard(&self, cycle: u64, claim: usize, station: usize, request: &Request) {
        // A full queue means a guard that has not run for 64 cycles; the oldest of them is long
        // answered.
        self.opened.force_push(Opened {
            cycle,
            claim,
            station,
            trigger: request.trigger.clone(),
            terms: Arc::clone(&request.terms),
        });
    }

    /// Answers by an exit of the model. The caller has won the cycle's claim.
    pub(super) fn answer_by_exit(
        &self,
        cycle: u64,
        (trigger, terms): (&Trigger, &Terms),
        station: usize,
        exit: u8,
        probabilities: Probabilities,
    ) {
        let decision = blank_decision(cycle, trigger, terms);
        self.answer_as_said(decision, terms, station, (exit, probabilities));
    }

    /// Answers by what the model said of the same window a moment ago. The caller has won the
    /// cycle's claim.
    pub(super) fn answer_again(
        &self,
        cycle: u64,
        (trigger, terms): (&Trigger, &Terms),
        kept: &Kept,
    ) {
        let mut decision = blank_decision(cycle, trigger, terms);
        decision.reused = Some(trigger.arrival.since(kept.arrival));
        let said = (kept.exit, kept.probabilities);
        self.answer_as_said(decision, terms, kept.station, said);
    }

    fn answer_as_said(
        &self,
        mut decision: Decision,
        terms: &Terms,
        station: usize,
        (exit, probabilities): (u8, Probabilities),
    ) {
        let arrival = decision.trigger.arrival;
        let (label, confidence) = probabilities.top().unwrap_or((terms.safe_label, 0.0));
        let sure = confidence >= terms.min_confidence;
        decision.exit = exit;
        decision.probabilities = probabilities;
        decision.engine = Some(station as u8);
        if sure {
            decision.label = label;
            decision.confidence = confidence;
            decision.source = Source::Model;
            decision.free_way_m = probabilities.free_way_m();
            decision.reason = Reason::None;
        } else {
            let safe = usize::from(terms.safe_label);
            decision.confidence = probabilities.as_slice().get(safe).copied().unwrap_or(0.0);
            decision.reason = Reason::LowConfidence;
        }
        // Before it leaves: the next trigger's answer may look at once.
        match sure {
            true => {
                let way = probabilities.free_way_m();
                self.ledger.held.remember(arrival, label, confidence, way);
            }
            false => self.ledger.held.withdraw(arrival),
        }
        self.send(decision);
    }

    /// Answers without the model: by the last decision where the reason allows it and it is young
    /// enough, else by the safe label. The caller has won the cycle's claim.
    pub(super) fn answer_without_exit(
        &self,
        cycle: u64,
        (trigger, terms): (&Trigger, &Terms),
        station: Option<usize>,
        reason: Reason,
    ) {
        let mut decision = blank_decision(cycle, trigger, terms);
        decision.reason = reason;
        decision.engine = station.map(|station| station as u8);
        if reason.may_hold()
            && let Some(held) = self.ledger.held.recall(trigger.arrival, terms.hold)
        {
            decision.source = Source::Hold;
            decision.label = held.label;
            decision.confidence = held.confidence;
            decision.free_way_m = held.free_way_m;
        } else {
            // What was declared unsafe to go on with must not come back by a hold.
            self.ledger.held.withdraw(trigger.arrival);
        }
        self.send(decision);
    }

    fn send(&self, decision: Decision) {
        let counts = Arc::clone(&self.ledger.counts);
        let outgoing = Outgoing::new(decision, Arc::clone(&self.clock), counts);
        self.publish.publish(outgoing);
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is moved whole.
    held.lock().unwrap_or_else(|held| held.into_inner())
}

fn blank_decision(cycle: u64, trigger: &Trigger, terms: &Terms) -> Decision {
    Decision {
        cycle,
        trigger: trigger.clone(),
        label: terms.safe_label,
        confidence: 0.0,
        probabilities: Probabilities::NONE,
        free_way_m: None,
        source: Source::Fallback,
        reason: Reason::None,
        exit: 0,
        exits: terms.exits,
        engine: None,
        reused: None,
        latency: Duration::ZERO,
        deadline: terms.deadline,
    }
}

#[cfg(test)]
mod tests;
