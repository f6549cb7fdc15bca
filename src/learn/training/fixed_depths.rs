//! Models of a fixed depth, each trained for that depth alone, as the bound that a model with exits
//! is compared with.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::batches::Batches;
use super::checkpoint::Checkpoints;
use super::fit::Fit;
use super::taught_exits::TaughtExits;
use super::teachers;
use crate::learn::data::dataset::Dataset;
use crate::learn::error::LearnError;
use crate::learn::evaluation::predictions::{Predictions, predict_exits};
use crate::learn::evaluation::stage_timing::stage_costs;
use crate::learn::metrics::fixed_depth_scores::{FixedDepth, FixedDepthScore};
use crate::learn::metrics::scores::ConfusionCounts;
use crate::learn::task::task_file::Task;
use crate::learn::task::train_options::TrainOptions;
use crate::model::{Architecture, Backend, Bundle, EngineKind, Precision, TensorValues, Weights};

/// What trains them: what trained the model with exits.
pub(in crate::learn) struct FixedDepths<'a> {
    pub options: &'a TrainOptions,
    pub task: &'a Task,
    /// The model with exits.
    pub bundle: &'a Bundle,
    /// Whom it learned from.
    pub teachers: &'a [(Architecture, Weights)],
    pub checkpoints: &'a Checkpoints,
}

impl FixedDepths<'_> {
    /// One model per depth up to the student's, with the same schedule, teachers and first seed,
    /// scored on the windows that judge the student.
    pub(in crate::learn) fn train(
        &self,
        batches: &Batches<'_>,
        judged: &Dataset,
    ) -> Result<Vec<FixedDepth>, LearnError> {
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
                    exits: TaughtExits::Deepest,
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
    ) -> Result<FixedDepth, LearnError> {
        let labels = self.task.labels.len();
        let bundle = teachers::bundle(sizes, weights, self.bundle)?;
        let mut robots: BTreeMap<&str, ConfusionCounts> = BTreeMap::new();
        for part in &judged.parts {
            let exits = predict_exits(&bundle, &part.windows, self.options.device.into())?;
            let mut answered = Predictions::new(sizes.depth);
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
        // The exits on the way exist but are not used.
        let before = sizes.depth - 1;
        let unasked = |(name, values): (&String, &TensorValues)| {
            let exit = |number: usize| name.starts_with(&format!("exits.{number}."));
            (0..before).any(exit).then_some(values.data.len())
        };
        let idle: usize = weights.0.iter().filter_map(unasked).sum();
        let outputs = self.task.heads().outputs();
        let heads = (before * sizes.width * outputs) as u64;
        Ok(FixedDepth {
            depth: sizes.depth,
            parameters: weights.parameters() - idle,
            macs: sizes.stage_macs(outputs).iter().sum::<u64>() - heads,
            us,
            per_robot: robots
                .into_iter()
                .map(|(robot, tally)| {
                    let score = FixedDepthScore {
                        scores: tally.scores(),
                        standard_error: tally.standard_error(),
                    };
                    (robot.to_owned(), score)
                })
                .collect(),
        })
    }
}
