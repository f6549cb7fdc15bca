//! Logits of weights that are not in a bundle yet.

use burn::tensor::{Device, Tensor, TensorData};

use crate::learn::error::LearnError;
use crate::model::{Architecture, Backend, Encoder, Weights};

/// Logits of every exit for windows `[rows, frames * features]`: `[exit][row * outputs + output]`.
pub fn predict(
    sizes: &Architecture,
    outputs: usize,
    weights: &Weights,
    windows: &[f32],
    device: Backend,
) -> Result<Vec<Vec<f32>>, LearnError> {
    const ROWS: usize = 256;
    let device = device.device()?;
    let model = encoder(sizes, outputs, weights, &device)?;
    let width = sizes.frames * sizes.features;
    let mut logits = vec![Vec::new(); sizes.depth];
    for chunk in windows.chunks(ROWS * width) {
        let shape = [chunk.len() / width, sizes.frames, sizes.features];
        let window = Tensor::from_data(TensorData::new(chunk.to_vec(), shape), &device);
        for (all, exit) in logits.iter_mut().zip(model.forward(window)) {
            all.extend(exit.into_data().iter::<f32>());
        }
    }
    Ok(logits)
}

pub(in crate::learn) fn encoder(
    sizes: &Architecture,
    labels: usize,
    weights: &Weights,
    device: &Device,
) -> Result<Encoder, LearnError> {
    Encoder::new(sizes, labels, weights, device).map_err(|fault| {
        LearnError::Training(format!("{}; expected {}", fault.what, fault.expected))
    })
}
