//! Over the recordings beside the checkout, which are not part of it.

use std::collections::HashMap;

use super::*;
use crate::bag::find::find_recordings;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")
}

/// The rows of a manifest, by column name. No field in them is quoted.
fn manifest(path: &Path) -> Vec<HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let pairs = names.iter().zip(line.split(','));
        pairs
            .map(|(name, field)| (name.to_string(), field.to_owned()))
            .collect()
    };
    lines.map(row).collect()
}

/// Log times and payloads of one topic.
fn spoken(bag: &Bag, topic: &str) -> Vec<(Stamp, Vec<u8>)> {
    let mut messages = bag.read(&[topic]).unwrap();
    let all = messages.by_ref().map(|message| {
        let message = message.unwrap();
        (message.log_time, message.data.to_vec())
    });
    let all: Vec<_> = all.collect();
    assert_eq!(messages.end(), &ReadEnd::Whole, "{}", bag.path().display());
    assert!(all.is_sorted_by_key(|(time, _)| *time));
    all
}

#[test]
#[cfg_attr(
    not(has_recordings),
    ignore = "skipped: needs the recordings in ../shared/data"
)]
fn every_recording_opens_and_counts_as_its_manifest_says() {
    let data = data();
    for (folder, columns) in [
        (
            "clearance",
            &[
                ("scans", "/scan"),
                ("odom", "/odom"),
                ("cmd_vel", "/cmd_vel"),
            ][..],
        ),
        (
            "terrain",
            &[
                ("imu", "/imu/data"),
                ("joint_states", "/joint_states"),
                ("labels", "/terrain/label"),
            ],
        ),
        (
            "wall_following",
            &[
                ("ultrasound", "/ultrasound"),
                ("decision_label", "/decision_label"),
            ],
        ),
        ("imu_odom", &[("imu", "/imu/data"), ("fix", "/fix")]),
    ] {
        let folder = data.join(folder);
        for row in manifest(&folder.join("manifest.csv")) {
            let path = folder.join(&row["file"]);
            let bag = Bag::open(&path).unwrap();
            assert_eq!(bag.cut(), None);
            for (column, topic) in columns {
                let counted = spoken(&bag, topic).len();
                assert_eq!(counted.to_string(), row[*column], "{} {topic}", row["file"]);
                let listed = bag.topics().iter().find(|known| known.name == *topic);
                let listed = listed.map_or(Some(0), |topic| topic.messages);
                assert_eq!(listed, Some(counted as u64));
            }
        }
    }
}

#[test]
#[cfg_attr(
    not(has_recordings),
    ignore = "skipped: needs the recordings in ../shared/data"
)]
fn twins_in_other_containers_say_the_same_bytes_at_the_same_times() {
    let data = data();
    let folder = data.join("clearance");
    let rows = manifest(&folder.join("manifest.csv"));
    let mut twins = 0;
    for row in rows.iter().filter(|row| !row["duplicate_of"].is_empty()) {
        let (twin, bag) = (folder.join(&row["file"]), folder.join(&row["duplicate_of"]));
        let (twin, bag) = (Bag::open(&twin).unwrap(), Bag::open(&bag).unwrap());
        for topic in ["/scan", "/odom", "/cmd_vel"] {
            let same = spoken(&twin, topic) == spoken(&bag, topic);
            assert!(same, "{} {topic}", row["file"]);
        }
        twins += 1;
    }
    assert!(twins >= 5, "{twins} twins in the manifest");
    let found = find_recordings(&[folder]).unwrap();
    assert_eq!(found.len(), rows.len(), "as many recordings as rows");
}
