//! A task file: what is to be decided, what the truth is, from which inputs, and how to learn it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::augmentation_spec::AugmentationSpec;
use super::label_rule::LabelRule;
use super::split_by::SplitBy;
use crate::features::{SourceSettings, Window, WindowSpec};
use crate::learn::error::LearnError;
use crate::model::{Architecture, Heads};
use crate::scheduler::MAX_LABELS;

/// One task, as in `params/tasks/clearance.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Short name; the model takes it.
    pub name: String,
    /// Class names from the least severe to the most severe.
    pub labels: Vec<String>,
    /// The label of a declared fallback.
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
    /// When a fit ends before its last epoch; by default never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How the teacher teaches.
    pub distillation: Distillation,
    /// How recordings are varied.
    pub variations: AugmentationSpec,
}

/// Ends every fit, teacher's and student's, once its loss on groups that do not teach it stops
/// falling, with the weights of its best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without a lower loss.
    pub patience: usize,
    /// Share of what may teach that is kept aside to watch the loss on: groups, or what `split`
    /// says. What is left out to validate takes no part in this.
    pub watch: f64,
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
    /// Whether the teacher's soft targets are the mean of all its exits, rather than what the
    /// deepest says: where recordings are few, the deeper exits know them by heart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_exits: bool,
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
            (2..=MAX_LABELS).contains(&self.labels.len()),
            format!("{} labels, expected 2 to {MAX_LABELS}", self.labels.len()),
        );
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
        let patient = |stopping: &EarlyStopping| {
            (1..=10_000).contains(&stopping.patience) && (0.01..=0.5).contains(&stopping.watch)
        };
        check(
            training.early_stopping.as_ref().is_none_or(patient),
            "training.early_stopping: expected patience in 1..10000 and watch in 0.01..0.5".into(),
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
        faults.extend(varied.faults(self.recordings.split));
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

    /// What the outputs of its models mean.
    pub fn heads(&self) -> Heads {
        Heads::new(self.labels.len(), self.truth.bins())
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
                yaw: match scan == Some(&input.source) {
                    true => yaw,
                    false => 0.0,
                },
                ..SourceSettings::of(input)
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
