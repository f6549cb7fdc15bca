//! Packs the tensors of a bundle into panels.
//!
//! Before anything is rounded, exact algebra takes work out of the forward (in f64):
//! - Only LayerNorms read the residual stream, and they subtract its mean. Everything that writes
//!   to it (embedding, positions, output, contraction) is made to have no mean over the width, so
//!   the norms need not look for one.
//! - A norm's gain and shift go into the product behind it.
//! - q is scaled by log2(e) / sqrt(channels), so that softmax is `2^(score - most)`.
//! - Heads are padded to multiples of sixteen channels, the width and the FFN to multiples of
//!   sixteen, all with zeros.
//!
//! INT8 weights: per output, scale = largest / 127, rounded to nearest, ties to even. The
//! embedding and the exit heads stay f32: the window's features differ in range too much for one
//! scale per frame, and together they are 2 to 4 % of the work.

use super::buffer::Buffer;
use super::lanes::to_bf16;
use super::sizes::{PackError, Precision, Sizes};

/// One linear layer: lines of weights by panel, then by word of the input (see `matmul`).
pub struct Linear {
    pub lines: Buffer<u32>,
    /// Words of an input row.
    pub words: usize,
    /// Per output.
    pub bias: Buffer<f32>,
    /// INT8: weight scale per output.
    pub scale: Buffer<f32>,
    /// INT8: minus 128 times the sum of an output's weights.
    pub offset: Buffer<i32>,
}

impl Linear {
    pub fn panels(&self) -> usize {
        self.bias.len() / 16
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.lines.bytes() + self.bias.bytes() + self.scale.bytes() + self.offset.bytes()
    }

    /// Packs a layer whose outputs are a multiple of sixteen.
    pub fn pack(dense: &Dense, precision: Precision) -> Linear {
        let Dense {
            inputs, outputs, ..
        } = *dense;
        assert!(outputs.is_multiple_of(16));
        let per_word = precision.per_word();
        let words = inputs.div_ceil(per_word);
        let mut lines = Buffer::new(words * outputs);
        let mut scale = Buffer::new(outputs);
        let mut offset = Buffer::new(outputs);
        let at = |k: usize, n: usize| {
            if k < inputs {
                dense.weight[k * outputs + n] as f32
            } else {
                0.0
            }
        };
        // Panel by panel along the rows, as the weights lie in memory.
        for panel in 0..outputs / 16 {
            let columns = 16 * panel..16 * (panel + 1);
            let mut largest = [0.0_f32; 16];
            for k in 0..inputs {
                for (most, n) in largest.iter_mut().zip(columns.clone()) {
                    *most = most.max(at(k, n).abs());
                }
            }
            for (most, n) in largest.iter().zip(columns.clone()) {
                scale[n] = most / 127.0;
            }
            for word in 0..words {
                let k = word * per_word;
                for (lane, n) in columns.clone().enumerate() {
                    lines[(panel * words + word) * 16 + lane] = match precision {
                        Precision::F32 => at(k, n).to_bits(),
                        Precision::Bf16 => {
                            let pair = [to_bf16(at(k, n)), to_bf16(at(k + 1, n))];
                            u32::from(pair[0]) | u32::from(pair[1]) << 16
                        }
                        Precision::Int8 => {
                            let four = std::array::from_fn(|i| whole(at(k + i, n), largest[lane]));
                            offset[n] -= 128 * four.iter().sum::<i32>();
                            u32::from_le_bytes(four.map(|q| q as i8 as u8))
                        }
                    };
                }
            }
        }
        let bias: Vec<f32> = dense.bias.iter().map(|b| *b as f32).collect();
        Linear {
            lines,
            words,
            bias: Buffer::from(&bias),
            scale,
            offset,
        }
    }
}

/// The INT8 weight, given the largest of its output; in f64, so that every machine rounds the same.
fn whole(weight: f32, largest: f32) -> i32 {
    if largest > 0.0 {
        (f64::from(weight) * 127.0 / f64::from(largest)).round_ties_even() as i32
    } else {
        0
    }
}

/// A layer before packing: row-major `[inputs, outputs]`.
#[derive(Clone)]
pub struct Dense {
    pub inputs: usize,
    pub outputs: usize,
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
}

impl Dense {
    /// Takes a norm's gain and shift in.
    fn fold(mut self, gain: &[f32], shift: &[f32]) -> Dense {
        for k in 0..self.inputs {
            for n in 0..self.outputs {
                let weight = &mut self.weight[k * self.outputs + n];
                self.bias[n] += f64::from(shift[k]) * *weight;
                *weight *= f64::from(gain[k]);
            }
        }
        self
    }

    /// Takes the mean over the outputs out.
    fn centre(mut self) -> Dense {
        for row in self.weight.chunks_mut(self.outputs) {
            centre(row);
        }
        centre(&mut self.bias);
        self
    }

