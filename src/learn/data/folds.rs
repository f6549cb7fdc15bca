//! Folds of the cross-validation: which rows are left out together.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::dataset::{Dataset, RecordingWindows};
use super::shuffle::shuffle;
use super::truth::ScanTruth;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;

/// Every row of a dataset in one of several folds.
pub(in crate::learn) struct Folds {
    pub(in crate::learn) count: usize,
    /// Left out.
    pub(in crate::learn) fold: usize,
    /// Empty where time alone decides.
    pub(in crate::learn) of: BTreeMap<FoldUnit, usize>,
}

impl Folds {
    /// So many that one of them is the share a task holds out.
    pub(in crate::learn) fn count_of(task: &Task) -> usize {
        Folds::of_share(task.recordings.hold_out)
    }

    /// So many that one of them is this share.
    pub(in crate::learn) fn of_share(share: f64) -> usize {
        ((1.0 / share.max(0.01)).round() as usize).max(2)
    }

    /// Folds of time, the last one left out.
    pub(in crate::learn) fn last_of(task: &Task) -> Folds {
        let count = Folds::count_of(task);
        Folds {
            count,
            fold: count - 1,
            of: BTreeMap::new(),
        }
    }

    /// Puts the units of every class into folds of about as many rows each, by chance. The first
    /// fold is left out.
    pub(in crate::learn) fn assign(task: &Task, data: &Dataset, count: usize, seed: u64) -> Folds {
        let mut of = BTreeMap::new();
        // Rows by unit and class.
        let mut units: BTreeMap<FoldUnit, Vec<usize>> = BTreeMap::new();
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
            let mut mine: Vec<(&FoldUnit, usize)> =
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
    pub(in crate::learn) fn leaving_out(&self, fold: usize) -> Folds {
        Folds {
            fold,
            of: self.of.clone(),
            ..*self
        }
    }

    /// The windows that validate: the plain recordings' rows of the fold left out.
    pub(in crate::learn) fn judged(&self, task: &Task, data: &Dataset, copies: usize) -> Dataset {
        let plain = (0..data.parts.len()).step_by(copies + 1);
        let mut judged = data.select(plain, |part, row| {
            self.of(task, part, row, true) == Some(self.fold)
        });
        judged.parts.retain(|part| !part.labelled.is_empty());
        judged
    }

    /// The windows that teach: all other rows, and their copies.
    pub(in crate::learn) fn taught(&self, task: &Task, data: &Dataset, copies: usize) -> Dataset {
        let mut taught = data.select(0..data.parts.len(), |part, row| {
            self.of(task, part, row, false)
                .is_some_and(|fold| fold != self.fold)
        });
        // A recording goes with all its copies, so that they stay in step.
        let all = taught.parts.chunks(copies + 1);
        taught.parts = all
            .filter(|copies| copies.iter().any(|part| !part.rows.is_empty()))
            .flat_map(<[RecordingWindows]>::to_vec)
            .collect();
        taught
    }

    /// Whether a row teaches (`false`) or is left out (`true`); none where it does neither.
    pub(in crate::learn) fn leaves_out(
        &self,
        task: &Task,
        part: &RecordingWindows,
        row: &ScanTruth,
    ) -> Option<bool> {
        if self.of(task, part, row, true) == Some(self.fold) {
            return Some(true);
        }
        let fold = self.of(task, part, row, false)?;
        (fold != self.fold).then_some(false)
    }

    /// The fold of a row; none where its window reaches from the fold left out into another, or
    /// the other way round.
    pub(in crate::learn) fn of(
        &self,
        task: &Task,
        part: &RecordingWindows,
        row: &ScanTruth,
        judging: bool,
    ) -> Option<usize> {
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

/// The unit that is left out together: a group, or a partition of a recording.
pub(in crate::learn) type FoldUnit = (String, i64);

pub(in crate::learn) fn unit(task: &Task, part: &RecordingWindows, row: &ScanTruth) -> FoldUnit {
    if task.recordings.split != SplitBy::Partitions {
        return (part.recording.group.clone(), 0);
    }
    let length = (f64::from(task.recordings.partition_s) * 1e9) as i64;
    let number = row.time.delta_ns(part.span.0).div_euclid(length.max(1));
    (part.recording.file.clone(), number)
}
