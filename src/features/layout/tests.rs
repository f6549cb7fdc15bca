//! Which specifications are refused, and where they are said to be wrong.

use super::*;
use crate::features::derived::Derived;
use crate::features::ego_motion::arc::POINT_VALUES;
use crate::features::testing;
use crate::features::window_spec::{DerivedSpec, MotionSpec};

fn refused(change: impl Fn(&mut WindowSpec)) -> String {
    let mut spec = testing::spec();
    change(&mut spec);
    let settings = testing::settings(&spec);
    Layout::new(&spec, &settings).err().unwrap().to_string()
}

fn fields(spec: &mut WindowSpec) -> &mut Vec<FieldSpec> {
    match &mut spec.inputs[1].extractor {
        ExtractorSpec::Fields { fields } => fields,
        _ => panic!("odom has fields"),
    }
}

fn derive(spec: &mut WindowSpec, from: &str, speed: &str) {
    let DerivedSpec::ProjectedClearance { scan, speeds, .. } = &mut spec.derived[0] else {
        panic!("the first is a projected clearance");
    };
    *scan = from.to_owned();
    *speeds = vec![speed.to_owned()];
}

#[test]
fn columns_follow_the_inputs_then_the_derived() {
    let spec = testing::spec();
    let layout = Layout::new(&spec, &testing::settings(&spec)).unwrap();
    let offsets: Vec<usize> = layout.inputs.iter().map(|input| input.offset).collect();
    assert_eq!(offsets, [0, 18, 22]);
    let [Derived::Projected(projected)] = &layout.derived[..] else {
        panic!("{:?}", layout.derived);
    };
    assert_eq!(projected.offset, 26);
    assert_eq!(layout.features, 29);
}

#[test]
fn an_unknown_field_is_refused_with_the_known_ones() {
    let text = refused(|spec| fields(spec)[0].path = "twist.linear.x".to_owned());
    assert!(
        text.starts_with("inputs[1].extractor.fields[0].path"),
        "{text}"
    );
    assert!(
        text.contains("`twist.linear.x`") && text.contains("twist.twist.linear.x,"),
        "{text}"
    );
}

#[test]
fn names_must_lead_somewhere() {
    let text = refused(|spec| spec.trigger = "lidar".to_owned());
    assert!(
        text.contains("`lidar`") && text.contains("scan, odom, cmd"),
        "{text}"
    );
    assert!(refused(|spec| derive(spec, "laser", "cmd:linear.x")).contains("`laser`"));
    assert!(refused(|spec| derive(spec, "odom", "cmd:linear.x")).contains("LaserScan"));
    assert!(refused(|spec| derive(spec, "scan", "linear.x")).contains("input:path"));
    assert!(refused(|spec| derive(spec, "scan", "imu:linear.x")).contains("`imu`"));
    assert!(refused(|spec| derive(spec, "scan", "cmd:twist.x")).contains("linear.x, linear.y"));
    assert!(refused(|spec| spec.inputs[1].source = "scan".to_owned()).contains("used once"));
    assert!(refused(|spec| spec.inputs[1].source = "a:b".to_owned()).contains("no colon"));
}

#[test]
fn numbers_out_of_range_are_refused_where_they_stand() {
    for (at, change) in [
        ("frames", (|s| s.frames = 0) as fn(&mut WindowSpec)),
        ("period_ms", |s| s.period_ms = 0),
        ("min_frames", |s| s.min_frames = 5),
        ("number of inputs", |s| s.inputs.clear()),
        ("inputs[2].timeout_ms", |s| s.inputs[2].timeout_ms = 0),
        ("inputs[0].extractor.count", |s| {
            s.inputs[0].extractor = ExtractorSpec::Sectors {
                count: 0,
                far_m: 1.0,
            };
        }),
        ("inputs[0].extractor.far_m", |s| {
            s.inputs[0].extractor = ExtractorSpec::Sectors {
                count: 8,
                far_m: f32::NAN,
            };
        }),
        ("inputs[1].extractor.fields[0].scale", |s| {
            fields(s)[0].scale = 0.0
        }),
        ("inputs[1].extractor.fields[1].limit", |s| {
            fields(s)[1].limit = 2.0
        }),
        ("inputs[1].extractor.fields", |s| fields(s).clear()),
        ("inputs[0].type", |s| s.inputs[0].message = MessageType::Imu),
        ("derived[0].horizon_s", |s| {
            let DerivedSpec::ProjectedClearance { horizon_s, .. } = &mut s.derived[0] else {
                panic!("the first is a projected clearance");
            };
            *horizon_s = -1.0;
        }),
    ] {
        let text = refused(change);
        assert!(
            text.starts_with(at) && text.contains("expected"),
            "{at}: {text}"
        );
    }
}

