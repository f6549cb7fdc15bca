//! Counts the answers of a bundle and of the baselines on windows.

use std::collections::{BTreeMap, BTreeSet};

use super::predictions::{Predictions, answers_and_bins};
use super::stage_timing::stage_costs;
use crate::learn::data::dataset::{Dataset, width};
use crate::learn::error::LearnError;
use crate::learn::metrics::arc_baseline::ArcBaseline;
use crate::learn::metrics::baselines::{ARC, BASELINES, BaselineTallies};
use crate::learn::metrics::counts::{ReportCounts, RobotCounts};
use crate::learn::metrics::free_way::FreeWays;
use crate::learn::metrics::reliability::Reliability;
use crate::learn::metrics::scores::ConfusionCounts;
use crate::learn::report::budget_curves::Budget;
use crate::learn::report::report_file::{EvaluationReport, ExitReport, FastestReport, PerRobot};
use crate::learn::task::task_file::Task;
use crate::model::{Bundle, EngineKind};
use crate::quantiles::Quantiles;

/// One robot.
struct RobotScore {
    answered: Predictions,
    baselines: BaselineTallies,
    /// Where the task has an arc among its inputs.
    arc: ConfusionCounts,
    /// Where the bundle has bins.
    free_way: Option<FreeWays>,
}

