//! The lanes on x86-64: AVX-512 (with VNNI, with or without BF16) and AVX2 with FMA.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use std::arch::x86_64::*;

use super::lanes::Lanes;

/// AVX-512 F, BW, DQ, VL and VNNI; BF16 by instruction if `BF16`, else by widening.
pub struct Avx512<const BF16: bool>;

impl<const BF16: bool> Lanes for Avx512<BF16> {
    type F = __m512;
    type I = __m512i;
    const WIDE: bool = true;
    const OFFSET: i32 = 128;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        _mm512_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        _mm512_storeu_ps(to, x);
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        _mm512_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        _mm512_min_ps(a, b)
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        _mm512_abs_ps(a)
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        let (low, high) = halves(a);
        sum_of_eight(_mm256_add_ps(low, high))
    }
    #[inline(always)]
    unsafe fn top(a: __m512) -> f32 {
        let (low, high) = halves(a);
        top_of_eight(_mm256_max_ps(low, high))
    }
    #[inline(always)]
    unsafe fn scale_by_power(p: __m512, shifted: __m512) -> __m512 {
        let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), exponent))
    }
    #[inline(always)]
    unsafe fn store_low_bytes(to: *mut u8, x: __m512) {
        _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: __m512) {
        let bits = _mm512_castps_si512(x);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
        let half = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, up));
        _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(half));
    }
    #[inline(always)]
    unsafe fn load_i(from: *const i32) -> __m512i {
        _mm512_loadu_si512(from.cast())
    }
    #[inline(always)]
    unsafe fn zero_i() -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline(always)]
    unsafe fn to_float(x: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(x)
    }
    #[inline(always)]
    unsafe fn dot_i8(sum: __m512i, a: *const u32, w: *const u32) -> __m512i {
        let a = _mm512_set1_epi32(*a as i32);
        _mm512_dpbusd_epi32(sum, a, _mm512_loadu_si512(w.cast()))
    }
    #[inline(always)]
    unsafe fn dot_bf16(sum: __m512, a: *const u32, w: *const u32) -> __m512 {
        let a = _mm512_set1_epi32(*a as i32);
        let w = _mm512_loadu_si512(w.cast());
        if BF16 {
            // The bits are what both types are.
            let a = std::mem::transmute::<__m512i, __m512bh>(a);
            let w = std::mem::transmute::<__m512i, __m512bh>(w);
            return _mm512_dpbf16_ps(sum, a, w);
        }
        let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
        let a1 = _mm512_castsi512_ps(_mm512_and_si512(a, high));
        let w1 = _mm512_castsi512_ps(_mm512_and_si512(w, high));
        let a0 = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(a));
        let w0 = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(w));
        _mm512_fmadd_ps(a1, w1, _mm512_fmadd_ps(a0, w0, sum))
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // Four rows at a time into 128-bit quarters, then 4x4 within every quarter.
        for group in 0..4 {
            // Quarter q of the r-th holds row r + 4 q, four columns of this group.
            let from = from.add(4 * group);
            let a = quarters(from, from_row);
            let b = quarters(from.add(from_row), from_row);
            let c = quarters(from.add(2 * from_row), from_row);
            let d = quarters(from.add(3 * from_row), from_row);
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (ab2, cd2) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let to = to.add(4 * group * to_row);
            Self::store(to, _mm512_shuffle_ps::<0x44>(ab, cd));
            Self::store(to.add(to_row), _mm512_shuffle_ps::<0xee>(ab, cd));
            Self::store(to.add(2 * to_row), _mm512_shuffle_ps::<0x44>(ab2, cd2));
            Self::store(to.add(3 * to_row), _mm512_shuffle_ps::<0xee>(ab2, cd2));
        }
    }
}

// Functions, not closures: a closure has not the path's instructions, and one that is called often
// is not inlined, with every vector going through memory.

/// Rows 0, 4, 8 and 12, four columns each.
#[inline(always)]
unsafe fn quarters(from: *const f32, row: usize) -> __m512 {
    let x = _mm512_castps128_ps512(_mm_loadu_ps(from));
    let x = _mm512_insertf32x4::<1>(x, _mm_loadu_ps(from.add(4 * row)));
    let x = _mm512_insertf32x4::<2>(x, _mm_loadu_ps(from.add(8 * row)));
    _mm512_insertf32x4::<3>(x, _mm_loadu_ps(from.add(12 * row)))
}

#[inline(always)]
unsafe fn halves(a: __m512) -> (__m256, __m256) {
    (_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a))
}

#[inline(always)]
unsafe fn sum_of_eight(a: __m256) -> f32 {
    let a = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
}

