//! Reading recordings: MCAP files, SQLite files and rosbag2 directories of either, one or many
//! files each.
//!
//! [`Bag::open`] looks at the structure, [`Bag::read`] streams the messages of some topics in
//! the order of their log times; messages of one time keep the order of the file. What can be
//! read is read: a recording that is cut or damaged is delivered up to there, and
//! [`Messages::end`] says where that is and why.
//!
//! Memory: one decompressed chunk at a time, or as many as overlap in time (MCAP); 24 bytes a
//! message and one message (SQLite, which need not be written in order of time).
//!
//! ```
//! use std::path::Path;
//!
//! use edge_reasoner::bag::{Bag, ReadEnd};
//! use edge_reasoner::messages::{Message, MessageType};
//!
//! let bag = Bag::open(Path::new("tests/data/clearance/drive_127.mcap"))?;
//! let mut messages = bag.read(&["/scan"])?;
//! for message in &mut messages {
//!     let message = message?;
//!     if let Message::LaserScan(scan) = Message::decode(MessageType::LaserScan, &message.data)? {
//!         println!("{} ns: {} beams", message.log_time.0, scan.ranges.len());
//!     }
//! }
//! assert_eq!(messages.end(), &ReadEnd::Whole);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decompression;
mod error;
mod find;
mod mcap;
mod mcap_block;
mod mcap_index;
mod mcap_records;
mod merge;
mod message;
mod rosbag2_directory;
mod sqlite;
mod sqlite_wal;
#[cfg(test)]
mod tests;
pub mod writer;

use std::path::{Path, PathBuf};

use crate::time::Stamp;
pub use error::BagError;
pub use find::find_recordings;
pub use merge::Messages;
use merge::RecordingPart;
pub use message::{BagMessage, Payload, ReadEnd, Topic};

/// One recording: a `.mcap`, a `.db3`, or a rosbag2 directory.
#[derive(Debug)]
pub struct Bag {
    path: PathBuf,
    name: String,
    topics: Vec<Topic>,
    parts: Vec<RecordingPart>,
    cut: Option<String>,
}

impl Bag {
    /// Opens a recording and reads its structure: topics, counts, and whether it is cut. A file
    /// is known by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Bag, BagError> {
        let found = std::fs::metadata(path).map_err(BagError::io(path, "open the recording"))?;
        let contents = if found.is_dir() {
            rosbag2_directory::open(path)?
        } else {
            rosbag2_directory::Contents {
                parts: vec![RecordingPart::open(path)?],
                ..Default::default()
            }
        };
        let mut bag = Bag {
            path: path.to_path_buf(),
            name: name_of(path),
            topics: Vec::new(),
            cut: None,
            parts: contents.parts,
        };
        // Reading ends at the first cut: files after it would leave a hole in time.
        if let Some(index) = bag.parts.iter().position(|part| part.cut().is_some()) {
            bag.parts.truncate(index + 1);
        }
        let cut = bag.parts.last().and_then(RecordingPart::cut);
        bag.cut = cut.map(str::to_owned).or(contents.missing);
        for part in &bag.parts {
            part.topics()
                .iter()
                .for_each(|topic| add_topic(&mut bag.topics, topic));
        }
        // Topics without a message are known to metadata.yaml alone.
        for topic in contents.topics {
            if !bag.topics.iter().any(|known| known.name == topic.name) {
                bag.topics.push(topic);
            }
        }
        Ok(bag)
    }

    /// The file's name without its extension, or the directory's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All topics, in the order of the recording; those of unknown type are listed too. A name
    /// recorded with several types is listed once per type, and only the first is read.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The first and the last log time, as the recording's index has them.
    pub fn time_range(&self) -> Option<(Stamp, Stamp)> {
        let ranges = self.parts.iter().filter_map(RecordingPart::time_range);
        ranges.reduce(|all, part| (all.0.min(part.0), all.1.max(part.1)))
    }

    /// What opening already saw of a cut: file, place and cause. Damage inside a chunk shows
    /// only when it is read.
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// The messages of these topics, merged in the order of their log times. A topic that the
    /// recording does not have gives none; see [`Bag::topics`].
    pub fn read(&self, topics: &[&str]) -> Result<Messages, BagError> {
        let mut wanted = Vec::with_capacity(topics.len());
        for name in topics {
            let Some(topic) = self.topics.iter().find(|topic| topic.name == *name) else {
                continue;
            };
            if let Some(what) = topic.unreadable() {
                return Err(BagError::Encoding {
                    path: self.path.clone(),
                    topic: topic.name.clone(),
                    what,
                });
            }
            let asked = topics.iter().position(|other| other == name);
            wanted.push((asked.unwrap_or_default(), topic.clone()));
        }
        Ok(Messages::new(
            self.parts.clone(),
            wanted.into(),
            self.cut.clone(),
        ))
    }
}

fn add_topic(topics: &mut Vec<Topic>, more: &Topic) {
    let same = |known: &&mut Topic| known.name == more.name && known.type_name == more.type_name;
    match topics.iter_mut().find(same) {
        Some(known) => {
            known.messages = known.messages.zip(more.messages).map(|(a, b)| a + b);
        }
        None => topics.push(more.clone()),
    }
}

/// `a/b/run_1.mcap` and `run_1.db3.zstd` are "run_1", and so is the directory `run_1/`.
fn name_of(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    // The name the user gave, unless it says nothing (".", "..", a link is named by itself).
    let last = path.file_name().or_else(|| full.file_name());
    let mut name = last.map_or_else(String::new, |last| last.to_string_lossy().into_owned());
    if !full.is_dir() {
        for extension in [".zstd", ".mcap", ".db3"] {
            if let Some(stem) = name.strip_suffix(extension).filter(|stem| !stem.is_empty()) {
                name.truncate(stem.len());
            }
        }
    }
    name
}
