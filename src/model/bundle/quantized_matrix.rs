//! One matrix as integers and scales: quantized, read, checked. The rules are those of
//! [`weight_precision`](super::weight_precision).

use safetensors::tensor::{Dtype, SafeTensors};

use super::weights::WeightsFault;

/// Inputs that share a scale in int4.
const GROUP: usize = 32;
/// Weights smaller than this are 0.
const LEAST: f32 = 1e-30;

/// Integers of one matrix and their scales.
pub(in crate::model) struct QuantizedMatrix {
    form: IntegerForm,
    inputs: usize,
    outputs: usize,
    /// `[inputs, outputs]`.
    integers: Vec<i8>,
    /// `[groups, outputs]`.
    scales: Vec<f32>,
}

/// The two integer forms.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::model) enum IntegerForm {
    Int8,
    Int4,
}

impl IntegerForm {
    fn most(self) -> i8 {
        match self {
            IntegerForm::Int8 => 127,
            IntegerForm::Int4 => 7,
        }
    }

    /// Inputs that share a scale.
    fn group(self, inputs: usize) -> usize {
        match self {
            IntegerForm::Int8 => inputs,
            IntegerForm::Int4 => GROUP,
        }
    }

    /// Bits of an f32 that are 0 in a scale: it has 16 or 8 significant ones.
    fn idle_bits(self) -> u32 {
        match self {
            IntegerForm::Int8 => (1 << 8) - 1,
            IntegerForm::Int4 => (1 << 16) - 1,
        }
    }

    /// The least scale that is not below `value`, which is positive and not tiny.
    fn scale(self, value: f64) -> f32 {
        let near = value as f32;
        let bits = near.to_bits() & !self.idle_bits();
        let below = f32::from_bits(bits);
        if f64::from(below) >= value {
            below
        } else {
            f32::from_bits(bits + self.idle_bits() + 1)
        }
    }

    /// Names and shapes of what a matrix is in the file: integers, scales.
    pub(in crate::model) fn shapes(
        self,
        inputs: usize,
        outputs: usize,
    ) -> [(Dtype, [usize; 2]); 2] {
        match self {
            IntegerForm::Int8 => [(Dtype::I8, [inputs, outputs]), (Dtype::F32, [1, outputs])],
            IntegerForm::Int4 => [
                (Dtype::U8, [inputs.div_ceil(2), outputs]),
                (Dtype::BF16, [inputs.div_ceil(GROUP), outputs]),
            ],
        }
    }
}

impl QuantizedMatrix {
    pub(in crate::model) fn round(
        form: IntegerForm,
        inputs: usize,
        outputs: usize,
        data: &[f32],
    ) -> QuantizedMatrix {
        let group = form.group(inputs).max(1);
        let mut whole = QuantizedMatrix {
            form,
            inputs,
            outputs,
            integers: vec![0; data.len()],
            scales: vec![0.0; inputs.div_ceil(group) * outputs],
        };
        for first in (0..inputs).step_by(group) {
            for output in 0..outputs {
                let places = (first..inputs.min(first + group)).map(|k| k * outputs + output);
                let values: Vec<f64> = places.clone().map(|at| f64::from(data[at])).collect();
                let (scale, integers) = round_group(form, &values);
                whole.scales[first / group * outputs + output] = scale;
                for (at, integer) in places.zip(integers) {
                    whole.integers[at] = integer;
                }
            }
        }
        whole
    }

    pub(in crate::model) fn values(&self) -> Vec<f32> {
        let group = self.form.group(self.inputs).max(1);
        let rows = self.integers.chunks_exact(self.outputs).enumerate();
        rows.flat_map(|(input, row)| {
            let scales = &self.scales[input / group * self.outputs..];
            row.iter()
                .zip(scales)
                .map(|(q, scale)| f32::from(*q) * scale)
        })
        .collect()
    }

