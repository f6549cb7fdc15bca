//! Models of a fixed depth, each trained for that depth alone: what a model with exits on the way
//! must not be worse than.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::answered::{Answered, answers};
use super::batches::Batches;
use super::checkpoint::Checkpoints;
use super::costs::stage_costs;
use super::dataset::Dataset;
use super::error::LearnError;
use super::fit::{Exits, Fit};
use super::scores::{Scores, Tally};
use super::task::Task;
use super::teachers;
use super::train::TrainOptions;
use crate::model::{Architecture, Backend, Bundle, EngineKind, Precision, Values, Weights};

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaticDepth {
    /// Blocks; the only exit is behind the last.
    pub depth: usize,
    /// Numbers in the model, the exits that are not trained left out.
    pub parameters: usize,
    /// Multiply-adds of a window.
    pub macs: u64,
    /// Engine to microseconds of a window, where it was trained.
    pub us: BTreeMap<String, f64>,
    /// Robot to scores.
    pub per_robot: BTreeMap<String, StaticScore>,
}

/// Its score on a robot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaticScore {
    /// On the same windows as the model with exits.
    pub scores: Scores,
    /// Of the balanced accuracy, as if windows were independent.
    pub standard_error: Option<f64>,
}

/// What early exit is to a model of a fixed depth at no more compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least as good.
    Dominated,
    /// Worse by at most one standard error of the fixed one's score.
    Touched,
    /// Worse: the fixed one is better.
    Better,
    /// Nothing of ours costs so little.
    Cheaper,
    /// The fixed one's cost on this engine is not known.
    #[default]
    Unmeasured,
}

impl StaticDepth {
    /// Balanced accuracy on a robot and its standard error.
    pub(super) fn score(&self, robot: &str) -> Option<(f64, f64)> {
        let found = self.per_robot.get(robot)?;
        let score = found.scores.balanced_accuracy?;
        Some((score, found.standard_error.unwrap_or(0.0)))
    }
}

/// What trains them: what trained the model with exits.
pub(super) struct StaticDepths<'a> {
    pub options: &'a TrainOptions,
    pub task: &'a Task,
    /// The model with exits.
    pub bundle: &'a Bundle,
    /// Whom it learned from.
    pub teachers: &'a [(Architecture, Weights)],
    pub checkpoints: &'a Checkpoints,
}

impl StaticDepths<'_> {
    /// One model per depth up to the student's, with the same schedule, teachers and first seed,
    /// scored on the windows that judge the student.
    pub(super) fn train(
        &self,
        batches: &Batches<'_>,
        judged: &Dataset,
    ) -> Result<Vec<StaticDepth>, LearnError> {
        let whole = self.bundle.manifest.architecture;
        let depths = (0..whole.depth).into_par_iter().with_max_len(1);
        let fits: Vec<(Architecture, Weights)> = depths
            .map(|before| {
                let depth = before + 1;
                let sizes = Architecture { depth, ..whole };
                let fit = Fit {
                    name: format!("static depth {depth}"),
                    sizes,
                    heads: self.task.heads(),
                    epochs: self.task.training.student_epochs,
                    training: &self.task.training,
                    device: self.options.device,
                    seed: self.options.seed.wrapping_add(1),
                    first: None,
                    teachers: self.teachers,
                    exits: Exits::Deepest,
                    checkpoints: Some(self.checkpoints),
                };
                Ok((sizes, fit.run(batches)?))
            })
            .collect::<Result<_, LearnError>>()?;
        // One after the other: what they cost is measured.
        fits.iter()
            .map(|(sizes, weights)| self.judge(*sizes, weights, judged))
            .collect()
    }

    fn judge(
        &self,
        sizes: Architecture,
        weights: &Weights,
        judged: &Dataset,
    ) -> Result<StaticDepth, LearnError> {
        let labels = self.task.labels.len();
        let bundle = teachers::bundle(sizes, weights, self.bundle)?;
        let mut robots: BTreeMap<&str, Tally> = BTreeMap::new();
        for part in &judged.parts {
            let exits = answers(&bundle, &part.windows, self.options.device.into())?;
            let mut answered = Answered::new(sizes.depth);
            answered.add(part, &exits, labels);
            let empty = self.task.truth.tally(labels);
            let tally = answered.tally(empty.clone(), |_| sizes.depth - 1);
            let robot = robots.entry(&part.recording.robot);
            robot.or_insert(empty).merge(&tally);
        }
        let part = judged.parts.iter().find(|part| !part.rows.is_empty());
        let windows = part.map_or(&[][..], |part| &part.windows);
        let mut us = BTreeMap::new();
        // The same that the model with exits is measured on.
        for engine in [
            EngineKind::Packed(Precision::default()),
            Backend::Flex.into(),
        ] {
            let stages = stage_costs(&bundle, windows, engine)?;
            us.insert(engine.name().to_owned(), stages.iter().sum());
        }
        // The exits on the way are there but nobody asks them.
        let before = sizes.depth - 1;
        let unasked = |(name, values): (&String, &Values)| {
            let exit = |number: usize| name.starts_with(&format!("exits.{number}."));
            (0..before).any(exit).then_some(values.data.len())
        };
        let idle: usize = weights.0.iter().filter_map(unasked).sum();
        let outputs = self.task.heads().outputs();
        let heads = (before * sizes.width * outputs) as u64;
        Ok(StaticDepth {
            depth: sizes.depth,
            parameters: weights.parameters() - idle,
            macs: sizes.stage_macs(outputs).iter().sum::<u64>() - heads,
            us,
            per_robot: robots
                .into_iter()
                .map(|(robot, tally)| {
                    let score = StaticScore {
                        scores: tally.scores(),
                        standard_error: tally.standard_error(),
                    };
                    (robot.to_owned(), score)
                })
                .collect(),
        })
    }
}
