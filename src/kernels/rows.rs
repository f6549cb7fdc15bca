//! Operations along a row of the residual stream: normalization fused with the conversion of its
//! output, conversion alone, and the exit head.
//!
//! The stream's mean over the width is nil (see `pack`), so a LayerNorm is a division by the root
//! mean square. For INT8 that division cancels out of the integers: they are `x * 127 / max |x|`
//! rounded to nearest, ties to even, in one fused step; only the row's scale has it.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use super::lanes::{Lanes, ROUND};
use super::pack::Linear;

/// What LayerNorm adds to the variance.
pub const EPSILON: f32 = 1e-5;
/// A row whose largest value is below this is all zeros to INT8.
pub const LEAST: f32 = 1e-30;

/// Rows to convert: `rows` of `width` (a multiple of 16) f32 each into `to`.
pub struct Rows<'a> {
    pub rows: usize,
    pub width: usize,
    pub from: &'a [f32],
    pub from_row: usize,
    /// Words, `to_row` apart.
    pub to: &'a mut [u32],
    pub to_row: usize,
    /// INT8: receives the scale of each row.
    pub scales: &'a mut [f32],
    /// INT8 after GELU: per row sixteen lanes with the largest size, emptied for the next use.
    pub tops: Option<&'a mut [f32]>,
    /// True width, for the mean square.
    pub count: usize,
}

/// What words hold.
pub trait WordFormat {
    const PER_WORD: usize;
}
impl WordFormat for super::matmul::Float {
    const PER_WORD: usize = 1;
}
impl WordFormat for super::matmul::Half {
    const PER_WORD: usize = 2;
}
impl WordFormat for super::matmul::Int {
    const PER_WORD: usize = 4;
}

/// Converts rows, divided by their root mean square if `NORM`.
///
/// # Safety
/// The machine has the path's instructions.
#[inline(always)]
pub unsafe fn convert<L: Lanes, K: WordFormat, const NORM: bool>(p: &mut Rows) {
    assert!(p.rows > 0 && p.width > 0 && p.width.is_multiple_of(16));
    assert!((p.rows - 1) * p.from_row + p.width <= p.from.len());
    assert!((p.rows - 1) * p.to_row + p.width / K::PER_WORD <= p.to.len());
    assert!(K::PER_WORD != 4 || p.rows <= p.scales.len());
    if let Some(tops) = &p.tops {
        assert!(16 * p.rows <= tops.len());
    }
    let share = 1.0 / p.count as f32;
    for row in 0..p.rows {
        let from = p.from.as_ptr().add(row * p.from_row);
        let to = p.to.as_mut_ptr().add(row * p.to_row);
        let mut square = L::splat(0.0);
        let mut top = L::splat(0.0);
        if let (false, Some(tops)) = (NORM, &mut p.tops) {
            let tops = tops.as_mut_ptr().add(16 * row);
            top = L::load(tops);
            L::store(tops, L::splat(0.0));
        } else if NORM || K::PER_WORD == 4 {
            let mut at = 0;
            while at < p.width {
                let x = L::load(from.add(at));
                if NORM {
                    square = L::fma(x, x, square);
                }
                if K::PER_WORD == 4 {
                    top = L::max(top, L::abs(x));
                }
                at += 16;
            }
        }
        let by = if NORM {
            1.0 / L::sum(square).mul_add(share, EPSILON).sqrt()
        } else {
            1.0
        };
        let factor = if K::PER_WORD == 4 {
            let top = L::top(top);
            *p.scales.as_mut_ptr().add(row) = top * by * (1.0 / 127.0);
            if top > LEAST { 127.0 / top } else { 0.0 }
        } else {
            by
        };
        let factor = L::splat(factor);
        let shift = L::splat(ROUND + L::OFFSET as f32);
        let mut at = 0;
        while at < p.width {
            let x = L::load(from.add(at));
            match K::PER_WORD {
                4 => L::store_low_bytes(to.cast::<u8>().add(at), L::fma(x, factor, shift)),
                2 => L::store_bf16(to.cast::<u16>().add(at), L::mul(x, factor)),
                _ => L::store(to.cast::<f32>().add(at), L::mul(x, factor)),
            }
            at += 16;
        }
    }
}

/// The exit head on one row of the stream: normalization and one small product, in f32.
///
/// # Safety
/// The machine has the path's instructions.
#[inline(always)]
pub unsafe fn head<L: Lanes>(row: &[f32], count: usize, weights: &Linear, out: &mut [f32]) {
    assert!(row.len().is_multiple_of(16) && row.len() == weights.words);
    assert!(out.len() >= 16 * weights.panels());
    let from = row.as_ptr();
    let mut square = L::splat(0.0);
    for at in (0..row.len()).step_by(16) {
        let x = L::load(from.add(at));
        square = L::fma(x, x, square);
    }
    let by = 1.0 / L::sum(square).mul_add(1.0 / count as f32, EPSILON).sqrt();
    for panel in 0..weights.panels() {
        let lines = weights.lines.as_ptr().add(16 * row.len() * panel);
        // Four chains, since one would wait for itself.
        let mut sums = [L::splat(0.0); 4];
        for at in (0..row.len()).step_by(4) {
            for (k, sum) in sums.iter_mut().enumerate() {
                let x = L::splat(*from.add(at + k));
                *sum = L::fma(x, L::load(lines.add(16 * (at + k)).cast()), *sum);
            }
        }
        let sum = L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3]));
        let bias = L::load(weights.bias.as_ptr().add(16 * panel));
        L::store(
            out.as_mut_ptr().add(16 * panel),
            L::fma(sum, L::splat(by), bias),
        );
    }
}
