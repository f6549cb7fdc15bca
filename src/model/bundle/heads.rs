//! What the outputs of an exit mean: one per label, or one per bin of the distance behind the
//! labels.

use crate::bins::Bins;
use crate::model::engines::calibrated::calibrated;

/// The outputs of every exit of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Heads {
    labels: usize,
    bins: Option<Bins>,
}

impl Heads {
    /// One output per label, or per bin where there are bins.
    pub fn new(labels: usize, bins: Option<Bins>) -> Heads {
        Heads { labels, bins }
    }

    /// Labels the outputs are read as.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Numbers that each exit gives.
    pub fn outputs(&self) -> usize {
        self.bins.as_ref().map_or(self.labels, Bins::count)
    }

    /// The bins, where there are any.
    pub fn bins(&self) -> Option<&Bins> {
        self.bins.as_ref()
    }

    /// Softmax of `logits / temperature` into `outputs`, and the labels' shares of it into
    /// `probabilities`; not finite if a logit is not.
    pub fn read(
        &self,
        logits: impl IntoIterator<Item = f32>,
        temperature: f32,
        outputs: &mut [f32],
        probabilities: &mut [f32],
    ) {
        calibrated(logits, temperature, outputs);
        match &self.bins {
            Some(bins) => bins.merge(outputs, probabilities),
            None => probabilities.copy_from_slice(outputs),
        }
    }
}
