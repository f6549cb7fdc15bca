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

mod block;
mod directory;
mod error;
mod find;
mod inflate;
mod mcap;
mod merge;
mod outline;
mod sqlite;
#[cfg(test)]
mod tests;
mod wal;
mod wire;

use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::BagError;
pub use find::find_recordings;
pub use merge::Messages;

use crate::time::Stamp;
use merge::Part;

/// One recording: a `.mcap`, a `.db3`, or a rosbag2 directory.
#[derive(Debug)]
pub struct Bag {
    path: PathBuf,
    name: String,
    topics: Vec<Topic>,
    parts: Vec<Part>,
    cut: Option<String>,
}

/// A topic as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, with the leading slash.
    pub name: String,
    /// For instance `sensor_msgs/msg/LaserScan`; empty when the recording does not say.
    pub type_name: String,
    /// How the messages are serialized: `cdr` for ROS 2.
    pub encoding: String,
    /// How their type is described, such as `ros2msg`; empty where the recording does not say.
    pub schema_encoding: String,
    /// How many there are, as far as the recording can be read.
    pub messages: Option<u64>,
}

/// One recorded message.
#[derive(Clone, Debug)]
pub struct BagMessage {
    /// Index into the list of topics that was asked for.
    pub topic: usize,
    /// When it was recorded.
    pub log_time: Stamp,
    /// The serialized message, CDR with its encapsulation header.
    pub data: Payload,
}

/// The bytes of one message: a view into the chunk they came in, so that nothing is copied.
/// Whoever keeps a few for long should copy them, for each keeps its whole chunk.
#[derive(Clone)]
pub struct Payload {
    block: Arc<Vec<u8>>,
    range: Range<usize>,
}

/// How reading ended; settled once the messages are exhausted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that was recorded has been delivered.
    Whole,
    /// The recording is cut or damaged; what comes after was not delivered.
    Cut {
        /// Log time of the last message delivered; none when there was none.
        at: Option<Stamp>,
        /// File, place and cause, in one sentence.
        why: String,
    },
}

impl Topic {
    /// What its messages are, where they are not ROS 2's and cannot be read, with what to do.
    pub fn unreadable(&self) -> Option<String> {
        let Topic {
            encoding,
            schema_encoding,
            ..
        } = self;
        if encoding == "ros1" || schema_encoding == "ros1msg" {
            let of = match schema_encoding.as_str() {
                "" => String::new(),
                schema => format!("schema encoding {schema}, "),
            };
            return Some(format!(
                "ROS 1 messages ({of}message encoding {encoding}), which cannot be read; convert the \
                 ROS 1 .bag that they come from: rosbags-convert --src drive.bag --dst drive"
            ));
        }
        (encoding != "cdr").then(|| {
            format!(
                "messages encoded as {encoding:?}, which cannot be read; expected \"cdr\", as ROS 2's \
                 recorders write them"
            )
        })
    }
}

impl Bag {
    /// Opens a recording and reads its structure: topics, counts, and whether it is cut. A file
    /// is known by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Bag, BagError> {
        let found = std::fs::metadata(path).map_err(BagError::io(path, "open the recording"))?;
        let contents = if found.is_dir() {
            directory::open(path)?
        } else {
            directory::Contents {
                parts: vec![Part::open(path)?],
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
        let cut = bag.parts.last().and_then(Part::cut);
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
        let ranges = self.parts.iter().filter_map(Part::time_range);
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

impl Payload {
    fn new(block: Arc<Vec<u8>>, range: Range<usize>) -> Payload {
        Payload { block, range }
    }

    fn whole(bytes: Vec<u8>) -> Payload {
        let range = 0..bytes.len();
        Payload::new(Arc::new(bytes), range)
    }
}

impl Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // Ranges are cut from the block when it is read; an empty answer would hide a mistake
        // of ours, yet be better than a panic.
        self.block.get(self.range.clone()).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
