//! Early stopping: when a fit ends before its last epoch.

use burn::tensor::{Device, Tensor, TensorData};

use super::batches::Batches;
use super::taught_exits::TaughtExits;
use crate::learn::metrics::calibration::probabilities;
use crate::learn::task::task_file::EarlyStopping;
use crate::model::{Encoder, Heads, Weights};

/// Windows at once.
const ROWS: usize = 256;

/// The epoch with the lowest loss so far.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::learn) struct BestEpoch {
    /// Epochs done by then.
    pub epoch: usize,
    /// On the windows that are watched.
    pub loss: f64,
    pub weights: Weights,
}

/// Watches a fit.
pub(in crate::learn) struct EarlyStop {
    stopping: EarlyStopping,
    pub best: Option<BestEpoch>,
}

impl EarlyStop {
    /// Goes on from the best epoch of a fit that was interrupted.
    pub fn new(stopping: EarlyStopping, best: Option<BestEpoch>) -> EarlyStop {
        EarlyStop { stopping, best }
    }

    /// Takes the weights after `epoch` epochs.
    pub fn take(&mut self, epoch: usize, loss: f64, weights: Weights) {
        if self.best.as_ref().is_none_or(|best| loss < best.loss) {
            self.best = Some(BestEpoch {
                epoch,
                loss,
                weights,
            });
        }
    }

    /// Whether no more epochs are worth it after `epoch` of them.
    pub fn is_over(&self, epoch: usize) -> bool {
        let best = self.best.as_ref();
        best.is_some_and(|best| epoch >= best.epoch + self.stopping.patience)
    }
}

/// Cross-entropy of the exits that are taught, the mean over them and over the windows that are
/// watched, each weighing as its class does; infinite where none is watched.
pub(in crate::learn) fn watched_loss(
    model: &Encoder,
    exits: TaughtExits,
    batches: &Batches<'_>,
    (frames, features): (usize, usize),
    device: &Device,
) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for batch in batches.watched(ROWS) {
        let rows = batch.labels.len();
        let window = TensorData::new(batch.windows, [rows, frames, features]);
        let mut logits = model.forward(Tensor::from_data(window, device));
        if exits == TaughtExits::Deepest {
            logits.drain(..logits.len() - 1);
        }
        let depth = logits.len() as f64;
        for exit in logits {
            let exit: Vec<f32> = exit.into_data().iter::<f32>().collect();
            let outputs = exit.len() / rows;
            let chances = probabilities(&exit, &Heads::new(outputs, None), 1.0);
            let truths = batch.outputs.iter().zip(&batch.weights);
            for (chances, (output, weight)) in chances.chunks_exact(outputs).zip(truths) {
                let weight = f64::from(*weight) / depth;
                sum -= weight * f64::from(chances[*output].max(1e-9)).ln();
                weights += weight;
            }
        }
    }
    match weights > 0.0 {
        true => sum / weights,
        false => f64::INFINITY,
    }
}
