//! Operations on rows between the products: norms, gates, and quantization to INT8 per block of 32.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use std::f32::consts::LOG2_E;

use super::activations::Activations;
use super::codes::{BLOCK, Codes};
use crate::kernels::lanes::ROUND;
use crate::kernels::math::exp2;

/// Codes the floats of a row.
///
/// Each block of 32: scale = largest magnitude / 127; code = value / scale, rounded to nearest,
/// ties to even.
#[inline(always)]
pub unsafe fn code<L: Codes>(a: &mut Activations, row: usize) {
    let blocks = a.width / BLOCK;
    for block in 0..blocks {
        let at = row * a.width + block * BLOCK;
        let from = a.floats.as_ptr().add(at);
        let (x, y) = (L::load(from), L::load(from.add(16)));
        let top = L::top(L::max(L::abs(x), L::abs(y)));
        // A block of zeros, or one that is not finite, whose scale then says so.
        let inverse = if top > 0.0 && top < f32::INFINITY {
            127.0 / top
        } else {
            0.0
        };
        let inverse = L::splat(inverse);
        let round = L::splat(ROUND);
        let (x, y) = (L::fma(x, inverse, round), L::fma(y, inverse, round));
        let to = a.codes.as_mut_ptr().add(at).cast::<u8>();
        L::store_low_bytes(to, x);
        L::store_low_bytes(to.add(16), y);
        let first = L::sum(L::sub(x, round)) as i32;
        let second = L::sum(L::sub(y, round)) as i32;
        let scale = top / 127.0;
        let index = row * blocks + block;
        *a.scales.as_mut_ptr().add(index) = scale;
        *a.sums.as_mut_ptr().add(2 * index) = first;
        *a.sums.as_mut_ptr().add(2 * index + 1) = second;
        *a.scaled_sums.as_mut_ptr().add(index) = scale * (first + second) as f32;
    }
}

/// Root mean square norm of a row, times `weight`, into the floats of `a`: x / sqrt(mean(x^2) +
/// eps).
#[inline(always)]
pub unsafe fn rms_norm<L: Codes>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = x.len();
    assert!(width.is_multiple_of(16) && weight.len() == width && out.len() == width);
    let mut sum = L::splat(0.0);
    for at in (0..width).step_by(16) {
        let x = L::load(x.as_ptr().add(at));
        sum = L::fma(x, x, sum);
    }
    let by = L::splat((L::sum(sum) / width as f32 + eps).sqrt().recip());
    for at in (0..width).step_by(16) {
        let x = L::mul(L::load(x.as_ptr().add(at)), by);
        L::store(
            out.as_mut_ptr().add(at),
            L::mul(x, L::load(weight.as_ptr().add(at))),
        );
    }
}

/// `gate x sigmoid(gate) x up` (SwiGLU), or GELU by tanh of the gate times up (GeGLU).
#[inline(always)]
pub unsafe fn gated<L: Codes, const GELU: bool>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    let width = out.len();
    assert!(width.is_multiple_of(16) && gate.len() >= width && up.len() >= width);
    for at in (0..width).step_by(16) {
        let g = L::load(gate.as_ptr().add(at));
        let u = L::load(up.as_ptr().add(at));
        let z = if GELU {
            // 2 sqrt(2 / pi) (g + 0.044715 g^3): tanh(z / 2) makes 2 sigmoid(z) - 1 of it.
            let cube = L::mul(L::mul(g, g), g);
            L::mul(L::fma(cube, L::splat(0.044_715), g), L::splat(1.595_769))
        } else {
            g
        };
        // sigmoid by the exponential of what is not positive.
        let e = exp2::<L>(L::mul(L::abs(z), L::splat(-LOG2_E)));
        let one = L::splat(1.0);
        let positive = L::div(one, L::add(one, e));
        let negative = L::mul(e, positive);
        let sigmoid = select_by_sign::<L>(z, positive, negative);
        L::store(out.as_mut_ptr().add(at), L::mul(L::mul(g, sigmoid), u));
    }
}

/// `positive` where z >= 0, else `negative`, in arithmetic that is exact for both.
#[inline(always)]
unsafe fn select_by_sign<L: Codes>(z: L::F, positive: L::F, negative: L::F) -> L::F {
    // z / |z| clamped: a huge multiple of z is 1 or 0 after the clamp.
    let one = L::splat(1.0);
    let huge = L::mul(z, L::splat(f32::MAX));
    let is = L::max(L::splat(0.0), L::min(one, L::add(huge, L::splat(0.5))));
    // At z = 0 both are one half.
    let not = L::sub(one, is);
    L::fma(is, positive, L::mul(not, negative))
}

/// Adds a row to another.
#[inline(always)]
pub unsafe fn add<L: Codes>(to: &mut [f32], x: &[f32]) {
    assert!(to.len().is_multiple_of(16) && x.len() >= to.len());
    for at in (0..to.len()).step_by(16) {
        let sum = L::add(L::load(to.as_ptr().add(at)), L::load(x.as_ptr().add(at)));
        L::store(to.as_mut_ptr().add(at), sum);
    }
}