fn arc(spec: &mut WindowSpec) -> &mut DerivedSpec {
    spec.derived.push(DerivedSpec::ArcClearance {
        scan: "scan".to_owned(),
        motions: vec![MotionSpec {
            source: "cmd".to_owned(),
            forward: "linear.x".to_owned(),
            turn: "angular.z".to_owned(),
            turn_source: None,
        }],
        half_angle_deg: 22.5,
        horizons_s: vec![0.5, 1.0],
        near_m: 0.0,
        far_m: 2.0,
    });
    &mut spec.derived[1]
}

#[test]
fn what_is_wrong_with_an_arc_is_said_where_it_stands() {
    type Change = fn(&mut f32, &mut Vec<f32>, &mut MotionSpec, &mut String);
    let changes: [(&str, Change); 8] = [
        ("derived[1].half_angle_deg", |half, _, _, _| *half = 90.0),
        ("derived[1].horizons_s", |_, horizons, _, _| {
            horizons.clear()
        }),
        ("derived[1].horizons_s[1]", |_, horizons, _, _| {
            horizons[1] = f32::NAN
        }),
        ("derived[1].motions[0].source", |_, _, motion, _| {
            motion.source = "imu".to_owned()
        }),
        ("derived[1].motions[0].forward", |_, _, motion, _| {
            motion.forward = "x".to_owned()
        }),
        ("derived[1].motions[0].turn_source", |_, _, motion, _| {
            motion.turn_source = Some("imu".to_owned())
        }),
        ("derived[1].motions[0].turn", |_, _, motion, _| {
            motion.turn = "z".to_owned()
        }),
        ("derived[1].scan", |_, _, _, scan| *scan = "odom".to_owned()),
    ];
    for (at, change) in changes {
        let text = refused(|spec| {
            let DerivedSpec::ArcClearance {
                half_angle_deg,
                horizons_s,
                motions,
                scan,
                ..
            } = arc(spec)
            else {
                panic!("the second is an arc");
            };
            change(half_angle_deg, horizons_s, &mut motions[0], scan);
        });
        assert!(text.starts_with(at), "{at}: {text}");
    }
}

#[test]
fn derived_features_share_what_they_need_of_a_message() {
    let spec = testing::spec();
    let widths = |spec: &WindowSpec| -> Vec<usize> {
        let layout = Layout::new(spec, &testing::settings(spec)).unwrap();
        layout.inputs.iter().map(|input| input.width()).collect()
    };
    // A clearance behind the scan's features, a speed behind those of odometry and command.
    assert_eq!(widths(&spec), [17, 3, 3]);
    let mut once = spec.clone();
    arc(&mut once);
    assert_eq!(widths(&once), [17 + POINT_VALUES, 3, 4]);
    let mut twice = once.clone();
    twice.derived.push(once.derived[1].clone());
    assert_eq!(widths(&twice), widths(&once));
    let layout = Layout::new(&twice, &testing::settings(&twice)).unwrap();
    assert_eq!(layout.features, 29 + 3 + 3);
    let views: Vec<usize> = layout
        .derived
        .iter()
        .map(|derived| match derived {
            Derived::Projected(_) => 0,
            Derived::Arc(arc) => arc.views.len(),
        })
        .collect();
    assert_eq!(views, [0, 2], "one drive, shown twice");
}

#[test]
fn settings_must_match_the_inputs() {
    let spec = testing::spec();
    let refused = |change: fn(&mut Vec<SourceSettings>)| {
        let mut settings = testing::settings(&spec);
        change(&mut settings);
        Layout::new(&spec, &settings).err().unwrap().to_string()
    };
    assert!(refused(|s| s.truncate(2)).contains("2 source settings for 3 inputs"));
    assert!(refused(|s| s[0].yaw = f32::NAN).contains("yaw set for `scan`"));
    assert!(refused(|s| s[1].timeout = Default::default()).contains("timeout set for `odom`"));
}

#[test]
fn a_motion_by_the_pose_wants_an_odometry_and_a_sound_span() {
    for (speed, said) in [
        ("cmd:travelled(300).forward", "sensor_msgs/msg/LaserScan"),
        ("odom:travelled(0).forward", "10 to 10000"),
        ("odom:travelled(300).left", "travelled(MS).forward"),
        ("odom:travelled(x).turn", "travelled(MS).turn"),
    ] {
        let text = refused(|spec| derive(spec, "scan", speed));
        assert!(
            text.starts_with("derived[0].speeds[0]") && text.contains(said),
            "{text}"
        );
    }
    let mut spec = testing::spec();
    let DerivedSpec::ArcClearance { motions, .. } = arc(&mut spec) else {
        panic!("the second is an arc");
    };
    motions[0] = MotionSpec {
        source: "odom".to_owned(),
        forward: "travelled(300).forward".to_owned(),
        turn: "travelled(300).turn".to_owned(),
        turn_source: None,
    };
    let layout = Layout::new(&spec, &testing::settings(&spec)).unwrap();
    assert_eq!(
        layout.inputs[1].spans_ns,
        [300_000_000],
        "one trail for both"
    );
}
