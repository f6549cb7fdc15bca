//! Robustness: the same scores under corruptions of growing size. The truth stays that of the
//! recordings as they are.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use super::corruption_grid::{CorruptionAxis, corruption_grid};
use super::held_out::HeldOut;
use super::predictions::{Predictions, predict_exits};
use crate::learn::data::augmentation::Augmentation;
use crate::learn::data::dataset::{RecordingWindows, open, through_window};
use crate::learn::data::recordings::Recording;
use crate::learn::error::LearnError;
use crate::learn::metrics::arc_baseline::ArcBaseline;
use crate::learn::metrics::reliability::Reliability;
use crate::learn::metrics::scores::ConfusionCounts;
use crate::learn::report::robustness_scores::{Condition, Level, Robustness};
use crate::learn::task::task_file::Task;
use crate::model::{Bundle, EngineKind};

/// Counts of one robot at one level.
#[derive(Clone)]
struct LevelCounts {
    asked: u64,
    stages: u64,
    deepest: ConfusionCounts,
    fastest: ConfusionCounts,
    kinematic: ConfusionCounts,
    arc: ConfusionCounts,
    reliability: Reliability,
}

impl LevelCounts {
    fn new(empty: ConfusionCounts) -> LevelCounts {
        LevelCounts {
            asked: 0,
            stages: 0,
            deepest: empty.clone(),
            fastest: empty.clone(),
            kinematic: empty.clone(),
            arc: empty,
            reliability: Reliability::default(),
        }
    }

    fn merge(&mut self, other: &LevelCounts) {
        self.asked += other.asked;
        self.stages += other.stages;
        self.deepest.merge(&other.deepest);
        self.fastest.merge(&other.fastest);
        self.kinematic.merge(&other.kinematic);
        self.arc.merge(&other.arc);
        self.reliability.merge(&other.reliability);
    }

    fn robustness(&self, trial: &Trial<'_>) -> Robustness {
        let deepest = self.deepest.scores();
        let balanced = |tally: &ConfusionCounts| tally.scores().balanced_accuracy.map(rounded);
        let answered = deepest.n > 0;
        Robustness {
            n: deepest.n,
            refused: rounded(1.0 - deepest.n as f64 / self.asked.max(1) as f64),
            balanced_accuracy: balanced(&self.deepest),
            accuracy: deepest.accuracy.map(rounded),
            confidence: self.reliability.confidence().map(rounded),
            calibration_error: answered.then(|| rounded(self.reliability.error())),
            fastest: balanced(&self.fastest),
            fastest_stages: answered.then(|| rounded(self.stages as f64 / deepest.n as f64)),
            kinematic: balanced(&self.kinematic)
                .filter(|_| trial.task.truth.has_baseline("kinematic")),
            arc: balanced(&self.arc).filter(|_| trial.arc.is_some()),
        }
    }
}

/// Six digits: what lies behind them is thousands of lines of noise in a report.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// What all levels share.
struct Trial<'a> {
    bundle: &'a Bundle,
    task: &'a Task,
    engine: EngineKind,
    arc: Option<ArcBaseline>,
    thresholds: Vec<f32>,
}

impl Trial<'_> {
    fn count(&self, part: &RecordingWindows) -> Result<LevelCounts, LearnError> {
        let labels = self.task.labels.len();
        let sizes = &self.bundle.manifest.architecture;
        let empty = self.task.truth.tally(labels);
        let exits = predict_exits(self.bundle, &part.windows, self.engine)?;
        let mut answered = Predictions::new(sizes.depth);
        answered.add(part, &exits, labels);
        let mut count = LevelCounts::new(empty.clone());
        count.asked = part.labelled.len() as u64;
        let deepest = answered.depth() - 1;
        count.deepest = answered.tally(empty.clone(), |_| deepest);
        let at = |row: usize| answered.stop(row, &self.thresholds);
        count.stages = (0..answered.rows()).map(|row| at(row) as u64 + 1).sum();
        count.fastest = answered.tally(empty, at);
        count.reliability = answered.reliability(deepest);
        let width = sizes.frames * sizes.features;
        for (scan, window) in part.rows.iter().zip(part.windows.chunks_exact(width)) {
            let Some(truth) = scan.label else { continue };
            count.kinematic.add(truth, scan.now, scan.kinematic);
            if let Some(arc) = &self.arc {
                count
                    .arc
                    .add(truth, scan.now, arc.answer(window, sizes.features));
            }
        }
        Ok(count)
    }
}

