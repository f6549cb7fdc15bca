//! The lanes on aarch64: NEON with the dot product extension, four registers of four.
//!
//! The dot product is written as assembly while its intrinsic is unstable.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use std::arch::aarch64::*;
use std::arch::asm;

use super::lanes::Lanes;

/// NEON with `sdot`.
pub struct Neon;

#[derive(Clone, Copy)]
pub struct Four<T>(pub T, pub T, pub T, pub T);

macro_rules! four {
    ($f:ident, $($x:expr),+) => {
        Four($f($($x.0),+), $f($($x.1),+), $f($($x.2),+), $f($($x.3),+))
    };
}

impl Lanes for Neon {
    type F = Four<float32x4_t>;
    type I = Four<int32x4_t>;
    const WIDE: bool = false;
    const OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        let x = vdupq_n_f32(x);
        Four(x, x, x, x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        Four(
            vld1q_f32(from),
            vld1q_f32(from.add(4)),
            vld1q_f32(from.add(8)),
            vld1q_f32(from.add(12)),
        )
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        vst1q_f32(to, x.0);
        vst1q_f32(to.add(4), x.1);
        vst1q_f32(to.add(8), x.2);
        vst1q_f32(to.add(12), x.3);
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        four!(vaddq_f32, a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        four!(vsubq_f32, a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        four!(vmulq_f32, a, b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        four!(vdivq_f32, a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        four!(vfmaq_f32, c, a, b)
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        four!(larger, a, b)
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        four!(smaller, a, b)
    }
    #[inline(always)]
    unsafe fn abs(a: Self::F) -> Self::F {
        four!(vabsq_f32, a)
    }
    #[inline(always)]
    unsafe fn sum(a: Self::F) -> f32 {
        let a = vaddq_f32(vaddq_f32(a.0, a.2), vaddq_f32(a.1, a.3));
        let a = vadd_f32(vget_low_f32(a), vget_high_f32(a));
        vget_lane_f32::<0>(a) + vget_lane_f32::<1>(a)
    }
    #[inline(always)]
    unsafe fn top(a: Self::F) -> f32 {
        vmaxvq_f32(larger(larger(a.0, a.2), larger(a.1, a.3)))
    }
    #[inline(always)]
    unsafe fn scale_by_power(p: Self::F, shifted: Self::F) -> Self::F {
        four!(scale_four, p, shifted)
    }
    #[inline(always)]
    unsafe fn store_low_bytes(to: *mut u8, x: Self::F) {
        let half = |a: float32x4_t, b: float32x4_t| {
            let low = |x| vmovn_u32(vreinterpretq_u32_f32(x));
            vmovn_u16(vcombine_u16(low(a), low(b)))
        };
        vst1q_u8(to, vcombine_u8(half(x.0, x.1), half(x.2, x.3)));
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: Self::F) {
        vst1q_u16(to, vcombine_u16(bf16_of_four(x.0), bf16_of_four(x.1)));
        let high = vcombine_u16(bf16_of_four(x.2), bf16_of_four(x.3));
        vst1q_u16(to.add(8), high);
    }
    #[inline(always)]
    unsafe fn load_i(from: *const i32) -> Self::I {
        Four(
            vld1q_s32(from),
            vld1q_s32(from.add(4)),
            vld1q_s32(from.add(8)),
            vld1q_s32(from.add(12)),
        )
    }
    #[inline(always)]
    unsafe fn zero_i() -> Self::I {
        let zero = vdupq_n_s32(0);
        Four(zero, zero, zero, zero)
    }
    #[inline(always)]
    unsafe fn to_float(x: Self::I) -> Self::F {
        four!(vcvtq_f32_s32, x)
    }
    #[inline(always)]
    unsafe fn dot_i8(sum: Self::I, a: *const u32, w: *const u32) -> Self::I {
        let a = vreinterpretq_s8_u32(vdupq_n_u32(*a));
        let w = w.cast::<i8>();
        Four(
            dot_four(sum.0, a, vld1q_s8(w)),
            dot_four(sum.1, a, vld1q_s8(w.add(16))),
            dot_four(sum.2, a, vld1q_s8(w.add(32))),
            dot_four(sum.3, a, vld1q_s8(w.add(48))),
        )
    }
    #[inline(always)]
    unsafe fn dot_bf16(sum: Self::F, a: *const u32, w: *const u32) -> Self::F {
        let a = vdupq_n_u32(*a);
        Four(
            pairs_of_four(sum.0, a, vld1q_u32(w)),
            pairs_of_four(sum.1, a, vld1q_u32(w.add(4))),
            pairs_of_four(sum.2, a, vld1q_u32(w.add(8))),
            pairs_of_four(sum.3, a, vld1q_u32(w.add(12))),
        )
    }
}

#[inline(always)]
unsafe fn larger(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    vbslq_f32(vcgtq_f32(a, b), a, b)
}

#[inline(always)]
unsafe fn smaller(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    vbslq_f32(vcltq_f32(a, b), a, b)
}

#[inline(always)]
unsafe fn scale_four(p: float32x4_t, shifted: float32x4_t) -> float32x4_t {
    let exponent = vshlq_n_u32::<23>(vreinterpretq_u32_f32(shifted));
    vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(p), exponent))
}

#[inline(always)]
unsafe fn bf16_of_four(x: float32x4_t) -> uint16x4_t {
    let bits = vreinterpretq_u32_f32(x);
    let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
    let up = vaddq_u32(odd, vdupq_n_u32(0x7fff));
    vshrn_n_u32::<16>(vaddq_u32(bits, up))
}

#[inline(always)]
pub(super) unsafe fn dot_four(sum: int32x4_t, a: int8x16_t, w: int8x16_t) -> int32x4_t {
    let mut sum = sum;
    // SAFETY: reads and writes registers only.
    asm!(
        ".arch_extension dotprod",
        "sdot {sum:v}.4s, {a:v}.16b, {w:v}.16b",
        sum = inout(vreg) sum,
        a = in(vreg) a,
        w = in(vreg) w,
        options(pure, nomem, nostack, preserves_flags),
    );
    sum
}

#[inline(always)]
unsafe fn pairs_of_four(sum: float32x4_t, a: uint32x4_t, w: uint32x4_t) -> float32x4_t {
    let high = vdupq_n_u32(0xffff_0000);
    let a1 = vreinterpretq_f32_u32(vandq_u32(a, high));
    let w1 = vreinterpretq_f32_u32(vandq_u32(w, high));
    let a0 = vreinterpretq_f32_u32(vshlq_n_u32::<16>(a));
    let w0 = vreinterpretq_f32_u32(vshlq_n_u32::<16>(w));
    vfmaq_f32(vfmaq_f32(sum, a0, w0), a1, w1)
}
