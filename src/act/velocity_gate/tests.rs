use super::*;
use crate::scheduler::{DecisionSource, Reason};
use crate::time::Mono;

mod clocks;
mod commands;
mod physics;

const MS: Duration = Duration::from_millis(1);

/// Labels 0, 1 and 2 let all, half and nothing through.
fn limits() -> GateLimits {
    let through = |part: f64| Factors {
        linear: part,
        angular: part,
    };
    GateLimits {
        horizon_s: Some(1.0),
        factors: vec![through(1.0), through(0.5), through(0.0)],
        physics: None,
        blind: Factors::CLOSED,
        decision_timeout: 300 * MS,
        command_timeout: 500 * MS,
        repeat_stop: 1000 * MS,
        release_after: 1,
        sim_time: false,
    }
}

/// As shipped: a robot before an obstacle may turn.
fn turning() -> GateLimits {
    let mut limits = limits();
    limits.factors[2].angular = 1.0;
    limits
}

fn ahead(speed: f64) -> Velocity {
    let mut velocity = Velocity::ZERO;
    (velocity.linear.x, velocity.angular.z) = (speed, 1.0);
    velocity
}

/// So long after a moment of no meaning, on both clocks.
fn at(ms: u32) -> When {
    When {
        mono: Mono(10_000_000_000) + ms * MS,
        ros: Stamp(1_700_000_000_000_000_000) + ms * MS,
    }
}

/// A decision on a trigger that arrived then; later triggers have later cycles.
fn decided(arrival: When, label: u8, basis: Basis) -> ActInput {
    ActInput {
        cycle: arrival.mono.0,
        arrival,
        label,
        basis,
        free_way_m: None,
    }
}

fn on(arrival: When, label: u8) -> ActInput {
    decided(arrival, label, Basis::Seen)
}

/// A command without a stamp.
fn command(gate: &mut VelocityGate, now: When, velocity: Velocity) -> Velocity {
    gate.on_command(now, Command::new(velocity, now, None))
        .velocity
}

fn decide(gate: &mut VelocityGate, now: When, act_input: ActInput) -> Option<Velocity> {
    gate.on_decision(now, act_input).map(|order| order.velocity)
}

fn tick(gate: &mut VelocityGate, now: When) -> Option<Velocity> {
    gate.tick(now).map(|order| order.velocity)
}

/// The commands of a careless driver, 0.4 m/s and 1 rad/s, with decisions of this label and basis
/// ten times a second from `from` on; what passes in the end.
fn drive(gate: &mut VelocityGate, from: u32, times: u32, label: u8, basis: Basis) -> Velocity {
    for step in 0..times {
        let now = at(from + 100 * step);
        command(gate, now, ahead(0.4));
        decide(gate, now, decided(now, label, basis));
    }
    gate.sent
}

#[test]
fn it_is_closed_until_a_decision_opens_it() {
    let mut gate = VelocityGate::new(limits());
    let now = at(0);
    assert_eq!(command(&mut gate, now, ahead(0.4)), Velocity::ZERO);
    assert_eq!(decide(&mut gate, now, on(now, 0)), Some(ahead(0.4)));
    assert_eq!(decide(&mut gate, now, on(now, 0)), None, "nothing new");
    assert_eq!(decide(&mut gate, now, on(now, 2)), Some(Velocity::ZERO));
    assert_eq!(command(&mut gate, now, ahead(0.4)), Velocity::ZERO);
}

/// Every source with every reason, under the safe label of a robot that may turn before an
/// obstacle.
#[test]
fn blind_nothing_passes_and_seen_what_its_label_says() {
    for source in DecisionSource::ALL {
        for reason in Reason::ALL {
            let mut gate = VelocityGate::new(turning());
            assert_eq!(drive(&mut gate, 0, 3, 0, Basis::Seen), ahead(0.4));
            let turns = drive(&mut gate, 300, 3, 2, Basis::of(source, reason));
            let expected = match (source.name(), reason.name()) {
                ("MODEL", "NONE") => 1.0,
                ("HOLD", "DEADLINE") | ("HOLD", "BACKEND_FAULT") => 1.0,
                ("FALLBACK", "LOW_CONFIDENCE") => 1.0,
                _ => 0.0,
            };
            assert_eq!(turns.angular.z, expected, "{source} {reason}");
            assert_eq!(turns.linear.x, 0.0, "{source} {reason}");
        }
    }
}

#[test]
fn a_blind_decision_stops_whatever_its_label() {
    for label in [0, 1, 2, 9] {
        let mut gate = VelocityGate::new(turning());
        drive(&mut gate, 0, 3, 0, Basis::Seen);
        let through = drive(&mut gate, 300, 1, label, Basis::Blind);
        assert_eq!(through, Velocity::ZERO, "label {label}");
    }
}

