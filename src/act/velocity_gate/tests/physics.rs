//! Scans cap what decisions let through.

use super::*;
use crate::features::Footprint;

fn round(decision_timeout: Duration) -> GateLimits {
    let open = Factors {
        linear: 1.0,
        angular: 1.0,
    };
    GateLimits {
        factors: vec![open; 3],
        decision_timeout,
        physics: Some(Physics {
            outline: Outline::from(&Footprint::Circle { radius: 0.2 }),
            braking: Braking {
                latency_s: 0.2,
                deceleration: 0.5,
                turn_deceleration: 2.0,
            },
            margin_m: 0.1,
            creep_margin_m: 0.03,
            keeps_arc: false,
        }),
        ..limits()
    }
}

fn scan(
    gate: &mut VelocityGate,
    now: When,
    source: usize,
    points: &[BasePoint],
) -> Option<Velocity> {
    let order = gate.on_scan(now, (now, now.ros), source, points.iter().copied());
    order.map(|order| order.velocity)
}

#[test]
fn without_a_scan_nothing_passes() {
    let mut gate = VelocityGate::new(round(300 * MS));
    decide(&mut gate, at(0), on(at(0), 0));
    assert_eq!(command(&mut gate, at(1), ahead(0.4)), Velocity::ZERO);
    assert_eq!(scan(&mut gate, at(2), 0, &[]), Some(ahead(0.4)));
}

#[test]
fn every_label_is_capped_and_at_once() {
    for label in 0..3 {
        let mut gate = VelocityGate::new(round(300 * MS));
        scan(&mut gate, at(0), 0, &[[2.0, 0.0]]);
        decide(&mut gate, at(0), on(at(0), label));
        assert_eq!(command(&mut gate, at(1), ahead(0.4)), ahead(0.4));
        let slower = scan(&mut gate, at(100), 0, &[[0.4, 0.0]]).unwrap();
        assert!((0.01..0.39).contains(&slower.linear.x), "{slower:?}");
        let held_by = gate.passing().held_by;
        assert!(matches!(held_by, HeldBy::Scan { .. }), "{held_by:?}");
        let stop = scan(&mut gate, at(200), 0, &[[0.28, 0.0]]).unwrap();
        assert_eq!(stop, Velocity::ZERO);
        decide(&mut gate, at(210), on(at(200), label));
        let turns = scan(&mut gate, at(300), 0, &[[0.28, 0.0]]).unwrap();
        let expected = (0.0, 1.0);
        assert_eq!((turns.linear.x, turns.angular.z), expected, "it stands now");
        decide(&mut gate, at(310), on(at(300), label));
        let mut back = Velocity::ZERO;
        back.linear.x = -0.4;
        assert_eq!(command(&mut gate, at(320), back), back, "and back away");
        assert_eq!(gate.passing().held_by, HeldBy::Nothing);
    }
}

#[test]
fn a_command_between_two_scans_sees_how_far_the_robot_has_come() {
    let mut gate = VelocityGate::new(round(2000 * MS));
    let motion = |forward| PlanarMotion {
        forward,
        ..PlanarMotion::default()
    };
    gate.on_odometry(at(0), motion(1.0));
    scan(&mut gate, at(0), 0, &[[1.0, 0.0]]);
    decide(&mut gate, at(0), on(at(0), 0));
    let mut straight = Velocity::ZERO;
    straight.linear.x = 0.4;
    assert_eq!(command(&mut gate, at(1), straight), straight);
    let later = command(&mut gate, at(480), straight);
    assert!(later.linear.x < 0.4, "{later:?}");
}

#[test]
fn a_laser_that_fell_silent_stops_the_robot_whatever_the_others_see() {
    let mut gate = VelocityGate::new(round(300 * MS));
    for ms in [0, 100, 200, 300, 400, 500] {
        if ms <= 100 {
            scan(&mut gate, at(ms), 1, &[]);
        }
        scan(&mut gate, at(ms), 0, &[]);
        decide(&mut gate, at(ms), on(at(ms), 0));
        let passes = command(&mut gate, at(ms), ahead(0.4));
        let expected = if ms <= 400 {
            ahead(0.4)
        } else {
            Velocity::ZERO
        };
        assert_eq!(passes, expected, "{ms}");
    }
}

#[test]
fn what_the_model_expects_caps_further_and_never_opens() {
    let mut gate = VelocityGate::new(round(300 * MS));
    let expects = |now: When, free_way_m| ActInput {
        free_way_m: Some(free_way_m),
        ..on(now, 0)
    };
    scan(&mut gate, at(0), 0, &[[2.0, 0.0]]);
    decide(&mut gate, at(0), expects(at(0), 3.0));
    assert_eq!(command(&mut gate, at(1), ahead(0.4)), ahead(0.4));
    let slower = decide(&mut gate, at(50), expects(at(50), 0.4)).unwrap();
    assert!((0.01..0.39).contains(&slower.linear.x), "{slower:?}");
    scan(&mut gate, at(100), 0, &[[0.25, 0.0]]);
    decide(&mut gate, at(110), expects(at(100), 9.0));
    assert_eq!(gate.sent.linear.x, 0.0);
}

#[test]
fn what_the_base_will_have_gone_within_the_horizon_is_free_too() {
    let motion = PlanarMotion {
        forward: 0.4,
        ..PlanarMotion::default()
    };
    let passes = |horizon_s, decided_ms| {
        let mut gate = VelocityGate::new(GateLimits {
            horizon_s,
            ..round(2000 * MS)
        });
        gate.on_odometry(at(900), motion);
        gate.tick(at(950));
        scan(&mut gate, at(1000), 0, &[]);
        let expected = ActInput {
            free_way_m: Some(0.4),
            ..on(at(decided_ms), 0)
        };
        decide(&mut gate, at(1000), expected);
        command(&mut gate, at(1000), ahead(0.4)).linear.x
    };
    // 0.4 m from where it will be after 0.4 m more; 0.3 m of outline and margin.
    assert_eq!(passes(Some(1.0), 1000), 0.4);
    assert!(passes(Some(0.1), 1000) < 0.39);
    assert!(passes(Some(1.0), 100) < 0.39, "it said so long ago");
    assert_eq!(passes(None, 1000), 0.4, "it is not asked");
}

#[test]
fn a_gate_that_was_reset_has_seen_nothing() {
    let mut gate = VelocityGate::new(round(300 * MS));
    scan(&mut gate, at(0), 0, &[]);
    gate.reset();
    decide(&mut gate, at(1), on(at(1), 0));
    assert_eq!(command(&mut gate, at(2), ahead(0.4)), Velocity::ZERO);
}
