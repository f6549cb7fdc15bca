//! Structured pruning: whole attention heads and FFN channels go, smaller dense matrices stay.
//!
//! Importance of a head or channel: the mean over batches of |dL/dg| at g = 1, where the gate g
//! would multiply its output and L is the training loss. That is the first-order Taylor estimate
//! of what L changes when it goes (Molchanov et al., "Importance Estimation for Neural Network
//! Pruning", CVPR 2019, equation 8 with a gate as the parameter; for heads also Michel, Levy and
//! Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019). No gate is needed: dL/dg is
//! the sum of w * dL/dw over the weights that read the structure's output, rows of `output` and
//! `contract`.

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::learn::error::LearnError;
use crate::learn::evaluation::forward::encoder;
use crate::learn::metrics::block_weights::block_weights;
use crate::learn::training::batches::Batches;
use crate::learn::training::fit::Fit;
use crate::model::{Architecture, TensorValues, Weights};

/// How much the loss would change without each structure, `[block][structure]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    pub heads: Vec<Vec<f64>>,
    pub channels: Vec<Vec<f64>>,
}

/// Heads and FFN channels that every block keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptStructures {
    pub heads: usize,
    pub ffn: usize,
}

/// Importance of what `fit`'s model has, over so many batches as they would teach it.
pub fn importance(
    fit: &Fit<'_>,
    weights: &Weights,
    batches: &Batches<'_>,
    count: usize,
) -> Result<Importance, LearnError> {
    let sizes = &fit.sizes;
    let plain = fit.device.device()?;
    let device = plain.clone().autodiff();
    let model = encoder(sizes, fit.heads.outputs(), weights, &device)?;
    let mut sums = Importance {
        heads: vec![vec![0.0; sizes.heads]; sizes.depth],
        channels: vec![vec![0.0; sizes.ffn]; sizes.depth],
    };
    let mut random = ChaCha8Rng::seed_from_u64(fit.seed ^ 0x7a71);
    let order = batches.epoch(&mut random);
    for rows in order.chunks(fit.training.batch).take(count) {
        let batch = batches.batch(rows, &mut random);
        let loss: Tensor<1> = fit.loss(&model, &[], batch, &plain, &device);
        let gradients = model.gradients(&loss.backward());
        for block in 0..sizes.depth {
            for (layer, rows, sums) in [
                ("output", sizes.head_width(), &mut sums.heads[block]),
                ("contract", 1, &mut sums.channels[block]),
            ] {
                let name = format!("blocks.{block}.{layer}.weight");
                let (Some(weight), Some(gradient)) = (weights.0.get(&name), gradients.0.get(&name))
                else {
                    return Err(LearnError::Training(format!("{name} has no gradient")));
                };
                let each = rows * sizes.width;
                let pairs = weight.data.chunks(each).zip(gradient.data.chunks(each));
                for (sum, (weight, gradient)) in sums.iter_mut().zip(pairs) {
                    let pairs = weight.iter().zip(gradient);
                    let slope: f64 = pairs.map(|(w, g)| f64::from(*w) * f64::from(*g)).sum();
                    *sum += slope.abs();
                }
            }
        }
    }
    Ok(sums)
}

