//! The kernels of one path and precision as plain function pointers, and which path to take.

use super::attention::{self, Attention};
use super::lanes::Scalar;
use super::matmul::{Add, Dot, Float, Gelu, Half, Int, Product, Write, product};
use super::pack::Linear;
use super::rows::{self, Rows, WordFormat};
use super::sizes::{PackError, Precision};

/// The environment variable that forces a path: `scalar`, `avx2`, `avx512` or `neon`.
pub const FORCE: &str = "EDGE_REASONER_KERNELS";

/// A path's kernels.
///
/// # Safety
/// To call one, the machine must have the path's instructions: [`choose`] answers only such.
/// Bounds are checked by the kernels themselves.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub path: &'static str,
    /// f32, added to what is there: the embedding.
    pub embed: unsafe fn(&mut Product),
    pub write: unsafe fn(&mut Product),
    pub add: unsafe fn(&mut Product),
    pub gelu: unsafe fn(&mut Product),
    pub norm: unsafe fn(&mut Rows),
    pub convert: unsafe fn(&mut Rows),
    pub attend: unsafe fn(&mut Attention),
    pub attend_newest: unsafe fn(&mut Attention),
    pub head: unsafe fn(&[f32], usize, &Linear, &mut [f32]),
}

/// Writes out a path: every kernel once, compiled for its instructions.
macro_rules! path {
    ($module:ident, $lanes:ty, $name:literal $(, $features:literal)?) => {
        mod $module {
            use super::*;
            type L = $lanes;

            $(#[target_feature(enable = $features)])?
            unsafe fn write<D: Dot<L>>(p: &mut Product) {
                // SAFETY: handed on to the caller, here and below.
                unsafe { product::<L, D, Write>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add<D: Dot<L>>(p: &mut Product) {
                // SAFETY: as above.
                unsafe { product::<L, D, Add>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn gelu<D: Dot<L>>(p: &mut Product) {
                // SAFETY: as above.
                unsafe { product::<L, D, Gelu>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn norm<K: WordFormat>(p: &mut Rows) {
                // SAFETY: as above.
                unsafe { rows::convert::<L, K, true>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn convert<K: WordFormat>(p: &mut Rows) {
                // SAFETY: as above.
                unsafe { rows::convert::<L, K, false>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attend(p: &mut Attention) {
                // SAFETY: as above.
                unsafe { attention::all::<L>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attend_newest(p: &mut Attention) {
                // SAFETY: as above.
                unsafe { attention::newest::<L>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn head(row: &[f32], count: usize, weights: &Linear, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { rows::head::<L>(row, count, weights, out) }
            }

            const fn of<D: Dot<L> + WordFormat>() -> Kernels {
                Kernels {
                    path: $name,
                    embed: add::<Float>,
                    write: write::<D>,
                    add: add::<D>,
                    gelu: gelu::<D>,
                    norm: norm::<D>,
                    convert: convert::<D>,
                    attend,
                    attend_newest,
                    head,
                }
            }

            pub const fn kernels(precision: Precision) -> Kernels {
                match precision {
                    Precision::F32 => of::<Float>(),
                    Precision::Int8 => of::<Int>(),
                    Precision::Bf16 => of::<Half>(),
                }
            }

            /// What the tests of single operations call.
            #[cfg(test)]
            pub mod operations {
                use super::*;
                use crate::kernels::{lanes::Lanes, math};

                $(#[target_feature(enable = $features)])?
                pub unsafe fn gelu_coarse(x: &mut [f32; 16]) {
                    // SAFETY: sixteen numbers each.
                    unsafe { L::store(x.as_mut_ptr(), math::gelu_coarse::<L>(L::load(x.as_ptr()))) }
                }
                $(#[target_feature(enable = $features)])?
                pub unsafe fn gelu_fine(x: &mut [f32; 16]) {
                    // SAFETY: sixteen numbers each.
                    unsafe { L::store(x.as_mut_ptr(), math::gelu_fine::<L>(L::load(x.as_ptr()))) }
                }
                $(#[target_feature(enable = $features)])?
                pub unsafe fn exp2(x: &mut [f32; 16]) {
                    // SAFETY: sixteen numbers each.
                    unsafe { L::store(x.as_mut_ptr(), math::exp2::<L>(L::load(x.as_ptr()))) }
                }
            }
        }
    };
}

path!(scalar, Scalar, "scalar");
#[cfg(target_arch = "x86_64")]
path!(avx2, crate::kernels::x86::Avx2, "avx2", "avx2,fma");
#[cfg(target_arch = "x86_64")]
path!(
    avx512,
    crate::kernels::x86::Avx512<false>,
    "avx512",
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
path!(
    avx512_bf16,
    crate::kernels::x86::Avx512<true>,
    "avx512_bf16",
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma"
);

#[cfg(target_arch = "aarch64")]
path!(neon, crate::kernels::neon::Neon, "neon", "neon,dotprod");

/// What the tests of single operations know of a path.
#[cfg(test)]
pub type Operation = unsafe fn(&mut [f32; 16]);

/// The paths this machine has, best first, each under the name that forces it.
pub fn present(precision: Precision) -> Vec<(&'static str, Kernels)> {
    let mut paths = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let vnni = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if vnni && avx2 && is_x86_feature_detected!("avx512bf16") {
            paths.push(("avx512_bf16", avx512_bf16::kernels(precision)));
        }
        if vnni && avx2 {
            paths.push(("avx512", avx512::kernels(precision)));
        }
        if avx2 {
            paths.push(("avx2", avx2::kernels(precision)));
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("dotprod") {
        paths.push(("neon", neon::kernels(precision)));
    }
    paths.push(("scalar", scalar::kernels(precision)));
    paths
}

/// The best path of this machine, or the forced one.
pub fn choose(precision: Precision) -> Result<Kernels, PackError> {
    let paths = present(precision);
    let Ok(forced) = std::env::var(FORCE) else {
        return Ok(paths[0].1);
    };
    let found = paths.iter().find(|(name, _)| *name == forced);
    found.map(|(_, kernels)| *kernels).ok_or_else(|| {
        let names: Vec<_> = paths.iter().map(|(name, _)| *name).collect();
        PackError(format!("{FORCE}={forced}: this machine has {names:?}"))
    })
}

/// GELU coarse, GELU fine and exp2 of every path this machine has.
#[cfg(test)]
pub fn operations() -> Vec<(&'static str, [Operation; 3])> {
    macro_rules! three {
        ($module:ident) => {
            [
                $module::operations::gelu_coarse as Operation,
                $module::operations::gelu_fine,
                $module::operations::exp2,
            ]
        };
    }
    let of = |name| match name {
        #[cfg(target_arch = "x86_64")]
        "avx512_bf16" => three!(avx512_bf16),
        #[cfg(target_arch = "x86_64")]
        "avx512" => three!(avx512),
        #[cfg(target_arch = "x86_64")]
        "avx2" => three!(avx2),
        #[cfg(target_arch = "aarch64")]
        "neon" => three!(neon),
        _ => three!(scalar),
    };
    let names = present(Precision::F32).into_iter();
    names.map(|(name, _)| (name, of(name))).collect()
}
