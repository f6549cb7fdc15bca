//! Recordings made here, read back.

mod damage;
mod folders;
mod logs;
mod orders;
mod recordings;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ::mcap::records::MessageHeader;
use ::mcap::{WriteOptions, Writer};

use super::Bag;
use super::message::ReadEnd;
use super::writer::McapWriter;
use crate::time::Stamp;

/// Topic, log time and payload.
pub(super) type Said = (usize, i64, Vec<u8>);

pub(super) const TOPICS: [(&str, &str); 3] = [
    ("/scan", "sensor_msgs/msg/LaserScan"),
    ("/odom", "nav_msgs/msg/Odometry"),
    ("/bump", "neato2_interfaces/msg/Bump"),
];

/// A payload that tells where it belongs, of varying length, beginning as CDR does.
pub(super) fn said(topic: usize, time: i64) -> Said {
    let mut data = vec![0, 1, 0, 0, topic as u8];
    data.extend(time.to_le_bytes());
    data.extend((0..time.rem_euclid(97)).map(|byte| byte as u8));
    (topic, time, data)
}

/// `count` messages on two topics, in the order of time with some equal times.
pub(super) fn talk(from: i64, count: i64) -> Vec<Said> {
    (from..from + count)
        .map(|index| said((index % 2) as usize, index / 3 * 10))
        .collect()
}

pub(super) fn write_mcap(path: &Path, messages: &[Said]) {
    let mut writer = McapWriter::create(path).unwrap();
    let ids: Vec<_> = TOPICS
        .iter()
        .map(|(name, kind)| writer.add_topic(name, kind, "", None).unwrap())
        .collect();
    for (topic, time, data) in messages {
        writer.write(ids[*topic], Stamp(*time), data).unwrap();
    }
    writer.finish().unwrap();
}

/// The same by the library, with options that our writer does not have.
pub(super) fn write_mcap_with(path: &Path, options: WriteOptions, messages: &[Said]) {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut writer: Writer<_> = options.create(file).unwrap();
    let mut ids = Vec::new();
    for (name, kind) in TOPICS {
        let schema = writer.add_schema(kind, "ros2msg", b"").unwrap();
        let metadata = Default::default();
        ids.push(writer.add_channel(schema, name, "cdr", &metadata).unwrap());
    }
    for (topic, time, data) in messages {
        let header = MessageHeader {
            channel_id: ids[*topic],
            sequence: 0,
            log_time: *time as u64,
            publish_time: 0,
        };
        writer.write_to_known_channel(&header, data).unwrap();
    }
    writer.finish().unwrap();
}

pub(super) fn write_db3(path: &Path, messages: &[Said]) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA synchronous=OFF;
         CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
           serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
         CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
           timestamp INTEGER NOT NULL, data BLOB NOT NULL);
         CREATE INDEX timestamp_idx ON messages (timestamp ASC); BEGIN;",
    )
    .unwrap();
    for (index, (name, kind)) in TOPICS.iter().enumerate() {
        let sql = "INSERT INTO topics VALUES (?1, ?2, ?3, 'cdr', '')";
        db.execute(sql, (index as i64 + 1, name, kind)).unwrap();
    }
    for (topic, time, data) in messages {
        let sql = "INSERT INTO messages(topic_id, timestamp, data) VALUES (?1, ?2, ?3)";
        db.execute(sql, (*topic as i64 + 1, time, data)).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
}

/// What reading must give: in the order of time, equal times as they were written.
pub(super) fn in_order(messages: &[Said], topics: &[usize]) -> Vec<Said> {
    let wanted = messages.iter().filter(|said| topics.contains(&said.0));
    let mut wanted: Vec<Said> = wanted.cloned().collect();
    wanted.sort_by_key(|said| said.1);
    wanted
}

/// The topics of [`TOPICS`], read to the end.
pub(super) fn read(bag: &Bag) -> (Vec<Said>, ReadEnd) {
    let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
    let mut messages = bag.read(&names).unwrap();
    let mut heard = Vec::new();
    for message in messages.by_ref() {
        let message = message.unwrap();
        heard.push((message.topic, message.log_time.0, message.data.to_vec()));
    }
    (heard, messages.end().clone())
}

pub(super) fn read_file(path: &Path) -> (Vec<Said>, ReadEnd) {
    read(&Bag::open(path).unwrap())
}

pub(super) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    (folder, path)
}
