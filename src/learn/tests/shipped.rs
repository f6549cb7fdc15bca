//! The bundle that ships, on drives that anyone can judge.

use super::*;
use crate::bag::Bag;
use crate::features::{SourceSettings, Window, WindowState};
use crate::learn::BaselineTallies;
use crate::learn::data::truth::Truth;
use crate::model::{Backend, Bundle};
use crate::scheduler::Engine;

struct Node {
    window: Window,
    engine: Box<dyn Engine>,
    labels: Vec<String>,
}

impl Node {
    fn new() -> Node {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
        let bundle = Bundle::load(&folder).unwrap();
        let spec = &bundle.manifest.window;
        let settings: Vec<_> = spec.inputs.iter().map(SourceSettings::of).collect();
        Node {
            window: Window::new(spec, &settings).unwrap(),
            engine: bundle.engine(Backend::Flex.into()).unwrap(),
            labels: bundle.manifest.labels.clone(),
        }
    }

    /// Every exit's answer at the end of a drive at `speed` that ends `ahead` of a wall, 10 scans
    /// a second.
    fn drive(&mut self, speed: f64, ahead: f32) -> Vec<String> {
        self.window.reset();
        let source = |window: &Window, name| window.source(name).unwrap();
        let mut state = None;
        let mut values = vec![0.0; self.window.frames() * self.window.features()];
        for step in 0..30 {
            let time = seconds(50.0 + f64::from(step) * 0.1);
            let left = f64::from(29 - step) * 0.1 * speed;
            let wall = ahead + left as f32;
            for (name, message) in [
                ("odom", odom(time, speed)),
                ("cmd", cmd(speed)),
                ("scan", scan(time, wall)),
            ] {
                let id = source(&self.window, name);
                self.window.push(id, &message, time).unwrap();
            }
            state = Some(self.window.assemble(time, &mut values));
        }
        assert!(matches!(state, Some(WindowState::Ready { .. })));
        self.engine.begin(&values).unwrap();
        (0..self.engine.exits())
            .map(|_| {
                let mut out = vec![0.0; self.labels.len()];
                self.engine.advance(&mut out).unwrap();
                let best = (0..out.len()).max_by(|a, b| out[*a].total_cmp(&out[*b]));
                self.labels[best.unwrap()].clone()
            })
            .collect()
    }
}

#[test]
fn the_shipped_model_decides_plain_cases_as_a_person_would_at_every_exit() {
    let mut node = Node::new();
    for (speed, ahead, expected) in [
        (0.0, 3.0, "go"),
        (0.2, 2.5, "go"),
        (0.5, 2.5, "go"),
        (-0.3, 1.2, "go"),
        (0.0, 0.6, "slow"),
        (0.5, 1.05, "slow"),
        // Drivers turn away late, so it need not be a stop yet; it must not be a go.
        (0.3, 0.55, "slow or stop"),
        (0.5, 0.75, "slow or stop"),
        (0.0, 0.25, "stop"),
        (0.3, 0.38, "stop"),
        (0.5, 0.38, "stop"),
    ] {
        let answers = node.drive(speed, ahead);
        assert!(
            answers
                .iter()
                .all(|answer| expected.contains(answer.as_str())),
            "{speed} m/s, {ahead} m ahead: {answers:?}, expected {expected}"
        );
    }
}

/// The reference figures of the design.
#[test]
#[cfg_attr(
    not(has_recordings),
    ignore = "skipped: needs the recordings in ../shared/data"
)]
fn baselines_on_the_recordings_are_those_of_the_design() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/clearance");
    let task = task();
    let found = crate::learn::data::recordings::find(&[data], &task.recordings, 0.0).unwrap();
    for (robot, n, persistence, kinematic) in [
        ("neato", 8513, 0.735, 0.810),
        ("turtlebot3", 8137, 0.819, 0.834),
    ] {
        let mut tallies = BaselineTallies::new(3);
        for recording in found.iter().filter(|recording| recording.robot == robot) {
            let bag = Bag::open(&recording.path).unwrap();
            let laser = SourceSettings {
                yaw: recording.yaw,
                ..SourceSettings::default()
            };
            let truth = Truth::read(&bag, &task, &BTreeMap::new(), &laser).unwrap();
            truth.scans.iter().for_each(|scan| tallies.add(scan));
        }
        let scores = tallies.scores();
        assert_eq!(scores.persistence.n, n);
        let balanced = |scores: crate::learn::Scores| scores.balanced_accuracy.unwrap();
        assert!((balanced(scores.persistence) - persistence).abs() < 0.0005);
        assert!((balanced(scores.kinematic) - kinematic).abs() < 0.0005);
    }
}
