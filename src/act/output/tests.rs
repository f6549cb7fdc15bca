//! What leaves while a topic is held, and in which order.

use std::sync::{Condvar, Mutex};

use super::*;
use crate::act::velocity_gate::{Factors, Velocity};
use crate::scheduler::{DecisionSource, InputStatus as Window, Probabilities, Reason, Trigger};
use crate::time::SystemClock;

const SOON: Duration = Duration::from_secs(20);

/// A topic that can be held as a middleware may hold it: whoever publishes waits.
#[derive(Default)]
struct Topic {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    held: bool,
    waiting: bool,
    published: Vec<Vec<u8>>,
}

impl Topic {
    fn wire(self: &Arc<Topic>) -> PublishBytes {
        let topic = Arc::clone(self);
        Box::new(move |bytes| {
            let mut inside = topic.inside.lock().unwrap();
            inside.waiting = inside.held;
            topic.changed.notify_all();
            inside = topic.changed.wait_while(inside, |i| i.held).unwrap();
            inside.waiting = false;
            inside.published.push(bytes.to_vec());
            topic.changed.notify_all();
            true
        })
    }

    fn hold(&self, held: bool) {
        self.inside.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&Inside) -> bool) {
        let inside = self.inside.lock().unwrap();
        let waited = self.changed.wait_timeout_while(inside, SOON, |i| !until(i));
        assert!(!waited.unwrap().1.timed_out());
    }

    fn published(&self) -> Vec<Vec<u8>> {
        self.inside.lock().unwrap().published.clone()
    }

    /// `linear.x` of the commands that left.
    fn speeds(&self) -> Vec<f64> {
        let speed = |bytes: &Vec<u8>| f64::from_le_bytes(bytes[4..12].try_into().unwrap());
        self.published().iter().map(speed).collect()
    }

    /// Cycles of the decisions that left: behind a header whose frame is "laser".
    fn cycles(&self) -> Vec<u64> {
        let cycle = |bytes: &Vec<u8>| u64::from_le_bytes(bytes[28..36].try_into().unwrap());
        self.published().iter().map(cycle).collect()
    }
}

struct World {
    robot_output: Arc<RobotOutput>,
    model_output: ModelOutput,
    clock: Arc<SystemClock>,
    decisions: Arc<Topic>,
    commands: Arc<Topic>,
}

fn world() -> World {
    let (decisions, commands) = (Arc::new(Topic::default()), Arc::new(Topic::default()));
    let factors = [1.0, 0.0].map(|factor| Factors {
        linear: factor,
        angular: factor,
    });
    let limits = GateLimits {
        factors: factors.to_vec(),
        decision_timeout: SOON,
        command_timeout: SOON,
        repeat_stop: Duration::ZERO,
        release_after: 1,
        ..GateLimits::default()
    };
    let parts = OutputParts {
        decisions: decisions.wire(),
        gate: Some(GateOutputParts {
            limits,
            stamped: false,
            velocities: commands.wire(),
            state: Box::new(|_| true),
        }),
        speed: None,
        notes: false,
        shown: false,
        sim_time: false,
    };
    let clock = Arc::new(SystemClock::new());
    let times = (
        Arc::clone(&clock) as Arc<dyn Clock>,
        (|| Stamp(7)) as fn() -> Stamp,
    );
    let robot_output = Arc::new(RobotOutput::new(parts, times, Arc::new(|| ())).unwrap());
    let words = DecisionNames {
        labels: vec!["go".into(), "stop".into()],
        engines: vec!["packed".into()],
        model_id: "m".into(),
    };
    robot_output.open();
    World {
        model_output: ModelOutput::new(Arc::clone(&robot_output), words),
        robot_output,
        clock,
        decisions,
        commands,
    }
}

impl World {
    fn decide(&self, cycle: u64, label: u8) {
        self.model_output.publish(OutgoingDecision::alone(Decision {
            cycle,
            trigger: Trigger {
                arrival: self.clock.now(),
                arrival_ros: Stamp(7),
                mount: Default::default(),
                stamp: Stamp(0),
                frame: "laser".into(),
                input_age: Duration::ZERO,
                input_status: Window::Ready,
            },
            label,
            confidence: 1.0,
            probabilities: Probabilities::NONE,
            free_way_m: None,
            source: DecisionSource::Model,
            reason: Reason::None,
            exit: 1,
            exits: 4,
            engine: None,
            reused: None,
            latency: Duration::ZERO,
            deadline: SOON,
        }));
    }

    fn command(&self, speed: f64) {
        let mut velocity = Velocity::ZERO;
        velocity.linear.x = speed;
        let arrival = When {
            mono: self.clock.now(),
            ros: Stamp(7),
        };
        self.robot_output
            .command(Command::new(velocity, arrival, None), None);
    }

    fn flush(&self) -> Vec<&'static str> {
        self.robot_output.flush(Instant::now() + SOON)
    }
}

