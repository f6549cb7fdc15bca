//! Dot products of one block, for sixteen outputs at a time, exact in i32 on every path.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`
// Rows, heads and vectors of a tile are counted alike in all arrays and pointers.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use crate::kernels::lanes::{Lanes, Scalar};

/// Inputs of a block.
pub const BLOCK: usize = 32;
/// Outputs of a panel: one per lane.
pub const PANEL: usize = 16;
/// Bytes of a panel's block of nibbles: four vectors of sixteen words. Byte k of a lane's word in
/// vector j holds input 4 j + k in its low half and 16 + 4 j + k in its high one, as ggml's blocks
/// have them.
pub const NIBBLES: usize = 256;
/// Bytes of a panel's block of bytes: eight vectors; byte k of a word in vector j is input 4 j + k.
pub const BYTES: usize = 512;

/// A path's way to multiply blocks.
///
/// # Safety
/// As of [`Lanes`]: `codes` is good for [`NIBBLES`] or [`BYTES`] bytes, `a` for `BLOCK` bytes at
/// each of `T` places `stride` bytes apart; `to_f32` reads sixteen f16.
pub trait Codes: Lanes {
    /// Sums of unsigned nibbles times INT8 activations.
    unsafe fn dot_nibbles<const T: usize>(
        codes: *const u8,
        a: *const i8,
        stride: usize,
    ) -> [Self::I; T];
    /// Sums of signed bytes times INT8 activations over the inputs of `vectors` of the eight
    /// vectors of codes; `sums` are those of the same activations alone.
    unsafe fn dot_bytes<const T: usize>(
        codes: *const u8,
        a: *const i8,
        stride: usize,
        vectors: Range<usize>,
        sums: [i32; T],
    ) -> [Self::I; T];
    /// Sixteen f16.
    unsafe fn load_f16(from: *const u16) -> Self::F;
    /// Sixteen f16, rounded to nearest even.
    unsafe fn store_f16(to: *mut u16, x: Self::F);
    /// Asks for a cache line, into the second-level cache: more such wait at a time than for the first.
    unsafe fn prefetch(from: *const u8);
}

