//! Model files: safetensors, read tensor by tensor, with each mistake in them named.
//!
//! Knows no model, no tensor library and no network. Files are read, not mapped: one that is cut short while it is mapped
//! would kill the process, and its pages would count as memory of ours.

mod error;
pub mod writing;

pub use error::WeightsError;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use parking_lot::Mutex;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

/// The largest header that is read: the largest models have a few hundred bytes for each of a few thousand tensors.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// How much of a tensor is in memory twice while it is converted.
const CONVERSION_BYTES: usize = 1 << 20;

/// One safetensors file. Keeps count of the tensors that were taken from it.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
    /// Where the tensors' bytes begin.
    begin: u64,
    header: Metadata,
    /// Contended by those who load parts of one model at the same time, once for each tensor.
    taken: Mutex<BTreeSet<String>>,
}

impl Checkpoint {
    /// Opens a file and reads what it says of its tensors.
    ///
    /// # Errors
    /// Where it cannot be read, is no safetensors file, or is shorter or longer than it says.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let unreadable = |source| WeightsError::Unreadable { path: path.to_owned(), source };
        let malformed = |reason: String| WeightsError::Malformed { path: path.to_owned(), reason };
        let file = File::open(path).map_err(unreadable)?;
        let n_bytes = file.metadata().map_err(unreadable)?.len();
        if n_bytes < 8 {
            return Err(malformed(format!("it has only {n_bytes} bytes")));
        }
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0).map_err(unreadable)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES || length > n_bytes - 8 {
            return Err(malformed("its header is longer than it can be".to_owned()));
        }
        let mut header = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut header, 8).map_err(unreadable)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| malformed(error.to_string()))?;
        let begin = 8 + length;
        let expected = begin + header.data_len() as u64;
        if n_bytes != expected {
            return Err(malformed(format!("it has {n_bytes} bytes instead of {expected}")));
        }
        Ok(Self { path: path.to_owned(), file, begin, header, taken: Mutex::default() })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }

    /// The names of all tensors, in the order in which they lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The text that goes with the tensors.
    pub fn notes(&self) -> Option<&HashMap<String, String>> {
        self.header.metadata().as_ref()
    }

    /// The shape of a tensor.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn shape(&self, name: &str) -> Result<&[usize], WeightsError> {
        Ok(&self.info(name)?.shape)
    }

    /// All tensors.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
    }

    /// The values of a tensor, whatever float they are stored as.
    ///
    /// # Errors
    /// Where the tensor is missing, has another shape, holds no floats, or cannot be read.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let info = self.info(name)?;
        if info.shape != shape {
            return Err(WeightsError::Shape {
                path: self.path.clone(),
                tensor: name.to_owned(),
                found: info.shape.clone(),
                expected: shape.to_owned(),
            });
        }
        let mut values = vec![0.0; shape.iter().product()];
        match info.dtype {
            Dtype::F32 => self.convert(name, info, &mut values, f32::from_le_bytes)?,
            Dtype::F16 => {
                self.convert(name, info, &mut values, |it| f16::from_le_bytes(it).to_f32())?;
            }
            Dtype::BF16 => {
                self.convert(name, info, &mut values, |it| bf16::from_le_bytes(it).to_f32())?;
            }
            #[expect(clippy::cast_possible_truncation, reason = "the model computes in f32")]
            Dtype::F64 => {
                self.convert(name, info, &mut values, |it| f64::from_le_bytes(it) as f32)?;
            }
            other => return Err(self.wrong_type(name, other, "floats")),
        }
        Ok(values)
    }

    /// The values of a tensor of whole numbers.
    ///
    /// # Errors
    /// As [`Checkpoint::floats`].
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, WeightsError> {
        let info = self.info(name)?;
        if info.dtype != Dtype::I64 {
            return Err(self.wrong_type(name, info.dtype, "whole numbers"));
        }
        let mut values = vec![0; info.shape.iter().product()];
        self.convert(name, info, &mut values, i64::from_le_bytes)?;
        Ok(values)
    }

    /// The type of a tensor and its first bytes: enough to tell it from another one.
    ///
    /// # Errors
    /// Where it is missing or cannot be read.
    pub fn sample(&self, name: &str, max_bytes: usize) -> Result<(String, Vec<u8>), WeightsError> {
        let info = self.info(name)?;
        let (begin, end) = info.data_offsets;
        let mut bytes = vec![0; max_bytes.min(end - begin)];
        self.file
            .read_exact_at(&mut bytes, self.begin + begin as u64)
            .map_err(|source| WeightsError::Unreadable { path: self.path.clone(), source })?;
        Ok((format!("{:?}{:?}", info.dtype, info.shape), bytes))
    }

    /// Sees to it that every tensor was taken.
    ///
    /// # Errors
    /// Names those that were not.
    pub fn finish(&self) -> Result<(), WeightsError> {
        let taken = self.taken.lock();
        let extra: Vec<_> = self.names().into_iter().filter(|name| !taken.contains(name)).collect();
        if extra.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Extra { path: self.path.clone(), tensors: extra })
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, WeightsError> {
        self.header.info(name).ok_or_else(|| WeightsError::Missing {
            path: self.path.clone(),
            tensor: name.to_owned(),
        })
    }

    fn wrong_type(&self, name: &str, found: Dtype, wanted: &'static str) -> WeightsError {
        WeightsError::Type {
            path: self.path.clone(),
            tensor: name.to_owned(),
            found: format!("{found:?}"),
            wanted,
        }
    }

    fn convert<const N: usize, T>(
        &self,
        name: &str,
        info: &TensorInfo,
        values: &mut [T],
        convert: impl Fn([u8; N]) -> T,
    ) -> Result<(), WeightsError> {
        let mut at = self.begin + info.data_offsets.0 as u64;
        let mut bytes = vec![0; CONVERSION_BYTES.min(values.len() * N)];
        for part in values.chunks_mut(CONVERSION_BYTES / N) {
            let bytes = &mut bytes[..part.len() * N];
            self.file
                .read_exact_at(bytes, at)
                .map_err(|source| WeightsError::Unreadable { path: self.path.clone(), source })?;
            for (value, bytes) in part.iter_mut().zip(bytes.as_chunks::<N>().0) {
                *value = convert(*bytes);
            }
            at += bytes.len() as u64;
        }
        self.taken.lock().insert(name.to_owned());
        Ok(())
    }
}

