//! Property tests of the gate's promise: any order of decisions, commands, new limits and clocks,
//! compared with a simple model that keeps a record of all that arrived.

use proptest::prelude::*;

use super::*;
use crate::messages::Vector3;
use crate::scheduler::{DecisionSource, Reason};
use crate::time::Mono;

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
enum Step {
    Command {
        parts: [f64; 6],
        /// ms before the arrival; none: unstamped.
        behind_ms: Option<i32>,
    },
    Decision {
        source: DecisionSource,
        reason: Reason,
        label: u8,
        /// ms ago on the machine's clock.
        age_ms: u32,
    },
    Limits(GateLimits),
    Reset,
}

#[derive(Clone, Copy, Debug)]
struct Passes {
    mono_ms: u32,
    /// Of ROS time for each ms of the machine's.
    factor: f64,
    /// And besides: clocks that are set.
    jump_ms: i32,
}

fn part() -> impl Strategy<Value = f64> {
    prop_oneof![8 => -2.0..2.0f64, 1 => Just(0.0), 1 => any::<f64>()]
}

fn factors() -> impl Strategy<Value = Factors> {
    let one = || prop_oneof![4 => 0.0..=1.0f64, 2 => Just(1.0), 2 => Just(0.0), 1 => any::<f64>()];
    (one(), one()).prop_map(|(linear, angular)| Factors { linear, angular })
}

fn limits(sim_time: bool) -> impl Strategy<Value = GateLimits> {
    let labels = prop::collection::vec(factors(), 0..4);
    (labels, 20u32..800, 20u32..800, 1u32..4).prop_map(
        move |(factors, decision_ms, command_ms, release_after)| GateLimits {
            horizon_s: Some(1.0),
            factors,
            physics: None,
            blind: Factors::CLOSED,
            decision_timeout: decision_ms * MS,
            command_timeout: command_ms * MS,
            repeat_stop: 200 * MS,
            release_after,
            sim_time,
        },
    )
}

fn step(sim_time: bool) -> impl Strategy<Value = Step> {
    let stamp = prop::option::of(prop_oneof![3 => -50..300i32, 1 => -2000..2000i32]);
    let parts = prop::array::uniform6(part());
    let command = (parts, stamp).prop_map(|(parts, behind_ms)| Step::Command { parts, behind_ms });
    let what = (
        prop::sample::select(&DecisionSource::ALL[..]),
        prop::sample::select(&Reason::ALL[..]),
    );
    let seen = Just((DecisionSource::Model, Reason::None));
    let what = prop_oneof![2 => seen, 1 => what];
    let age = prop_oneof![3 => 0u32..30, 1 => 0u32..600];
    let decision =
        (what, 0u8..5, age).prop_map(|((source, reason), label, age_ms)| Step::Decision {
            source,
            reason,
            label,
            age_ms,
        });
    prop_oneof![
        4 => command,
        6 => decision,
        1 => limits(sim_time).prop_map(Step::Limits),
        1 => Just(Step::Reset),
    ]
}

fn passes() -> impl Strategy<Value = Passes> {
    let factor = prop_oneof![4 => Just(1.0), 2 => Just(0.2), 2 => Just(5.0), 1 => Just(0.0)];
    let jump = prop_oneof![12 => Just(0), 1 => -5000..5000i32];
    let wait = prop_oneof![4 => 0u32..60, 1 => 0u32..900];
    (wait, factor, jump).prop_map(|(mono_ms, factor, jump_ms)| Passes {
        mono_ms,
        factor,
        jump_ms,
    })
}

/// What may pass, by what came and nothing else.
struct Bookkeeper {
    limits: GateLimits,
    /// Its velocity, its arrival, and its age by its stamp then, where one can be told.
    command: Option<(Velocity, When, Option<Duration>)>,
    newest: Option<ActInput>,
    latest: When,
}

impl Bookkeeper {
    fn young(&self, span: Duration, then: When, before: Duration, now: When) -> bool {
        let mono = now.mono.since(then.mono) + before <= span;
        let ros = now.ros.since(then.ros) + before <= span && now.ros + 50 * MS >= then.ros;
        let moves = now.mono.since(self.latest.mono) <= span;
        match self.limits.sim_time {
            true => ros && moves && now.ros != Stamp(0),
            false => mono,
        }
    }

    fn passes(&mut self, now: When) {
        if self.limits.sim_time && now.ros + 50 * MS < self.latest.ros {
            (self.command, self.newest) = (None, None);
            self.latest = now;
        } else if now.ros > self.latest.ros {
            self.latest = now;
        }
    }

    /// The most that may pass of each component.
    fn most(&self, now: When) -> Option<[f64; 6]> {
        let (velocity, arrival, behind) = self.command?;
        let newest = self.newest?;
        let command = self.young(self.limits.command_timeout, arrival, behind?, now);
        let decision = self.young(
            self.limits.decision_timeout,
            newest.arrival,
            Duration::ZERO,
            now,
        );
        let factors = self.limits.factors.get(usize::from(newest.label))?;
        let part = |factor: f64| {
            if (0.0..=1.0).contains(&factor) {
                factor
            } else {
                0.0
            }
        };
        let (linear, angular) = (part(factors.linear), part(factors.angular));
        let finite = velocity.components().iter().all(|v| v.is_finite());
        let through = command && decision && finite && newest.basis != Basis::Blind;
        let [x, y, z, roll, pitch, yaw] = velocity.components();
        through.then_some([
            x * linear,
            y * linear,
            z * linear,
            roll * angular,
            pitch * angular,
            yaw * angular,
        ])
    }
}

