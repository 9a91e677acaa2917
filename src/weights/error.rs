//! What can be wrong with a model file. Each error names the file, the tensor, and the way out.

use std::path::PathBuf;

/// How many names an error lists.
const SHOWN: usize = 5;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The operating system refused it.
    #[error("cannot read the weights `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is cut short, or something else altogether.
    #[error("`{}` is damaged or no safetensors file: {reason}; get it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor is not there.
    #[error(
        "`{}` has no tensor `{tensor}`; it belongs to another model, or to another configuration",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "tensor `{tensor}` in `{}` is {found:?} and not {expected:?}; the configuration belongs to other weights",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should be.
        expected: Vec<usize>,
    },
    /// A tensor holds something else than it should.
    #[error("tensor `{tensor}` in `{}` holds {found} and not {wanted}; quantised files are not supported", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What it holds.
        found: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// A tensor holds values that no computation survives.
    #[error("tensor `{tensor}` in `{}` has values that are not numbers; get the file again", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// There are tensors that the model does not have.
    #[error(
        "`{}` has tensors that do not belong to the model: {}; it belongs to another configuration",
        path.display(),
        some_of(tensors)
    )]
    Extra {
        /// The file.
        path: PathBuf,
        /// Their names.
        tensors: Vec<String>,
    },
}

fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}
