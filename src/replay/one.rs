//! One recording through the rooms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bag::{Bag, BagMessage, End};
use super::clocks::{Clocks, Pace};
use super::frames::{Looked, RecordedFrames};
use super::record::Record;
use super::sources::{self, Recorded};
use super::writer::{McapWriter, TopicId, message_definition};
use super::{ReplayError, ReplayOptions};
use crate::act::Vocabulary;
use crate::act::wire::encode_decision;
use crate::configure::Configuration;
use crate::ingest::Ingest;
use crate::learn::{BaselineTallies, Tally as ScoreTally, Task, Truth};
use crate::reason::logical::{Logical, LogicalClock, Machine};
use crate::reason::{Decision, Outgoing, Publish, Source, Tally};
use crate::sense::frames::{Links, Transforms};
use crate::time::{Clock, Mono, Stamp};
use crate::topic_names::TopicNames;

const DECISION: &str = "edge_reasoner/msg/Decision";
const TOPIC: &str = "/edge_reasoner/decision";

/// What one recording gave.
pub struct Replayed {
    /// Its name.
    pub name: Arc<str>,
    /// Robot its scores count for.
    pub robot: String,
    /// The counters.
    pub tally: Tally,
    /// Of every decision.
    pub points: Vec<Point>,
    /// Seconds from its first to its last message, on any topic.
    pub seconds: f64,
    /// Decisions that answer the trigger's silence.
    pub silences: u64,
    /// Optional sources that it lacks, and why.
    pub without: BTreeMap<String, String>,
    /// What else was not as it should be, in sentences.
    pub notices: Vec<String>,
    /// Messages the window had no use for, and the first such fault.
    pub refused: (u64, Option<String>),
    /// What people want to know of its messages, though none was refused for it.
    pub remarks: Vec<String>,
    /// Where it is cut.
    pub cut: Option<String>,
    /// Against the truth, where there is one.
    pub scored: Option<(ScoreTally, BaselineTallies)>,
}

/// One decision, for quantiles, expectations and the picture.
#[derive(Clone, Copy)]
pub struct Point {
    /// Seconds since the recording began.
    pub at: f64,
    /// Arrival to publication.
    pub latency: Duration,
    /// Label index.
    pub label: u8,
    /// Exit, 0: none.
    pub exit: u8,
    /// What stands behind it.
    pub source: Source,
    /// Where it is known.
    pub truth: Option<PointTruth>,
}

/// What a decision is held against.
#[derive(Clone, Copy)]
pub struct PointTruth {
    /// The class to be decided.
    pub label: usize,
    /// Class of what is seen now.
    pub now: usize,
}

struct Costs {
    /// By engine, then by stage.
    costs: Vec<Vec<Duration>>,
}

impl Machine for Costs {
    fn stage_cost(&mut self, station: usize, stage: usize) -> Option<Duration> {
        let costs = self.costs.get(station).map_or(&[][..], Vec::as_slice);
        Some(costs.get(stage).copied().unwrap_or_default())
    }
}

