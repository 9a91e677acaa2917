//! Layers that more than one engine uses, in plain candle: they run wherever candle does, and the fast ones are held
//! against them.
//!
//! Knows candle, and no model.

pub mod conv;
pub mod kernels;
pub mod linear;
pub mod norm;
pub mod transformer;

use candle_core::{Device, Tensor};

use crate::weights::{Scope, WeightsError};

/// Why a layer could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device does not take it.
    #[error("the weights do not fit onto the device: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// A tensor of a model file, on a device.
///
/// # Errors
/// Where the file or the device does not let us.
pub fn tensor(
    scope: &Scope<'_>,
    name: &str,
    shape: &[usize],
    device: &Device,
) -> Result<Tensor, LoadError> {
    Ok(Tensor::from_vec(scope.get(name, shape)?, shape, device)?)
}
