//! Learning on small synthetic data.

mod bins;
mod compress;
mod conditions;
mod data;
mod early_stopping;
mod evaluate;
mod fit;
mod impair;
mod packed;
mod prune;
mod rules;
mod shipped;
mod truth;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Task;
use super::task::label_rule::LabelRule;
use super::task::train_options::TrainOptions;
use crate::messages::{Header, LaserScan, Message, Odometry, Twist};
use crate::model::Backend;
use crate::time::Stamp;

/// The shipped task.
pub fn task() -> Task {
    Task::load(&shipped()).unwrap()
}

pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("params/tasks/clearance.yaml")
}

/// The shipped task without bins, with a model and a training that take a second.
pub fn quick(folder: &Path) -> PathBuf {
    let mut task = task();
    if let LabelRule::FutureMinRange { bins_m, .. } = &mut task.truth {
        bins_m.clear();
    }
    task.window.frames = 3;
    task.student.width = 8;
    task.student.heads = 2;
    task.student.depth = 2;
    task.student.ffn = 16;
    task.teacher = task.student;
    task.training.teacher_epochs = 1;
    task.training.student_epochs = 2;
    task.training.batch = 32;
    task.training.variations.copies = 1;
    let file = folder.join("task.yaml");
    fs::write(&file, serde_yaml::to_string(&task).unwrap()).unwrap();
    file
}

/// A training as a user would ask for it.
pub fn training(task: PathBuf, data: PathBuf, out: PathBuf) -> TrainOptions {
    TrainOptions {
        task,
        data: vec![data],
        out,
        device: Backend::Flex,
        seed: 4,
        yaw: 0.0,
        split: None,
        static_depths: false,
        command: "edge_reasoner train".into(),
    }
}

pub fn seconds(s: f64) -> Stamp {
    Stamp((s * 1e9).round() as i64)
}

/// A scan of 72 beams that sees `ahead` in the cone and 3 m elsewhere.
pub fn scan(time: Stamp, ahead: f32) -> Message {
    let step = std::f32::consts::TAU / 72.0;
    let ranges = (0..72)
        .map(|beam: i32| {
            let from_front = beam.min(72 - beam);
            if from_front <= 4 { ahead } else { 3.0 }
        })
        .collect();
    Message::LaserScan(LaserScan {
        header: Header {
            stamp: time,
            frame_id: "laser".into(),
        },
        angle_min: 0.0,
        angle_max: 71.0 * step,
        angle_increment: step,
        range_min: 0.1,
        range_max: 5.0,
        ranges,
        ..LaserScan::default()
    })
}

pub fn odom(time: Stamp, speed: f64) -> Message {
    let mut odometry = Odometry::default();
    odometry.header.stamp = time;
    odometry.twist.twist.linear.x = speed;
    Message::Odometry(odometry)
}

pub fn cmd(speed: f64) -> Message {
    let mut twist = Twist::default();
    twist.linear.x = speed;
    Message::Twist(twist)
}

/// Writes an `.mcap` of (topic, time, message).
pub fn record(file: &Path, messages: &[(&str, Stamp, Message)]) {
    let out = fs::File::create(file).unwrap();
    let mut writer = mcap::Writer::new(std::io::BufWriter::new(out)).unwrap();
    let mut channels = BTreeMap::new();
    for (number, (topic, time, message)) in messages.iter().enumerate() {
        let channel = *channels.entry(*topic).or_insert_with(|| {
            let schema = writer
                .add_schema(message.kind().ros_name(), "ros2msg", b"")
                .unwrap();
            writer
                .add_channel(schema, topic, "cdr", &Default::default())
                .unwrap()
        });
        let header = mcap::records::MessageHeader {
            channel_id: channel,
            sequence: number as u32,
            log_time: time.0 as u64,
            publish_time: time.0 as u64,
        };
        let bytes = message.encode().unwrap();
        writer.write_to_known_channel(&header, &bytes).unwrap();
    }
    writer.finish().unwrap();
}

/// Drives to and from a wall, 5 scans a second: every class occurs.
pub fn drive(file: &Path, seconds_long: f64, phase: f64) {
    let mut messages = Vec::new();
    for step in 0..(seconds_long * 5.0) as usize {
        let t = step as f64 * 0.2;
        let time = seconds(100.0 + t);
        let ahead = 0.7 + 0.55 * (0.6 * t + phase).sin();
        let speed = -0.33 * (0.6 * t + phase).cos();
        messages.push(("/odom", time, odom(time, speed)));
        messages.push(("/scan", time, scan(time, ahead as f32)));
        messages.push(("/cmd_vel", time, cmd(speed)));
    }
    record(file, &messages);
}
