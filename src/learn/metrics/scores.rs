//! The scores of every report, for the model and the baselines alike.

use serde::{Deserialize, Serialize};

/// Counts of answers against the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionCounts {
    labels: usize,
    /// Whether the classes are in rising severity.
    ordered: bool,
    /// `[truth][answer]`, row-major.
    confusion: Vec<u64>,
    onsets: u64,
    onsets_found: u64,
    calm: u64,
    alarms: u64,
}

/// The figures of a tally. Shares that have no case to count are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Answers counted.
    pub n: u64,
    /// Share of right answers.
    pub accuracy: Option<f64>,
    /// Mean over the classes that occur of the share answered right.
    pub balanced_accuracy: Option<f64>,
    /// Of the scans where the truth is more severe than now, the share answered more severe than
    /// now.
    pub onset_recall: Option<f64>,
    /// Of the other scans, the share answered more severe than now.
    pub false_alarm: Option<f64>,
    /// Where the classes have no order of severity: the mean over the classes of the harmonic mean
    /// of precision and recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
}

impl ConfusionCounts {
    /// For classes `0..labels`, in rising severity.
    pub fn new(labels: usize) -> ConfusionCounts {
        ConfusionCounts {
            labels,
            ordered: true,
            confusion: vec![0; labels * labels],
            onsets: 0,
            onsets_found: 0,
            calm: 0,
            alarms: 0,
        }
    }

    /// For classes without an order: no onsets and no false alarms, but F1.
    pub fn unordered(labels: usize) -> ConfusionCounts {
        ConfusionCounts {
            ordered: false,
            ..ConfusionCounts::new(labels)
        }
    }

    /// The confusion matrix: `[truth][answer]`.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let rows = self.confusion.chunks(self.labels);
        rows.map(<[u64]>::to_vec).collect()
    }

    /// Counts one answer; `now` is the class of the present. Classes out of range count as the
    /// most severe.
    pub fn add(&mut self, truth: usize, now: usize, answer: usize) {
        let [truth, now, answer] = [truth, now, answer].map(|c| c.min(self.labels - 1));
        self.confusion[truth * self.labels + answer] += 1;
        let alarm = u64::from(answer > now);
        if truth > now {
            self.onsets += 1;
            self.onsets_found += alarm;
        } else {
            self.calm += 1;
            self.alarms += alarm;
        }
    }

    /// Adds the counts of another tally of as many classes.
    pub fn merge(&mut self, other: &ConfusionCounts) {
        for (mine, theirs) in self.confusion.iter_mut().zip(&other.confusion) {
            *mine += theirs;
        }
        self.ordered &= other.ordered;
        self.onsets += other.onsets;
        self.onsets_found += other.onsets_found;
        self.calm += other.calm;
        self.alarms += other.alarms;
    }

    /// Scans where the truth is more severe than now.
    pub fn onsets(&self) -> u64 {
        self.onsets
    }

    /// Windows per true class.
    pub fn truths(&self) -> Vec<u64> {
        let rows = self.confusion.chunks(self.labels);
        rows.map(|row| row.iter().sum()).collect()
    }

    /// Standard error of the balanced accuracy: that of binomial shares, one per class, averaged.
    /// As if answers were independent; those of neighbouring windows are not, so the true one is
    /// larger.
    pub(in crate::learn) fn standard_error(&self) -> Option<f64> {
        let truths = self.truths();
        let variances: Vec<f64> = (0..self.labels)
            .filter(|class| truths[*class] > 0)
            .map(|class| {
                let n = truths[class] as f64;
                let recall = self.confusion[class * self.labels + class] as f64 / n;
                recall * (1.0 - recall) / n
            })
            .collect();
        let classes = variances.len();
        (classes > 0).then(|| variances.iter().sum::<f64>().sqrt() / classes as f64)
    }

    /// Mean of F1 over the classes that occur, in the truth or in the answers.
    fn macro_f1(&self) -> Option<f64> {
        let truths = self.truths();
        let f1: Vec<f64> = (0..self.labels)
            .filter_map(|class| {
                let answers: u64 = (0..self.labels)
                    .map(|truth| self.confusion[truth * self.labels + class])
                    .sum();
                let both = truths[class] + answers;
                let right = self.confusion[class * self.labels + class];
                (both > 0).then(|| 2.0 * right as f64 / both as f64)
            })
            .collect();
        (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64)
    }

    /// The figures.
    pub fn scores(&self) -> Scores {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let right = |class: usize| self.confusion[class * self.labels + class];
        let truths = self.truths();
        let recalls: Vec<f64> = (0..self.labels)
            .filter_map(|class| share(right(class), truths[class]))
            .collect();
        let n = truths.iter().sum();
        Scores {
            n,
            accuracy: share((0..self.labels).map(right).sum(), n),
            balanced_accuracy: (!recalls.is_empty())
                .then(|| recalls.iter().sum::<f64>() / recalls.len() as f64),
            onset_recall: share(self.onsets_found, self.onsets).filter(|_| self.ordered),
            false_alarm: share(self.alarms, self.calm).filter(|_| self.ordered),
            macro_f1: self.macro_f1().filter(|_| !self.ordered),
        }
    }
}
