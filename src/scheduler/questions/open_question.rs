//! A question between its acceptance and its answer: who works on it, the deepest exit so far, and
//! the claim, which decides who answers it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::question::{Asker, ExitAnswer, Terms, Ticket};
use crate::scheduler::claim::Claim;
use crate::scheduler::lock::lock;
use crate::time::Mono;

/// A worker: engines that are replaced have another one at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerId(pub u64);

pub(super) struct OpenQuestion<A> {
    pub ticket: Ticket,
    pub text: String,
    pub arrival: Mono,
    pub terms: Terms,
    /// When the watchdog answers.
    pub due: Mono,
    /// By engine, what its mandatory part needs at most; none where it is no question to that.
    pub needs: Box<[Option<Duration>]>,
    pub asker: Arc<dyn Asker<A>>,
    claim: Claim,
    progress: Mutex<Progress<A>>,
}

struct Progress<A> {
    worker: Option<WorkerId>,
    was_handed_over: bool,
    best: Option<ExitAnswer<A>>,
}

impl<A: Clone> OpenQuestion<A> {
    pub fn new(
        ticket: Ticket,
        (text, arrival, terms): (String, Mono, Terms),
        due: Mono,
        needs: Box<[Option<Duration>]>,
        asker: Arc<dyn Asker<A>>,
    ) -> OpenQuestion<A> {
        OpenQuestion {
            claim: Claim::opened(ticket.0),
            ticket,
            text,
            arrival,
            terms,
            due,
            needs,
            asker,
            progress: Mutex::new(Progress {
                worker: None,
                was_handed_over: false,
                best: None,
            }),
        }
    }

    /// True for exactly one caller, which owes the answer.
    pub fn claim(&self) -> bool {
        self.claim.claim(self.ticket.0)
    }

    pub fn is_open(&self) -> bool {
        self.claim.is_open(self.ticket.0)
    }

    /// The last moment at which `engine` can begin.
    pub fn latest_start(&self, engine: usize) -> Mono {
        let needs = self.needs.get(engine).copied().flatten();
        needs.map_or(Mono(0), |needs| self.due - needs)
    }

    pub fn begin(&self, worker: WorkerId) {
        lock(&self.progress).worker = Some(worker);
    }

    /// Whether this worker is to go on.
    pub fn is_wanted_of(&self, worker: WorkerId) -> bool {
        self.is_open() && lock(&self.progress).worker == Some(worker)
    }

    /// Keeps an exit, unless the question was answered or passed to another worker.
    pub fn record(&self, worker: WorkerId, exit: ExitAnswer<A>) -> bool {
        let mut progress = lock(&self.progress);
        let wanted = self.is_open() && progress.worker == Some(worker);
        if wanted {
            progress.best = Some(exit);
        }
        wanted
    }

    /// The deepest exit so far.
    pub fn best(&self) -> Option<ExitAnswer<A>> {
        lock(&self.progress).best.clone()
    }

    /// What an engine that failed has said is not trusted.
    pub fn distrust(&self, engine: usize) {
        let mut progress = lock(&self.progress);
        if progress
            .best
            .as_ref()
            .is_some_and(|best| best.engine == engine)
        {
            progress.best = None;
        }
    }

    /// Takes the question from its worker, for another one; true once.
    pub fn hand_over(&self) -> bool {
        let mut progress = lock(&self.progress);
        progress.worker = None;
        !std::mem::replace(&mut progress.was_handed_over, true)
    }

    pub fn was_handed_over(&self) -> bool {
        lock(&self.progress).was_handed_over
    }
}
