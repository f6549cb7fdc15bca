//! Sixteen lanes: the few vector operations every kernel is written in, once, for all machines.
//!
//! Every path computes the same numbers bit for bit (f32 and INT8): each lane does the same
//! operations in the same order, multiply-adds are fused everywhere, and sums over lanes fold in
//! one fixed order (l + 8, then + 4, + 2, + 1). What differs is only how INT8 products are added
//! up, which is exact in i32, and BF16, whose instruction rounds in its own way.

// The methods' bodies are intrinsics and pointer reads throughout; an unsafe block around each
// line would hide the few words that matter, the contract below.
#![allow(unsafe_op_in_unsafe_fn)]

/// Adding this rounds to the nearest integer (ties to even), which then lies in the low bits.
pub const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23

/// Writes the body out for every index below `$n` (at most eight). Tiles live in registers only if
/// no index into them is left to run time, and the compiler does not unroll loops of this size.
macro_rules! unroll {
    ($i:ident < $n:expr, $body:block) => {
        unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6 7)
    };
    (@ $i:ident, $n:expr, $body:block, $($at:literal)+) => {
        $(if $at < $n {
            let $i: usize = $at;
            $body
        })+
    };
}
pub(super) use unroll;

/// A machine's way to work on sixteen numbers at a time.
///
/// # Safety
/// All methods: the machine has the instructions of the path, and a pointer is good for the
/// sixteen numbers (64 bytes of `u32` words, 16 of `u8`, 32 of `u16`) it is read or written for,
/// or for one word where it is a broadcast. Nothing but words needs alignment.
pub trait Lanes: 'static {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32.
    type I: Copy;
    /// Tile of the matrix products: eight rows by two panels where registers allow, else four by
    /// one.
    const WIDE: bool;
    /// What is added to an INT8 activation before it is stored as a byte: 128 where the dot
    /// product takes unsigned bytes.
    const OFFSET: i32;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` if either is not a number.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` if either is not a number.
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// Sum of the lanes in the fixed order.
    unsafe fn sum(a: Self::F) -> f32;
    /// Largest lane.
    unsafe fn top(a: Self::F) -> f32;
    /// `p * 2^n` for `shifted = n + ROUND`, by adding to the exponent; no care for overflow.
    unsafe fn scale_by_power(p: Self::F, shifted: Self::F) -> Self::F;
    /// The low byte of each lane's bits.
    unsafe fn store_low_bytes(to: *mut u8, x: Self::F);
    /// Rounded to BF16, ties to even.
    unsafe fn store_bf16(to: *mut u16, x: Self::F);

    unsafe fn load_i(from: *const i32) -> Self::I;
    unsafe fn zero_i() -> Self::I;
    unsafe fn to_float(x: Self::I) -> Self::F;
    /// Adds four products of bytes to each lane: activations are the four bytes at `a` (offset by
    /// `OFFSET`), weights the sixteen signed quadruples at `w`.
    unsafe fn dot_i8(sum: Self::I, a: *const u32, w: *const u32) -> Self::I;
    /// Adds two BF16 products to each lane: one pair of activations, sixteen pairs of weights.
    unsafe fn dot_bf16(sum: Self::F, a: *const u32, w: *const u32) -> Self::F;

    /// Writes the transpose of 16 rows of 16.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for r in 0..16 {
            for c in 0..16 {
                *to.add(c * to_row + r) = *from.add(r * from_row + c);
            }
        }
    }
}

/// The portable path: sixteen numbers in an array.
pub struct Scalar;

#[inline(always)]
fn each(a: [f32; 16], b: [f32; 16], f: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn fold(a: [f32; 16], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut a = a;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            a[i] = f(a[i], a[i + half]);
        }
    }
    a[0]
}

/// Nearest BF16, ties to even; not for NaN.
#[inline(always)]
pub fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

impl Lanes for Scalar {
    type F = [f32; 16];
    type I = [i32; 16];
    const WIDE: bool = false;
    const OFFSET: i32 = 0;

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 16] {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 16] {
        from.cast::<[f32; 16]>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: [f32; 16]) {
        to.cast::<[f32; 16]>().write_unaligned(x);
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn abs(a: [f32; 16]) -> [f32; 16] {
        a.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn sum(a: [f32; 16]) -> f32 {
        fold(a, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn top(a: [f32; 16]) -> f32 {
        fold(a, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn scale_by_power(p: [f32; 16], shifted: [f32; 16]) -> [f32; 16] {
        each(p, shifted, |p, n| {
            f32::from_bits(p.to_bits().wrapping_add(n.to_bits() << 23))
        })
    }
    #[inline(always)]
    unsafe fn store_low_bytes(to: *mut u8, x: [f32; 16]) {
        to.cast::<[u8; 16]>()
            .write_unaligned(x.map(|x| x.to_bits() as u8));
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: [f32; 16]) {
        to.cast::<[u16; 16]>().write_unaligned(x.map(to_bf16));
    }
    #[inline(always)]
    unsafe fn load_i(from: *const i32) -> [i32; 16] {
        from.cast::<[i32; 16]>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn zero_i() -> [i32; 16] {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn to_float(x: [i32; 16]) -> [f32; 16] {
        x.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn dot_i8(sum: [i32; 16], a: *const u32, w: *const u32) -> [i32; 16] {
        let a = a.read().to_le_bytes();
        let w = w.cast::<[[i8; 4]; 16]>().read();
        std::array::from_fn(|i| {
            (0..4).fold(sum[i], |sum, k| {
                sum.wrapping_add(i32::from(a[k] as i8) * i32::from(w[i][k]))
            })
        })
    }
    #[inline(always)]
    unsafe fn dot_bf16(sum: [f32; 16], a: *const u32, w: *const u32) -> [f32; 16] {
        let a = a.read();
        let w = w.cast::<[u32; 16]>().read();
        std::array::from_fn(|i| {
            let low = f32::from_bits(a << 16).mul_add(f32::from_bits(w[i] << 16), sum[i]);
            let high = 0xffff_0000;
            f32::from_bits(a & high).mul_add(f32::from_bits(w[i] & high), low)
        })
    }
}
