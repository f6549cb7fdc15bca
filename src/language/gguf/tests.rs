use std::io::Write;

use proptest::prelude::*;

use super::*;

/// Writes GGUF files for tests.
struct Writer {
    keys: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<(String, Vec<u64>, u32, u64)>,
    data: usize,
}

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text].concat()
}

impl Writer {
    fn small() -> Writer {
        let words: Vec<u8> = [&b"a"[..], b"bc", b""].iter().flat_map(|w| string(w)).collect();
        let tokens = [&8u32.to_le_bytes()[..], &3u64.to_le_bytes(), &words].concat();
        let scores = [&6u32.to_le_bytes()[..], &2u64.to_le_bytes(), &1.5f32.to_le_bytes(), &(-2f32).to_le_bytes()].concat();
        Writer {
            keys: vec![
                ("general.architecture".into(), 8, string(b"llama")),
                ("llama.block_count".into(), 4, 30u32.to_le_bytes().to_vec()),
                ("temperature".into(), 5, (-3i32).to_le_bytes().to_vec()),
                ("tokens".into(), 9, tokens),
                ("scores".into(), 9, scores),
            ],
            tensors: vec![
                ("a".into(), vec![32, 2], 8, 0),
                ("b".into(), vec![4], 0, 96),
            ],
            data: 112,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            out.extend(string(key.as_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        for (name, dimensions, kind, offset) in &self.tensors {
            out.extend(string(name.as_bytes()));
            out.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out.resize(out.len().div_ceil(32) * 32, 0);
        out.resize(out.len() + self.data, 7);
        out
    }
}

fn open(bytes: &[u8]) -> Result<Gguf, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Gguf::open(file.path()).map_err(|error| error.fault.to_string())
}

#[test]
fn what_was_written_is_read() {
    let file = open(&Writer::small().bytes()).unwrap();
    assert_eq!(file.get("general.architecture").unwrap().text(), Some("llama"));
    assert_eq!(file.get("llama.block_count").unwrap().unsigned(), Some(30));
    assert_eq!(file.get("temperature").unwrap().number(), Some(-3.0));
    let tokens = file.get("tokens").unwrap().array().unwrap();
    assert_eq!(file.strings(tokens).collect::<Vec<_>>(), [&b"a"[..], b"bc", b""]);
    let scores = file.get("scores").unwrap().array().unwrap();
    assert_eq!(file.numbers(scores).collect::<Vec<_>>(), [1.5, -2.0]);
    let a = file.tensor("a").unwrap();
    assert_eq!((a.size, a.elements(), file.data(a).len()), (68, 64, 68));
    assert!(file.data(a).iter().all(|&byte| byte == 7));
}

#[test]
fn a_wrong_header_is_named() {
    type Change = fn(&mut Writer);
    let cases: [(Change, &str); 9] = [
        (|w| w.tensors[0].1 = vec![], "0 dimensions"),
        (|w| w.tensors[0].1 = vec![33], "multiple of 32"),
        (|w| w.tensors[0].1 = vec![u64::MAX, 3], "multiple of 32"),
        (|w| w.tensors[0].2 = 99, "number 99"),
        (|w| w.tensors[0].3 = 1 << 40, "the file was cut"),
        (|w| w.tensors[0].3 = 8, "multiple of the alignment"),
        (|w| w.tensors[1].3 = 64, "overlaps a"),
        (|w| w.tensors[1].0 = "a".into(), "tensor a is there twice"),
        (|w| w.keys[1].0 = "general.architecture".into(), "key general.architecture is there twice"),
    ];
    for (change, word) in cases {
        let mut writer = Writer::small();
        change(&mut writer);
        let error = open(&writer.bytes()).err().unwrap();
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_count_beyond_the_file_takes_no_memory() {
    for at in [8, 16] {
        let mut bytes = Writer::small().bytes();
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = open(&bytes).err().unwrap();
        assert!(error.contains("has no room"), "{error}");
    }
}

#[test]
fn every_cut_is_an_error() {
    let bytes = Writer::small().bytes();
    for end in 0..bytes.len() {
        assert!(open(&bytes[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0usize..400, byte: u8, more in 0usize..400, other: u8) {
        let mut bytes = Writer::small().bytes();
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
