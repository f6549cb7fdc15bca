//! The checked parameters of a node, and the names that parameters may refer to.

use std::time::Duration;

use crate::act::GateLimits;
use crate::act::attention::AttentionLimits;
use crate::act::diagnostics::Thresholds;
use crate::act::speed_limit::SpeedLimits;
use crate::features::{BelowMin, Footprint, Sector, SpeckFilter};
use crate::realtime::Realtime;
use crate::scheduler::{CacheConfig, Policy};

/// What the parameters may name: it comes from the bundle.
#[derive(Clone, Debug, Default)]
pub struct BundleNames {
    /// Sources, as the bundle has them.
    pub sources: Vec<BundleSource>,
    /// Labels, in order.
    pub labels: Vec<String>,
    /// The label decided when there is nothing better; one of them.
    pub safe_label: String,
    /// The source that triggers.
    pub trigger: String,
    /// How far ahead in time its free way looks, s; none: it predicts none.
    pub horizon_s: Option<f32>,
}

/// A source as the bundle knows it.
#[derive(Clone, Debug)]
pub struct BundleSource {
    /// Name.
    pub name: String,
    /// Topic it was recorded on.
    pub topic: String,
    /// Message types its extractor reads; the first is the default.
    pub types: Vec<String>,
    /// Newest sample older than this: stale.
    pub timeout: Duration,
    /// Whether decisions need it.
    pub required: bool,
}

/// All parameters of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// Engines in order of preference, by the names decisions carry: `packed_int8`, `flex`.
    pub engines: Vec<String>,
    /// From arrival to publication.
    pub deadline: Duration,
    /// Whether a deadline that not even the first exit can meet is refused.
    pub refuse_impossible_deadline: bool,
    /// Kept free before the deadline.
    pub publish_margin: Duration,
    /// How optional stages are spent.
    pub policy: Policy,
    /// Quantile of the free way that a decision carries.
    pub free_way_quantile: f32,
    /// Least confidence of a model decision.
    pub confidence: f32,
    /// How long a model decision may be held.
    pub hold: Duration,
    /// When an engine call is a stall.
    pub fault: Duration,
    /// When the model's answer to the same window is used again.
    pub reuse: Option<CacheConfig>,
    /// Namespaces of the robots of a gateway; empty: one robot, in the node's own namespace.
    pub robots: Vec<String>,
    /// How long a robot's trigger may wait for those of others.
    pub batch_slack: Duration,
    /// Frame of the robot in which mountings and the footprint are given.
    pub base_frame: String,
    /// The robot's outline; returns inside it are the robot itself.
    pub footprint: Option<Footprint>,
    /// The source that triggers.
    pub trigger: String,
    /// What to subscribe to.
    pub sources: Vec<SourceParams>,
    /// The velocity gate, when enabled.
    pub gate: Option<GateParams>,
    /// The speed limit, when enabled.
    pub speed_limit: Option<SpeedLimitParams>,
    /// When attention is called for, when enabled.
    pub attention: Option<AttentionLimits>,
    /// Whether decisions are shown as markers.
    pub markers: bool,
    /// How often statistics are published.
    pub statistics_period: Duration,
    /// Whether ages of inputs are measured on `/clock`.
    pub sim_time: bool,
    /// From when on `/diagnostics` warns.
    pub diagnostics: Thresholds,
    /// Realtime settings.
    pub realtime: Realtime,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceParams {
    /// Name.
    pub name: String,
    /// Topic.
    pub topic: String,
    /// ROS name of the message type.
    pub message: String,
    /// Whether lost messages are sent again.
    pub reliable: bool,
    /// Newest sample older than this: stale.
    pub timeout: Duration,
    /// Saying the same for longer than this: frozen; zero: not watched.
    pub freeze_timeout: Duration,
    /// Stamped longer than this before its arrival: stale; zero: not watched.
    pub stamp_timeout: Duration,
    /// A scan of which a smaller share of the beams returns something is invalid; 0: not watched.
    pub min_returns: f32,
    /// Sensor against robot, rad; none: as tf says.
    pub yaw: Option<f32>,
    /// Whether the laser is mounted upside down; none: as tf says.
    pub upside_down: Option<bool>,
    /// Directions that are not looked at, in the base frame.
    pub ignore: Vec<Sector>,
    /// What values of a scan below range_min mean.
    pub below_min: BelowMin,
    /// Whether returns that stand alone are dropped.
    pub speck_filter: SpeckFilter,
    /// Whether decisions need it.
    pub required: bool,
}

/// The velocity gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateParams {
    /// Topic of the commands asked for.
    pub input: String,
    /// Commands let through.
    pub output: String,
    /// Whether both are TwistStamped.
    pub stamped: bool,
    /// What passes.
    pub limits: GateLimits,
    /// What is allowed and hardly meant, one sentence each.
    pub warnings: Vec<String>,
}

/// The speed limit.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeedLimitParams {
    /// Where it is published.
    pub topic: String,
    /// How fast under which label.
    pub limits: SpeedLimits,
}
