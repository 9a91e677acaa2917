//! Layer normalisation.

use candle_core::{D, Device, Result, Tensor};

use super::{LoadError, tensor};
use crate::weights::Scope;

/// Normalises each row, and scales and shifts it if it has learnt to.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    scale_and_shift: Option<(Tensor, Tensor)>,
    eps: f64,
}

impl LayerNorm {
    /// With a learnt scale and shift for each of `dim` values.
    ///
    /// # Errors
    /// Where its tensors are not as they should be.
    pub fn learnt(
        scope: &Scope<'_>,
        dim: usize,
        eps: f64,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let scale = tensor(scope, "weight", &[dim], device)?;
        let shift = tensor(scope, "bias", &[dim], device)?;
        Ok(Self { scale_and_shift: Some((scale, shift)), eps })
    }

    /// Without.
    pub fn plain(eps: f64) -> Self {
        Self { scale_and_shift: None, eps }
    }

    /// `[n_rows, dim]` → `[n_rows, dim]`
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let y = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        match &self.scale_and_shift {
            Some((scale, shift)) => y.broadcast_mul(scale)?.broadcast_add(shift),
            None => Ok(y),
        }
    }
}
