//! Counters of triggers, decisions and faults, readable at any moment from any thread.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use super::decision::{DecisionSource, MAX_EXITS, Reason};

/// Latencies kept until the control plane collects them.
const LATENCIES: usize = 4096;

/// Counters of the guarantee: `received = accepted + superseded + refused + pending` and
/// `accepted = decisions + in flight`, with pending and in flight zero once all is answered.
#[derive(Debug)]
pub struct Counters {
    received: AtomicU64,
    accepted: AtomicU64,
    superseded: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    engine_changes: AtomicU64,
    reused: AtomicU64,
    batched: AtomicU64,
    per_source: [AtomicU64; DecisionSource::ALL.len()],
    per_reason: [AtomicU64; Reason::ALL.len()],
    per_exit: [AtomicU64; MAX_EXITS],
    stage_bounds_ns: [AtomicU64; MAX_EXITS],
    /// Exits of the deepest model so far.
    exits: AtomicUsize,
    latencies: ArrayQueue<Duration>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterValues {
    /// Arrivals on the trigger source.
    pub received: u64,
    /// Cycles opened.
    pub accepted: u64,
    /// Replaced by a newer trigger before they were taken.
    pub superseded: u64,
    /// Arrivals while inactive, or while this process was not run.
    pub refused: u64,
    /// Published.
    pub decisions: u64,
    /// Published after their deadline.
    pub late: u64,
    /// Times the triggers were handed to another engine.
    pub engine_changes: u64,
    /// Decisions by an answer to the same window that was used again.
    pub reused: u64,
    /// Decisions computed together with those of other robots.
    pub batched: u64,
    /// Decisions per [`DecisionSource::ALL`].
    pub per_source: [u64; DecisionSource::ALL.len()],
    /// Decisions per [`Reason::ALL`].
    pub per_reason: [u64; Reason::ALL.len()],
    /// Decisions read from exit 1, 2, ...
    pub per_exit: Vec<u64>,
}

impl CounterValues {
    /// Decisions of this source.
    pub fn of_source(&self, source: DecisionSource) -> u64 {
        self.per_source[source as usize]
    }

    /// Decisions with this reason.
    pub fn of_reason(&self, reason: Reason) -> u64 {
        self.per_reason[reason as usize]
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn new(exits: usize) -> Self {
        Counters {
            received: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            superseded: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            late: AtomicU64::new(0),
            engine_changes: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            batched: AtomicU64::new(0),
            per_source: Default::default(),
            per_reason: Default::default(),
            per_exit: [const { AtomicU64::new(0) }; MAX_EXITS],
            stage_bounds_ns: [const { AtomicU64::new(0) }; MAX_EXITS],
            exits: AtomicUsize::new(exits.min(MAX_EXITS)),
            latencies: ArrayQueue::new(LATENCIES),
        }
    }

    /// Another model with so many exits goes on counting here.
    pub(super) fn go_on_with(&self, exits: usize) {
        self.exits
            .fetch_max(exits.min(MAX_EXITS), Ordering::Relaxed);
        for bound in &self.stage_bounds_ns {
            bound.store(0, Ordering::Relaxed);
        }
    }

    /// Cycles that were opened and not answered yet.
    pub(super) fn in_flight(&self) -> u64 {
        // Answers first: an answer that comes in between must not make it less than it is.
        let answered: u64 = self
            .per_source
            .iter()
            .map(|n| n.load(Ordering::Acquire))
            .sum();
        let accepted = self.accepted.load(Ordering::Acquire);
        accepted.saturating_sub(answered)
    }

    fn listed<'a>(&self, cells: &'a [AtomicU64; MAX_EXITS]) -> &'a [AtomicU64] {
        &cells[..self.exits.load(Ordering::Relaxed)]
    }

    pub(super) fn received(&self) {
        add(&self.received);
    }

    pub(super) fn accepted(&self) {
        add(&self.accepted);
    }

    pub(super) fn superseded(&self) {
        add(&self.superseded);
    }

    /// `arrivals` came and are not accepted.
    pub(super) fn refused(&self, arrivals: u64) {
        self.received.fetch_add(arrivals, Ordering::Relaxed);
        self.refused.fetch_add(arrivals, Ordering::Relaxed);
    }

    pub(super) fn failed_over(&self) {
        add(&self.engine_changes);
    }

    /// A decision is an answer that was used again.
    pub(super) fn reused(&self) {
        add(&self.reused);
    }

    /// A decision was computed together with another robot's.
    pub(super) fn batched(&self) {
        add(&self.batched);
    }

    pub(super) fn bound(&self, stage: usize, bound: Duration) {
        if let Some(cell) = self.stage_bounds_ns.get(stage) {
            let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
            cell.store(nanos, Ordering::Relaxed);
        }
    }

    /// Upper bounds of the stages' costs, as the engine in use last knew them.
    pub fn stage_bounds(&self) -> Vec<Duration> {
        let read = |cell: &AtomicU64| Duration::from_nanos(cell.load(Ordering::Relaxed));
        self.listed(&self.stage_bounds_ns)
            .iter()
            .map(read)
            .collect()
    }

    /// `exit`: 1-based, 0 where there is none; `took`: from the arrival until the publisher
    /// returned.
    pub(super) fn decided(
        &self,
        (source, reason): (DecisionSource, Reason),
        exit: usize,
        deadline: Duration,
        took: Duration,
    ) {
        add(&self.per_source[source as usize]);
        add(&self.per_reason[reason as usize]);
        if let Some(exit) = exit.checked_sub(1)
            && let Some(counter) = self.per_exit.get(exit)
        {
            add(counter);
        }
        if took > deadline {
            add(&self.late);
        }
        self.latencies.force_push(took);
    }

    /// The counters now.
    pub fn tally(&self) -> CounterValues {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let per_source = std::array::from_fn(|i| read(&self.per_source[i]));
        CounterValues {
            received: read(&self.received),
            accepted: read(&self.accepted),
            superseded: read(&self.superseded),
            refused: read(&self.refused),
            decisions: per_source.iter().sum(),
            late: read(&self.late),
            engine_changes: read(&self.engine_changes),
            reused: read(&self.reused),
            batched: read(&self.batched),
            per_source,
            per_reason: std::array::from_fn(|i| read(&self.per_reason[i])),
            per_exit: self.listed(&self.per_exit).iter().map(read).collect(),
        }
    }

    /// Takes a latency not yet collected, from arrival until the publisher returned. Only the
    /// newest 4096 are kept between collections.
    pub fn next_latency(&self) -> Option<Duration> {
        self.latencies.pop()
    }
}
