//! Label rules by name: where the truth comes from, and which baselines are possible.

use serde::{Deserialize, Serialize};

use crate::bins::Bins;
use crate::learn::metrics::scores::ConfusionCounts;
use crate::messages::MessageType;

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
        /// Edges of the bins that the model predicts, rising, each of `bounds_m` among them;
        /// none: it predicts the labels.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        bins_m: Vec<f32>,
    },
    /// The newest message on a topic at the trigger (`std_msgs/msg/String`), one of the labels.
    Topic {
        /// As recorded.
        topic: String,
        /// An older message is no label, s.
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

    /// Bins of the distance behind the labels, where the model predicts them.
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
    pub fn tally(&self, labels: usize) -> ConfusionCounts {
        match self.is_ordered() {
            true => ConfusionCounts::new(labels),
            false => ConfusionCounts::unordered(labels),
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
}
