//! The language model on slices; its twin is [`super::super::flow_lm`].

use candle_core::Device;

use super::super::config::{FlowConfig, FlowKind, FlowLmConfig, MimiConfig};
use super::super::flow_net::TimeEmbed;
use super::super::model::DECODE_STEPS;
use super::super::voice::{VoiceLayer, VoiceState};
use crate::nn::LoadError;
use crate::nn::kernels::keeping::{Keeping, SMALL, Use};
use crate::nn::kernels::matrix::{Matrix, Scratch, Threads};
use crate::nn::kernels::transformer::{Norm, SliceState, SliceTransformer};
use crate::nn::kernels::{Processor, layer_norm, silu};
use crate::nn::transformer::LayerScale;
use crate::weights::{Scope, WeightsError};

/// Of the last norm.
const EPS: f32 = 1e-5;

/// Of the norms of the flow.
const FLOW_EPS: f32 = 1e-6;

/// A matrix and what is added to its products.
#[derive(Debug, Clone)]
struct Affine {
    matrix: Matrix,
    bias: Vec<f32>,
}

impl Affine {
    fn load(
        scope: &Scope<'_>,
        n_out: usize,
        n_in: usize,
        purpose: Use,
        keeping: &Keeping,
    ) -> Result<Self, WeightsError> {
        let weight = scope.get("weight", &[n_out, n_in])?;
        let bias = scope.get("bias", &[n_out])?;
        let tensor = [scope.name("weight")];
        Ok(Self { matrix: keeping.matrix(tensor, &weight, n_out, n_in, purpose), bias })
    }

    fn apply(&self, x: &[f32], y: &mut [f32], scratch: &mut Scratch) {
        self.matrix.apply(x, y, Some(&self.bias), scratch);
    }
}

/// The language model.
#[derive(Debug, Clone)]
pub struct FastFlowLm {
    /// `[n_bins + 1, R]`
    embed: Vec<f32>,
    rank: usize,
    embed_proj: Option<Matrix>,
    bos_emb: Vec<f32>,
    emb_std: Vec<f32>,
    emb_mean: Vec<f32>,
    input_linear: Matrix,
    transformer: SliceTransformer,
    out_norm: Norm,
    z_proj: Option<Matrix>,
    out_eos: Affine,
    flow: FastFlow,
    d_model: usize,
    z_dim: usize,
    processor: Processor,
}

/// What changes from step to step. A copy shares nothing.
#[derive(Debug, Clone)]
pub struct LanguageState {
    positions: SliceState,
    x: Vec<f32>,
    normed: Vec<f32>,
    /// What the next latent is made from.
    pub hidden: Vec<f32>,
    flow: FlowRoom,
}

impl LanguageState {
    /// Positions that were run.
    pub fn n_positions(&self) -> usize {
        self.positions.n_positions()
    }
}

