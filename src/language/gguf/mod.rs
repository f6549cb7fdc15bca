//! Reads GGUF files: metadata and tensors of a language model, memory-mapped.
//!
//! The format is that of ggml's `docs/gguf.md`, versions 2 and 3, little-endian. Every count,
//! length and offset is checked against the file before it is used, so a file that was cut or
//! made up leads to a [`GgufError`] that names what is wrong and where, and never to more memory
//! than the file has bytes.

mod cursor;
mod error;
mod types;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use cursor::Cursor;
pub use error::{Fault, GgufError};
pub use types::TensorType;
pub use value::{Array, Value};

const MAGIC: &[u8; 4] = b"GGUF";
/// What tensors are aligned to where the file does not say.
const ALIGNMENT: u64 = 32;
/// Most dimensions of a tensor.
const DIMENSIONS: usize = 4;
/// Longest name of a key or a tensor, bytes; the format says 65535 and 64.
const LONGEST_NAME: usize = 65_535;

/// A GGUF file.
pub struct Gguf {
    path: PathBuf,
    bytes: Mmap,
    version: u32,
    metadata: BTreeMap<String, Value>,
    tensors: Vec<Tensor>,
}

/// Where a tensor lies and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Fastest first: of a matrix inputs, then outputs.
    pub dimensions: Vec<u64>,
    /// Its blocks.
    pub kind: TensorType,
    /// First byte, from the beginning of the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

impl Tensor {
    /// Numbers in it.
    pub fn elements(&self) -> u64 {
        self.dimensions.iter().product()
    }
}

impl Gguf {
    /// Maps the file and checks all of its header; tensors' contents are not read.
    pub fn open(path: &Path) -> Result<Gguf, GgufError> {
        let wrap = |fault: Fault| GgufError {
            path: path.to_owned(),
            fault,
        };
        let file = File::open(path).map_err(|cause| wrap(Fault::Io(cause.to_string())))?;
        // SAFETY: mapped for reading only. A file that is cut while it is in use ends the process
        // with SIGBUS, as for every program that maps files; bundles are not written in place.
        let bytes =
            unsafe { Mmap::map(&file) }.map_err(|cause| wrap(Fault::Io(cause.to_string())))?;
        let header = Header::read(&bytes).map_err(wrap)?;
        Ok(Gguf {
            path: path.to_owned(),
            bytes,
            version: header.version,
            metadata: header.metadata,
            tensors: header.tensors,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn file_size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Of the format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Key to value, in the order of keys.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// In the order of the file.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// The elements of an array of strings, in order.
    pub fn strings<'a>(&'a self, array: &Array) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        array.strings(&self.bytes)
    }

    /// The elements of an array of numbers, as f64.
    pub fn numbers<'a>(&'a self, array: &Array) -> impl Iterator<Item = f64> + use<'a> {
        array.numbers(&self.bytes)
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The bytes of a tensor of this file.
    pub fn data(&self, tensor: &Tensor) -> &[u8] {
        let from = tensor.offset as usize;
        self.bytes
            .get(from..from + tensor.size as usize)
            .unwrap_or(&[])
    }

    /// Keeps the bytes of a tensor no longer in this process's memory; they are read again where they
    /// are asked for.
    pub fn release(&self, tensor: &Tensor) {
        let (from, size) = (tensor.offset as usize, tensor.size as usize);
        // What it is refused for costs memory, not sense.
        #[cfg(unix)]
        // SAFETY: the map is of a file, only read, and never written: its pages come back as they
        // were.
        let _ = unsafe {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            self.bytes.unchecked_advise_range(advice, from, size)
        };
    }

    /// An error about this file.
    pub fn error(&self, fault: Fault) -> GgufError {
        GgufError {
            path: self.path.clone(),
            fault,
        }
    }
}

