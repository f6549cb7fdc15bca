//! Chains, circles, mountings, and who is believed.

use std::f64::consts::{FRAC_PI_2, PI};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::mounting::PATIENCE;
use super::*;
use crate::messages::{Quaternion, Vector3};
use crate::time::Mono;

/// Roll, pitch, yaw as tf's static publisher takes them.
fn turned(roll: f64, pitch: f64, yaw: f64) -> Quaternion {
    let ((sr, cr), (sp, cp), (sy, cy)) = (
        (roll / 2.0).sin_cos(),
        (pitch / 2.0).sin_cos(),
        (yaw / 2.0).sin_cos(),
    );
    Quaternion {
        x: sr * cp * cy - cr * sp * sy,
        y: cr * sp * cy + sr * cp * sy,
        z: cr * cp * sy - sr * sp * cy,
        w: cr * cp * cy + sr * sp * sy,
    }
}

type Pose = ([f64; 3], [f64; 3]);

fn message(links: &[(&str, &str, Pose)]) -> Transforms {
    let transforms = links
        .iter()
        .map(|(parent, child, ([x, y, z], [roll, pitch, yaw]))| {
            let mut one = TransformStamped {
                child_frame_id: (*child).to_owned(),
                translation: Vector3 {
                    x: *x,
                    y: *y,
                    z: *z,
                },
                rotation: turned(*roll, *pitch, *yaw),
                ..TransformStamped::default()
            };
            one.header.frame_id = (*parent).to_owned();
            one
        });
    Transforms {
        transforms: transforms.collect(),
    }
}

fn tree(links: &[(&str, &str, Pose)]) -> TransformTree {
    let mut tree = TransformTree::default();
    tree.take(&message(links), TransformTopic::Static);
    tree
}

fn mount(roll: f64, pitch: f64, yaw: f64) -> Result<Mount, Tilt> {
    let tree = tree(&[("base_link", "laser", ([0.1, -0.2, 0.3], [roll, pitch, yaw]))]);
    Mount::of(&tree.lookup("base_link", "laser").unwrap())
}

const UPRIGHT: [f64; 3] = [0.0; 3];

#[test]
fn roll_and_yaw_are_told_apart_whatever_way_they_are_said() {
    let near = |found: Mount, yaw: f64, upside_down| {
        let off = f64::from(found.yaw) - yaw;
        assert!(off.sin().abs() < 1e-6 && off.cos() > 0.0, "{found:?}");
        assert_eq!(found.upside_down, upside_down);
        assert!((found.x - 0.1).abs() < 1e-6 && (found.y + 0.2).abs() < 1e-6);
    };
    near(mount(0.0, 0.0, 0.5).unwrap(), 0.5, false);
    near(mount(0.0, 0.0, PI).unwrap(), PI, false);
    near(mount(PI, 0.0, 0.0).unwrap(), 0.0, true);
    near(mount(-PI, 0.0, -1.0).unwrap(), -1.0, true);
    // Pitched over: x looks backwards, z down.
    near(mount(0.0, PI, 0.0).unwrap(), PI, true);
    near(mount(PI, PI, 0.0).unwrap(), PI, false);
    near(mount(0.15, 0.0, 0.3).unwrap(), 0.3, false);
    for (roll, pitch, degrees) in [(0.3, 0.0, 17), (0.0, -FRAC_PI_2, 90), (PI - 0.3, 0.0, 17)] {
        let tilt = mount(roll, pitch, 0.0).unwrap_err();
        assert_eq!(tilt.angle.to_degrees().round() as i32, degrees);
    }
}

