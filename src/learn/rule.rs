//! Named label rules: where the truth comes from, and which baselines it leaves room for.

use serde::{Deserialize, Serialize};

use super::scores::Tally;
use super::task::Task;
use crate::bins::Bins;
use crate::sense::MessageType;

/// A named label rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum LabelRule {
    /// The class of the least range ahead over the horizon after a scan.
    FutureMinRange {
        /// Input that holds the LaserScan.
        scan: String,
        /// Inputs that tell the forward speed; a recording uses the first that it has at all.
        speeds: Vec<String>,
        /// Half of the cone around forward.
        half_angle_deg: f32,
        /// How far ahead in time.
        horizon_s: f32,
        /// Below `bounds_m[i]` the class is at least `labels[i + 1]`; falling.
        bounds_m: Vec<f32>,
        /// Edges of the bins that the model tells apart, rising, each of `bounds_m` among them; none: it
        /// tells the labels apart.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bins_m: Vec<f32>,
    },
    /// The newest word on a topic at the trigger (`std_msgs/msg/String`), one of the labels.
    Topic {
        /// As recorded.
        topic: String,
        /// An older word is no label, s.
        max_age_s: f32,
        /// Whether the label before is a baseline worth showing: not where a whole recording has
        /// one label.
        #[serde(default)]
        persistence: bool,
    },
    /// A csv without a header: one sample per row, the last column its label; the columns before
    /// are the `data[i]` of the window's only input, a `std_msgs/msg/Float32MultiArray`.
    Column {
        /// Rows per second.
        rate_hz: f32,
        /// As for `topic`.
        #[serde(default)]
        persistence: bool,
    },
    /// Imitation: the first command that follows the trigger, as one of `(linear + 1) × (angular +
    /// 1)` bins; the label of linear bin i and angular bin j is `labels[i × (angular + 1) + j]`.
    CmdVel {
        /// As recorded.
        topic: String,
        /// `geometry_msgs/msg/Twist` or `geometry_msgs/msg/TwistStamped`.
        #[serde(rename = "type")]
        message: MessageType,
        /// A command that follows later is no label, s.
        horizon_s: f32,
        /// Bounds between the bins of `linear.x`, m/s; rising.
        #[serde(default)]
        linear: Vec<f32>,
        /// Bounds between the bins of `angular.z`, rad/s; rising.
        #[serde(default)]
        angular: Vec<f32>,
    },
}

impl LabelRule {
    /// Whether the labels go from the least severe to the most severe, so that onsets and false
    /// alarms mean something.
    pub fn is_ordered(&self) -> bool {
        matches!(self, LabelRule::FutureMinRange { .. })
    }

    /// Whether the truth of a mirrored window is the same.
    pub fn is_symmetric(&self) -> bool {
        matches!(self, LabelRule::FutureMinRange { .. })
    }

    /// Whether a baseline makes sense under this rule.
    pub fn has_baseline(&self, name: &str) -> bool {
        match (self, name) {
            (_, "majority")
            | (LabelRule::FutureMinRange { .. } | LabelRule::CmdVel { .. }, "persistence") => true,
            (
                LabelRule::Topic { persistence, .. } | LabelRule::Column { persistence, .. },
                "persistence",
            ) => *persistence,
            (LabelRule::FutureMinRange { .. }, "kinematic") => true,
            _ => false,
        }
    }

    /// Bins of the distance behind the labels, where the model tells them apart.
    pub fn bins(&self) -> Option<Bins> {
        match self {
            LabelRule::FutureMinRange {
                bounds_m,
                bins_m,
                horizon_s,
                ..
            } if !bins_m.is_empty() => Some(Bins {
                edges_m: bins_m.clone(),
                bounds_m: bounds_m.clone(),
                horizon_s: *horizon_s,
            }),
            _ => None,
        }
    }

    /// An empty tally for this many labels.
    pub fn tally(&self, labels: usize) -> Tally {
        match self.is_ordered() {
            true => Tally::new(labels),
            false => Tally::unordered(labels),
        }
    }

    /// The input whose laser's yaw matters.
    pub fn scan(&self) -> Option<&str> {
        match self {
            LabelRule::FutureMinRange { scan, .. } => Some(scan),
            _ => None,
        }
    }

    /// Topic and type that the labels come from, where they do not come from the inputs.
    pub fn label_topic(&self) -> Option<(&str, MessageType)> {
        match self {
            LabelRule::Topic { topic, .. } => Some((topic, MessageType::String)),
            LabelRule::CmdVel { topic, message, .. } => Some((topic, *message)),
            LabelRule::FutureMinRange { .. } | LabelRule::Column { .. } => None,
        }
    }

