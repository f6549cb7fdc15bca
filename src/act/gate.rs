//! The velocity gate: commands pass as far as the newest decision lets them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Mono;

/// `geometry_msgs/msg/Twist`: linear m/s, angular rad/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Velocity {
    /// x, y, z.
    pub linear: [f64; 3],
    /// x, y, z.
    pub angular: [f64; 3],
}

impl Velocity {
    /// Standing still.
    pub const ZERO: Velocity = Velocity {
        linear: [0.0; 3],
        angular: [0.0; 3],
    };

    fn is_finite(&self) -> bool {
        self.linear
            .iter()
            .chain(&self.angular)
            .all(|v| v.is_finite())
    }

    fn scaled(&self, factors: Factors) -> Velocity {
        Velocity {
            linear: self.linear.map(|v| v * factors.linear),
            angular: self.angular.map(|v| v * factors.angular),
        }
    }
}

/// Which part of a command passes, each within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of the linear velocity.
    pub linear: f64,
    /// Of the angular velocity.
    pub angular: f64,
}

/// What the gate is told at start.
#[derive(Clone, Debug, PartialEq)]
pub struct GateLimits {
    /// Per label, in the bundle's order.
    pub factors: Vec<Factors>,
    /// A decision older than this counts as none.
    pub decision_timeout: Duration,
    /// A command older than this is not repeated.
    pub command_timeout: Duration,
}

/// Holds the newest command and decision. No fresh decision: stop. No fresh command: stop.
/// A command that is not finite: stop. It never makes a command faster.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    command: Option<(Mono, Velocity)>,
    decision: Option<(Mono, u8)>,
    sent: Velocity,
}

impl Gate {
    /// A closed gate. Factors outside 0..=1 or not finite count as 0.
    pub fn new(mut limits: GateLimits) -> Gate {
        for factors in &mut limits.factors {
            for factor in [&mut factors.linear, &mut factors.angular] {
                if !(0.0..=1.0).contains(factor) {
                    *factor = 0.0;
                }
            }
        }
        Gate {
            limits,
            command: None,
            decision: None,
            sent: Velocity::ZERO,
        }
    }

    /// A command came; what goes out in its place.
    pub fn on_command(&mut self, now: Mono, command: Velocity) -> Velocity {
        self.command = Some((now, command));
        self.send(now)
    }

    /// A decision left; what goes out at once, if it changes what the robot was last told.
    pub fn on_decision(&mut self, now: Mono, label: u8) -> Option<Velocity> {
        self.decision = Some((now, label));
        self.resend(now)
    }

    /// Time passed; what goes out if something grew too old.
    pub fn tick(&mut self, now: Mono) -> Option<Velocity> {
        self.resend(now)
    }

    fn resend(&mut self, now: Mono) -> Option<Velocity> {
        let before = self.sent;
        let after = self.send(now);
        (after != before).then_some(after)
    }

    fn send(&mut self, now: Mono) -> Velocity {
        self.sent = self.allowed(now).unwrap_or(Velocity::ZERO);
        self.sent
    }

    fn allowed(&self, now: Mono) -> Option<Velocity> {
        let (at, command) = self.command?;
        let (decided, label) = self.decision?;
        let fresh = now.since(at) <= self.limits.command_timeout
            && now.since(decided) <= self.limits.decision_timeout;
        let factors = self.limits.factors.get(usize::from(label)).copied()?;
        (fresh && command.is_finite()).then(|| command.scaled(factors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> GateLimits {
        let through = |part: f64| Factors {
            linear: part,
            angular: part,
        };
        GateLimits {
            factors: vec![through(1.0), through(0.5), through(0.0)],
            decision_timeout: Duration::from_millis(300),
            command_timeout: Duration::from_millis(500),
        }
    }

    fn ahead(speed: f64) -> Velocity {
        Velocity {
            linear: [speed, 0.0, 0.0],
            angular: [0.0, 0.0, 1.0],
        }
    }

    const T: Mono = Mono(10_000_000_000);

    #[test]
    fn it_is_closed_until_a_decision_opens_it() {
        let mut gate = Gate::new(limits());
        assert_eq!(gate.on_command(T, ahead(0.4)), Velocity::ZERO);
        assert_eq!(gate.on_decision(T, 0), Some(ahead(0.4)));
        assert_eq!(gate.on_decision(T, 0), None, "nothing new to say");
        assert_eq!(gate.on_decision(T, 2), Some(Velocity::ZERO));
        assert_eq!(gate.on_command(T, ahead(0.4)), Velocity::ZERO);
    }

    #[test]
    fn it_closes_when_decisions_or_commands_stop_coming() {
        let mut gate = Gate::new(limits());
        gate.on_command(T, ahead(0.4));
        gate.on_decision(T, 0);
        assert_eq!(gate.tick(T + Duration::from_millis(300)), None);
        let late = T + Duration::from_millis(301);
        assert_eq!(gate.tick(late), Some(Velocity::ZERO));
        assert_eq!(gate.on_command(late, ahead(0.4)), Velocity::ZERO);
        assert_eq!(gate.on_decision(late, 0), Some(ahead(0.4)));
        for step in 1..=3 {
            gate.on_decision(late + Duration::from_millis(200 * step), 0);
        }
        assert_eq!(gate.sent, Velocity::ZERO, "the command is 600 ms old");
    }

    #[test]
    fn nonsense_stops_the_robot() {
        let mut gate = Gate::new(limits());
        gate.on_decision(T, 0);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(gate.on_command(T, ahead(bad)), Velocity::ZERO);
        }
        gate.on_command(T, ahead(0.4));
        assert_eq!(
            gate.on_decision(T, 9),
            Some(Velocity::ZERO),
            "no such label"
        );
        let mut wrong = limits();
        wrong.factors[0].linear = 1.5;
        let mut gate = Gate::new(wrong);
        gate.on_decision(T, 0);
        assert_eq!(gate.on_command(T, ahead(0.4)).linear[0], 0.0);
    }

    proptest! {
        #[test]
        fn it_never_makes_a_command_faster(
            steps in prop::collection::vec((0u8..4, 0u64..700, any::<f64>(), any::<f64>()), 1..60)
        ) {
            let mut gate = Gate::new(limits());
            let mut now = T;
            let mut command = Velocity::ZERO;
            for (what, wait, speed, turn) in steps {
                now = now + Duration::from_millis(wait);
                let out = match what {
                    0 => gate.tick(now),
                    1 | 2 => gate.on_decision(now, what),
                    _ => {
                        command = Velocity { linear: [speed, -speed, 0.0], angular: [0.0, 0.0, turn] };
                        Some(gate.on_command(now, command))
                    }
                };
                let Some(out) = out else { continue };
                for (out, asked) in out.linear.iter().chain(&out.angular)
                    .zip(command.linear.iter().chain(&command.angular)) {
                    prop_assert!(out.is_finite());
                    let same_way = out.is_sign_positive() == asked.is_sign_positive();
                    prop_assert!(*out == 0.0 || (out.abs() <= asked.abs() && same_way));
                }
            }
        }
    }
}
