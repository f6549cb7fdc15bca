//! Reliability: how often a model is right, by its confidence.

use serde::{Deserialize, Serialize};

/// Bins of confidence.
const BINS: usize = 15;

/// Answers by how sure they were.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::learn) struct Reliability {
    /// Answers, the sum of their confidences, how many are right.
    bins: [(u64, f64, u64); BINS],
}

/// The answers of one bin of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceBin {
    /// Answers.
    pub n: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// Share of them that is right.
    pub accuracy: f64,
}

impl Reliability {
    pub(in crate::learn) fn add(&mut self, confidence: f32, right: bool) {
        let bin = &mut self.bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.0 += 1;
        bin.1 += f64::from(confidence);
        bin.2 += u64::from(right);
    }

    pub(in crate::learn) fn merge(&mut self, other: &Reliability) {
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
            mine.2 += theirs.2;
        }
    }

    /// Expected calibration error: the mean gap between confidence and accuracy over 15 equal bins
    /// of confidence, weighted by their size (Naeini et al. 2015). 0 without answers.
    pub(in crate::learn) fn error(&self) -> f64 {
        let gaps = self.bins.iter();
        let gaps = gaps.map(|(_, sure, right)| (sure - *right as f64).abs());
        gaps.sum::<f64>() / self.answers().max(1) as f64
    }

    /// Mean confidence; none without answers.
    pub(in crate::learn) fn confidence(&self) -> Option<f64> {
        let sum: f64 = self.bins.iter().map(|(_, sure, _)| sure).sum();
        (self.answers() > 0).then(|| sum / self.answers() as f64)
    }

    /// The bins that have answers, the least sure first.
    pub(in crate::learn) fn bins(&self) -> Vec<ConfidenceBin> {
        let filled = self.bins.iter().filter(|(n, ..)| *n > 0);
        let bin = |(n, sure, right): &(u64, f64, u64)| ConfidenceBin {
            n: *n,
            confidence: sure / *n as f64,
            accuracy: *right as f64 / *n as f64,
        };
        filled.map(bin).collect()
    }

    fn answers(&self) -> u64 {
        self.bins.iter().map(|(n, ..)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_weighed_by_how_many_answers_it_concerns() {
        let mut sure = Reliability::default();
        for right in [true, true, true, false] {
            sure.add(0.95, right);
        }
        assert!((sure.error() - 0.2).abs() < 1e-6, "0.95 said, 0.75 right");
        let mut modest = Reliability::default();
        for right in [true, true, false, false] {
            modest.add(0.5, right);
        }
        assert_eq!(modest.error(), 0.0);
        modest.merge(&sure);
        assert!((modest.error() - 0.1).abs() < 1e-6);
        assert!((modest.confidence().unwrap() - 0.725).abs() < 1e-6);
        let bins = modest.bins();
        assert_eq!((bins.len(), bins[0].n, bins[1].accuracy), (2, 4, 0.75));
        assert_eq!(Reliability::default().confidence(), None);
        assert_eq!(Reliability::default().error(), 0.0);
    }
}
