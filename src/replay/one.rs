//! One recording through the rooms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bag::{Bag, End};
use super::frames::{Looked, RecordedFrames};
use super::writer::{McapWriter, message_definition};
use super::{ReplayError, ReplayOptions};
use crate::act::wire::encode_decision;
use crate::configure::Configuration;
use crate::ingest::Ingest;
use crate::learn::{BaselineTallies, Tally as ScoreTally, Task, Truth};
use crate::params::SourceParams;
use crate::reason::logical::{Logical, LogicalClock, Machine};
use crate::reason::{Decision, Publish, Source, Tally};
use crate::sense::frames::{Links, Transforms};
use crate::sense::{SourceId, Thin};
use crate::time::{Clock, Mono, Stamp};

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
    /// Seconds from its first to its last message.
    pub seconds: f64,
    /// Messages the window had no use for, and the first such fault.
    pub refused: (u64, Option<String>),
    /// What people want to know of its messages, though none was refused for it.
    pub remarks: Vec<String>,
    /// Where it is cut.
    pub cut: Option<String>,
    /// Against the truth, where there is one.
    pub scored: Option<(ScoreTally, BaselineTallies)>,
}

/// One decision, for quantiles and the picture.
#[derive(Clone, Copy)]
pub struct Point {
    /// Seconds since the first message.
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

struct Recorded {
    /// By engine, then by stage.
    costs: Vec<Vec<Duration>>,
}

impl Machine for Recorded {
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
    fn publish(&self, decision: &Decision) {
        if let Ok(mut decisions) = self.decisions.lock() {
            decisions.push((self.clock.now(), decision.clone()));
        }
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
    let sources = usable(&bag, name, configuration, &ingest)?;
    let trigger = sources
        .iter()
        .find(|(_, source)| source.name == configuration.params.trigger);
    let beside = trigger.map_or("", |(_, source)| source.topic.as_str());
    let frames = RecordedFrames::of(&bag, beside)?;
    ingest.set_tree(frames.tree().clone());
    let mut remarks = frames.faults().to_vec();
    let truth = match task {
        Some(task) => read_truth(&bag, task, configuration, &frames),
        None => None,
    };

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
    let mut logical = Logical::new(clock, vec![desk], reasoners, Recorded { costs });

    let mut writer = McapWriter::create(&decisions_file(&options.out, name))?;
    let definition = message_definition(DECISION).unwrap_or_default();
    let topic = writer.add_topic(TOPIC, DECISION, definition, None)?;
    let words = configuration.vocabulary();
    let mut bytes = Vec::new();

    let mut record = Record::new(truth, task);
    let topics = sources.iter().map(|(_, s)| s.topic.as_str());
    let topics: Vec<&str> = topics
        .chain(frames.moving().iter().map(String::as_str))
        .collect();
    let mut messages = bag.read(&topics)?;
    let mut refused = (0, None);
    let mut span: Option<(Stamp, Stamp)> = None;
    let mut write = |record: &mut Record, first: Stamp| {
        for (when, decision) in outbox.take() {
            let log_time = first + when.since(START);
            encode_decision(&decision, &words, &mut bytes);
            writer.write(topic, log_time, &bytes)?;
            record.decided(&decision);
        }
        Ok::<(), ReplayError>(())
    };
    for message in &mut messages {
        let message = message?;
        if message.topic >= sources.len() {
            match Transforms::decode(&message.data) {
                Ok(transforms) => ingest.transforms(&transforms, Links::Moving),
                Err(fault) => note(&mut remarks, format!("{}: {fault}", topics[message.topic])),
            }
            continue;
        }
        let (first, _) = *span.get_or_insert((message.log_time, message.log_time));
        span = Some((first, message.log_time));
        let source = sources[message.topic].0;
        let arrival = record.arrival(START + message.log_time.since(first), source, &ingest);
        logical.advance_to(arrival);
        let (request, taken) = ingest.message(
            logical.desk(0),
            source,
            &message.data,
            arrival,
            message.log_time,
        );
        if let Some(news) = ingest.news(source) {
            tracing::info!("{name}: {news}");
        }
        if let Err(fault) = taken {
            refused.0 += 1;
            refused.1.get_or_insert_with(|| fault.to_string());
        }
        if let Some(request) = request {
            logical.offer(0, request);
        }
        while let Some(remark) = ingest.next_remark() {
            note(&mut remarks, remark.to_string());
        }
        write(&mut record, first)?;
    }
    logical.drain();
    if let Some((first, _)) = span {
        write(&mut record, first)?;
    }
    writer.finish()?;
    let cut = match messages.end() {
        End::Whole => None,
        End::Cut { at, why } => Some(match at {
            Some(at) => format!("{name}: used up to {at} s; {why}"),
            None => format!("{name}: nothing could be used; {why}"),
        }),
    };
    Ok(Replayed {
        name: Arc::clone(name),
        robot,
        tally: logical.desk(0).counts().tally(),
        points: record.points,
        seconds: span.map_or(0.0, |(first, last)| last.since(first).as_secs_f64()),
        refused,
        remarks,
        cut,
        scored: record.scored,
    })
}

/// Sentences of one recording at most; a mounting that moves says another each time.
const MOST_REMARKS: usize = 20;

fn note(remarks: &mut Vec<String>, remark: String) {
    if remarks.len() < MOST_REMARKS && !remarks.contains(&remark) {
        remarks.push(remark);
    }
}

/// Where the decisions on a recording of this name go.
pub fn decisions_file(out: &Path, name: &str) -> PathBuf {
    out.join(format!("{name}.mcap"))
}

/// Logical time of a recording's first message.
const START: Mono = Mono(1_000_000_000);

/// What is kept of the decisions.
struct Record {
    /// Arrivals of the trigger, in order: the place in the list is the number of the scan.
    arrivals: Vec<Mono>,
    last: Mono,
    points: Vec<Point>,
    truth: Option<Truth>,
    scored: Option<(ScoreTally, BaselineTallies)>,
}

impl Record {
    fn new(truth: Option<Truth>, task: Option<&Task>) -> Record {
        let scored = truth.as_ref().zip(task).map(|(truth, task)| {
            let labels = task.labels.len();
            let mut baselines = BaselineTallies::of(&task.truth, labels);
            // Only what a decision was asked for.
            let mut thin = Thin::new(task.window.every_ms);
            let asked = truth.scans.iter().filter(|scan| thin.asks(scan.time));
            asked.for_each(|scan| baselines.add(scan));
            (task.truth.tally(labels), baselines)
        });
        Record {
            arrivals: Vec::new(),
            last: Mono(0),
            points: Vec::new(),
            truth,
            scored,
        }
    }

