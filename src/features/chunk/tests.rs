use super::*;
use crate::features::testing::{self, MS, START};
use crate::features::window::{SourceId, Window, WindowState};
use crate::features::window_spec::{FieldSpec, InputSpec, WindowSpec};
use crate::messages::{Imu, JointState, Message, MessageType};
use crate::time::Stamp;

/// Two rows of 100 ms; one chunk of `angular_velocity.z` and `linear_acceleration.y`.
fn spec(slots: usize, resample: Resample, statistics: &[Statistic], bands: usize) -> WindowSpec {
    let field = |path: &str, scale| FieldSpec {
        path: path.to_owned(),
        offset: 0.0,
        scale,
        limit: 1.0,
    };
    WindowSpec {
        frames: 2,
        period_ms: 100,
        min_frames: 1,
        trigger: "imu".to_owned(),
        every_ms: 0,
        inputs: vec![InputSpec {
            source: "imu".to_owned(),
            message: MessageType::Imu,
            required: true,
            timeout_ms: 300,
            extractor: ExtractorSpec::Chunk {
                slots,
                resample,
                fields: vec![
                    field("angular_velocity.z", 1.0),
                    field("linear_acceleration.y", 2.0),
                ],
                values: statistics.is_empty(),
                statistics: statistics.to_vec(),
                bands,
            },
        }],
        derived: Vec::new(),
    }
}

fn imu(turn: f64, side: f64) -> Message {
    let mut imu = Imu::default();
    imu.angular_velocity.z = turn;
    imu.linear_acceleration.y = side;
    Message::Imu(imu)
}

fn push(window: &mut Window, ms: i64, turn: f64) {
    let at = Stamp(START + ms * MS);
    window
        .push(SourceId(0), &imu(turn, 2.0 * turn), at)
        .unwrap();
}

/// The newest row at a time.
fn newest(window: &mut Window, ms: i64) -> Vec<f32> {
    let (_, mut rows) = testing::rows(window, Stamp(START + ms * MS));
    rows.pop().unwrap()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    }
}

#[test]
fn samples_of_a_period_lie_on_its_slots_and_empty_ones_hold_what_was_before() {
    let mut window = testing::window(&spec(4, Resample::Hold, &[], 0));
    // Slots of the newest row at 200: (100, 125], (125, 150], (150, 175], (175, 200].
    for (ms, value) in [(90, 0.1), (130, 0.2), (149, 0.3), (180, 0.4), (200, 0.5)] {
        push(&mut window, ms, value);
    }
    let row = newest(&mut window, 200);
    close(&row[..4], &[0.1, 0.3, 0.3, 0.5]);
    close(&row[4..8], &[0.1, 0.3, 0.3, 0.5]); // twice the value at twice the scale
    close(&row[8..], &[1.0, 0.0]);
    // Without anything before, the first sample holds backwards.
    let mut window = testing::window(&spec(4, Resample::Hold, &[], 0));
    push(&mut window, 180, 0.4);
    close(&newest(&mut window, 200)[..4], &[0.4; 4]);
}

#[test]
fn a_slot_may_show_the_mean_of_all_its_samples_whatever_their_rate() {
    let mut window = testing::window(&spec(2, Resample::Mean, &[], 0));
    let mut sums = [0.0, 0.0];
    // On the bounds of slots lies no sample: there, memory may give one to the next slot.
    for ms in (1..=200).filter(|ms| ms % 25 != 0) {
        let value = f64::from(ms % 7) * 0.1;
        push(&mut window, ms.into(), value);
        if ms > 100 {
            sums[usize::from(ms > 150)] += value as f32;
        }
    }
    close(
        &newest(&mut window, 200)[..2],
        &[sums[0] / 48.0, sums[1] / 48.0],
    );
}

#[test]
fn statistics_are_those_of_the_slots_and_magnitudes_are_shown_in_decades() {
    use crate::features::window_spec::Statistic::{Differences, MaxAbs, Mean, Std};
    let all = [Mean, Std, MaxAbs, Differences];
    let mut window = testing::window(&spec(4, Resample::Hold, &all, 0));
    for (ms, value) in [(120, 0.3), (145, 0.1), (170, 0.3), (195, 0.1)] {
        push(&mut window, ms, value);
    }
    let row = newest(&mut window, 200);
    // Of 0.3 0.1 0.3 0.1: deviation 0.1, steps of 0.2. 0.1 is one decade below the scale.
    close(&row[..4], &[0.2, 0.5, 0.5, 1.0 + 0.5 * 0.2f32.log10()]);
    let mut still = testing::window(&spec(4, Resample::Hold, &all, 0));
    push(&mut still, 200, 0.25);
    close(&newest(&mut still, 200)[..4], &[0.25, -1.0, -1.0, -1.0]);
}

#[test]
fn a_tone_shows_in_its_band_and_silence_in_none() {
    let mut window = testing::window(&spec(20, Resample::Mean, &[Statistic::Std], 5));
    for slot in 0..40 {
        // Seven turns in a row of 100 ms: frequency 7 of 10 is in the fourth of five bands.
        let angle = std::f64::consts::TAU * 7.0 * f64::from(slot) / 20.0;
        push(&mut window, 5 * i64::from(slot) + 3, 0.5 * angle.sin());
    }
    let row = newest(&mut window, 200);
    let bands = &row[1..6];
    let loudest = (0..5)
        .max_by(|a, b| bands[*a].total_cmp(&bands[*b]))
        .unwrap();
    assert_eq!(loudest, 3, "{bands:?}");
    assert!(bands[0] < -0.5 && bands[1] < -0.5, "{bands:?}");
    let mut still = testing::window(&spec(20, Resample::Mean, &[], 5));
    push(&mut still, 200, 0.25);
    let row = newest(&mut still, 200);
    let per_field = 25;
    close(&row[20..per_field], &[-1.0; 5]);
}

