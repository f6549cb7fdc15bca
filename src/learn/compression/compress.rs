//! Compresses a bundle: pruned, taught again by the one it was made from, its weights in integers,
//! calibrated anew.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::pruning::{choose, cut, importance};
use crate::features::Window;
use crate::learn::data::dataset::Dataset;
use crate::learn::data::recordings::{find, may_teach};
use crate::learn::error::LearnError;
use crate::learn::evaluation::eval::teaches;
use crate::learn::evaluation::held_out::{fits, left_out};
use crate::learn::evaluation::score::score;
use crate::learn::metrics::block_weights::block_weights;
use crate::learn::report::markdown::variants::table;
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::variant::{TEACHER, Variant};
use crate::learn::report::write::write;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;
use crate::learn::task::train_options::TrainOptions;
use crate::learn::training::batches::Batches;
use crate::learn::training::checkpoint::Checkpoints;
use crate::learn::training::fit::Fit;
use crate::learn::training::taught_exits::TaughtExits;
use crate::learn::training::train::{check, data_digest, finish, load, trained_on};
use crate::model::{
    Architecture, Backend, Bundle, EngineKind, Precision, Training, WeightPrecision, Weights,
};

/// The recovery's rate and passes, as parts of the student's. What is left shall come back, not be
/// learned anew: on terrain, which has few recordings, two passes at a quarter of the rate cost 0,
/// 1.2 and 2.8 points of balanced accuracy on those left out (three seeds), four 1.7 and eight 2.2
/// (the first seed, which at the whole rate lost 1.6, 3.3 and 4.0). Clearance does not mind. 0.4 of
/// the weights were gone, 2026-11-21.
const RECOVERY: f64 = 0.25;

/// Batches that judge what is important.
const IMPORTANCE_BATCHES: usize = 64;

/// Options of a compression.
#[derive(Clone, Debug)]
pub struct CompressOptions {
    /// Folder of the bundle to start from.
    pub model: PathBuf,
    /// The task it was trained for.
    pub task: PathBuf,
    /// Folders with recordings: those that taught it teach again, the others judge.
    pub data: Vec<PathBuf>,
    /// Folder of the bundle to write.
    pub out: PathBuf,
    /// Share of the blocks' weights that goes, 0..0.9.
    pub prune: f64,
    /// Precision of the weights file.
    pub precision: WeightPrecision,
    /// Passes of the recovery; a quarter of the student's by default.
    pub epochs: Option<usize>,
    /// Where to compute.
    pub device: Backend,
    /// Seed of every random choice.
    pub seed: u64,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
    /// The command line, for the manifest.
    pub command: String,
}

/// The result of a compression.
#[derive(Clone, Debug)]
pub struct CompressSummary {
    /// Id of the bundle.
    pub model: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its scores on the left-out groups, with the table of variants.
    pub report: EvaluationReport,
    /// Wall-clock time of it all.
    pub elapsed: Duration,
}

/// Compresses a bundle, writes the smaller one with its report, and prints what each step cost.
pub fn compress(options: &CompressOptions) -> Result<CompressSummary, LearnError> {
    let start = Instant::now();
    let given = Bundle::load(&options.model)?;
    let train = options.train();
    let (task, window) = train.task()?;
    fits(&given, &task)?;
    teaches(&given, &task)?;
    let (taught, judged) = datasets(&given, &train, &task)?;
    for word in taught.skipped.iter().chain(&judged.skipped) {
        eprintln!("skipped {word}");
    }
    check(&taught, &judged, &task)?;
    let (sizes, weights) = pruned(options, &given, &task, &window, &taught)?;
    let history = history(&given.manifest.training, &taught, options);
    let judge = |bundle: &Bundle, name: &str| -> Result<(EvaluationReport, Variant), LearnError> {
        let engine = match bundle.manifest.weights.precision {
            WeightPrecision::F32 => options.device.into(),
            WeightPrecision::Int8 | WeightPrecision::Int4 => EngineKind::Packed(Precision::Int8),
        };
        let report = score(bundle, &task, &judged, engine)?;
        let variant = Variant::new(name, bundle, engine, &report)?;
        eprintln!("{name}: {} bytes on disk", variant.bytes_on_disk);
        Ok((report, variant))
    };
    // What the given bundle learned from stands in its own report.
    let mut variants = EvaluationReport::read(&options.model).map_or_else(Vec::new, |r| r.variants);
    variants.retain(|variant| variant.name == TEACHER);
    variants.push(judge(&given, "given")?.1);
    let small = finish(
        &train,
        &task,
        sizes,
        WeightPrecision::F32,
        weights,
        &taught,
        &judged,
    )?;
    let mut chosen = None;
    for stored in [
        WeightPrecision::F32,
        WeightPrecision::Int8,
        WeightPrecision::Int4,
    ] {
        let (mut bundle, name) = match stored {
            WeightPrecision::F32 if options.prune == 0.0 => (small.clone(), "f32"),
            WeightPrecision::F32 => (small.clone(), "pruned"),
            WeightPrecision::Int8 | WeightPrecision::Int4 => {
                let weights = small.with_precision(stored)?.weights().clone();
                let bundle = finish(&train, &task, sizes, stored, weights, &taught, &judged)?;
                (bundle, stored.name())
            }
        };
        bundle.manifest.training = history.clone();
        let (report, variant) = judge(&bundle, name)?;
        variants.push(variant);
        if stored == options.precision {
            chosen = Some((bundle, report));
        }
    }
    let Some((bundle, mut report)) = chosen else {
        unreachable!("every precision is tried");
    };
    report.variants = variants;
    report.known = history.recordings.into_iter().map(|r| r.file).collect();
    bundle.save(&options.out)?;
    write(&report, &options.out)?;
    Checkpoints::within(&options.out).clear();
    Ok(CompressSummary {
        model: bundle.id().into(),
        folder: options.out.clone(),
        report,
        elapsed: start.elapsed(),
    })
}

