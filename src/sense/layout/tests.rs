//! Which specifications are refused, and where they are said to be wrong.

use super::*;
use crate::sense::testing;

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
    let DerivedSpec::ProjectedClearance { scan, speeds, .. } = &mut spec.derived[0];
    *scan = from.to_owned();
    *speeds = vec![speed.to_owned()];
}

#[test]
fn columns_follow_the_inputs_then_the_derived() {
    let spec = testing::spec();
    let layout = Layout::new(&spec, &testing::settings(&spec)).unwrap();
    let offsets: Vec<usize> = layout.inputs.iter().map(|input| input.offset).collect();
    assert_eq!(offsets, [0, 18, 22]);
    assert_eq!(layout.derived[0].offset, 26);
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
            let DerivedSpec::ProjectedClearance { horizon_s, .. } = &mut s.derived[0];
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
fn a_projected_clearance_is_physics() {
    let derived = Derived {
        clearance: (0, 0),
        speeds: Vec::new(),
        horizon: 1.0,
        far: 4.0,
        offset: 0,
    };
    assert_eq!(derived.columns(2.0, 0.5), [0.5, 0.5, 0.375]);
    assert_eq!(derived.columns(2.0, -0.5), [0.5, -0.5, 0.5]);
    assert_eq!(derived.columns(f32::INFINITY, 0.0), [1.0, 0.0, 1.0]);
    assert_eq!(derived.columns(0.5, 5.0), [0.125, 1.0, -1.0]);
}
