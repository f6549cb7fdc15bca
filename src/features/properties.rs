//! Property tests of this room: random and hostile messages.

use proptest::prelude::*;

use super::testing::{self, MS, START, rows};
use super::*;
use crate::messages::{LaserScan, Message, MessageType};
use crate::time::Stamp;

fn any_range() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => 0.0_f32..6.0,
        1 => Just(0.0_f32),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NAN),
        1 => any::<f32>(),
    ]
}

/// Sane or not, scans as some driver might send them.
fn any_scan() -> impl Strategy<Value = LaserScan> {
    let angle = || prop_oneof![4 => -7.0_f32..7.0, 1 => any::<f32>()];
    let limits = prop_oneof![4 => Just((0.1_f32, 5.0_f32)), 1 => any::<(f32, f32)>()];
    let ranges = prop::collection::vec(any_range(), 0..100);
    (angle(), angle(), limits, ranges, any::<bool>()).prop_map(
        |(min, step, limits, ranges, sane)| {
            let beams = ranges.len();
            let step = if sane {
                6.2 / beams.max(1) as f32
            } else {
                step * 0.01
            };
            LaserScan {
                angle_min: min,
                angle_max: min + step * (beams.max(1) - 1) as f32,
                angle_increment: step,
                range_min: limits.0,
                range_max: limits.1,
                ..testing::scan(ranges)
            }
        },
    )
}

/// Scans that pass, with beams on whole degrees, full circle or not.
fn good_scan() -> impl Strategy<Value = LaserScan> {
    (-180_i32..=180, prop::collection::vec(any_range(), 2..=361)).prop_map(|(first, ranges)| {
        let step = 1.0_f32.to_radians();
        let min = first as f32 * step;
        LaserScan {
            angle_min: min,
            angle_max: min + step * (ranges.len() - 1) as f32,
            angle_increment: step,
            ..testing::scan(ranges)
        }
    })
}

fn any_message() -> impl Strategy<Value = (SourceId, Message)> {
    let number = || prop_oneof![3 => -1.0_f64..1.0, 1 => any::<f64>()];
    let stamp = || prop_oneof![Just(0_i64), 0..20_000 * MS, any::<i64>()].prop_map(Stamp);
    prop_oneof![
        (any_scan(), stamp(), "[ab]").prop_map(|(mut scan, stamp, frame)| {
            scan.header.stamp = stamp;
            scan.header.frame_id = frame;
            (SourceId(0), Message::LaserScan(scan))
        }),
        (number(), stamp()).prop_map(|(v, stamp)| (SourceId(1), testing::odometry(v, stamp))),
        (number(), number()).prop_map(|(v, w)| (SourceId(2), testing::twist(v, w))),
        (0..4_u8).prop_map(|id| (SourceId(id), testing::empty(MessageType::Imu))),
    ]
}

/// The same surroundings with left and right exchanged.
fn mirrored(scan: &LaserScan, yaw: f32) -> LaserScan {
    let mut image = scan.clone();
    image.ranges.reverse();
    let (min, max) = (-scan.angle_max - 2.0 * yaw, -scan.angle_min - 2.0 * yaw);
    let turns = (min / std::f32::consts::TAU).round() * std::f32::consts::TAU;
    (image.angle_min, image.angle_max) = (min - turns, max - turns);
    image
}

