use std::fs;
use std::sync::LazyLock;

use ::mcap::{Compression, WriteOptions};
use proptest::prelude::*;

use super::*;

/// Some small recordings, of every kind.
static SAMPLES: LazyLock<Vec<(&'static str, Vec<u8>)>> = LazyLock::new(|| {
    let (_keep, folder) = folder();
    let path = folder.join("sample");
    let messages = talk(0, 120);
    let small = || WriteOptions::new().chunk_size(Some(900));
    let mut samples = Vec::new();
    for (name, options) in [
        ("zstd", small()),
        ("lz4", small().compression(Some(Compression::Lz4))),
        ("none", small().compression(None)),
        (
            "unchecked",
            small().compression(None).calculate_chunk_crcs(false),
        ),
        ("unchunked", small().use_chunks(false)),
        ("bare", small().emit_summary_records(false)),
    ] {
        write_mcap_with(&path, options, &messages);
        samples.push((name, fs::read(&path).unwrap()));
    }
    fs::remove_file(&path).unwrap();
    write_db3(&path, &messages);
    samples.push(("db3", fs::read(&path).unwrap()));
    samples
});

/// Where the chunks' records begin: opcode 6 and a length below 64 KiB.
fn chunks(bytes: &[u8]) -> Vec<usize> {
    let records = bytes.windows(9).enumerate();
    let chunks = records.filter(|(_, head)| head[0] == 6 && head[3..] == [0; 6] && head[2] < 4);
    chunks.map(|(at, _)| at).collect()
}

/// Opens and reads bytes; whatever they are, this must come back, and in order.
fn survive(bytes: &[u8]) -> Option<(Vec<Said>, ReadEnd)> {
    let (_keep, folder) = folder();
    let path = folder.join("bytes");
    fs::write(&path, bytes).unwrap();
    let bag = Bag::open(&path).ok()?;
    let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
    let mut messages = bag.read(&names).ok()?;
    let mut heard = Vec::new();
    for message in messages.by_ref() {
        let Ok(message) = message else { break };
        heard.push((message.topic, message.log_time.0, message.data.to_vec()));
    }
    assert!(heard.is_sorted_by_key(|said| said.1), "out of order");
    Some((heard, messages.end().clone()))
}

#[test]
fn a_file_cut_anywhere_gives_what_lies_before_the_cut() {
    let messages = talk(0, 120);
    for (name, bytes) in SAMPLES.iter().filter(|(name, _)| *name != "db3") {
        let mut best = 0;
        for len in (8..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
            let (heard, end) = survive(&bytes[..len]).expect("opens");
            assert!(messages.starts_with(&heard), "{name} cut at {len}");
            let ReadEnd::Cut { at, why } = end else {
                panic!("{name} cut at {len} is called whole");
            };
            assert_eq!(at.map(|at| at.0), heard.last().map(|said| said.1));
            assert!(why.contains("bytes") && why.contains("file ends"), "{why}");
            assert!(
                heard.len() >= best,
                "{name}: less from {len} bytes than from fewer"
            );
            best = heard.len();
        }
        assert_eq!(best, 120, "{name}: all messages lie before the summary");
    }
}

#[test]
fn a_torn_chunk_is_used_up_to_the_tear() {
    let messages = talk(0, 120);
    let none = &SAMPLES.iter().find(|(name, _)| *name == "none").unwrap().1;
    // Three quarters into the only data there is: the chunk around it gives its first messages.
    let whole: Vec<usize> = (200..4_000)
        .step_by(40)
        .map(|len| survive(&none[..len]).unwrap().0.len())
        .collect();
    let steps: std::collections::BTreeSet<_> = whole.iter().collect();
    assert!(steps.len() > 30, "grows message by message: {whole:?}");
    assert!(messages.len() >= whole[whole.len() - 1]);
}

#[test]
fn a_damaged_chunk_ends_the_recording_before_it() {
    let messages = talk(0, 120);
    for (name, bytes) in SAMPLES
        .iter()
        .filter(|(name, _)| ["zstd", "lz4", "none"].contains(name))
    {
        let mut broken = bytes.clone();
        // Inside the data of the third chunk, behind its head.
        broken[chunks(bytes)[2] + 9 + 60] ^= 0x10;
        let (heard, end) = survive(&broken).unwrap();
        assert!((20..100).contains(&heard.len()), "{name}");
        assert!(messages.starts_with(&heard), "{name}");
        let ReadEnd::Cut { at, why } = end else {
            panic!("{name} is called whole")
        };
        assert_eq!(at.map(|at| at.0), heard.last().map(|said| said.1));
        assert!(
            why.contains("the chunk at byte") && why.contains("damaged"),
            "{why}"
        );
    }
}

