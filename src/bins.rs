//! Bins of a distance behind the labels: a distribution of the free way, its quantiles, and the
//! labels' probabilities as sums over it.

use serde::{Deserialize, Serialize};

/// Most bins a model may have.
pub const MAX_BINS: usize = 64;

/// Bins of the free way, each of one label. Bin 0 begins at 0 m, the last has no end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Rising, m: bin i is from `edges_m[i - 1]` to below `edges_m[i]`.
    pub edges_m: Vec<f32>,
    /// Falling, m: below `bounds_m[i]` the label is at least number `i + 1`. Each is an edge.
    pub bounds_m: Vec<f32>,
    /// How far into the future the least distance is looked for, s.
    pub horizon_s: f32,
}

impl Bins {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.edges_m.len() + 1
    }

    /// The bin that a distance lies in, m; infinite where nothing was seen.
    pub fn of(&self, metres: f32) -> usize {
        self.edges_m.partition_point(|edge| metres >= *edge)
    }

    /// Where a bin begins, m.
    pub fn start_m(&self, bin: usize) -> f32 {
        let before = bin.checked_sub(1).and_then(|last| self.edges_m.get(last));
        before.copied().unwrap_or(0.0)
    }

    /// The label that a bin belongs to.
    pub fn label_of(&self, bin: usize) -> usize {
        let start = self.start_m(bin);
        self.bounds_m.iter().filter(|bound| start < **bound).count()
    }

    /// Sums the probabilities of the bins by label.
    pub fn merge(&self, bins: &[f32], labels: &mut [f32]) {
        labels.fill(0.0);
        for (bin, p) in bins.iter().enumerate() {
            if let Some(label) = labels.get_mut(self.label_of(bin)) {
                *label += p;
            }
        }
    }

    /// The distance, m, that the free way falls short of with the probability `q`. Inside a bin it
    /// is interpolated; in the last it is where the bin begins. 0 for what are no probabilities.
    pub fn quantile_m(&self, bins: &[f32], q: f32) -> f32 {
        let mut below = 0.0;
        for (bin, (p, end)) in bins.iter().zip(&self.edges_m).enumerate() {
            let sum = below + p;
            // What is no number ends here, at a start that is too near.
            if sum.is_nan() || sum > q {
                let share = ((q - below) / p).clamp(0.0, 1.0);
                let start = self.start_m(bin);
                let share = if share.is_finite() { share } else { 0.0 };
                return start + share * (end - start);
            }
            below += p;
        }
        match bins.len() == self.count() {
            true => self.start_m(self.count() - 1),
            false => 0.0,
        }
    }

    /// Every fault, as sentences; `at` is what the edges are called there.
    pub fn faults(&self, at: &str, labels: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let (edges, bounds) = (&self.edges_m, &self.bounds_m);
        if edges.len() >= MAX_BINS {
            faults.push(format!(
                "{at} has {} edges, expected at most {}",
                edges.len(),
                MAX_BINS - 1
            ));
        }
        let sound = |edge: &f32| edge.is_finite() && *edge > 0.0;
        if !edges.iter().all(sound) || !edges.windows(2).all(|pair| pair[0] < pair[1]) {
            faults.push(format!(
                "{at} is {edges:?}, expected rising positive metres"
            ));
        }
        if !bounds.windows(2).all(|pair| pair[0] > pair[1]) || bounds.len() + 1 != labels {
            faults.push(format!(
                "{at}: bounds_m is {bounds:?} for {labels} labels, expected falling metres, one \
                 less than labels"
            ));
        }
        if !(self.horizon_s.is_finite() && self.horizon_s > 0.0) {
            faults.push(format!(
                "{at}: horizon_s is {}, expected seconds above 0",
                self.horizon_s
            ));
        }
        for bound in bounds.iter().filter(|bound| !edges.contains(bound)) {
            faults.push(format!(
                "{at} lacks {bound}, a bound between two labels: each bin must belong to one \
                 label; add it"
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bins() -> Bins {
        Bins {
            edges_m: vec![0.2, 0.4, 0.6, 0.8, 2.0],
            bounds_m: vec![0.8, 0.4],
            horizon_s: 1.0,
        }
    }

    #[test]
    fn a_label_has_the_probability_of_its_bins() {
        let bins = bins();
        let labels: Vec<usize> = (0..bins.count()).map(|bin| bins.label_of(bin)).collect();
        assert_eq!(labels, [2, 2, 1, 1, 0, 0]);
        let mut sums = [9.0; 3];
        bins.merge(&[0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125], &mut sums);
        assert_eq!(sums, [0.0625, 0.1875, 0.75]);
    }

    #[test]
    fn a_distance_at_an_edge_is_of_the_bin_that_begins_there() {
        let found = [0.0, 0.2, 0.39, 0.4, 1.9, 2.0, f32::INFINITY].map(|m| bins().of(m));
        assert_eq!(found, [0, 1, 1, 2, 4, 5, 5]);
    }

    #[test]
    fn a_quantile_lies_inside_its_bin() {
        let p = [0.1, 0.1, 0.2, 0.2, 0.2, 0.2];
        let at = |q| bins().quantile_m(&p, q);
        assert!((at(0.05) - 0.1).abs() < 1e-6);
        assert!((at(0.3) - 0.5).abs() < 1e-6);
        assert_eq!(at(0.95), 2.0, "no further than was seen");
        let far = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(bins().quantile_m(&far, 0.1), 2.0);
        let near = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!((bins().quantile_m(&near, 0.1) - 0.02).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_distribution_leaves_no_way() {
        assert_eq!(bins().quantile_m(&[], 0.1), 0.0);
        assert_eq!(bins().quantile_m(&[f32::NAN; 6], 0.1), 0.0);
    }

    #[test]
    fn bins_that_mix_labels_are_refused_with_what_to_add() {
        assert_eq!(bins().faults("bins_m", 3), Vec::<String>::new());
        let mut mixed = bins();
        mixed.edges_m.remove(1);
        let faults = mixed.faults("truth.bins_m", 3);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("truth.bins_m lacks 0.4") && faults[0].contains("add it"));
        for edges in [
            vec![0.4, 0.8, 0.8],
            vec![0.8, 0.4],
            vec![0.0, 0.4, 0.8],
            vec![0.4, 0.8, f32::NAN],
        ] {
            let bad = Bins {
                edges_m: edges,
                ..bins()
            };
            assert!(!bad.faults("bins_m", 3).is_empty(), "{bad:?}");
        }
        assert!(!bins().faults("bins_m", 4).is_empty());
    }

    proptest! {
        #[test]
        fn quantiles_rise_and_stay_between_0_and_the_last_edge(
            weights in proptest::collection::vec(0.0f32..1.0, 6),
            low in 0.0f32..1.0, high in 0.0f32..1.0,
        ) {
            let sum: f32 = weights.iter().sum::<f32>().max(1e-6);
            let p: Vec<f32> = weights.iter().map(|weight| weight / sum).collect();
            let bins = bins();
            let [near, far] = [low.min(high), low.max(high)].map(|q| bins.quantile_m(&p, q));
            prop_assert!(0.0 <= near && near <= far + 1e-5 && far <= 2.0, "{near} {far}");
        }

        #[test]
        fn the_bin_of_a_distance_is_of_its_label(metres in 0.0f32..3.0) {
            let bins = bins();
            let label = bins.bounds_m.iter().filter(|bound| metres < **bound).count();
            prop_assert_eq!(bins.label_of(bins.of(metres)), label);
        }
    }
}
