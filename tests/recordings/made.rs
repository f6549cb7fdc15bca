//! Recordings made by the tests, and what a replay decided on them.

use std::path::{Path, PathBuf};

use edge_reasoner::bag::Bag;
use edge_reasoner::bag::writer::McapWriter;
use edge_reasoner::messages::{LaserScan, Message};
use edge_reasoner::params::{Values, parse_override};
use edge_reasoner::replay::{ReplayOptions, ReplayReport, replay};
use edge_reasoner::time::Stamp;
use edge_reasoner::topic_names::TopicNames;

pub use crate::support::scan;

pub const SCAN: &str = "sensor_msgs/msg/LaserScan";
pub const MS: i64 = 1_000_000;
/// Bags of this century start about here.
pub const EPOCH: i64 = 1_700_000_000_000 * MS;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A recording that is kept with the tests.
pub fn case(name: &str) -> PathBuf {
    root().join("tests/cases").join(name)
}

/// One recorded message: log time, topic, bytes.
pub type Entry = (i64, &'static str, Vec<u8>);

pub fn entry(scan: &LaserScan) -> Entry {
    entry_at(scan.header.stamp.0, scan)
}

pub fn entry_at(log_time: i64, scan: &LaserScan) -> Entry {
    let message = Message::LaserScan(scan.clone());
    (log_time, "/scan", message.encode().unwrap())
}

/// `count` scans at 5 Hz from `first` on, coming from 3 m to 0.3 m and back again.
pub fn drive(first: i64, count: usize) -> Vec<Entry> {
    (0..count)
        .map(|n| {
            let phase = (n as f32 * 0.07).cos();
            entry(&scan(first + n as i64 * 200 * MS, 1.65 + 1.35 * phase))
        })
        .collect()
}

/// Writes a recording; the topic of a name is a LaserScan, /odd of a type nobody knows.
pub fn write(path: &Path, entries: &[Entry]) {
    let mut writer = McapWriter::create(path).unwrap();
    let scan = writer.add_topic("/scan", SCAN, "", None).unwrap();
    let odd = writer
        .add_topic("/odd", "some_pkg/msg/Odd", "", None)
        .unwrap();
    for (time, topic, bytes) in entries {
        let topic = if *topic == "/scan" { scan } else { odd };
        writer.write(topic, Stamp(*time), bytes).unwrap();
    }
    writer.finish().unwrap();
}

pub struct Answer {
    pub stamp: Stamp,
    pub label: String,
    pub source: String,
    pub reason: String,
    pub engine: String,
    pub exit: u8,
    pub latency_ms: f32,
}

/// Replays with the shipped model. Overrides are `name:=value`.
pub fn run(bags: &[PathBuf], out: &Path, slowdown: f64, overrides: &[&str]) -> ReplayReport {
    run_with("clearance", bags, out, slowdown, overrides)
}

/// Replays with a shipped model and its task.
pub fn run_with(
    model: &str,
    bags: &[PathBuf],
    out: &Path,
    slowdown: f64,
    overrides: &[&str],
) -> ReplayReport {
    let task = root().join(format!("params/tasks/{model}.yaml"));
    let mut values: Values = overrides
        .iter()
        .map(|text| parse_override(text).unwrap())
        .collect();
    let model = root().join("models").join(model).display().to_string();
    values.insert("model".into(), edge_reasoner::params::Value::String(model));
    replay(&ReplayOptions {
        recordings: bags.to_vec(),
        out: out.to_path_buf(),
        values,
        names: TopicNames::default(),
        task: Some(task),
        slowdown,
        robot: None,
        expectations: None,
    })
    .unwrap()
}

/// The decisions of a file that a replay wrote, decoded field by field.
pub fn answers(file: &Path) -> Vec<Answer> {
    let bag = Bag::open(file).unwrap();
    let messages = bag.read(&["/edge_reasoner/decision"]).unwrap();
    messages
        .map(|message| decode(&message.unwrap().data))
        .collect()
}

fn decode(cdr: &[u8]) -> Answer {
    type Wire = (
        ((i32, u32), String),
        u64,
        String,
        u8,
        f32,
        Vec<f32>,
        String,
        String,
        String,
        u8,
        u8,
        String,
        (f32, f32, f32, f32),
        String,
    );
    let (wire, used) =
        cdr_encoding::from_bytes::<Wire, byteorder::LittleEndian>(&cdr[4..]).unwrap();
    assert_eq!(used + 4, cdr.len(), "nothing is left over");
    let (header, _, label, _, _, _, source, reason, _, exit, _, engine, (latency_ms, ..), _) = wire;
    Answer {
        stamp: Stamp::from_ros(header.0.0, header.0.1),
        label,
        source,
        reason,
        engine,
        exit,
        latency_ms,
    }
}
