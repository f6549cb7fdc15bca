//! Precision of the weights file: how the matrices of the blocks are stored, and exactly what each
//! number means.
//!
//! The matrices are `blocks.N.{qkv,output,expand,contract}.weight`, `[inputs, outputs]`; they are
//! 96 of 100 numbers and all of the integer work. Embedding, positions, biases and exit heads are
//! F32 in every file, as they are in the packed engine.
//!
//! **f32**: every tensor as it is.
//!
//! **int8** and **int4** hold the model after [`Weights::folded`]: norms have gain 1 and shift 0
//! and are not in the file, and what writes to the residual stream has no mean over the width. A
//! weight is `integer * scale`, and this product is exact in f32, for scales have few significant
//! bits.
//!
//! - int8: tensor `M` of I8 `[inputs, outputs]`, integers -127..127; `M.scale` of F32 `[1,
//!   outputs]` with 16 significant bits. One scale per output.
//! - int4: tensor `M` of U8 `[ceil(inputs / 2), outputs]`, integers -7..7 in two's complement,
//!   input 2k in the low half of byte k and input 2k + 1 in the high half, which is 0 behind the
//!   last input; `M.scale` of BF16 `[ceil(inputs / 32), outputs]`. One scale per output and group
//!   of 32 inputs; the last group may be smaller.
//!
//! From f32, with `top` = the largest size in the group and `most` = 127 or 7: `scale` = `top /
//! most` rounded up to the next number with as many significant bits; `integer` = `weight / scale`
//! rounded to nearest, ties to even, then clamped to -most..most; all in f64. Where `top` is below
//! 1e-30 the scale and the integers are 0. int4 tries `top` times 1, 0.95, ... 0.7 as well and
//! keeps the scale with the least sum of squared errors, the largest of equals: what is cut off at
//! the ends may cost less than what finer steps gain.
//!
//! So in every group some integer is `most` or `-most`, or the scale is 0. A file where that is not
//! so is refused, since the packed INT8 engine could not find its integers again: it rounds f32
//! weights per output by the same rule, which gives back the integers of an int8 file exactly.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::error::BundleError;
use super::quantized_matrix::{IntegerForm, QuantizedMatrix, SCALE, is_matrix, scale_of};
use super::weights::{TensorValues, Weights, WeightsFault, layout, numbers, open};

/// What the matrices of the blocks are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightPrecision {
    /// 32 bits each, as trained.
    #[default]
    F32,
    /// 8 bits each and a scale per output.
    Int8,
    /// 4 bits each and a scale per output and 32 inputs.
    Int4,
}

impl WeightPrecision {
    /// The name in manifests and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            WeightPrecision::F32 => "f32",
            WeightPrecision::Int8 => "int8",
            WeightPrecision::Int4 => "int4",
        }
    }

    pub(in crate::model) fn is_f32(&self) -> bool {
        *self == WeightPrecision::F32
    }

    /// Bytes in memory per byte on disk, at most.
    pub(in crate::model) fn growth(self) -> u64 {
        match self {
            WeightPrecision::F32 => 1,
            WeightPrecision::Int8 => 4,
            WeightPrecision::Int4 => 8,
        }
    }
}

impl fmt::Display for WeightPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WeightPrecision {
    type Err = BundleError;

    fn from_str(name: &str) -> Result<WeightPrecision, BundleError> {
        [
            WeightPrecision::F32,
            WeightPrecision::Int8,
            WeightPrecision::Int4,
        ]
        .into_iter()
        .find(|stored| stored.name() == name)
        .ok_or_else(|| {
            BundleError::Engine(format!(
                "precision {name:?} is unknown; choose f32, int8 or int4"
            ))
        })
    }
}

