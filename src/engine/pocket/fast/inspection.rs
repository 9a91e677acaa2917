//! A look at a model as it is loaded for speaking: which of its tensors 8 bits leave as they are, and why.

use super::super::files::ModelFiles;
use super::super::model::ModelError;
use super::{Codec, ENCODER, FastModel, OF_CLONING, cloning};
use crate::nn::kernels::Processor;
use crate::nn::kernels::keeping::{Keeping, Kept};
use crate::nn::kernels::matrix::Precision;
use crate::weights::{Checkpoint, WeightsError};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Values in all tensors.
    pub n_parameters: usize,
    /// Of these, values that 8 bits are for.
    pub n_in_eight_bits: usize,
    /// Whether the weights can make a voice of a recording.
    pub can_clone: bool,
    /// The tensors that stay as they are, as they lie in the file.
    pub as_they_are: Vec<Tensor>,
}

/// A tensor that 8 bits leave as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Why.
    pub why: String,
    /// Whether only cloning needs it.
    pub is_of_cloning: bool,
}

impl Inspection {
    /// Loads a model, and looks.
    ///
    /// # Errors
    /// Where a file is damaged, or belongs to another model.
    pub fn of(files: ModelFiles) -> Result<Self, ModelError> {
        let keeping = Keeping::new(Precision::EightBits, Processor::of_this_machine());
        let (model, checkpoint) = FastModel::load_keeping(files, &keeping, Codec::Inline)?;
        let mut seen = Self {
            n_parameters: 0,
            n_in_eight_bits: 0,
            can_clone: model.can_clone(),
            as_they_are: Vec::new(),
        };
        for name in checkpoint.names() {
            let shape = checkpoint.shape(&name)?.to_vec();
            let n_values: usize = shape.iter().product();
            seen.n_parameters += n_values;
            let is_of_cloning = is_of_cloning(&name);
            let why = match keeping.of(&name) {
                Some(Kept::EightBits) => {
                    seen.n_in_eight_bits += n_values;
                    continue;
                }
                Some(Kept::AsItIs(why)) => why,
                None if is_of_cloning => {
                    "only voices are made with it, once each, and as exactly as can be".to_owned()
                }
                None => "no matrix that rows are multiplied with".to_owned(),
            };
            seen.as_they_are.push(Tensor { name, shape, why, is_of_cloning });
        }
        Ok(seen)
    }
}

/// Whether a model's weights can make a voice of a recording; only what tells is read.
///
/// # Errors
/// Where the file is damaged, or belongs to another model.
pub fn can_clone(files: &ModelFiles) -> Result<bool, WeightsError> {
    let checkpoint = Checkpoint::open(&files.weights)?;
    let root = checkpoint.root();
    cloning::can_clone(&root.pp("flow_lm"), &root.pp("mimi"), &files.config)
}

fn is_of_cloning(name: &str) -> bool {
    let below = |scope: &str| name.strip_prefix(scope).and_then(|it| it.strip_prefix('.'));
    below("flow_lm").is_some_and(|name| OF_CLONING.contains(&name))
        || below("mimi")
            .and_then(|name| name.split('.').next())
            .is_some_and(|part| ENCODER.contains(&part))
}
