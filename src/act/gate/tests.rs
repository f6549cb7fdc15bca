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
        repeat_stop: Duration::from_millis(1000),
        release_after: 1,
    }
}

fn ahead(speed: f64) -> Velocity {
    Velocity {
        linear: [speed, 0.0, 0.0],
        angular: [0.0, 0.0, 1.0],
    }
}

const T: Mono = Mono(10_000_000_000);

/// A decision on a trigger that arrived `arrival`; later triggers have later cycles.
fn on(arrival: Mono, label: u8) -> Verdict {
    Verdict {
        cycle: arrival.0,
        arrival,
        label,
    }
}

#[test]
fn it_is_closed_until_a_decision_opens_it() {
    let mut gate = Gate::new(limits());
    assert_eq!(gate.on_command(T, T, ahead(0.4)), Velocity::ZERO);
    assert_eq!(gate.on_decision(T, on(T, 0)), Some(ahead(0.4)));
    assert_eq!(gate.on_decision(T, on(T, 0)), None, "nothing new to say");
    assert_eq!(gate.on_decision(T, on(T, 2)), Some(Velocity::ZERO));
    assert_eq!(gate.on_command(T, T, ahead(0.4)), Velocity::ZERO);
}

#[test]
fn it_closes_when_decisions_or_commands_stop_coming() {
    let mut gate = Gate::new(limits());
    gate.on_command(T, T, ahead(0.4));
    gate.on_decision(T, on(T, 0));
    assert_eq!(gate.tick(T + Duration::from_millis(300)), None);
    let late = T + Duration::from_millis(301);
    assert_eq!(gate.tick(late), Some(Velocity::ZERO));
    assert_eq!(gate.on_command(late, late, ahead(0.4)), Velocity::ZERO);
    assert_eq!(gate.on_decision(late, on(late, 0)), Some(ahead(0.4)));
    for step in 1..=3 {
        gate.on_decision(
            late + Duration::from_millis(200 * step),
            on(late + Duration::from_millis(200 * step), 0),
        );
    }
    assert_eq!(gate.sent, Velocity::ZERO, "the command is 600 ms old");
}

#[test]
fn nonsense_stops_the_robot() {
    let mut gate = Gate::new(limits());
    gate.on_decision(T, on(T, 0));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(gate.on_command(T, T, ahead(bad)), Velocity::ZERO);
    }
    gate.on_command(T, T, ahead(0.4));
    assert_eq!(
        gate.on_decision(T, on(T, 9)),
        Some(Velocity::ZERO),
        "no such label"
    );
    let mut wrong = limits();
    wrong.factors[0].linear = 1.5;
    let mut gate = Gate::new(wrong);
    gate.on_decision(T, on(T, 0));
    assert_eq!(gate.on_command(T, T, ahead(0.4)).linear[0], 0.0);
}

#[test]
fn it_closes_at_once_and_opens_when_decisions_agree() {
    let mut gate = Gate::new(GateLimits {
        release_after: 3,
        ..limits()
    });
    let mut at = T;
    let mut decide = |gate: &mut Gate, label| {
        at = at + Duration::from_millis(100);
        gate.on_decision(at, on(at, label));
        gate.on_command(at, at, ahead(0.4)).linear[0]
    };
    // Labels 0, 1, 2 let all, half and nothing through.
    assert_eq!([0, 0].map(|label| decide(&mut gate, label)), [0.0, 0.0]);
    assert_eq!(decide(&mut gate, 0), 0.4);
    assert_eq!(decide(&mut gate, 2), 0.0, "a stop is a stop");
    let flicker = [1, 2, 1, 2, 1, 2, 1, 1].map(|label| decide(&mut gate, label));
    assert_eq!(
        flicker, [0.0; 8],
        "a label that flickers never opens the gate"
    );
    assert_eq!(decide(&mut gate, 0), 0.2, "as far as all three allow");
    let through = [0, 0, 0].map(|label| decide(&mut gate, label));
    assert_eq!(through, [0.2, 0.2, 0.4]);
    assert_eq!(decide(&mut gate, 1), 0.2, "less at once");
}