/// Scores a bundle on windows. Costs that its manifest has not for this engine are measured here.
pub fn score(
    bundle: &Bundle,
    task: &Task,
    data: &Dataset,
    engine: EngineKind,
) -> Result<EvaluationReport, LearnError> {
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
    let deepest = sizes.depth - 1;
    let costs = costs(bundle, data, engine)?;
    debug_assert_eq!(sizes.frames * sizes.features, width(task));
    let thresholds: Vec<f32> = manifest.exits.iter().map(|exit| exit.threshold).collect();
    let arc = ArcBaseline::of(task);
    let bins = manifest.bins.as_ref();
    let empty = task.truth.tally(labels);
    let mut robots: BTreeMap<String, RobotScore> = BTreeMap::new();
    for part in &data.parts {
        let robot = robots.entry(part.recording.robot.clone());
        let robot = robot.or_insert_with(|| RobotScore {
            answered: Predictions::new(sizes.depth),
            baselines: BaselineTallies::of(&task.truth, labels),
            arc: empty.clone(),
            free_way: bins.map(|bins| FreeWays::new(bins, sizes.depth)),
        });
        for scan in &part.labelled {
            robot.baselines.add(scan);
        }
        if let Some(rule) = &arc {
            for (scan, window) in part.rows.iter().zip(part.windows.chunks_exact(data.width)) {
                let Some(truth) = scan.label else { continue };
                let answer = rule.answer(window, sizes.features);
                robot.arc.add(truth, scan.now, answer);
            }
        }
        let (exits, ways) = answers_and_bins(bundle, &part.windows, engine)?;
        robot.answered.add(part, &exits, labels);
        if let Some(free_way) = &mut robot.free_way {
            free_way.add(&part.rows, &ways);
        }
    }

    let mut by_exit = vec![0u64; sizes.depth];
    let mut used = Vec::new();
    let mut agree = 0;
    let mut reliable = vec![Reliability::default(); sizes.depth];
    for RobotScore { answered, .. } in robots.values() {
        for row in 0..answered.rows() {
            let at = answered.stop(row, &thresholds);
            by_exit[at] += 1;
            used.push(costs[..=at].iter().sum::<f64>());
            let same = answered.answer(at, row).0 == answered.answer(deepest, row).0;
            agree += u64::from(same);
        }
        for (exit, all) in reliable.iter_mut().enumerate() {
            all.merge(&answered.reliability(exit));
        }
    }
    let cycles = used.len() as u64;
    let mut counts = ReportCounts::default();
    for (name, robot) in &robots {
        let tally = |at: &dyn Fn(usize) -> usize| robot.answered.tally(empty.clone(), at);
        let robot_counts = RobotCounts {
            baselines: robot.baselines.clone(),
            arc: arc.is_some().then(|| robot.arc.clone()),
            exits: (0..sizes.depth).map(|exit| tally(&|_| exit)).collect(),
            fastest: tally(&|row| robot.answered.stop(row, &thresholds)),
        };
        counts.insert(name, robot_counts);
    }
    let exits: Vec<ExitReport> = (0..sizes.depth)
        .map(|index| ExitReport {
            exit: index + 1,
            temperature: manifest.exits[index].temperature,
            threshold: manifest.exits[index].threshold,
            calibration_error: reliable[index].error(),
            stage_cost_us: costs[index],
            per_robot: counts.per_robot(|counts| counts.exits[index].scores()),
        })
        .collect();
    let mut baselines: BTreeMap<String, PerRobot> = BASELINES
        .into_iter()
        .filter(|name| task.truth.has_baseline(name))
        .map(|name| {
            let pick = |counts: &RobotCounts| counts.baselines.scores().named(name);
            (name.to_owned(), counts.per_robot(pick).into())
        })
        .collect();
    if arc.is_some() {
        let pick = |counts: &RobotCounts| {
            counts
                .arc
                .as_ref()
                .map(ConfusionCounts::scores)
                .unwrap_or_default()
        };
        baselines.insert(ARC.into(), counts.per_robot(pick).into());
    }
    let groups: BTreeSet<_> = data.parts.iter().map(|p| &p.recording.group).collect();
    let dropped = data.dropped();
    Ok(EvaluationReport {
        model: bundle.id().into(),
        task: task.name.clone(),
        recordings: data
            .parts
            .iter()
            .map(|part| part.recording.file.clone())
            .collect(),
        groups: groups.len(),
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
        scores: exits[deepest].per_robot.clone().into(),
        baselines,
        exits,
        onset_recall_at_kinematic: robots
            .iter()
            .filter(|_| task.truth.has_baseline("kinematic"))
            .filter_map(|(name, robot)| {
                let share = robot.baselines.scores().kinematic.false_alarm?;
                Some((name.clone(), robot.answered.onset_recall_at(share)?))
            })
            .collect(),
        split: task.recordings.split,
        labels: match task.truth.is_ordered() {
            true => Vec::new(), // as in reports since the first
            false => manifest.labels.clone(),
        },
        confusion: match task.truth.is_ordered() {
            true => BTreeMap::new(),
            false => counts.confusion(),
        },
        fastest: FastestReport {
            per_robot: counts.per_robot(|counts| counts.fastest.scores()),
            agreement: agree as f64 / cycles.max(1) as f64,
            mean_stages: by_exit
                .iter()
                .enumerate()
                .map(|(i, n)| (i as f64 + 1.0) * *n as f64)
                .sum::<f64>()
                / cycles.max(1) as f64,
            stages: sizes.depth,
        },
        reliability: robots
            .iter()
            .map(|(name, robot)| (name.clone(), robot.answered.reliability(deepest).bins()))
            .collect(),
        budget: Some(Budget::of(
            engine.name(),
            (&sizes.stage_macs(manifest.heads().outputs()), &costs),
            robots.iter().map(|(name, robot)| (name, &robot.answered)),
            &empty,
        )),
        free_way: robots
            .iter()
            .filter_map(|(name, robot)| Some((name.clone(), robot.free_way.as_ref()?.report())))
            .collect(),
        static_depths: Vec::new(),
        conditions: Vec::new(),
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
        counts,
    })
}

/// Median microseconds of every stage.
fn costs(bundle: &Bundle, data: &Dataset, engine: EngineKind) -> Result<Vec<f64>, LearnError> {
    if let Some(costs) = bundle.manifest.stage_cost_us.measured(engine) {
        return Ok(costs.to_vec());
    }
    let part = data.parts.iter().find(|part| !part.rows.is_empty());
    stage_costs(bundle, part.map_or(&[], |part| &part.windows), engine)
}
