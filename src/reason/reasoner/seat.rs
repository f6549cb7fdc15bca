//! A reasoner's place at one robot's desk, and the cycle it has in hand there.

use std::sync::Arc;

use tracing::trace;

use super::super::CYCLE;
use super::super::decision::{Reason, Verdict};
use super::super::decision_cache::Answers;
use super::super::desk::{Desk, Handed};
use super::super::request::Request;
use crate::time::Mono;

pub(super) struct Seat {
    pub desk: Arc<Desk>,
    pub work: Option<Work>,
    /// What may be answered again, where that is wanted.
    pub answers: Option<Answers>,
}

/// A cycle in hand.
pub(super) struct Work {
    pub request: Box<Request>,
    pub cycle: u64,
    /// The station whose claim decides who answers; another's where that engine failed.
    pub claim: usize,
    /// The desk has a copy of the request.
    pub copied: bool,
    /// Its place in the batch.
    pub row: usize,
}

impl Seat {
    pub fn at(desk: Arc<Desk>) -> Seat {
        let answers = desk.terms().reuse.map(|_| Answers::new(desk.window_len()));
        Seat {
            desk,
            work: None,
            answers,
        }
    }

    /// Whether a trigger waits here for engine number `station`.
    pub fn has_work(&self, station: usize) -> bool {
        self.desk.has_pending() && self.desk.active_engine() == station
    }

    /// When the trigger that waits here for engine number `station` is due, while there is no cycle
    /// in hand; a cycle that another engine failed in is due at once.
    pub fn waiting(&self, station: usize) -> Option<Mono> {
        // A cycle of this station may be in another engine's hands; its claim is needed until it
        // is answered.
        let is_lent = self.desk.stations[station].has_open();
        if self.work.is_some() || !self.has_work(station) || is_lent {
            return None;
        }
        match self.desk.has_handed() {
            true => Some(Mono(0)),
            false => self.desk.pending_due(),
        }
    }

    /// Takes what waits here into row `row` of the batch. False where there was nothing, or it is
    /// answered already.
    pub fn take(&mut self, station: usize, row: usize) -> bool {
        let Some((handed, late)) = self.next(station) else {
            return false;
        };
        let Handed {
            cycle,
            claim,
            request,
        } = handed;
        let desk = &self.desk;
        if let Verdict::Unusable(reason) = request.trigger.verdict {
            self.answer_without_exit((cycle, claim), &request, None, reason);
            desk.put_back(request);
            return false;
        }
        if desk.now() >= request.due() {
            // Too late even to begin. Say so at once.
            self.answer_without_exit((cycle, claim), &request, None, late);
            desk.put_back(request);
            return false;
        }
        if self.answer_again((cycle, claim), &request) {
            self.desk.put_back(request);
            return false;
        }
        // A cycle is handed over once.
        let copied = claim == station && self.desk.keep_copy(cycle, claim, &request);
        trace!(
            target: CYCLE,
            cycle,
            waited_us = self.desk.now().since(request.trigger.arrival).as_micros() as u64,
            "taken"
        );
        self.work = Some(Work {
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
    fn next(&self, station: usize) -> Option<(Handed, Reason)> {
        if let Some(handed) = self.desk.take_handed(station) {
            return Some((handed, Reason::BackendFault));
        }
        let (request, cycle) = self.desk.take(station)?;
        let fresh = Handed {
            cycle,
            claim: station,
            request,
        };
        Some((fresh, Reason::Deadline))
    }

    /// Whether the world is as it was a moment ago, and was answered so.
    fn answer_again(&mut self, (cycle, claim): (u64, usize), request: &Request) -> bool {
        let (Some(answers), Some(reuse)) = (&mut self.answers, request.terms.reuse) else {
            return false;
        };
        let (arrival, terms) = (request.trigger.arrival, &request.terms);
        let Some(kept) = answers.find(&request.window, arrival, reuse, terms) else {
            return false;
        };
        if self.desk.stations[claim].claim(cycle) {
            self.desk
                .answer_again(cycle, (&request.trigger, terms), &kept);
        }
        true
    }

    /// The engine failed. Where the next one has its place (`next`) and time is left, that takes the
    /// cycle over, once; else it is answered.
    pub fn give_up(&mut self, station: usize, next: bool, now: Mono) {
        if let Some(answers) = &mut self.answers {
            answers.forget();
        }
        let Some(work) = self.work.take() else {
            return;
        };
        let desk = &self.desk;
        let handed = Handed {
            cycle: work.cycle,
            claim: work.claim,
            request: work.request,
        };
        let mine = work.claim == station;
        let may = mine && next && now < handed.request.due();
        // Where there was a copy and it is gone, the guard has handed that over.
        let copied = desk.take_copy(work.cycle, station);
        let gone = work.copied && copied.is_none();
        if let Some(copy) = copied {
            desk.put_back(copy.request);
        }
        if gone {
            desk.put_back(handed.request);
        } else if may {
            desk.hand_over(handed);
        } else {
            let cycle = (handed.cycle, handed.claim);
            let reason = Reason::BackendFault;
            self.answer_without_exit(cycle, &handed.request, Some(station), reason);
            desk.put_back(handed.request);
        }
    }

    fn answer_without_exit(
        &self,
        (cycle, claim): (u64, usize),
        request: &Request,
        station: Option<usize>,
        reason: Reason,
    ) {
        if self.desk.stations[claim].claim(cycle) {
            let terms = (&request.trigger, &*request.terms);
            self.desk.answer_without_exit(cycle, terms, station, reason);
        }
    }
}
