//! The models of GGUF files as burn modules, in floats: the reference of the packed decoder, what
//! training starts from, and what runs on a GPU.
//!
//! One block holds all architectures, with their differences as data ([`Architecture`]). It has no
//! cache of keys and values: all positions of a text go through together, as training needs them.

mod layer;
mod loading;
mod rotary;
#[cfg(test)]
mod tests;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::architecture::Architecture;
use layer::{Layer, Norm};
use rotary::Turns;

/// Tokens in, logits of what follows each of them out.
///
/// ```no_run
/// use burn::tensor::{Int, Tensor, TensorData};
/// use edge_reasoner::language::{gguf::Gguf, network::LanguageModel};
/// use edge_reasoner::model::Backend;
///
/// let device = Backend::Flex.device()?;
/// let file = Gguf::open("SmolLM2-135M-Instruct.Q4_1.gguf".as_ref())?;
/// let model = LanguageModel::load(&file, 1024, &device)?;
/// let tokens = TensorData::new(vec![504, 11003, 314], [1, 3]);
/// let logits = model.forward(Tensor::<2, Int>::from_data(tokens, &device));
/// assert_eq!(logits.dims(), [1, 3, 49_152]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct LanguageModel {
    /// `[vocabulary, width]`.
    embedding: Param<Tensor<2>>,
    layers: Vec<Layer>,
    norm: Norm,
    /// None where the embedding is the head as well.
    head: Option<Linear>,
    #[module(skip)]
    architecture: Architecture,
    /// Factors by which RoPE's frequencies are divided (long contexts).
    #[module(skip)]
    rope_factors: Option<Vec<f32>>,
}

impl LanguageModel {
    /// What differs between models.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Tokens `[batch, positions]` to logits `[batch, positions, vocabulary]`; the logits at a
    /// position depend on its token and those before.
    ///
    /// # Panics
    /// If a token is beyond the vocabulary.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let architecture = &self.architecture;
        let [batch, positions] = tokens.dims();
        let device = tokens.device();
        let width = architecture.width;
        let rows = self.embedding.val().select(0, tokens.flatten::<1>(0, 1));
        let mut stream: Tensor<3> = rows.reshape([batch, positions, width]);
        if architecture.embedding_scale != 1.0 {
            stream = stream * architecture.embedding_scale;
        }
        let turns = |rope, factors| Turns::new(rope, factors, positions, &device);
        let everywhere = turns(&architecture.rope, self.rope_factors.as_deref());
        let windowed = architecture.rope_windowed.as_ref();
        let windowed = windowed.map(|rope| turns(rope, None));
        for (layer, &window) in self.layers.iter().zip(&architecture.windows) {
            let turns = match (&windowed, window) {
                (Some(windowed), Some(_)) => windowed,
                _ => &everywhere,
            };
            let unseen = unseen(positions, window, &device);
            stream = layer.forward(stream, turns, unseen, architecture);
        }
        let normed = self.norm.forward(stream);
        let logits = match &self.head {
            Some(head) => head.forward(normed),
            None => normed.matmul(self.embedding.val().transpose().unsqueeze()),
        };
        match architecture.logit_cap {
            cap if cap > 0.0 => (logits / cap).tanh() * cap,
            _ => logits,
        }
    }
}

/// True where a position (the first dimension) does not look: at those behind it, and at those
/// that its window has left.
fn unseen(positions: usize, window: Option<usize>, device: &Device) -> Tensor<2, Bool> {
    let row = Tensor::<1, Int>::arange(0..positions as i64, device).unsqueeze::<2>();
    let column = row.clone().transpose();
    // How far back: 0 for itself.
    let back = column - row;
    let behind = back.clone().lower_elem(0);
    match window {
        None => behind,
        Some(window) => behind.bool_or(back.greater_equal_elem(window as i64)),
    }
}
