//! Norm folding: every norm's gain and shift moved into the product behind it, and the mean over
//! the width taken out of what writes to the residual stream, which no norm sees. Exact but for
//! rounding to f32; quantization starts from it.

use crate::model::bundle::architecture::Architecture;
use crate::model::bundle::weights::{TensorValues, Weights};

impl Weights {
    /// An equivalent model whose norms have gain 1 and shift 0 and whose embedding, positions,
    /// attention outputs and contractions have no mean over the width. `self` fits `sizes`.
    pub(crate) fn folded(&self, sizes: &Architecture) -> Weights {
        let mut folded = self.clone();
        for index in 0..sizes.depth {
            let block = format!("blocks.{index}");
            let exit = format!("exits.{index}");
            folded.take_norm_in(&format!("{block}.attention_norm"), &format!("{block}.qkv"));
            folded.take_norm_in(&format!("{block}.ffn_norm"), &format!("{block}.expand"));
            folded.take_norm_in(&format!("{exit}.norm"), &format!("{exit}.head"));
            for layer in ["output", "contract"] {
                folded.centre(&format!("{block}.{layer}.weight"), sizes.width);
                folded.centre(&format!("{block}.{layer}.bias"), sizes.width);
            }
        }
        for name in ["embed.weight", "embed.bias", "position"] {
            folded.centre(name, sizes.width);
        }
        folded
    }

    fn take_norm_in(&mut self, norm: &str, layer: &str) {
        let gain = self.replace(&format!("{norm}.gamma"), 1.0);
        let shift = self.replace(&format!("{norm}.beta"), 0.0);
        let mut bias = self.wide(&format!("{layer}.bias"));
        let Some(weight) = self.0.get_mut(&format!("{layer}.weight")) else {
            return;
        };
        let rows = weight.data.chunks_exact_mut(bias.len().max(1));
        for ((row, gain), shift) in rows.zip(gain).zip(shift) {
            for (weight, bias) in row.iter_mut().zip(&mut bias) {
                *bias += f64::from(shift) * f64::from(*weight);
                *weight = (f64::from(gain) * f64::from(*weight)) as f32;
            }
        }
        if let Some(TensorValues { data, .. }) = self.0.get_mut(&format!("{layer}.bias")) {
            *data = bias.iter().map(|bias| *bias as f32).collect();
        }
    }

    fn centre(&mut self, name: &str, width: usize) {
        let Some(tensor) = self.0.get_mut(name) else {
            return;
        };
        for row in tensor.data.chunks_exact_mut(width) {
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
            for value in row {
                *value = (f64::from(*value) - mean) as f32;
            }
        }
    }

    /// Fills a tensor, and gives what was there.
    fn replace(&mut self, name: &str, value: f32) -> Vec<f32> {
        let Some(tensor) = self.0.get_mut(name) else {
            return Vec::new();
        };
        let filled = vec![value; tensor.data.len()];
        std::mem::replace(&mut tensor.data, filled)
    }

    fn wide(&self, name: &str) -> Vec<f64> {
        let values = self.0.get(name).map_or(&[][..], |tensor| &tensor.data);
        values.iter().map(|value| f64::from(*value)).collect()
    }
}