#[test]
fn after_a_pause_everything_is_earned_anew() {
    let mut gate = Gate::new(GateLimits {
        release_after: 2,
        ..limits()
    });
    gate.on_decision(T, on(T, 0));
    gate.on_decision(T, on(T, 0));
    assert_eq!(gate.on_command(T, T, ahead(0.4)).linear[0], 0.4);
    let late = T + Duration::from_millis(400);
    gate.on_decision(late, on(late, 0));
    assert_eq!(gate.on_command(late, late, ahead(0.4)).linear[0], 0.0);
    gate.on_decision(late, on(late, 0));
    assert_eq!(gate.on_command(late, late, ahead(0.4)).linear[0], 0.4);
}

#[test]
fn a_decision_counts_from_its_trigger() {
    let mut gate = Gate::new(limits());
    gate.on_command(T, T, ahead(0.4));
    let trigger = T - Duration::from_millis(250);
    assert_eq!(gate.on_decision(T, on(trigger, 0)), Some(ahead(0.4)));
    let later = T + Duration::from_millis(51);
    assert_eq!(gate.tick(later), Some(Velocity::ZERO));
}

#[test]
fn an_older_cycle_that_comes_last_may_only_close() {
    let mut gate = Gate::new(limits());
    gate.on_command(T, T, ahead(0.4));
    let before = T - Duration::from_millis(100);
    assert_eq!(gate.on_decision(T, on(T, 2)), None, "a stop");
    assert_eq!(gate.on_decision(T, on(before, 0)), None, "the go before it");
    let next = T + Duration::from_millis(10);
    assert_eq!(gate.on_decision(next, on(next, 0)), Some(ahead(0.4)));
    assert_eq!(gate.on_decision(next, on(T, 2)), Some(Velocity::ZERO));
}

#[test]
fn a_stop_is_repeated_for_a_while_and_then_the_topic_is_left_alone() {
    let mut gate = Gate::new(limits());
    gate.on_command(T, T, ahead(0.4));
    gate.on_decision(T, on(T, 0));
    let ticks = (1..200).filter_map(|step| {
        let now = T + Duration::from_millis(20 * step);
        gate.tick(now).map(|out| (20 * step, out))
    });
    let sent: Vec<_> = ticks.collect();
    assert!(sent.iter().all(|(_, out)| *out == Velocity::ZERO));
    let (first, last) = (sent[0].0, sent[sent.len() - 1].0);
    assert_eq!(first, 320, "when the decision is too old");
    assert!((1200..=1320).contains(&last), "{last}");
    assert!((12..=21).contains(&sent.len()), "{}", sent.len());
}

#[test]
fn new_limits_close_with_the_next_word_and_open_only_by_decisions() {
    let mut gate = Gate::new(limits());
    gate.on_command(T, T, ahead(0.4));
    gate.on_decision(T, on(T, 0));
    let mut half = limits();
    half.factors[0] = half.factors[1];
    gate.set_limits(half);
    assert_eq!(gate.tick(T).unwrap().linear[0], 0.2, "less at once");
    let before = gate.set_limits(limits());
    assert_eq!(before.factors[0].linear, 0.5);
    assert_eq!(gate.tick(T), None, "more is earned");
    assert_eq!(gate.on_decision(T, on(T, 0)), Some(ahead(0.4)));
    let mut nonsense = limits();
    nonsense.factors[0].linear = f64::NAN;
    gate.set_limits(nonsense);
    assert_eq!(gate.tick(T).unwrap().linear[0], 0.0);
}

proptest! {
    #[test]
    fn it_never_makes_a_command_faster(
        steps in prop::collection::vec((0u8..5, 0u64..700, any::<f64>(), any::<f64>()), 1..60)
    ) {
        let mut gate = Gate::new(limits());
        let mut now = T;
        let mut command = Velocity::ZERO;
        for (what, wait, speed, turn) in steps {
            now = now + Duration::from_millis(wait);
            let out = match what {
                0 => gate.tick(now),
                1 | 2 => gate.on_decision(now, on(now, what)),
                4 => {
                    let mut other = limits();
                    other.factors[1] = Factors { linear: speed, angular: turn };
                    gate.set_limits(other);
                    None
                }
                _ => {
                    command = Velocity { linear: [speed, -speed, 0.0], angular: [0.0, 0.0, turn] };
                    Some(gate.on_command(now, now, command))
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
