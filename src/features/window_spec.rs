//! The specification of a model's inputs: written by training, read from `model.yaml`.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::frames::Mount;
use super::laser::{BelowMin, SelfFilter, SpeckFilter};
use crate::messages::MessageType;

/// A window of `frames` rows, `period_ms` apart, the newest at the trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// Rows T of the window.
    pub frames: usize,
    /// Time between two rows.
    pub period_ms: u32,
    /// Rows with a valid sample of the trigger that a decision needs.
    pub min_frames: usize,
    /// Name of the input whose messages ask for decisions.
    pub trigger: String,
    /// Of the trigger's messages only the first in every stretch of this length asks for a
    /// decision, ms; 0: every one. For triggers of a high rate, such as an Imu at 100 Hz.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub every_ms: u32,
    /// The inputs, in the order of their columns.
    pub inputs: Vec<InputSpec>,
    /// Features of several inputs, behind those of the inputs.
    #[serde(default)]
    pub derived: Vec<DerivedSpec>,
}

/// One input of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name by which parameters and derived features refer to it, such as `scan`.
    pub source: String,
    /// Type of its messages, such as `sensor_msgs/msg/LaserScan`.
    #[serde(rename = "type")]
    pub message: MessageType,
    /// How they become features.
    pub extractor: ExtractorSpec,
    /// Without it there is no decision. An input that is not required just counts as invalid.
    pub required: bool,
    /// Age beyond which a sample counts for nothing.
    pub timeout_ms: u32,
}

/// Settings of one input, from the robot's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSettings {
    /// Added to the angles of scans to get angles in the robot frame; rad, left positive.
    pub yaw: f32,
    /// Whether the laser is mounted with its z axis down: its angles then count to the right.
    pub upside_down: bool,
    /// Where the sensor sits in the base frame, m ahead and to the left of its origin.
    pub place: [f32; 2],
    /// The part of a scan that is the robot itself.
    pub body: Arc<SelfFilter>,
    /// The meaning of a scan's values below range_min.
    pub below_min: BelowMin,
    /// Whether returns of a scan that stand alone are dropped.
    pub speck_filter: SpeckFilter,
    /// A scan of which a smaller share of the beams (0..1) sees something is refused; 0: none is.
    pub min_returns: f32,
    /// Age beyond which a sample counts for nothing.
    pub timeout: Duration,
}

impl Default for SourceSettings {
    fn default() -> SourceSettings {
        SourceSettings {
            yaw: 0.0,
            upside_down: false,
            place: [0.0; 2],
            body: Arc::default(),
            below_min: BelowMin::default(),
            speck_filter: SpeckFilter::default(),
            min_returns: 0.0,
            timeout: Duration::from_secs(1),
        }
    }
}

impl SourceSettings {
    /// The mounting of a laser.
    pub fn mount(&self) -> Mount {
        let [x, y] = self.place;
        Mount {
            yaw: self.yaw,
            upside_down: self.upside_down,
            x,
            y,
        }
    }

    /// The same for a laser mounted otherwise.
    pub fn mounted(self, mount: Mount) -> SourceSettings {
        SourceSettings {
            yaw: mount.yaw,
            upside_down: mount.upside_down,
            place: [mount.x, mount.y],
            ..self
        }
    }

    /// The defaults: the specification's timeout.
    pub fn of(spec: &InputSpec) -> SourceSettings {
        SourceSettings {
            timeout: Duration::from_millis(u64::from(spec.timeout_ms)),
            ..SourceSettings::default()
        }
    }
}

/// How a message becomes numbers in [-1, 1]. In YAML: `{kind: sectors, count: 24, far_m: 3.5}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ExtractorSpec {
    /// 2 × `count` features of a LaserScan: least valid range per sector / `far_m` in 0..1, then
    /// per sector whether it has a valid beam. Sector 0 is centred on forward; counted to the left.
    Sectors {
        /// Sectors of the full turn.
        count: usize,
        /// The range that becomes 1, m.
        far_m: f32,
    },
    /// One feature per field: (value - offset) / scale, clamped to ± limit.
    Fields {
        /// In the order of their columns.
        fields: Vec<FieldSpec>,
    },
    /// What a fast source sent during the period before a row. The samples of one period
    /// are put on `slots` equal slots; per field come the slots' values if `values`, then the
    /// `statistics`, then the energies of `bands` frequency bands.
    Chunk {
        /// Slots of a period.
        slots: usize,
        /// The value of a slot with several samples.
        resample: Resample,
        /// As of `fields`.
        fields: Vec<FieldSpec>,
        /// Whether the slots themselves are features.
        #[serde(default)]
        values: bool,
        /// Over the slots of a period.
        #[serde(default)]
        statistics: Vec<Statistic>,
        /// Equal bands from 0 Hz (without the mean) to slots / 2 per period; 0: none.
        #[serde(default)]
        bands: usize,
    },
}

/// The value of a slot of a chunk. An empty slot has the value of the slot before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resample {
    /// Its last sample.
    Hold,
    /// The mean of its samples.
    Mean,
}

/// One number over the slots of a chunk. All but the mean are magnitudes, and shown in decades:
/// 1e-4 of the scale and less becomes -1, the scale itself 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Mean.
    Mean,
    /// Standard deviation.
    Std,
    /// Largest distance from the mean.
    MaxAbs,
    /// Root of the mean square of the differences between neighbours.
    Differences,
}

impl ExtractorSpec {
    /// Features of a row, without the valid flag and the age.
    pub fn features(&self) -> usize {
        match self {
            ExtractorSpec::Sectors { count, .. } => 2 * count,
            ExtractorSpec::Fields { fields } => fields.len(),
            ExtractorSpec::Chunk {
                slots,
                fields,
                values,
                statistics,
                bands,
                ..
            } => fields.len() * (slots * usize::from(*values) + statistics.len() + bands),
        }
    }
}

