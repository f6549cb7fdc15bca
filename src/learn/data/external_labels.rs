//! Labels from outside the sensors: from a label topic, or from recorded commands.

use super::truth::{ScanTruth, Truth};
use crate::learn::task::label_rule::LabelRule;
use crate::messages::Message;
use crate::time::Stamp;

/// Collects labels and the triggers that ask for them.
#[derive(Clone, Debug)]
pub(in crate::learn) struct ExternalLabels {
    rule: LabelRule,
    labels: Vec<String>,
    trigger: String,
    /// Labels and their times; no class: text that is none of the labels.
    said: Vec<(Stamp, Option<usize>)>,
    triggers: Vec<Stamp>,
}

impl ExternalLabels {
    pub(in crate::learn) fn new(
        rule: &LabelRule,
        labels: &[String],
        trigger: &str,
    ) -> ExternalLabels {
        ExternalLabels {
            rule: rule.clone(),
            labels: labels.to_vec(),
            trigger: trigger.to_owned(),
            said: Vec::new(),
            triggers: Vec::new(),
        }
    }

    /// Takes a message with a label.
    pub(in crate::learn) fn label(&mut self, time: Stamp, message: Option<&Message>) {
        let class = message.and_then(|message| self.class(message));
        self.said.push((time, class));
    }

    /// Takes a message of an input.
    pub(in crate::learn) fn input(&mut self, source: &str, time: Stamp) {
        if source == self.trigger {
            self.triggers.push(time);
        }
    }

    fn class(&self, message: &Message) -> Option<usize> {
        let (twist, bins) = match (&self.rule, message) {
            (
                LabelRule::CmdVel {
                    linear, angular, ..
                },
                Message::Twist(twist),
            ) => (twist, (linear, angular)),
            (
                LabelRule::CmdVel {
                    linear, angular, ..
                },
                Message::TwistStamped(stamped),
            ) => (&stamped.twist, (linear, angular)),
            (_, Message::String(word)) => {
                return self.labels.iter().position(|label| *label == word.data);
            }
            _ => return None,
        };
        let (forward, turn) = (twist.linear.x, twist.angular.z);
        let bin = |value: f64, bounds: &[f32]| {
            bounds
                .iter()
                .filter(|bound| value >= f64::from(**bound))
                .count()
        };
        let (linear, angular) = bins;
        (forward.is_finite() && turn.is_finite())
            .then(|| bin(forward, linear) * (angular.len() + 1) + bin(turn, angular))
    }

    /// The label at every trigger, and as `now` the one at the trigger before.
    pub(in crate::learn) fn finish(self) -> Truth {
        let mut now = 0;
        let mut next = 0;
        let scans = self.triggers.iter().map(|time| {
            // A label of the same time belongs to the trigger, whichever was written first; a
            // command of that time was given before the trigger could have been seen.
            while next < self.said.len() && self.said[next].0 <= *time {
                next += 1;
            }
            let within = |span: i64, most_s: f32| (span as f64) <= f64::from(most_s) * 1e9;
            let label = match &self.rule {
                LabelRule::CmdVel { horizon_s, .. } => {
                    let said = self.said.get(next);
                    said.filter(|(at, _)| within(at.delta_ns(*time), *horizon_s))
                }
                LabelRule::Topic { max_age_s, .. } => {
                    let said = next.checked_sub(1).and_then(|last| self.said.get(last));
                    said.filter(|(at, _)| within(time.delta_ns(*at), *max_age_s))
                }
                _ => {
                    let said = next.checked_sub(1).and_then(|last| self.said.get(last));
                    said.filter(|(at, _)| at == time)
                }
            };
            let label = label.and_then(|(_, class)| *class);
            let before = now;
            now = label.unwrap_or(now);
            ScanTruth {
                time: *time,
                label,
                now: before,
                kinematic: before,
                least_m: None,
                kinematic_m: None,
            }
        });
        Truth {
            scans: scans.collect(),
        }
    }
}
