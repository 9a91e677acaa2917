//! Causal convolutions over a stream: what they need of the past is their state, which the caller keeps.
//!
//! Letters: B = 1, C channels, T steps, K taps, S stride.

use candle_core::{Device, Result, Tensor};

use super::{LoadError, tensor};
use crate::weights::Scope;

/// What a convolution remembers between two calls; `None` at the start of a stream.
pub type Memory = Option<Tensor>;

/// What stands before the first sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Silence.
    Zeros,
    /// The first sample, again and again.
    First,
}

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    /// Channels that come in.
    pub n_in: usize,
    /// Channels that go out.
    pub n_out: usize,
    /// Taps.
    pub kernel: usize,
    /// Steps in for each step out; the other way round where it is transposed.
    pub stride: usize,
    /// Steps from one tap to the next.
    pub dilation: usize,
}

impl ConvShape {
    /// A convolution that keeps the rate.
    pub fn new(n_in: usize, n_out: usize, kernel: usize) -> Self {
        Self { n_in, n_out, kernel, stride: 1, dilation: 1 }
    }

    /// The same with a stride.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same with dilated taps.
    #[must_use]
    pub fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }
}

/// A causal convolution.
#[derive(Debug, Clone)]
pub struct CausalConv {
    /// `[n_out, n_in, K]`
    weight: Tensor,
    /// `[1, n_out, 1]`
    bias: Option<Tensor>,
    shape: ConvShape,
    padding: Padding,
}

impl CausalConv {
    /// A convolution with a bias, after silence.
    ///
    /// # Errors
    /// Where its tensors are not as they should be.
    pub fn with_bias(
        scope: &Scope<'_>,
        shape: ConvShape,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let bias = tensor(scope, "bias", &[shape.n_out], device)?.reshape((1, (), 1))?;
        let conv = Self::without_bias(scope, shape, Padding::Zeros, device)?;
        Ok(Self { bias: Some(bias), ..conv })
    }

    /// A convolution without one.
    ///
    /// # Errors
    /// Where its tensor is not as it should be.
    pub fn without_bias(
        scope: &Scope<'_>,
        shape: ConvShape,
        padding: Padding,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let weight = tensor(scope, "weight", &[shape.n_out, shape.n_in, shape.kernel], device)?;
        Ok(Self { weight, bias: None, shape, padding })
    }

    /// `[B, n_in, T]` → `[B, n_out, T / S]`; T is a multiple of the stride.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward(&self, x: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let n_past = (self.shape.kernel - 1) * self.shape.dilation + 1 - self.shape.stride;
        let (batch, n_in, n_steps) = x.dims3()?;
        let past = match memory.take() {
            Some(past) => past,
            None => match self.padding {
                Padding::Zeros => Tensor::zeros((batch, n_in, n_past), x.dtype(), x.device())?,
                Padding::First => {
                    x.narrow(2, 0, 1)?.broadcast_as((batch, n_in, n_past))?.contiguous()?
                }
            },
        };
        let x = if n_past == 0 { x.clone() } else { Tensor::cat(&[&past, x], 2)? };
        *memory = Some(x.narrow(2, n_steps, n_past)?.contiguous()?);
        let ConvShape { stride, dilation, .. } = self.shape;
        let y = x.conv1d(&self.weight, 0, stride, dilation, 1)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// A causal transposed convolution: each step in becomes S steps out.
#[derive(Debug, Clone)]
pub struct CausalConvTransposed {
    /// `[n_in, n_out / groups, K]`
    weight: Tensor,
    /// `[1, n_out, 1]`
    bias: Option<Tensor>,
    stride: usize,
    groups: usize,
    kernel: usize,
}

impl CausalConvTransposed {
    /// A convolution over all channels, with a bias.
    ///
    /// # Errors
    /// Where its tensors are not as they should be.
    pub fn with_bias(
        scope: &Scope<'_>,
        shape: ConvShape,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let ConvShape { n_in, n_out, kernel, stride, .. } = shape;
        let weight = tensor(scope, "weight", &[n_in, n_out, kernel], device)?;
        let bias = tensor(scope, "bias", &[n_out], device)?.reshape((1, (), 1))?;
        Ok(Self { weight, bias: Some(bias), stride, groups: 1, kernel })
    }

    /// A convolution of each channel for itself, without a bias.
    ///
    /// # Errors
    /// Where its tensor is not as it should be.
    pub fn depthwise(
        scope: &Scope<'_>,
        n_channels: usize,
        kernel: usize,
        stride: usize,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let weight = tensor(scope, "weight", &[n_channels, 1, kernel], device)?;
        Ok(Self { weight, bias: None, stride, groups: n_channels, kernel })
    }

    /// `[B, n_in, T]` → `[B, n_out, T · S]`
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn forward(&self, x: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let n_out = x.dim(2)? * self.stride;
        let n_tail = self.kernel - self.stride;
        // [B, n_out, T · S + K - S], without the bias: what is kept gets it when its time comes.
        let full = x.conv_transpose1d(&self.weight, 0, 0, self.stride, 1, self.groups)?;
        let full = match memory.take() {
            Some(tail) if n_tail > 0 => {
                let begin = (full.narrow(2, 0, n_tail)? + tail)?;
                let rest = full.narrow(2, n_tail, full.dim(2)? - n_tail)?;
                Tensor::cat(&[&begin, &rest], 2)?
            }
            Some(_) | None => full,
        };
        *memory = Some(full.narrow(2, n_out, n_tail)?.contiguous()?);
        let y = full.narrow(2, 0, n_out)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => y.contiguous(),
        }
    }
}
