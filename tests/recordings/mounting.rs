//! How a laser is mounted, by parameter and by tf, what of the robot it sees, and angles that
//! drivers get wrong: on recordings, through all rooms.

use std::path::{Path, PathBuf};

use edge_reasoner::bag::Bag;
use edge_reasoner::bag::writer::McapWriter;
use edge_reasoner::features::frames::{
    MountingParameters, TRANSFORMS_TYPE, TransformStamped, Transforms,
};
use edge_reasoner::messages::{LaserScan, Message, MessageType, Quaternion, Vector3};
use edge_reasoner::replay::{RecordedTransforms, ReplayReport};
use edge_reasoner::time::Stamp;

use crate::made::{Answer, answers, root, run};

const FLIPPED: &str = "upside_down/post_on_the_left_arc_flipped.mcap";
const TRUE: &str = "upside_down/post_on_the_left_arc_true.mcap";
const MAST: &str = "own_body/mast_in_front_cone.mcap";

fn case(name: &str) -> PathBuf {
    root().join("tests/cases").join(name)
}

/// Replays one recording; the report, and what was decided.
fn decided(bag: &Path, overrides: &[&str]) -> (ReplayReport, Vec<Answer>) {
    let out = tempfile::tempdir().unwrap();
    let report = run(&[bag.to_path_buf()], out.path(), 1.0, overrides);
    assert_eq!(report.failed, Vec::<String>::new());
    let name = format!("{}.mcap", report.recordings[0]);
    let answers = answers(&out.path().join(name));
    (report, answers)
}

fn labels(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| answer.label.as_str()).collect()
}

/// Roll, pitch and yaw, rad.
fn turned([roll, pitch, yaw]: [f64; 3]) -> Quaternion {
    let [(sr, cr), (sp, cp), (sy, cy)] = [roll, pitch, yaw].map(|angle| (angle / 2.0).sin_cos());
    Quaternion {
        x: sr * cp * cy - cr * sp * sy,
        y: cr * sp * cy + sr * cp * sy,
        z: cr * cp * sy - sr * sp * cy,
        w: cr * cp * cy + sr * sp * sy,
    }
}

/// Parent, child, place and turn.
type Link<'l> = (&'l str, &'l str, [f64; 3], [f64; 3]);

