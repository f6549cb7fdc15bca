//! Files and messages damaged at random: whatever they hold, the answer is a word, never a panic.
//! The damage follows a seed, so that a failure is found again: EDGE_REASONER_FUZZ_SEED and
//! EDGE_REASONER_FUZZ_ROUNDS change the seed and how long it goes on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use edge_reasoner::bag::Bag;
use edge_reasoner::bag::writer::McapWriter;
use edge_reasoner::learn::Task;
use edge_reasoner::messages::{Message, MessageType};
use edge_reasoner::model::{Bundle, EngineKind};
use edge_reasoner::params::{NodeName, read_file};
use edge_reasoner::replay::expectations::Expectations;
use edge_reasoner::time::Stamp;

mod support;
use support::Dice;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers that lengths and counts are attacked with.
fn nasty(dice: &mut Dice) -> u8 {
    [0, 1, 0x7f, 0x80, 0xff, b'-', b'9', b'{'][dice.roll(8)]
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        match dice.roll(6) {
            _ if bytes.is_empty() => return,
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << dice.roll(8),
            2 => bytes[at] = nasty(dice),
            3 => {
                let nasty = [nasty(dice); 8];
                let end = (at + 1 + dice.roll(8)).min(bytes.len());
                bytes[at..end].copy_from_slice(&nasty[..end - at]);
            }
            4 => {
                let end = (at + dice.roll(64)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len());
                bytes.splice(to..to, again);
            }
            _ => {
                let end = (at + dice.roll(64)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}

/// Damages `good` again and again. `try_it` must come back, and tell whether it took the bytes.
fn attack(name: &str, rounds: u64, good: &[u8], mut try_it: impl FnMut(&[u8]) -> bool) {
    let seed = number("EDGE_REASONER_FUZZ_SEED", 1);
    let rounds = rounds * number("EDGE_REASONER_FUZZ_ROUNDS", 1);
    assert!(try_it(good), "{name}: what is not damaged is good");
    let mut refused = 0;
    for round in 0..rounds {
        let mut bytes = good.to_vec();
        let mut dice = Dice(seed.wrapping_mul(1_000_003) ^ round);
        damage(&mut dice, &mut bytes);
        let tried = catch_unwind(AssertUnwindSafe(|| try_it(&bytes)));
        match tried {
            Ok(accepted) => refused += u64::from(!accepted),
            Err(_) => panic!("{name}: a panic at round {round} of seed {seed}"),
        }
    }
    assert!(
        refused > 0,
        "{name}: no damage was noticed in {rounds} rounds"
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scan(at: i64) -> Message {
    Message::LaserScan(support::scan(at, 1.5))
}

#[test]
fn messages() {
    let good = scan(5).encode().unwrap();
    attack("LaserScan", 20_000, &good, |bytes| {
        // The same bytes as every type a source may have.
        for other in [
            MessageType::Odometry,
            MessageType::Twist,
            MessageType::TwistStamped,
            MessageType::Imu,
            MessageType::JointState,
            MessageType::Float32MultiArray,
            MessageType::String,
        ] {
            let _ = Message::decode(other, bytes);
        }
        Message::decode(MessageType::LaserScan, bytes).is_ok()
    });
}

#[test]
fn recordings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drive.mcap");
    let mut writer = McapWriter::create(&file).unwrap();
    let kind = "sensor_msgs/msg/LaserScan";
    let topic = writer.add_topic("/scan", kind, "", None).unwrap();
    for n in 0..40 {
        let at = 1_700_000_000_000_000_000 + n * 200_000_000;
        writer
            .write(topic, Stamp(at), &scan(at).encode().unwrap())
            .unwrap();
    }
    writer.finish().unwrap();
    let good = fs::read(&file).unwrap();
    attack("mcap", 3_000, &good, |bytes| {
        fs::write(&file, bytes).unwrap();
        let Ok(bag) = Bag::open(&file) else {
            return false;
        };
        let Ok(messages) = bag.read(&["/scan"]) else {
            return false;
        };
        let read = messages.filter(|message| message.is_ok()).count();
        read == 40
    });
}

#[test]
fn bundles() {
    let shipped = root().join("models/wall_following");
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::copy(shipped.join(name), folder.path().join(name)).unwrap();
    copy("model.yaml");
    copy("weights.safetensors");
    for name in ["model.yaml", "weights.safetensors"] {
        let file = folder.path().join(name);
        let good = fs::read(&file).unwrap();
        // A manifest is large for what there is to damage in it; weights have one sum.
        let rounds = if name == "model.yaml" { 600 } else { 100 };
        attack(name, rounds, &good, |bytes| {
            fs::write(&file, bytes).unwrap();
            let Ok(bundle) = Bundle::load(folder.path()) else {
                return false;
            };
            // What is let in must run.
            let sizes = bundle.manifest.architecture;
            let mut engine = bundle.engine(EngineKind::ALL[2]).unwrap();
            let mut probabilities = vec![0.0; bundle.manifest.labels.len()];
            engine
                .begin(&vec![0.5; sizes.frames * sizes.features])
                .unwrap();
            engine.advance(&mut probabilities).is_ok()
        });
        fs::write(&file, good).unwrap();
    }
}

#[test]
fn files_that_people_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.yaml");
    let attack_file = |name: &str, good: &Path, read: &dyn Fn(&Path) -> bool| {
        let good = fs::read(root().join(good)).unwrap();
        attack(name, 3_000, &good, |bytes| {
            fs::write(&file, bytes).unwrap();
            read(&file)
        });
    };
    attack_file("params", Path::new("params/clearance.yaml"), &|file| {
        read_file(file, &NodeName::default()).is_ok()
    });
    attack_file("task", Path::new("params/tasks/clearance.yaml"), &|file| {
        Task::load(file).is_ok_and(|task| task.faults().is_empty())
    });
    attack_file(
        "expectations",
        Path::new("tests/expectations.yaml"),
        &|file| Expectations::load(file).is_ok(),
    );
}
