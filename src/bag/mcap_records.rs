//! Parses MCAP records (<https://mcap.dev/spec>), as far as reading messages needs them. Everything
//! is bounds-checked: a damaged record is `None`, never a panic.

use crate::time::Stamp;

/// The magic bytes at both ends of an MCAP file.
pub(super) const MAGIC: &[u8; 8] = b"\x89MCAP0\r\n";
/// Opcode and length in front of every record.
pub(super) const HEAD: usize = 9;
/// Channel, sequence, log time, publish time in front of every message's payload.
pub(super) const MESSAGE_HEAD: usize = 22;

pub(super) mod op {
    pub(crate) const FOOTER: u8 = 0x02;
    pub(crate) const SCHEMA: u8 = 0x03;
    pub(crate) const CHANNEL: u8 = 0x04;
    pub(crate) const MESSAGE: u8 = 0x05;
    pub(crate) const CHUNK: u8 = 0x06;
    pub(crate) const STATISTICS: u8 = 0x0B;
    pub(crate) const DATA_END: u8 = 0x0F;
}

/// Opcode and length of the record that begins at `bytes`.
pub(super) fn head(bytes: &[u8]) -> Option<(u8, u64)> {
    let mut fields = Fields(bytes);
    Some((fields.u8()?, fields.u64()?))
}

/// Channel id and log time.
pub(super) fn message(body: &[u8]) -> Option<(u16, Stamp)> {
    if body.len() < MESSAGE_HEAD {
        return None;
    }
    let mut fields = Fields(body);
    let (channel, _sequence) = (fields.u16()?, fields.u32()?);
    Some((channel, stamp(fields.u64()?)))
}

/// A schema: the name and encoding of a message type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) type_name: String,
    /// `ros2msg`, `ros1msg` and others.
    pub(super) encoding: String,
}

/// Id and names. `body` may be cut after them.
pub(super) fn schema(body: &[u8]) -> Option<(u16, Schema)> {
    let mut fields = Fields(body);
    let id = fields.u16()?;
    let schema = Schema {
        type_name: fields.string()?,
        encoding: fields.string()?,
    };
    Some((id, schema))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) id: u16,
    pub(super) schema: u16,
    pub(super) topic: String,
    pub(super) encoding: String,
}

/// `body` may be cut after the encoding.
pub(super) fn channel(body: &[u8]) -> Option<Channel> {
    let mut fields = Fields(body);
    Some(Channel {
        id: fields.u16()?,
        schema: fields.u16()?,
        topic: fields.string()?,
        encoding: fields.string()?,
    })
}

#[derive(Clone, Debug)]
pub(super) struct ChunkHead {
    pub(super) start: Stamp,
    pub(super) end: Stamp,
    /// Length once decompressed.
    pub(super) size: u64,
    /// CRC-32 of the decompressed records; 0 when the writer left it out.
    pub(super) crc: u32,
    pub(super) compression: String,
    pub(super) compressed: u64,
    /// Length of this head: the compressed records follow it.
    pub(super) head_len: u64,
}

/// `body` may be cut after the head.
pub(super) fn chunk(body: &[u8]) -> Option<ChunkHead> {
    let mut fields = Fields(body);
    let (start, end) = (stamp(fields.u64()?), stamp(fields.u64()?));
    let (size, crc) = (fields.u64()?, fields.u32()?);
    let (compression, compressed) = (fields.string()?, fields.u64()?);
    let head_len = (body.len() - fields.0.len()) as u64;
    Some(ChunkHead {
        start,
        end,
        size,
        crc,
        compression,
        compressed,
        head_len,
    })
}

#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub(super) messages: u64,
    pub(super) chunks: u32,
    pub(super) start: Stamp,
    pub(super) end: Stamp,
    /// Channel id and its messages.
    pub(super) counts: Vec<(u16, u64)>,
}

pub(super) fn statistics(body: &[u8]) -> Option<Statistics> {
    let mut fields = Fields(body);
    let messages = fields.u64()?;
    let _schemas_channels_attachments_metadata = fields.take(2 + 4 + 4 + 4)?;
    let chunks = fields.u32()?;
    let (start, end) = (stamp(fields.u64()?), stamp(fields.u64()?));
    let len = usize::try_from(fields.u32()?).ok()?;
    let mut map = Fields(fields.take(len)?);
    let mut counts = Vec::new();
    while !map.0.is_empty() {
        counts.push((map.u16()?, map.u64()?));
    }
    Some(Statistics {
        messages,
        chunks,
        start,
        end,
        counts,
    })
}

/// CRC-32 of the summary, and how many bytes of the footer's body it covers.
pub(super) fn footer(body: &[u8]) -> Option<(u32, usize)> {
    let mut fields = Fields(body);
    let (_summary_start, _offset_start) = (fields.u64()?, fields.u64()?);
    Some((fields.u32()?, 16))
}

/// Log times are unsigned in MCAP and signed in ROS; those beyond the year 2262 are clamped.
fn stamp(ns: u64) -> Stamp {
    Stamp(i64::try_from(ns).unwrap_or(i64::MAX))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Option<String> {
        let len = usize::try_from(self.u32()?).ok()?;
        String::from_utf8(self.take(len)?.to_vec()).ok()
    }
}
