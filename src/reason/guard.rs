//! Answers in time what the reasoner has not answered.

use std::sync::Arc;

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
            self.open.push(opened);
        }
        self.answer_open(now);
        self.relieve_stalled(now);
        self.answer_pending(now);
        self.next_due(now)
    }

    fn answer_open(&mut self, now: Mono) {
        let desk = &self.desk;
        self.open.retain(|opened| {
            let station = &desk.stations[opened.station];
            if !station.is_open(opened.cycle) {
                return false;
            }
            if now < opened.due() {
                return true;
            }
            if station.claim(opened.cycle) {
                match station.deepest_exit(opened.cycle, desk.labels) {
                    Some((exit, probabilities)) => desk.answer_by_exit(
                        opened.cycle,
                        (&opened.trigger, &opened.terms),
                        opened.station,
                        exit,
                        probabilities,
                    ),
                    None => {
                        let reason = match desk.is_stalled(opened.station, now) {
                            true => Reason::BackendFault,
                            false => Reason::Deadline,
                        };
                        desk.answer_without_exit(
                            opened.cycle,
                            (&opened.trigger, &opened.terms),
                            Some(opened.station),
                            reason,
                        );
                    }
                }
            }
            false
        });
    }

    fn relieve_stalled(&self, now: Mono) {
        let active = self.desk.active_engine();
        if self.desk.is_stalled(active, now) {
            self.desk.fail_over(active, now);
        }
    }

    /// A trigger nobody has taken by the time it is due gets its answer here.
    fn answer_pending(&self, now: Mono) {
        if self.desk.pending_due().is_none_or(|due| now < due) {
            return;
        }
        let Some(request) = self.desk.take() else {
            return;
        };
        if now < request.due() {
            self.desk.untake(request);
            return;
        }
        let cycle = self.desk.next_cycle();
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
        let stall = Mono(active.stalls_at.load(std::sync::atomic::Ordering::Acquire));
        let stall = (stall > now).then_some(stall);
        cycles.chain(desk.pending_due()).chain(stall).min()
    }
}
