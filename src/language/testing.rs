//! Small GGUF files for tests.

use std::io::Write;

use tempfile::NamedTempFile;

use super::gguf::Gguf;

/// Writes a GGUF file: keys with their type and value, tensors with dimensions, type and bytes.
#[derive(Default)]
pub struct Writer {
    pub keys: Vec<(String, u32, Vec<u8>)>,
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

/// A string as GGUF has it.
pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text].concat()
}

impl Writer {
    /// A key with text.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Writer {
        self.keys.push((key.into(), 8, string(text.as_bytes())));
        self
    }

    /// A key with a number.
    pub fn number(&mut self, key: &str, number: u32) -> &mut Writer {
        self.keys
            .push((key.into(), 4, number.to_le_bytes().to_vec()));
        self
    }

    /// A tensor of f32.
    pub fn floats(&mut self, name: &str, dimensions: &[u64], values: &[f32]) -> &mut Writer {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors
            .push((name.into(), dimensions.to_vec(), 0, bytes));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            out.extend(string(key.as_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut offset = 0u64;
        for (name, dimensions, kind, bytes) in &self.tensors {
            out.extend(string(name.as_bytes()));
            out.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (bytes.len() as u64).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }

    pub fn open(&self) -> Gguf {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&self.bytes()).unwrap();
        Gguf::open(file.path()).unwrap()
    }
}
