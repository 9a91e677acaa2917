//! Matrices, and what stands around them.

use candle_core::{Device, Result, Tensor};

use super::{LoadError, tensor};
use crate::weights::Scope;

/// `x W^T + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[n_in, n_out]`
    transposed: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer with a bias.
    ///
    /// # Errors
    /// Where its tensors are not as they should be.
    pub fn with_bias(
        scope: &Scope<'_>,
        n_out: usize,
        n_in: usize,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let bias = tensor(scope, "bias", &[n_out], device)?;
        Ok(Self { bias: Some(bias), ..Self::without_bias(scope, n_out, n_in, device)? })
    }

    /// A layer without one.
    ///
    /// # Errors
    /// Where its tensor is not as it should be.
    pub fn without_bias(
        scope: &Scope<'_>,
        n_out: usize,
        n_in: usize,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        Ok(Self::of(&tensor(scope, "weight", &[n_out, n_in], device)?)?)
    }

    /// A layer of this matrix, `[n_out, n_in]`.
    ///
    /// # Errors
    /// Where it is no matrix.
    pub fn of(weight: &Tensor) -> Result<Self> {
        Ok(Self { transposed: weight.t()?, bias: None })
    }

    /// `[n_rows, n_in]` → `[n_rows, n_out]`
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.matmul(&self.transposed)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}
