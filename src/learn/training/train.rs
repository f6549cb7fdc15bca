//! Trains a bundle from recordings and a task file: teacher, student, calibration, report.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::batches::Batches;
use super::checkpoint::Checkpoints;
use super::fit::Fit;
use super::fixed_depths::FixedDepths;
use super::taught_exits::TaughtExits;
use super::teachers;
use crate::features::Window;
use crate::learn::data::dataset::{Dataset, Dropped};
use crate::learn::data::folds::Folds;
use crate::learn::data::recordings::{find, may_teach, split};
use crate::learn::error::LearnError;
use crate::learn::evaluation::forward::predict;
use crate::learn::evaluation::score::score;
use crate::learn::evaluation::stage_timing::stage_costs;
use crate::learn::metrics::baselines::{ARC, BASELINES};
use crate::learn::metrics::calibration::{probabilities, temperature, thresholds};
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::variant::Variant;
use crate::learn::report::write::write;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;
use crate::learn::task::train_options::TrainOptions;
use crate::model::{
    Architecture, Backend, Bundle, EngineKind, ExitSpec, FORMAT, Manifest, Precision, StageCosts,
    TrainedOn, Training, WeightPrecision, Weights, WeightsSpec, sha256_hex,
};

/// What came of it.
#[derive(Clone, Debug)]
pub struct TrainSummary {
    /// Id of the bundle.
    pub model: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Recordings that taught, and those that validated.
    pub recordings: (usize, usize),
    /// Windows that taught (without copies), and those that validated.
    pub windows: (usize, usize),
    /// What was dropped among the recordings that taught.
    pub dropped: Dropped,
    /// Recordings that could not be used, with the reason.
    pub skipped: Vec<String>,
    /// How it scores on the left-out groups.
    pub report: EvaluationReport,
    /// Wall-clock time of it all.
    pub elapsed: Duration,
}

/// Trains a bundle, writes it with its report, and prints its scores on the left-out groups.
pub fn train(options: &TrainOptions) -> Result<TrainSummary, LearnError> {
    let start = Instant::now();
    let (task, window) = options.task()?;
    let copies = task.training.variations.copies;
    let (taught, judged) = load(options, &task)?;
    for word in taught.skipped.iter().chain(&judged.skipped) {
        eprintln!("skipped {word}");
    }
    check(&taught, &judged, &task)?;
    let batches = Batches::new(&taught, &task, &window, copies);
    eprintln!(
        "{} windows per epoch from {} recordings, {} windows validate",
        batches.per_epoch(),
        taught.parts.len() / (copies + 1),
        judged.rows()
    );
    let checkpoints = Checkpoints::within(&options.out);
    let Distilled { student, teachers } =
        distil(options, &task, &window, &batches, &checkpoints, "")?;
    let sizes = task.student.architecture(&window);
    let stored = WeightPrecision::F32;
    let bundle = finish(options, &task, sizes, stored, student, &taught, &judged)?;
    bundle.save(&options.out)?;
    let mut report = score(&bundle, &task, &judged, options.device.into())?;
    report.known = trained_on(&taught).into_iter().map(|r| r.file).collect();
    if !teachers.is_empty() {
        let student = Variant::new("student", &bundle, options.device.into(), &report)?;
        let teacher = teachers::score(&teachers, &bundle, &task, &judged, options.device)?;
        report.variants = vec![teacher, student];
    }
    if options.static_depths {
        let all = FixedDepths {
            options,
            task: &task,
            bundle: &bundle,
            teachers: &teachers,
            checkpoints: &checkpoints,
        };
        report.static_depths = all.train(&batches, &judged)?;
    }
    write(&report, &options.out)?;
    checkpoints.clear();
    let plain = taught.parts.iter().step_by(copies + 1);
    let mut dropped = Dropped::default();
    let mut rows = 0;
    for part in plain {
        dropped += part.dropped;
        rows += part.rows.len();
    }
    Ok(TrainSummary {
        model: bundle.id().into(),
        folder: options.out.clone(),
        recordings: (taught.parts.len() / (copies + 1), judged.parts.len()),
        windows: (rows, judged.rows()),
        dropped,
        skipped: taught
            .skipped
            .iter()
            .chain(&judged.skipped)
            .cloned()
            .collect(),
        report,
        elapsed: start.elapsed(),
    })
}

