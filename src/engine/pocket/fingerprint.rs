//! What a model is known again by: a voice's state is only of use to the weights that made it.

use xxhash_rust::xxh3::Xxh3;

use crate::weights::{Checkpoint, WeightsError};

/// How much of each tensor is looked at. Training changes every value, so that a few tell one model from another in
/// milliseconds, where a digest of the whole file would take as long as loading it.
const SAMPLE_BYTES: usize = 256;

/// The tensors that only cloning needs: weights with and without them speak the same voices.
const OF_CLONING: [&str; 2] = ["flow_lm.speaker_proj_weight", "flow_lm.bos_before_voice"];

/// The fingerprint of a model's weights: 32 hexadecimal digits.
///
/// # Errors
/// Where the file cannot be read.
pub fn of_weights(weights: &Checkpoint) -> Result<String, WeightsError> {
    let mut names = weights.names();
    names.retain(|name| name.starts_with("flow_lm.") && !OF_CLONING.contains(&name.as_str()));
    names.sort_unstable();
    let mut hash = Xxh3::new();
    for name in names {
        let (kind, bytes) = weights.sample(&name, SAMPLE_BYTES)?;
        for part in [name.as_bytes(), kind.as_bytes(), &bytes] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(format!("{:032x}", hash.digest128()))
}
