//! What is asked of the readers, whatever the bytes are. None may panic, hang or take more memory
//! than its limits say; what they accept must hold what they promise. `tests/corpus.rs` runs the
//! same on the inputs that fuzzing found.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use edge_reasoner::bag::Bag;
use edge_reasoner::features::{SourceId, SourceSettings, Window};
use edge_reasoner::language::decoder::Decoder;
use edge_reasoner::language::gguf::Gguf;
use edge_reasoner::language::summary::Summary;
use edge_reasoner::language::tokenizer::Tokenizer;
use edge_reasoner::messages::{LaserScan, Message, MessageType};
use edge_reasoner::model::{Architecture, Manifest, WeightPrecision};
use edge_reasoner::params::{
    BundleNames, BundleSource, NodeName, Params, Values, parse_override, read_file,
};
use edge_reasoner::time::Stamp;

/// The manifest of the shipped bundle.
pub const MANIFEST: &str = include_str!("../../models/clearance/model.yaml");

static SHIPPED: LazyLock<Manifest> =
    LazyLock::new(|| serde_yaml::from_str(MANIFEST).expect("shipped"));

/// A sound manifest of a small model whose weights are stored so.
pub fn small(precision: WeightPrecision) -> Manifest {
    let mut manifest = SHIPPED.clone();
    manifest.architecture = Architecture {
        width: 8,
        heads: 2,
        head_width: None,
        depth: 2,
        ffn: 16,
        ..manifest.architecture
    };
    manifest.exits.truncate(2);
    manifest.stage_cost_us = serde_yaml::from_str("[1.0, 1.0]").expect("costs");
    manifest.weights.precision = precision;
    manifest
}

/// What the first byte of an input for `weights` says they are stored in; the rest is the file.
pub fn precision(first: u8) -> WeightPrecision {
    [
        WeightPrecision::F32,
        WeightPrecision::Int8,
        WeightPrecision::Int4,
    ][usize::from(first) % 3]
}

/// A file for targets that read one, of this process alone.
#[allow(dead_code)] // by the targets only
pub fn scratch(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => memory.to_path_buf(),
        false => std::env::temp_dir(),
    };
    folder.join(format!("edge_reasoner_{}_{name}", std::process::id()))
}

/// First byte: the type; the rest: its CDR. What is read is written back as it was.
pub fn cdr(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let kind = MessageType::ALL[usize::from(*kind) % MessageType::ALL.len()];
    let read = Message::decode(kind, bytes);
    // Read over another message, the answer is the same.
    let mut over = Message::LaserScan(LaserScan {
        ranges: vec![1.0; 5],
        ..LaserScan::default()
    });
    let read_over = over.decode_over(kind, bytes);
    assert_eq!(read_over.as_ref().err(), read.as_ref().err());
    if let Ok(message) = read {
        let written = message.encode().expect("what was read can be written");
        let again = Message::decode(kind, &written).expect("and read again");
        // By bytes: a NaN is not equal to itself.
        assert_eq!(again.encode().expect("written"), written);
        assert_eq!(over.encode().expect("written"), written);
    }
}

/// Messages on their way through the window: source, ms since the one before (as i8, so that time
/// goes back too), length (u16), CDR; again and again. Whatever comes, the features are in range.
pub fn window(data: &[u8]) {
    let spec = &SHIPPED.window;
    let settings: Vec<SourceSettings> = spec.inputs.iter().map(SourceSettings::of).collect();
    let mut window = Window::new(spec, &settings).expect("shipped");
    let mut features = vec![f32::NAN; window.frames() * window.features()];
    let (mut rest, mut now) = (data, Stamp(1_700_000_000_000_000_000));
    while let Some((&[source, later, low, high], more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(more.len());
        let (bytes, behind) = more.split_at(length);
        rest = behind;
        // -128..127 units of 40 ms: over 5 s either way, beyond every timeout.
        now = Stamp(now.0 + i64::from(later as i8) * 40_000_000);
        let source = SourceId(source % 4);
        let Some(input) = spec.inputs.get(usize::from(source.0)) else {
            continue;
        };
        if let Ok(message) = Message::decode(input.message, bytes) {
            let _ = window.push(source, &message, now);
        }
        let _ = window.assemble(now, &mut features);
        let sound = |value: &f32| (-1.0..=1.0).contains(value);
        assert!(features.iter().all(sound), "a feature out of range");
    }
}

/// `model.yaml`. What has no faults is written and read back as it was.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(manifest) = serde_yaml::from_str::<Manifest>(text)
        && manifest.faults().is_empty()
    {
        let text = serde_yaml::to_string(&manifest).expect("what was read can be written");
        let again: Manifest = serde_yaml::from_str(&text).expect("and read again");
        assert_eq!(again, manifest);
    }
}

