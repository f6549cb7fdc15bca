//! Writes a recording as MCAP. The same messages give the same bytes: no time of writing, host or
//! version of a library goes into the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions, Writer};

use crate::time::Stamp;

/// A recording that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error(
        "{path}: cannot {doing}: {source}; check that the folder exists, may be written to and has room"
    )]
    Io {
        /// The file to be written.
        path: PathBuf,
        /// What was tried, to follow "cannot".
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The container refused, for instance because of too many topics.
    #[error("{path}: cannot write {what}: {source}")]
    Mcap {
        /// The file to be written.
        path: PathBuf,
        /// What was to be written.
        what: String,
        /// The MCAP writer's error.
        source: mcap::McapError,
    },
    /// A time that MCAP cannot hold.
    #[error(
        "{path}: topic {topic} at {time}: log times before 1970 cannot be written; expected 0 or later"
    )]
    Time {
        /// The file to be written.
        path: PathBuf,
        /// The topic's name.
        topic: String,
        /// The log time given.
        time: Stamp,
    },
}

/// A topic of the recording being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicId(usize);

/// Writes one MCAP file, as rosbag2 and its readers expect it (profile `ros2`, messages `cdr`,
/// schemas `ros2msg`). The file appears under its name when it is finished; until then it is a
/// hidden one beside it, which goes away with a writer that is dropped.
pub struct McapWriter {
    path: PathBuf,
    beside: PathBuf,
    /// Taken by finishing only.
    writer: Option<Writer<BufWriter<File>>>,
    topics: Vec<Written>,
}

struct Written {
    name: String,
    channel: u16,
    messages: u32,
}

impl McapWriter {
    /// Begins a file; the folder must exist. An older file of this name stays until the new one
    /// is finished.
    pub fn create(path: &Path) -> Result<McapWriter, WriteError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let creating = |source| WriteError::Io {
            path: path.to_path_buf(),
            doing: "create it",
            source,
        };
        let file = File::create(&beside).map_err(creating)?;
        // Threads would make the compressed bytes depend on the machine.
        let options = WriteOptions::new()
            .profile("ros2")
            .library("edge_reasoner")
            .compression(Some(Compression::Zstd))
            .compression_level(3)
            .compression_threads(0)
            .chunk_size(Some(1 << 20));
        let mut made = McapWriter {
            path: path.to_path_buf(),
            beside,
            writer: None,
            topics: Vec::new(),
        };
        let writer = options.create(BufWriter::new(file));
        made.writer = Some(writer.map_err(|source| made.refused("the header".to_owned(), source))?);
        Ok(made)
    }

    /// Adds a topic of type `package/msg/Name`. `schema_text` is its definition in the `ros2msg`
    /// form, dependencies included (see [`message_definition`]), or empty when it is not known;
    /// `qos` the publisher's profiles as rosbag2's YAML.
    pub fn add_topic(
        &mut self,
        name: &str,
        type_name: &str,
        schema_text: &str,
        qos: Option<&str>,
    ) -> Result<TopicId, WriteError> {
        let metadata: BTreeMap<String, String> = qos
            .map(|qos| ("offered_qos_profiles".to_owned(), qos.to_owned()))
            .into_iter()
            .collect();
        let added = self.writer().and_then(|writer| {
            let schema = writer.add_schema(type_name, "ros2msg", schema_text.as_bytes())?;
            writer.add_channel(schema, name, "cdr", &metadata)
        });
        let channel = added.map_err(|source| self.refused(format!("topic {name}"), source))?;
        self.topics.push(Written {
            name: name.to_owned(),
            channel,
            messages: 0,
        });
        Ok(TopicId(self.topics.len() - 1))
    }

    /// Appends one message, `cdr` with its encapsulation header. Readers that do not sort expect
    /// log times in order.
    pub fn write(&mut self, topic: TopicId, log_time: Stamp, cdr: &[u8]) -> Result<(), WriteError> {
        let Some(written) = self.topics.get_mut(topic.0) else {
            let what = "a message of a topic of another file".to_owned();
            return Err(self.refused(what, mcap::McapError::BadIndex));
        };
        let Ok(time) = u64::try_from(log_time.0) else {
            return Err(WriteError::Time {
                path: self.path.clone(),
                topic: written.name.clone(),
                time: log_time,
            });
        };
        let header = MessageHeader {
            channel_id: written.channel,
            sequence: written.messages,
            log_time: time,
            publish_time: time,
        };
        written.messages = written.messages.wrapping_add(1);
        let name = Cow::from(written.name.clone());
        let done = self
            .writer()
            .and_then(|writer| writer.write_to_known_channel(&header, cdr));
        done.map_err(|source| self.refused(format!("a message of topic {name}"), source))
    }

    /// Writes the index and gives the file its name.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let done = self.writer().and_then(|writer| writer.finish().map(drop));
        done.map_err(|source| self.refused("the index".to_owned(), source))?;
        let failed = |doing| {
            let path = self.path.clone();
            move |source| WriteError::Io {
                path,
                doing,
                source,
            }
        };
        let saving = "write it to the disk";
        if let Some(writer) = self.writer.take() {
            let file = writer.into_inner().into_inner();
            let file = file.map_err(|error| failed(saving)(error.into_error()))?;
            file.sync_all().map_err(failed(saving))?;
        }
        std::fs::rename(&self.beside, &self.path).map_err(failed("give it its name"))
    }

    fn writer(&mut self) -> Result<&mut Writer<BufWriter<File>>, mcap::McapError> {
        let gone = || io::Error::other("the file is closed");
        self.writer.as_mut().ok_or_else(|| gone().into())
    }

    fn refused(&self, what: String, source: mcap::McapError) -> WriteError {
        WriteError::Mcap {
            path: self.path.clone(),
            what,
            source,
        }
    }
}

