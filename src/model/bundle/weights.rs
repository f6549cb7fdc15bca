//! The weights of a model by name, as the file holds them, for any engine.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::architecture::Architecture;

/// More than any header of ours; a safetensors header is JSON and grows with the tensor count.
const HEADER_LIMIT: u64 = 1 << 20;

/// One tensor: shape and row-major values.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorValues {
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

/// All tensors of a model by name (`embed.weight`, `blocks.0.qkv.bias`, ...). Linear weights are
/// `[inputs, outputs]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Weights(pub BTreeMap<String, TensorValues>);

/// A tensor that is wrong: its name, what it is and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsFault {
    /// What is wrong.
    pub what: String,
    /// What should be there.
    pub expected: String,
}

/// Names and shapes of every tensor of an encoder of this size, in the order of the forward pass.
pub fn layout(sizes: &Architecture, labels: usize) -> Vec<(String, Vec<usize>)> {
    let Architecture {
        frames,
        features,
        width,
        depth,
        ffn,
        ..
    } = *sizes;
    let inner = sizes.inner();
    let mut tensors = Vec::new();
    let linear = |tensors: &mut Vec<(String, Vec<usize>)>, name: String, from, to| {
        tensors.push((format!("{name}.weight"), vec![from, to]));
        tensors.push((format!("{name}.bias"), vec![to]));
    };
    let norm = |tensors: &mut Vec<(String, Vec<usize>)>, name: String| {
        tensors.push((format!("{name}.gamma"), vec![width]));
        tensors.push((format!("{name}.beta"), vec![width]));
    };
    linear(&mut tensors, "embed".into(), features, width);
    tensors.push(("position".into(), vec![frames, width]));
    for block in 0..depth {
        norm(&mut tensors, format!("blocks.{block}.attention_norm"));
        linear(
            &mut tensors,
            format!("blocks.{block}.qkv"),
            width,
            3 * inner,
        );
        linear(&mut tensors, format!("blocks.{block}.output"), inner, width);
        norm(&mut tensors, format!("blocks.{block}.ffn_norm"));
        linear(&mut tensors, format!("blocks.{block}.expand"), width, ffn);
        linear(&mut tensors, format!("blocks.{block}.contract"), ffn, width);
    }
    for exit in 0..depth {
        norm(&mut tensors, format!("exits.{exit}.norm"));
        linear(&mut tensors, format!("exits.{exit}.head"), width, labels);
    }
    tensors
}

impl Weights {
    /// Fresh weights: the same seed gives the same numbers on every machine.
    pub fn random(sizes: &Architecture, labels: usize, seed: u64) -> Weights {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = BTreeMap::new();
        for (name, shape) in layout(sizes, labels) {
            let count = shape.iter().product();
            let data = if name.ends_with(".gamma") {
                vec![1.0; count]
            } else if shape.len() == 1 {
                vec![0.0; count]
            } else {
                // Uniform with the variance 1 / inputs; layers that write into the residual stream
                // start smaller, so that depth does not blow it up.
                let inputs = if name == "position" {
                    shape[1]
                } else {
                    shape[0]
                };
                let residual = name.ends_with("output.weight") || name.ends_with("contract.weight");
                let shrink = if residual {
                    2.0 * sizes.depth as f32
                } else {
                    1.0
                };
                let reach = (3.0 / (inputs as f32 * shrink)).sqrt();
                (0..count)
                    .map(|_| reach * (2.0 * uniform(&mut random) - 1.0))
                    .collect()
            };
            weights.insert(name, TensorValues { shape, data });
        }
        Weights(weights)
    }

    /// Values in all.
    pub fn parameters(&self) -> usize {
        self.0.values().map(|tensor| tensor.data.len()).sum()
    }

    /// Refuses missing, foreign and misshapen tensors and values that are not finite.
    pub fn check(&self, sizes: &Architecture, labels: usize) -> Result<(), WeightsFault> {
        let layout = layout(sizes, labels);
        for (name, shape) in &layout {
            let Some(tensor) = self.0.get(name) else {
                return Err(WeightsFault {
                    what: format!("tensor {name} is missing"),
                    expected: format!("{name} with the shape {shape:?}"),
                });
            };
            if tensor.shape != *shape || tensor.data.len() != shape.iter().product::<usize>() {
                return Err(WeightsFault {
                    what: format!("tensor {name} has the shape {:?}", tensor.shape),
                    expected: format!("{shape:?} as the manifest's sizes say"),
                });
            }
            if let Some(value) = tensor.data.iter().find(|value| !value.is_finite()) {
                return Err(WeightsFault {
                    what: format!("tensor {name} holds {value}"),
                    expected: "finite numbers".into(),
                });
            }
        }
        match self
            .0
            .keys()
            .find(|name| !layout.iter().any(|(known, _)| known == *name))
        {
            None => Ok(()),
            Some(name) => Err(WeightsFault {
                what: format!("tensor {name} belongs to no layer"),
                expected: format!(
                    "exactly the {} tensors of the manifest's sizes",
                    layout.len()
                ),
            }),
        }
    }

    /// The file's bytes.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsFault> {
        let bytes: Vec<(&String, &TensorValues, Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, tensor)| {
                let raw = tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect();
                (name, tensor, raw)
            })
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (name, tensor, raw) in &bytes {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), raw).map_err(|error| {
                WeightsFault {
                    what: format!("tensor {name}: {error}"),
                    expected: "as many values as its shape says".into(),
                }
            })?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, None).map_err(|error| WeightsFault {
            what: error.to_string(),
            expected: "tensors that fit a safetensors file".into(),
        })
    }

    /// Reads a file's bytes. Shapes are not checked here but in [`Weights::check`].
    pub fn from_safetensors(bytes: &[u8]) -> Result<Weights, WeightsFault> {
        let file = open(bytes)?;
        let mut weights = BTreeMap::new();
        for (name, view) in file.iter() {
            let (shape, data) = (view.shape().to_vec(), numbers(name, &view)?);
            weights.insert(name.to_owned(), TensorValues { shape, data });
        }
        Ok(Weights(weights))
    }
}

/// A file's tensors, once its header has been found sound.
pub(in crate::model) fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, WeightsFault> {
    let Some(head) = bytes.first_chunk::<8>() else {
        return Err(WeightsFault {
            what: format!("{} bytes long", bytes.len()),
            expected: "a safetensors file".into(),
        });
    };
    let header = u64::from_le_bytes(*head);
    if header > HEADER_LIMIT || header > bytes.len() as u64 - 8 {
        return Err(WeightsFault {
            what: format!("its header claims {header} bytes"),
            expected: format!("at most {}", HEADER_LIMIT.min(bytes.len() as u64 - 8)),
        });
    }
    SafeTensors::deserialize(bytes).map_err(|error| WeightsFault {
        what: format!("not a sound safetensors file ({error})"),
        expected: "a header that describes exactly the bytes behind it".into(),
    })
}

/// The numbers of an F32 tensor.
pub(in crate::model) fn numbers(
    name: &str,
    view: &TensorView<'_>,
) -> Result<Vec<f32>, WeightsFault> {
    if view.dtype() != Dtype::F32 {
        return Err(WeightsFault {
            what: format!("tensor {name} has the type {:?}", view.dtype()),
            expected: "F32".into(),
        });
    }
    let words = view.data().as_chunks::<4>().0.iter();
    Ok(words.map(|word| f32::from_le_bytes(*word)).collect())
}

/// Uniform in 0..1 with 24 bits, the same on every machine.
pub fn uniform(random: &mut impl Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1 << 24) as f32
}