impl FastFlowLm {
    /// Loads it.
    ///
    /// # Errors
    /// Where a tensor is not as it should be.
    pub fn load(
        scope: &Scope<'_>,
        config: &FlowLmConfig,
        mimi: &MimiConfig,
        keeping: &Keeping,
    ) -> Result<Self, LoadError> {
        let (d, latent) = (config.transformer.d_model, mimi.latent_dim);
        let rank = config.rank.unwrap_or(d);
        let z_dim = config.z_dim.unwrap_or(d);
        let conditioner = scope.pp("conditioner");
        let matrix = |scope: &Scope<'_>, n_out: usize, n_in: usize| {
            let weight = scope.get("weight", &[n_out, n_in])?;
            let tensor = [scope.name("weight")];
            Ok::<_, WeightsError>(keeping.matrix(tensor, &weight, n_out, n_in, SMALL))
        };
        let embed_proj =
            config.rank.map(|rank| matrix(&conditioner.pp("proj"), d, rank)).transpose()?;
        let z_proj = config.z_dim.map(|z_dim| matrix(&scope.pp("z_proj"), z_dim, d)).transpose()?;
        Ok(Self {
            embed: conditioner.pp("embed").get("weight", &[config.n_bins + 1, rank])?,
            rank,
            embed_proj,
            bos_emb: scope.get("bos_emb", &[latent])?,
            emb_std: scope.get("emb_std", &[latent])?,
            emb_mean: scope.get("emb_mean", &[latent])?,
            input_linear: matrix(&scope.pp("input_linear"), d, latent)?,
            transformer: SliceTransformer::load(
                &scope.pp("transformer"),
                &config.transformer,
                LayerScale::None,
                keeping,
            )?,
            out_norm: Norm::load(&scope.pp("out_norm"), d)?,
            z_proj,
            out_eos: Affine::load(&scope.pp("out_eos"), 1, z_dim, SMALL, keeping)?,
            flow: FastFlow::load(&scope.pp("flow_net"), &config.flow, z_dim, latent, keeping)?,
            d_model: d,
            z_dim,
            processor: keeping.processor(),
        })
    }

    /// A state after a voice, with room for `n_more` positions.
    pub fn begin(&self, voice: &VoiceState, n_more: usize, threads: Threads) -> LanguageState {
        let mut positions = self.transformer.state(voice.n_positions + n_more, threads);
        let layers = voice.layers.iter().map(|layer| (&layer.keys[..], &layer.values[..]));
        self.transformer.remember(&mut positions, voice.n_positions, layers);
        LanguageState {
            positions,
            x: Vec::new(),
            normed: vec![0.0; self.d_model],
            hidden: vec![0.0; self.z_dim],
            flow: FlowRoom::default(),
        }
    }

    /// A state before a voice, with room for its positions.
    pub fn begin_voice(&self, n_positions: usize, threads: Threads) -> LanguageState {
        self.begin(&VoiceState { n_positions: 0, layers: Vec::new() }, n_positions, threads)
    }

    /// Runs positions of a voice, `[T, D]`.
    pub fn listen(&self, rows: &[f32], state: &mut LanguageState) {
        state.x.clear();
        state.x.extend_from_slice(rows);
        self.transformer.forward(&mut state.x, &mut state.positions);
    }

    /// The voice of a state that saw nothing but one.
    pub fn voice(&self, state: &LanguageState) -> VoiceState {
        let layers = self.transformer.remembered(&state.positions).into_iter();
        VoiceState {
            n_positions: state.n_positions(),
            layers: layers.map(|(keys, values)| VoiceLayer { keys, values }).collect(),
        }
    }

    /// Runs text tokens.
    pub fn prefill(&self, ids: &[u32], state: &mut LanguageState) {
        let rows: Vec<f32> = ids
            .iter()
            .flat_map(|id| &self.embed[*id as usize * self.rank..][..self.rank])
            .copied()
            .collect();
        state.x = match &self.embed_proj {
            Some(proj) => {
                let mut x = vec![0.0; ids.len() * self.d_model];
                proj.apply(&rows, &mut x, None, &mut state.flow.scratch);
                x
            }
            None => rows,
        };
        self.transformer.forward(&mut state.x, &mut state.positions);
    }

    /// Runs one latent, or what stands in front of the first. Returns the logit of the end; `hidden` is in the state.
    pub fn step(&self, latent: Option<&[f32]>, state: &mut LanguageState) -> f32 {
        let latent = latent.unwrap_or(&self.bos_emb);
        let scratch = &mut state.flow.scratch;
        state.x.clear();
        state.x.resize(self.d_model, 0.0);
        self.input_linear.apply(latent, &mut state.x, None, scratch);
        self.transformer.forward(&mut state.x, &mut state.positions);
        self.out_norm.apply(self.processor, &state.x, &mut state.normed, EPS);
        match &self.z_proj {
            Some(proj) => proj.apply(&state.normed, &mut state.hidden, None, scratch),
            None => state.hidden.copy_from_slice(&state.normed),
        }
        let mut logit = [0.0];
        self.out_eos.apply(&state.hidden, &mut logit, scratch);
        logit[0]
    }

    /// Makes the next latent of noise, in place.
    pub fn sample(&self, x: &mut [f32], state: &mut LanguageState) {
        self.flow.sample(&state.hidden, x, &mut state.flow);
    }

    /// A latent as the codec wants it.
    pub fn denormalized(&self, latent: &[f32]) -> Vec<f32> {
        let values = latent.iter().zip(&self.emb_std).zip(&self.emb_mean);
        values.map(|((value, std), mean)| value * std + mean).collect()
    }
}

/// The network that makes latents.
#[derive(Debug, Clone)]
struct FastFlow {
    kind: FlowKind,
    dim: usize,
    cond_embed: Affine,
    input_proj: Affine,
    /// The mean of the times' codes, for each step.
    times: Vec<Vec<f32>>,
    blocks: Vec<FlowBlock>,
    /// What shifts, scales and gates all blocks and the last layer, in one: they are all made of the same.
    modulation: Affine,
    last: Affine,
    processor: Processor,
}

#[derive(Debug, Clone)]
struct FlowBlock {
    norm: Norm,
    first: Affine,
    second: Affine,
}

#[derive(Debug, Clone, Default)]
struct FlowRoom {
    cond: Vec<f32>,
    y: Vec<f32>,
    modulation: Vec<f32>,
    h: Vec<f32>,
    u: Vec<f32>,
    v: Vec<f32>,
    velocity: Vec<f32>,
    scratch: Scratch,
}

