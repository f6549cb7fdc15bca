//! SQLite files with a write-ahead log beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Said, folder, read, read_file, talk, write_db3};
use crate::bag::Bag;
use crate::bag::message::ReadEnd;

/// A file whose last messages are in the log alone, as a recorder leaves it that dies.
fn left_behind(folder: &Path, messages: &[Said]) -> PathBuf {
    let (made, path) = (folder.join("made.db3"), folder.join("run.db3"));
    write_db3(&made, &messages[..messages.len() / 2]);
    let db = rusqlite::Connection::open(&made).unwrap();
    let query = |pragma: &str| db.query_row(pragma, [], |_| Ok(())).unwrap();
    query("PRAGMA journal_mode=WAL");
    query("PRAGMA wal_autocheckpoint=0");
    for (topic, time, data) in &messages[messages.len() / 2..] {
        let sql = "INSERT INTO messages(topic_id, timestamp, data) VALUES (?1, ?2, ?3)";
        db.execute(sql, (*topic as i64 + 1, time, data)).unwrap();
    }
    fs::copy(&made, &path).unwrap();
    fs::copy(log(&made), log(&path)).unwrap();
    drop(db);
    path
}

fn log(path: &Path) -> PathBuf {
    path.with_extension("db3-wal")
}

/// SQLite needs a file of this name; a folder is in its way, whoever it runs as.
fn obstruct(path: &Path) {
    fs::create_dir(path.with_extension("db3-shm")).unwrap();
}

#[test]
fn a_log_is_read_along_where_its_folder_cannot_be_written() {
    let (_keep, folder) = folder();
    let messages = talk(0, 200);
    let path = left_behind(&folder, &messages);
    obstruct(&path);
    let before = fs::read(&path).unwrap();
    assert_eq!(read_file(&path), (messages, ReadEnd::Whole));
    assert!(
        fs::read(&path).unwrap() == before,
        "nothing is written back"
    );
    assert!(log(&path).exists());
}

#[test]
fn a_log_is_read_along_in_a_folder_that_may_only_be_read() {
    let (_keep, folder) = folder();
    let messages = talk(0, 200);
    let path = left_behind(&folder, &messages);
    let mode = |readonly: bool| {
        use std::os::unix::fs::PermissionsExt;
        let mode = if readonly { 0o555 } else { 0o755 };
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(true);
    let heard = Bag::open(&path).map(|bag| read(&bag));
    mode(false);
    assert_eq!(heard.unwrap(), (messages, ReadEnd::Whole));
}

#[test]
fn more_in_the_log_than_in_the_file_is_read_all_the_same() {
    let (_keep, folder) = folder();
    let messages = talk(0, 3000);
    let path = left_behind(&folder, &messages);
    assert_eq!(read_file(&path), (messages, ReadEnd::Whole));
}

#[test]
fn what_is_lost_of_a_damaged_log_is_said() {
    for obstructed in [false, true] {
        let (_keep, folder) = folder();
        let messages = talk(0, 200);
        let path = left_behind(&folder, &messages);
        if obstructed {
            obstruct(&path);
        }
        let good = fs::read(log(&path)).unwrap();
        let page = 4096 + 24;
        let spoil: [(&str, Vec<u8>); 5] = [
            ("header is damaged", [&[0; 32], &good[32..]].concat()),
            ("ends inside its header", good[..20].to_vec()),
            ("damaged at page 2", {
                let mut bytes = good.clone();
                bytes[32 + page + 500] ^= 1;
                bytes
            }),
            ("damaged at page 2", {
                let mut bytes = good.clone();
                bytes[32 + page + 9] ^= 1;
                bytes
            }),
            ("ends inside a page", good[..good.len() - 100].to_vec()),
        ];
        for (what, bytes) in spoil {
            fs::write(log(&path), bytes).unwrap();
            let (heard, end) = read_file(&path);
            assert!(
                heard.len() >= 100 && heard.len() < 200,
                "{what}: {}",
                heard.len()
            );
            let ReadEnd::Cut { why, .. } = end else {
                panic!("{what}: taken for whole");
            };
            assert!(why.contains(what), "{why}");
        }
        fs::write(log(&path), good).unwrap();
        assert_eq!(read_file(&path), (messages, ReadEnd::Whole));
    }
}
