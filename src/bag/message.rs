//! Types of a recording as readers see it: topics, messages, and how reading ended.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::time::Stamp;

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

impl Topic {
    /// Where its messages are not ROS 2's and cannot be read: what they are and what to do.
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
/// Copy those that are kept for long: each keeps its whole chunk in memory.
#[derive(Clone)]
pub struct Payload {
    pub(super) block: Arc<Vec<u8>>,
    pub(super) range: Range<usize>,
}

impl Payload {
    pub(super) fn new(block: Arc<Vec<u8>>, range: Range<usize>) -> Payload {
        Payload { block, range }
    }

    pub(super) fn whole(bytes: Vec<u8>) -> Payload {
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

/// How reading ended; settled once the messages are exhausted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEnd {
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

/// One message of a file.
pub(super) struct PartMessage {
    pub(super) time: Stamp,
    pub(super) asked: usize,
    pub(super) data: Payload,
}

/// The topics asked for, each with its place in the caller's list.
pub(super) type Wanted = Arc<[(usize, Topic)]>;

/// The place of this topic in the caller's list, if it was asked for.
pub(super) fn place(wanted: &Wanted, topic: &Topic) -> Option<usize> {
    let same = |(_, asked): &&(usize, Topic)| {
        asked.name == topic.name
            && asked.type_name == topic.type_name
            && asked.encoding == topic.encoding
    };
    wanted.iter().find(same).map(|(place, _)| *place)
}
