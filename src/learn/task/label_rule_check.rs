//! Checks that a label rule fits its task.

use super::label_rule::LabelRule;
use super::task_file::Task;
use crate::messages::MessageType;

impl LabelRule {
    /// Every fault of a task's rule, as sentences.
    pub(in crate::learn) fn faults(&self, task: &Task) -> Vec<String> {
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