fn is_naught(value: &f32) -> bool {
    *value == 0.0
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// One numeric field of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// Such as `twist.twist.linear.x`, `velocity[left_wheel]` of a JointState, `data[0]`, or
    /// `min(data[10..14])` for the least of the elements 10 to 14.
    pub path: String,
    /// The value that becomes 0.
    #[serde(default, skip_serializing_if = "is_naught")]
    pub offset: f32,
    /// How far above `offset` a value becomes 1.
    pub scale: f32,
    /// Largest magnitude of the feature, in (0, 1].
    pub limit: f32,
}

/// Features computed from several inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DerivedSpec {
    /// 3 features: clearance / far, the speed used (m/s, clamped to ±1), and where the clearance
    /// will be after the horizon: (clearance - max(speed, 0) × horizon) / far, in -1..1.
    ProjectedClearance {
        /// Name of a LaserScan input.
        scan: String,
        /// `source:path`, the first whose source is valid and knows wins; m/s. Paths as in
        /// [`MotionSpec`].
        speeds: Vec<String>,
        /// Half the width of the cone ahead that is looked at, degrees.
        half_angle_deg: f32,
        /// How long the robot is taken to drive on, s.
        horizon_s: f32,
        /// The range that becomes 1, m.
        far_m: f32,
    },
    /// One feature per horizon: the least range in the cone, from near to far as 0..1, after
    /// driving on for that time along the arc of the present speed and turn rate, past what the
    /// laser sees now; then the least of these and the clearance now.
    ArcClearance {
        /// Name of a LaserScan input.
        scan: String,
        /// The first whose source is valid and knows wins; without one the robot is at rest.
        motions: Vec<MotionSpec>,
        /// Half the width of the cone ahead that is looked at, degrees.
        half_angle_deg: f32,
        /// How long the robot is taken to drive on, s; a feature each.
        horizons_s: Vec<f32>,
        /// The range that becomes 0; close below `far_m`, the feature is a step at a bound.
        #[serde(default, skip_serializing_if = "is_naught")]
        near_m: f32,
        /// The range that becomes 1, m.
        far_m: f32,
    },
}

impl DerivedSpec {
    /// Features of a row.
    pub fn features(&self) -> usize {
        match self {
            DerivedSpec::ProjectedClearance { .. } => 3,
            DerivedSpec::ArcClearance { horizons_s, .. } => horizons_s.len() + 1,
        }
    }
}

/// The inputs that have the robot's motion. Beside the fields of their types there are
/// `travelled(MS).forward` and `travelled(MS).turn`, the mean over the last MS milliseconds (10 to
/// 10000):
///
/// - of an Odometry, by its pose. Not known where the driver leaves the pose as it is while the
///   twist moves, or across a jump of it.
/// - of a LaserScan, by what stands still around the robot, at -1 to 2 m/s and up to 2 rad/s. Not
///   known where there is too little of it within 4 m, or all of it looks the same from everywhere
///   on the way.
///
/// Neither is known before the past reaches back that far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionSpec {
    /// Name of the input.
    pub source: String,
    /// Path of the forward speed, m/s.
    pub forward: String,
    /// Path of the turn rate, rad/s, left positive.
    pub turn: String,
    /// Name of the input with the turn rate, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_source: Option<String>,
}

/// A specification, or the settings beside it, that no window can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum SpecError {
    #[error("{at} is {found}; expected {expected}")]
    Value {
        /// Where in the specification, such as `inputs[0].extractor.count`.
        at: String,
        found: String,
        expected: String,
    },

    #[error("{at} names the input `{name}`, which is not among the inputs: {known}")]
    UnknownInput {
        at: String,
        name: String,
        known: String,
    },

    #[error("{at}: a {kind} has no numeric field `{path}`; known are: {known}")]
    UnknownField {
        at: String,
        kind: MessageType,
        path: String,
        known: String,
    },

    #[error("{found} source settings for {expected} inputs; give one per input, in their order")]
    Settings { found: usize, expected: usize },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing;

    #[test]
    fn a_spec_survives_yaml() {
        let spec = testing::spec();
        let text = serde_yaml::to_string(&spec).unwrap();
        assert_eq!(serde_yaml::from_str::<WindowSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn yaml_reads_as_documented() {
        let input: InputSpec = serde_yaml::from_str(
            "{source: scan, type: sensor_msgs/msg/LaserScan, required: true, timeout_ms: 500, extractor: {kind: sectors, count: 24, far_m: 3.5}}",
        )
        .unwrap();
        assert_eq!(
            input.extractor,
            ExtractorSpec::Sectors {
                count: 24,
                far_m: 3.5
            }
        );
    }

    #[test]
    fn unknown_keys_are_refused_by_name_at_every_level() {
        for (good, bad) in [
            ("min_frames:", "mim_frames:"),
            ("timeout_ms:", "timeout_s:"),
            ("far_m:", "far:"),
            ("scale:", "scala:"),
            ("horizon_s:", "horizon:"),
        ] {
            let text = serde_yaml::to_string(&testing::spec()).unwrap();
            let broken = text.replacen(good, bad, 1);
            assert_ne!(text, broken, "{good}");
            let error = serde_yaml::from_str::<WindowSpec>(&broken)
                .unwrap_err()
                .to_string();
            assert!(error.contains(bad.trim_end_matches(':')), "{error}");
        }
        let auxiliary = serde_yaml::from_str::<ExtractorSpec>(
            "{kind: sectors, count: 24, far_m: 3.5, wide: 1}",
        );
        assert!(auxiliary.unwrap_err().to_string().contains("wide"));
    }
}