/// What to keep so that at least `share` of the blocks' weights go: of all pairs of a number of
/// heads and of channels (the same in every block, so that the sizes stay one line of the manifest)
/// the one that keeps the most importance. Where there are many, channels come in sixteens, which
/// the kernels would fill up to anyway. At least one head and one channel or sixteen stay.
pub fn choose(
    importance: &Importance,
    sizes: &Architecture,
    share: f64,
) -> Result<KeptStructures, LearnError> {
    let step = if sizes.ffn > 64 { 16 } else { 1 };
    let most = block_weights(sizes) as f64 * (1.0 - share) * (1.0 + 1e-9);
    let left = |kept: &KeptStructures| {
        block_weights(&Architecture {
            heads: kept.heads,
            head_width: Some(sizes.head_width()),
            ffn: kept.ffn,
            ..*sizes
        }) as f64
    };
    let worth = |kept: &KeptStructures| -> f64 {
        let best = |of: &[f64], count: usize| -> f64 {
            let mut of = of.to_vec();
            of.sort_by(|a, b| b.total_cmp(a));
            of.iter().take(count).sum()
        };
        let heads = importance.heads.iter().map(|of| best(of, kept.heads));
        let channels = importance.channels.iter().map(|of| best(of, kept.ffn));
        heads.chain(channels).sum()
    };
    let least = KeptStructures {
        heads: 1,
        ffn: step,
    };
    (1..=sizes.heads)
        .flat_map(|heads| {
            let all = (step..=sizes.ffn).step_by(step).chain([sizes.ffn]);
            all.map(move |ffn| KeptStructures { heads, ffn })
        })
        .filter(|kept| left(kept) <= most)
        .max_by(|a, b| worth(a).total_cmp(&worth(b)))
        .ok_or_else(|| {
            let most = 1.0 - left(&least) / block_weights(sizes) as f64;
            LearnError::Nothing {
                what: format!(
                    "{share} of the blocks' weights cannot go: one head and {step} channels stay"
                ),
                remedy: format!("ask for at most --prune {most:.3}"),
            }
        })
}

/// The smaller model: of every block the most important structures, in their order.
pub fn cut(
    weights: &Weights,
    sizes: &Architecture,
    importance: &Importance,
    kept: KeptStructures,
) -> (Architecture, Weights) {
    let (inner, each) = (sizes.inner(), sizes.head_width());
    let mut smaller = weights.clone();
    for block in 0..sizes.depth {
        let heads = best(&importance.heads[block], kept.heads);
        let channels = best(&importance.channels[block], kept.ffn);
        let inside: Vec<usize> = heads
            .iter()
            .flat_map(|head| head * each..(head + 1) * each)
            .collect();
        let thirds: Vec<usize> = (0..3)
            .flat_map(|third| inside.iter().map(move |at| third * inner + at))
            .collect();
        let name = |tensor: &str| format!("blocks.{block}.{tensor}");
        columns(&mut smaller, &name("qkv.weight"), &thirds);
        columns(&mut smaller, &name("qkv.bias"), &thirds);
        rows(&mut smaller, &name("output.weight"), &inside);
        columns(&mut smaller, &name("expand.weight"), &channels);
        columns(&mut smaller, &name("expand.bias"), &channels);
        rows(&mut smaller, &name("contract.weight"), &channels);
    }
    let uniform = kept.heads * each == sizes.width;
    let sizes = Architecture {
        heads: kept.heads,
        head_width: (!uniform).then_some(each),
        ffn: kept.ffn,
        ..*sizes
    };
    (sizes, smaller)
}

/// Indices of the greatest, in rising order; the first of equals.
fn best(of: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..of.len()).collect();
    order.sort_by(|a, b| of[*b].total_cmp(&of[*a]));
    order.truncate(count);
    order.sort_unstable();
    order
}

fn columns(weights: &mut Weights, name: &str, kept: &[usize]) {
    if let Some(TensorValues { shape, data }) = weights.0.get_mut(name)
        && let Some(last) = shape.last_mut()
    {
        let rows = data.chunks_exact(*last);
        *data = rows
            .flat_map(|row| kept.iter().map(|at| row[*at]))
            .collect();
        *last = kept.len();
    }
}

fn rows(weights: &mut Weights, name: &str, kept: &[usize]) {
    if let Some(TensorValues { shape, data }) = weights.0.get_mut(name)
        && let [count, width] = &mut shape[..]
    {
        let row = |at: &usize| data[at * *width..(at + 1) * *width].iter().copied();
        *data = kept.iter().flat_map(row).collect();
        *count = kept.len();
    }
}
