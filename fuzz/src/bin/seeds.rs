//! Writes the inputs that fuzzing starts from: `seeds FOLDER`. All of them are made here; nothing
//! comes from a recording.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use edge_reasoner_fuzz::gguf_seed::gguf;
use edge_reasoner_fuzz::model::random_weights;
use edge_reasoner_fuzz::messages::{
    Float32MultiArray, Header, Imu, JointState, LaserScan, Message, MessageType, Odometry,
    RosString, Twist, TwistStamped,
};
use edge_reasoner_fuzz::targets::{MANIFEST, precision, small};
use edge_reasoner_fuzz::time::Stamp;

const START: i64 = 1_700_000_000_000_000_000;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("seeds FOLDER"));
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), bytes).expect("a file");
    };
    for (index, message) in messages().iter().enumerate() {
        let bytes = [&[index as u8][..], &cdr(message)].concat();
        write("cdr", &format!("seed_{index}"), &bytes);
    }
    write("window", "seed_drive", &drive());
    write("manifest", "seed_clearance", MANIFEST.as_bytes());
    let whole: String = MANIFEST.lines().take(120).collect::<Vec<_>>().join("\n");
    write("manifest", "seed_cut", whole.as_bytes());
    for first in 0..3 {
        let bytes = random_weights(&small(precision(first)));
        let bytes = [&[first][..], &bytes].concat();
        write("weights", &format!("seed_{first}"), &bytes);
    }
    let params = include_str!("../../../params/clearance.yaml");
    write("params", "seed_clearance", params.as_bytes());
    for (index, text) in [
        "scan.yaw:=3.14",
        "engines:=[packed, flex]",
        "deadline_ms:=5",
    ]
    .iter()
    .enumerate()
    {
        write("params", &format!("seed_{index}"), text.as_bytes());
    }
    for compression in [
        None,
        Some(mcap::Compression::Zstd),
        Some(mcap::Compression::Lz4),
    ] {
        let name = format!("seed_{compression:?}").replace(['(', ')'], "");
        write("mcap", &name, &mcap_drive(compression, true));
    }
    write("mcap", "seed_unchunked", &mcap_drive(None, false));
    for (architecture, tokenizer, fused) in [
        ("llama", "gpt2", false),
        ("gemma3", "llama", false),
        ("phi3", "gpt2", true),
    ] {
        let bytes = gguf(architecture, tokenizer, fused);
        write("gguf", &format!("seed_{architecture}"), &bytes);
    }
    write("db3", "seed_drive", &db3_drive(&folder.join("db3.tmp")));
}

fn cdr(message: &Message) -> Vec<u8> {
    message.encode().expect("a sound message")
}

fn header(n: i64) -> Header {
    Header {
        stamp: Stamp(START + n * 200_000_000),
        frame_id: "base".into(),
    }
}

fn scan(n: i64) -> Message {
    Message::LaserScan(LaserScan {
        header: header(n),
        angle_max: 1.4,
        angle_increment: 0.2,
        range_min: 0.1,
        range_max: 3.5,
        ranges: vec![1.0 + n as f32 * 0.01; 8],
        ..LaserScan::default()
    })
}

/// One of each type, in their order.
fn messages() -> Vec<Message> {
    let odometry = Odometry {
        header: header(0),
        child_frame_id: "base".into(),
        ..Odometry::default()
    };
    let joints = JointState {
        header: header(0),
        name: vec!["left".into(), "right".into()],
        velocity: vec![0.5, -0.5],
        ..JointState::default()
    };
    let numbers = Float32MultiArray {
        data: vec![1.0, 2.0],
        ..Float32MultiArray::default()
    };
    let made = vec![
        scan(0),
        Message::Odometry(odometry),
        Message::Twist(Twist::default()),
        Message::TwistStamped(TwistStamped::default()),
        Message::Imu(Imu::default()),
        Message::JointState(joints),
        Message::Float32MultiArray(numbers),
        Message::String(RosString {
            data: "SNOW".into(),
        }),
    ];
    assert!(made.iter().map(Message::kind).eq(MessageType::ALL));
    made
}

fn drive() -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..6 {
        let of = messages();
        for (source, message) in [(1, &of[1]), (2, &of[2]), (0, &scan(n))] {
            let message = cdr(message);
            bytes.extend([source, 2]);
            bytes.extend((message.len() as u16).to_le_bytes());
            bytes.extend(message);
        }
    }
    bytes
}

/// Without checksums, so that a changed byte is not turned away at the door.
fn mcap_drive(compression: Option<mcap::Compression>, chunks: bool) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = mcap::WriteOptions::new()
        .profile("ros2")
        .compression(compression)
        .compression_threads(0)
        .use_chunks(chunks)
        .chunk_size(Some(400))
        .calculate_chunk_crcs(false)
        .calculate_data_section_crc(false)
        .calculate_summary_section_crc(false)
        .create(&mut file)
        .expect("a writer");
    let schema = writer
        .add_schema("sensor_msgs/msg/LaserScan", "ros2msg", b"")
        .expect("a schema");
    let channel = writer
        .add_channel(schema, "/scan", "cdr", &Default::default())
        .expect("a channel");
    for n in 0..5 {
        let time = (START + i64::from(n) * 200_000_000) as u64;
        let header = mcap::records::MessageHeader {
            channel_id: channel,
            sequence: n as u32,
            log_time: time,
            publish_time: time,
        };
        let message = cdr(&scan(i64::from(n)));
        writer
            .write_to_known_channel(&header, &message)
            .expect("a message");
    }
    writer.finish().expect("an end");
    drop(writer);
    file.into_inner()
}

fn db3_drive(file: &Path) -> Vec<u8> {
    let _ = fs::remove_file(file);
    let made = rusqlite::Connection::open(file).expect("a database");
    made.execute_batch(
        "PRAGMA page_size = 512;
         CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
           serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
         CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
           timestamp INTEGER NOT NULL, data BLOB NOT NULL);
         INSERT INTO topics VALUES (1, '/scan', 'sensor_msgs/msg/LaserScan', 'cdr', '');",
    )
    .expect("tables");
    for n in 0..5 {
        made.execute(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?1, ?2)",
            (START + n * 200_000_000, cdr(&scan(n))),
        )
        .expect("a row");
    }
    drop(made);
    let bytes = fs::read(file).expect("it is there");
    fs::remove_file(file).expect("it was");
    bytes
}