fn with_sectors(count: usize) -> WindowSpec {
    let mut spec = testing::spec();
    spec.inputs[0].extractor = ExtractorSpec::Sectors { count, far_m: 4.0 };
    spec
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        headed in any::<bool>(),
        big in any::<bool>(),
    ) {
        if headed && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&[0, u8::from(!big), 0, 0]);
        }
        for kind in MessageType::ALL {
            if let Err(error) = Message::decode(kind, &bytes) {
                prop_assert!(error.to_string().starts_with(kind.ros_name()));
            }
        }
    }

    #[test]
    fn damaged_messages_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = testing::stamped(1.0, Stamp(5)).encode().unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(message) = Message::decode(MessageType::LaserScan, &bytes) {
            let mut window = testing::window(&testing::spec());
            let _ = window.push(SourceId(0), &message, Stamp(START));
        }
    }

    #[test]
    fn features_are_finite_and_within_bounds_whatever_comes(
        messages in prop::collection::vec((any_message(), -50..500_i64), 0..20),
        yaw in -6.3_f32..6.3,
    ) {
        let spec = testing::spec();
        let mut settings = testing::settings(&spec);
        settings[0].yaw = yaw;
        let mut window = Window::new(&spec, &settings).unwrap();
        let mut now = START;
        for ((source, message), step) in messages {
            now += step * MS;
            if let Err(fault) = window.push(source, &message, Stamp(now)) {
                prop_assert!(!fault.to_string().is_empty());
            }
            let (_, rows) = rows(&mut window, Stamp(now));
            for row in rows {
                prop_assert!(row.iter().all(|x| (-1.0..=1.0).contains(x)), "{row:?}");
                for flag in [16, 20, 24] {
                    prop_assert!(row[flag] == 0.0 || row[flag] == 1.0);
                    prop_assert!((0.0..=1.0).contains(&row[flag + 1]));
                }
            }
        }
    }

    #[test]
    fn a_mirror_applied_twice_changes_nothing(
        count in 1..40_usize,
        seed in prop::collection::vec(-1.0_f32..1.0, 400),
    ) {
        let window = testing::window(&with_sectors(count));
        let mirror = window.mirror();
        prop_assert_eq!(mirror.features(), window.features());
        let shape = window.frames() * window.features();
        let original: Vec<f32> = seed.iter().copied().cycle().take(shape).collect();
        let (mut once, mut twice) = (vec![0.0; shape], vec![0.0; shape]);
        mirror.apply(&original, &mut once);
        mirror.apply(&once, &mut twice);
        prop_assert_eq!(twice, original);
    }

    #[test]
    fn the_mirror_of_a_window_is_the_window_of_the_mirrored_drive(
        count in 1..40_usize,
        half_turns in -1..=1_i32,
        drive in prop::collection::vec((good_scan(), -1.0_f64..1.0, -3.0_f64..3.0), 1..3),
    ) {
        let spec = with_sectors(count);
        let mut settings = testing::settings(&spec);
        settings[0].yaw = half_turns as f32 * std::f32::consts::PI;
        let mut seen = Window::new(&spec, &settings).unwrap();
        let mut image = Window::new(&spec, &settings).unwrap();
        let mut now = Stamp(START);
        for (scan, forward, turn) in drive {
            now = Stamp(now.0 + 100 * MS);
            let reflected = mirrored(&scan, settings[0].yaw);
            let ours = seen.push(SourceId(0), &Message::LaserScan(scan), now).is_ok();
            let theirs = image.push(SourceId(0), &Message::LaserScan(reflected), now).is_ok();
            prop_assert_eq!(ours, theirs);
            seen.push(SourceId(2), &testing::twist(forward, turn), now).unwrap();
            image.push(SourceId(2), &testing::twist(forward, -turn), now).unwrap();
        }
        let shape = seen.frames() * seen.features();
        let (mut out, mut expected) = (vec![0.0; shape], vec![0.0; shape]);
        seen.assemble(now, &mut out);
        seen.mirror().apply(&out, &mut expected);
        image.assemble(now, &mut out);
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn auxiliary_samples_between_those_of_a_quarter_period_leave_no_trace(
        last in prop::collection::vec((10..25_i64, -1.0_f64..1.0), 1..60),
        auxiliary in prop::collection::vec((0..10_i64, -1.0_f64..1.0), 0..200),
        offset in 0..400_i64,
    ) {
        let (mut few, mut many) = (testing::window(&testing::spec()), testing::window(&testing::spec()));
        for (k, &(within, value)) in last.iter().enumerate() {
            let start = START + k as i64 * 25 * MS;
            let share = auxiliary.len() / last.len();
            let mut between: Vec<_> = auxiliary[k * share..(k + 1) * share].to_vec();
            between.sort_by_key(|&(within, _)| within);
            for (within, value) in between {
                many.push(SourceId(2), &testing::twist(value, 0.0), Stamp(start + within * MS)).unwrap();
            }
            for window in [&mut few, &mut many] {
                window.push(SourceId(2), &testing::twist(value, 0.0), Stamp(start + within * MS)).unwrap();
            }
        }
        let now = Stamp(START + (last.len() as i64 * 25 + offset) * MS);
        prop_assert_eq!(rows(&mut few, now), rows(&mut many, now));
    }
}

#[test]
fn elements_of_arrays_have_no_known_mirror() {
    let mut spec = testing::spec();
    assert!(testing::window(&spec).mirror().is_complete());
    spec.inputs[2].message = MessageType::JointState;
    spec.derived.clear();
    spec.inputs[2].extractor = ExtractorSpec::Fields {
        fields: vec![FieldSpec {
            path: "velocity[0]".to_owned(),
            offset: 0.0,
            scale: 1.0,
            limit: 1.0,
        }],
    };
    assert!(!testing::window(&spec).mirror().is_complete());
}
