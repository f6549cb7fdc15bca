//! How good a model's distribution of the free way is: how often the way was shorter than each
//! quantile, and the pinball loss of the quantile, beside a kinematic projection. A perfect model's
//! loss is 0.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::bins::Bins;
use crate::learn::data::truth::ScanTruth;

/// The quantiles that are judged.
pub const QUANTILES: [f32; 4] = [0.05, 0.1, 0.2, 0.5];

/// One quantile of one exit, or the kinematic projection in its place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileScore {
    /// Which.
    pub quantile: f32,
    /// Share of the windows after which the way was shorter than the quantile.
    pub shorter: f64,
    /// Mean pinball loss, m: what lies above it weighs `quantile`, what lies below it the rest of
    /// 1.
    pub pinball_m: f64,
    /// Its mean over the windows, m.
    pub mean_m: f64,
}

/// One robot's windows. Distances count up to `far_m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreeWayReport {
    /// Windows with a distance to judge by.
    pub windows: u64,
    /// Where the last bin begins, m: nothing counts as more.
    pub far_m: f32,
    /// Mean distance that was free, m.
    pub mean_m: f64,
    /// The least range now less the way of one horizon, taken for every quantile.
    pub physics: Vec<QuantileScore>,
    /// `[exit][quantile]`.
    pub exits: Vec<Vec<QuantileScore>>,
}

/// Sums over windows.
#[derive(Clone, Debug)]
pub(in crate::learn) struct FreeWays {
    bins: Bins,
    windows: u64,
    metres: f64,
    physics: [Sum; QUANTILES.len()],
    exits: Vec<[Sum; QUANTILES.len()]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    shorter: u64,
    pinball: f64,
    metres: f64,
}

impl Sum {
    fn add(&mut self, q: f32, said: f32, truth: f32) {
        self.shorter += u64::from(truth < said);
        let short = f64::from(truth - said);
        let q = f64::from(q);
        self.pinball += if short >= 0.0 {
            q * short
        } else {
            (q - 1.0) * short
        };
        self.metres += f64::from(said);
    }
}

impl FreeWays {
    pub(in crate::learn) fn new(bins: &Bins, exits: usize) -> FreeWays {
        FreeWays {
            bins: bins.clone(),
            windows: 0,
            metres: 0.0,
            physics: Default::default(),
            exits: vec![Default::default(); exits],
        }
    }

    /// Takes in the answers to rows of a recording: `[exit][row * bins + bin]`.
    pub(in crate::learn) fn add(&mut self, rows: &[ScanTruth], exits: &[Vec<f32>]) {
        let (count, far) = (self.bins.count(), self.far_m());
        for (row, scan) in rows.iter().enumerate() {
            let (Some(least), Some(ahead)) = (scan.least_m, scan.kinematic_m) else {
                continue;
            };
            let (truth, ahead) = (least.clamp(0.0, far), ahead.clamp(0.0, far));
            self.windows += 1;
            self.metres += f64::from(truth);
            for (sum, q) in self.physics.iter_mut().zip(QUANTILES) {
                sum.add(q, ahead, truth);
            }
            for (sums, answers) in self.exits.iter_mut().zip(exits) {
                let answer = &answers[row * count..(row + 1) * count];
                for (sum, q) in sums.iter_mut().zip(QUANTILES) {
                    sum.add(q, self.bins.quantile_m(answer, q), truth);
                }
            }
        }
    }

    fn far_m(&self) -> f32 {
        self.bins.start_m(self.bins.count() - 1)
    }

    pub(in crate::learn) fn report(&self) -> FreeWayReport {
        let n = self.windows.max(1) as f64;
        let scores = |sums: &[Sum; QUANTILES.len()]| {
            let scores = sums.iter().zip(QUANTILES);
            let scores = scores.map(|(sum, quantile)| QuantileScore {
                quantile,
                shorter: sum.shorter as f64 / n,
                pinball_m: sum.pinball / n,
                mean_m: sum.metres / n,
            });
            scores.collect()
        };
        FreeWayReport {
            windows: self.windows,
            far_m: self.far_m(),
            mean_m: self.metres / n,
            physics: scores(&self.physics),
            exits: self.exits.iter().map(scores).collect(),
        }
    }
}

