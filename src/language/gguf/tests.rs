use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::language::testing::{Writer, string};

fn small() -> Writer {
    let words: Vec<u8> = [&b"a"[..], b"bc", b""]
        .iter()
        .flat_map(|w| string(w))
        .collect();
    let tokens = [&8u32.to_le_bytes()[..], &3u64.to_le_bytes(), &words].concat();
    let scores = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
    let scores = [&6u32.to_le_bytes()[..], &2u64.to_le_bytes(), &scores].concat();
    let mut writer = Writer::default();
    writer.text("general.architecture", "llama");
    writer.number("llama.block_count", 30);
    let temperature = (-3i32).to_le_bytes().to_vec();
    writer.keys.push(("temperature".into(), 5, temperature));
    writer.keys.push(("tokens".into(), 9, tokens));
    writer.keys.push(("scores".into(), 9, scores));
    writer
        .tensors
        .push(("a".into(), vec![32, 2], 8, vec![7; 68]));
    writer.tensors.push(("b".into(), vec![4], 0, vec![7; 16]));
    writer
}

fn open(bytes: &[u8]) -> Result<Gguf, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Gguf::open(file.path()).map_err(|error| error.fault.to_string())
}

#[test]
fn what_was_written_is_read() {
    let file = open(&small().bytes()).unwrap();
    assert_eq!(
        file.get("general.architecture").unwrap().text(),
        Some("llama")
    );
    assert_eq!(file.get("llama.block_count").unwrap().unsigned(), Some(30));
    assert_eq!(file.get("temperature").unwrap().number(), Some(-3.0));
    let tokens = file.get("tokens").unwrap().array().unwrap();
    assert_eq!(
        file.strings(tokens).collect::<Vec<_>>(),
        [&b"a"[..], b"bc", b""]
    );
    let scores = file.get("scores").unwrap().array().unwrap();
    assert_eq!(file.numbers(scores).collect::<Vec<_>>(), [1.5, -2.0]);
    let a = file.tensor("a").unwrap();
    assert_eq!((a.size, a.elements(), file.data(a).len()), (68, 64, 68));
    assert!(file.data(a).iter().all(|&byte| byte == 7));
}

#[test]
fn a_wrong_header_is_named() {
    type Change = fn(&mut Writer);
    let cases: [(Change, &str); 6] = [
        (|w| w.tensors[0].1 = vec![], "0 dimensions"),
        (|w| w.tensors[0].1 = vec![33], "multiple of 32"),
        (|w| w.tensors[0].1 = vec![u64::MAX, 3], "multiple of 32"),
        (|w| w.tensors[0].2 = 99, "number 99"),
        (|w| w.tensors[1].0 = "a".into(), "tensor a is there twice"),
        (
            |w| w.keys[1].0 = "general.architecture".into(),
            "key general.architecture is there twice",
        ),
    ];
    for (change, word) in cases {
        let mut writer = small();
        change(&mut writer);
        let error = open(&writer.bytes()).err().unwrap();
        assert!(error.contains(word), "{word}: {error}");
    }
    // Offsets stand at the end of a tensor's description.
    let bytes = small().bytes();
    let place = |name: &[u8]| {
        let name = string(name);
        let at = bytes.windows(name.len()).rposition(|window| window == name);
        at.unwrap() + name.len()
    };
    let (a, b) = (place(b"a") + 4 + 16 + 4, place(b"b") + 4 + 8 + 4);
    for (at, offset, word) in [
        (a, 1u64 << 40, "the file was cut"),
        (a, 8, "multiple of the alignment"),
        (b, 64, "overlaps a"),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
        let error = open(&bytes).err().unwrap();
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_count_beyond_the_file_takes_no_memory() {
    for at in [8, 16] {
        let mut bytes = small().bytes();
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = open(&bytes).err().unwrap();
        assert!(error.contains("has no room"), "{error}");
    }
}

#[test]
fn every_cut_is_an_error() {
    let bytes = small().bytes();
    for end in 0..bytes.len() {
        assert!(open(&bytes[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0usize..400, byte: u8, more in 0usize..400, other: u8) {
        let mut bytes = small().bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes[more % length] = other;
        if let Ok(file) = open(&bytes) {
            for tensor in file.tensors() {
                let _ = file.data(tensor).len();
            }
            for (_, value) in file.metadata() {
                if let Some(array) = value.array() {
                    let _ = (file.strings(array).count(), file.numbers(array).count());
                }
            }
        }
    }
}
