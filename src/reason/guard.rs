//! Answers in time what the reasoner has not answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::decision::{Reason, Verdict};
use super::desk::{Desk, Opened};
use crate::time::Mono;

/// Most open cycles: one per engine, and one pending.
const MOST_OPEN: usize = 16;

/// The deadline timer's logic; it owns no thread and no clock of its own, so that it runs under a
/// fake one as well. Run [`Guard::step`] whenever a trigger was offered and at the time the last
/// step returned.
pub struct Guard {
    desk: Arc<Desk>,
    open: Vec<Opened>,
}

impl Guard {
    /// A guard for this desk; a desk has one.
    pub fn new(desk: Arc<Desk>) -> Self {
        Guard {
            desk,
            open: Vec::with_capacity(MOST_OPEN + 64),
        }
    }

    /// Answers everything that is due, hands over from an engine that stalls, and returns when it
    /// must run again; `None` when there is nothing to wait for.
    pub fn step(&mut self) -> Option<Mono> {
        let now = self.desk.clock.now();
        while let Some(opened) = self.desk.opened.pop() {
            // Said again where it was handed over.
            match self.open.iter_mut().find(|o| o.cycle == opened.cycle) {
                Some(known) => *known = opened,
                None => self.open.push(opened),
            }
        }
        self.answer_open(now);
        self.relieve_stalled(now);
        self.answer_pending(now);
        self.next_due(now)
    }

    fn answer_open(&mut self, now: Mono) {
        let desk = &self.desk;
        self.open.retain(|opened| {
            let claim = &desk.stations[opened.claim];
            if !claim.is_open(opened.cycle) {
                return false;
            }
            if now < opened.due() {
                return true;
            }
            if claim.claim(opened.cycle) {
                answer_due(desk, opened, now);
            }
            false
        });
    }

    /// The next engine gets the triggers, and the cycle that the stalled one has in hand. A cycle is
    /// handed over once; where the second engine stalls as well it is answered at once.
    fn relieve_stalled(&self, now: Mono) {
        let desk = &self.desk;
        let active = desk.active_engine();
        if !desk.is_stalled(active, now) || !desk.fail_over(active, now) {
            return;
        }
        for opened in self.open.iter().filter(|opened| opened.station == active) {
            if opened.was_handed_over() {
                if desk.stations[opened.claim].claim(opened.cycle) {
                    let terms = (&opened.trigger, &*opened.terms);
                    let reason = Reason::BackendFault;
                    desk.answer_without_exit(opened.cycle, terms, Some(active), reason);
                }
            } else if let Some(copy) = desk.take_copy(opened.cycle, active) {
                desk.hand_over(copy);
            }
        }
    }

    /// A trigger nobody has taken by the time it is due gets its answer here.
    fn answer_pending(&self, now: Mono) {
        let Some((request, cycle)) = self.desk.take_due(now) else {
            return;
        };
        let active = self.desk.active_engine();
        let reason = match request.trigger.verdict {
            Verdict::Unusable(reason) => reason,
            Verdict::Ready if self.desk.is_stalled(active, now) => Reason::BackendFault,
            Verdict::Ready => Reason::Deadline,
        };
        self.desk
            .answer_without_exit(cycle, (&request.trigger, &request.terms), None, reason);
        self.desk.put_back(request);
    }

    fn next_due(&self, now: Mono) -> Option<Mono> {
        let desk = &self.desk;
        let cycles = self.open.iter().map(Opened::due);
        let active = &desk.stations[desk.active_engine()];
        // 0 where nothing runs, and a stall that nobody can take over is not news a second time.
        let stall = Mono(active.stalls_at.load(Ordering::Acquire));
        let stall = (stall > now).then_some(stall);
        cycles.chain(desk.pending_due()).chain(stall).min()
    }
}

/// By the deepest exit there is; of a cycle that was handed over, by one of the first engine only
/// where that stalled, not where it failed. The caller has won the cycle's claim.
fn answer_due(desk: &Desk, opened: &Opened, now: Mono) {
    let terms = (&opened.trigger, &*opened.terms);
    let handed = opened.was_handed_over();
    let exit_of = |station: usize| {
        let exit = desk.stations[station].deepest_exit(opened.cycle, desk.labels);
        exit.map(|(exit, probabilities)| (station, exit, probabilities))
    };
    let first = || exit_of(opened.claim).filter(|_| handed && desk.is_stalled(opened.claim, now));
    match exit_of(opened.station).or_else(first) {
        Some((station, exit, probabilities)) => {
            desk.answer_by_exit(opened.cycle, terms, station, exit, probabilities);
        }
        None => {
            let reason = match handed || desk.is_stalled(opened.station, now) {
                true => Reason::BackendFault,
                false => Reason::Deadline,
            };
            desk.answer_without_exit(opened.cycle, terms, Some(opened.station), reason);
        }
    }
}