fn transforms(links: &[Link<'_>]) -> Vec<u8> {
    let transforms = links.iter().map(|(parent, child, [x, y, z], turn)| {
        let mut one = TransformStamped {
            child_frame_id: (*child).to_owned(),
            translation: Vector3 {
                x: *x,
                y: *y,
                z: *z,
            },
            rotation: turned(*turn),
            ..TransformStamped::default()
        };
        one.header.frame_id = (*parent).to_owned();
        one
    });
    Transforms {
        transforms: transforms.collect(),
    }
    .encode()
}

/// A case with its scans changed and with tf: the messages of a topic begin so many ms into the
/// recording and come twice a second (one of `/tf_static` comes once).
fn sibling(
    name: &str,
    to: &Path,
    tf: &[(&str, i64, &[Link<'_>])],
    change: impl Fn(&mut LaserScan),
) {
    let bag = Bag::open(&case(name)).unwrap();
    let (first, last) = bag.time_range().unwrap();
    let mut writer = McapWriter::create(to).unwrap();
    let mut entries = Vec::new();
    let mut topics = Vec::new();
    for topic in bag.topics() {
        let id = topics.len();
        topics.push(
            writer
                .add_topic(&topic.name, &topic.type_name, "", None)
                .unwrap(),
        );
        for message in bag.read(&[&topic.name]).unwrap() {
            let message = message.unwrap();
            let mut data = message.data.to_vec();
            if topic.name == "/scan" {
                let decoded = Message::decode(MessageType::LaserScan, &data).unwrap();
                let Message::LaserScan(mut scan) = decoded else {
                    unreachable!()
                };
                change(&mut scan);
                data = Message::LaserScan(scan).encode().unwrap();
            }
            entries.push((message.log_time.0, id, data));
        }
    }
    for (topic, begin_ms, links) in tf {
        let id = topics.len();
        topics.push(writer.add_topic(topic, TRANSFORMS_TYPE, "", None).unwrap());
        let mut time = first.0 + begin_ms * 1_000_000;
        while time <= last.0 {
            entries.push((time, id, transforms(links)));
            if topic.ends_with("tf_static") {
                break;
            }
            time += 500_000_000;
        }
    }
    entries.sort_by_key(|(time, ..)| *time);
    for (time, id, data) in entries {
        writer.write(topics[id], Stamp(time), &data).unwrap();
    }
    writer.finish().unwrap();
}

const PI: f64 = std::f64::consts::PI;
const LEVEL: [f64; 3] = [0.0; 3];
const FORTH: [f64; 3] = [0.12, 0.0, 0.3];

#[test]
fn a_laser_that_hangs_answers_as_one_that_stands_where_the_parameter_says_so() {
    let (_, truth) = decided(&case(TRUE), &[]);
    let (report, told) = decided(&case(FLIPPED), &["scan.upside_down:=true"]);
    assert_eq!(labels(&told), labels(&truth));
    // The case is one: without a word the post is on the other side.
    let (silent, assumed) = decided(&case(FLIPPED), &[]);
    assert_ne!(labels(&assumed), labels(&truth));
    let said = silent.remarks.join("\n");
    assert!(
        said.contains("mounting assumed") && said.contains("tf is silent"),
        "{said}"
    );
    assert!(!report.remarks.is_empty(), "its yaw is assumed");
}

#[test]
fn tf_in_the_recording_says_so_too_by_whatever_chain_and_topic() {
    let (_, truth) = decided(&case(TRUE), &[]);
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("with_tf.mcap");
    let hanging = [("base_link", "base_scan", FORTH, [PI, 0.0, 0.0])];
    let by_two = [
        ("base_footprint", "base_link", [0.0, 0.0, 0.1], LEVEL),
        ("base_footprint", "mast", FORTH, [0.0, 0.0, PI / 2.0]),
        // Hanging from the mast, which is turned to the left.
        ("mast", "base_scan", LEVEL, [PI, 0.0, PI / -2.0]),
    ];
    let odometry = [("odom", "base_footprint", [3.0, 4.0, 0.0], [0.0, 0.0, 1.0])];
    let chains: [&[(&str, i64, &[Link<'_>])]; 4] = [
        &[("/tf_static", 0, &hanging)],
        // Recorded late, as by a recorder that found its publisher late.
        &[("/tf_static", 2500, &hanging)],
        &[("/tf_static", 0, &by_two), ("/tf", 0, &odometry)],
        &[("/tf", -10, &hanging)],
    ];
    for (number, tf) in chains.iter().enumerate() {
        sibling(FLIPPED, &bag, tf, |_| {});
        let (report, found) = decided(&bag, &[]);
        assert_eq!(labels(&found), labels(&truth), "chain {number}");
        let said = report.remarks.join("\n");
        assert!(
            said.contains("mounting by tf") && said.contains("upside down"),
            "{said}"
        );
    }
}

#[test]
fn turned_and_mirrored_lasers_see_what_the_robot_sees() {
    let (_, truth) = decided(&case(TRUE), &[]);
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("turned.mcap");
    let shift = |scan: &mut LaserScan, beams: usize| scan.ranges.rotate_left(beams);
    // Beam i looks along i - 180 degrees. A laser that looks backwards has forward at its beam 0.
    sibling(
        TRUE,
        &bag,
        &[(
            "/tf_static",
            0,
            &[("base_link", "base_scan", FORTH, [0.0, 0.0, PI])],
        )],
        |scan| {
            shift(scan, 180);
        },
    );
    assert_eq!(labels(&decided(&bag, &[]).1), labels(&truth));
    let (_, told) = decided(&bag, &["scan.yaw:=3.14159"]);
    assert_eq!(labels(&told), labels(&truth), "and the parameter agrees");
    // Hanging and turned to the left by a quarter: what it sees at a is at 90 - a.
    let hang = |scan: &mut LaserScan| {
        let seen = scan.ranges.clone();
        for (beam, range) in scan.ranges.iter_mut().enumerate() {
            let degrees = beam as i64 - 180;
            *range = seen[(90 - degrees + 180).rem_euclid(360) as usize];
        }
    };
    let links = [("base_link", "base_scan", FORTH, [PI, 0.0, PI / 2.0])];
    sibling(TRUE, &bag, &[("/tf_static", 0, &links)], hang);
    assert_eq!(labels(&decided(&bag, &[]).1), labels(&truth));
    let told = ["scan.yaw:=1.5708", "scan.upside_down:=true"];
    assert_eq!(labels(&decided(&bag, &told).1), labels(&truth));
}

#[test]
fn tf_and_a_parameter_that_disagree_stop_the_robot_and_both_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("disagree.mcap");
    let links = [("base_link", "base_scan", FORTH, [0.0, 0.0, PI])];
    sibling(TRUE, &bag, &[("/tf_static", 0, &links)], |_| {});
    let (report, answers) = decided(&bag, &["scan.yaw:=0.0"]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.reason == "INVALID_INPUT" && answer.label == "stop")
    );
    let fault = report.faults.values().next().unwrap();
    for part in [
        "scan.yaw is 0.000 rad",
        "tf says",
        "180°",
        "base_link to base_scan",
    ] {
        assert!(fault.contains(part), "{part}: {fault}");
    }
    // A laser that looks down is none for this.
    let links = [("base_link", "base_scan", FORTH, [0.0, 0.5, 0.0])];
    sibling(TRUE, &bag, &[("/tf_static", 0, &links)], |_| {});
    let (report, answers) = decided(&bag, &[]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.reason == "INVALID_INPUT")
    );
    let fault = report.faults.values().next().unwrap();
    assert!(fault.contains("inclined by 29°"), "{fault}");
}

#[test]
fn a_recording_says_how_its_lasers_are_mounted() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("with_tf.mcap");
    let links = [("base_link", "base_scan", FORTH, [PI, 0.0, 1.0])];
    sibling(TRUE, &bag, &[("/tf_static", 0, &links)], |_| {});
    let said = MountingParameters {
        base_frame: "base_link".into(),
        needs_place: true,
        ..MountingParameters::default()
    };
    let look = |said: &MountingParameters| {
        let bag = Bag::open(&bag).unwrap();
        let frames = RecordedTransforms::of(&bag, "/scan").unwrap();
        frames.look(&bag, "/scan", said).unwrap().unwrap()
    };
    let looked = look(&said);
    let mount = looked.mounting.unwrap();
    assert_eq!(looked.frame, "base_scan");
    assert!(mount.upside_down && (mount.yaw - 1.0).abs() < 1e-6 && (mount.x - 0.12).abs() < 1e-6);
    let elsewhere = MountingParameters {
        base_frame: "base_footprint".into(),
        ..said
    };
    let why = look(&elsewhere).mounting.unwrap_err();
    assert!(why.contains("no frame base_footprint"), "{why}");
}

#[test]
fn the_robots_own_mast_is_named_and_taken_out_where_a_parameter_says_so() {
    let (report, answers) = decided(&case(MAST), &[]);
    assert!(labels(&answers).iter().all(|label| *label == "stop"));
    let said: Vec<&String> = report
        .remarks
        .iter()
        .filter(|said| said.contains("stands"))
        .collect();
    assert_eq!(said.len(), 1, "{:?}", report.remarks);
    for part in [
        "mast_in_front_cone: scan: ",
        "m from the laser",
        "scan.ignore",
        "footprint",
    ] {
        assert!(said[0].contains(part), "{part}: {}", said[0]);
    }
    // What is said to be set, is what helps.
    let advice = said[0]
        .split("add ")
        .nth(1)
        .unwrap()
        .split(" to scan.ignore")
        .next()
        .unwrap();
    let ignore = format!("scan.ignore:=[{advice}]");
    for told in [
        ignore.as_str(),
        "robot_radius:=0.25",
        "footprint:='[[0.3,0.2],[-0.3,0.2],[-0.3,-0.2],[0.3,-0.2]]'",
    ] {
        let (report, answers) = decided(&case(MAST), &[told]);
        assert!(
            labels(&answers).iter().all(|label| *label == "go"),
            "{told}: {:?}",
            labels(&answers)
        );
        assert!(
            !report.remarks.iter().any(|said| said.contains("stands")),
            "{:?}",
            report.remarks
        );
    }
    // Others' recordings name nothing.
    for other in [
        TRUE,
        FLIPPED,
        "scan_angles/angle_max_wrong_now_and_then.mcap",
    ] {
        let (report, _) = decided(&case(other), &[]);
        assert!(
            !report.remarks.iter().any(|said| said.contains("stands")),
            "{:?}",
            report.remarks
        );
    }
}

#[test]
fn a_footprint_is_where_the_laser_sits_not_where_it_is_told() {
    // The laser is mounted 0.5 m ahead: a small footprint around the base does not hold the mast.
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("ahead.mcap");
    let links = [("base_link", "base_scan", [0.5, 0.0, 0.2], LEVEL)];
    sibling(MAST, &bag, &[("/tf_static", 0, &links)], |_| {});
    let (_, answers) = decided(&bag, &["robot_radius:=0.25"]);
    assert!(labels(&answers).iter().all(|label| *label == "stop"));
    let (_, answers) = decided(
        &bag,
        &["footprint:='[[0.7,0.2],[-0.3,0.2],[-0.3,-0.2],[0.7,-0.2]]'"],
    );
    assert!(labels(&answers).iter().all(|label| *label == "go"));
}

#[test]
fn a_watchdog_that_would_look_at_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = root().join("models/clearance").display().to_string();
    let refused = |text: &str| {
        let mut values: edge_reasoner::params::Values =
            [edge_reasoner::params::parse_override(text).unwrap()].into();
        values.insert(
            "model".into(),
            edge_reasoner::params::Value::String(model.clone()),
        );
        edge_reasoner::configure::Configuration::read(&values)
            .err()
            .map(|error| error.to_string())
    };
    let word = refused("scan.ignore:=[-0.5, 0.5]").unwrap();
    assert!(
        word.contains("scan.ignore leaves 0 %") && word.contains("±22.5°"),
        "{word}"
    );
    assert!(refused("scan.ignore:=[-3.1416, 3.1416]").is_some());
    assert_eq!(refused("scan.ignore:=[0.0, 0.5]"), None);
    // A cover over the laser is inside of the footprint: not free.
    let bag = folder.path().join("covered.mcap");
    sibling(TRUE, &bag, &[], |scan| scan.ranges.fill(0.15));
    let (report, answers) = decided(&bag, &["robot_radius:=0.25"]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.label == "stop" && answer.reason == "INVALID_INPUT")
    );
    let fault = report.faults.values().next().unwrap();
    assert!(
        fault.contains("beams ahead are inside the footprint"),
        "{fault}"
    );
}

#[test]
fn angle_max_may_be_wrong_and_a_wrong_step_is_named() {
    let (report, answers) = decided(&case("scan_angles/angle_max_wrong_now_and_then.mcap"), &[]);
    assert_eq!((answers.len(), report.refused_messages), (90, 0));
    assert!(answers.iter().all(|answer| answer.source == "MODEL"));
    let nav310 = case("scan_angles/nav310_min_max_positive_step_negative.mcap");
    let (report, answers) = decided(&nav310, &[]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.reason == "INVALID_INPUT")
    );
    let fault = report.faults.values().next().unwrap();
    for part in [
        "angle_increment",
        "negative",
        "angle_max",
        "above angle_min",
        "positive step",
    ] {
        assert!(fault.contains(part), "{part}: {fault}");
    }
    // Clockwise is no fault, and left stays left: the scan of a mirrored driver answers alike.
    let (_, truth) = decided(&case(TRUE), &[]);
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("clockwise.mcap");
    sibling(TRUE, &bag, &[], |scan| {
        scan.ranges.reverse();
        std::mem::swap(&mut scan.angle_min, &mut scan.angle_max);
        scan.angle_increment = -scan.angle_increment;
    });
    assert_eq!(labels(&decided(&bag, &[]).1), labels(&truth));
    sibling(TRUE, &bag, &[], |scan| scan.angle_increment = 1.0);
    let (report, _) = decided(&bag, &[]);
    let fault = report.faults.values().next().unwrap();
    assert!(fault.contains("looks like degrees"), "{fault}");
}
