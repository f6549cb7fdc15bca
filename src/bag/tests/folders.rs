use std::fs;

use super::*;
use crate::bag::error::BagError;
use crate::bag::find::find_recordings;

fn metadata(version: u32, files: &[&str], more: &str) -> String {
    let qos = if version >= 9 { "[]" } else { "\"\"" };
    let files: String = files.iter().map(|file| format!("    - {file}\n")).collect();
    format!(
        "rosbag2_bagfile_information:\n  version: {version}\n  storage_identifier: sqlite3\n  \
         duration:\n    nanoseconds: 1\n  starting_time:\n    nanoseconds_since_epoch: 0\n  \
         message_count: 3\n  topics_with_message_count:\n    - topic_metadata:\n        \
         name: /quiet\n        type: std_msgs/msg/String\n        serialization_format: cdr\n        \
         offered_qos_profiles: {qos}\n      message_count: 0\n  relative_file_paths:\n{files}{more}"
    )
}

fn put(folder: &Path, version: u32, files: &[&str], more: &str) {
    let text = metadata(version, files, more);
    fs::write(folder.join("metadata.yaml"), text).unwrap();
}

#[test]
fn split_directories_of_both_storages_and_all_versions_go_on_from_file_to_file() {
    let messages = talk(0, 300);
    for version in 1..=9 {
        for ending in ["mcap", "db3"] {
            let (_keep, folder) = folder();
            let write = if ending == "mcap" {
                write_mcap
            } else {
                write_db3
            };
            let names = [format!("r_0.{ending}"), format!("r_1.{ending}")];
            // The second file begins before the first ends.
            let (mut first, mut second) = (messages[..150].to_vec(), messages[150..].to_vec());
            std::mem::swap(&mut first[140], &mut second[0]);
            write(&folder.join(&names[0]), &first);
            write(&folder.join(&names[1]), &second);
            // Early versions name the files from the folder above.
            let prefix = if version < 4 { "somewhere/" } else { "" };
            let names = names.map(|name| format!("{prefix}{name}"));
            let more = "  compression_format: \"\"\n  compression_mode: \"\"\n";
            put(&folder, version, &[&names[0], &names[1]], more);
            let bag = Bag::open(&folder).unwrap();
            let all = [first, second].concat();
            assert_eq!(read(&bag), (in_order(&all, &[0, 1]), ReadEnd::Whole));
            assert_eq!(bag.topics()[0].messages, Some(150));
            assert_eq!(bag.topics().last().unwrap().name, "/quiet");
            assert_eq!(Some(bag.name()), folder.file_name().unwrap().to_str());
        }
    }
}

#[test]
fn compressed_files_and_compressed_messages_are_unpacked() {
    let messages = talk(0, 200);
    let packed: Vec<Said> = messages
        .iter()
        .map(|(topic, time, data)| (*topic, *time, zstd::encode_all(&data[..], 1).unwrap()))
        .collect();
    for ending in ["mcap", "db3"] {
        let (_keep, folder) = folder();
        let write = if ending == "mcap" {
            write_mcap
        } else {
            write_db3
        };
        let plain = folder.join(format!("r_0.{ending}"));
        write(&plain, &messages);
        let squeezed = folder.join(format!("r_0.{ending}.zstd"));
        let bytes = zstd::encode_all(File::open(&plain).unwrap(), 1).unwrap();
        fs::write(&squeezed, &bytes).unwrap();
        fs::remove_file(&plain).unwrap();
        let name = format!("r_0.{ending}.zstd");
        put(
            &folder,
            5,
            &[&name],
            "  compression_format: zstd\n  compression_mode: FILE\n",
        );
        assert_eq!(read_file(&folder), (messages.clone(), ReadEnd::Whole));
        // A recorder that died before it wrote down that the file is compressed.
        put(&folder, 5, &[&format!("r_0.{ending}")], "");
        assert_eq!(read_file(&folder), (messages.clone(), ReadEnd::Whole));
        let alone = Bag::open(&squeezed).unwrap();
        assert_eq!((read(&alone).0, alone.name()), (messages.clone(), "r_0"));
        // Cut in the middle: what unpacks is used.
        fs::write(&squeezed, &bytes[..bytes.len() - 5]).unwrap();
        match Bag::open(&squeezed).map(|bag| read(&bag)) {
            Ok((heard, ReadEnd::Cut { why, .. })) => {
                assert!(messages.starts_with(&heard), "{why}");
                assert!(why.contains("unpacking stops"), "{why}");
            }
            other => assert!(other.is_err(), "{other:?}"),
        }

        write(&plain, &packed);
        put(
            &folder,
            5,
            &[&format!("r_0.{ending}")],
            "  compression_mode: MESSAGE\n",
        );
        assert_eq!(read_file(&plain), (messages.clone(), ReadEnd::Whole));
        assert_eq!(read_file(&folder), (messages.clone(), ReadEnd::Whole));
        let mut broken = packed.clone();
        broken[120].2.truncate(8);
        write_mcap(&folder.join("b.mcap"), &broken);
        let (heard, end) = read_file(&folder.join("b.mcap"));
        assert_eq!(heard, messages[..120]);
        let ReadEnd::Cut { at, why } = end else {
            panic!("whole")
        };
        assert_eq!(at, Some(Stamp(messages[119].1)));
        assert!(
            why.contains("topic /scan: a compressed message cannot"),
            "{why}"
        );
    }
}