/// The file's bytes. For int8 and int4 the weights are folded, and are rounded here.
pub(in crate::model) fn encode(
    weights: &Weights,
    stored: WeightPrecision,
) -> Result<Vec<u8>, WeightsFault> {
    let form = match stored {
        WeightPrecision::F32 => return weights.to_safetensors(),
        WeightPrecision::Int8 => IntegerForm::Int8,
        WeightPrecision::Int4 => IntegerForm::Int4,
    };
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &weights.0 {
        if let Some(idle) = norm_value(name) {
            if let Some(value) = tensor.data.iter().find(|value| **value != idle) {
                return Err(WeightsFault {
                    what: format!("tensor {name} holds {value}"),
                    expected: format!(
                        "{idle}: norms are folded before weights are stored in {stored}"
                    ),
                });
            }
            continue;
        }
        if !is_matrix(name) {
            let bytes = tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.insert(name.clone(), (Dtype::F32, tensor.shape.clone(), bytes));
            continue;
        }
        let [inputs, outputs] = tensor.shape[..] else {
            return Err(shape_fault(name, &tensor.shape, "[inputs, outputs]"));
        };
        let whole = QuantizedMatrix::round(form, inputs, outputs, &tensor.data);
        let [integers, scales] = form.shapes(inputs, outputs);
        let mut put = |name, (dtype, shape): (Dtype, [usize; 2]), bytes| {
            tensors.insert(name, (dtype, shape.to_vec(), bytes));
        };
        put(name.clone(), integers, whole.integer_bytes());
        put(scale_of(name), scales, whole.scale_bytes());
    }
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| WeightsFault {
            what: format!("tensor {name}: {error}"),
            expected: "as many values as its shape says".into(),
        })?;
        Ok((name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, WeightsFault>>()?;
    safetensors::serialize(views, None).map_err(|error| WeightsFault {
        what: error.to_string(),
        expected: "tensors that fit a safetensors file".into(),
    })
}

/// Reads a file's bytes. What is not a matrix or a scale is checked in [`Weights::check`].
pub(in crate::model) fn decode(
    bytes: &[u8],
    sizes: &Architecture,
    labels: usize,
    stored: WeightPrecision,
) -> Result<Weights, WeightsFault> {
    let form = match stored {
        WeightPrecision::F32 => return Weights::from_safetensors(bytes),
        WeightPrecision::Int8 => IntegerForm::Int8,
        WeightPrecision::Int4 => IntegerForm::Int4,
    };
    let file = open(bytes)?;
    let mut weights = BTreeMap::new();
    for (name, shape) in layout(sizes, labels) {
        let data = if let Some(idle) = norm_value(&name) {
            vec![idle; shape.iter().product()]
        } else if let ([inputs, outputs], true) = (&shape[..], is_matrix(&name)) {
            let whole = QuantizedMatrix::read(&file, &name, form, *inputs, *outputs)?;
            whole.check(&name)?;
            whole.values()
        } else {
            continue;
        };
        weights.insert(name, TensorValues { shape, data });
    }
    for (name, view) in file.iter() {
        let matrix = name.strip_suffix(SCALE).unwrap_or(name);
        if norm_value(name).is_some() {
            return Err(WeightsFault {
                what: format!("tensor {name} is in the file"),
                expected: format!("none of the norms: they are folded in {stored}"),
            });
        }
        if is_matrix(matrix) && weights.contains_key(matrix) {
            continue; // read above
        }
        let (shape, data) = (view.shape().to_vec(), numbers(name, &view)?);
        weights.insert(name.to_owned(), TensorValues { shape, data });
    }
    Ok(Weights(weights))
}

/// What a folded norm's tensor is filled with.
fn norm_value(name: &str) -> Option<f32> {
    match name.rsplit_once('.')?.1 {
        "gamma" => Some(1.0),
        "beta" => Some(0.0),
        _ => None,
    }
}

fn shape_fault(name: &str, found: &[usize], expected: &str) -> WeightsFault {
    WeightsFault {
        what: format!("tensor {name} has the shape {found:?}"),
        expected: expected.into(),
    }
}
