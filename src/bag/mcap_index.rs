//! The index of an MCAP file: where its blocks are, where it ends, and what its summary says.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::mcap_block::{self, Block, Chunk, Compression, Inventory, MAX_CHUNK};
use super::mcap_records::{self, op};
use crate::time::Stamp;

/// Enough for the head of a chunk, and for the names at the beginning of a definition.
const PEEK: u64 = 1 << 16;
/// A run of records without a chunk is split after this many bytes.
const RUN: u64 = 1 << 20;
/// A larger summary is not read; the file is surveyed instead.
const MAX_SUMMARY: u64 = 1 << 28;

/// What the file consists of.
#[derive(Default)]
pub(super) struct McapIndex {
    pub(super) blocks: Vec<Block>,
    /// Defined outside of chunks.
    pub(super) schemas: HashMap<u16, mcap_records::Schema>,
    pub(super) channels: BTreeMap<u16, mcap_records::Channel>,
    /// Where and why the file ends before its end, without the file's name.
    pub(super) cut: Option<String>,
    summary: Option<Summary>,
}

/// What a file holds.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) schemas: HashMap<u16, mcap_records::Schema>,
    /// By id, so in a fixed order.
    pub(super) channels: BTreeMap<u16, mcap_records::Channel>,
    /// Messages per channel.
    pub(super) counts: BTreeMap<u16, u64>,
    /// First and last log time.
    pub(super) range: Option<(Stamp, Stamp)>,
    pub(super) statistics: Option<mcap_records::Statistics>,
}

impl McapIndex {
    /// Goes from record to record. An `Err` is the system's; damage is a cut.
    pub(super) fn walk(file: &mut File) -> io::Result<McapIndex> {
        let len = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let mut walk = Walk {
            reader: BufReader::with_capacity(PEEK as usize, file),
            at: 0,
            len,
            run: None,
            found: McapIndex::default(),
        };
        walk.seek(mcap_records::MAGIC.len() as u64)?;
        let cut = loop {
            match walk.record()? {
                Step::More => {}
                Step::Whole => break None,
                Step::Cut(why) => break Some(why),
            }
        };
        walk.end_run();
        walk.found.cut = cut;
        Ok(walk.found)
    }

    /// The summary, if it covers what was found on the way and explains every message of it.
    pub(super) fn trusted_summary(&mut self) -> Option<Summary> {
        let mut summary = self.summary.take().filter(|_| self.cut.is_none())?;
        let statistics = summary.statistics.take()?;
        let chunks = self.blocks.iter().filter(|block| block.chunk.is_some());
        let described = |(id, _): &(u16, u64)| summary.channels.contains_key(id);
        let sum = statistics
            .counts
            .iter()
            .try_fold(0u64, |sum, (_, count)| sum.checked_add(*count));
        if chunks.count() != statistics.chunks as usize
            || !statistics.counts.iter().all(described)
            || sum != Some(statistics.messages)
        {
            return None;
        }
        summary.range = (statistics.messages > 0).then_some((statistics.start, statistics.end));
        summary.counts = statistics.counts.into_iter().collect();
        Some(summary)
    }
}

enum Step {
    More,
    Whole,
    Cut(String),
}

struct Walk<'a> {
    reader: BufReader<&'a mut File>,
    at: u64,
    len: u64,
    /// The run of records without a chunk that is being passed.
    run: Option<Block>,
    found: McapIndex,
}