/// Keeps decisions with the moment they left, until they are written.
struct Outbox {
    clock: Arc<LogicalClock>,
    decisions: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Outbox {
    fn publish(&self, outgoing: Outgoing) {
        outgoing.send(|decision| {
            if let Ok(mut decisions) = self.decisions.lock() {
                decisions.push((self.clock.now(), decision.clone()));
            }
        });
    }
}

impl Outbox {
    fn take(&self) -> Vec<(Mono, Decision)> {
        self.decisions
            .lock()
            .map(|mut decisions| std::mem::take(&mut *decisions))
            .unwrap_or_default()
    }
}

/// Logical time at which a recording begins.
pub const START: Mono = Mono(1_000_000_000);

/// No recording pauses for longer: what is silent for longer was not recorded. So long a silence is
/// answered all the same.
const PAUSE: Duration = Duration::from_secs(3600);

/// Replays one recording and writes its decisions to `NAME.mcap` in the output folder.
pub fn replay_one(
    path: &Path,
    name: &Arc<str>,
    robot: String,
    configuration: &Configuration,
    task: Option<&Task>,
    options: &ReplayOptions,
) -> Result<Replayed, ReplayError> {
    let bag = Bag::open(path)?;
    let mut ingest = configuration.ingest()?;
    let names = &options.names;
    let found = sources::find((&bag, name), configuration, &options.values, names, &ingest)?;
    let trigger = found.recorded.iter().find(|s| s.id == ingest.trigger());
    let frames = RecordedFrames::of(&bag, trigger.map_or("", |source| source.topic.as_str()))?;
    ingest.set_tree(frames.tree().clone());
    let mut notices = Vec::new();
    let truth = task.and_then(|task| {
        let truth = read_truth(&bag, task, configuration, (names, &frames));
        truth
            .map_err(|why| notices.push(format!("no scores: {why}")))
            .ok()
    });

    let mut door = Door::new(
        name,
        configuration,
        options,
        ingest,
        Record::new(truth, task),
    )?;
    let mut heard: Vec<Heard> = found.recorded.iter().map(Heard::new).collect();
    door.remarks = frames.faults().to_vec();
    let topics = found.recorded.iter().map(|s| s.topic.as_str());
    let topics: Vec<&str> = topics
        .chain(frames.moving().iter().map(String::as_str))
        .collect();
    let mut messages = bag.read(&topics)?;
    let mut next = messages.next().transpose()?;
    let (first, last) = span(&bag, next.as_ref(), &mut notices);
    door.first = first;
    let mut newest = first;
    while let Some(message) = next {
        newest = newest.max(message.log_time);
        door.keep_silence(message.log_time, &mut notices)?;
        match heard.get_mut(message.topic) {
            Some(heard) => heard.note(&message, door.take(heard.source, &message)?),
            // Behind the sources' topics come those of tf.
            None => door.take_transforms(topics[message.topic], &message.data),
        }
        next = messages.next().transpose()?;
    }
    let cut = match messages.end() {
        End::Whole => None,
        End::Cut { at, why } => Some(match at {
            Some(at) => format!("{name}: used up to {at} s; {why}"),
            None => format!("{name}: nothing could be used; {why}"),
        }),
    };
    // Behind a cut nobody knows who was silent.
    if cut.is_none() && last.since(newest) > PAUSE {
        notices.push(format!(
            "the recording ends {:.0} s after the last message that is read; that is left out",
            last.since(newest).as_secs_f64()
        ));
    } else if cut.is_none() {
        newest = newest.max(last);
        door.keep_silence(newest + Duration::from_nanos(1), &mut notices)?;
    }
    door.drain()?;
    door.writer.finish()?;
    notices.append(&mut door.news);
    judge_clocks(name, &heard, &mut notices)?;
    notices.extend(
        heard
            .iter()
            .filter_map(|heard| heard.nothing_used(cut.is_some())),
    );
    Ok(Replayed {
        name: Arc::clone(name),
        robot,
        tally: door.logical.desk(0).counts().tally(),
        points: door.record.points,
        seconds: newest.since(first).as_secs_f64(),
        silences: door.silences,
        without: found.without,
        notices,
        refused: (
            heard.iter().map(|heard| heard.refused).sum(),
            door.first_fault,
        ),
        remarks: door.remarks,
        cut,
        scored: door.record.scored,
    })
}

/// Sentences of one recording at most; a mounting that moves says another each time.
const MOST_REMARKS: usize = 20;

/// First and last log time, on any topic. Topics that are far from those that are read do not
/// count: they were not recorded along with them.
fn span(bag: &Bag, next: Option<&BagMessage>, notices: &mut Vec<String>) -> (Stamp, Stamp) {
    let read = next.map(|message| message.log_time);
    let (begin, end) = match (bag.time_range(), read) {
        (Some((begin, end)), Some(read)) => (begin.min(read), end.max(read)),
        (None, Some(read)) => (read, read),
        (Some(range), None) => range,
        (None, None) => (Stamp(0), Stamp(0)),
    };
    match read {
        Some(read) if read.since(begin) > PAUSE => {
            notices.push(format!(
                "the recording begins {:.0} s before the first message that is read; that is left out",
                read.since(begin).as_secs_f64()
            ));
            (read, end)
        }
        _ => (begin, end),
    }
}

/// Refuses a recording whose log times are in another unit; says what else differs.
fn judge_clocks(
    name: &str,
    heard: &[Heard<'_>],
    notices: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let seconds = |span: Duration| span.as_secs_f64();
    let paced = heard
        .iter()
        .filter_map(|heard| Some((heard, heard.clocks.pace()?)));
    let paced: Vec<(&Heard<'_>, Pace)> = paced.collect();
    let all = paced
        .iter()
        .all(|(_, pace)| matches!(pace, Pace::OtherUnit(..)));
    for (heard, pace) in paced {
        let source = &heard.source.params.name;
        match pace {
            Pace::OtherUnit(headers, logs) if all => {
                return Err(ReplayError::LogTimes {
                    recording: name.to_owned(),
                    source_name: source.clone(),
                    headers_s: seconds(headers),
                    logs_s: seconds(logs),
                });
            }
            Pace::OtherUnit(headers, logs) | Pace::Apart(headers, logs) => notices.push(format!(
                "{source}: its header stamps span {:.3} s, their log times {:.3} s; was it played or \
                 simulated at another rate, or stamped wrongly? Ages are those of the log times",
                seconds(headers),
                seconds(logs)
            )),
            Pace::Alike => {}
        }
    }
    Ok(())
}

/// What came of one source.
struct Heard<'s> {
    source: &'s Recorded<'s>,
    messages: u64,
    refused: u64,
    first_fault: Option<String>,
    clocks: Clocks,
}

impl<'s> Heard<'s> {
    fn new(source: &'s Recorded<'s>) -> Heard<'s> {
        Heard {
            source,
            messages: 0,
            refused: 0,
            first_fault: None,
            clocks: Clocks::of(&source.params.message),
        }
    }

    fn note(&mut self, message: &BagMessage, fault: Option<String>) {
        self.messages += 1;
        self.refused += u64::from(fault.is_some());
        self.first_fault = self.first_fault.take().or(fault);
        self.clocks.note(&message.data, message.log_time);
    }

    /// A sentence where it is there and yet gave nothing.
    fn nothing_used(&self, cut: bool) -> Option<String> {
        let (name, topic) = (&self.source.params.name, &self.source.topic);
        match (self.messages, &self.first_fault) {
            (0, _) if cut => None,
            (0, _) => Some(format!("{name}: {topic} is recorded without a message")),
            (all, Some(fault)) if self.refused == all => Some(format!(
                "{name}: none of {all} messages could be used: first {fault}"
            )),
            _ => None,
        }
    }
}

/// One recording's way through the rooms.
struct Door {
    ingest: Ingest,
    logical: Logical<Costs>,
    outbox: Arc<Outbox>,
    record: Record,
    writer: McapWriter,
    topic: TopicId,
    words: Vocabulary,
    bytes: Vec<u8>,
    /// Log time at which the recording begins.
    first: Stamp,
    silences: u64,
    first_fault: Option<String>,
    /// What was found out about the scans.
    news: Vec<String>,
    /// What else people want to know of the messages.
    remarks: Vec<String>,
}

impl Door {
    fn new(
        name: &str,
        configuration: &Configuration,
        options: &ReplayOptions,
        ingest: Ingest,
        record: Record,
    ) -> Result<Door, ReplayError> {
        let clock = Arc::new(LogicalClock::default());
        let outbox = Arc::new(Outbox {
            clock: Arc::clone(&clock),
            decisions: Mutex::new(Vec::new()),
        });
        let desk = configuration.desk(Arc::clone(&clock) as _, Arc::clone(&outbox) as _);
        let mut costs = configuration.recorded_costs()?;
        for cost in costs.iter_mut().flatten() {
            *cost = cost.mul_f64(options.slowdown);
        }
        let reasoners = configuration.reasoners_at(&desk, &costs)?;
        let mut writer = McapWriter::create(&decisions_file(&options.out, name))?;
        let definition = message_definition(DECISION).unwrap_or_default();
        let topic = writer.add_topic(TOPIC, DECISION, definition, None)?;
        Ok(Door {
            ingest,
            logical: Logical::new(clock, vec![desk], reasoners, Costs { costs }),
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
    fn take(
        &mut self,
        source: &Recorded<'_>,
        message: &BagMessage,
    ) -> Result<Option<String>, ReplayError> {
        let arrival = self.moment(message.log_time);
        if source.id == self.ingest.trigger() {
            self.record.trigger();
        }
        self.logical.advance_to(arrival);
        let (request, taken) = self.ingest.message(
            self.logical.desk(0),
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

    /// Takes in what tf says.
    fn take_transforms(&mut self, topic: &str, cdr: &[u8]) {
        match Transforms::decode(cdr) {
            Ok(transforms) => self.ingest.transforms(&transforms, Links::Moving),
            Err(fault) => self.remark(format!("{topic}: {fault}")),
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MOST_REMARKS && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Answers the trigger's silence before this log time, as a live node would.
    fn keep_silence(&mut self, until: Stamp, notices: &mut Vec<String>) -> Result<(), ReplayError> {
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
            let desk = self.logical.desk(0);
            let Some(request) = self.ingest.silence(desk, START, now, log_time) else {
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

    /// Lets everything be answered.
    fn drain(&mut self) -> Result<(), ReplayError> {
        self.logical.drain();
        self.write()
    }
}

/// Where the decisions on a recording of this name go.
pub fn decisions_file(out: &Path, name: &str) -> PathBuf {
    out.join(format!("{name}.mcap"))
}

/// Why not, where the truth cannot be computed from this recording; its decisions stand all the
/// same.
fn read_truth(
    bag: &Bag,
    task: &Task,
    configuration: &Configuration,
    (names, frames): (&TopicNames, &RecordedFrames),
) -> Result<Truth, String> {
    if task.labels != configuration.bundle.manifest.labels {
        return Err(String::from("the task's labels are not the model's"));
    }
    let sources = &configuration.params.sources;
    let topics: BTreeMap<String, String> = sources
        .iter()
        .map(|source| (source.name.clone(), names.resolve(&source.topic)))
        .collect();
    let scan = task.truth.scan().unwrap_or(&configuration.params.trigger);
    // The truth is seen by the same laser, mounted as tf says.
    let mut laser = configuration.settings(scan);
    let said = configuration.params.said_of_mounting(scan);
    let topic = topics.get(scan).map_or("", String::as_str);
    if let Ok(Some(Looked {
        mounting: Ok(mount),
        ..
    })) = frames.look(bag, topic, &said)
    {
        laser = laser.mounted(mount);
    }
    Truth::read(bag, task, &topics, &laser).map_err(|error| error.to_string())
}