/// The smaller model, recovered; the given one where nothing is to go.
fn pruned(
    options: &CompressOptions,
    given: &Bundle,
    task: &Task,
    window: &Window,
    taught: &Dataset,
) -> Result<(Architecture, Weights), LearnError> {
    let sizes = given.manifest.architecture;
    if options.prune == 0.0 {
        return Ok((sizes, given.weights().clone()));
    }
    let batches = Batches::new(taught, task, window, task.training.variations.copies);
    let default = (task.training.student_epochs as f64 * RECOVERY).ceil() as usize;
    let mut training = task.training.clone();
    training.learning_rate *= RECOVERY;
    let checkpoints = Checkpoints::within(&options.out);
    let mut fit = Fit {
        name: "pruned".into(),
        sizes,
        heads: task.heads(),
        epochs: options.epochs.unwrap_or(default),
        training: &training,
        device: options.device,
        seed: options.seed,
        first: None,
        teachers: &[],
        exits: TaughtExits::All,
        checkpoints: Some(&checkpoints),
    };
    eprintln!("measuring what is important in {}", given.id());
    let importance = importance(&fit, given.weights(), &batches, IMPORTANCE_BATCHES)?;
    let kept = choose(&importance, &sizes, options.prune)?;
    let (smaller, first) = cut(given.weights(), &sizes, &importance, kept);
    let (before, after) = (block_weights(&sizes), block_weights(&smaller));
    eprintln!(
        "keeping {} of {} heads and {} of {} channels: {:.1} % of the blocks' weights go",
        smaller.heads,
        sizes.heads,
        smaller.ffn,
        sizes.ffn,
        100.0 * (1.0 - after as f64 / before as f64)
    );
    fit.sizes = smaller;
    fit.first = Some(&first);
    let teachers = [(sizes, given.weights().clone())];
    fit.teachers = &teachers;
    let weights = match fit.epochs {
        0 => first.clone(),
        _ => fit.run(&batches)?,
    };
    Ok((smaller, weights))
}

/// The recordings that teach again, and those that judge. None that judged the given bundle
/// teaches.
pub(in crate::learn) fn datasets(
    given: &Bundle,
    train: &TrainOptions,
    task: &Task,
) -> Result<(Dataset, Dataset), LearnError> {
    let copies = task.training.variations.copies;
    if task.recordings.split == SplitBy::Groups {
        let all = find(&train.data, &task.recordings, train.yaw)?;
        let (left, mut known) = left_out(given, all, SplitBy::Groups)?;
        known.retain(|recording| may_teach(recording, &task.recordings));
        if known.is_empty() {
            return Err(LearnError::Nothing {
                what: format!(
                    "none of the recordings that taught {} and may teach is in the data",
                    given.id()
                ),
                remedy: "name the folders it was trained from".into(),
            });
        }
        eprintln!(
            "reading {} recordings that teach, {} that validate",
            known.len(),
            left.len()
        );
        let taught = Dataset::load(task, &known, copies, train.seed);
        return Ok((taught, Dataset::load(task, &left, 0, train.seed)));
    }
    // The split is drawn from the seed, so the same recordings are needed to draw it again.
    let first = TrainOptions {
        seed: given.manifest.training.seed,
        ..train.clone()
    };
    let (taught, judged) = load(&first, task)?;
    let found = data_digest(&trained_on(&taught));
    let expected = &given.manifest.training.data_sha256;
    if found != *expected {
        return Err(LearnError::Mismatch {
            model: given.id().into(),
            what: format!("it learned from other recordings than these (digest {found})"),
            expected: format!("exactly those that taught it ({expected})"),
        });
    }
    Ok((taught, judged))
}

/// Both teachings in one: what taught the given bundle has taught this one.
fn history(given: &Training, taught: &Dataset, options: &CompressOptions) -> Training {
    let all = given.recordings.iter().cloned().chain(trained_on(taught));
    let recordings: Vec<_> = all
        .map(|recording| {
            (
                (recording.file.clone(), recording.sha256.clone()),
                recording,
            )
        })
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect();
    Training {
        command: format!("{} && {}", given.command, options.command),
        seed: options.seed,
        data_sha256: data_digest(&recordings),
        recordings,
    }
}

impl CompressOptions {
    fn train(&self) -> TrainOptions {
        TrainOptions {
            task: self.task.clone(),
            data: self.data.clone(),
            out: self.out.clone(),
            device: self.device,
            seed: self.seed,
            yaw: self.yaw,
            split: None,
            static_depths: false,
            command: self.command.clone(),
        }
    }
}

impl fmt::Display for CompressSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} in {}, {:.0} s\n",
            self.model,
            self.folder.display(),
            self.elapsed.as_secs_f64()
        )?;
        write!(f, "{}", table(&self.report.variants))
    }
}
