//! Reads little-endian numbers and strings from bytes, with an error that names where the bytes
//! end.

use super::error::Fault;

/// A place in the bytes of a file.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub fn position(&self) -> u64 {
        self.at as u64
    }

    pub fn rest(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next bytes; `what` is what they are, for the error.
    pub fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], Fault> {
        let end = usize::try_from(count)
            .ok()
            .and_then(|count| self.at.checked_add(count));
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(Fault::Cut {
                what: what.to_owned(),
                end: self.bytes.len() as u64,
            });
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, Fault> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, Fault> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things of at least `least_bytes` each, which the file must have room for.
    pub fn count(&mut self, what: &str, least_bytes: u64) -> Result<u64, Fault> {
        let found = self.u64(what)?;
        let rest = self.rest();
        match found.checked_mul(least_bytes.max(1)) {
            Some(needed) if needed <= rest => Ok(found),
            _ => Err(Fault::Count {
                what: what.to_owned(),
                found,
                rest,
            }),
        }
    }

    /// A string: its length, then its bytes, which need not be UTF-8.
    pub fn string(&mut self, what: &str) -> Result<&'a [u8], Fault> {
        let length = self.count(what, 1)?;
        self.take(length, what)
    }

    /// The name of a thing: UTF-8, not empty, not longer than `longest`.
    pub fn name(&mut self, what: &str, longest: usize) -> Result<String, Fault> {
        let bytes = self.string(what)?;
        let wrong = |why: &str| Fault::Value {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        if bytes.is_empty() || bytes.len() > longest {
            return Err(wrong(&format!(
                "it has {} bytes; expected 1 to {longest}",
                bytes.len()
            )));
        }
        let name = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        Ok(name.to_owned())
    }
}
