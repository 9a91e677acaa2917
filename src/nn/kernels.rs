//! The fast path on a processor: matrices, activations and attention on slices, without a tensor in sight.
//!
//! Each kernel is written once, as plain Rust that vectorises, and compiled for each kind of processor; which one runs is
//! found out when a model is loaded. Only the product of 8-bit matrices is written by hand for one of them. Everything is
//! time-major: a row is one position.
//!
//! The one `unsafe` here is the call of what was compiled for a processor that was found to be there.

#![allow(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the processor that its caller is compiled for"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over registers, which have the same number everywhere"
)]
#![allow(clippy::struct_field_names, reason = "counts are named `n_…`")]
#![allow(
    unsafe_code,
    reason = "the call of what was compiled for a processor that was found to be there"
)]

pub mod attention;
pub mod keeping;
pub mod matrix;
pub mod transformer;
pub mod vector;

mod panels;
mod quantised;

use attention::Heads;
use quantised::Activations;

/// The kinds of processors that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Any.
    Portable,
    /// x86-64 with AVX2, FMA and F16C: nearly all since 2013.
    Avx2,
}

impl Processor {
    /// The best kind that this machine is. `SPEAKERD_PROCESSOR=portable` in the environment holds it back.
    pub fn of_this_machine() -> Self {
        if std::env::var_os("SPEAKERD_PROCESSOR").is_some_and(|kind| kind == "portable") {
            return Self::Portable;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            return Self::Avx2;
        }
        Self::Portable
    }

    /// All kinds that this machine can run.
    pub fn all_here() -> Vec<Self> {
        let best = Self::of_this_machine();
        if best == Self::Portable { vec![best] } else { vec![Self::Portable, best] }
    }
}

/// A product added to a sum, in one step where the processor can.
trait MulAdd {
    fn mul_add(a: f32, b: f32, sum: f32) -> f32;
}

/// In two steps: in one it would be a call of a library where the processor cannot.
struct Separate;

impl MulAdd for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, sum: f32) -> f32 {
        a * b + sum
    }
}

#[cfg(target_arch = "x86_64")]
struct Fused;

#[cfg(target_arch = "x86_64")]
impl MulAdd for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, sum: f32) -> f32 {
        a.mul_add(b, sum)
    }
}

/// Compiles a kernel for each kind of processor, and makes the function that calls the right one.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident = $body:path, $avx2:path; ($($arg:ident: $type:ty),* $(,)?);)*) => {
        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use super::*;
            $(
                #[target_feature(enable = "avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                pub(super) fn $name($($arg: $type),*) {
                    $avx2($($arg),*);
                }
            )*
        }
        $(
            $(#[$doc])*
            #[allow(clippy::too_many_arguments)]
            pub(crate) fn $name(processor: Processor, $($arg: $type),*) {
                match processor {
                    // SAFETY: a `Processor::Avx2` exists only where its features were found.
                    #[cfg(target_arch = "x86_64")]
                    Processor::Avx2 => unsafe { avx2::$name($($arg),*) },
                    #[cfg(not(target_arch = "x86_64"))]
                    Processor::Avx2 => $body($($arg),*),
                    Processor::Portable => $body($($arg),*),
                }
            }
        )*
    };
}

kernels! {
    /// Multiplies rows with panels of a matrix.
    fn panels_times_rows = panels::multiply::<Separate>, panels::multiply::<Fused>;
        (panels: &[f32], x: &panels::Rows<'_>, y: &mut panels::Out<'_>);
    /// The same with a matrix in 8 bits.
    fn quantised_times_rows = quantised::multiply, quantised::avx2::multiply;
        (matrix: &quantised::Quantised, x: &Activations, y: &mut panels::Out<'_>);
    /// Brings a matrix to 8 bits.
    fn pack_quantised = quantised::pack, quantised::pack;
        (weight: &[f32], matrix: &mut quantised::Quantised);
    /// Brings rows to 8 bits.
    fn quantise_rows = quantised::quantise, quantised::quantise;
        (x: &panels::Rows<'_>, activations: &mut Activations);
    /// Normalises rows; see [`vector::layer_norm`].
    fn layer_norm = vector::layer_norm, vector::layer_norm;
        (x: &[f32], scale_and_shift: Option<(&[f32], &[f32])>, eps: f32, y: &mut [f32], dim: usize);
    /// GELU in its tanh approximation, in place.
    fn gelu = vector::gelu, vector::gelu;
        (x: &mut [f32]);
    /// `SiLU`.
    fn silu = vector::silu, vector::silu;
        (x: &[f32], y: &mut [f32]);
    /// ELU with alpha 1.
    fn elu = vector::elu, vector::elu;
        (x: &[f32], y: &mut [f32]);
    /// Attends to what is in a cache.
    fn attend = attention::attend::<Separate>, attention::attend::<Fused>;
        (heads: &Heads, queries: &[f32], keys: &[f32], values: &[f32], scores: &mut [f32], out: &mut [f32]);
}
