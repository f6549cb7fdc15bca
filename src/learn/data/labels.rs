//! Labels: the truth of a recording, and what the baselines would have answered.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::external_labels::ExternalLabels;
use super::truth::{ScanTruth, Truth};
use crate::bag::Bag;
use crate::features::{ScanPreparation, SourceSettings};
use crate::learn::error::LearnError;
use crate::learn::task::label_rule::LabelRule;
use crate::learn::task::task_file::Task;
use crate::messages::{LaserScan, Message, MessageType};
use crate::time::Stamp;

/// Speeds beyond this are spikes of a differentiated pose, not motion.
const SPEED_LIMIT: f64 = 5.0;

/// Class of a clearance (none is far): below `bounds_m[i]` at least `i + 1`.
pub fn class_of(clearance: Option<f32>, bounds_m: &[f32]) -> usize {
    let clearance = clearance.unwrap_or(f32::INFINITY);
    bounds_m.iter().filter(|bound| clearance < **bound).count()
}

/// Collects what a label rule needs while a recording is read.
#[derive(Clone, Debug)]
pub struct TruthBuilder(TruthRule);

#[derive(Clone, Debug)]
enum TruthRule {
    Clearance(Box<ClearanceTruth>),
    Latest(ExternalLabels),
}

#[derive(Clone, Debug)]
struct ClearanceTruth {
    half_angle: f32,
    horizon_ns: i64,
    horizon_s: f64,
    bounds: Vec<f32>,
    preparation: ScanPreparation,
    scan: String,
    speeds: Vec<String>,
    latest: Vec<Option<f64>>,
    scans: Vec<ScanObservation>,
}

#[derive(Clone, Debug)]
struct ScanObservation {
    time: Stamp,
    /// None: not readable; Some(None): nothing ahead.
    clearance: Option<Option<f32>>,
    speeds: Vec<Option<f64>>,
}

impl TruthBuilder {
    /// For one recording whose laser is turned by `yaw` (rad).
    pub fn new(task: &Task, yaw: f32) -> TruthBuilder {
        let settings = task.settings(yaw).into_iter();
        let inputs = task.window.inputs.iter().zip(settings);
        let mut lasers = inputs.filter(|(input, _)| task.truth.scan() == Some(&*input.source));
        let laser = lasers.next().map(|(_, settings)| settings);
        TruthBuilder::seen_by(task, &laser.unwrap_or_default())
    }

    /// For one recording whose laser has these settings.
    pub fn seen_by(task: &Task, laser: &SourceSettings) -> TruthBuilder {
        let LabelRule::FutureMinRange {
            scan,
            speeds,
            half_angle_deg,
            horizon_s,
            bounds_m,
            ..
        } = &task.truth
        else {
            let latest = ExternalLabels::new(&task.truth, &task.labels, &task.window.trigger);
            return TruthBuilder(TruthRule::Latest(latest));
        };
        let truth = ClearanceTruth {
            half_angle: half_angle_deg.to_radians(),
            horizon_ns: (f64::from(*horizon_s) * 1e9) as i64,
            horizon_s: f64::from(*horizon_s),
            bounds: bounds_m.clone(),
            preparation: ScanPreparation::new(laser),
            scan: scan.clone(),
            speeds: speeds.clone(),
            latest: vec![None; speeds.len()],
            scans: Vec::new(),
        };
        TruthBuilder(TruthRule::Clearance(Box::new(truth)))
    }

    /// Takes a message of the input `source`, in log-time order; `None` for one that could not be
    /// decoded, so that the entries stay one per message of the trigger.
    pub fn push(&mut self, source: &str, time: Stamp, message: Option<&Message>) {
        match &mut self.0 {
            TruthRule::Clearance(truth) => truth.push(source, time, message),
            TruthRule::Latest(latest) => latest.input(source, time),
        }
    }

    /// Takes a message of the topic that the rule names, which need not be an input.
    pub fn label(&mut self, time: Stamp, message: Option<&Message>) {
        if let TruthRule::Latest(latest) = &mut self.0 {
            latest.label(time, message);
        }
    }

    /// The truth of all messages of the trigger.
    pub fn finish(self) -> Truth {
        match self.0 {
            TruthRule::Clearance(truth) => truth.finish(),
            TruthRule::Latest(latest) => latest.finish(),
        }
    }
}

impl ClearanceTruth {
    fn push(&mut self, source: &str, time: Stamp, message: Option<&Message>) {
        if source == self.scan {
            let scan = match message {
                Some(Message::LaserScan(scan)) => Some(scan),
                _ => None,
            };
            self.push_scan(time, scan);
        }
        if let (Some(index), Some(speed)) = (
            self.speeds.iter().position(|name| name == source),
            message.and_then(forward_speed),
        ) {
            self.latest[index] = Some(speed);
        }
    }

