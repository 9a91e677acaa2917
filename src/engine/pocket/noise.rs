//! The noise that latents are made from: the same seed gives the same noise, on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Normal noise of a given variance.
#[derive(Debug, Clone)]
pub struct Noise {
    generator: ChaCha8Rng,
    deviation: f32,
}

impl Noise {
    /// Noise of variance `temperature` for one chunk of a text; at 0 it is silence.
    pub fn new(seed: u64, chunk_idx: u64, temperature: f32) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(chunk_idx);
        Self { generator, deviation: temperature.max(0.0).sqrt() }
    }

    /// Fills a row.
    pub fn fill(&mut self, row: &mut [f32]) {
        for value in row {
            let normal: f32 = StandardNormal.sample(&mut self.generator);
            *value = normal * self.deviation;
        }
    }
}