    /// Arrivals are kept apart, so that each names one message.
    fn arrival(&mut self, at: Mono, source: SourceId, ingest: &Ingest) -> Mono {
        self.last = at.max(self.last + Duration::from_nanos(1));
        if source == ingest.trigger() {
            self.arrivals.push(self.last);
        }
        self.last
    }

    fn decided(&mut self, decision: &Decision) {
        let arrival = decision.trigger.arrival;
        let scan = self.arrivals.binary_search(&arrival).ok();
        let known = scan.and_then(|scan| self.truth.as_ref()?.scans.get(scan));
        let truth = known.and_then(|known| {
            Some(PointTruth {
                label: known.label?,
                now: known.now,
            })
        });
        if let (Some(truth), Some((scores, _))) = (truth, &mut self.scored) {
            scores.add(truth.label, truth.now, usize::from(decision.label));
        }
        self.points.push(Point {
            at: arrival.since(START).as_secs_f64(),
            latency: decision.latency,
            label: decision.label,
            exit: decision.exit,
            source: decision.source,
            truth,
        });
    }
}

/// The configured sources this recording has, with their numbers; a required one that is missing
/// or of another type is an error.
fn usable<'c>(
    bag: &Bag,
    name: &str,
    configuration: &'c Configuration,
    ingest: &Ingest,
) -> Result<Vec<(SourceId, &'c SourceParams)>, ReplayError> {
    let mut usable = Vec::new();
    for source in &configuration.params.sources {
        let Some(id) = ingest.source(&source.name) else {
            continue;
        };
        let recorded = bag.topics().iter().find(|topic| topic.name == source.topic);
        let what = match recorded {
            Some(topic) if topic.type_name == source.message => {
                usable.push((id, source));
                continue;
            }
            Some(topic) => format!(
                "{} is recorded as {}, but source {} reads {}; set {}.topic or {}.type",
                topic.name, topic.type_name, source.name, source.message, source.name, source.name
            ),
            // What is missing may lie behind the cut; the report says where that is.
            None if bag.cut().is_some() => continue,
            None => format!(
                "there is no topic {} for source {}; set {}.topic to one of: {}",
                source.topic,
                source.name,
                source.name,
                of_type(bag, &source.message)
            ),
        };
        if source.required || source.name == configuration.params.trigger {
            return Err(ReplayError::Topic {
                recording: name.to_owned(),
                what,
            });
        }
        tracing::info!("{name}: {what}; going on without {}", source.name);
    }
    Ok(usable)
}

fn of_type(bag: &Bag, message: &str) -> String {
    let of_type = bag
        .topics()
        .iter()
        .filter(|topic| topic.type_name == message);
    let names: Vec<&str> = of_type.map(|topic| topic.name.as_str()).collect();
    match names.is_empty() {
        true => format!("(none of type {message})"),
        false => names.join(", "),
    }
}

/// None where the truth cannot be computed from this recording; its decisions stand all the same.
fn read_truth(
    bag: &Bag,
    task: &Task,
    configuration: &Configuration,
    frames: &RecordedFrames,
) -> Option<Truth> {
    if task.labels != configuration.bundle.manifest.labels {
        tracing::warn!(
            "{}: no scores: the task's labels are not the model's",
            bag.name()
        );
        return None;
    }
    let sources = &configuration.params.sources;
    let topics: BTreeMap<String, String> = sources
        .iter()
        .map(|source| (source.name.clone(), source.topic.clone()))
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
    match Truth::read(bag, task, &topics, &laser) {
        Ok(truth) => Some(truth),
        Err(error) => {
            tracing::warn!("{}: no scores: {error}", bag.name());
            None
        }
    }
}
