//! Scores a bundle on recordings it has not learned from, exit by exit, with the baselines beside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;

use super::baselines::BaselineTallies;
use super::calibrate::{best, calibration_error, probabilities, stop};
use super::dataset::{Dataset, width};
use super::error::LearnError;
use super::fit::predict;
use super::folds::Folds;
use super::onsets::Onsets;
use super::recordings::{Recording, digest, find};
use super::report::{BASELINES, ExitReport, FastestReport, Report, write};
use super::scores::{Scores, Tally};
use super::task::{SplitBy, Task};
use crate::model::{Bundle, EngineKind, ExitSpec, Manifest};
use crate::quantiles::Quantiles;
use crate::reason::EngineFault;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct EvalOptions {
    /// Folder of the bundle.
    pub model: PathBuf,
    /// Task file.
    pub task: PathBuf,
    /// Folders with recordings.
    pub data: Vec<PathBuf>,
    /// Where the reports go.
    pub out: PathBuf,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
    /// What computes; the costs reported are this engine's.
    pub engine: EngineKind,
}

/// Evaluates a bundle and writes `report.json`, `report.md` and `report.svg` into `out`.
pub fn eval(options: &EvalOptions) -> Result<Report, LearnError> {
    let task = Task::load(&options.task)?;
    let bundle = Bundle::load(&options.model)?;
    let (data, known) = unseen(&bundle, &task, &options.data, options.yaw)?;
    let mut report = score(&bundle, &task, &data, options.engine)?;
    report.known = known.into_iter().map(|recording| recording.file).collect();
    write(&report, &options.out)?;
    Ok(report)
}

/// The windows in these folders that did not teach the bundle, and the recordings left aside
/// because they did. `yaw` is that of the laser (rad) for folders without a list.
pub fn unseen(
    bundle: &Bundle,
    task: &Task,
    folders: &[PathBuf],
    yaw: f32,
) -> Result<(Dataset, Vec<Recording>), LearnError> {
    fits(bundle, task)?;
    let all = find(folders, &task.recordings, yaw)?;
    let (left, mut known) = left_out(bundle, all, task.recordings.split)?;
    let mut data = Dataset::load(task, &left, 0, 0);
    if task.recordings.split == SplitBy::Time {
        // Their last part did not teach.
        let seen = Dataset::load(task, &known, 0, 0);
        let last = Folds::last_of(task).judged(task, &seen, 0);
        data.parts.extend(last.parts);
        data.skipped.extend(last.skipped);
        known.clear();
    }
    Ok((data, known))
}

/// A model answers only the task it was trained for.
pub(super) fn fits(bundle: &Bundle, task: &Task) -> Result<(), LearnError> {
    let mismatch = |what: String, expected: String| LearnError::Mismatch {
        model: bundle.id().into(),
        what,
        expected,
    };
    let manifest = &bundle.manifest;
    if manifest.labels != task.labels {
        return Err(mismatch(
            format!("its labels are {:?}", manifest.labels),
            format!("{:?}", task.labels),
        ));
    }
    if manifest.window != task.window {
        return Err(mismatch(
            "its window has other inputs or features".into(),
            "the window of the task file".into(),
        ));
    }
    Ok(())
}

/// The recordings the bundle has not learned from, nor from any other of their group; then the
/// others. When none is left, that is refused: a score on known ones would say nothing.
pub(super) fn left_out(
    bundle: &Bundle,
    all: Vec<Recording>,
    split: SplitBy,
) -> Result<(Vec<Recording>, Vec<Recording>), LearnError> {
    let taught = &bundle.manifest.training.recordings;
    let taught: BTreeSet<&str> = taught.iter().map(|r| r.sha256.as_str()).collect();
    // By content, for the same recording may lie under another name. One that cannot be read is
    // reported when its turn comes.
    let known = |recording: &&Recording| {
        digest(&recording.path).is_ok_and(|sha256| taught.contains(sha256.as_str()))
    };
    let groups: BTreeSet<&str> = all
        .par_iter()
        .filter(known)
        .map(|recording| recording.group.as_str())
        .collect();
    let (known, left): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .partition(|recording| groups.contains(recording.group.as_str()));
    if left.is_empty() && split != SplitBy::Time {
        return Err(LearnError::Nothing {
            what: format!("{} has learned from every group in the data", bundle.id()),
            remedy: "name recordings of other groups, or let `train --folds` judge".into(),
        });
    }
    Ok((left, known))
}