#[test]
fn nobody_waits_for_a_topic_that_is_held_and_the_newest_command_leaves_it() {
    let world = world();
    world.decide(1, 0);
    world.command(0.1);
    assert!(world.flush().is_empty());
    world.commands.hold(true);
    world.command(0.2);
    world.commands.wait(|inside| inside.waiting);
    // All of these would wait for ever: the test does not end where one does.
    world.command(0.3);
    world.decide(2, 1);
    world.model_output.tick();
    world.decide(3, 0);
    world.command(0.4);
    world.decide(4, 1);
    world.decisions.wait(|inside| inside.published.len() == 4);
    assert_eq!(
        world.robot_output.flush(Instant::now() + HELD),
        ["the velocity"]
    );
    world.commands.hold(false);
    assert!(world.flush().is_empty());
    assert_eq!(
        world.commands.speeds(),
        [0.1, 0.2, 0.0],
        "the newest is a stop"
    );
    assert_eq!(
        world.decisions.cycles(),
        [1, 2, 3, 4],
        "no other topic is held"
    );
}

#[test]
fn a_stop_at_the_end_is_the_last_command_however_long_the_topic_is_held() {
    let world = world();
    world.decide(1, 0);
    world.commands.hold(true);
    world.command(0.1);
    world.commands.wait(|inside| inside.waiting);
    world.command(0.2);
    world.robot_output.close();
    world.command(0.3);
    world.decide(2, 0);
    let began = Instant::now();
    let held = world
        .robot_output
        .flush(Instant::now() + Duration::from_millis(20));
    assert_eq!(held, ["the velocity"]);
    assert!(began.elapsed() < SOON, "the end is bounded");
    // The node is gone; what is on its way is published when the topic is let go.
    let commands = Arc::clone(&world.commands);
    drop(world);
    commands.hold(false);
    commands.wait(|inside| {
        inside
            .published
            .last()
            .is_some_and(|last| last[4..12] == [0; 8])
    });
    let speeds = commands.speeds();
    assert_eq!(speeds.last(), Some(&0.0));
    assert!(!speeds.contains(&0.3), "{speeds:?}");
}

#[test]
fn decisions_leave_once_and_in_their_order_whoever_publishes_them() {
    let world = world();
    world.decisions.hold(true);
    world.decide(1, 0);
    world.decisions.wait(|inside| inside.waiting);
    // A thread that may publish does not wait for another that is held.
    std::thread::scope(|scope| {
        let engine = scope.spawn(|| {
            publish_from_here();
            (2..50).for_each(|cycle| world.decide(cycle, 0));
        });
        engine.join().unwrap();
    });
    (50..100).for_each(|cycle| world.decide(cycle, 0));
    world.decisions.hold(false);
    assert!(world.flush().is_empty());
    assert_eq!(world.decisions.cycles(), (1..100).collect::<Vec<_>>());
    assert_eq!(world.robot_output.lost(), 0);
}

#[test]
fn more_decisions_than_there_is_room_for_are_lost_oldest_first_and_counted() {
    let world = world();
    world.decisions.hold(true);
    world.decide(1, 0);
    world.decisions.wait(|inside| inside.waiting);
    let all = ROOM_FOR as u64 + 11;
    (2..=all).for_each(|cycle| world.decide(cycle, 0));
    assert_eq!(world.robot_output.lost(), 10);
    world.decisions.hold(false);
    assert!(world.flush().is_empty());
    let expected: Vec<u64> = [1].into_iter().chain(12..=all).collect();
    assert_eq!(world.decisions.cycles(), expected);
}

#[test]
fn an_engine_that_was_held_once_hands_over_from_then_on() {
    let world = world();
    std::thread::scope(|scope| {
        world.decisions.hold(true);
        let engine = scope.spawn(|| {
            publish_from_here();
            world.decide(1, 0);
            world.decisions.hold(true);
            // Would wait for ever.
            world.decide(2, 0);
            world.decisions.hold(false);
        });
        world.decisions.wait(|inside| inside.waiting);
        std::thread::sleep(HELD * 2);
        world.decisions.hold(false);
        engine.join().unwrap();
    });
    assert!(world.flush().is_empty());
    assert_eq!(world.decisions.cycles(), [1, 2]);
}

#[test]
fn nothing_leaves_a_closed_robot_output() {
    let world = world();
    world.robot_output.close();
    world.decide(1, 0);
    world.command(0.5);
    world.model_output.tick();
    assert!(world.flush().is_empty());
    assert_eq!(world.commands.speeds(), [0.0]);
    assert!(world.decisions.published().is_empty());
    world.robot_output.open();
    world.decide(2, 0);
    world.command(0.5);
    assert!(world.flush().is_empty());
    assert_eq!(world.commands.speeds().last(), Some(&0.5));
    assert_eq!(world.decisions.cycles(), [2]);
}

#[test]
fn what_publishes_and_panics_is_noticed() {
    let parts = OutputParts {
        decisions: Box::new(|_| std::panic::resume_unwind(Box::new("scripted"))),
        gate: None,
        speed: None,
        notes: false,
        shown: false,
        sim_time: false,
    };
    let mut broken = world();
    let times = (
        Arc::clone(&broken.clock) as Arc<dyn Clock>,
        (|| Stamp(7)) as fn() -> Stamp,
    );
    broken.robot_output = Arc::new(RobotOutput::new(parts, times, Arc::new(|| ())).unwrap());
    broken.robot_output.open();
    broken.model_output = ModelOutput {
        robot_output: Arc::clone(&broken.robot_output),
        words: Arc::clone(&broken.model_output.words),
    };
    assert!(!broken.robot_output.has_panicked());
    broken.decide(1, 0);
    let began = Instant::now();
    while !broken.robot_output.has_panicked() {
        assert!(began.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(1));
    }
}
