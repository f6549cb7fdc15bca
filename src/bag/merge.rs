//! Reads the files of one recording as one stream in the order of log times.

use std::path::Path;
use std::sync::Arc;

use super::decompression::{self, RecordingFile, StorageKind};
use super::error::BagError;
use super::mcap::{McapFile, McapReader};
use super::message::{BagMessage, PartMessage, ReadEnd, Topic, Wanted};
use super::sqlite::{SqliteFile, SqliteReader};
use crate::time::Stamp;

/// One file of a recording.
#[derive(Clone, Debug)]
pub(super) enum RecordingPart {
    Mcap(Arc<McapFile>),
    Sqlite(Arc<SqliteFile>),
}

impl RecordingPart {
    pub(super) fn open(path: &Path) -> Result<RecordingPart, BagError> {
        let source = RecordingFile::open(path)?;
        Ok(match source.kind {
            StorageKind::Mcap => RecordingPart::Mcap(Arc::new(McapFile::open(source)?)),
            StorageKind::Sqlite => RecordingPart::Sqlite(Arc::new(SqliteFile::open(source)?)),
        })
    }

    pub(super) fn topics(&self) -> &[Topic] {
        match self {
            RecordingPart::Mcap(file) => &file.topics,
            RecordingPart::Sqlite(file) => &file.topics,
        }
    }

    /// First and last log time; none when there is no message.
    pub(super) fn time_range(&self) -> Option<(Stamp, Stamp)> {
        match self {
            RecordingPart::Mcap(file) => file.range,
            RecordingPart::Sqlite(file) => file.range,
        }
    }

    pub(super) fn cut(&self) -> Option<&str> {
        match self {
            RecordingPart::Mcap(file) => file.cut.as_deref(),
            RecordingPart::Sqlite(file) => file.cut.as_deref(),
        }
    }

    fn read(&self, wanted: &Wanted) -> Result<PartReader, BagError> {
        Ok(match self {
            RecordingPart::Mcap(file) => PartReader::Mcap(McapReader::new(file, wanted)?),
            RecordingPart::Sqlite(file) => PartReader::Sqlite(SqliteReader::new(file, wanted)?),
        })
    }
}

/// The messages of one file in the order of log times, stable.
enum PartReader {
    Mcap(McapReader),
    Sqlite(SqliteReader),
}

impl PartReader {
    fn next(&mut self) -> Result<Option<PartMessage>, BagError> {
        match self {
            PartReader::Mcap(reader) => reader.next(),
            PartReader::Sqlite(reader) => reader.next(),
        }
    }

    /// Why it ended, if not because there is no more.
    fn take_cut(&mut self) -> Option<String> {
        match self {
            PartReader::Mcap(reader) => reader.cut.take(),
            PartReader::Sqlite(reader) => reader.cut.take(),
        }
    }
}

/// The messages of a recording in the order of their log times. An error ends it.
pub struct Messages {
    /// Files not begun yet, the next one last.
    waiting: Vec<RecordingPart>,
    /// Files being read, in their order, each with its next message.
    open: Vec<(PartReader, PartMessage)>,
    wanted: Wanted,
    last: Option<Stamp>,
    /// Set as soon as it is known; what was readable before it is still delivered.
    cut: Option<String>,
    /// What opening the recording saw, in case that reading does not meet it.
    known_cut: Option<String>,
    end: ReadEnd,
    done: bool,
}

impl Messages {
    pub(super) fn new(
        mut parts: Vec<RecordingPart>,
        wanted: Wanted,
        known_cut: Option<String>,
    ) -> Messages {
        parts.reverse();
        Messages {
            waiting: parts,
            open: Vec::new(),
            wanted,
            last: None,
            cut: None,
            known_cut,
            end: ReadEnd::Whole,
            done: false,
        }
    }

    /// How reading ended; settled once the iterator has returned `None`.
    pub fn end(&self) -> &ReadEnd {
        &self.end
    }

    fn advance(&mut self) -> Result<Option<BagMessage>, BagError> {
        // Split files follow each other, so normally one is open; those that overlap are merged.
        while let Some(part) = self.waiting.last() {
            let head = self.open.iter().map(|(_, item)| item.time).min();
            let due = match (part.time_range(), head) {
                (Some((start, _)), Some(head)) => start <= head,
                _ => true,
            };
            if !due {
                break;
            }
            let reader = part.read(&self.wanted)?;
            self.waiting.pop();
            self.refill(self.open.len(), reader)?;
        }
        let times = self.open.iter().enumerate();
        let Some((index, _)) = times.min_by_key(|(index, (_, item))| (item.time, *index)) else {
            return Ok(None);
        };
        let (reader, item) = self.open.remove(index);
        self.refill(index, reader)?;
        match decompression::message(item.data) {
            Ok(data) => {
                self.last = Some(item.time);
                Ok(Some(BagMessage {
                    topic: item.asked,
                    log_time: item.time,
                    data,
                }))
            }
            Err(why) => {
                let topic = self.wanted.iter().find(|(asked, _)| *asked == item.asked);
                let topic = topic.map_or("", |(_, topic)| &topic.name);
                self.stop(format!("at {}, topic {topic}: {why}", item.time));
                self.open.clear();
                Ok(None)
            }
        }
    }

    /// Puts a reader (back) at its place among the open ones, with its next message.
    fn refill(&mut self, index: usize, mut reader: PartReader) -> Result<(), BagError> {
        match reader.next()? {
            Some(item) => self.open.insert(index, (reader, item)),
            None => {
                if let Some(why) = reader.take_cut() {
                    self.stop(why);
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self, why: String) {
        self.waiting.clear();
        self.cut.get_or_insert(why);
    }
}

impl Iterator for Messages {
    type Item = Result<BagMessage, BagError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.done = true;
            self.open.clear();
            self.waiting.clear();
            let cut = match &next {
                Some(Err(error)) => Some(error.to_string()),
                _ => self.cut.take().or(self.known_cut.take()),
            };
            if let Some(why) = cut {
                let at = self.last;
                self.end = ReadEnd::Cut { at, why };
            }
        }
        next
    }
}