impl Codes for Scalar {
    #[inline(always)]
    unsafe fn dot_nibbles<const T: usize>(
        codes: *const u8,
        a: *const i8,
        stride: usize,
    ) -> [[i32; 16]; T] {
        std::array::from_fn(|t| {
            let a = a.add(t * stride);
            std::array::from_fn(|lane| {
                let mut sum = 0;
                for j in 0..4 {
                    for k in 0..4 {
                        let code = *codes.add(64 * j + 4 * lane + k);
                        sum += i32::from(code & 15) * i32::from(*a.add(4 * j + k));
                        sum += i32::from(code >> 4) * i32::from(*a.add(16 + 4 * j + k));
                    }
                }
                sum
            })
        })
    }
    #[inline(always)]
    unsafe fn dot_bytes<const T: usize>(
        codes: *const u8,
        a: *const i8,
        stride: usize,
        vectors: Range<usize>,
        _: [i32; T],
    ) -> [[i32; 16]; T] {
        std::array::from_fn(|t| {
            let a = a.add(t * stride);
            std::array::from_fn(|lane| {
                (4 * vectors.start..4 * vectors.end).fold(0, |sum, i| {
                    let code = *codes.add(64 * (i / 4) + 4 * lane + i % 4) as i8;
                    sum + i32::from(code) * i32::from(*a.add(i))
                })
            })
        })
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> [f32; 16] {
        std::array::from_fn(|i| half::f16::from_bits(from.add(i).read_unaligned()).to_f32_const())
    }
    #[inline(always)]
    unsafe fn store_f16(to: *mut u16, x: [f32; 16]) {
        for (i, x) in x.into_iter().enumerate() {
            to.add(i)
                .write_unaligned(half::f16::from_f32_const(x).to_bits());
        }
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Codes, Lanes};
    use crate::kernels::x86::{Avx2, Avx512, Two};
    use std::arch::x86_64::*;
    use std::ops::Range;

    impl<const BF16: bool> Codes for Avx512<BF16> {
        #[inline(always)]
        unsafe fn dot_nibbles<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
        ) -> [__m512i; T] {
            let low = _mm512_set1_epi8(15);
            let mut sums = [_mm512_setzero_si512(); T];
            for j in 0..4 {
                let both = _mm512_loadu_si512(codes.add(64 * j).cast());
                let (first, second) = (
                    _mm512_and_si512(both, low),
                    _mm512_and_si512(_mm512_srli_epi16::<4>(both), low),
                );
                for t in 0..T {
                    let a = a.add(t * stride + 4 * j).cast::<i32>();
                    sums[t] =
                        _mm512_dpbusd_epi32(sums[t], first, _mm512_set1_epi32(a.read_unaligned()));
                    sums[t] = _mm512_dpbusd_epi32(
                        sums[t],
                        second,
                        _mm512_set1_epi32(a.add(4).read_unaligned()),
                    );
                }
            }
            sums
        }
        #[inline(always)]
        unsafe fn dot_bytes<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
            vectors: Range<usize>,
            sums: [i32; T],
        ) -> [__m512i; T] {
            // The instruction takes unsigned weights: 128 more of each, taken off as 128 sums.
            let offset = _mm512_set1_epi8(-128);
            let mut dots: [__m512i; T] = [_mm512_setzero_si512(); T];
            for t in 0..T {
                dots[t] = _mm512_set1_epi32(-128 * sums[t]);
            }
            for j in vectors {
                let code = _mm512_xor_si512(_mm512_loadu_si512(codes.add(64 * j).cast()), offset);
                for t in 0..T {
                    let a = a.add(t * stride + 4 * j).cast::<i32>();
                    dots[t] =
                        _mm512_dpbusd_epi32(dots[t], code, _mm512_set1_epi32(a.read_unaligned()));
                }
            }
            dots
        }
        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> __m512 {
            _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))
        }
        #[inline(always)]
        unsafe fn store_f16(to: *mut u16, x: __m512) {
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<0>(x));
        }
        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T1>(from.cast());
        }
    }

    impl Codes for Avx2 {
        #[inline(always)]
        unsafe fn dot_nibbles<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
        ) -> [Two<__m256i>; T] {
            let low = _mm256_set1_epi8(15);
            let ones = _mm256_set1_epi16(1);
            let zero = _mm256_setzero_si256();
            let mut out = [Two(zero, zero); T];
            for half in 0..2 {
                // Eight products of at most 2 x 15 x 127 each fit an i16.
                let mut sums = [zero; T];
                for j in 0..4 {
                    let both = _mm256_loadu_si256(codes.add(64 * j + 32 * half).cast());
                    let first = _mm256_and_si256(both, low);
                    let second = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
                    for t in 0..T {
                        let a = a.add(t * stride + 4 * j).cast::<i32>();
                        let one =
                            _mm256_maddubs_epi16(first, _mm256_set1_epi32(a.read_unaligned()));
                        let two = _mm256_maddubs_epi16(
                            second,
                            _mm256_set1_epi32(a.add(4).read_unaligned()),
                        );
                        sums[t] = _mm256_add_epi16(sums[t], _mm256_add_epi16(one, two));
                    }
                }
                for t in 0..T {
                    let sum = _mm256_madd_epi16(sums[t], ones);
                    if half == 0 {
                        out[t].0 = sum
                    } else {
                        out[t].1 = sum
                    }
                }
            }
            out
        }
        #[inline(always)]
        unsafe fn dot_bytes<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
            vectors: Range<usize>,
            _: [i32; T],
        ) -> [Two<__m256i>; T] {
            let ones = _mm256_set1_epi16(1);
            let zero = _mm256_setzero_si256();
            let mut out = [Two(zero, zero); T];
            for half in 0..2 {
                let mut sums = [zero; T];
                for j in vectors.clone() {
                    let code = _mm256_loadu_si256(codes.add(64 * j + 32 * half).cast());
                    let size = _mm256_abs_epi8(code);
                    for t in 0..T {
                        // |w| times a with the sign of w: two products of at most 128 x 127 fit
                        // the i16 that `maddubs` saturates at.
                        let a = _mm256_set1_epi32(
                            a.add(t * stride + 4 * j).cast::<i32>().read_unaligned(),
                        );
                        let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(a, code));
                        sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(pairs, ones));
                    }
                }
                for t in 0..T {
                    if half == 0 {
                        out[t].0 = sums[t]
                    } else {
                        out[t].1 = sums[t]
                    }
                }
            }
            out
        }
        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self::F {
            Two(
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            )
        }
        #[inline(always)]
        unsafe fn store_f16(to: *mut u16, x: Self::F) {
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<0>(x.0));
            _mm_storeu_si128(to.add(8).cast(), _mm256_cvtps_ph::<0>(x.1));
        }
        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            _mm_prefetch::<_MM_HINT_T1>(from.cast());
        }
    }
    // `Lanes` is used through the trait's bounds only.
    #[allow(unused_imports)]
    use Lanes as _;
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;
    use std::arch::asm;
    use std::ops::Range;

    use super::Codes;
    use crate::kernels::lanes::Lanes;
    use crate::kernels::neon::{Four, Neon, dot_four};

    impl Codes for Neon {
        #[inline(always)]
        unsafe fn dot_nibbles<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
        ) -> [Four<int32x4_t>; T] {
            let low = vdupq_n_u8(15);
            let mut sums = [Self::zero_i(); T];
            for j in 0..4 {
                for quarter in 0..4 {
                    let both = vld1q_u8(codes.add(64 * j + 16 * quarter));
                    let first = vreinterpretq_s8_u8(vandq_u8(both, low));
                    let second = vreinterpretq_s8_u8(vshrq_n_u8::<4>(both));
                    for (t, sums) in sums.iter_mut().enumerate() {
                        let a = a.add(t * stride + 4 * j);
                        let sum = match quarter {
                            0 => &mut sums.0,
                            1 => &mut sums.1,
                            2 => &mut sums.2,
                            _ => &mut sums.3,
                        };
                        *sum = dot_four(*sum, four_of(a), first);
                        *sum = dot_four(*sum, four_of(a.add(16)), second);
                    }
                }
            }
            sums
        }
        #[inline(always)]
        unsafe fn dot_bytes<const T: usize>(
            codes: *const u8,
            a: *const i8,
            stride: usize,
            vectors: Range<usize>,
            _: [i32; T],
        ) -> [Four<int32x4_t>; T] {
            let mut sums = [Self::zero_i(); T];
            for j in vectors {
                for (t, sum) in sums.iter_mut().enumerate() {
                    let a = a.add(t * stride + 4 * j);
                    *sum = Self::dot_i8(*sum, a.cast(), codes.add(64 * j).cast());
                }
            }
            sums
        }
        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self::F {
            let (a, b) = widened(from);
            let (c, d) = widened(from.add(8));
            Four(a, b, c, d)
        }
        #[inline(always)]
        unsafe fn store_f16(to: *mut u16, x: Self::F) {
            vst1q_u16(to, narrowed(x.0, x.1));
            vst1q_u16(to.add(8), narrowed(x.2, x.3));
        }
        #[inline(always)]
        unsafe fn prefetch(from: *const u8) {
            asm!("prfm pldl2keep, [{0}]", in(reg) from, options(nostack, readonly, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn four_of(a: *const i8) -> int8x16_t {
        vreinterpretq_s8_u32(vdupq_n_u32(a.cast::<u32>().read_unaligned()))
    }

    // As assembly while the intrinsics of f16 are unstable.
    #[inline(always)]
    unsafe fn widened(from: *const u16) -> (float32x4_t, float32x4_t) {
        let x = vld1q_u16(from);
        let (low, high): (float32x4_t, float32x4_t);
        asm!("fcvtl {l:v}.4s, {x:v}.4h", "fcvtl2 {h:v}.4s, {x:v}.8h",
            x = in(vreg) x, l = out(vreg) low, h = lateout(vreg) high,
            options(pure, nomem, nostack, preserves_flags));
        (low, high)
    }

    #[inline(always)]
    unsafe fn narrowed(low: float32x4_t, high: float32x4_t) -> uint16x8_t {
        let mut x: uint16x8_t;
        asm!("fcvtn {x:v}.4h, {l:v}.4s", "fcvtn2 {x:v}.8h, {h:v}.4s",
            x = out(vreg) x, l = in(vreg) low, h = in(vreg) high,
            options(pure, nomem, nostack, preserves_flags));
        x
    }
}
