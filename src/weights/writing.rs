//! Safetensors files that are written: a few tensors, and text that goes with them.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// What a tensor holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// F32
    Floats(Vec<f32>),
    /// I64
    Integers(Vec<i64>),
}

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, as many as the shape says.
    pub values: Values,
}

/// The bytes of a file with these tensors, and notes in its header.
///
/// # Errors
/// Where a shape does not fit its values.
pub fn to_bytes(
    tensors: &[NamedTensor],
    notes: Option<BTreeMap<String, String>>,
) -> Result<Vec<u8>, String> {
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|tensor| match &tensor.values {
            Values::Floats(it) => (Dtype::F32, it.iter().flat_map(|it| it.to_le_bytes()).collect()),
            Values::Integers(it) => {
                (Dtype::I64, it.iter().flat_map(|it| it.to_le_bytes()).collect())
            }
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (tensor, (dtype, bytes)) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(*dtype, tensor.shape.clone(), bytes);
        views.push((tensor.name.as_str(), view.map_err(|error| error.to_string())?));
    }
    let notes = notes.map(|notes| notes.into_iter().collect());
    safetensors::serialize(views, notes).map_err(|error| error.to_string())
}
