//! Predictions: what every exit of a bundle answered, window by window.

use super::forward::predict;
use crate::learn::data::dataset::RecordingWindows;
use crate::learn::error::LearnError;
use crate::learn::metrics::calibration::{best, both, stop_when};
use crate::learn::metrics::onsets::Onsets;
use crate::learn::metrics::reliability::Reliability;
use crate::learn::metrics::scores::ConfusionCounts;
use crate::model::{Bundle, EngineKind, ExitSpec, Manifest};
use crate::scheduler::EngineFault;

/// Calibrated probabilities of every exit, `[exit][row * labels + class]`, for windows
/// `[rows, frames * features]`.
pub fn predict_exits(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<Vec<Vec<f32>>, LearnError> {
    Ok(answers_and_bins(bundle, windows, engine)?.0)
}

/// Probabilities of the labels and of the bins, each by exit.
pub(in crate::learn) type LabelsAndBins = (Vec<Vec<f32>>, Vec<Vec<f32>>);

/// The same, and those of the bins behind them, `[exit][row * bins + bin]`; empty where the bundle
/// has none.
pub(in crate::learn) fn answers_and_bins(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<LabelsAndBins, LearnError> {
    let Manifest {
        architecture: sizes,
        exits,
        ..
    } = &bundle.manifest;
    let heads = bundle.manifest.heads();
    if let EngineKind::Burn(backend) = engine {
        let outputs = heads.outputs();
        let logits = predict(sizes, outputs, bundle.weights(), windows, backend)?;
        let calibrated = |(logits, exit): (&Vec<f32>, &ExitSpec)| {
            let (labels, outputs) = both(logits, &heads, exit.temperature);
            (labels, heads.bins().map_or(Vec::new(), |_| outputs))
        };
        return Ok(logits.iter().zip(exits).map(calibrated).unzip());
    }
    let mut answers = vec![Vec::new(); sizes.depth];
    let mut bins = answers.clone();
    let mut engine = bundle.engine(engine)?;
    let mut row = vec![0.0; heads.labels()];
    let fault = |error: EngineFault| LearnError::Training(error.to_string());
    for window in windows.chunks_exact(sizes.frames * sizes.features) {
        engine.begin(window).map_err(fault)?;
        for (exit, bins) in answers.iter_mut().zip(&mut bins) {
            engine.advance(&mut row).map_err(fault)?;
            exit.extend_from_slice(&row);
            let way = engine.free_way(0);
            bins.extend_from_slice(way.map_or(&[], |way| way.probabilities));
        }
    }
    Ok((answers, bins))
}

/// The answers to some windows.
#[derive(Clone, Debug)]
pub(in crate::learn) struct Predictions {
    /// Truth, and class of the present.
    truths: Vec<(usize, usize)>,
    /// `[exit][window]`: class and confidence.
    exits: Vec<Vec<(usize, f32)>>,
    /// Of the deepest exit.
    onsets: Onsets,
}

impl Predictions {
    /// To nothing yet.
    pub(in crate::learn) fn new(depth: usize) -> Predictions {
        Predictions {
            truths: Vec::new(),
            exits: vec![Vec::new(); depth],
            onsets: Onsets::default(),
        }
    }

    /// Takes in what was answered to the windows of a part: `[exit][row * labels + class]`.
    pub(in crate::learn) fn add(
        &mut self,
        part: &RecordingWindows,
        exits: &[Vec<f32>],
        labels: usize,
    ) {
        for (row, scan) in part.rows.iter().enumerate() {
            let Some(truth) = scan.label else { continue };
            self.truths.push((truth, scan.now));
            for (all, exit) in self.exits.iter_mut().zip(exits) {
                all.push(best(&exit[row * labels..(row + 1) * labels]));
            }
            if let Some(deepest) = exits.last() {
                let probabilities = &deepest[row * labels..(row + 1) * labels];
                self.onsets.add(probabilities, truth, scan.now);
            }
        }
    }

    /// Windows.
    pub(in crate::learn) fn rows(&self) -> usize {
        self.truths.len()
    }

    /// Exits.
    pub(in crate::learn) fn depth(&self) -> usize {
        self.exits.len()
    }

    /// Class and confidence of an exit.
    pub(in crate::learn) fn answer(&self, exit: usize, row: usize) -> (usize, f32) {
        self.exits[exit][row]
    }

    /// Counts the answers of the exit that `of` names for every window.
    pub(in crate::learn) fn tally(
        &self,
        mut empty: ConfusionCounts,
        of: impl Fn(usize) -> usize,
    ) -> ConfusionCounts {
        for (row, (truth, now)) in self.truths.iter().enumerate() {
            empty.add(*truth, *now, self.answer(of(row), row).0);
        }
        empty
    }

    /// The reliability of an exit.
    pub(in crate::learn) fn reliability(&self, exit: usize) -> Reliability {
        let mut reliability = Reliability::default();
        for ((class, confidence), (truth, _)) in self.exits[exit].iter().zip(&self.truths) {
            reliability.add(*confidence, class == truth);
        }
        reliability
    }

    /// Index of the exit at which `fastest` stops.
    pub(in crate::learn) fn stop(&self, row: usize, thresholds: &[f32]) -> usize {
        stop_when(thresholds, |exit| self.answer(exit, row).1)
    }

    /// How many onsets the deepest exit finds at a share of false alarms.
    pub(in crate::learn) fn onset_recall_at(&self, false_alarm: f64) -> Option<f64> {
        self.onsets.recall_at(false_alarm)
    }
}
