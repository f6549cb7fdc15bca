//! Reference implementation of the kernels, in f64 and with no regard for speed: the model as burn
//! has it, and the INT8 format.

use super::math::{COARSE, COARSE_END};
use super::pack::{Dense, Layers};
use super::rows::EPSILON;
use super::sizes::{Precision, Sizes};

unsafe extern "C" {
    safe fn erfc(x: f64) -> f64;
}

/// The exact GELU.
pub fn gelu(x: f64) -> f64 {
    0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The GELU of the INT8 format: the polynomial, in f64.
pub fn gelu_coarse(x: f64) -> f64 {
    let t = x.abs().min(f64::from(COARSE_END));
    let q = (COARSE.iter().rev()).fold(0.0, |sum, c| sum * t + f64::from(*c));
    x.max(0.0) + t * q
}

type Rows = Vec<Vec<f64>>;

fn linear(x: &Rows, inputs: usize, outputs: usize, weight: &[f64], bias: &[f64]) -> Rows {
    let row = |x: &Vec<f64>| {
        let mut y = bias.to_vec();
        for k in 0..inputs {
            for n in 0..outputs {
                y[n] += x[k] * weight[k * outputs + n];
            }
        }
        y
    };
    x.iter().map(row).collect()
}

fn add(a: &mut Rows, b: &Rows) {
    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
        *a += b;
    }
}

fn attention(qkv: &Rows, heads: usize, channels: usize, factor: f64, base: f64) -> Rows {
    let width = heads * channels;
    let one = |q: &Vec<f64>| {
        let mut context = vec![0.0; width];
        for head in 0..heads {
            let of = |third: usize| third * width + head * channels;
            let scores: Vec<f64> = (qkv.iter())
                .map(|k| {
                    (0..channels)
                        .map(|c| q[of(0) + c] * k[of(1) + c])
                        .sum::<f64>()
                        * factor
                })
                .collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = scores.iter().map(|s| base.powf(s - most)).collect();
            let total: f64 = shares.iter().sum();
            for (share, v) in shares.iter().zip(qkv) {
                for c in 0..channels {
                    context[head * channels + c] += share / total * v[of(2) + c];
                }
            }
        }
        context
    };
    qkv.iter().map(one).collect()
}

/// The encoder as `model::encoder` has it: logits of every exit.
pub fn plain<'a>(sizes: &Sizes, tensor: impl Fn(&str) -> &'a [f32], window: &[f32]) -> Rows {
    let Sizes {
        features,
        width,
        heads,
        head_width: channels,
        depth,
        ffn,
        labels,
        ..
    } = *sizes;
    let inner = heads * channels;
    let get = |name: String| -> Vec<f64> { tensor(&name).iter().map(|x| f64::from(*x)).collect() };
    let layer = |x: &Rows, name: &str, inputs, outputs| {
        let weight = get(format!("{name}.weight"));
        linear(x, inputs, outputs, &weight, &get(format!("{name}.bias")))
    };
    let norm = |x: &Rows, name: &str| -> Rows {
        let gain = get(format!("{name}.gamma"));
        let shift = get(format!("{name}.beta"));
        let row = |x: &Vec<f64>| {
            let mean = x.iter().sum::<f64>() / width as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let by = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            (0..width)
                .map(|n| (x[n] - mean) * by * gain[n] + shift[n])
                .collect()
        };
        x.iter().map(row).collect()
    };
    let frames = |x: &[f64], width| -> Rows { x.chunks(width).map(<[f64]>::to_vec).collect() };
    let window: Vec<f64> = window.iter().map(|x| f64::from(*x)).collect();
    let mut stream = layer(&frames(&window, features), "embed", features, width);
    add(&mut stream, &frames(&get("position".into()), width));
    let mut exits = Vec::new();
    for index in 0..depth {
        let name = |layer: &str| format!("blocks.{index}.{layer}");
        let qkv = layer(
            &norm(&stream, &name("attention_norm")),
            &name("qkv"),
            width,
            3 * inner,
        );
        let factor = 1.0 / (channels as f64).sqrt();
        let context = attention(&qkv, heads, channels, factor, std::f64::consts::E);
        add(&mut stream, &layer(&context, &name("output"), inner, width));
        let mut hidden = layer(
            &norm(&stream, &name("ffn_norm")),
            &name("expand"),
            width,
            ffn,
        );
        hidden.iter_mut().flatten().for_each(|x| *x = gelu(*x));
        add(&mut stream, &layer(&hidden, &name("contract"), ffn, width));
        let newest = vec![stream[stream.len() - 1].clone()];
        let seen = norm(&newest, &format!("exits.{index}.norm"));
        exits.extend(layer(&seen, &format!("exits.{index}.head"), width, labels));
    }
    exits
}

