//! Errors of a GGUF file.

use std::path::PathBuf;

/// A file that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The kernels that are asked for are none of this machine's.
    #[error("{0}")]
    Kernels(String),
    /// The system's word.
    #[error("{0}")]
    Io(String),
    /// Another kind of file.
    #[error(
        "it begins with {0:02x?}, a GGUF file with the letters GGUF; name a model in that format"
    )]
    Magic(Vec<u8>),
    /// A version of the format that is not read.
    #[error(
        "it is of version {0} of GGUF (or big-endian); versions 2 and 3, little-endian, are read"
    )]
    Version(u32),
    /// It ends too early.
    #[error("it ends at byte {end}, within {what}; the file was cut: fetch it again")]
    Cut {
        /// What was being read.
        what: String,
        /// Bytes of the file.
        end: u64,
    },
    /// A length or count that the file has no room for.
    #[error(
        "{what} is {found}, for which the rest of the file ({rest} bytes) has no room; the file was cut or is damaged: fetch it again"
    )]
    Count {
        /// What was being read.
        what: String,
        /// The number in the file.
        found: u64,
        /// Bytes left.
        rest: u64,
    },
    /// A value of metadata that is no value.
    #[error("{what}: {why}")]
    Value {
        /// The key.
        what: String,
        /// In words.
        why: String,
    },
    /// One name for two things.
    #[error("{0} is there twice")]
    Twice(String),
    /// An alignment that is none.
    #[error("general.alignment is {0}; expected a power of two up to 1048576")]
    Alignment(String),
    /// A tensor's description.
    #[error("tensor {name}: {what}")]
    Tensor {
        /// Its name.
        name: String,
        /// In words.
        what: String,
    },
}