struct Header {
    version: u32,
    metadata: BTreeMap<String, Value>,
    tensors: Vec<Tensor>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header, Fault> {
        let mut cursor = Cursor::new(bytes);
        let magic = cursor.take(4, "the magic number")?;
        if magic != MAGIC {
            return Err(Fault::Magic(magic.to_vec()));
        }
        let version = cursor.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(Fault::Version(version));
        }
        let tensor_count = cursor.count("the number of tensors", 8 + 4 + 8 + 4 + 8)?;
        let key_count = cursor.count("the number of metadata keys", 8 + 4 + 1)?;
        let mut metadata = BTreeMap::new();
        for index in 0..key_count {
            let at = format!("the name of metadata key {index}");
            let key = cursor.name(&at, LONGEST_NAME)?;
            let value = Value::read(&mut cursor, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(Fault::Twice(format!("metadata key {key}")));
            }
        }
        let mut tensors = Vec::new();
        for index in 0..tensor_count {
            tensors.push(read_tensor(&mut cursor, index)?);
        }
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(value) => match value.unsigned() {
                Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 20 => alignment,
                _ => return Err(Fault::Alignment(value.to_string())),
            },
        };
        place(
            &mut tensors,
            cursor.position(),
            alignment,
            bytes.len() as u64,
        )?;
        Ok(Header {
            version,
            metadata,
            tensors,
        })
    }
}

/// Offset from the beginning of the data for now.
fn read_tensor(cursor: &mut Cursor<'_>, index: u64) -> Result<Tensor, Fault> {
    let name = cursor.name(&format!("the name of tensor {index}"), LONGEST_NAME)?;
    let at = |what: &str| format!("{what} of tensor {name}");
    let count = cursor.u32(&at("the number of dimensions"))? as usize;
    if count == 0 || count > DIMENSIONS {
        return Err(Fault::Tensor {
            name,
            what: format!("it has {count} dimensions; expected 1 to {DIMENSIONS}"),
        });
    }
    let mut dimensions = Vec::with_capacity(count);
    for _ in 0..count {
        dimensions.push(cursor.u64(&at("a dimension"))?);
    }
    let id = cursor.u32(&at("the type"))?;
    let offset = cursor.u64(&at("the offset"))?;
    let Some(kind) = TensorType::from_id(id) else {
        return Err(Fault::Tensor {
            name,
            what: format!("its type is number {id}, which this program does not know"),
        });
    };
    let elements = dimensions.iter().try_fold(1u64, |product, &d| {
        product.checked_mul(d).filter(|&product| product > 0)
    });
    let (block, block_bytes) = kind.block();
    let size = elements
        .filter(|_| dimensions[0] % block == 0)
        .and_then(|elements| (elements / block).checked_mul(block_bytes));
    match size {
        Some(size) => Ok(Tensor {
            name,
            dimensions,
            kind,
            offset,
            size,
        }),
        None => Err(Fault::Tensor {
            what: format!(
                "its dimensions are {dimensions:?}; expected positive ones, the first a multiple of \
                 {block}, the block of {kind}"
            ),
            name,
        }),
    }
}

/// Turns offsets into places in the file, and checks that all tensors lie in it side by side.
fn place(tensors: &mut [Tensor], header: u64, alignment: u64, file: u64) -> Result<(), Fault> {
    let data = header.div_ceil(alignment) * alignment;
    for tensor in tensors.iter_mut() {
        let wrong = |what: String| Fault::Tensor {
            name: tensor.name.clone(),
            what,
        };
        if tensor.offset % alignment != 0 {
            return Err(wrong(format!(
                "its offset {} is not a multiple of the alignment {alignment}",
                tensor.offset
            )));
        }
        let from = tensor.offset.checked_add(data);
        let end = from.and_then(|from| from.checked_add(tensor.size));
        match (from, end) {
            (Some(from), Some(end)) if end <= file => tensor.offset = from,
            _ => {
                return Err(wrong(format!(
                    "it would lie at byte {} + {data} with {} bytes, but the file has {file}; the file \
                     was cut, or is not what its header says: fetch it again",
                    tensor.offset, tensor.size
                )));
            }
        }
    }
    let mut order: Vec<&Tensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| tensor.offset);
    for pair in order.windows(2) {
        if pair[0].offset + pair[0].size > pair[1].offset {
            return Err(Fault::Tensor {
                name: pair[1].name.clone(),
                what: format!("it overlaps {}", pair[0].name),
            });
        }
    }
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Fault::Twice(format!("tensor {}", pair[0]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
