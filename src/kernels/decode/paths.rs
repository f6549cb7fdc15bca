//! The kernels of each path as plain function pointers.

use std::ops::Range;

use super::activations::Activations;
use super::attention::{self, Cached, Query};
use super::matrix::Matrix;
use super::{product, rows};
use crate::kernels::FORCE;

/// Writes keys and values of a position: where to, heads, size and room, the position, what.
type Remember = unsafe fn(&mut [u16], &mut [u16], (usize, usize, usize), usize, &[f32], &[f32]);

/// A path's kernels.
///
/// # Safety
/// To call one, the machine must have the path's instructions: [`present`] lists only such.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub name: &'static str,
    pub product: unsafe fn(&Matrix, &Activations, usize, Range<usize>, &mut [f32]),
    pub code: unsafe fn(&mut Activations, usize),
    pub rms_norm: unsafe fn(&[f32], &[f32], f32, &mut [f32]),
    pub swiglu: unsafe fn(&[f32], &[f32], &mut [f32]),
    pub geglu: unsafe fn(&[f32], &[f32], &mut [f32]),
    pub add: unsafe fn(&mut [f32], &[f32]),
    pub attend: unsafe fn(&Cached, &mut Query),
    pub remember: Remember,
}

macro_rules! path {
    ($module:ident, $lanes:ty, $name:literal $(, $features:literal)?) => {
        mod $module {
            use super::*;
            type L = $lanes;
            $(#[target_feature(enable = $features)])?
            unsafe fn product(m: &Matrix, a: &Activations, rows: usize, panels: Range<usize>, out: &mut [f32]) {
                // SAFETY: handed on to the caller.
                unsafe { product::product::<L>(m, a, rows, panels, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn code(a: &mut Activations, row: usize) {
                // SAFETY: handed on to the caller.
                unsafe { rows::code::<L>(a, row) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
                // SAFETY: handed on to the caller.
                unsafe { rows::rms_norm::<L>(x, weight, eps, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
                // SAFETY: handed on to the caller.
                unsafe { rows::gated::<L, false>(gate, up, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn geglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
                // SAFETY: handed on to the caller.
                unsafe { rows::gated::<L, true>(gate, up, out) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn add(to: &mut [f32], x: &[f32]) {
                // SAFETY: handed on to the caller.
                unsafe { rows::add::<L>(to, x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn attend(cached: &Cached, query: &mut Query) {
                // SAFETY: handed on to the caller.
                unsafe { attention::attend::<L>(cached, query) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn remember(keys: &mut [u16], values: &mut [u16], shape: (usize, usize, usize), position: usize, k: &[f32], v: &[f32]) {
                // SAFETY: handed on to the caller.
                unsafe { attention::remember::<L>(keys, values, shape, position, k, v) }
            }
            pub const KERNELS: Kernels = Kernels { name: $name, product, code, rms_norm, swiglu, geglu, add, attend, remember };
        }
    };
}

path!(scalar, crate::kernels::lanes::Scalar, "scalar");
#[cfg(target_arch = "x86_64")]
path!(avx2, crate::kernels::x86::Avx2, "avx2", "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
path!(
    avx512,
    crate::kernels::x86::Avx512<false>,
    "avx512",
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"
);

#[cfg(target_arch = "aarch64")]
path!(neon, crate::kernels::neon::Neon, "neon", "neon,dotprod");

/// The best path of this machine, or the one that [`FORCE`] names.
///
/// # Errors
/// Where it names none of this machine, in a sentence.
pub fn choose() -> Result<Kernels, String> {
    named(std::env::var(FORCE).ok().as_deref())
}

/// The best path, or the one of this name.
pub fn named(name: Option<&str>) -> Result<Kernels, String> {
    let paths = present();
    let Some(name) = name else {
        return Ok(paths[0]);
    };
    // The encoder's name for the same instructions and one more.
    let name = name.strip_suffix("_bf16").unwrap_or(name);
    let found = paths.iter().find(|path| path.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = paths.iter().map(|path| path.name).collect();
        format!("{FORCE}={name}: this machine has {names:?}; name one of them, or none")
    })
}

/// The paths of this machine, best first.
pub fn present() -> Vec<Kernels> {
    let mut paths = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let vnni = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        if avx2 && vnni {
            paths.push(avx512::KERNELS);
        }
        if avx2 {
            paths.push(avx2::KERNELS);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("dotprod") {
        paths.push(neon::KERNELS);
    }
    paths.push(scalar::KERNELS);
    paths
}