impl Drop for McapWriter {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Dropped as it is, the library would finish the file, and panic if it cannot.
            drop(writer.into_inner().into_parts());
        }
        // After finish() there is no such file.
        let _ = std::fs::remove_file(&self.beside);
    }
}

/// The definition of one of our messages in the `ros2msg` form: its text, followed by those of
/// the types it is made of. `None` for types that are not ours.
pub fn message_definition(type_name: &str) -> Option<&'static str> {
    static DECISION: LazyLock<String> = LazyLock::new(|| {
        let decision = include_str!("../../msg/Decision.msg");
        let parts = [
            ("std_msgs/Header", HEADER),
            ("builtin_interfaces/Time", TIME),
        ];
        concatenate(decision, &parts)
    });
    match type_name {
        "edge_reasoner/msg/Decision" => Some(&DECISION),
        _ => None,
    }
}

const HEADER: &str = "builtin_interfaces/Time stamp\nstring frame_id\n";
const TIME: &str = "int32 sec\nuint32 nanosec\n";

fn concatenate(main: &str, parts: &[(&str, &str)]) -> String {
    let mut text = without_comments(main);
    for (name, definition) in parts {
        text.push_str(&"=".repeat(80));
        text.push_str(&format!("\nMSG: {name}\n{definition}"));
    }
    text
}

/// Some readers take a comment behind a string constant for a part of it. Our messages have no
/// `#` inside a value.
fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim_end());
    let kept = lines.filter(|line| !line.is_empty());
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bag::Bag;
    use crate::bag::message::ReadEnd;

    const DECISION: &str = "edge_reasoner/msg/Decision";

    fn write(path: &Path) -> McapWriter {
        let mut writer = McapWriter::create(path).unwrap();
        let text = message_definition(DECISION).unwrap();
        let qos = "- history: 1\n  depth: 1\n";
        let one = writer
            .add_topic("/decision", DECISION, text, Some(qos))
            .unwrap();
        let two = writer
            .add_topic("/scan", "sensor_msgs/msg/LaserScan", "", None)
            .unwrap();
        for index in 0..5_000i64 {
            let topic = if index % 3 == 0 { one } else { two };
            let data = [&[0, 1, 0, 0][..], &vec![index as u8; index as usize % 700]].concat();
            writer.write(topic, Stamp(index * 1_000), &data).unwrap();
        }
        writer
    }

    #[test]
    fn the_same_messages_give_the_same_bytes_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.mcap"), folder.path().join("b.mcap"));
        write(&a).finish().unwrap();
        write(&b).finish().unwrap();
        let bytes = std::fs::read(&a).unwrap();
        assert_eq!(bytes, std::fs::read(&b).unwrap());
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let front = bytes.get(..64).unwrap();
        assert!(!front.windows(version.len()).any(|part| part == version));
        let bag = Bag::open(&a).unwrap();
        let mut messages = bag.read(&["/scan", "/decision"]).unwrap();
        assert_eq!(messages.by_ref().count(), 5_000);
        assert_eq!(messages.end(), &ReadEnd::Whole);
        let counts: Vec<_> = bag.topics().iter().map(|topic| topic.messages).collect();
        assert_eq!(counts, [Some(1_667), Some(3_333)]);
    }

    #[test]
    fn nothing_appears_before_finish_and_nothing_stays_of_a_writer_that_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mcap");
        std::fs::write(&path, "older").unwrap();
        let writer = write(&path);
        assert_eq!(std::fs::read(&path).unwrap(), b"older");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"older");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path).finish().unwrap();
        assert_ne!(std::fs::read(&path).unwrap(), b"older");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_refused_in_words() {
        let error = McapWriter::create(Path::new("/nowhere/at/all.mcap"))
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("/nowhere/at/all.mcap: cannot create it")
        );
        let folder = tempfile::tempdir().unwrap();
        let mut writer = McapWriter::create(&folder.path().join("a.mcap")).unwrap();
        let topic = writer.add_topic("/t", "a/msg/A", "", None).unwrap();
        let error = writer.write(topic, Stamp(-1), &[]).unwrap_err();
        assert!(error.to_string().contains("topic /t at -1.999999999"));
        let error = writer.write(TopicId(7), Stamp(1), &[]).unwrap_err();
        assert!(error.to_string().contains("a topic of another file"));
        writer.write(topic, Stamp(1), &[0, 1, 0, 0]).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn the_decision_is_defined_with_all_it_consists_of() {
        let text = message_definition(DECISION).unwrap();
        assert!(text.starts_with("string MODEL=MODEL\n"));
        assert!(text.contains("\nstd_msgs/Header header\n"));
        let rule = format!("\n{}\n", "=".repeat(80));
        let parts: Vec<&str> = text.split(&rule).collect();
        assert_eq!(parts.len(), 3);
        assert!(parts[1].starts_with("MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\n"));
        assert!(parts[2].starts_with("MSG: builtin_interfaces/Time\nint32 sec\n"));
        assert!(!text.contains('#'));
        assert_eq!(message_definition("std_msgs/msg/String"), None);
    }
}