    pub(in crate::model) fn integer_bytes(&self) -> Vec<u8> {
        match self.form {
            IntegerForm::Int8 => self.integers.iter().map(|q| *q as u8).collect(),
            IntegerForm::Int4 => {
                let pairs = self.integers.chunks(2 * self.outputs);
                let bytes = pairs.flat_map(|pair| {
                    let (low, high) = pair.split_at(self.outputs);
                    (0..self.outputs).map(|n| {
                        let high = high.get(n).copied().unwrap_or(0);
                        low[n] as u8 & 0xf | (high as u8) << 4
                    })
                });
                bytes.collect()
            }
        }
    }

    pub(in crate::model) fn scale_bytes(&self) -> Vec<u8> {
        let bits = self.scales.iter().map(|scale| scale.to_bits());
        match self.form {
            IntegerForm::Int8 => bits.flat_map(u32::to_le_bytes).collect(),
            IntegerForm::Int4 => bits
                .flat_map(|bits| ((bits >> 16) as u16).to_le_bytes())
                .collect(),
        }
    }

    pub(in crate::model) fn read(
        file: &SafeTensors<'_>,
        name: &str,
        form: IntegerForm,
        inputs: usize,
        outputs: usize,
    ) -> Result<QuantizedMatrix, WeightsFault> {
        let [integers, scales] = form.shapes(inputs, outputs);
        let part = |name: &str, (dtype, shape): (Dtype, [usize; 2])| {
            let expected = format!("{dtype:?} of the shape {shape:?}");
            let view = file.tensor(name).map_err(|_| WeightsFault {
                what: format!("tensor {name} is missing"),
                expected: expected.clone(),
            })?;
            if view.dtype() != dtype || view.shape() != shape {
                return Err(WeightsFault {
                    what: format!(
                        "tensor {name} is {:?} of the shape {:?}",
                        view.dtype(),
                        view.shape()
                    ),
                    expected,
                });
            }
            Ok(view.data())
        };
        let bytes = part(name, integers)?;
        let scales = part(&scale_of(name), scales)?;
        let integers = match form {
            IntegerForm::Int8 => bytes.iter().map(|byte| *byte as i8).collect(),
            IntegerForm::Int4 => unpack(name, bytes, inputs, outputs)?,
        };
        let scales = match form {
            IntegerForm::Int8 => {
                let words = scales.as_chunks::<4>().0.iter();
                words.map(|word| f32::from_le_bytes(*word)).collect()
            }
            IntegerForm::Int4 => {
                let halves = scales.as_chunks::<2>().0.iter();
                let bits = halves.map(|half| u32::from(u16::from_le_bytes(*half)) << 16);
                bits.map(f32::from_bits).collect()
            }
        };
        Ok(QuantizedMatrix {
            form,
            inputs,
            outputs,
            integers,
            scales,
        })
    }

    /// Refuses what [`QuantizedMatrix::round`] cannot have made.
    pub(in crate::model) fn check(&self, name: &str) -> Result<(), WeightsFault> {
        let most = self.form.most();
        let group = self.form.group(self.inputs).max(1);
        if let Some(q) = self.integers.iter().find(|q| **q < -most) {
            return Err(WeightsFault {
                what: format!("tensor {name} holds the integer {q}"),
                expected: format!("-{most} to {most}"),
            });
        }
        let mut top = vec![0; self.scales.len()];
        for (at, q) in self.integers.iter().enumerate() {
            let (input, output) = (at / self.outputs, at % self.outputs);
            let top = &mut top[input / group * self.outputs + output];
            *top = q.unsigned_abs().max(*top);
        }
        for (scale, top) in self.scales.iter().zip(top) {
            let sound = *scale >= LEAST / 256.0
                && scale.is_finite()
                && scale.to_bits() & self.form.idle_bits() == 0;
            if !sound && *scale != 0.0 {
                return Err(WeightsFault {
                    what: format!("tensor {} holds {scale}", scale_of(name)),
                    expected: "0, or positive numbers with the format's few significant bits"
                        .into(),
                });
            }
            let expected = if *scale == 0.0 {
                0
            } else {
                most.unsigned_abs()
            };
            if top != expected {
                return Err(WeightsFault {
                    what: format!(
                        "the largest integer of tensor {name} under scale {scale} is {top}"
                    ),
                    expected: expected.to_string(),
                });
            }
        }
        match self.form {
            IntegerForm::Int8 if writes_to_the_stream(name) => self.check_means(name),
            _ => Ok(()),
        }
    }

