//! A task file: what is to be decided, what the truth is, from which inputs, and how to learn it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::LearnError;
use super::rule::LabelRule;
use crate::model::Architecture;
use crate::sense::{SourceSettings, Window, WindowSpec};

/// One task, as in `params/tasks/clearance.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Short name; the model takes it.
    pub name: String,
    /// Class names from the least severe to the most severe.
    pub labels: Vec<String>,
    /// What a declared fallback says.
    pub safe_label: String,
    /// Where the truth comes from.
    pub truth: LabelRule,
    /// What the model sees.
    pub window: WindowSpec,
    /// Topic of every input, as recorded.
    pub topics: BTreeMap<String, String>,
    /// Sizes of the model that ships.
    pub student: ModelSize,
    /// Sizes of the model that teaches it.
    pub teacher: ModelSize,
    /// How both are trained.
    pub training: TrainingSpec,
    /// Which recordings may teach.
    pub recordings: RecordingsSpec,
}

/// Sizes of an encoder, apart from what the window fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSize {
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Blocks, and exits.
    pub depth: usize,
    /// Channels of the feed-forward layer.
    pub ffn: usize,
}

/// How teacher and student are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSpec {
    /// Teachers, alike but for their seed; the student learns from their mean.
    #[serde(default = "one_teacher", skip_serializing_if = "is_one")]
    pub teachers: usize,
    /// Passes over the recordings as they are.
    pub teacher_epochs: usize,
    /// Passes of the student.
    pub student_epochs: usize,
    /// Windows per step.
    pub batch: usize,
    /// Highest rate of the schedule (linear warm-up, cosine down).
    pub learning_rate: f64,
    /// Of AdamW.
    pub weight_decay: f32,
    /// Norm at which the gradient of a parameter is clipped.
    pub clip_norm: f32,
    /// Share of all steps with a rising rate.
    pub warmup: f64,
    /// Probability taken from the true class and spread over all.
    pub label_smoothing: f32,
    /// 1: every class counts alike, however rare; 0: every window does.
    pub class_balance: f32,
    /// Further weights of the classes, in the order of the labels; none: all alike. Above 1 where a
    /// miss is worse than a false alarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f32>,
    /// How the teacher teaches.
    pub distillation: Distillation,
    /// How recordings are varied.
    pub variations: Variations,
}

fn one_teacher() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

/// Weights of the student's three losses at every exit; the hard labels have the rest of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Softens teacher and student alike.
    pub temperature: f32,
    /// Weight of the teacher's soft targets.
    pub teacher: f32,
    /// Weight of the student's own deepest exit at the earlier ones.
    pub deepest: f32,
}

/// Copies of the training recordings as other robots would have made them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variations {
    /// Copies per recording.
    pub copies: usize,
    /// Windows taken from the copies per epoch, as a multiple of the plain ones.
    pub share: f32,
    /// Ranges and speeds of a copy are multiplied by a factor up to this, or divided by it;
    /// its truth is computed from the scaled ranges.
    pub scale: f32,
    /// Largest error of the laser's yaw.
    pub yaw_error_deg: f32,
    /// Standard deviation of noise on every range.
    pub range_noise_m: f32,
    /// A copy has up to this share of its beams without a return.
    pub thin: f32,
    /// Probability that a copy lacks an optional input.
    pub withhold: f32,
    /// Probability that a window has a block of sectors outside the cone masked.
    pub mask: f32,
    /// Whether half of the windows are seen in a mirror, left and right exchanged. Without a word:
    /// only where the truth of the mirror image is the same and its features are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<bool>,
    /// Standard deviation of noise on every feature of a window, in features' units (-1..1).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_noise: f32,
    /// Standard deviation of an offset that a feature has in all frames of a window: recordings of
    /// other days differ like that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_shift: f32,
    /// Probability that a window's feature is withheld (0 in all its frames).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_mask: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// Which recordings there are and which may teach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingsSpec {
    /// Name of the list in a data folder.
    pub list: String,
    /// Its columns.
    pub columns: Columns,
    /// Licence classes that may teach; recordings of any other validate.
    pub licences: Vec<String>,
    /// Share that is left out to validate on: of the groups of robots that would have no real
    /// validation recording, or of what `split` says.
    pub hold_out: f64,
    /// What is left out.
    #[serde(default)]
    pub split: SplitBy,
    /// Length of a partition, s.
    #[serde(default = "partition_s")]
    pub partition_s: f32,
}

/// What is left out of the training to validate on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Whole groups.
    #[default]
    Groups,
    /// The last part of every recording.
    Time,
    /// Partitions of the recordings, every class alike; no window reaches out of its partition.
    Partitions,
}

impl SplitBy {
    /// As in task files.
    pub fn name(self) -> &'static str {
        match self {
            SplitBy::Groups => "groups",
            SplitBy::Time => "time",
            SplitBy::Partitions => "partitions",
        }
    }
}

impl std::str::FromStr for SplitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<SplitBy, String> {
        let all = [SplitBy::Groups, SplitBy::Time, SplitBy::Partitions];
        let found = all.into_iter().find(|split| split.name() == text);
        found.ok_or_else(|| format!("{text:?} is no split; expected groups, time or partitions"))
    }
}

fn partition_s() -> f32 {
    5.0
}

/// Column names of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Path of the recording, relative to the list.
    pub file: String,
    /// Recordings of one group are never split.
    pub group: String,
    /// Robot type, by which scores are reported.
    pub robot: String,
    /// `real` or `sim`; empty: the list has no such column, all are real.
    #[serde(default)]
    pub kind: String,
    /// Licence class.
    pub licence: String,
    /// Yaw of the laser, rad; empty: no such column, 0.
    #[serde(default)]
    pub yaw: String,
    /// Set on copies of another recording, which are left out; empty: no such column.
    #[serde(default)]
    pub duplicate_of: String,
}

