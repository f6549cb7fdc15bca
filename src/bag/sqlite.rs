//! Reads one rosbag2 SQLite file (`.db3`), with or without its `metadata.yaml`.
//!
//! Opening goes once over the table in the order it was written and keeps row, topic and time
//! of every message (24 bytes each); reading fetches the messages by their rows in the order of
//! time. So neither depends on an index, and a damaged file gives what lies before the damage.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::decompression::RecordingFile;
use super::error::BagError;
use super::message::{PartMessage, Payload, Topic, Wanted, place};
use super::sqlite_wal;
use crate::time::Stamp;

/// No row is shorter: a corrupt tree may lead round in circles, and must not fill the memory.
const LEAST_ROW: u64 = 8;

/// The structure of a file, known before its messages are read.
#[derive(Debug)]
pub(super) struct SqliteFile {
    source: RecordingFile,
    pub(super) topics: Vec<Topic>,
    /// In the order of time, equal times as they were written.
    rows: Vec<Row>,
    pub(super) range: Option<(Stamp, Stamp)>,
    pub(super) cut: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    time: Stamp,
    row: i64,
    /// Index into the topics of the file.
    topic: u32,
}

impl SqliteFile {
    pub(super) fn open(mut source: RecordingFile) -> Result<SqliteFile, BagError> {
        // Before SQLite touches it.
        let lost = sqlite_wal::lost(source.file());
        let connection = connect_or_copy(&mut source)?;
        let bad = |error: rusqlite::Error| BagError::Sqlite {
            path: source.shown.clone(),
            what: error.to_string(),
        };
        let ids = read_topics(&connection).map_err(bad)?;
        let (ids, mut topics): (Vec<i64>, Vec<Topic>) = ids.into_iter().unzip();
        let len = |file: &Path| std::fs::metadata(file).map_or(0, |found| found.len());
        let len = len(source.file()) + len(&sqlite_wal::beside(source.file(), "-wal"));
        let mut rows = Vec::new();
        let limit = usize::try_from(len / LEAST_ROW).unwrap_or(usize::MAX);
        let why = read_rows(&connection, &ids, limit, &mut rows).err();
        for row in &rows {
            if let Some(topic) = topics.get_mut(row.topic as usize) {
                topic.messages = topic.messages.map(|count| count + 1);
            }
        }
        rows.sort_by_key(|row| row.time);
        let cut = why.map(|why| {
            let shown = source.shown.display();
            format!("{shown}: damaged after {} messages: {why}", rows.len())
        });
        Ok(SqliteFile {
            range: rows.first().zip(rows.last()).map(|(a, b)| (a.time, b.time)),
            // Unpacking failed first: whatever SQLite met is its consequence.
            cut: source.cut.clone().or(cut).or(lost),
            source,
            topics,
            rows,
        })
    }
}

/// Opens the file. Changes that lie beside it, in a write-ahead log or a journal, need a folder
/// that can be written to; where it cannot, all is copied to one.
fn connect_or_copy(source: &mut RecordingFile) -> Result<Connection, BagError> {
    let bad = |source: &RecordingFile, what: String| BagError::Sqlite {
        path: source.shown.clone(),
        what,
    };
    let error = match connect(source.file(), OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    let companions = sqlite_wal::companions(source.file());
    if companions.is_empty() {
        // A file in write-ahead mode needs such a folder even if its log is empty, unless SQLite is
        // told that nobody writes.
        return connect_immutable(source.file())
            .unwrap_or(Err(error))
            .map_err(|error| bad(source, error.to_string()));
    }
    source
        .copy_with(&companions)
        .map_err(|error| error.to_string())
        .and_then(|()| {
            let opened = connect(source.file(), OpenFlags::SQLITE_OPEN_READ_WRITE);
            opened.map_err(|error| error.to_string())
        })
        .map_err(|error| {
            let what = format!(
                "what was recorded last is in the file beside it ({}), which cannot be read along: \
                 {error}",
                companions.join(", ")
            );
            bad(source, what)
        })
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).and_then(usable)
}

/// None where the path cannot be written as an address.
fn connect_immutable(path: &Path) -> Option<rusqlite::Result<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = immutable_uri(path)?;
    let opened = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI);
    Some(opened.and_then(usable))
}

