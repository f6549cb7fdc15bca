//! Cross-validation: which rows are left out together, and how much the scores spread.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::batches::{Batches, shuffle};
use super::checkpoint::Checkpoints;
use super::dataset::{Dataset, Part};
use super::error::LearnError;
use super::fold_scores::{FoldScores, FoldsReport};
use super::labels::ScanTruth;
use super::recordings::{find, may_teach};
use super::report::Report;
use super::score::score;
use super::task::{SplitBy, Task};
use super::train::{TrainOptions, check, distil, finish};
use crate::model::Stored;

/// What is left out together: a group, or a partition of a recording.
type Unit = (String, i64);

/// Every row of a dataset in one of several folds.
pub(super) struct Folds {
    count: usize,
    /// Left out.
    fold: usize,
    /// Empty where time alone decides.
    of: BTreeMap<Unit, usize>,
}

impl Folds {
    /// So many that one of them is the share a task holds out.
    pub(super) fn count_of(task: &Task) -> usize {
        Folds::of_share(task.recordings.hold_out)
    }

    /// So many that one of them is this share.
    pub(super) fn of_share(share: f64) -> usize {
        ((1.0 / share.max(0.01)).round() as usize).max(2)
    }

    /// Folds of time, the last one left out.
    pub(super) fn last_of(task: &Task) -> Folds {
        let count = Folds::count_of(task);
        Folds {
            count,
            fold: count - 1,
            of: BTreeMap::new(),
        }
    }

    /// Puts the units of every class into folds of about as many rows each, by chance. The first
    /// fold is left out.
    pub(super) fn assign(task: &Task, data: &Dataset, count: usize, seed: u64) -> Folds {
        let mut of = BTreeMap::new();
        // Rows by unit and class.
        let mut units: BTreeMap<Unit, Vec<usize>> = BTreeMap::new();
        if task.recordings.split != SplitBy::Time {
            for part in &data.parts {
                for row in &part.rows {
                    let rows = units.entry(unit(task, part, row));
                    let rows = rows.or_insert_with(|| vec![0; task.labels.len()]);
                    rows[row.label.unwrap_or(0).min(task.labels.len() - 1)] += 1;
                }
            }
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut total = vec![0; count];
        for class in 0..task.labels.len() {
            let most = |rows: &Vec<usize>| (0..rows.len()).max_by_key(|class| rows[*class]);
            let mine = units.iter().filter(|(_, rows)| most(rows) == Some(class));
            let mut mine: Vec<(&Unit, usize)> =
                mine.map(|(unit, r)| (unit, r.iter().sum())).collect();
            shuffle(&mut mine, &mut random);
            // Large ones first, so that the small ones can even them out.
            mine.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            let mut filled = vec![0; count];
            for (unit, rows) in mine {
                let fold = (0..count)
                    .min_by_key(|fold| (filled[*fold], total[*fold]))
                    .unwrap_or(0);
                filled[fold] += rows;
                total[fold] += rows;
                of.insert(unit.clone(), fold);
            }
        }
        Folds { count, fold: 0, of }
    }

    /// The same folds with another one left out.
    fn leaving_out(&self, fold: usize) -> Folds {
        Folds {
            fold,
            of: self.of.clone(),
            ..*self
        }
    }

    /// What validates: the plain recordings' rows of the fold left out.
    pub(super) fn judged(&self, task: &Task, data: &Dataset, copies: usize) -> Dataset {
        let plain = (0..data.parts.len()).step_by(copies + 1);
        let mut judged = data.select(plain, |part, row| {
            self.of(task, part, row, true) == Some(self.fold)
        });
        judged.parts.retain(|part| !part.labelled.is_empty());
        judged
    }

    /// What teaches: all other rows, and their copies.
    pub(super) fn taught(&self, task: &Task, data: &Dataset, copies: usize) -> Dataset {
        let mut taught = data.select(0..data.parts.len(), |part, row| {
            self.of(task, part, row, false)
                .is_some_and(|fold| fold != self.fold)
        });
        // A recording goes with all its copies, so that they stay in step.
        let all = taught.parts.chunks(copies + 1);
        taught.parts = all
            .filter(|copies| copies.iter().any(|part| !part.rows.is_empty()))
            .flat_map(<[Part]>::to_vec)
            .collect();
        taught
    }

    /// Whether a row teaches (`false`) or is left out (`true`); none where it does neither.
    pub(super) fn leaves_out(&self, task: &Task, part: &Part, row: &ScanTruth) -> Option<bool> {
        if self.of(task, part, row, true) == Some(self.fold) {
            return Some(true);
        }
        let fold = self.of(task, part, row, false)?;
        (fold != self.fold).then_some(false)
    }

    /// The fold of a row; none where its window reaches from the fold left out into another, or
    /// the other way round.
    fn of(&self, task: &Task, part: &Part, row: &ScanTruth, judging: bool) -> Option<usize> {
        if task.recordings.split != SplitBy::Time {
            return self.of.get(&unit(task, part, row)).copied();
        }
        let length = part.span.1.delta_ns(part.span.0).max(1) as f64 / self.count as f64;
        let fold = |ns: f64| ((ns / length).floor().max(0.0) as usize).min(self.count - 1);
        let newest = row.time.delta_ns(part.span.0) as f64;
        let oldest = fold(newest - f64::from(task.window_s()) * 1e9);
        let fold = fold(newest);
        let mixed = oldest != fold && (judging || oldest == self.fold || fold == self.fold);
        (!mixed).then_some(fold)
    }
}

fn unit(task: &Task, part: &Part, row: &ScanTruth) -> Unit {
    if task.recordings.split != SplitBy::Partitions {
        return (part.recording.group.clone(), 0);
    }
    let length = (f64::from(task.recordings.partition_s) * 1e9) as i64;
    let number = row.time.delta_ns(part.span.0).div_euclid(length.max(1));
    (part.recording.file.clone(), number)
}

/// Which recordings teach the models of a cross-validation, of which only the scores are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taught {
    /// Those that may teach a bundle; the others are left aside.
    #[default]
    Licensed,
    /// All.
    AllLicences,
}

impl Taught {
    /// Of the files' names.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Taught::Licensed => "",
            Taught::AllLicences => "-all-licences",
        }
    }
}

/// Trains once per fold and scores on the fold left out. Writes `folds-SPLIT.json` and
/// `folds-SPLIT.md`, or `folds-SPLIT-all-licences`.
pub fn cross_validate(
    options: &TrainOptions,
    count: usize,
    teach: Taught,
) -> Result<FoldsReport, LearnError> {
    let (task, window) = options.task()?;
    let copies = task.training.variations.copies;
    let (own, others): (Vec<_>, Vec<_>) = find(&options.data, &task.recordings, options.yaw)?
        .into_iter()
        .partition(|recording| {
            teach == Taught::AllLicences || may_teach(recording, &task.recordings)
        });
    eprintln!("reading {} recordings", own.len());
    let all = Dataset::load(&task, &own, copies, options.seed);
    let folds = Folds::assign(&task, &all, count, options.seed);
    let checkpoints = Checkpoints::within(&options.out);
    let one = |fold: usize| -> Result<Report, LearnError> {
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
        let stored = Stored::F32;
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
    let reports: Vec<Report> = each.map(one).collect::<Result<_, _>>()?;
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
