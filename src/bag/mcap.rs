//! Reads one MCAP file. Opening walks over its records without unpacking any chunk, which finds
//! where a cut file ends; topics and counts come from the summary if the file is whole and has one,
//! else from unpacking every chunk once.
//!
//! Messages come in the order of log times: chunks are unpacked in the order of their earliest
//! message, and those that overlap in time are merged. Only they are in memory together.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::decompression::RecordingFile;
use super::error::BagError;
use super::mcap_block::{self, Block, Inventory};
use super::mcap_index::{McapIndex, Summary};
use super::mcap_records::{self, op};
use super::message::{PartMessage, Payload, Topic, Wanted, place};
use crate::time::Stamp;

/// The structure of a file, known before its messages are read.
#[derive(Debug)]
pub(super) struct McapFile {
    source: RecordingFile,
    blocks: Vec<Block>,
    /// Indices into `blocks`, in the order of their earliest messages.
    order: Vec<u32>,
    pub(super) topics: Vec<Topic>,
    /// Channel id to index into `topics`.
    channels: HashMap<u16, usize>,
    pub(super) range: Option<(Stamp, Stamp)>,
    pub(super) cut: Option<String>,
}

impl McapFile {
    pub(super) fn open(source: RecordingFile) -> Result<McapFile, BagError> {
        let reading = || BagError::io(&source.shown, "read the recording");
        let mut file = File::open(source.file()).map_err(reading())?;
        let mut outline = McapIndex::walk(&mut file).map_err(reading())?;
        let summary = match outline.trusted_summary() {
            Some(summary) => summary,
            None => topic_query(&mut file, &mut outline).map_err(reading())?,
        };
        let mut order: Vec<u32> = (0..outline.blocks.len() as u32).collect();
        // Stable: chunks that begin at one time stay in the order of the file.
        order.sort_by_key(|index| outline.blocks.get(*index as usize).map(|block| block.start));
        let (topics, channels) = topics(&summary);
        let cut = outline
            .cut
            .map(|why| format!("{}: {why}", source.shown.display()));
        Ok(McapFile {
            // Unpacking failed first: whatever the walk met is its consequence.
            cut: source.cut.clone().or(cut),
            source,
            blocks: outline.blocks,
            order,
            topics,
            channels,
            range: summary.range,
        })
    }
}

/// Unpacks every block to learn what a summary would say. Ends at the first damage: nothing is
/// read beyond.
fn topic_query(file: &mut File, outline: &mut McapIndex) -> std::io::Result<Summary> {
    let mut summary = Summary {
        schemas: std::mem::take(&mut outline.schemas),
        channels: std::mem::take(&mut outline.channels),
        ..Summary::default()
    };
    for index in 0..outline.blocks.len() {
        let Some(block) = outline.blocks.get_mut(index) else {
            break;
        };
        let decoded = block.decode(file)?;
        let mut inventory = Inventory::default();
        let walked = mcap_block::walk(&decoded.records, |opcode, body| {
            inventory.take(opcode, decoded.records.get(body).unwrap_or_default())
        });
        summary.schemas.extend(inventory.schemas);
        for channel in inventory.channels {
            summary.channels.entry(channel.id).or_insert(channel);
        }
        let mut least: Option<Stamp> = None;
        for (channel, time) in inventory.messages {
            *summary.counts.entry(channel).or_default() += 1;
            summary.range = Some(summary.range.map_or((time, time), |(first, last)| {
                (first.min(time), last.max(time))
            }));
            least = Some(least.map_or(time, |least| least.min(time)));
        }
        // The chunk's own header is not covered by its checksum.
        block.start = least.unwrap_or(block.start);
        if let Some(fault) = decoded.fault.or(walked.err()) {
            // A torn chunk is where the walk already saw the file end.
            let torn = block.chunk.as_ref().is_some_and(|chunk| chunk.torn);
            let seen = outline.cut.take().filter(|_| torn);
            outline.cut = seen.or_else(|| Some(damage(block, &fault)));
            outline.blocks.truncate(index + 1);
            break;
        }
    }
    Ok(summary)
}

/// One sentence on a block that cannot be read (to its end).
fn damage(block: &Block, fault: &str) -> String {
    let what = if block.chunk.is_some() {
        "chunk"
    } else {
        "stretch"
    };
    format!("the {what} at byte {} is damaged: {fault}", block.at)
}

/// One entry per name and type, in the order of channel ids, and which channel is which.
fn topics(summary: &Summary) -> (Vec<Topic>, HashMap<u16, usize>) {
    let mut topics: Vec<Topic> = Vec::new();
    let mut channels = HashMap::new();
    for channel in summary.channels.values() {
        let (type_name, schema_encoding) = match summary.schemas.get(&channel.schema) {
            Some(schema) => (schema.type_name.clone(), schema.encoding.clone()),
            None => Default::default(),
        };
        let count = summary.counts.get(&channel.id).copied().unwrap_or_default();
        let same = |known: &Topic| {
            known.name == channel.topic
                && known.type_name == type_name
                && known.encoding == channel.encoding
        };
        let index = topics.iter().position(same).unwrap_or_else(|| {
            topics.push(Topic {
                name: channel.topic.clone(),
                type_name: type_name.clone(),
                encoding: channel.encoding.clone(),
                schema_encoding,
                messages: Some(0),
            });
            topics.len() - 1
        });
        if let Some(topic) = topics.get_mut(index) {
            topic.messages = topic.messages.map(|before| before.saturating_add(count));
        }
        channels.insert(channel.id, index);
    }
    (topics, channels)
}

