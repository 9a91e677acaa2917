//! `SEANet`: convolutions that lead from audio to the codec's inner rate, and back.
//!
//! Mirrors `mimi.encoder.model` and `mimi.decoder.model`, where activations have a number and no tensors.
//! Reference: arXiv:2009.02095; `pocket-tts` 4.0.1, `pocket_tts/modules/seanet.py`.

use candle_core::{Device, Result, Tensor};

use super::super::config::SeaNetConfig;
use crate::nn::LoadError;
use crate::nn::conv::{CausalConv, CausalConvTransposed, ConvShape, Memory};
use crate::weights::Scope;

/// What each convolution remembers, in their order; empty at the start of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct SeaNetMemory(Vec<Memory>);

impl SeaNetMemory {
    fn at(&mut self, idx: usize) -> &mut Memory {
        if self.0.len() <= idx {
            self.0.resize(idx + 1, None);
        }
        &mut self.0[idx]
    }
}

/// `x + conv(ELU(conv(ELU(x))))`
#[derive(Debug, Clone)]
struct Residual {
    first: CausalConv,
    second: CausalConv,
}

impl Residual {
    fn load(
        scope: &Scope<'_>,
        config: &SeaNetConfig,
        width: usize,
        idx: usize,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let narrow = (width / config.compress).max(1);
        let dilation = (0..idx).fold(1, |dilation, _| dilation * config.dilation_base);
        let first = ConvShape::new(width, narrow, config.residual_kernel_size);
        Ok(Self {
            first: CausalConv::with_bias(
                &scope.pp("block.1.conv"),
                first.with_dilation(dilation),
                device,
            )?,
            second: CausalConv::with_bias(
                &scope.pp("block.3.conv"),
                ConvShape::new(narrow, width, 1),
                device,
            )?,
        })
    }

    fn forward(&self, x: &Tensor, memory: &mut Memory) -> Result<Tensor> {
        let y = self.first.forward(&x.elu(1.0)?, memory)?;
        x + self.second.forward(&y.elu(1.0)?, &mut None)?
    }
}

/// Audio to the inner rate.
#[derive(Debug, Clone)]
pub(super) struct SeaNetEncoder {
    first: CausalConv,
    stages: Vec<(Vec<Residual>, CausalConv)>,
    last: CausalConv,
}

impl SeaNetEncoder {
    pub(super) fn load(
        scope: &Scope<'_>,
        config: &SeaNetConfig,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let conv = |idx: usize, shape: ConvShape| {
            CausalConv::with_bias(&scope.pp(idx).pp("conv"), shape, device)
        };
        let mut width = config.n_filters;
        let first = conv(0, ConvShape::new(1, width, config.kernel_size))?;
        let mut idx = 1;
        let mut stages = Vec::new();
        for ratio in config.ratios.iter().rev() {
            let residuals = (0..config.n_residual_layers)
                .map(|block| Residual::load(&scope.pp(idx + block), config, width, block, device))
                .collect::<std::result::Result<_, _>>()?;
            idx += config.n_residual_layers + 1;
            let down = ConvShape::new(width, 2 * width, 2 * ratio).with_stride(*ratio);
            stages.push((residuals, conv(idx, down)?));
            idx += 1;
            width *= 2;
        }
        let last = ConvShape::new(width, config.dimension, config.last_kernel_size);
        Ok(Self { first, stages, last: conv(idx + 1, last)? })
    }

    pub(super) fn forward(&self, audio: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(audio, &mut None)?;
        for (residuals, down) in &self.stages {
            for residual in residuals {
                x = residual.forward(&x, &mut None)?;
            }
            x = down.forward(&x.elu(1.0)?, &mut None)?;
        }
        self.last.forward(&x.elu(1.0)?, &mut None)
    }
}

/// The inner rate to audio.
#[derive(Debug, Clone)]
pub(super) struct SeaNetDecoder {
    first: CausalConv,
    stages: Vec<(CausalConvTransposed, Vec<Residual>)>,
    last: CausalConv,
}

impl SeaNetDecoder {
    pub(super) fn load(
        scope: &Scope<'_>,
        config: &SeaNetConfig,
        device: &Device,
    ) -> std::result::Result<Self, LoadError> {
        let conv = |idx: usize, shape: ConvShape| {
            CausalConv::with_bias(&scope.pp(idx).pp("conv"), shape, device)
        };
        let mut width = config.n_filters << config.ratios.len();
        let first = conv(0, ConvShape::new(config.dimension, width, config.kernel_size))?;
        let mut idx = 2;
        let mut stages = Vec::new();
        for ratio in &config.ratios {
            let up = ConvShape::new(width, width / 2, 2 * ratio).with_stride(*ratio);
            let up = CausalConvTransposed::with_bias(&scope.pp(idx).pp("convtr"), up, device)?;
            width /= 2;
            let residuals = (0..config.n_residual_layers)
                .map(|block| {
                    Residual::load(&scope.pp(idx + 1 + block), config, width, block, device)
                })
                .collect::<std::result::Result<_, _>>()?;
            stages.push((up, residuals));
            idx += config.n_residual_layers + 2;
        }
        let last = conv(idx, ConvShape::new(width, 1, config.last_kernel_size))?;
        Ok(Self { first, stages, last })
    }

    pub(super) fn forward(&self, x: &Tensor, memory: &mut SeaNetMemory) -> Result<Tensor> {
        let mut idx = 0;
        let mut x = self.first.forward(x, memory.at(idx))?;
        for (up, residuals) in &self.stages {
            idx += 1;
            x = up.forward(&x.elu(1.0)?, memory.at(idx))?;
            for residual in residuals {
                idx += 1;
                x = residual.forward(&x, memory.at(idx))?;
            }
        }
        self.last.forward(&x.elu(1.0)?, memory.at(idx + 1))
    }
}
