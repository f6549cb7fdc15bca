//! Cross-validation: trains and scores once per fold, and how much the scores spread.

use rayon::prelude::*;

use super::batches::Batches;
use super::checkpoint::Checkpoints;
use super::train::{check, distil, finish};
use crate::learn::data::dataset::Dataset;
use crate::learn::data::folds::Folds;
use crate::learn::data::recordings::{TeachingLicences, find, may_teach};
use crate::learn::error::LearnError;
use crate::learn::evaluation::fold_scores::{FoldScores, FoldsReport};
use crate::learn::evaluation::score::score;
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::task::train_options::TrainOptions;
use crate::model::WeightPrecision;

/// Trains once per fold and scores on the fold left out. Writes `folds-SPLIT.json` and
/// `folds-SPLIT.md`, or `folds-SPLIT-all-licences`.
pub fn cross_validate(
    options: &TrainOptions,
    count: usize,
    teach: TeachingLicences,
) -> Result<FoldsReport, LearnError> {
    let (task, window) = options.task()?;
    let copies = task.training.variations.copies;
    let (own, others): (Vec<_>, Vec<_>) = find(&options.data, &task.recordings, options.yaw)?
        .into_iter()
        .partition(|recording| {
            teach == TeachingLicences::AllLicences || may_teach(recording, &task.recordings)
        });
    eprintln!("reading {} recordings", own.len());
    let all = Dataset::load(&task, &own, copies, options.seed);
    let folds = Folds::assign(&task, &all, count, options.seed);
    let checkpoints = Checkpoints::within(&options.out);
    let one = |fold: usize| -> Result<EvaluationReport, LearnError> {
        let folds = folds.leaving_out(fold);
        let taught = folds.taught(&task, &all, copies);
        let judged = folds.judged(&task, &all, copies);
        check(&taught, &judged, &task)?;
        eprintln!(
            "fold {} of {count}: {} windows teach, {} validate",
            fold + 1,
            taught.rows(),
            judged.rows()
        );
        let batches = Batches::new(&taught, &task, &window, copies);
        let prefix = format!("fold {} ", fold + 1);
        let weights = distil(options, &task, &window, &batches, &checkpoints, &prefix)?.student;
        let sizes = task.student.architecture(&window);
        let stored = WeightPrecision::F32;
        let bundle = finish(options, &task, sizes, stored, weights, &taught, &judged)?;
        let report = score(&bundle, &task, &judged, options.device.into())?;
        eprintln!(
            "fold {} of {count}: {:?}",
            fold + 1,
            FoldScores::of(&report)
        );
        Ok(report)
    };
    // Side by side: a fit is one thread's work.
    let each = (0..count).into_par_iter().with_max_len(1);
    let reports: Vec<EvaluationReport> = each.map(one).collect::<Result<_, _>>()?;
    let mut skipped = all.skipped;
    skipped.extend(
        others
            .iter()
            .map(|r| format!("{}: may not teach ({})", r.file, r.licence)),
    );
    let report = FoldsReport::new(options, &task, teach, &reports, skipped);
    report.write(options)?;
    checkpoints.clear();
    Ok(report)
}
