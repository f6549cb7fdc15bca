//! Feeds the messages of one recording to ingest, scheduler and writer, in simulated time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::decision_log::DecisionLog;
use super::options::{ReplayError, ReplayOptions};
use super::replayed::START;
use super::sources::RecordedSource;
use crate::act::DecisionNames;
use crate::act::encode::encode_decision;
use crate::bag::BagMessage;
use crate::bag::writer::{McapWriter, TopicId, message_definition};
use crate::configure::Configuration;
use crate::features::frames::{TransformTopic, Transforms};
use crate::ingest::Ingest;
use crate::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use crate::scheduler::{Decision, OutgoingDecision, Publish};
use crate::time::Clock;
use crate::time::{Mono, Stamp};

/// One recording's way through the rooms.
pub(super) struct RecordingReplay {
    pub(super) ingest: Ingest,
    pub(super) logical: SimulatedScheduler<FixedCosts>,
    outbox: Arc<Outbox>,
    pub(super) record: DecisionLog,
    pub(super) writer: McapWriter,
    pub(super) topic: TopicId,
    words: DecisionNames,
    bytes: Vec<u8>,
    /// Log time at which the recording begins.
    pub(super) first: Stamp,
    pub(super) silences: u64,
    pub(super) first_fault: Option<String>,
    /// Findings about the scans.
    pub(super) news: Vec<String>,
    /// Notices about the messages.
    pub(super) remarks: Vec<String>,
}

impl RecordingReplay {
    pub(super) fn new(
        name: &str,
        configuration: &Configuration,
        options: &ReplayOptions,
        ingest: Ingest,
        record: DecisionLog,
    ) -> Result<RecordingReplay, ReplayError> {
        let clock = Arc::new(SimulatedClock::default());
        let outbox = Arc::new(Outbox {
            clock: Arc::clone(&clock),
            decisions: Mutex::new(Vec::new()),
        });
        let scheduler = configuration.scheduler(Arc::clone(&clock) as _, Arc::clone(&outbox) as _);
        let mut costs = configuration.recorded_costs()?;
        for cost in costs.iter_mut().flatten() {
            *cost = cost.mul_f64(options.slowdown);
        }
        let workers = configuration.workers_at(&scheduler, &costs)?;
        let mut writer = McapWriter::create(&decisions_file(&options.out, name))?;
        let definition = message_definition(DECISION).unwrap_or_default();
        let topic = writer.add_topic(TOPIC, DECISION, definition, None)?;
        Ok(RecordingReplay {
            ingest,
            logical: SimulatedScheduler::new(clock, vec![scheduler], workers, FixedCosts { costs }),
            outbox,
            record,
            writer,
            topic,
            words: configuration.vocabulary(),
            bytes: Vec::new(),
            first: Stamp(0),
            silences: 0,
            first_fault: None,
            news: Vec::new(),
            remarks: Vec::new(),
        })
    }

    fn moment(&mut self, log_time: Stamp) -> Mono {
        self.record.moment(START + log_time.since(self.first))
    }

    /// Takes in a message; its fault, if it could not be used.
    pub(super) fn take(
        &mut self,
        source: &RecordedSource<'_>,
        message: &BagMessage,
    ) -> Result<Option<String>, ReplayError> {
        let arrival = self.moment(message.log_time);
        if source.id == self.ingest.trigger() {
            self.record.trigger();
        }
        self.logical.advance_to(arrival);
        let (request, taken) = self.ingest.message(
            self.logical.scheduler(0),
            source.id,
            &message.data,
            arrival,
            message.log_time,
        );
        if let Some(request) = request {
            self.logical.offer(0, request);
        }
        if let Some(news) = self.ingest.news(source.id) {
            self.news.push(news.to_string());
        }
        while let Some(remark) = self.ingest.next_remark() {
            self.remark(remark.to_string());
        }
        self.write()?;
        let fault = taken.err().map(|fault| fault.to_string());
        if self.first_fault.is_none() {
            self.first_fault.clone_from(&fault);
        }
        Ok(fault)
    }

    /// Takes in transforms.
    pub(super) fn take_transforms(&mut self, topic: &str, cdr: &[u8]) {
        match Transforms::decode(cdr) {
            Ok(transforms) => self.ingest.transforms(&transforms, TransformTopic::Moving),
            Err(fault) => self.remark(format!("{topic}: {fault}")),
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MOST_REMARKS && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Answers the trigger's silence before this log time, as a live node would.
    pub(super) fn keep_silence(
        &mut self,
        until: Stamp,
        notices: &mut Vec<String>,
    ) -> Result<(), ReplayError> {
        let until = START + until.since(self.first);
        let mut began = None;
        loop {
            let due = self.ingest.silent_from(START);
            if due >= until {
                return Ok(());
            }
            let now = self.record.moment(due);
            let began = *began.get_or_insert(now);
            if now.since(began) > PAUSE {
                notices.push(format!(
                    "nothing is recorded for {:.0} s; silence is answered for an hour of it",
                    until.since(began).as_secs_f64()
                ));
                return Ok(());
            }
            self.logical.advance_to(now);
            let log_time = self.first + now.since(START);
            let scheduler = self.logical.scheduler(0);
            let Some(request) = self.ingest.silence(scheduler, START, now, log_time) else {
                return Ok(());
            };
            self.silences += 1;
            self.logical.offer(0, request);
            self.write()?;
        }
    }

    fn write(&mut self) -> Result<(), ReplayError> {
        for (when, decision) in self.outbox.take() {
            let log_time = self.first + when.since(START);
            encode_decision(&decision, &self.words, &mut self.bytes);
            self.writer.write(self.topic, log_time, &self.bytes)?;
            self.record.decided(&decision);
        }
        Ok(())
    }

    /// Runs until every trigger is answered.
    pub(super) fn drain(&mut self) -> Result<(), ReplayError> {
        self.logical.drain();
        self.write()
    }
}

pub(super) struct FixedCosts {
    /// By engine, then by stage.
    costs: Vec<Vec<Duration>>,
}

impl MachineModel for FixedCosts {
    fn stage_cost(&mut self, slot: usize, stage: usize) -> Option<Duration> {
        let costs = self.costs.get(slot).map_or(&[][..], Vec::as_slice);
        Some(costs.get(stage).copied().unwrap_or_default())
    }
}

/// Keeps decisions with the moment they left, until they are written.
pub(super) struct Outbox {
    clock: Arc<SimulatedClock>,
    decisions: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Outbox {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| {
            if let Ok(mut decisions) = self.decisions.lock() {
                decisions.push((self.clock.now(), decision.clone()));
            }
        });
    }
}

impl Outbox {
    pub(super) fn take(&self) -> Vec<(Mono, Decision)> {
        self.decisions
            .lock()
            .map(|mut decisions| std::mem::take(&mut *decisions))
            .unwrap_or_default()
    }
}

/// The file of the decisions on a recording of this name.
pub fn decisions_file(out: &Path, name: &str) -> PathBuf {
    out.join(format!("{name}.mcap"))
}

pub(super) const DECISION: &str = "edge_reasoner/msg/Decision";

pub(super) const TOPIC: &str = "/edge_reasoner/decision";

/// Sentences of one recording at most; a mounting that moves says another each time.
pub(super) const MOST_REMARKS: usize = 20;

/// No recording pauses for longer: what is silent for longer was not recorded. So long a silence is
/// answered all the same.
pub(super) const PAUSE: Duration = Duration::from_secs(3600);