/// What teaches, and what validates.
pub(in crate::learn) fn load(
    options: &TrainOptions,
    task: &Task,
) -> Result<(Dataset, Dataset), LearnError> {
    let recordings = find(&options.data, &task.recordings, options.yaw)?;
    let copies = task.training.variations.copies;
    if task.recordings.split == SplitBy::Groups && task.truth.is_ordered() {
        let parts = split(recordings, &task.recordings, options.seed);
        eprintln!(
            "reading {} recordings that teach, {} that validate",
            parts.training.len(),
            parts.validation.len()
        );
        let taught = Dataset::load(task, &parts.training, copies, options.seed);
        let judged = Dataset::load(task, &parts.validation, 0, options.seed);
        return Ok((taught, judged));
    }
    let (own, strangers): (Vec<_>, Vec<_>) = recordings
        .into_iter()
        .partition(|recording| may_teach(recording, &task.recordings));
    eprintln!("reading {} recordings", own.len() + strangers.len());
    let all = Dataset::load(task, &own, copies, options.seed);
    let folds = match task.recordings.split {
        SplitBy::Time => Folds::last_of(task),
        _ => Folds::assign(task, &all, Folds::count_of(task), options.seed),
    };
    let mut judged = folds.judged(task, &all, copies);
    let strangers = Dataset::load(task, &strangers, 0, options.seed);
    judged.parts.extend(strangers.parts);
    judged.skipped = strangers.skipped; // the others are said with what teaches
    Ok((folds.taught(task, &all, copies), judged))
}

pub(in crate::learn) fn check(
    taught: &Dataset,
    judged: &Dataset,
    task: &Task,
) -> Result<(), LearnError> {
    let licences = task.recordings.licences.join(", ");
    if taught.rows() == 0 {
        return Err(LearnError::Nothing {
            what: format!("no window to learn from; {}", taught.skipped.join("; ")),
            remedy: format!("give recordings of a licence class that may teach ({licences})"),
        });
    }
    if judged.rows() == 0 {
        return Err(LearnError::Nothing {
            what: format!("no window to validate on; {}", judged.skipped.join("; ")),
            remedy: "give recordings of at least two groups".into(),
        });
    }
    Ok(())
}

/// Trained models.
pub(in crate::learn) struct Distilled {
    pub student: Weights,
    /// Whom it learned from; none where it learned alone.
    pub teachers: Vec<(Architecture, Weights)>,
}

/// Teachers first, then the student from them. Their checkpoints' names begin with `prefix`.
pub(in crate::learn) fn distil(
    options: &TrainOptions,
    task: &Task,
    window: &Window,
    batches: &Batches<'_>,
    checkpoints: &Checkpoints,
    prefix: &str,
) -> Result<Distilled, LearnError> {
    let training = &task.training;
    let sizes = task.teacher.architecture(window);
    let teacher = |number: usize| Fit {
        name: format!("{prefix}teacher {}", number + 1),
        sizes,
        heads: task.heads(),
        epochs: training.teacher_epochs,
        training,
        device: options.device,
        // The student's seed follows the first teacher's.
        seed: options.seed.wrapping_add(number as u64 * 2),
        first: None,
        teachers: &[],
        exits: TaughtExits::All,
        checkpoints: Some(checkpoints),
    };
    let count = match training.teacher_epochs {
        0 => 0,
        _ => training.teachers,
    };
    // Side by side: a fit is one thread's work.
    let numbers = (0..count).into_par_iter().with_max_len(1);
    let teachers: Vec<(Architecture, Weights)> = numbers
        .map(|number| Ok((sizes, teacher(number).run(batches)?)))
        .collect::<Result<_, LearnError>>()?;
    let student = Fit {
        name: format!("{prefix}student"),
        sizes: task.student.architecture(window),
        epochs: training.student_epochs,
        seed: options.seed.wrapping_add(1),
        teachers: &teachers,
        ..teacher(0)
    };
    let student = student.run(batches)?;
    Ok(Distilled { student, teachers })
}