impl FastFlow {
    fn load(
        scope: &Scope<'_>,
        config: &FlowConfig,
        cond_dim: usize,
        latent_dim: usize,
        keeping: &Keeping,
    ) -> Result<Self, LoadError> {
        let dim = config.dim;
        let affine = |scope: &Scope<'_>, n_out: usize, n_in: usize, purpose: Use| {
            Affine::load(scope, n_out, n_in, purpose, keeping)
        };
        let (mut weight, mut bias, mut tensors) = (Vec::new(), Vec::new(), Vec::new());
        let mut modulate = |scope: &Scope<'_>, n_parts: usize| {
            weight.extend(scope.get("weight", &[n_parts * dim, dim])?);
            tensors.push(scope.name("weight"));
            bias.extend(scope.get("bias", &[n_parts * dim])?);
            Ok::<_, WeightsError>(())
        };
        let mut blocks = Vec::new();
        for idx in 0..config.depth {
            let scope = scope.pp("res_blocks").pp(idx);
            modulate(&scope.pp("adaLN_modulation.1"), 3)?;
            blocks.push(FlowBlock {
                norm: Norm::load(&scope.pp("in_ln"), dim)?,
                first: affine(&scope.pp("mlp.0"), dim, dim, Use::EachStep)?,
                second: affine(&scope.pp("mlp.2"), dim, dim, Use::EachStep)?,
            });
        }
        let last = scope.pp("final_layer");
        modulate(&last.pp("adaLN_modulation.1"), 2)?;
        let n_modulations = bias.len();
        Ok(Self {
            kind: config.kind,
            dim,
            cond_embed: affine(&scope.pp("cond_embed"), dim, cond_dim, Use::EachStep)?,
            input_proj: affine(&scope.pp("input_proj"), dim, latent_dim, SMALL)?,
            times: time_codes(scope, config)?,
            blocks,
            modulation: Affine {
                matrix: keeping.matrix(tensors, &weight, n_modulations, dim, Use::EachStep),
                bias,
            },
            last: affine(&last.pp("linear"), latent_dim, dim, SMALL)?,
            processor: keeping.processor(),
        })
    }

    fn sample(&self, cond: &[f32], x: &mut [f32], room: &mut FlowRoom) {
        room.cond.resize(self.dim, 0.0);
        self.cond_embed.apply(cond, &mut room.cond, &mut room.scratch);
        match self.kind {
            FlowKind::Drifting => {
                self.velocity(x, None, room);
                x.copy_from_slice(&room.velocity);
            }
            FlowKind::Pointwise => {
                self.velocity(x, None, room);
                x.iter_mut().zip(&room.velocity).for_each(|(x, velocity)| *x += velocity);
            }
            FlowKind::Lsd | FlowKind::FlowMatching => {
                let share = 1.0 / self.times.len() as f32;
                for times in &self.times {
                    self.velocity(x, Some(times), room);
                    x.iter_mut().zip(&room.velocity).for_each(|(x, it)| *x += it * share);
                }
            }
        }
    }

    fn velocity(&self, x: &[f32], times: Option<&[f32]>, room: &mut FlowRoom) {
        let dim = self.dim;
        let FlowRoom { cond, y, modulation, h, u, v, velocity, scratch } = room;
        for buffer in [&mut *y, &mut *h, &mut *u, &mut *v] {
            buffer.resize(dim, 0.0);
        }
        modulation.resize(self.modulation.bias.len(), 0.0);
        velocity.resize(x.len(), 0.0);
        match times {
            Some(times) => {
                for ((u, cond), time) in u.iter_mut().zip(&*cond).zip(times) {
                    *u = cond + time;
                }
                silu(self.processor, u, y);
            }
            None => silu(self.processor, cond, y),
        }
        self.modulation.apply(y, modulation, scratch);
        self.input_proj.apply(x, h, scratch);
        let mut parts = modulation.chunks_exact(dim);
        let mut next = || parts.next().unwrap_or_default();
        for block in &self.blocks {
            let (shift, scale, gate) = (next(), next(), next());
            block.norm.apply(self.processor, h, u, FLOW_EPS);
            modulate(u, shift, scale);
            block.first.apply(u, v, scratch);
            silu(self.processor, v, u);
            block.second.apply(u, v, scratch);
            for ((h, gate), v) in h.iter_mut().zip(gate).zip(&*v) {
                *h += gate * v;
            }
        }
        let (shift, scale) = (next(), next());
        layer_norm(self.processor, h, None, FLOW_EPS, u, dim);
        modulate(u, shift, scale);
        self.last.apply(u, velocity, scratch);
    }
}

fn modulate(x: &mut [f32], shift: &[f32], scale: &[f32]) {
    for ((x, shift), scale) in x.iter_mut().zip(shift).zip(scale) {
        *x = *x * (1.0 + scale) + shift;
    }
}

/// The mean of the codes of each step's times; they never change.
fn time_codes(scope: &Scope<'_>, config: &FlowConfig) -> Result<Vec<Vec<f32>>, LoadError> {
    let embeds = TimeEmbed::load_all(scope, config, &Device::Cpu)?;
    if embeds.is_empty() {
        return Ok(Vec::new());
    }
    let code = |embed: &TimeEmbed, time: f32| embed.forward(time)?.flatten_all()?.to_vec1::<f32>();
    let steps = (0..DECODE_STEPS).map(|step| {
        let mut mean = vec![0.0; config.dim];
        for (idx, embed) in embeds.iter().enumerate() {
            let code = code(embed, (step + idx) as f32 / DECODE_STEPS as f32)?;
            for (mean, code) in mean.iter_mut().zip(code) {
                *mean += code / embeds.len() as f32;
            }
        }
        Ok(mean)
    });
    steps.collect()
}