/// Scores a bundle on what it has not learned from, under every condition. The same seed gives the
/// same result.
pub(in crate::learn) fn robustness(
    bundle: &Bundle,
    task: &Task,
    held_out: &HeldOut,
    engine: EngineKind,
    seed: u64,
) -> Result<Vec<Condition>, LearnError> {
    let plans = corruption_grid(task);
    let trial = Trial {
        bundle,
        task,
        engine,
        arc: ArcBaseline::of(task),
        thresholds: bundle.manifest.exits.iter().map(|e| e.threshold).collect(),
    };
    let levels: usize = 1 + plans.iter().map(|plan| plan.levels.len()).sum::<usize>();
    let recordings: Vec<&Recording> = held_out.recordings().collect();
    eprintln!(
        "{} recordings at {levels} levels of edge conditions",
        recordings.len()
    );
    // One that cannot be read is reported where the plain windows are scored.
    let counts: Vec<(&Recording, Vec<LevelCounts>)> = recordings
        .par_iter()
        .enumerate()
        .filter_map(|(number, recording)| {
            let counts = one(
                &trial,
                held_out,
                &plans,
                recording,
                seed.wrapping_add(number as u64),
            );
            match counts {
                Ok(counts) => Some(Ok((*recording, counts))),
                Err(
                    LearnError::Recording { .. } | LearnError::Bag(_) | LearnError::File { .. },
                ) => None,
                Err(error) => Some(Err(error)),
            }
        })
        .collect::<Result<_, _>>()?;
    let mut robots: BTreeMap<&str, Vec<LevelCounts>> = BTreeMap::new();
    for (recording, counts) in &counts {
        match robots.get_mut(recording.robot.as_str()) {
            None => {
                robots.insert(&recording.robot, counts.clone());
            }
            Some(sums) => sums
                .iter_mut()
                .zip(counts)
                .for_each(|(sum, c)| sum.merge(c)),
        }
    }
    let level = |name: String, value: f64, number: usize| Level {
        name,
        value,
        per_robot: robots
            .iter()
            .map(|(robot, counts)| ((*robot).to_owned(), counts[number].robustness(&trial)))
            .collect(),
    };
    let mut number = 0;
    let condition = |plan: CorruptionAxis| {
        let mut levels = vec![level("as recorded".into(), 0.0, 0)];
        for (name, value, _) in plan.levels {
            number += 1;
            levels.push(level(name, value, number));
        }
        Condition {
            name: plan.name,
            unit: plan.unit.into(),
            levels,
        }
    };
    Ok(plans.into_iter().map(condition).collect())
}

/// A recording at every level: as it is, then level by level.
fn one(
    trial: &Trial<'_>,
    held_out: &HeldOut,
    plans: &[CorruptionAxis],
    recording: &Recording,
    seed: u64,
) -> Result<Vec<LevelCounts>, LearnError> {
    let task = trial.task;
    let (sources, plain) = open(task, recording)?;
    let start = plain.span().0;
    let none = Augmentation::none(&task.window);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let stream = (&sources[..], &plain);
    let as_recorded = through_window(task, recording, stream, start, (&none, &mut random))?;
    let truth = as_recorded.truth().clone();
    let part = as_recorded.into_part(recording, "", &plain);
    let count = |part| match held_out.judged(task, part) {
        Some(part) => trial.count(&part),
        None => Ok(LevelCounts::new(task.truth.tally(task.labels.len()))),
    };
    let mut counts = vec![count(part)?];
    for (number, plan) in plans.iter().enumerate() {
        for (_, _, corruption) in &plan.levels {
            // The same numbers at every level, so that levels differ by nothing else.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(number as u64 + 1);
            let disturbed = corruption.apply(&task.window, stream, recording.yaw, &mut random);
            let stream = (&sources[..], &disturbed);
            let mut sensed = through_window(task, recording, stream, start, (&none, &mut random))?;
            sensed.judge_by(&truth);
            let part = sensed.into_part(recording, "", &plain);
            counts.push(count(part)?);
        }
    }
    Ok(counts)
}