/// Tallies of one robot.
struct Robot {
    exits: Vec<Tally>,
    fastest: Tally,
    /// Of the deepest exit.
    onsets: Onsets,
    baselines: BaselineTallies,
}

/// Calibrated probabilities of every exit, `[exit][row * labels + class]`, for windows
/// `[rows, frames * features]`.
pub fn answers(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<Vec<Vec<f32>>, LearnError> {
    let Manifest {
        architecture: sizes,
        labels,
        exits,
        ..
    } = &bundle.manifest;
    let labels = labels.len();
    if let EngineKind::Burn(backend) = engine {
        let logits = predict(sizes, labels, bundle.weights(), windows, backend)?;
        let calibrated = |(logits, exit): (&Vec<f32>, &ExitSpec)| {
            probabilities(logits, labels, exit.temperature)
        };
        return Ok(logits.iter().zip(exits).map(calibrated).collect());
    }
    let mut answers = vec![Vec::new(); sizes.depth];
    let mut engine = bundle.engine(engine)?;
    let mut row = vec![0.0; labels];
    let fault = |error: EngineFault| LearnError::Training(error.to_string());
    for window in windows.chunks_exact(sizes.frames * sizes.features) {
        engine.begin(window).map_err(fault)?;
        for exit in &mut answers {
            engine.advance(&mut row).map_err(fault)?;
            exit.extend_from_slice(&row);
        }
    }
    Ok(answers)
}

/// Scores a bundle on windows.
pub fn score(
    bundle: &Bundle,
    task: &Task,
    data: &Dataset,
    engine: EngineKind,
) -> Result<Report, LearnError> {
    if data.rows() == 0 {
        return Err(LearnError::Nothing {
            what: "no window with a label to score on".into(),
            remedy: format!(
                "check the topics of the task; skipped: {}",
                data.skipped.join("; ")
            ),
        });
    }
    let manifest = &bundle.manifest;
    let labels = manifest.labels.len();
    let sizes = &manifest.architecture;
    let costs = manifest.stage_cost_us.of(engine);
    debug_assert_eq!(sizes.frames * sizes.features, width(task));
    let thresholds: Vec<f32> = manifest.exits.iter().map(|exit| exit.threshold).collect();
    let mut robots: BTreeMap<String, Robot> = BTreeMap::new();
    let mut by_exit = vec![0u64; sizes.depth];
    let mut used = Vec::new();
    let mut agree = 0;
    let mut truths = Vec::new();
    let mut pooled: Vec<Vec<f32>> = vec![Vec::new(); sizes.depth];
    for part in &data.parts {
        let robot = robots
            .entry(part.recording.robot.clone())
            .or_insert_with(|| Robot {
                exits: vec![task.truth.tally(labels); sizes.depth],
                fastest: task.truth.tally(labels),
                onsets: Onsets::default(),
                baselines: BaselineTallies::of(&task.truth, labels),
            });
        for scan in &part.labelled {
            robot.baselines.add(scan);
        }
        let exits = answers(bundle, &part.windows, engine)?;
        for (row, scan) in part.rows.iter().enumerate() {
            let Some(truth) = scan.label else { continue };
            let answer = |exit: usize| best(&exits[exit][row * labels..(row + 1) * labels]).0;
            for (exit, tally) in robot.exits.iter_mut().enumerate() {
                tally.add(truth, scan.now, answer(exit));
            }
            if let Some(deepest) = exits.last() {
                let probabilities = &deepest[row * labels..(row + 1) * labels];
                robot.onsets.add(probabilities, truth, scan.now);
            }
            let at = stop(&exits, &thresholds, labels, row);
            robot.fastest.add(truth, scan.now, answer(at));
            by_exit[at] += 1;
            used.push(costs[..=at].iter().sum::<f64>());
            agree += u64::from(answer(at) == answer(sizes.depth - 1));
            truths.push(truth);
        }
        for (all, exit) in pooled.iter_mut().zip(exits) {
            all.extend(exit);
        }
    }
    let cycles = truths.len() as u64;
    let per_robot = |pick: &dyn Fn(&Robot) -> Scores| -> BTreeMap<String, Scores> {
        let each = |(name, robot): (&String, &Robot)| (name.clone(), pick(robot));
        robots.iter().map(each).collect()
    };
    let exits = (0..sizes.depth)
        .map(|index| ExitReport {
            exit: index + 1,
            temperature: manifest.exits[index].temperature,
            threshold: manifest.exits[index].threshold,
            calibration_error: calibration_error(&pooled[index], &truths, labels),
            stage_cost_us: costs[index],
            per_robot: per_robot(&|robot| robot.exits[index].scores()),
        })
        .collect();
    let dropped = data.dropped();
    Ok(Report {
        model: bundle.id().into(),
        task: task.name.clone(),
        recordings: data
            .parts
            .iter()
            .map(|part| part.recording.file.clone())
            .collect(),
        groups: data
            .parts
            .iter()
            .map(|p| &p.recording.group)
            .collect::<BTreeSet<_>>()
            .len(),
        trained_on: manifest.training.recordings.len(),
        cycles,
        superseded: 0,
        late: 0,
        by_source: BTreeMap::from([("MODEL".into(), cycles)]),
        by_reason: BTreeMap::from([
            ("INCOMPLETE_INPUT".into(), dropped.incomplete),
            ("STALE_INPUT".into(), dropped.stale),
            ("INVALID_INPUT".into(), dropped.invalid),
            ("TIME_JUMP".into(), dropped.time_jump),
        ]),
        by_exit: by_exit
            .iter()
            .enumerate()
            .map(|(i, n)| ((i + 1).to_string(), *n))
            .collect(),
        latency_us: Quantiles::of(used),
        scores: per_robot(&|robot| robot.exits[sizes.depth - 1].scores()).into(),
        baselines: BASELINES
            .into_iter()
            .filter(|name| task.truth.has_baseline(name))
            .map(|name| {
                let pick = |robot: &Robot| robot.baselines.scores().named(name);
                (name.to_owned(), per_robot(&pick).into())
            })
            .collect(),
        exits,
        onset_recall_at_kinematic: robots
            .iter()
            .filter(|_| task.truth.has_baseline("kinematic"))
            .filter_map(|(name, robot)| {
                let share = robot.baselines.scores().kinematic.false_alarm?;
                Some((name.clone(), robot.onsets.recall_at(share)?))
            })
            .collect(),
        split: task.recordings.split,
        labels: match task.truth.is_ordered() {
            true => Vec::new(), // as in reports since the first
            false => manifest.labels.clone(),
        },
        confusion: match task.truth.is_ordered() {
            true => BTreeMap::new(),
            false => robots
                .iter()
                .map(|(name, robot)| (name.clone(), robot.exits[sizes.depth - 1].confusion()))
                .collect(),
        },
        fastest: FastestReport {
            per_robot: per_robot(&|robot| robot.fastest.scores()),
            agreement: agree as f64 / cycles.max(1) as f64,
            mean_stages: by_exit
                .iter()
                .enumerate()
                .map(|(i, n)| (i as f64 + 1.0) * *n as f64)
                .sum::<f64>()
                / cycles.max(1) as f64,
            stages: sizes.depth,
        },
        dropped,
        cut: data
            .parts
            .iter()
            .filter_map(|part| Some(format!("{}: {}", part.recording.file, part.cut.as_ref()?)))
            .collect(),
        skipped: data.skipped.clone(),
        known: Vec::new(),
        command: manifest.training.command.clone(),
        parameters: bundle.weights().parameters(),
        variants: Vec::new(),
    })
}
