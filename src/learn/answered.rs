//! What every exit of a bundle answered, kept window by window.

use super::calibrate::{best, both, stop_when};
use super::dataset::Part;
use super::error::LearnError;
use super::fit::predict;
use super::onsets::Onsets;
use super::reliability::Reliability;
use super::scores::Tally;
use crate::model::{Bundle, EngineKind, ExitSpec, Manifest};
use crate::reason::EngineFault;

/// Calibrated probabilities of every exit, `[exit][row * labels + class]`, for windows
/// `[rows, frames * features]`.
pub fn answers(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<Vec<Vec<f32>>, LearnError> {
    Ok(answers_and_bins(bundle, windows, engine)?.0)
}

/// The same, and those of the bins behind them, `[exit][row * bins + bin]`; empty where the bundle has
/// none.
pub(super) fn answers_and_bins(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<(Vec<Vec<f32>>, Vec<Vec<f32>>), LearnError> {
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
pub(super) struct Answered {
    /// Truth, and class of the present.
    truths: Vec<(usize, usize)>,
    /// `[exit][window]`: class and confidence.
    exits: Vec<Vec<(usize, f32)>>,
    /// Of the deepest exit.
    onsets: Onsets,
}

impl Answered {
    /// To nothing yet.
    pub(super) fn new(depth: usize) -> Answered {
        Answered {
            truths: Vec::new(),
            exits: vec![Vec::new(); depth],
            onsets: Onsets::default(),
        }
    }

    /// Takes in what was answered to the windows of a part: `[exit][row * labels + class]`.
    pub(super) fn add(&mut self, part: &Part, exits: &[Vec<f32>], labels: usize) {
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
    pub(super) fn rows(&self) -> usize {
        self.truths.len()
    }

    /// Exits.
    pub(super) fn depth(&self) -> usize {
        self.exits.len()
    }

    /// Class and confidence of an exit.
    pub(super) fn answer(&self, exit: usize, row: usize) -> (usize, f32) {
        self.exits[exit][row]
    }

    /// Counts the answers of the exit that `of` names for every window.
    pub(super) fn tally(&self, mut empty: Tally, of: impl Fn(usize) -> usize) -> Tally {
        for (row, (truth, now)) in self.truths.iter().enumerate() {
            empty.add(*truth, *now, self.answer(of(row), row).0);
        }
        empty
    }

    /// How reliable an exit is.
    pub(super) fn reliability(&self, exit: usize) -> Reliability {
        let mut reliability = Reliability::default();
        for ((class, confidence), (truth, _)) in self.exits[exit].iter().zip(&self.truths) {
            reliability.add(*confidence, class == truth);
        }
        reliability
    }

    /// Index of the exit at which `fastest` stops.
    pub(super) fn stop(&self, row: usize, thresholds: &[f32]) -> usize {
        stop_when(thresholds, |exit| self.answer(exit, row).1)
    }

    /// How many onsets the deepest exit finds at a share of false alarms.
    pub(super) fn onset_recall_at(&self, false_alarm: f64) -> Option<f64> {
        self.onsets.recall_at(false_alarm)
    }
}
