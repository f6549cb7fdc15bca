use ::mcap::{Compression, WriteOptions};

use super::*;
use crate::bag::error::BagError;
use crate::bag::message::Topic;

#[test]
fn every_way_to_write_an_mcap_file_reads_the_same() {
    let (_keep, folder) = folder();
    let messages = talk(0, 400);
    let small = || WriteOptions::new().chunk_size(Some(900));
    let ways = [
        ("zstd", small().compression(Some(Compression::Zstd))),
        ("lz4", small().compression(Some(Compression::Lz4))),
        ("none", small().compression(None)),
        ("unchunked", small().use_chunks(false)),
        ("no_summary", small().emit_summary_records(false)),
        ("no_statistics", small().emit_statistics(false)),
        ("no_crc", small().calculate_chunk_crcs(false)),
        (
            "no_index",
            small()
                .emit_message_indexes(false)
                .emit_chunk_indexes(false),
        ),
        (
            "no_repeats",
            small().repeat_channels(false).repeat_schemas(false),
        ),
        ("streamed", small().disable_seeking(true)),
    ];
    for (name, options) in ways {
        let path = folder.join(name);
        write_mcap_with(&path, options, &messages);
        let bag = Bag::open(&path).unwrap();
        assert_eq!(read(&bag), (messages.clone(), ReadEnd::Whole), "{name}");
        assert_eq!(bag.time_range(), Some((Stamp(0), Stamp(1330))), "{name}");
        assert_eq!(bag.cut(), None);
        let counts: Vec<_> = bag.topics().iter().map(|topic| topic.messages).collect();
        let known = if ["no_statistics", "no_summary"].contains(&name) {
            2
        } else {
            3
        };
        assert_eq!(counts[..2], [Some(200); 2], "{name}");
        assert!(counts.len() >= known, "{name}");
    }
}

#[test]
fn messages_out_of_order_and_chunks_that_overlap_come_in_order() {
    let (_keep, folder) = folder();
    // A multiplier coprime with the count visits every index once, in a wild order.
    let messages: Vec<Said> = (0..500)
        .map(|index| said((index % 3) as usize, index * 389 % 500 / 4))
        .collect();
    for chunk in [100, 2_000, 1 << 20] {
        for chunked in [true, false] {
            let path = folder.join("wild.mcap");
            let options = WriteOptions::new()
                .chunk_size(Some(chunk))
                .use_chunks(chunked);
            write_mcap_with(&path, options, &messages);
            let (heard, end) = read_file(&path);
            assert_eq!(heard, in_order(&messages, &[0, 1, 2]));
            assert_eq!(end, ReadEnd::Whole);
        }
    }
    let path = folder.join("wild.db3");
    write_db3(&path, &messages);
    let (heard, end) = read_file(&path);
    assert_eq!(heard, in_order(&messages, &[0, 1, 2]));
    assert_eq!(end, ReadEnd::Whole);
}

#[test]
fn only_what_is_asked_for_comes_and_is_numbered_as_asked() {
    let (_keep, folder) = folder();
    let messages = talk(0, 60);
    for name in ["run_1.mcap", "run_1.db3"] {
        let path = folder.join(name);
        if name.ends_with("mcap") {
            write_mcap(&path, &messages);
        } else {
            write_db3(&path, &messages);
        }
        let bag = Bag::open(&path).unwrap();
        assert_eq!(bag.name(), "run_1");
        assert_eq!(
            bag.topics()[2],
            Topic {
                name: "/bump".into(),
                type_name: "neato2_interfaces/msg/Bump".into(),
                encoding: "cdr".into(),
                schema_encoding: if name.ends_with("mcap") {
                    "ros2msg"
                } else {
                    ""
                }
                .into(),
                messages: Some(0),
            }
        );
        let mut read = bag.read(&["/nothing", "/odom"]).unwrap();
        let heard: Vec<_> = read.by_ref().map(|message| message.unwrap()).collect();
        assert_eq!(heard.len(), 30);
        assert!(
            heard
                .iter()
                .all(|message| message.topic == 1 && message.data[4] == 1)
        );
        assert_eq!(read.end(), &ReadEnd::Whole);
        assert_eq!(bag.read(&[]).unwrap().count(), 0);
    }
}

#[test]
fn another_encoding_is_refused_by_name() {
    let (_keep, folder) = folder();
    let path = folder.join("ros1.mcap");
    let mut writer = ::mcap::Writer::new(File::create(&path).unwrap()).unwrap();
    let metadata = Default::default();
    writer.add_channel(0, "/scan", "ros1", &metadata).unwrap();
    writer.finish().unwrap();
    let bag = Bag::open(&path).unwrap();
    assert_eq!(bag.topics()[0].type_name, "");
    let error = bag.read(&["/scan"]).err().unwrap();
    assert!(matches!(error, BagError::Encoding { .. }));
    assert!(
        error
            .to_string()
            .contains("topic /scan holds ROS 1 messages (message encoding ros1)")
    );
}

#[test]
fn two_types_on_one_name_are_listed_and_the_first_is_read() {
    let (_keep, folder) = folder();
    let path = folder.join("two.mcap");
    let mut writer = McapWriter::create(&path).unwrap();
    let one = writer.add_topic("/t", "a/msg/A", "", None).unwrap();
    let two = writer.add_topic("/t", "b/msg/B", "", None).unwrap();
    writer.write(one, Stamp(1), &[0, 1, 0, 0, 1]).unwrap();
    writer.write(two, Stamp(2), &[0, 1, 0, 0, 2]).unwrap();
    writer.finish().unwrap();
    let bag = Bag::open(&path).unwrap();
    assert_eq!(bag.topics().len(), 2);
    let heard: Vec<_> = bag
        .read(&["/t"])
        .unwrap()
        .map(|said| said.unwrap().log_time)
        .collect();
    assert_eq!(heard, [Stamp(1)]);
}

#[test]
fn an_empty_recording_is_whole() {
    let (_keep, folder) = folder();
    write_mcap(&folder.join("e.mcap"), &[]);
    write_db3(&folder.join("e.db3"), &[]);
    for name in ["e.mcap", "e.db3"] {
        let bag = Bag::open(&folder.join(name)).unwrap();
        assert_eq!(bag.time_range(), None);
        assert_eq!(read(&bag), (vec![], ReadEnd::Whole));
    }
}

#[test]
fn a_write_ahead_recording_in_a_read_only_folder_opens() {
    let (_keep, folder) = folder();
    let path = folder.join("odd name?%#.db3");
    let messages = talk(0, 50);
    write_db3(&path, &messages);
    let db = rusqlite::Connection::open(&path).unwrap();
    let mode: String = db
        .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    drop(db);
    let mut permissions = std::fs::metadata(&folder).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&folder, permissions.clone()).unwrap();
    let heard = Bag::open(&path).map(|bag| read(&bag));
    #[allow(clippy::permissions_set_readonly_false)] // A temporary folder that must go.
    permissions.set_readonly(false);
    std::fs::set_permissions(&folder, permissions).unwrap();
    assert_eq!(heard.unwrap(), (messages, ReadEnd::Whole));
}
