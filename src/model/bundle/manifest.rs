//! `model.yaml`: what a bundle decides, from which inputs, and how it was trained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::heads::Heads;
use super::stage_costs::StageCosts;
use super::weight_precision::WeightPrecision;
use crate::bins::Bins;
use crate::features::{SourceSettings, Window, WindowSpec};
use crate::scheduler::MAX_LABELS;

/// The only manifest format this build reads and writes.
pub const FORMAT: u32 = 1;

/// Everything about a bundle but the numbers of its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: u32,
    /// Short name, such as `clearance`; letters, digits, `_`, `-`.
    pub name: String,
    /// The task it was trained for.
    pub task: String,
    /// Class names in the order of the probabilities.
    pub labels: Vec<String>,
    /// The label a declared fallback carries.
    pub safe_label: String,
    /// Bins of the free way, where the exits have one output per bin instead of one per label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Bins>,
    /// How messages become the `[frames, features]` window.
    pub window: WindowSpec,
    /// Topic each input was recorded on: where a node listens unless a parameter names another.
    #[serde(default)]
    pub topics: BTreeMap<String, String>,
    /// Sizes of the encoder.
    pub architecture: Architecture,
    /// One per block, shallow to deep.
    pub exits: Vec<ExitSpec>,
    /// Median microseconds per stage and engine where it was trained (one thread); what replays on
    /// the logical clock count with.
    pub stage_cost_us: StageCosts,
    /// Where the weights are and what they must hash to.
    pub weights: WeightsSpec,
    /// How it came to be.
    pub training: Training,
}

/// Calibration and validation score of one exit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitSpec {
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// The policy `fastest` stops here at or above this confidence.
    pub threshold: f32,
    /// On the left-out groups, 0..1.
    pub balanced_accuracy: f32,
}

/// The weights file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSpec {
    /// File name inside the bundle's folder.
    pub file: String,
    /// What the file holds the matrices of the blocks in.
    #[serde(default, skip_serializing_if = "WeightPrecision::is_f32")]
    pub precision: WeightPrecision,
    /// Lower-case hex.
    pub sha256: String,
}

/// How the weights came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The command that makes it again.
    pub command: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Digest over the digests of the recordings it learned from.
    pub data_sha256: String,
    /// The recordings it learned from.
    pub recordings: Vec<TrainedOn>,
}

/// One recording that the weights learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// Path relative to the data folder.
    pub file: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Licence class from the data folder's manifest.
    pub licence: String,
}

impl Manifest {
    /// What the outputs of its exits mean.
    pub fn heads(&self) -> Heads {
        Heads::new(self.labels.len(), self.bins.clone())
    }

    /// The safe label's place among the labels; a sound manifest has one.
    pub(in crate::model) fn safe_label_index(&self) -> Option<u8> {
        let index = self
            .labels
            .iter()
            .position(|label| *label == self.safe_label)?;
        u8::try_from(index).ok()
    }

    /// Every fault of the manifest, as sentences; empty when it is sound.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, fault: String| {
            if !sound {
                faults.push(fault);
            }
        };
        check(
            self.format == FORMAT,
            format!("format is {}, this build reads {FORMAT}", self.format),
        );
        check(
            plain_name(&self.name),
            format!(
                "name is {:?}, expected letters, digits, '_' or '-'",
                self.name
            ),
        );
        check(
            (2..=MAX_LABELS).contains(&self.labels.len()),
            format!("{} labels, expected 2 to {MAX_LABELS}", self.labels.len()),
        );
        for (index, label) in self.labels.iter().enumerate() {
            check(!label.is_empty(), format!("labels[{index}] is empty"));
            check(
                !self.labels[..index].contains(label),
                format!("label {label:?} is there twice"),
            );
        }
        check(
            self.labels.contains(&self.safe_label),
            format!(
                "safe_label {:?} is none of the labels {:?}",
                self.safe_label, self.labels
            ),
        );
        let depth = self.architecture.depth;
        check(
            self.exits.len() == depth,
            format!("{} exits, but depth is {depth}", self.exits.len()),
        );
        for (index, exit) in self.exits.iter().enumerate() {
            check(
                exit.temperature.is_finite() && exit.temperature > 0.0,
                format!(
                    "exits[{index}].temperature is {}, expected a positive number",
                    exit.temperature
                ),
            );
            for (name, value) in [
                ("threshold", exit.threshold),
                ("balanced_accuracy", exit.balanced_accuracy),
            ] {
                check(
                    (0.0..=1.0).contains(&value),
                    format!("exits[{index}].{name} is {value}, expected 0 to 1"),
                );
            }
        }
        for fault in self.stage_cost_us.faults(depth) {
            check(false, fault);
        }
        check(
            plain_file(&self.weights.file),
            format!(
                "weights.file is {:?}, expected a file name inside the bundle's folder",
                self.weights.file
            ),
        );
        check(
            is_sha256(&self.weights.sha256),
            format!(
                "weights.sha256 is {:?}, expected 64 lower-case hex digits",
                self.weights.sha256
            ),
        );
        if let Some(bins) = &self.bins {
            faults.extend(bins.faults("bins.edges_m", self.labels.len()));
        }
        faults.extend(self.architecture.faults());
        faults.extend(self.window_faults());
        faults
    }

    fn window_faults(&self) -> Vec<String> {
        if !(1..=256).contains(&self.window.frames) {
            return vec![format!(
                "window.frames is {}, expected 1 to 256",
                self.window.frames
            )];
        }
        let settings: Vec<SourceSettings> =
            self.window.inputs.iter().map(SourceSettings::of).collect();
        match Window::new(&self.window, &settings) {
            Err(error) => vec![format!("window: {error}")],
            Ok(window) => {
                let mut faults = Vec::new();
                let sizes = self.architecture;
                if window.frames() != sizes.frames {
                    faults.push(format!(
                        "architecture.frames is {}, but the window has {}",
                        sizes.frames,
                        window.frames()
                    ));
                }
                if window.features() != sizes.features {
                    faults.push(format!(
                        "architecture.features is {}, but the window has {} per frame",
                        sizes.features,
                        window.features()
                    ));
                }
                faults
            }
        }
    }
}

fn plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn plain_file(file: &str) -> bool {
    !file.is_empty() && !file.contains(['/', '\\', '\0']) && file != "." && file != ".."
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