fn usable(connection: Connection) -> rusqlite::Result<Connection> {
    // Without writable_schema, SQLite refuses a file that is shorter than its header has it. No
    // code in the file is run.
    connection.execute_batch(
        "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA writable_schema=ON;",
    )?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn immutable_uri(path: &Path) -> Option<String> {
    let full = path.canonicalize().ok()?;
    let mut uri = String::from("file://");
    for byte in full.to_str()?.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(uri + "?immutable=1")
}

fn read_topics(connection: &Connection) -> rusqlite::Result<Vec<(i64, Topic)>> {
    // Views could be made to run forever: only tables are read.
    let tables = "SELECT count(*) FROM sqlite_schema \
                  WHERE type = 'table' AND name IN ('topics', 'messages') AND sql LIKE 'CREATE TABLE%'";
    let count: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    if count != 2 {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "it has {count} of the two tables"
        )));
    }
    let mut statement = connection
        .prepare("SELECT id, name, type, serialization_format FROM topics ORDER BY id")?;
    let topics = statement.query_map([], |row| {
        let topic = Topic {
            name: row.get(1)?,
            type_name: row.get(2)?,
            encoding: row.get(3)?,
            schema_encoding: String::new(),
            messages: Some(0),
        };
        Ok((row.get(0)?, topic))
    })?;
    topics.collect()
}

fn read_rows(
    connection: &Connection,
    ids: &[i64],
    limit: usize,
    rows: &mut Vec<Row>,
) -> Result<(), String> {
    let said = |error: rusqlite::Error| error.to_string();
    let mut statement = connection
        .prepare("SELECT rowid, topic_id, timestamp FROM messages NOT INDEXED")
        .map_err(said)?;
    let mut found = statement.query([]).map_err(said)?;
    while let Some(row) = found.next().map_err(said)? {
        let (id, time): (i64, i64) = (row.get(1).map_err(said)?, row.get(2).map_err(said)?);
        let Some(topic) = ids.iter().position(|known| *known == id) else {
            return Err(format!(
                "a message of topic {id}, which is not in the table topics"
            ));
        };
        if rows.len() >= limit {
            return Err("more rows than the file has room for".to_owned());
        }
        rows.push(Row {
            time: Stamp(time),
            row: row.get(0).map_err(said)?,
            topic: topic as u32,
        });
    }
    Ok(())
}

/// Reads the messages of some topics.
pub(super) struct SqliteReader {
    part: Arc<SqliteFile>,
    connection: Connection,
    /// For every topic of the file its place in the caller's list, if it was asked for.
    places: Vec<Option<usize>>,
    next: usize,
    pub(super) cut: Option<String>,
}

impl SqliteReader {
    pub(super) fn new(part: &Arc<SqliteFile>, wanted: &Wanted) -> Result<SqliteReader, BagError> {
        let file = part.source.file();
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .or_else(|error| connect_immutable(file).unwrap_or(Err(error)))
            .map_err(|error| BagError::Sqlite {
                path: part.source.shown.clone(),
                what: error.to_string(),
            })?;
        Ok(SqliteReader {
            places: part
                .topics
                .iter()
                .map(|topic| place(wanted, topic))
                .collect(),
            part: Arc::clone(part),
            connection,
            next: 0,
            cut: None,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<PartMessage>, BagError> {
        while let Some(row) = self.part.rows.get(self.next).copied() {
            self.next += 1;
            let Some(asked) = self.places.get(row.topic as usize).copied().flatten() else {
                continue;
            };
            match self.fetch(row.row) {
                Ok(data) => {
                    return Ok(Some(PartMessage {
                        time: row.time,
                        asked,
                        data: Payload::whole(data),
                    }));
                }
                Err(why) => {
                    let (shown, time) = (self.part.source.shown.display(), row.time);
                    self.cut = Some(format!("{shown}: the message at {time} is damaged: {why}"));
                    self.next = self.part.rows.len();
                    return Ok(None);
                }
            }
        }
        if self.cut.is_none() {
            self.cut = self.part.cut.clone();
        }
        Ok(None)
    }

    fn fetch(&self, row: i64) -> Result<Vec<u8>, String> {
        let said = |error: rusqlite::Error| error.to_string();
        let mut statement = self
            .connection
            .prepare_cached("SELECT data FROM messages WHERE rowid = ?1")
            .map_err(said)?;
        let mut found = statement.query([row]).map_err(said)?;
        match found.next().map_err(said)?.map(|row| row.get_ref(0)) {
            Some(Ok(ValueRef::Blob(bytes))) => Ok(bytes.to_vec()),
            Some(Ok(other)) => Err(format!("its data is {}, not a blob", other.data_type())),
            Some(Err(error)) => Err(said(error)),
            None => Err("its row has disappeared".to_owned()),
        }
    }
}