#[inline(always)]
unsafe fn top_of_eight(a: __m256) -> f32 {
    let a = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)))
}

/// AVX2 and FMA: two registers of eight.
pub struct Avx2;

#[derive(Clone, Copy)]
pub struct Two<T>(pub T, pub T);

macro_rules! both {
    ($f:ident, $($x:expr),+) => { Two($f($($x.0),+), $f($($x.1),+)) };
}

impl Lanes for Avx2 {
    type F = Two<__m256>;
    type I = Two<__m256i>;
    const WIDE: bool = false;
    const OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        let x = _mm256_set1_ps(x);
        Two(x, x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        Two(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8)))
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        _mm256_storeu_ps(to, x.0);
        _mm256_storeu_ps(to.add(8), x.1);
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_div_ps, a, b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        both!(_mm256_fmadd_ps, a, b, c)
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    unsafe fn abs(a: Self::F) -> Self::F {
        let sign = _mm256_set1_ps(-0.0);
        Two(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
    }
    #[inline(always)]
    unsafe fn sum(a: Self::F) -> f32 {
        sum_of_eight(_mm256_add_ps(a.0, a.1))
    }
    #[inline(always)]
    unsafe fn top(a: Self::F) -> f32 {
        top_of_eight(_mm256_max_ps(a.0, a.1))
    }
    #[inline(always)]
    unsafe fn scale_by_power(p: Self::F, shifted: Self::F) -> Self::F {
        both!(scale_eight, p, shifted)
    }
    #[inline(always)]
    unsafe fn store_low_bytes(to: *mut u8, x: Self::F) {
        _mm_storeu_si128(
            to.cast(),
            _mm_unpacklo_epi64(low_bytes(x.0), low_bytes(x.1)),
        );
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: Self::F) {
        let both = _mm256_packus_epi32(bf16_of_eight(x.0), bf16_of_eight(x.1));
        _mm256_storeu_si256(to.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(both));
    }
    #[inline(always)]
    unsafe fn load_i(from: *const i32) -> Self::I {
        Two(
            _mm256_loadu_si256(from.cast()),
            _mm256_loadu_si256(from.add(8).cast()),
        )
    }
    #[inline(always)]
    unsafe fn zero_i() -> Self::I {
        Two(_mm256_setzero_si256(), _mm256_setzero_si256())
    }
    #[inline(always)]
    unsafe fn to_float(x: Self::I) -> Self::F {
        both!(_mm256_cvtepi32_ps, x)
    }
    #[inline(always)]
    unsafe fn dot_i8(sum: Self::I, a: *const u32, w: *const u32) -> Self::I {
        // |a| * (w with the sign of a): two products of at most 127 * 127 fit the i16 that
        // `maddubs` saturates at, so the sum is exact.
        let a = _mm256_set1_epi32(*a as i32);
        let size = _mm256_abs_epi8(a);
        let w = Self::load_i(w.cast());
        Two(
            dot_eight(sum.0, a, size, w.0),
            dot_eight(sum.1, a, size, w.1),
        )
    }
    #[inline(always)]
    unsafe fn dot_bf16(sum: Self::F, a: *const u32, w: *const u32) -> Self::F {
        let a = _mm256_set1_epi32(*a as i32);
        let w = Self::load_i(w.cast());
        Two(pairs_of_eight(sum.0, a, w.0), pairs_of_eight(sum.1, a, w.1))
    }
}

#[inline(always)]
unsafe fn scale_eight(p: __m256, shifted: __m256) -> __m256 {
    let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent))
}

#[inline(always)]
unsafe fn low_bytes(x: __m256) -> __m128i {
    // Each half's four low bytes in its every word; one word of each half is kept.
    let pick = _mm256_set1_epi32(0x0c08_0400);
    let x = _mm256_shuffle_epi8(_mm256_castps_si256(x), pick);
    _mm_unpacklo_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x))
}

#[inline(always)]
unsafe fn bf16_of_eight(x: __m256) -> __m256i {
    let bits = _mm256_castps_si256(x);
    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    let up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, up))
}

#[inline(always)]
unsafe fn dot_eight(sum: __m256i, a: __m256i, size: __m256i, w: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(w, a));
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[inline(always)]
unsafe fn pairs_of_eight(sum: __m256, a: __m256i, w: __m256i) -> __m256 {
    let high = _mm256_set1_epi32(0xffff_0000_u32 as i32);
    let a1 = _mm256_castsi256_ps(_mm256_and_si256(a, high));
    let w1 = _mm256_castsi256_ps(_mm256_and_si256(w, high));
    let a0 = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(a));
    let w0 = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(w));
    _mm256_fmadd_ps(a1, w1, _mm256_fmadd_ps(a0, w0, sum))
}