#[test]
fn to_see_again_is_to_be_released() {
    let mut gate = VelocityGate::new(GateLimits {
        release_after: 3,
        ..turning()
    });
    drive(&mut gate, 0, 3, 2, Basis::Seen);
    assert_eq!(gate.sent.angular.z, 1.0);
    assert_eq!(drive(&mut gate, 300, 1, 2, Basis::Blind), Velocity::ZERO);
    assert_eq!(drive(&mut gate, 400, 2, 2, Basis::Seen), Velocity::ZERO);
    assert_eq!(drive(&mut gate, 600, 1, 2, Basis::Seen).angular.z, 1.0);
    // A laser that sees now and then.
    for step in 0..20 {
        let basis = [Basis::Blind, Basis::Seen, Basis::Seen][step as usize % 3];
        let through = drive(&mut gate, 700 + 100 * step, 1, 2, basis);
        assert_eq!(through, Velocity::ZERO, "decision {step}");
    }
}

#[test]
fn what_passes_blind_is_what_parameters_say_and_never_more_than_under_any_label() {
    let part = |linear, angular| Factors { linear, angular };
    let blind = |factors: [Factors; 3], blind| {
        let mut gate = VelocityGate::new(GateLimits {
            factors: factors.to_vec(),
            blind,
            ..limits()
        });
        drive(&mut gate, 0, 3, 2, Basis::Blind)
    };
    let labels = [part(1.0, 1.0), part(0.5, 1.0), part(0.25, 0.5)];
    assert_eq!(blind(labels, part(0.0, 0.25)).angular.z, 0.25);
    let most = blind(labels, part(1.0, 1.0));
    assert_eq!((most.linear.x, most.angular.z), (0.1, 0.5));
    assert_eq!(blind(labels, part(f64::NAN, -1.0)), Velocity::ZERO);
}

#[test]
fn a_held_decision_closes_and_keeps_open_and_earns_nothing() {
    let mut gate = VelocityGate::new(GateLimits {
        release_after: 2,
        ..limits()
    });
    assert_eq!(drive(&mut gate, 0, 20, 0, Basis::Held), Velocity::ZERO);
    // Between two that were seen it does not break the row.
    drive(&mut gate, 2000, 1, 0, Basis::Seen);
    assert_eq!(drive(&mut gate, 2100, 1, 0, Basis::Held), Velocity::ZERO);
    assert_eq!(drive(&mut gate, 2200, 1, 0, Basis::Seen), ahead(0.4));
    assert_eq!(drive(&mut gate, 2300, 3, 0, Basis::Held), ahead(0.4));
    assert_eq!(drive(&mut gate, 2600, 1, 1, Basis::Held).linear.x, 0.2);
}

#[test]
fn it_closes_when_decisions_or_commands_stop_coming() {
    let mut gate = VelocityGate::new(limits());
    command(&mut gate, at(0), ahead(0.4));
    decide(&mut gate, at(0), on(at(0), 0));
    assert_eq!(tick(&mut gate, at(300)), None);
    let late = at(301);
    assert_eq!(tick(&mut gate, late), Some(Velocity::ZERO));
    assert_eq!(command(&mut gate, late, ahead(0.4)), Velocity::ZERO);
    assert_eq!(decide(&mut gate, late, on(late, 0)), Some(ahead(0.4)));
    for step in 1..=3 {
        let now = at(301 + 200 * step);
        decide(&mut gate, now, on(now, 0));
    }
    assert_eq!(gate.sent, Velocity::ZERO, "the command is 600 ms old");
}

#[test]
fn nonsense_stops_the_robot() {
    let mut gate = VelocityGate::new(limits());
    let now = at(0);
    decide(&mut gate, now, on(now, 0));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(command(&mut gate, now, ahead(bad)), Velocity::ZERO);
    }
    command(&mut gate, now, ahead(0.4));
    let no_label = decide(&mut gate, now, on(now, 9));
    assert_eq!(no_label, Some(Velocity::ZERO), "no such label");
    let mut wrong = limits();
    wrong.factors[0].linear = 1.5;
    let mut gate = VelocityGate::new(wrong);
    decide(&mut gate, now, on(now, 0));
    assert_eq!(command(&mut gate, now, ahead(0.4)).linear.x, 0.0);
}

#[test]
fn it_closes_at_once_and_opens_when_decisions_agree() {
    let mut gate = VelocityGate::new(GateLimits {
        release_after: 3,
        ..limits()
    });
    let mut now = 0;
    let mut next = |label| {
        now += 100;
        drive(&mut gate, now, 1, label, Basis::Seen).linear.x
    };
    assert_eq!([0, 0].map(&mut next), [0.0, 0.0]);
    assert_eq!(next(0), 0.4);
    assert_eq!(next(2), 0.0, "a stop is a stop");
    let flicker = [1, 2, 1, 2, 1, 2, 1, 1].map(&mut next);
    assert_eq!(flicker, [0.0; 8], "a label that flickers never opens it");
    assert_eq!(next(0), 0.2, "as far as all three allow");
    assert_eq!([0, 0, 0].map(&mut next), [0.2, 0.2, 0.4]);
    assert_eq!(next(1), 0.2, "less at once");
}

