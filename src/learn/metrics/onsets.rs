//! Onset recall at equal false alarms: how many onsets a model finds when it may raise as many
//! false alarms as another, since answers of two models compare only at the same share of false
//! alarms.

/// A model's confidence that it gets more severe, over many scans.
#[derive(Clone, Debug, Default)]
pub(in crate::learn) struct Onsets {
    /// Probability of a class more severe than now, and whether it came so.
    scans: Vec<(f32, bool)>,
}

impl Onsets {
    /// Counts a scan: the probabilities of the classes in rising severity, the truth, and the
    /// class now.
    pub(in crate::learn) fn add(&mut self, probabilities: &[f32], truth: usize, now: usize) {
        let worse = probabilities.iter().skip(now + 1).sum();
        self.scans.push((worse, truth > now));
    }

    /// Share of the onsets found when alarms are raised from the probability on at which at most
    /// `false_alarm` of the other scans have one; none without an onset.
    pub(in crate::learn) fn recall_at(&self, false_alarm: f64) -> Option<f64> {
        let mut scans = self.scans.clone();
        scans.sort_by(|a, b| b.0.total_cmp(&a.0));
        let onsets = scans.iter().filter(|scan| scan.1).count();
        let calm = scans.len() - onsets;
        let (mut found, mut alarms, mut best) = (0, 0, 0);
        // Scans of equal probability are alarmed about together; nothing is at 0.
        for group in scans.chunk_by(|a, b| a.0 == b.0) {
            found += group.iter().filter(|scan| scan.1).count();
            alarms += group.iter().filter(|scan| !scan.1).count();
            if alarms as f64 > false_alarm * calm as f64 || group[0].0 <= 0.0 {
                break;
            }
            best = found;
        }
        (onsets > 0).then(|| best as f64 / onsets as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn onsets(scans: &[(f32, bool)]) -> Onsets {
        let mut onsets = Onsets::default();
        for (worse, came) in scans {
            onsets.add(&[1.0 - worse, *worse, 0.0], usize::from(*came), 0);
        }
        onsets
    }

    #[test]
    fn more_false_alarms_allow_more_recall() {
        let onsets = onsets(&[
            (0.9, true),
            (0.8, false),
            (0.7, true),
            (0.6, false),
            (0.5, false),
            (0.1, true),
            (0.0, true),
            (0.0, false),
        ]);
        for (share, recall) in [
            (0.0, 0.25),
            (0.24, 0.25),
            (0.25, 0.5),
            (0.74, 0.5),
            (0.75, 0.75),
        ] {
            assert_eq!(onsets.recall_at(share), Some(recall), "{share}");
        }
        // What is certain not to come is never alarmed about.
        assert_eq!(onsets.recall_at(1.0), Some(0.75));
    }

    #[test]
    fn equal_probabilities_cannot_be_told_apart() {
        let onsets = onsets(&[(0.5, true), (0.5, false), (0.4, true), (0.3, false)]);
        assert_eq!(onsets.recall_at(0.4), Some(0.0));
        assert_eq!(onsets.recall_at(0.5), Some(1.0));
    }

    #[test]
    fn the_most_severe_class_has_no_onset() {
        let mut onsets = Onsets::default();
        onsets.add(&[0.1, 0.2, 0.7], 2, 2);
        assert_eq!(onsets.recall_at(1.0), None);
        onsets.add(&[0.1, 0.2, 0.7], 2, 1);
        assert_eq!(onsets.recall_at(0.0), Some(1.0));
    }
}