impl Walk<'_> {
    fn seek(&mut self, to: u64) -> io::Result<()> {
        // Relative, for the buffer survives it.
        let by = i64::try_from(i128::from(to) - i128::from(self.at)).map_err(io::Error::other)?;
        self.reader.seek_relative(by)?;
        self.at = to;
        Ok(())
    }

    /// Up to `len` bytes from here, fewer at the end of the file.
    fn peek(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = Read::by_ref(&mut self.reader);
        self.at += reader.take(len).read_to_end(&mut bytes)? as u64;
        Ok(bytes)
    }

    fn record(&mut self) -> io::Result<Step> {
        let at = self.at;
        if at >= self.len {
            let why = format!("the file ends at byte {at} without the records that close it");
            return Ok(Step::Cut(why));
        }
        let head = self.peek(mcap_records::HEAD as u64)?;
        let Some((opcode, claimed)) = mcap_records::head(&head) else {
            let why = format!(
                "the file ends at byte {}, inside the head of a record",
                self.len
            );
            return Ok(Step::Cut(why));
        };
        if opcode == 0 {
            let why = format!("byte {at} is 0 where a record should begin");
            return Ok(Step::Cut(why));
        }
        let body = self.at;
        let left = self.len.saturating_sub(body);
        let torn = (claimed > left).then(|| {
            format!(
                "the record at byte {at} claims {claimed} bytes, but the file ends after {left}"
            )
        });
        let len = claimed.min(left);
        if opcode == op::CHUNK {
            self.end_run();
            if let Err(why) = self.chunk(at, len, torn.is_some())? {
                return Ok(Step::Cut(torn.unwrap_or(why)));
            }
        }
        if let Some(why) = torn {
            return Ok(Step::Cut(why));
        }
        match opcode {
            op::SCHEMA | op::CHANNEL => {
                let front = self.peek(len.min(PEEK))?;
                let mut inventory = Inventory::default();
                if let Err(why) = inventory.take(opcode, &front) {
                    return Ok(Step::Cut(format!("at byte {at}, {why}")));
                }
                self.found.schemas.extend(inventory.schemas);
                for channel in inventory.channels {
                    self.found.channels.entry(channel.id).or_insert(channel);
                }
            }
            op::MESSAGE => {
                let front = self.peek(len.min(mcap_records::MESSAGE_HEAD as u64))?;
                let Some((_, time)) = mcap_records::message(&front) else {
                    let why = format!("the message at byte {at} is too short for its fields");
                    return Ok(Step::Cut(why));
                };
                self.run(at, body + len, time);
            }
            op::DATA_END | op::FOOTER => {
                self.end_run();
                let start = if opcode == op::FOOTER { at } else { body + len };
                return self.summary(start);
            }
            _ => {}
        }
        self.seek(body + len)?;
        Ok(Step::More)
    }

    /// Notes a chunk from its head; `len` bytes of it are in the file.
    fn chunk(&mut self, at: u64, len: u64, torn: bool) -> io::Result<Result<(), String>> {
        let body = self.at;
        let front = self.peek(len.min(PEEK))?;
        let bad = |what: String| Ok(Err(format!("the chunk at byte {at} {what}")));
        let Some(head) = mcap_records::chunk(&front) else {
            return bad("has no valid head".to_owned());
        };
        let Some(compression) = Compression::from_name(&head.compression) else {
            return bad(format!(
                "is compressed by {:?}; zstd, lz4 and no compression can be read",
                head.compression
            ));
        };
        if head.size > MAX_CHUNK {
            return bad(format!(
                "claims to hold {} bytes; at most {MAX_CHUNK} are believed",
                head.size
            ));
        }
        let start = body + head.head_len;
        let stored = len - head.head_len;
        if head.compressed > stored && !torn {
            return bad(format!(
                "claims {} stored bytes, but its record has {stored}",
                head.compressed
            ));
        }
        if head.end < head.start {
            return bad("ends before it begins".to_owned());
        }
        self.found.blocks.push(Block {
            at,
            bytes: start..start + head.compressed.min(stored),
            start: head.start,
            chunk: Some(Chunk {
                compression,
                size: head.size,
                crc: head.crc,
                torn: head.compressed > stored,
            }),
        });
        Ok(Ok(()))
    }

    /// Adds a message to the run at hand, or begins one.
    fn run(&mut self, at: u64, end: u64, time: Stamp) {
        if self.run.as_ref().is_some_and(|run| end - run.at > RUN) {
            self.end_run();
        }
        let run = self.run.get_or_insert(Block {
            at,
            bytes: at..end,
            start: time,
            chunk: None,
        });
        run.bytes.end = end;
        run.start = run.start.min(time);
    }

    fn end_run(&mut self) {
        self.found.blocks.extend(self.run.take());
    }

    /// Everything from `start` on: the summary, the footer, the closing magic.
    fn summary(&mut self, start: u64) -> io::Result<Step> {
        let len = self.len.saturating_sub(start);
        if len > MAX_SUMMARY {
            let why = format!("{len} bytes follow the data, more than a summary can have");
            return Ok(Step::Cut(why));
        }
        self.seek(start)?;
        let bytes = self.peek(len)?;
        let magic = bytes.len().saturating_sub(mcap_records::MAGIC.len());
        let after = "after the last message";
        let Some(records) = bytes
            .get(..magic)
            .filter(|_| bytes.ends_with(mcap_records::MAGIC))
        else {
            let why = format!(
                "the file ends at byte {} inside its summary, {after}",
                self.len
            );
            return Ok(Step::Cut(why));
        };
        let mut summary = Summary::default();
        let mut inventory = Inventory::default();
        let mut crc = None;
        let walked = mcap_block::walk(records, |opcode, body| {
            let place = body.start;
            let body = records.get(body).unwrap_or_default();
            match opcode {
                op::STATISTICS => summary.statistics = mcap_records::statistics(body),
                op::FOOTER => {
                    let (saved, covered) =
                        mcap_records::footer(body).ok_or("the footer is too short")?;
                    let covered = records.get(..place + covered).unwrap_or_default();
                    crc = Some(saved == 0 || saved == crc32fast::hash(covered));
                }
                op::SCHEMA | op::CHANNEL => inventory.take(opcode, body)?,
                _ => {}
            }
            Ok(())
        });
        if let Err(why) = walked {
            return Ok(Step::Cut(format!(
                "the summary at byte {start} is damaged: {why}"
            )));
        }
        match crc {
            Some(true) => {}
            Some(false) => {
                let why = format!("the summary at byte {start} does not fit its checksum");
                return Ok(Step::Cut(why));
            }
            None => {
                let why = format!("the summary at byte {start} has no footer, {after}");
                return Ok(Step::Cut(why));
            }
        }
        summary.schemas.extend(inventory.schemas);
        let channels = inventory.channels.into_iter();
        summary
            .channels
            .extend(channels.map(|channel| (channel.id, channel)));
        self.found.summary = Some(summary);
        Ok(Step::Whole)
    }
}