/// One INT8 layer: integers of weights, scale per output, and what becomes of a row of inputs.
/// Sums are exact in i64.
pub struct IntLayer<'a> {
    dense: &'a Dense,
    whole: Vec<i64>,
    scale: Vec<f64>,
}

/// Integers of a row and its scale.
pub fn quantize(row: &[f64]) -> (Vec<i64>, f64) {
    let top = row.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    let factor = if top > 1e-30 { 127.0 / top } else { 0.0 };
    let whole = |x: &f64| (x * factor).round_ties_even() as i64;
    (row.iter().map(whole).collect(), top / 127.0)
}

impl IntLayer<'_> {
    pub fn new(dense: &Dense) -> IntLayer<'_> {
        let Dense {
            inputs, outputs, ..
        } = *dense;
        let mut whole = vec![0; inputs * outputs];
        let mut scale = vec![0.0; outputs];
        for n in 0..outputs {
            // The format begins with weights rounded to f32.
            let column: Vec<f64> = (0..inputs)
                .map(|k| f64::from(dense.weight[k * outputs + n] as f32))
                .collect();
            let (q, s) = quantize(&column);
            scale[n] = s;
            for k in 0..inputs {
                whole[k * outputs + n] = q[k];
            }
        }
        IntLayer {
            dense,
            whole,
            scale,
        }
    }

    fn forward(&self, x: &Rows) -> Rows {
        let Dense {
            inputs, outputs, ..
        } = *self.dense;
        let row = |x: &Vec<f64>| {
            let (q, scale) = quantize(x);
            let out = |n: usize| {
                let sum: i64 = (0..inputs)
                    .map(|k| q[k] * self.whole[k * outputs + n])
                    .sum();
                sum as f64 * self.scale[n] * scale + self.dense.bias[n]
            };
            (0..outputs).map(out).collect()
        };
        x.iter().map(row).collect()
    }
}

/// The folded layers in f64, INT8 products where `precision` says so: logits of every exit.
pub fn folded(sizes: &Sizes, layers: &Layers<Dense>, precision: Precision, window: &[f32]) -> Rows {
    let Sizes {
        features,
        width,
        heads,
        labels,
        ..
    } = *sizes;
    let product = |x: &Rows, dense: &Dense| match precision {
        Precision::Int8 => IntLayer::new(dense).forward(x),
        _ => linear(x, dense.inputs, dense.outputs, &dense.weight, &dense.bias),
    };
    let norm = |x: &Rows| -> Rows {
        let row = |x: &Vec<f64>| {
            let square = x.iter().map(|x| x * x).sum::<f64>() / width as f64;
            let by = 1.0 / (square + f64::from(EPSILON)).sqrt();
            x.iter().map(|x| x * by).collect()
        };
        x.iter().map(row).collect()
    };
    let window: Rows = (window.chunks(features))
        .map(|row| row.iter().map(|x| f64::from(*x)).collect())
        .collect();
    let Dense {
        outputs: wide,
        weight,
        bias,
        ..
    } = &layers.embed;
    let mut stream = linear(&window, features, *wide, weight, bias);
    add(
        &mut stream,
        &layers.position.chunks(*wide).map(<[f64]>::to_vec).collect(),
    );
    let mut exits = Vec::new();
    for [qkv, output, expand, contract, head] in &layers.blocks {
        let qkv = product(&norm(&stream), qkv);
        let context = attention(&qkv, heads, sizes.channels(), 1.0, 2.0);
        add(&mut stream, &product(&context, output));
        let mut hidden = product(&norm(&stream), expand);
        let gelu = if precision == Precision::Int8 {
            gelu_coarse
        } else {
            gelu
        };
        hidden.iter_mut().flatten().for_each(|x| *x = gelu(*x));
        add(&mut stream, &product(&hidden, contract));
        let newest = norm(&vec![stream[stream.len() - 1].clone()]);
        let logits = linear(&newest, *wide, head.outputs, &head.weight, &head.bias);
        exits.push(logits[0][..labels].to_vec());
    }
    exits
}
