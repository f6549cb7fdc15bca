//! Rotary position embedding (RoPE): cosines and sines by position, and heads turned by them.

use burn::tensor::{Device, Tensor, TensorData};

use crate::language::architecture::{Pairs, Rope};

/// Of the positions from 0 on.
pub struct Turns {
    /// `[positions, pairs]`.
    cosines: Tensor<2>,
    sines: Tensor<2>,
    pairs: Pairs,
    /// Numbers of a head that are turned.
    size: usize,
}

impl Turns {
    /// Angle of pair i at position p: p x scale x base^(-2 i / size) / factor of i.
    pub fn new(rope: &Rope, factors: Option<&[f32]>, positions: usize, device: &Device) -> Turns {
        let pairs = rope.size / 2;
        let angles = || {
            (0..positions).flat_map(move |position| {
                (0..pairs).map(move |pair| {
                    let frequency = rope.base.powf(-2.0 * pair as f64 / rope.size as f64);
                    let factor = factors.map_or(1.0, |factors| f64::from(factors[pair]));
                    position as f64 * rope.scale * frequency / factor
                })
            })
        };
        let tensor = |of: fn(f64) -> f64| {
            let numbers: Vec<f32> = angles().map(|x| (of(x) * rope.amplitude) as f32).collect();
            Tensor::from_data(TensorData::new(numbers, [positions, pairs]), device)
        };
        Turns {
            cosines: tensor(f64::cos),
            sines: tensor(f64::sin),
            pairs: rope.pairs,
            size: rope.size,
        }
    }

    /// Turns heads `[batch, heads, positions, numbers]`; numbers beyond the turned ones stay.
    pub fn turn(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, positions, numbers] = x.dims();
        let half = self.size / 2;
        let part = |from: usize, to: usize| {
            x.clone()
                .slice([0..batch, 0..heads, 0..positions, from..to])
        };
        let (one, two) = match self.pairs {
            Pairs::Halves => (part(0, half), part(half, self.size)),
            Pairs::Neighbours => {
                let pairs: Tensor<5> =
                    part(0, self.size).reshape([batch, heads, positions, half, 2]);
                let of = |index: usize| {
                    let all = [0..batch, 0..heads, 0..positions, 0..half, index..index + 1];
                    pairs.clone().slice(all).squeeze_dim::<4>(4)
                };
                (of(0), of(1))
            }
        };
        let (cosines, sines) = (
            self.cosines.clone().unsqueeze::<4>(),
            self.sines.clone().unsqueeze::<4>(),
        );
        let first = one.clone() * cosines.clone() - two.clone() * sines.clone();
        let second = one * sines + two * cosines;
        let turned = match self.pairs {
            Pairs::Halves => Tensor::cat(vec![first, second], 3),
            Pairs::Neighbours => Tensor::stack::<5>(vec![first, second], 4)
                .reshape([batch, heads, positions, self.size]),
        };
        match numbers == self.size {
            true => turned,
            false => Tensor::cat(vec![turned, part(self.size, numbers)], 3),
        }
    }
}