#[test]
fn a_chain_is_composed_whatever_branch_the_base_is_on() {
    let tree = tree(&[
        ("odom", "base_footprint", ([5.0, 6.0, 0.0], [0.0, 0.0, 1.0])),
        ("base_footprint", "base_link", ([0.0, 0.0, 0.1], UPRIGHT)),
        (
            "base_footprint",
            "mast",
            ([0.2, 0.1, 0.5], [0.0, 0.0, FRAC_PI_2]),
        ),
        ("mast", "laser", ([0.3, 0.0, 0.0], [PI, 0.0, 0.0])),
    ]);
    let found = Mount::of(&tree.lookup("base_link", "/laser").unwrap()).unwrap();
    assert!(found.upside_down);
    assert!((found.yaw - std::f32::consts::FRAC_PI_2).abs() < 1e-6);
    assert!(
        (found.x - 0.2).abs() < 1e-6 && (found.y - 0.4).abs() < 1e-6,
        "{found:?}"
    );
    // Downwards: where the footprint lies in the laser's frame.
    let down = tree.lookup("laser", "base_link").unwrap();
    let back = tree.lookup("base_link", "laser").unwrap().after(&down);
    assert!(
        back.translation.iter().all(|value| value.abs() < 1e-9),
        "{back:?}"
    );
    assert_eq!(tree.lookup("laser", "laser").unwrap(), Transform::IDENTITY);
}

#[test]
fn what_keeps_a_frame_from_being_found_is_named() {
    let word = |tree: &TransformTree, frame: &str| {
        tree.lookup("base_link", frame).unwrap_err().to_string()
    };
    assert_eq!(word(&TransformTree::default(), "laser"), "tf is silent");
    assert!(word(&TransformTree::default(), "").contains("no frame"));
    let known = tree(&[("base_link", "camera", ([0.0; 3], UPRIGHT))]);
    let unknown = word(&known, "laser");
    assert!(
        unknown.contains("no frame laser") && unknown.contains("camera"),
        "{unknown}"
    );
    let apart = tree(&[
        ("base_link", "camera", ([0.0; 3], UPRIGHT)),
        ("arm", "laser", ([0.0; 3], UPRIGHT)),
    ]);
    let word_apart = word(&apart, "laser");
    assert!(
        word_apart.contains("arm") && word_apart.contains("under base_link"),
        "{word_apart}"
    );
    let round = tree(&[
        ("a", "laser", ([0.0; 3], UPRIGHT)),
        ("laser", "a", ([0.0; 3], UPRIGHT)),
        ("base_link", "camera", ([0.0; 3], UPRIGHT)),
    ]);
    assert!(
        word(&round, "laser").contains("circle"),
        "{}",
        word(&round, "laser")
    );
    let mut unsound = message(&[("base_link", "laser", ([0.0; 3], UPRIGHT))]);
    unsound.transforms[0].rotation = Quaternion::default();
    let mut tree = TransformTree::default();
    tree.take(&unsound, TransformTopic::Static);
    assert!(word(&tree, "laser").contains("no rotation"));
    unsound.transforms[0].rotation.w = 1.0;
    unsound.transforms[0].translation.x = f64::NAN;
    tree.take(&unsound, TransformTopic::Static);
    assert!(word(&tree, "laser").contains("not finite"));
}

#[test]
fn what_is_static_is_not_moved_by_tf_and_memory_has_a_bound() {
    let mut tree = tree(&[("base_link", "laser", ([0.1, 0.0, 0.0], UPRIGHT))]);
    let moved = message(&[("base_link", "laser", ([0.9, 0.0, 0.0], UPRIGHT))]);
    assert!(!tree.take(&moved, TransformTopic::Moving));
    assert!(tree.take(&moved, TransformTopic::Static));
    assert!(
        !tree.take(&moved, TransformTopic::Static),
        "the same again is nothing new"
    );
    let names: Vec<String> = (0..MAX_TRANSFORMS).map(|n| format!("f{n}")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| ("map", name.as_str(), ([0.0; 3], UPRIGHT)))
        .collect();
    tree.take(&message(&many), TransformTopic::Moving);
    assert_eq!(tree.left_out(), 1, "one frame was there before");
    assert!(tree.lookup("base_link", "laser").is_ok());
}

