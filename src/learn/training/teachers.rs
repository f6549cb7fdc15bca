//! Several teachers as one: the mean of their answers, and its scores.

use std::collections::BTreeMap;

use crate::learn::data::dataset::Dataset;
use crate::learn::error::LearnError;
use crate::learn::evaluation::predictions::predict_exits;
use crate::learn::metrics::block_weights::block_weights;
use crate::learn::metrics::calibration::best;
use crate::learn::metrics::scores::ConfusionCounts;
use crate::learn::report::variant::{TEACHER, Variant};
use crate::learn::task::task_file::Task;
use crate::model::{
    Architecture, Backend, Bundle, ExitSpec, Precision, StageCosts, WeightPrecision, Weights,
};

/// The row of the teachers in the table of variants, their sizes added up. `student` is what they
/// taught.
pub(in crate::learn) fn score(
    teachers: &[(Architecture, Weights)],
    student: &Bundle,
    task: &Task,
    judged: &Dataset,
    device: Backend,
) -> Result<Variant, LearnError> {
    let labels = task.labels.len();
    let teachers: Vec<Bundle> = teachers
        .iter()
        .map(|(sizes, weights)| bundle(*sizes, weights, student))
        .collect::<Result<_, _>>()?;
    let depth = teachers.iter().map(|t| t.manifest.architecture.depth);
    let depth = depth.min().unwrap_or(0);
    let mut robots: BTreeMap<&str, Vec<ConfusionCounts>> = BTreeMap::new();
    for part in &judged.parts {
        let mut mean: Vec<Vec<f32>> = Vec::new();
        for teacher in &teachers {
            let exits = predict_exits(teacher, &part.windows, device.into())?;
            match mean.is_empty() {
                true => mean = exits,
                false => {
                    let both = mean.iter_mut().flatten().zip(exits.iter().flatten());
                    both.for_each(|(sum, next)| *sum += next);
                }
            }
        }
        let tallies = robots.entry(&part.recording.robot);
        let tallies = tallies.or_insert_with(|| vec![task.truth.tally(labels); depth]);
        for (tally, exit) in tallies.iter_mut().zip(&mean) {
            for (row, answer) in part.rows.iter().zip(exit.chunks_exact(labels)) {
                let Some(truth) = row.label else { continue };
                tally.add(truth, row.now, best(answer).0);
            }
        }
    }
    let by_exit = |(robot, tallies): (&str, Vec<ConfusionCounts>)| {
        let exits = tallies.iter().map(|tally| tally.scores().balanced_accuracy);
        (robot.to_owned(), exits.collect())
    };
    let sum = |of: &dyn Fn(&Bundle) -> usize| teachers.iter().map(of).sum();
    let mut ram_bytes = 0;
    for teacher in &teachers {
        ram_bytes += teacher.packed_bytes(Precision::F32)?;
    }
    Ok(Variant {
        name: TEACHER.into(),
        model: match teachers.len() {
            1 => "one model".into(),
            count => format!("mean of {count} models"),
        },
        precision: WeightPrecision::F32,
        engine: device.name().into(),
        block_weights: sum(&|teacher| block_weights(&teacher.manifest.architecture)),
        parameters: sum(&|teacher| teacher.weights().parameters()),
        bytes_on_disk: teachers.iter().map(Bundle::weights_bytes).sum(),
        ram_bytes,
        balanced_accuracy: robots.into_iter().map(by_exit).collect(),
        fastest_agreement: None,
        fastest_stages: None,
    })
}

/// A model in the guise of another, its teacher in that of the student: the same task,
/// uncalibrated.
pub(in crate::learn) fn bundle(
    sizes: Architecture,
    weights: &Weights,
    student: &Bundle,
) -> Result<Bundle, LearnError> {
    let mut manifest = student.manifest.clone();
    manifest.architecture = sizes;
    let plain = ExitSpec {
        temperature: 1.0,
        threshold: 1.0,
        balanced_accuracy: 0.0,
    };
    manifest.exits = vec![plain; sizes.depth];
    manifest.stage_cost_us = StageCosts::default();
    manifest
        .stage_cost_us
        .insert(Backend::Flex.into(), vec![0.0; sizes.depth]);
    Ok(Bundle::new(manifest, weights.clone())?)
}