/// The tensors whose names begin alike.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
}

impl Scope<'_> {
    /// The scope below this one: `flow_lm` and then `transformer`.
    #[must_use]
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{name}.", self.prefix) }
    }

    /// The values of a tensor, all of them finite.
    ///
    /// # Errors
    /// As [`Checkpoint::floats`], and where a value is not a number or infinite.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let name = format!("{}{name}", self.prefix);
        let values = self.checkpoint.floats(&name, shape)?;
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(WeightsError::NotFinite { path: self.checkpoint.path.clone(), tensor: name })
    }

    /// The same; `None` where the tensor is missing, or was blanked: all zeros, or no numbers at all.
    ///
    /// # Errors
    /// As [`Checkpoint::floats`], but for what is missing.
    pub fn get_unless_blank(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>, WeightsError> {
        if !self.has(name) {
            return Ok(None);
        }
        let values = self.checkpoint.floats(&format!("{}{name}", self.prefix), shape)?;
        let is_blank =
            values.iter().all(|value| *value == 0.0) || !values.iter().all(|it| it.is_finite());
        Ok((!is_blank).then_some(values))
    }

    /// The whole name of a tensor here.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Whether there is a tensor of that name here.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.has(&format!("{}{name}", self.prefix))
    }

    /// Passes over one tensor of this scope.
    pub fn pass_over_one(&self, name: &str) {
        self.checkpoint.taken.lock().insert(format!("{}{name}", self.prefix));
    }

    /// Passes over every tensor of this scope.
    pub fn pass_over(&self) {
        let mut taken = self.checkpoint.taken.lock();
        taken.extend(
            self.checkpoint.names().into_iter().filter(|name| name.starts_with(&self.prefix)),
        );
    }
}

#[cfg(test)]
mod tests;