#[test]
fn absurd_lengths_ask_for_no_memory() {
    let (_, bytes) = &SAMPLES[0];
    let first = chunks(bytes)[0];
    for (offset, word) in [
        // length of the chunk's record, its decompressed size, length of its compression's name
        (first + 1, "claims"),
        (first + 9 + 16, "believed"),
        (first + 9 + 28, "no valid head"),
    ] {
        let mut broken = bytes.clone();
        let width = if word == "no valid head" { 4 } else { 8 };
        broken[offset..offset + width].fill(0x7F);
        let (heard, end) = survive(&broken).unwrap();
        assert!(heard.len() < 30);
        let ReadEnd::Cut { why, .. } = end else {
            panic!("whole")
        };
        assert!(why.contains(word), "{why}");
    }
    // Zeros, as a machine that lost its power leaves them.
    let mut zeros = bytes[..first].to_vec();
    zeros.extend([0; 4096]);
    let ReadEnd::Cut { why, .. } = survive(&zeros).unwrap().1 else {
        panic!("whole")
    };
    assert!(why.contains(&format!("byte {first} is 0")), "{why}");
}

#[test]
fn a_chunk_whose_head_lies_about_time_does_not_break_the_order() {
    let (_, bytes) = &SAMPLES[0];
    let second = chunks(bytes)[1];
    let mut broken = bytes.clone();
    // Both times far in the future.
    broken[second + 9 + 5] = 1;
    broken[second + 9 + 8 + 5] = 1;
    let (heard, end) = survive(&broken).unwrap();
    let ReadEnd::Cut { why, .. } = end else {
        panic!("whole")
    };
    assert!(why.contains("older than it says"), "{why}");
    assert!(heard.len() < 120);
}

#[test]
fn a_cut_sqlite_file_gives_its_beginning() {
    let messages = talk(0, 3_000);
    let (_keep, folder) = folder();
    let path = folder.join("r.db3");
    write_db3(&path, &messages);
    let bytes = fs::read(&path).unwrap();
    let (mut most, mut opened) = (0, 0);
    for tenth in 1..10 {
        let Some((heard, end)) = survive(&bytes[..bytes.len() * tenth / 10]) else {
            continue;
        };
        opened += 1;
        assert!(messages.starts_with(&heard));
        let ReadEnd::Cut { why, .. } = end else {
            panic!("whole at {tenth}/10")
        };
        assert!(why.contains("damaged after"), "{why}");
        assert!(heard.len() >= most);
        most = heard.len();
    }
    assert!(
        opened >= 8 && most > 1_500,
        "{opened} opened, at best {most} messages"
    );
}

#[test]
fn rows_that_make_no_sense_end_the_recording() {
    let (_keep, folder) = folder();
    for (sql, word) in [
        (
            "UPDATE messages SET data = 'text' WHERE id = 50",
            "not a blob",
        ),
        (
            "UPDATE messages SET topic_id = 77 WHERE id = 50",
            "topic 77",
        ),
        (
            "UPDATE messages SET timestamp = 'noon' WHERE id = 50",
            "Invalid column type",
        ),
    ] {
        let path = folder.join("r.db3");
        let _ = fs::remove_file(&path);
        write_db3(&path, &talk(0, 120));
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        let (heard, end) = read_file(&path);
        assert_eq!(heard, talk(0, 49));
        assert!(
            matches!(&end, ReadEnd::Cut { why, .. } if why.contains(word)),
            "{end:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_are_survived(
        front in 0..4usize,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let fronts: [&[u8]; 4] = [b"", b"\x89MCAP0\r\n", b"SQLite format 3\0", b"\x28\xB5\x2F\xFD"];
        survive(&[fronts[front], &bytes].concat());
    }

    #[test]
    fn random_damage_is_survived(
        sample in 0..7usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = SAMPLES[sample].1.clone();
        for (place, by) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= by;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survive(&bytes);
    }

    #[test]
    fn any_recording_comes_back_in_order(
        times in prop::collection::vec((0..3usize, 0..200i64), 0..300),
        chunk in 50..4_000u64,
        chunked in any::<bool>(),
    ) {
        let messages: Vec<Said> = times.iter().map(|(topic, time)| said(*topic, *time)).collect();
        let (_keep, folder) = folder();
        let path = folder.join("r.mcap");
        let options = WriteOptions::new().chunk_size(Some(chunk)).use_chunks(chunked);
        write_mcap_with(&path, options, &messages);
        prop_assert_eq!(read_file(&path), (in_order(&messages, &[0, 1, 2]), ReadEnd::Whole));
    }
}