/// Calibrates on the left-out groups, measures, and puts the bundle together.
pub(in crate::learn) fn finish(
    options: &TrainOptions,
    task: &Task,
    sizes: Architecture,
    precision: WeightPrecision,
    weights: Weights,
    taught: &Dataset,
    judged: &Dataset,
) -> Result<Bundle, LearnError> {
    let heads = task.heads();
    let windows: Vec<f32> = judged
        .parts
        .iter()
        .flat_map(|p| p.windows.iter().copied())
        .collect();
    let truths: Vec<usize> = judged
        .parts
        .iter()
        .flat_map(|part| part.rows.iter().filter_map(|row| row.label))
        .collect();
    let logits = predict(&sizes, heads.outputs(), &weights, &windows, options.device)?;
    let temperatures: Vec<f32> = logits
        .iter()
        .map(|exit| temperature(exit, &truths, &heads))
        .collect();
    let exits: Vec<Vec<f32>> = logits
        .iter()
        .zip(&temperatures)
        .map(|(logits, temperature)| probabilities(logits, &heads, *temperature))
        .collect();
    let thresholds = thresholds(&exits, heads.labels());
    let recordings = trained_on(taught);
    let mut costs = StageCosts::default();
    costs.insert(Backend::Flex.into(), vec![0.0; sizes.depth]); // until they are measured
    let mut manifest = Manifest {
        format: FORMAT,
        name: task.name.clone(),
        task: task.name.clone(),
        labels: task.labels.clone(),
        safe_label: task.safe_label.clone(),
        bins: heads.bins().cloned(),
        window: task.window.clone(),
        topics: task.topics.clone(),
        architecture: sizes,
        exits: temperatures
            .iter()
            .zip(&thresholds)
            .map(|(temperature, threshold)| ExitSpec {
                temperature: *temperature,
                threshold: *threshold,
                balanced_accuracy: 0.0,
            })
            .collect(),
        stage_cost_us: costs,
        weights: WeightsSpec {
            file: "weights.safetensors".into(),
            precision,
            sha256: "0".repeat(64), // until the bundle is made
        },
        training: Training {
            command: options.command.clone(),
            seed: options.seed,
            data_sha256: data_digest(&recordings),
            recordings,
        },
    };
    let draft = Bundle::new(manifest.clone(), weights.clone())?;
    // As the node would run it by default, and flex.
    for engine in [
        EngineKind::Packed(Precision::default()),
        Backend::Flex.into(),
    ] {
        let costs = stage_costs(&draft, &windows, engine)?;
        manifest.stage_cost_us.insert(engine, costs);
    }
    let report = score(&draft, task, judged, options.device.into())?;
    for (exit, scored) in manifest.exits.iter_mut().zip(&report.exits) {
        exit.balanced_accuracy = scored.mean_balanced_accuracy();
    }
    Ok(Bundle::new(manifest, weights)?)
}

/// The recordings that taught, in the order of their names.
pub(in crate::learn) fn trained_on(taught: &Dataset) -> Vec<TrainedOn> {
    let mut recordings: Vec<TrainedOn> = taught
        .parts
        .iter()
        .map(|part| TrainedOn {
            file: part.recording.file.clone(),
            sha256: part.sha256.clone(),
            licence: part.recording.licence.clone(),
        })
        .collect();
    recordings.sort_by(|a, b| a.file.cmp(&b.file));
    recordings.dedup(); // copies
    recordings
}

/// Digest over the digests of recordings.
pub(in crate::learn) fn data_digest(recordings: &[TrainedOn]) -> String {
    let lines: String = recordings
        .iter()
        .map(|r| format!("{}  {}\n", r.sha256, r.file))
        .collect();
    sha256_hex(lines.as_bytes())
}

impl fmt::Display for TrainSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} in {}: {} recordings ({} windows) taught, {} ({} windows) validated, {:.0} s",
            self.model,
            self.folder.display(),
            self.recordings.0,
            self.windows.0,
            self.recordings.1,
            self.windows.1,
            self.elapsed.as_secs_f64()
        )?;
        writeln!(f, "left aside while teaching: {}", self.dropped)?;
        let figure = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
        for robot in self.report.scores.per_robot.keys() {
            let exits: Vec<String> = self
                .report
                .exits
                .iter()
                .filter_map(|exit| Some(figure(exit.per_robot.get(robot)?.balanced_accuracy)))
                .collect();
            write!(f, "{robot}: balanced accuracy by exit {}", exits.join(" "))?;
            for name in BASELINES.into_iter().chain([ARC]) {
                if let Some(scores) = self.report.baseline(name, robot) {
                    write!(f, ", {name} {}", figure(scores.balanced_accuracy))?;
                }
            }
            let deepest = self.report.scores.per_robot.get(robot);
            let accuracy = deepest.and_then(|scores| scores.accuracy);
            write!(f, "; accuracy {}", figure(accuracy))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
