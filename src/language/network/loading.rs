//! From a GGUF file to the modules, whatever its tensor types: all become floats.

use burn::module::Param;
use burn::nn::{LayerNormConfig, Linear, LinearConfig, RmsNormConfig};
use burn::tensor::{Device, Tensor, TensorData};

use super::LanguageModel;
use super::layer::{Layer, Norm, Projections, Up};
use crate::language::architecture::Architecture;
use crate::language::gguf::{Gguf, GgufError};
use crate::language::weights::{self, Floats, Weights};

impl LanguageModel {
    /// The model of a file on a device, for texts of up to `context` tokens.
    ///
    /// # Errors
    /// Where the file is no whole model, or of an architecture or tensor type that does not run.
    pub fn load(file: &Gguf, context: usize, device: &Device) -> Result<LanguageModel, GgufError> {
        let architecture = Architecture::read(file)?;
        let weights: Weights<Floats> = Weights::read(file, &architecture, context)?;
        let to = Onto {
            device,
            eps: f64::from(architecture.eps),
        };
        let (embedding, head) = match weights::separate_embedding(file, &architecture)? {
            // Rows of the head are tokens: it is the embedding.
            None => (weights.head.matrix, None),
            Some(embedding) => (embedding, Some(to.linear(weights.head))),
        };
        Ok(LanguageModel {
            embedding: to.param(embedding.numbers, [embedding.outputs, embedding.inputs]),
            layers: weights
                .layers
                .into_iter()
                .map(|layer| to.layer(layer))
                .collect(),
            norm: to.norm(weights.norm),
            head,
            rope_factors: weights.rope_factors,
            architecture,
        })
    }
}

struct Onto<'a> {
    device: &'a Device,
    eps: f64,
}

impl Onto<'_> {
    fn param<const D: usize>(&self, numbers: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(numbers, shape), self.device)
    }

    fn vector(&self, numbers: Vec<f32>) -> Param<Tensor<1>> {
        let length = numbers.len();
        self.param(numbers, [length])
    }

    fn linear(&self, linear: weights::Linear<Floats>) -> Linear {
        let Floats {
            inputs,
            outputs,
            numbers,
        } = linear.matrix;
        // A file has a row per output, burn one per input.
        let mut turned = vec![0.0; numbers.len()];
        for (output, row) in numbers.chunks_exact(inputs).enumerate() {
            for (input, number) in row.iter().enumerate() {
                turned[input * outputs + output] = *number;
            }
        }
        // The initialiser is lazy: nothing is drawn for parameters that are replaced at once.
        let mut module = LinearConfig::new(inputs, outputs)
            .with_bias(false)
            .init(self.device);
        module.weight = self.param(turned, [inputs, outputs]);
        module.bias = linear.bias.map(|bias| self.vector(bias));
        module
    }

    fn norm(&self, norm: weights::Norm) -> Norm {
        let width = norm.weight.len();
        match norm.shift {
            None => self.rms(norm.weight),
            Some(shift) => {
                let config = LayerNormConfig::new(width).with_epsilon(self.eps);
                let mut module = config.init(self.device);
                module.gamma = self.vector(norm.weight);
                module.beta = Some(self.vector(shift));
                Norm::Layer(module)
            }
        }
    }

    fn rms(&self, weight: Vec<f32>) -> Norm {
        let config = RmsNormConfig::new(weight.len()).with_epsilon(self.eps);
        let mut module = config.init(self.device);
        module.gamma = self.vector(weight);
        Norm::Rms(module)
    }

    fn layer(&self, layer: weights::Layer<Floats>) -> Layer {
        Layer {
            attention_norm: self.norm(layer.attention_norm),
            projections: Projections {
                parts: match layer.projections {
                    weights::Projections::Fused(all) => vec![self.linear(all)],
                    weights::Projections::Apart(parts) => {
                        parts.into_iter().map(|part| self.linear(part)).collect()
                    }
                },
            },
            query_norm: layer.query_norm.map(|norm| self.rms(norm)),
            key_norm: layer.key_norm.map(|norm| self.rms(norm)),
            output: self.linear(layer.output),
            post_attention: layer.post_attention.map(|norm| self.norm(norm)),
            ffn_norm: layer.ffn_norm.map(|norm| self.norm(norm)),
            up: Up {
                parts: match layer.up {
                    weights::Up::Gated { gate, up } => vec![self.linear(gate), self.linear(up)],
                    weights::Up::Fused(one) | weights::Up::Plain(one) => vec![self.linear(one)],
                },
            },
            down: self.linear(layer.down),
            post_ffn: layer.post_ffn.map(|norm| self.norm(norm)),
        }
    }
}