#[test]
fn a_message_is_read_as_it_is_written_and_one_too_long_is_refused() {
    let two = message(&[
        ("base_link", "a", ([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])),
        ("a", "b", ([0.0; 3], UPRIGHT)),
    ]);
    let bytes = two.encode();
    assert_eq!(Transforms::decode(&bytes).unwrap(), two);
    for cut in 0..bytes.len() {
        assert!(Transforms::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let long = vec![("m", "f", ([0.0; 3], UPRIGHT)); MAX_TRANSFORMS + 1];
    let word = Transforms::decode(&message(&long).encode())
        .unwrap_err()
        .to_string();
    assert!(
        word.contains("tf2_msgs/msg/TFMessage") && word.contains("1000"),
        "{word}"
    );
}

fn said(yaw: Option<f32>, upside_down: Option<bool>) -> Mounting {
    let said = MountingParameters {
        base_frame: "base_link".into(),
        yaw,
        upside_down,
        needs_place: false,
    };
    Mounting::new(Arc::from("scan"), said)
}

fn at(ms: u64) -> Mono {
    Mono(ms * 1_000_000)
}

const BACKWARDS: Pose = ([0.1, 0.0, 0.0], [0.0, 0.0, PI]);

#[test]
fn tf_holds_where_no_parameter_says() {
    let tree = tree(&[("base_link", "laser", BACKWARDS)]);
    let mut mounting = said(None, None);
    let change = mounting.look(&tree, "laser", at(0)).unwrap().unwrap();
    assert!((change.mount.yaw.abs() - std::f32::consts::PI).abs() < 1e-6 && !change.forget);
    let word = mounting.remark().unwrap().to_string();
    assert!(word.contains("by tf") && word.contains("180°"), "{word}");
    assert_eq!(mounting.look(&tree, "laser", at(100)), Ok(None));
    assert_eq!(mounting.remark(), None, "once");
}

#[test]
fn a_parameter_holds_while_tf_agrees_and_both_are_named_where_it_does_not() {
    let tree = tree(&[("base_link", "laser", BACKWARDS)]);
    let mut near = said(Some(-3.1), None);
    let change = near.look(&tree, "laser", at(0)).unwrap().unwrap();
    assert_eq!((change.mount.yaw, change.mount.x), (-3.1, 0.1));
    let mut far = said(Some(0.0), None);
    for ms in [0, 100, 100_000] {
        let word = far.look(&tree, "laser", at(ms)).unwrap_err().to_string();
        for part in [
            "scan.yaw is 0.000 rad",
            "tf says",
            "(180°)",
            "base_link to laser",
        ] {
            assert!(word.contains(part), "{part}: {word}");
        }
    }
    let mut flipped = said(None, Some(true));
    let word = flipped.look(&tree, "laser", at(0)).unwrap_err().to_string();
    assert!(
        word.contains("scan.upside_down is true, but tf says false"),
        "{word}"
    );
}

#[test]
fn without_tf_and_parameter_the_assumption_is_said_once() {
    let silent = TransformTree::default();
    let mut mounting = said(None, None);
    assert_eq!(mounting.look(&silent, "laser", at(0)), Ok(None));
    let word = mounting.remark().unwrap().to_string();
    assert!(
        word.contains("assumed") && word.contains("yaw 0.000") && word.contains("upright"),
        "{word}"
    );
    assert_eq!(mounting.look(&silent, "laser", at(50)), Ok(None));
    assert_eq!(mounting.remark(), None);
    let mut told = said(Some(0.2), None);
    assert_eq!(told.look(&silent, "laser", at(0)), Ok(None));
    assert_eq!(told.remark(), None);
}

#[test]
fn while_tf_speaks_and_does_not_connect_it_a_laser_waits_for_a_while() {
    let other = tree(&[("base_link", "camera", ([0.0; 3], UPRIGHT))]);
    let mut mounting = said(None, None);
    for ms in [0, 500, 1999] {
        let fault = mounting.look(&other, "laser", at(ms)).unwrap_err();
        assert!(matches!(fault, MountingFault::Waiting { .. }), "{fault}");
    }
    let after = at(0) + PATIENCE;
    assert_eq!(mounting.look(&other, "laser", after), Ok(None));
    let word = mounting.remark().unwrap().to_string();
    assert!(
        word.contains("assumed") && word.contains("camera"),
        "{word}"
    );
    // It comes after all: what was seen before was seen in wrong directions.
    let whole = tree(&[
        ("base_link", "laser", BACKWARDS),
        ("base_link", "camera", ([0.0; 3], UPRIGHT)),
    ]);
    let change = mounting
        .look(&whole, "laser", after + Duration::from_secs(1))
        .unwrap();
    assert!(change.unwrap().forget);
    assert!(mounting.remark().unwrap().to_string().contains("was wrong"));
}

#[test]
fn a_mounting_that_moves_is_followed_and_named_now_and_then() {
    let mut moving = TransformTree::default();
    let mut mounting = said(None, None);
    let mut remarks = 0;
    for step in 0..30_u64 {
        let turn = (
            "base_link",
            "laser",
            ([0.0; 3], [0.0, 0.0, step as f64 * 0.1]),
        );
        moving.take(&message(&[turn]), TransformTopic::Moving);
        let change = mounting.look(&moving, "laser", at(step * 1000)).unwrap();
        if let Some(change) = change {
            assert!((change.mount.yaw - step as f32 * 0.1).abs() < 1e-5);
        }
        remarks += u32::from(matches!(
            mounting.remark(),
            Some(MountingNotice::Moved { .. })
        ));
    }
    assert!((2..=4).contains(&remarks), "{remarks}");
}

proptest! {
    #[test]
    fn any_chain_there_and_back_is_nothing(
        poses in prop::collection::vec(prop::array::uniform6(-3.0f64..3.0), 1..6),
    ) {
        let names: Vec<String> = (0..=poses.len()).map(|n| format!("f{n}")).collect();
        let links: Vec<_> = poses.iter().enumerate().map(|(n, [x, y, z, a, b, c])| {
            (names[n].as_str(), names[n + 1].as_str(), ([*x, *y, *z], [*a, *b, *c]))
        }).collect();
        let tree = tree(&links);
        let there = tree.lookup("f0", names.last().unwrap()).unwrap();
        let back = tree.lookup(names.last().unwrap(), "f0").unwrap();
        let point = [0.3, -0.4, 0.5];
        let add = |t: &Transform, p: [f64; 3]| {
            let turned = t.rotate(p);
            [0, 1, 2].map(|i| turned[i] + t.translation[i])
        };
        let again = add(&there, add(&back, point));
        for axis in 0..3 {
            prop_assert!((again[axis] - point[axis]).abs() < 1e-6, "{again:?}");
        }
    }
}

#[test]
fn a_frame_of_its_own_has_a_mounting_of_its_own_and_taking_turns_is_not_said_each_time() {
    let tree = tree(&[("base_link", "laser", BACKWARDS)]);
    let mut mounting = said(None, None);
    let first = mounting.look(&tree, "laser", at(0)).unwrap().unwrap();
    assert!(first.mount.yaw.abs() > 3.0);
    assert!(mounting.remark().is_some());
    // Another frame that tf does not know: not mounted as the first one is.
    assert!(mounting.look(&tree, "other", at(100)).is_err());
    let other = mounting.look(&tree, "other", at(2200)).unwrap().unwrap();
    assert_eq!(other.mount, Mount::default());
    let mut remarks = 0;
    for turn in 0..50 {
        let frame = if turn % 2 == 0 { "laser" } else { "other" };
        let _ = mounting.look(&tree, frame, at(2300 + turn * 100));
        remarks += u32::from(mounting.remark().is_some());
    }
    assert!(remarks <= 1, "{remarks}");
}