fn velocity([x, y, z, roll, pitch, yaw]: [f64; 6]) -> Velocity {
    Velocity {
        linear: Vector3 { x, y, z },
        angular: Vector3 {
            x: roll,
            y: pitch,
            z: yaw,
        },
    }
}

fn run(first: GateLimits, steps: Vec<(Passes, Step)>) -> Result<(), TestCaseError> {
    let mut gate = VelocityGate::new(first.clone());
    let mut now = When {
        mono: Mono(100_000_000_000),
        ros: Stamp(100_000_000_000),
    };
    let mut book = Bookkeeper {
        limits: first,
        command: None,
        newest: None,
        latest: now,
    };
    // Both begin to watch the clocks at one moment: how long ROS time has stood still before that,
    // nobody can tell.
    gate.tick(now);
    let mut told = Velocity::ZERO;
    let mut moved = 0;
    for (cycle, (passes, step)) in steps.into_iter().enumerate() {
        now.mono = now.mono + passes.mono_ms * MS;
        let ros_ns = f64::from(passes.mono_ms) * 1e6 * passes.factor;
        now.ros = Stamp(now.ros.0 + ros_ns as i64 + i64::from(passes.jump_ms) * 1_000_000);
        // The watchdog's tick is never long in coming.
        let ticked = gate.tick(now);
        book.passes(now);
        let out = match step {
            Step::Command { parts, behind_ms } => {
                let velocity = velocity(parts);
                let behind = behind_ms.map(|ms| i64::from(ms) * 1_000_000);
                let stamp = behind
                    .map(|behind| Stamp(now.ros.0 - behind))
                    .filter(|s| s.0 != 0);
                let timeout = book.limits.command_timeout;
                let age = match stamp {
                    Some(stamp) if stamp.since(now.ros) > timeout => None,
                    Some(stamp) => Some(now.ros.since(stamp)),
                    None => Some(Duration::ZERO),
                };
                book.command = Some((velocity, now, age));
                let out = gate.on_command(now, Command::new(velocity, now, stamp));
                if out.velocity != Velocity::ZERO {
                    prop_assert!(stamp.is_none_or(|stamp| out.stamp <= stamp), "not younger");
                }
                prop_assert!(out.stamp <= now.ros);
                Some(out)
            }
            Step::Decision {
                source,
                reason,
                label,
                age_ms,
            } => {
                let arrival = When {
                    mono: now.mono - age_ms * MS,
                    ros: now.ros - (f64::from(age_ms) * passes.factor) as u32 * MS,
                };
                let act_input = ActInput {
                    cycle: cycle as u64,
                    arrival,
                    label,
                    basis: Basis::of(source, reason),
                    free_way_m: None,
                };
                let is_newest = book
                    .newest
                    .is_none_or(|newest| arrival.mono >= newest.arrival.mono);
                if is_newest {
                    book.newest = Some(act_input);
                }
                gate.on_decision(now, act_input)
            }
            Step::Limits(limits) => {
                book.limits = limits.clone();
                gate.set_limits(limits);
                gate.tick(now)
            }
            Step::Reset => {
                gate.reset();
                gate.tick(now);
                (book.command, book.newest, told) = (None, None, Velocity::ZERO);
                book.latest = now;
                None
            }
        };
        if let Some(out) = out.or(ticked) {
            told = out.velocity;
        }
        let most = book.most(now);
        for (told, most) in told.components().iter().zip(most.unwrap_or([0.0; 6])) {
            prop_assert!(told.is_finite());
            let allowed =
                told.abs() <= most.abs() && told.is_sign_positive() == most.is_sign_positive();
            prop_assert!(*told == 0.0 || allowed, "{told} of at most {most}");
        }
        moved += u32::from(told != Velocity::ZERO);
    }
    // Kept for the test below: a gate that never opens keeps this promise, too.
    MOVED.with(|all| all.set(all.get() + moved));
    Ok(())
}

thread_local! {
    static MOVED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn steps(sim_time: bool) -> impl Strategy<Value = (GateLimits, Vec<(Passes, Step)>)> {
    let steps = prop::collection::vec((passes(), step(sim_time)), 1..80);
    (limits(sim_time), steps)
}

/// Whatever comes: never faster in any component than the newest command under the newest decision,
/// and still where that decision is blind, missing or old, or the command is.
#[test]
fn it_never_lets_through_more_than_the_newest_decision_and_command() {
    for sim_time in [false, true] {
        MOVED.with(|all| all.set(0));
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(600));
        let checked = runner.run(&steps(sim_time), |(limits, steps)| run(limits, steps));
        checked.unwrap_or_else(|error| panic!("sim_time {sim_time}: {error}"));
        let moved = MOVED.with(std::cell::Cell::get);
        assert!(moved > 100, "sim_time {sim_time}: it drove {moved} times");
    }
}