#[test]
fn after_a_pause_everything_is_earned_anew() {
    let mut gate = VelocityGate::new(GateLimits {
        release_after: 2,
        ..limits()
    });
    drive(&mut gate, 0, 2, 0, Basis::Seen);
    assert_eq!(gate.sent.linear.x, 0.4);
    assert_eq!(drive(&mut gate, 600, 1, 0, Basis::Seen).linear.x, 0.0);
    assert_eq!(drive(&mut gate, 700, 1, 0, Basis::Seen).linear.x, 0.4);
}

#[test]
fn a_decision_counts_from_its_trigger() {
    let mut gate = VelocityGate::new(limits());
    command(&mut gate, at(250), ahead(0.4));
    let answer = decide(&mut gate, at(250), on(at(0), 0));
    assert_eq!(answer, Some(ahead(0.4)));
    assert_eq!(tick(&mut gate, at(301)), Some(Velocity::ZERO));
}

#[test]
fn an_older_trigger_that_is_answered_last_may_only_close() {
    let mut gate = VelocityGate::new(limits());
    let now = at(100);
    command(&mut gate, now, ahead(0.4));
    assert_eq!(decide(&mut gate, now, on(now, 2)), None, "a stop");
    assert_eq!(decide(&mut gate, now, on(at(0), 0)), None, "the go before");
    // Whoever took it counted it later.
    let taken_back = ActInput {
        cycle: now.mono.0 + 1,
        ..on(at(0), 0)
    };
    assert_eq!(decide(&mut gate, now, taken_back), None);
    let next = at(110);
    assert_eq!(decide(&mut gate, next, on(next, 0)), Some(ahead(0.4)));
    let late = decided(now, 0, Basis::Blind);
    assert_eq!(decide(&mut gate, next, late), Some(Velocity::ZERO));
}

#[test]
fn a_stop_is_repeated_for_a_while_and_then_the_topic_is_left_alone() {
    let mut gate = VelocityGate::new(limits());
    command(&mut gate, at(0), ahead(0.4));
    decide(&mut gate, at(0), on(at(0), 0));
    let ticks = (1..200).filter_map(|step| {
        let now = at(20 * step);
        gate.tick(now).map(|out| (20 * step, out, now))
    });
    let sent: Vec<_> = ticks.collect();
    for (_, out, now) in &sent {
        assert_eq!(*out, GateOutput::stop(now.ros), "a stop is of now");
    }
    let (first, last) = (sent[0].0, sent[sent.len() - 1].0);
    assert_eq!(first, 320, "when the decision is too old");
    assert!((1200..=1320).contains(&last), "{last}");
    assert!((12..=21).contains(&sent.len()), "{}", sent.len());
}

#[test]
fn new_limits_close_with_the_next_word_and_open_only_by_decisions() {
    let mut gate = VelocityGate::new(limits());
    let now = at(0);
    command(&mut gate, now, ahead(0.4));
    decide(&mut gate, now, on(now, 0));
    let mut half = limits();
    half.factors[0] = half.factors[1];
    gate.set_limits(half);
    assert_eq!(tick(&mut gate, now).unwrap().linear.x, 0.2, "less at once");
    let before = gate.set_limits(limits());
    assert_eq!(before.factors[0].linear, 0.5);
    assert_eq!(tick(&mut gate, now), None, "more is earned");
    assert_eq!(decide(&mut gate, now, on(now, 0)), Some(ahead(0.4)));
    let mut nonsense = limits();
    nonsense.factors[0].linear = f64::NAN;
    gate.set_limits(nonsense);
    assert_eq!(tick(&mut gate, now).unwrap().linear.x, 0.0);
}

#[test]
fn longer_timeouts_bring_nothing_back_that_was_too_old() {
    let long = GateLimits {
        decision_timeout: 10_000 * MS,
        command_timeout: 10_000 * MS,
        ..limits()
    };
    let mut gate = VelocityGate::new(limits());
    drive(&mut gate, 0, 1, 0, Basis::Seen);
    assert_eq!(tick(&mut gate, at(301)), Some(Velocity::ZERO), "decisions");
    gate.set_limits(long.clone());
    assert_eq!(command(&mut gate, at(320), ahead(0.4)), Velocity::ZERO);
    let mut gate = VelocityGate::new(GateLimits {
        decision_timeout: 10_000 * MS,
        ..limits()
    });
    drive(&mut gate, 0, 1, 0, Basis::Seen);
    assert_eq!(tick(&mut gate, at(501)), Some(Velocity::ZERO), "commands");
    gate.set_limits(long);
    assert_eq!(decide(&mut gate, at(520), on(at(520), 0)), None);
}

#[test]
fn a_reset_forgets_all_but_the_limits() {
    let mut gate = VelocityGate::new(limits());
    drive(&mut gate, 0, 3, 0, Basis::Seen);
    gate.reset();
    assert_eq!(command(&mut gate, at(210), ahead(0.4)), Velocity::ZERO);
    assert_eq!(
        decide(&mut gate, at(220), on(at(220), 1)).unwrap().linear.x,
        0.2
    );
}