    /// Moves inputs and outputs to new places, zeros elsewhere.
    fn place(
        &self,
        inputs: usize,
        from: impl Fn(usize) -> usize,
        outputs: usize,
        to: impl Fn(usize) -> usize,
    ) -> Dense {
        let mut weight = vec![0.0; inputs * outputs];
        let mut bias = vec![0.0; outputs];
        for n in 0..self.outputs {
            bias[to(n)] = self.bias[n];
            for k in 0..self.inputs {
                weight[from(k) * outputs + to(n)] = self.weight[k * self.outputs + n];
            }
        }
        Dense {
            inputs,
            outputs,
            weight,
            bias,
        }
    }
}

fn centre(row: &mut [f64]) {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    row.iter_mut().for_each(|x| *x -= mean);
}

/// One block and its exit.
pub struct Block {
    pub qkv: Linear,
    pub output: Linear,
    pub expand: Linear,
    pub contract: Linear,
    pub head: Linear,
}

/// What the tensors that write to the residual stream are given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// As trained: their mean over the width is taken out here.
    Trained,
    /// Their mean was taken out before they were rounded to integers; what the rounding left of
    /// one stays, since taking it out too would give other integers.
    Rounded,
}

/// All layers, dense, with the algebra of this module done: what [`super::reference`] computes.
pub struct Layers<T> {
    pub embed: T,
    /// `[frames, width padded]`, the embedding's bias included.
    pub position: Vec<f64>,
    /// qkv, output, expand, contract, head.
    pub blocks: Vec<[T; 5]>,
}

/// Reads tensors by name and prepares them.
pub fn layers<'a>(
    sizes: &Sizes,
    tensor: impl Fn(&str) -> Option<&'a [f32]>,
    residual: Residual,
) -> Result<Layers<Dense>, PackError> {
    let Sizes {
        frames,
        features,
        width,
        heads,
        head_width: channels,
        depth,
        ffn,
        labels,
    } = *sizes;
    if [frames, features, width, heads, channels, depth, ffn, labels].contains(&0) {
        return Err(PackError("a size is zero".into()));
    }
    let get = |name: String, len: usize| -> Result<&'a [f32], PackError> {
        let values = tensor(&name).ok_or_else(|| PackError(format!("tensor {name} is missing")))?;
        if values.len() != len {
            let has = values.len();
            return Err(PackError(format!(
                "tensor {name} has {has} values, not {len}"
            )));
        }
        if !values.iter().all(|x| x.is_finite()) {
            return Err(PackError(format!(
                "tensor {name} holds values that are not finite"
            )));
        }
        Ok(values)
    };
    let dense = |name: &str, inputs: usize, outputs: usize| -> Result<Dense, PackError> {
        let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect();
        let weight = wide(get(format!("{name}.weight"), inputs * outputs)?);
        let bias = wide(get(format!("{name}.bias"), outputs)?);
        Ok(Dense {
            inputs,
            outputs,
            weight,
            bias,
        })
    };
    let after_norm = |norm: &str, name: &str, outputs: usize| -> Result<Dense, PackError> {
        let gain = get(format!("{norm}.gamma"), width)?;
        let shift = get(format!("{norm}.beta"), width)?;
        Ok(dense(name, width, outputs)?.fold(gain, shift))
    };
    let [wide, hidden, answers] = [width, ffn, labels].map(|x| x.next_multiple_of(16));
    let inner = heads * channels;
    let padded = sizes.channels();
    let split = heads * padded;
    let in_head = |n: usize| n / channels * padded + n % channels;
    let same = |n: usize| n;
    let centred = |dense: Dense| match residual {
        Residual::Trained => dense.centre(),
        Residual::Rounded => dense,
    };

    let mut embed = dense("embed", features, width)?;
    let first = std::mem::replace(&mut embed.bias, vec![0.0; width]);
    let given = get("position".into(), frames * width)?;
    let mut position = vec![0.0; frames * wide];
    for (to, from) in position.chunks_mut(wide).zip(given.chunks(width)) {
        for n in 0..width {
            to[n] = f64::from(from[n]) + first[n];
        }
        centre(&mut to[..width]);
    }
    let embed = embed.centre().place(features, same, wide, same);
    let mut blocks = Vec::with_capacity(depth);
    for index in 0..depth {
        let name = |layer: &str| format!("blocks.{index}.{layer}");
        let mut qkv = after_norm(&name("attention_norm"), &name("qkv"), 3 * inner)?;
        let factor = std::f64::consts::LOG2_E / (channels as f64).sqrt();
        for row in qkv.weight.chunks_mut(3 * inner).chain([&mut qkv.bias[..]]) {
            row[..inner].iter_mut().for_each(|x| *x *= factor);
        }
        let third = |n: usize| n / inner * split + in_head(n % inner);
        let output = centred(dense(&name("output"), inner, width)?);
        let expand = after_norm(&name("ffn_norm"), &name("expand"), ffn)?;
        let contract = centred(dense(&name("contract"), ffn, width)?);
        let exit = format!("exits.{index}");
        let head = after_norm(&format!("{exit}.norm"), &format!("{exit}.head"), labels)?;
        blocks.push([
            qkv.place(wide, same, 3 * split, third),
            output.place(split, in_head, wide, same),
            expand.place(wide, same, hidden, same),
            contract.place(hidden, same, wide, same),
            head.place(wide, same, answers, same),
        ]);
    }
    Ok(Layers {
        embed,
        position,
        blocks,
    })
}
