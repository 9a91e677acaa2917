//! How the weights of a model are kept: decided here for each matrix as it is loaded, and remembered for who asks.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::Processor;
use super::matrix::{Matrix, Precision};

/// What a matrix is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Each step reads all of it: in as few bits as are asked for and its rows allow.
    EachStep,
    /// Whatever is asked for, it stays as it is.
    AsItIs(&'static str),
}

/// Convolutions compute more than they read.
pub const CONVOLUTION: Use =
    Use::AsItIs("a convolution: it computes more than it reads, so 8 bits would not pay");

/// What each latent passes through, in or out.
pub const SMALL: Use =
    Use::AsItIs("small: 8 bits would save next to nothing, and each latent passes through it");

/// How the weights of a model are to be kept, and how those that were loaded are.
#[derive(Debug)]
pub struct Keeping {
    precision: Precision,
    processor: Processor,
    /// Contended by the two threads that load, for the moment in which a name is written down.
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// How a tensor is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In 8 bits.
    EightBits,
    /// As it is, for a reason.
    AsItIs(String),
}

impl Keeping {
    /// Nothing is loaded yet.
    pub fn new(precision: Precision, processor: Processor) -> Self {
        Self { precision, processor, kept: Mutex::default() }
    }

    /// What the matrices will be multiplied by.
    pub fn processor(&self) -> Processor {
        self.processor
    }

    /// The matrix `[n_out, n_in]` that was made of some tensors.
    ///
    /// # Panics
    /// Where there are not as many values.
    pub fn matrix(
        &self,
        tensors: impl IntoIterator<Item = String>,
        weight: &[f32],
        n_out: usize,
        n_in: usize,
        purpose: Use,
    ) -> Matrix {
        let precision = match purpose {
            Use::EachStep => self.precision,
            Use::AsItIs(_) => Precision::Full,
        };
        let matrix = Matrix::new(weight, n_out, n_in, precision, self.processor);
        let kept = match (matrix.precision(), purpose) {
            (Precision::EightBits, _) => Kept::EightBits,
            (Precision::Full, Use::AsItIs(why)) => Kept::AsItIs(why.to_owned()),
            (Precision::Full, Use::EachStep) => Kept::AsItIs(match self.precision {
                Precision::Full => "nothing else was asked for".to_owned(),
                Precision::EightBits => Matrix::why_not_in_eight_bits(n_in),
            }),
        };
        let tensors = tensors.into_iter().map(|tensor| (tensor, kept.clone()));
        self.kept.lock().extend(tensors);
        matrix
    }

    /// How a tensor is kept; `None` for what is no matrix.
    pub fn of(&self, tensor: &str) -> Option<Kept> {
        self.kept.lock().get(tensor).cloned()
    }
}