#[test]
fn a_silent_source_is_invalid_and_zero() {
    let mut window = testing::window(&spec(4, Resample::Mean, &[], 2));
    push(&mut window, 0, 0.7);
    let mut out = vec![f32::NAN; window.frames() * window.features()];
    let state = window.assemble(Stamp(START + 1000 * MS), &mut out);
    assert!(matches!(state, WindowState::Stale { .. }));
    let row = &out[window.features()..];
    assert!(row[..row.len() - 1].iter().all(|value| *value == 0.0));
    assert_eq!(row[row.len() - 1], 1.0);
}

#[test]
fn the_mirror_turns_values_and_means_and_leaves_magnitudes() {
    let statistics = [Statistic::Mean, Statistic::Std];
    let window = testing::window(&spec(4, Resample::Mean, &statistics, 2));
    let mirror = window.mirror();
    assert!(mirror.is_complete());
    let row: Vec<f32> = (1..=window.features()).map(|i| i as f32 / 16.0).collect();
    let mut image = vec![0.0; row.len()];
    mirror.apply(&row, &mut image);
    for (column, (was, is)) in row.iter().zip(&image).enumerate() {
        let turned = column == 0 || column == 4; // both fields are lateral
        assert_eq!(*is, if turned { -was } else { *was }, "column {column}");
    }
}

#[test]
fn sizes_out_of_range_are_refused_where_they_stand() {
    let refused = |change: fn(&mut usize, &mut usize)| {
        let mut spec = spec(8, Resample::Mean, &[], 2);
        if let ExtractorSpec::Chunk { slots, bands, .. } = &mut spec.inputs[0].extractor {
            change(slots, bands);
        }
        let settings = testing::settings(&spec);
        Window::new(&spec, &settings).unwrap_err().to_string()
    };
    assert!(refused(|slots, _| *slots = 0).starts_with("inputs[0].extractor.slots is 0"));
    assert!(refused(|slots, _| *slots = 513).contains("1 to 512"));
    assert!(refused(|_, bands| *bands = 5).starts_with("inputs[0].extractor.bands is 5"));
    let mut none = spec(8, Resample::Mean, &[], 0);
    if let ExtractorSpec::Chunk { values, .. } = &mut none.inputs[0].extractor {
        *values = false;
    }
    let error = Window::new(&none, &testing::settings(&none)).unwrap_err();
    assert!(error.to_string().contains("features"), "{error}");
}

#[test]
fn yaml_reads_as_documented() {
    let extractor: ExtractorSpec = serde_yaml::from_str(
        "{kind: chunk, slots: 34, resample: mean, statistics: [mean, std, max_abs, differences], \
         bands: 17, fields: [{path: linear_acceleration.z, offset: 9.8, scale: 10.0, limit: 1.0}]}",
    )
    .unwrap();
    assert_eq!(extractor.features(), 4 + 17);
}

#[test]
fn a_message_without_the_element_is_refused() {
    let mut spec = spec(4, Resample::Mean, &[], 0);
    spec.inputs[0].message = MessageType::JointState;
    if let ExtractorSpec::Chunk { fields, .. } = &mut spec.inputs[0].extractor {
        fields.truncate(1);
        fields[0].path = "velocity[1]".to_owned();
    }
    let mut window = testing::window(&spec);
    let mut joints = JointState {
        velocity: vec![0.5],
        ..JointState::default()
    };
    let at = Stamp(START);
    let fault = window.push(SourceId(0), &Message::JointState(joints.clone()), at);
    assert!(fault.unwrap_err().to_string().contains("velocity[1]"));
    joints.velocity.push(0.25);
    assert!(
        window
            .push(SourceId(0), &Message::JointState(joints), at)
            .is_ok()
    );
    assert!(
        !window.mirror().is_complete(),
        "which wheel is on the left?"
    );
}

proptest::proptest! {
    #[test]
    fn features_stay_in_bounds_whatever_arrives_and_whenever(
        slots in 1..40_usize,
        mean in proptest::prelude::any::<bool>(),
        samples in proptest::collection::vec((-1e6_f64..1e6, 0..60_i64), 0..60),
        ahead in 0..90_i64,
    ) {
        let resample = if mean { Resample::Mean } else { Resample::Hold };
        let statistics = [Statistic::Mean, Statistic::Std, Statistic::MaxAbs, Statistic::Differences];
        let mut window = testing::window(&spec(slots, resample, &statistics, slots / 2));
        let mut ms = 0;
        for (value, step) in samples {
            ms += step;
            push(&mut window, ms, value);
        }
        // A `now` that was read before the newest arrivals, too.
        let (_, rows) = testing::rows(&mut window, Stamp(START + (ms - ahead) * MS));
        for value in rows.iter().flatten() {
            proptest::prop_assert!((-1.0..=1.0).contains(value), "{value}");
        }
    }
}