    /// Every fault of a task's rule, as sentences.
    pub(super) fn faults(&self, task: &Task) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, fault: String| {
            if !sound {
                faults.push(fault);
            }
        };
        let input = |name: &String| task.window.inputs.iter().find(|i| i.source == *name);
        let rising = |bounds: &[f32]| {
            bounds.iter().all(|bound| bound.is_finite())
                && bounds.windows(2).all(|pair| pair[0] < pair[1])
        };
        let topic_name = |topic: &String| {
            (
                topic.len() > 1 && topic.starts_with('/'),
                format!("truth.topic is {topic:?}, expected a topic as recorded, such as /label"),
            )
        };
        match self {
            LabelRule::FutureMinRange {
                scan,
                speeds,
                half_angle_deg,
                horizon_s,
                bounds_m,
                bins_m: _,
            } => {
                check(
                    bounds_m.len() + 1 == task.labels.len(),
                    format!(
                        "truth.bounds_m has {} bounds for {} labels, expected one less than labels",
                        bounds_m.len(),
                        task.labels.len()
                    ),
                );
                check(
                    bounds_m.iter().all(|b| b.is_finite() && *b > 0.0)
                        && bounds_m.windows(2).all(|pair| pair[0] > pair[1]),
                    format!("truth.bounds_m is {bounds_m:?}, expected falling positive metres"),
                );
                check(
                    *half_angle_deg > 0.0 && *half_angle_deg <= 180.0,
                    format!(
                        "truth.half_angle_deg is {half_angle_deg}, expected more than 0, at most 180"
                    ),
                );
                check(
                    *horizon_s > 0.0 && *horizon_s <= 60.0,
                    format!("truth.horizon_s is {horizon_s}, expected more than 0, at most 60"),
                );
                check(
                    input(scan).is_some_and(|input| input.message == MessageType::LaserScan),
                    format!("truth.scan is {scan:?}, expected an input of the type LaserScan"),
                );
                check(
                    task.window.trigger == *scan,
                    format!(
                        "window.trigger is {:?}, expected truth.scan, {scan:?}",
                        task.window.trigger
                    ),
                );
                for speed in speeds {
                    check(
                        input(speed).is_some(),
                        format!("truth.speeds names {speed:?}, which is no input of the window"),
                    );
                }
                check(
                    task.window.every_ms == 0,
                    "window.every_ms is set, but this truth has one entry per scan: remove it"
                        .into(),
                );
            }
            LabelRule::Topic {
                topic, max_age_s, ..
            } => {
                let (sound, fault) = topic_name(topic);
                check(sound, fault);
                check(
                    *max_age_s > 0.0 && *max_age_s <= 3600.0,
                    format!("truth.max_age_s is {max_age_s}, expected more than 0, at most 3600"),
                );
            }
            LabelRule::Column { rate_hz, .. } => {
                check(
                    *rate_hz > 0.0 && *rate_hz <= 1e6,
                    format!("truth.rate_hz is {rate_hz}, expected more than 0, at most 1000000"),
                );
                let inputs = &task.window.inputs;
                check(
                    inputs.len() == 1 && inputs[0].message == MessageType::Float32MultiArray,
                    "truth.rule is column, expected one input, a std_msgs/msg/Float32MultiArray"
                        .into(),
                );
            }
            LabelRule::CmdVel {
                topic,
                message,
                horizon_s,
                linear,
                angular,
            } => {
                let (sound, fault) = topic_name(topic);
                check(sound, fault);
                check(
                    matches!(message, MessageType::Twist | MessageType::TwistStamped),
                    format!("truth.type is {message}, expected a Twist or a TwistStamped"),
                );
                check(
                    *horizon_s > 0.0 && *horizon_s <= 60.0,
                    format!("truth.horizon_s is {horizon_s}, expected more than 0, at most 60"),
                );
                for (name, bounds) in [("linear", linear), ("angular", angular)] {
                    check(
                        rising(bounds),
                        format!("truth.{name} is {bounds:?}, expected rising bounds"),
                    );
                }
                let bins = (linear.len() + 1) * (angular.len() + 1);
                check(
                    bins == task.labels.len(),
                    format!("truth has {bins} bins for {} labels", task.labels.len()),
                );
            }
        }
        if let Some(bins) = self.bins() {
            faults.extend(bins.faults("truth.bins_m", task.labels.len()));
        }
        faults
    }
}
