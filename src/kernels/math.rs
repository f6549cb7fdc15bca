//! GELU and exp2 as polynomials. The errors stated here are tested over the whole range.
//!
//! GELU is the exact one, x Phi(x) with the normal distribution's Phi. Written as
//! `max(x, 0) - r(|x|)` with `r(t) = t Phi(-t)`, what remains is a bump between 0 and 0.17 that is
//! nil beyond 5, so `-r(t) = t Q(t)` with a polynomial Q on a clamped t does it without exp or
//! division. Q: least maximum error (Lawson's iteration), coefficients rounded to f32.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use super::lanes::{Lanes, ROUND};

/// Largest |error| of [`gelu_fine`] for |x| up to 6; beyond, that of f32 itself.
#[cfg(test)]
pub const GELU_FINE_ERROR: f64 = 1.2e-6;
/// Largest |error| of [`gelu_coarse`].
#[cfg(test)]
pub const GELU_COARSE_ERROR: f64 = 1.9e-4;
/// Largest relative error of [`exp2`] on -126..=0.
#[cfg(test)]
pub const EXP2_ERROR: f64 = 2.5e-7;

pub(super) const COARSE_END: f32 = 3.95;
/// Q in t.
pub(super) const COARSE: [f32; 7] = [
    -0.499_911_84,
    0.387_995_18,
    0.047_522_757,
    -0.143_640_68,
    0.059_020_52,
    -0.010_205_898,
    0.000_664_615_54,
];

const FINE_END: f32 = 5.2;
/// Q in u = t / 2.6 - 1; powers of t itself would cancel too much in f32.
const FINE: [f32; 14] = [
    -0.004_661_382_6,
    0.035_314_675,
    -0.119_342_68,
    0.229_208_04,
    -0.253_324_54,
    0.109_426_43,
    0.108_173_29,
    -0.190_497_16,
    0.071_772_04,
    0.069_455_5,
    -0.071_077_99,
    0.002_922_467_4,
    0.018_477_557,
    -0.005_846_227_5,
];

/// 2^f on |f| <= 0.5.
const EXP2: [f32; 6] = [
    1.000_000_1,
    0.693_146_94,
    0.240_221_2,
    0.055_507_13,
    0.009_675_542,
    0.001_327_647_2,
];

#[inline(always)]
unsafe fn horner<L: Lanes, const N: usize>(c: &[f32; N], x: L::F) -> L::F {
    let mut sum = L::splat(c[N - 1]);
    let mut k = N - 1;
    while k > 0 {
        k -= 1;
        sum = L::fma(sum, x, L::splat(c[k]));
    }
    sum
}

/// GELU for INT8, whose own step is some fifty times its error.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub unsafe fn gelu_coarse<L: Lanes>(x: L::F) -> L::F {
    let t = L::min(L::abs(x), L::splat(COARSE_END));
    L::fma(t, horner::<L, 7>(&COARSE, t), L::max(L::splat(0.0), x))
}

/// GELU to f32's precision.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub unsafe fn gelu_fine<L: Lanes>(x: L::F) -> L::F {
    let t = L::min(L::abs(x), L::splat(FINE_END));
    let u = L::fma(t, L::splat(2.0 / FINE_END), L::splat(-1.0));
    L::fma(t, horner::<L, 14>(&FINE, u), L::max(L::splat(0.0), x))
}

/// 2^x for x up to 0; what is below 2^-126 comes out as 2^-126.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub unsafe fn exp2<L: Lanes>(x: L::F) -> L::F {
    let x = L::max(L::splat(-126.0), x);
    let shifted = L::add(x, L::splat(ROUND));
    let fraction = L::sub(x, L::sub(shifted, L::splat(ROUND)));
    L::scale_by_power(horner::<L, 6>(&EXP2, fraction), shifted)
}
