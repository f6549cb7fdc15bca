//! Blocks: the stretches of an MCAP file that hold messages. A block is a chunk, or a run of
//! records that were written without one; decoded, both are the same: records in a row.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::mcap_records::{self, op};
use crate::time::Stamp;

/// A chunk that claims more than this is taken for damage; recorders write about a megabyte.
pub(super) const MAX_CHUNK: u64 = 1 << 30;

#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Where its record(s) begin in the file, for messages about it.
    pub(super) at: u64,
    /// The stored bytes, all of them inside the file.
    pub(super) bytes: Range<u64>,
    /// The least log time in it.
    pub(super) start: Stamp,
    /// How to unpack it; none: the bytes are the records.
    pub(super) chunk: Option<Chunk>,
}

#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) compression: Compression,
    pub(super) size: u64,
    pub(super) crc: u32,
    /// The file ends inside this chunk: what comes out of its beginning is used.
    pub(super) torn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zstd,
    Lz4,
}

impl Compression {
    pub(super) fn from_name(name: &str) -> Option<Compression> {
        match name {
            "" | "none" => Some(Compression::None),
            "zstd" => Some(Compression::Zstd),
            "lz4" => Some(Compression::Lz4),
            _ => None,
        }
    }
}

/// Records in a row, and why there are no more than these.
pub(super) struct Decoded {
    pub(super) records: Vec<u8>,
    pub(super) fault: Option<String>,
}

impl Block {
    /// Reads and unpacks the block. An `Err` is the system's; damage is a fault, and the records
    /// are those that can be trusted: all before a torn end, none of a chunk that does not fit
    /// its checksum.
    pub(super) fn decode(&self, file: &mut File) -> io::Result<Decoded> {
        file.seek(SeekFrom::Start(self.bytes.start))?;
        // The range was checked against the length of the file, so this asks for no more
        // memory than there are bytes.
        let stored = self.bytes.end - self.bytes.start;
        let mut packed = Vec::with_capacity(usize::try_from(stored).unwrap_or(0));
        file.take(stored).read_to_end(&mut packed)?;
        let shrunk = (packed.len() as u64) < stored;
        let mut decoded = match &self.chunk {
            None => Decoded {
                records: packed,
                fault: None,
            },
            Some(chunk) => chunk.unpack(packed),
        };
        if shrunk {
            let fault = || "the file has become shorter while it was read".to_owned();
            decoded.fault.get_or_insert_with(fault);
        }
        Ok(decoded)
    }
}

impl Chunk {
    fn unpack(&self, packed: Vec<u8>) -> Decoded {
        let (records, result) = match self.compression {
            Compression::None => (packed, Ok(())),
            Compression::Zstd => unzstd(&packed, self.size),
            Compression::Lz4 => unlz4(&packed, self.size),
        };
        let fault = if let Err(error) = result {
            Some(format!(
                "its {:?} data cannot be unpacked: {error}",
                self.compression
            ))
        } else if records.len() as u64 != self.size {
            let len = records.len() as u64;
            let more = if len > self.size { "more than " } else { "" };
            let len = len.min(self.size);
            Some(format!(
                "it holds {more}{len} bytes where it claims {}",
                self.size
            ))
        } else if self.crc != 0 && crc32fast::hash(&records) != self.crc {
            Some("its contents do not fit its checksum".to_owned())
        } else {
            None
        };
        match (&fault, self.torn) {
            (None, _) | (Some(_), true) => Decoded { records, fault },
            // Which of its bytes are wrong is unknown: none is used.
            (Some(_), false) => Decoded {
                records: Vec::new(),
                fault,
            },
        }
    }
}

/// Up to one byte more than `size`, so that an excess shows without being unpacked.
fn unzstd(packed: &[u8], size: u64) -> (Vec<u8>, io::Result<()>) {
    let mut records = capacity(packed, size);
    let result = zstd::stream::read::Decoder::with_buffer(packed)
        .and_then(|decoder| decoder.take(size + 1).read_to_end(&mut records));
    (records, result.map(drop))
}

fn unlz4(mut packed: &[u8], size: u64) -> (Vec<u8>, io::Result<()>) {
    let mut records = capacity(packed, size);
    // One decoder reads one frame; a chunk may consist of several.
    while !packed.is_empty() && records.len() as u64 <= size {
        let room = size + 1 - records.len() as u64;
        let before = packed.len();
        let result = lz4::Decoder::new(&mut packed)
            .and_then(|decoder| decoder.take(room).read_to_end(&mut records));
        if let Err(error) = result {
            return (records, Err(error));
        }
        if packed.len() == before {
            break;
        }
    }
    (records, Ok(()))
}

/// Room for what the chunk claims, as far as its stored size makes that believable.
fn capacity(packed: &[u8], size: u64) -> Vec<u8> {
    let believable = packed.len().saturating_mul(32).saturating_add(1 << 16);
    Vec::with_capacity(usize::try_from(size).map_or(believable, |size| believable.min(size + 1)))
}

/// Calls `each` with opcode and place of every record, until they end or one does not add up.
pub(super) fn walk(
    records: &[u8],
    mut each: impl FnMut(u8, Range<usize>) -> Result<(), String>,
) -> Result<(), String> {
    let mut at = 0;
    while at < records.len() {
        let rest = records.get(at..).unwrap_or_default();
        let Some((opcode, len)) = mcap_records::head(rest) else {
            return Err(format!(
                "{} bytes are left where a record begins",
                rest.len()
            ));
        };
        let body = at + mcap_records::HEAD;
        let end = usize::try_from(len)
            .ok()
            .and_then(|len| body.checked_add(len));
        let Some(end) = end.filter(|end| *end <= records.len()) else {
            let left = records.len() - body;
            return Err(format!("a record claims {len} bytes where {left} are left"));
        };
        each(opcode, body..end)?;
        at = end;
    }
    Ok(())
}

/// What the records of a block define and hold.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) schemas: Vec<(u16, mcap_records::Schema)>,
    pub(super) channels: Vec<mcap_records::Channel>,
    /// Channel and log time of every message.
    pub(super) messages: Vec<(u16, Stamp)>,
}

impl Inventory {
    pub(super) fn take(&mut self, opcode: u8, body: &[u8]) -> Result<(), String> {
        let understood = match opcode {
            op::SCHEMA => mcap_records::schema(body).map(|schema| self.schemas.push(schema)),
            op::CHANNEL => mcap_records::channel(body).map(|channel| self.channels.push(channel)),
            op::MESSAGE => mcap_records::message(body).map(|message| self.messages.push(message)),
            _ => Some(()),
        };
        understood.ok_or_else(|| format!("a record of type {opcode} is too short for its fields"))
    }
}