/// A params file, or `name:=value` where there is no line break.
pub fn params(data: &[u8], file: &Path) {
    let values = match std::str::from_utf8(data) {
        Ok(text) if !text.contains('\n') => match parse_override(text) {
            Ok(value) => Values::from([value]),
            Err(_) => return,
        },
        _ => {
            std::fs::write(file, data).expect("a place to write");
            match read_file(file, &NodeName::default()) {
                Ok(values) => values,
                Err(_) => return,
            }
        }
    };
    if let Ok(params) = Params::read(&values, &words()) {
        assert!(params.publish_margin < params.deadline);
        assert!((0.0..=1.0).contains(&params.confidence));
        assert!(params.sources.iter().any(|s| s.name == params.trigger));
    }
}

/// What the shipped bundle lets parameters name.
fn words() -> BundleNames {
    let source = |name: &str, kind: &str, required| BundleSource {
        name: name.into(),
        topic: format!("/{name}"),
        types: vec![kind.into()],
        timeout: std::time::Duration::from_secs(1),
        required,
    };
    BundleNames {
        horizon_s: Some(1.0),
        sources: vec![
            source("scan", "sensor_msgs/msg/LaserScan", true),
            source("odom", "nav_msgs/msg/Odometry", false),
            source("cmd", "geometry_msgs/msg/Twist", false),
        ],
        labels: ["go", "slow", "stop"].map(String::from).to_vec(),
        safe_label: "stop".into(),
        trigger: "scan".into(),
    }
}

/// A recording at this path. It is read to its end or to where it is cut, in the order of time.
pub fn recording(data: &[u8], file: &Path) {
    std::fs::write(file, data).expect("a place to write");
    let Ok(bag) = Bag::open(file) else {
        return;
    };
    let topics: Vec<&str> = bag.topics().iter().map(|t| t.name.as_str()).collect();
    let Ok(messages) = bag.read(&topics) else {
        return;
    };
    let mut last = None;
    for message in messages {
        let Ok(message) = message else {
            return;
        };
        assert!(Some(message.log_time) >= last, "time goes back");
        assert!(message.topic < topics.len());
        last = Some(message.log_time);
        std::hint::black_box(message.data.len());
    }
}

/// A GGUF file at this path. What is let in can be printed, cut text and run.
pub fn gguf(data: &[u8], file: &Path) {
    std::fs::write(file, data).expect("a place to write");
    let Ok(gguf) = Gguf::open(file) else {
        return;
    };
    std::hint::black_box(Summary::of(&gguf).to_string());
    if let Ok(tokenizer) = Tokenizer::read(&gguf) {
        let tokens = tokenizer.encode("ab  a b\n<|end|>\u{1f916}", true);
        assert!(
            tokens
                .iter()
                .all(|&token| (token as usize) < tokenizer.vocabulary())
        );
        std::hint::black_box(tokenizer.decode(&tokens));
    }
    if let Ok(mut decoder) = Decoder::new(gguf, 16) {
        let vocabulary = decoder.weights.vocabulary as u32;
        let tokens = [0, 1, 2, 3, 4, 5].map(|token: u32| token.min(vocabulary - 1));
        let all = || std::ops::ControlFlow::Continue(());
        decoder.take(&tokens, all).expect("nothing gives up");
        std::hint::black_box(decoder.logits());
    }
}