    fn push_scan(&mut self, time: Stamp, scan: Option<&LaserScan>) {
        let (half_angle, preparation) = (self.half_angle, &mut self.preparation);
        self.scans.push(ScanObservation {
            time,
            clearance: scan.map(|scan| preparation.prepare(scan, time).clearance(half_angle)),
            speeds: self.latest.clone(),
        });
    }

    fn finish(self) -> Truth {
        // The first speed source that the recording has at all, not the first at each moment.
        let speed = self.latest.iter().position(Option::is_some);
        let end = self.scans.last().map(|seen| seen.time);
        let least = |index: usize, seen: &ScanObservation| {
            if end?.delta_ns(seen.time) < self.horizon_ns || seen.clearance.is_none() {
                return None;
            }
            // Scans of one burst may share a log time; only later ones are the future.
            self.scans[index + 1..]
                .iter()
                .take_while(|later| later.time.delta_ns(seen.time) <= self.horizon_ns)
                .filter(|later| later.time > seen.time)
                .filter_map(|later| later.clearance)
                .map(|clearance| clearance.unwrap_or(f32::INFINITY))
                .min_by(f32::total_cmp)
        };
        let scans = self.scans.iter().enumerate().map(|(index, seen)| {
            let clearance = seen.clearance.flatten();
            let speed = speed
                .and_then(|source| seen.speeds[source])
                .filter(|speed| speed.is_finite() && speed.abs() <= SPEED_LIMIT)
                .unwrap_or(0.0);
            let ahead = clearance.map(|c| (f64::from(c) - speed.max(0.0) * self.horizon_s) as f32);
            let least_m = least(index, seen);
            ScanTruth {
                time: seen.time,
                label: least_m.map(|least| class_of(Some(least), &self.bounds)),
                now: class_of(clearance, &self.bounds),
                kinematic: class_of(ahead, &self.bounds),
                least_m,
                kinematic_m: Some(ahead.unwrap_or(f32::INFINITY)),
            }
        });
        Truth {
            scans: scans.collect(),
        }
    }
}

impl Truth {
    /// Reads the truth of a recording. `topics` names the topic of inputs that differ from the
    /// task's; `laser` is what the laser's settings are.
    pub fn read(
        bag: &Bag,
        task: &Task,
        topics: &BTreeMap<String, String>,
        laser: &SourceSettings,
    ) -> Result<Truth, LearnError> {
        let mut builder = TruthBuilder::seen_by(task, laser);
        let trigger = &task.window.trigger;
        let needed = |source: &String| match &task.truth {
            LabelRule::FutureMinRange { scan, speeds, .. } => {
                source == scan || speeds.contains(source)
            }
            _ => source == trigger,
        };
        let inputs: Vec<_> = task
            .window
            .inputs
            .iter()
            .filter(|i| needed(&i.source))
            .collect();
        let name = |source: &String| topics.get(source).or_else(|| task.topics.get(source));
        let mut names: Vec<&str> = inputs
            .iter()
            .map(|input| name(&input.source).map_or("", String::as_str))
            .collect();
        // As recorded: a stamped command read as a plain one would be numbers at random.
        let kinds = inputs.iter().zip(&names).map(|(input, name)| {
            let topic = bag.topics().iter().find(|topic| topic.name == **name);
            let known = topic.and_then(|topic| MessageType::from_ros_name(&topic.type_name));
            known.unwrap_or(input.message)
        });
        let kinds: Vec<MessageType> = kinds.collect();
        let label = task.truth.label_topic();
        names.extend(label.map(|(topic, _)| topic));
        let mut messages = bag.read(&names)?;
        for message in &mut messages {
            let message = message?;
            let Some(input) = inputs.get(message.topic) else {
                let kind = label.map_or(MessageType::String, |(_, kind)| kind);
                let decoded = Message::decode(kind, &message.data).ok();
                builder.label(message.log_time, decoded.as_ref());
                continue;
            };
            let decoded = Message::decode(kinds[message.topic], &message.data).ok();
            builder.push(&input.source, message.log_time, decoded.as_ref());
        }
        let truth = builder.finish();
        if truth.scans.is_empty() {
            return Err(LearnError::Recording {
                file: PathBuf::from(bag.name()),
                what: format!("no message on {}", name(trigger).map_or("", String::as_str)),
                expected: "messages of the trigger to compute the truth at; check the topic".into(),
            });
        }
        Ok(truth)
    }
}

fn forward_speed(message: &Message) -> Option<f64> {
    match message {
        Message::Odometry(odometry) => Some(odometry.twist.twist.linear.x),
        Message::Twist(twist) => Some(twist.linear.x),
        Message::TwistStamped(stamped) => Some(stamped.twist.linear.x),
        _ => None,
    }
}