    /// What was centred before it was rounded has sums over the outputs that rounding can explain:
    /// half a scale each.
    fn check_means(&self, name: &str) -> Result<(), WeightsFault> {
        let half: f64 = self
            .scales
            .iter()
            .map(|scale| f64::from(*scale) / 2.0)
            .sum();
        // The centred weights were f32 themselves.
        let most = half * 1.001;
        for (input, row) in self.integers.chunks_exact(self.outputs).enumerate() {
            let pairs = row.iter().zip(&self.scales);
            let sum: f64 = pairs
                .map(|(q, scale)| f64::from(*q) * f64::from(*scale))
                .sum();
            if sum.abs() > most {
                return Err(WeightsFault {
                    what: format!("row {input} of tensor {name} sums to {sum}"),
                    expected: format!("at most {most} either way, as after folding and rounding"),
                });
            }
        }
        Ok(())
    }
}

fn round_group(form: IntegerForm, values: &[f64]) -> (f32, Vec<i8>) {
    let most = f64::from(form.most());
    let top = values
        .iter()
        .fold(0.0_f64, |top, value| top.max(value.abs()));
    if top < f64::from(LEAST) {
        return (0.0, vec![0; values.len()]);
    }
    let tries: &[f64] = match form {
        IntegerForm::Int8 => &[1.0],
        IntegerForm::Int4 => &[1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7],
    };
    let mut best = (f64::INFINITY, 0.0, Vec::new());
    for part in tries {
        let scale = form.scale(top * part / most);
        let wide = f64::from(scale);
        let whole = |value: &f64| (value / wide).round_ties_even().clamp(-most, most);
        let integers: Vec<f64> = values.iter().map(whole).collect();
        let pairs = values.iter().zip(&integers);
        let error: f64 = pairs.map(|(value, q)| (value - q * wide).powi(2)).sum();
        if error < best.0 {
            best = (error, scale, integers);
        }
    }
    (best.1, best.2.iter().map(|q| *q as i8).collect())
}

/// Two integers per byte.
fn unpack(
    name: &str,
    bytes: &[u8],
    inputs: usize,
    outputs: usize,
) -> Result<Vec<i8>, WeightsFault> {
    let mut integers = Vec::with_capacity(bytes.len() * 2);
    for row in bytes.chunks_exact(outputs) {
        integers.extend(row.iter().map(|byte| (byte << 4) as i8 >> 4));
        integers.extend(row.iter().map(|byte| *byte as i8 >> 4));
    }
    let behind = integers.split_off(inputs * outputs);
    match behind.iter().find(|q| **q != 0) {
        None => Ok(integers),
        Some(q) => Err(WeightsFault {
            what: format!("tensor {name} holds {q} behind its last input"),
            expected: "0 there".into(),
        }),
    }
}

/// Behind a matrix's name: its scales.
pub(in crate::model) const SCALE: &str = ".scale";

pub(in crate::model) fn scale_of(name: &str) -> String {
    format!("{name}{SCALE}")
}

fn writes_to_the_stream(name: &str) -> bool {
    name.ends_with(".output.weight") || name.ends_with(".contract.weight")
}

/// Whether a tensor is held in integers.
pub(in crate::model) fn is_matrix(name: &str) -> bool {
    name.starts_with("blocks.")
        && (writes_to_the_stream(name)
            || name.ends_with(".qkv.weight")
            || name.ends_with(".expand.weight"))
}