impl Task {
    /// Reads and checks a task file.
    pub fn load(file: &Path) -> Result<Task, LearnError> {
        let text = fs::read_to_string(file).map_err(|source| LearnError::File {
            file: file.into(),
            source,
            remedy: "name a task file such as params/tasks/clearance.yaml",
        })?;
        let task: Task = serde_yaml::from_str(&text).map_err(|error| LearnError::Task {
            file: file.into(),
            what: error.to_string(),
        })?;
        let faults = task.faults();
        if faults.is_empty() {
            Ok(task)
        } else {
            Err(LearnError::TaskRefused {
                file: file.into(),
                faults,
            })
        }
    }

    /// Every fault, as sentences.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.truth.faults(self);
        let mut check = |sound: bool, fault: String| {
            if !sound {
                faults.push(fault);
            }
        };
        for input in &self.window.inputs {
            check(
                self.topics.contains_key(&input.source),
                format!("topics lacks the input {:?}", input.source),
            );
        }
        check(
            self.labels.contains(&self.safe_label),
            format!(
                "safe_label {:?} is none of {:?}",
                self.safe_label, self.labels
            ),
        );
        let training = &self.training;
        let varied = &training.variations;
        check(
            (1..=65536).contains(&training.batch)
                && training.teacher_epochs <= 10_000
                && (1..=16).contains(&training.teachers)
                && (1..=10_000).contains(&training.student_epochs),
            "training.batch is expected in 1..65536, epochs in 1..10000 (teacher 0..10000), teachers in 1..16".into(),
        );
        check(
            training.learning_rate > 0.0 && training.learning_rate <= 1.0,
            format!(
                "training.learning_rate is {}, expected in 0..1",
                training.learning_rate
            ),
        );
        check(
            training.clip_norm > 0.0,
            "training.clip_norm is expected above 0".into(),
        );
        check(
            (0.0..1.0).contains(&training.warmup) && (0.0..1.0).contains(&training.label_smoothing),
            "training.warmup and label_smoothing are expected in 0..1".into(),
        );
        check(
            (0.0..=1.0).contains(&training.class_balance),
            format!(
                "training.class_balance is {}, expected 0 to 1",
                training.class_balance
            ),
        );
        check(
            training.class_weights.is_empty()
                || training.class_weights.len() == self.labels.len()
                    && training
                        .class_weights
                        .iter()
                        .all(|w| *w > 0.0 && *w <= 100.0),
            format!(
                "training.class_weights is {:?}, expected one in 0..100 per label, or none",
                training.class_weights
            ),
        );
        let distilled = &training.distillation;
        check(
            distilled.temperature > 0.0
                && distilled.teacher >= 0.0
                && distilled.deepest >= 0.0
                && distilled.teacher + distilled.deepest <= 1.0,
            "training.distillation: expected a positive temperature and weights that sum to at most 1".into(),
        );
        check(
            varied.copies <= 64
                && varied.scale >= 1.0
                && varied.scale <= 10.0
                && varied.share >= 0.0,
            "training.variations: expected copies up to 64, scale in 1..10, share of 0 or more"
                .into(),
        );
        check(
            varied.range_noise_m >= 0.0
                && varied.yaw_error_deg.is_finite()
                && (0.0..=1.0).contains(&varied.thin)
                && (0.0..=1.0).contains(&varied.withhold)
                && (0.0..=1.0).contains(&varied.mask),
            "training.variations: expected noise of 0 or more and probabilities in 0..1".into(),
        );
        check(
            (0.0..1.0).contains(&self.recordings.hold_out),
            format!(
                "recordings.hold_out is {}, expected in 0..1",
                self.recordings.hold_out
            ),
        );
        let span = self.window_s();
        check(
            self.recordings.split != SplitBy::Partitions
                || (self.recordings.partition_s > span && self.recordings.partition_s <= 3600.0),
            format!(
                "recordings.partition_s is {}, expected more than the window's {span} s, at most 3600",
                self.recordings.partition_s
            ),
        );
        check(
            (0.0..=1.0).contains(&varied.feature_noise)
                && (0.0..=1.0).contains(&varied.feature_shift)
                && (0.0..1.0).contains(&varied.feature_mask),
            "training.variations: expected feature_noise, feature_shift and feature_mask in 0..1"
                .into(),
        );
        match Window::new(&self.window, &self.settings(0.0)) {
            Err(error) => faults.push(format!("window: {error}")),
            Ok(window) => {
                for (name, size) in [("student", &self.student), ("teacher", &self.teacher)] {
                    let sizes = size.architecture(&window).faults().into_iter();
                    faults.extend(sizes.map(|fault| format!("{name}: {fault}")));
                }
            }
        }
        faults
    }

    /// Time that a window spans, s.
    pub fn window_s(&self) -> f32 {
        self.window.frames as f32 * self.window.period_ms as f32 * 1e-3
    }

    /// Settings for [`Window::new`] with the laser of the truth's scan turned by `yaw` (rad).
    pub fn settings(&self, yaw: f32) -> Vec<SourceSettings> {
        let scan = self.truth.scan();
        self.window
            .inputs
            .iter()
            .map(|input| SourceSettings {
                yaw: if scan == Some(&input.source) {
                    yaw
                } else {
                    0.0
                },
                timeout: Duration::from_millis(input.timeout_ms.into()),
            })
            .collect()
    }
}

impl ModelSize {
    /// With what the window fixes.
    pub fn architecture(&self, window: &Window) -> Architecture {
        Architecture {
            frames: window.frames(),
            features: window.features(),
            width: self.width,
            heads: self.heads,
            head_width: None,
            depth: self.depth,
            ffn: self.ffn,
        }
    }
}
