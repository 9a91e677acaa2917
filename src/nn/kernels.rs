//! The fast path on a processor: matrices, activations and attention on slices, without a tensor in sight.
//!
//! Each kernel is written once, as plain Rust that vectorises, and compiled for each kind of processor; which one runs is
//! found out when a model is loaded. Only the products are written by hand for some of them. Everything is time-major: a row is
//! one position.
//!
//! What is `unsafe` here is the call of what was compiled for a processor that was found to be there.

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
#[cfg(target_arch = "x86_64")]
mod tiling;

use attention::Heads;
use quantised::Activations;

/// The kinds of processors that kernels are compiled for, each of them better than those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Any.
    Portable,
    /// x86-64 with AVX2, FMA and F16C: nearly all since 2013.
    Avx2,
    /// The same with AVX-VNNI: products of bytes by fours. Intel's for desktops since 2021, AMD's since 2024.
    AvxVnni,
    /// AVX-512 with VNNI: the same in registers that are twice as wide. Intel's for servers since 2019, AMD's since 2022.
    Avx512Vnni,
}

impl Processor {
    const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The best kind that this machine is. `SPEAKERD_PROCESSOR` in the environment holds it back: with `portable`, `avx2`,
    /// `avx-vnni` or `avx512-vnni` it is none that is better.
    pub fn of_this_machine() -> Self {
        Self::all_here().pop().unwrap_or(Self::Portable)
    }

    /// All kinds that this machine can run and is not held back from, the best one last.
    pub fn all_here() -> Vec<Self> {
        let word = std::env::var("SPEAKERD_PROCESSOR").ok();
        Self::up_to(word.as_deref(), Self::is_here)
    }

    fn up_to(word: Option<&str>, is_here: impl Fn(Self) -> bool) -> Vec<Self> {
        let best = Self::ALL.iter().position(|kind| Some(kind.word()) == word);
        let kinds = &Self::ALL[..best.map_or(Self::ALL.len(), |best| best + 1)];
        kinds.iter().copied().filter(|kind| is_here(*kind)).collect()
    }

    fn word(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512-vnni",
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_here(self) -> bool {
        self == Self::Portable
    }

    /// Whether all that its kernels are compiled for was found.
    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            Self::AvxVnni => Self::Avx2.is_here() && is_x86_feature_detected!("avxvnni"),
            Self::Avx512Vnni => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
            }
        }
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

/// Compiles kernels for a kind of processor.
#[cfg(target_arch = "x86_64")]
macro_rules! compiled {
    ($kind:ident, $features:literal; $($name:ident = $body:path; ($($arg:ident: $type:ty),*);)*) => {
        mod $kind {
            use super::*;
            $(
                #[target_feature(enable = $features)]
                #[allow(clippy::too_many_arguments)]
                pub(super) fn $name($($arg: $type),*) {
                    $body($($arg),*);
                }
            )*
        }
    };
}

/// Compiles a kernel for each kind of processor, and makes the function that calls the right one. The bodies are in the order
/// of [`Processor`]; elsewhere than on x86-64 there is only the first.
macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        fn $name:ident = $any:path, $avx2:path, $avx_vnni:path, $avx512_vnni:path;
            ($($arg:ident: $type:ty),* $(,)?);
    )*) => {
        #[cfg(target_arch = "x86_64")]
        compiled! { avx2, "avx2,fma,f16c"; $($name = $avx2; ($($arg: $type),*);)* }
        #[cfg(target_arch = "x86_64")]
        compiled! { avx_vnni, "avx2,fma,f16c,avxvnni"; $($name = $avx_vnni; ($($arg: $type),*);)* }
        #[cfg(target_arch = "x86_64")]
        compiled! {
            avx512_vnni, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni";
            $($name = $avx512_vnni; ($($arg: $type),*);)*
        }
        $(
            $(#[$doc])*
            #[allow(clippy::too_many_arguments)]
            pub(crate) fn $name(processor: Processor, $($arg: $type),*) {
                match processor {
                    Processor::Portable => $any($($arg),*),
                    // SAFETY: a `Processor::Avx2` exists only where its features were found.
                    #[cfg(target_arch = "x86_64")]
                    Processor::Avx2 => unsafe { avx2::$name($($arg),*) },
                    // SAFETY: so does a `Processor::AvxVnni`.
                    #[cfg(target_arch = "x86_64")]
                    Processor::AvxVnni => unsafe { avx_vnni::$name($($arg),*) },
                    // SAFETY: so does a `Processor::Avx512Vnni`.
                    #[cfg(target_arch = "x86_64")]
                    Processor::Avx512Vnni => unsafe { avx512_vnni::$name($($arg),*) },
                    #[cfg(not(target_arch = "x86_64"))]
                    Processor::Avx2 | Processor::AvxVnni | Processor::Avx512Vnni => $any($($arg),*),
                }
            }
        )*
    };
}