#[test]
fn a_missing_or_headless_later_file_ends_the_recording() {
    let (_keep, folder) = folder();
    let messages = talk(0, 90);
    write_mcap(&folder.join("r_0.mcap"), &messages);
    put(&folder, 9, &["r_0.mcap", "r_1.mcap"], "");
    let bag = Bag::open(&folder).unwrap();
    assert!(bag.cut().unwrap().contains("r_1.mcap"));
    let (heard, end) = read(&bag);
    assert_eq!(heard, messages);
    let at = Some(Stamp(messages[89].1));
    let ReadEnd::Cut { at: ended, why } = end else {
        panic!("whole")
    };
    assert_eq!(ended, at);
    assert!(why.contains("is not there"), "{why}");
    fs::write(folder.join("r_1.mcap"), b"").unwrap();
    let (heard, end) = read_file(&folder);
    assert_eq!(heard, messages);
    assert!(matches!(end, ReadEnd::Cut { why, .. } if why.contains("it is empty")));
}

#[test]
fn a_cut_file_ends_the_recording_though_more_files_follow() {
    let (_keep, folder) = folder();
    let messages = talk(0, 200);
    write_mcap(&folder.join("r_0.mcap"), &messages[..100]);
    write_mcap(&folder.join("r_1.mcap"), &messages[100..]);
    put(&folder, 9, &["r_0.mcap", "r_1.mcap"], "");
    let whole = fs::read(folder.join("r_0.mcap")).unwrap();
    fs::write(folder.join("r_0.mcap"), &whole[..whole.len() - 1]).unwrap();
    let (heard, end) = read_file(&folder);
    assert_eq!(heard, messages[..100]);
    assert!(matches!(end, ReadEnd::Cut { why, .. } if why.contains("inside its summary")));
}

#[test]
fn bad_folders_and_files_are_refused_in_words() {
    let (_keep, folder) = folder();
    let error = |path: &Path| Bag::open(path).unwrap_err().to_string();
    assert!(error(&folder).contains("no metadata.yaml"));
    assert!(error(&folder.join("gone.mcap")).contains("cannot open the recording"));
    for (text, word) in [
        ("", "not understood"),
        ("rosbag2_bagfile_information: 3", "not understood"),
        (&metadata(0, &["a"], ""), "version 0 is unknown"),
        (
            &metadata(5, &["a.mcap"], ""),
            "names the file a.mcap, which is not there",
        ),
        (&metadata(5, &["/"], ""), "which is not there"),
        (&metadata(5, &[], "    []\n"), "names no file"),
    ] {
        fs::write(folder.join("metadata.yaml"), text).unwrap();
        let said = error(&folder);
        assert!(said.contains(word), "{said}");
        assert!(said.contains(folder.to_str().unwrap()), "{said}");
    }
    for (bytes, word) in [
        (&b""[..], "it is empty"),
        (b"\x89MC", "inside the MCAP magic"),
        (b"#ROSBAG V2.0\n", "ROS 1 bag"),
        (b"hello, world", "begins with the bytes [68, 65,"),
    ] {
        let path = folder.join("a.mcap");
        fs::write(&path, bytes).unwrap();
        let found = Bag::open(&path).unwrap_err();
        assert!(matches!(found, BagError::NotARecording { .. }));
        assert!(found.to_string().contains(word), "{found}");
    }
    let path = folder.join("other.db3");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE topics(id); CREATE VIEW messages AS SELECT 1")
        .unwrap();
    drop(db);
    assert!(error(&path).contains("it has 1 of the two tables"));
}

#[test]
fn recordings_are_found_once_each_in_the_order_of_names() {
    let (_keep, folder) = folder();
    for name in [
        "b/two.mcap",
        "b/one.db3",
        "b/notes.txt",
        "b/.hidden.mcap",
        "a/deep/x.mcap",
    ] {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), b"").unwrap();
    }
    let bag = folder.join("b/bag");
    fs::create_dir(&bag).unwrap();
    put(&bag, 9, &["bag_0.mcap", "bag_1.mcap"], "");
    fs::write(bag.join("bag_0.mcap"), b"").unwrap();
    // Someone else's metadata.yaml does not make a recording of a folder.
    fs::write(folder.join("a/metadata.yaml"), "title: a\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&folder, folder.join("b/loop")).unwrap();
    let names =
        |paths: &[&str]| -> Vec<PathBuf> { paths.iter().map(|name| folder.join(name)).collect() };
    let found = find_recordings(std::slice::from_ref(&folder)).unwrap();
    let all = ["a/deep/x.mcap", "b/bag", "b/one.db3", "b/two.mcap"];
    assert_eq!(found, names(&all));
    let asked = names(&["b/two.mcap", "b", "b/notes.txt"]);
    let found = find_recordings(&asked).unwrap();
    assert_eq!(found.first(), asked.first());
    // The link in "b" leads to the folder above, and so to what is in "a".
    assert_eq!(found.len(), 5);
    assert_eq!(found.last(), asked.last());
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let error = find_recordings(&[empty]).unwrap_err();
    assert!(error.to_string().starts_with("no recording in "));
    assert!(find_recordings(&[folder.join("gone")]).is_err());
}