/// Reads the messages of some topics.
pub(super) struct McapReader {
    part: Arc<McapFile>,
    file: File,
    /// Channel id to the place in the caller's list; `None` for channels not asked for.
    channels: BTreeMap<u16, Option<usize>>,
    /// Next position in the part's order.
    next: usize,
    open: BinaryHeap<Open>,
    last: Stamp,
    /// Blocks that begin beyond this byte are not read: one before them is damaged.
    limit: u64,
    pub(super) cut: Option<String>,
}

/// A decoded block with messages left.
struct Open {
    /// Log time of the next message.
    head: Stamp,
    /// Index of the block: what breaks ties.
    index: u32,
    records: Arc<Vec<u8>>,
    /// In the order of log times, the next one last.
    entries: Vec<Entry>,
}

struct Entry {
    time: Stamp,
    asked: usize,
    data: Range<usize>,
}

impl McapReader {
    pub(super) fn new(part: &Arc<McapFile>, wanted: &Wanted) -> Result<McapReader, BagError> {
        let file = File::open(part.source.file())
            .map_err(BagError::io(&part.source.shown, "read the recording"))?;
        let asked = |index: usize| place(wanted, part.topics.get(index)?);
        let channels = part.channels.iter();
        Ok(McapReader {
            channels: channels.map(|(id, index)| (*id, asked(*index))).collect(),
            part: Arc::clone(part),
            file,
            next: 0,
            open: BinaryHeap::new(),
            last: Stamp(i64::MIN),
            limit: u64::MAX,
            cut: None,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<PartMessage>, BagError> {
        while let Some((index, block)) = self.due() {
            self.next += 1;
            if block.at <= self.limit {
                self.unpack(index, &block)?;
            }
        }
        let Some(mut top) = self.open.peek_mut() else {
            // Where the walk found the end of the file, unless reading met damage before that.
            if self.cut.is_none() {
                self.cut = self.part.cut.clone();
            }
            return Ok(None);
        };
        let Some(entry) = top.entries.pop() else {
            return Ok(None);
        };
        let item = PartMessage {
            time: entry.time,
            asked: entry.asked,
            data: Payload::new(Arc::clone(&top.records), entry.data),
        };
        match top.entries.last() {
            Some(next) => top.head = next.time,
            None => drop(std::collections::binary_heap::PeekMut::pop(top)),
        }
        self.last = item.time;
        Ok(Some(item))
    }

    /// The next block, if it may hold a message that comes before those at hand.
    fn due(&self) -> Option<(u32, Block)> {
        let index = *self.part.order.get(self.next)?;
        let block = self.part.blocks.get(index as usize)?;
        let due = self.open.peek().is_none_or(|open| block.start <= open.head);
        due.then(|| (index, block.clone()))
    }

    fn unpack(&mut self, index: u32, block: &Block) -> Result<(), BagError> {
        let shown = &self.part.source.shown;
        let decoded = block
            .decode(&mut self.file)
            .map_err(BagError::io(shown, "read the recording"))?;
        let (records, channels) = (&decoded.records, &self.channels);
        let mut entries = Vec::new();
        let walked = mcap_block::walk(records, |opcode, body| {
            if opcode != op::MESSAGE {
                return Ok(());
            }
            let bytes = records.get(body.clone()).unwrap_or_default();
            let (channel, time) =
                mcap_records::message(bytes).ok_or("a message without its fields")?;
            match channels.get(&channel) {
                None => Err(format!(
                    "a message of channel {channel}, which is not defined"
                )),
                Some(None) => Ok(()),
                Some(Some(asked)) => {
                    entries.push(Entry {
                        time,
                        asked: *asked,
                        data: body.start + mcap_records::MESSAGE_HEAD..body.end,
                    });
                    Ok(())
                }
            }
        });
        let mut fault = decoded.fault.or(walked.err());
        entries.sort_by_key(|entry| entry.time);
        // A chunk whose head lies about its earliest message came too late to be merged.
        let late = entries.partition_point(|entry| entry.time < self.last);
        if late > 0 {
            entries.drain(..late);
            let lie = || format!("{late} of its messages are older than it says");
            fault.get_or_insert_with(lie);
        }
        entries.reverse();
        if let Some(head) = entries.last().map(|entry| entry.time) {
            self.open.push(Open {
                head,
                index,
                records: Arc::new(decoded.records),
                entries,
            });
        }
        if let Some(fault) = fault {
            self.limit = self.limit.min(block.at);
            // A torn chunk is where the walk already saw the file end.
            let torn = block.chunk.as_ref().is_some_and(|chunk| chunk.torn);
            let seen = self.part.cut.clone().filter(|_| torn);
            let shown = shown.display();
            let why = seen.unwrap_or_else(|| format!("{shown}: {}", damage(block, &fault)));
            self.cut = Some(why);
        }
        Ok(())
    }
}

impl Ord for Open {
    /// The greatest of the heap is the one with the earliest message.
    fn cmp(&self, other: &Open) -> std::cmp::Ordering {
        (other.head, other.index).cmp(&(self.head, self.index))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Open) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Open) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Open {}