kernels! {
    /// Multiplies rows with panels of a matrix.
    fn panels_times_rows = panels::multiply::<Separate>, panels::multiply::<Fused>,
        panels::multiply::<Fused>, panels::avx512::multiply;
        (panels: &[f32], x: &panels::Rows<'_>, y: &mut panels::Out<'_>);
    /// The same with a matrix in 8 bits, and rows that were brought to 8 bits for the same processor.
    fn quantised_times_rows = quantised::multiply, quantised::avx2::multiply,
        quantised::avx_vnni::multiply, quantised::avx512_vnni::multiply;
        (matrix: &quantised::Quantised, x: &Activations, y: &mut panels::Out<'_>);
    /// Brings a matrix to 8 bits.
    fn pack_quantised = quantised::pack, quantised::pack, quantised::pack, quantised::pack;
        (weight: &[f32], matrix: &mut quantised::Quantised);
    /// Brings rows to 8 bits.
    fn quantise_rows = quantised::quantise, quantised::quantise,
        quantised::avx_vnni::quantise, quantised::avx512_vnni::quantise;
        (x: &panels::Rows<'_>, activations: &mut Activations);
    /// Normalises rows; see [`vector::layer_norm`].
    fn layer_norm = vector::layer_norm, vector::layer_norm, vector::layer_norm, vector::layer_norm;
        (x: &[f32], scale_and_shift: Option<(&[f32], &[f32])>, eps: f32, y: &mut [f32], dim: usize);
    /// GELU in its tanh approximation, in place.
    fn gelu = vector::gelu, vector::gelu, vector::gelu, vector::gelu;
        (x: &mut [f32]);
    /// `SiLU`.
    fn silu = vector::silu, vector::silu, vector::silu, vector::silu;
        (x: &[f32], y: &mut [f32]);
    /// ELU with alpha 1.
    fn elu = vector::elu, vector::elu, vector::elu, vector::elu;
        (x: &[f32], y: &mut [f32]);
    /// Attends to what is in a cache.
    fn attend = attention::attend::<Separate>, attention::attend::<Fused>,
        attention::attend::<Fused>, attention::attend::<Fused>;
        (heads: &Heads, queries: &[f32], keys: &[f32], values: &[f32], scores: &mut [f32], out: &mut [f32]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_held_back_but_never_taken_for_what_it_is_not() {
        use Processor::{Avx2, Avx512Vnni, AvxVnni, Portable};
        let check = |word: Option<&str>, here: &[Processor], expected: &[Processor]| {
            assert_eq!(Processor::up_to(word, |kind| here.contains(&kind)), expected, "{word:?}");
        };
        let all = [Portable, Avx2, AvxVnni, Avx512Vnni];
        check(None, &all, &all);
        check(Some("avx512-vnni"), &all, &all);
        check(Some("avx-vnni"), &all, &all[..3]);
        check(Some("avx2"), &all, &all[..2]);
        check(Some("portable"), &all, &all[..1]);
        check(Some("AVX2"), &all, &all);
        check(Some("avx-vnni"), &[Portable, Avx2, Avx512Vnni], &all[..2]);
        check(Some("avx512-vnni"), &all[..2], &all[..2]);
        check(None, &all[..1], &all[..1]);
    }

    /// What is written once and compiled for each, at lengths that fill registers and lengths that do not.
    #[test]
    fn kernels_do_the_same_on_every_processor() {
        let wave =
            |n: usize, speed: f32| (0..n).map(|at| 3.0 * (at as f32 * speed).sin()).collect();
        for n in [1_usize, 7, 16, 33, 64, 250] {
            let (x, scale, shift): (Vec<f32>, Vec<f32>, Vec<f32>) =
                (wave(3 * n, 0.7), wave(n, 1.1), wave(n, 1.7));
            let (n_seen, head_dim) = (n.min(40), n);
            let (keys, values): (Vec<f32>, Vec<f32>) =
                (wave(n_seen * head_dim, 0.3), wave(n_seen * head_dim, 0.9));
            let heads =
                Heads { n_heads: 3, n_kv_heads: 1, head_dim, capacity: n_seen, seen: (0, n_seen) };
            let results = Processor::all_here().into_iter().map(|processor| {
                let mut y = vec![vec![0.0; 3 * n]; 5];
                layer_norm(processor, &x, Some((&scale, &shift)), 1e-5, &mut y[0], n);
                silu(processor, &x, &mut y[1]);
                elu(processor, &x, &mut y[2]);
                attend(processor, &heads, &x, &keys, &values, &mut vec![0.0; n_seen], &mut y[3]);
                y[4].copy_from_slice(&x);
                gelu(processor, &mut y[4]);
                (processor, y.concat())
            });
            let results: Vec<_> = results.collect();
            for (processor, y) in &results {
                for (one, other) in y.iter().zip(&results[0].1) {
                    assert!((one - other).abs() < 1e-4, "{processor:?} {n}: {one}, {other}");
                }
            }
        }
    }
}