impl FreeWayReport {
    /// As a table.
    pub(in crate::learn) fn markdown(&self, text: &mut String, robot: &str) -> fmt::Result {
        writeln!(
            text,
            "{robot}: {} windows, {:.2} m free on average (counted up to {} m).\n",
            self.windows, self.mean_m, self.far_m
        )?;
        write!(text, "|  |")?;
        for q in QUANTILES {
            write!(text, " shorter than {q} | loss, mm | mean, m |")?;
        }
        writeln!(text, "\n|---|{}", "---:|".repeat(3 * QUANTILES.len()))?;
        let mut row = |name: &str, scores: &[QuantileScore]| {
            write!(text, "| {name} |")?;
            for score in scores {
                let loss = score.pinball_m * 1e3;
                let (shorter, mean) = (score.shorter, score.mean_m);
                write!(text, " {shorter:.3} | {loss:.1} | {mean:.2} |")?;
            }
            writeln!(text)
        };
        row("physics alone", &self.physics)?;
        for (index, scores) in self.exits.iter().enumerate() {
            row(
                &format!("exit {} of {}", index + 1, self.exits.len()),
                scores,
            )?;
        }
        writeln!(
            text,
            "| who knows the future |{}\n",
            " - | 0.0 | - |".repeat(QUANTILES.len())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Stamp;

    fn rows(ways: &[(f32, f32)]) -> Vec<ScanTruth> {
        let row = |(least, ahead): &(f32, f32)| ScanTruth {
            time: Stamp(0),
            label: Some(0),
            now: 0,
            kinematic: 0,
            least_m: Some(*least),
            kinematic_m: Some(*ahead),
        };
        ways.iter().map(row).collect()
    }

    #[test]
    fn a_true_distribution_is_undershot_as_often_as_its_quantiles_say() {
        let bins = Bins {
            edges_m: vec![0.5, 1.0],
            bounds_m: vec![0.5],
            horizon_s: 1.0,
        };
        // Evenly from 0 to 1 m; physics says 1 m throughout.
        let ways: Vec<(f32, f32)> = (0..1000).map(|i| (i as f32 / 1000.0, 1.0)).collect();
        let mut sums = FreeWays::new(&bins, 1);
        sums.add(&rows(&ways), &[[0.5, 0.5, 0.0].repeat(1000)]);
        let report = sums.report();
        assert_eq!(report.windows, 1000);
        for score in &report.exits[0] {
            let q = f64::from(score.quantile);
            assert!((score.shorter - q).abs() < 0.003, "{score:?}");
            // Of an even distribution: q (1 - q) / 2.
            assert!((score.pinball_m - q * (1.0 - q) / 2.0).abs() < 0.003);
        }
        assert_eq!(report.physics[1].shorter, 1.0);
        assert!((report.physics[1].pinball_m - 0.45).abs() < 0.003);
    }

    #[test]
    fn nobody_is_judged_beyond_the_last_edge() {
        let bins = Bins {
            edges_m: vec![0.5, 2.0],
            bounds_m: vec![0.5],
            horizon_s: 1.0,
        };
        let mut sums = FreeWays::new(&bins, 1);
        let far = [(f32::INFINITY, f32::INFINITY), (7.0, -1.0)];
        sums.add(&rows(&far), &[[0.0, 0.0, 1.0].repeat(2)]);
        let report = sums.report();
        assert_eq!(report.exits[0][1].pinball_m, 0.0);
        assert_eq!((report.mean_m, report.physics[1].mean_m), (2.0, 1.0));
    }
}
