//! Commands with stamps: what is too old or of another clock, and what leaves with which stamp.

use super::*;

/// A gate that lets everything through, with decisions of `now`.
fn open(now: When) -> VelocityGate {
    let mut gate = VelocityGate::new(limits());
    decide(&mut gate, now, on(now, 0));
    gate
}

/// Arrives `now`, stamped so many ms before; negative: ahead.
fn stamped(now: When, behind_ms: i64) -> Command {
    let stamp = Stamp(now.ros.0 - behind_ms * 1_000_000);
    Command::new(ahead(0.4), now, Some(stamp))
}

#[test]
fn commands_are_as_old_as_their_stamps() {
    let now = at(0);
    for (behind_ms, passes) in [
        (0, true),
        (400, true),
        (500, true),
        (501, false),
        (3_600_000, false),
        (-400, true),
        (-500, true),
        (-501, false),
        (-3_600_000, false),
    ] {
        let mut gate = open(now);
        let out = gate.on_command(now, stamped(now, behind_ms));
        let expected = match passes {
            true => ahead(0.4),
            false => Velocity::ZERO,
        };
        assert_eq!(out.velocity, expected, "{behind_ms} ms old");
    }
}

#[test]
fn an_old_command_stops_a_robot_that_drives_and_is_counted() {
    let mut gate = open(at(0));
    let fresh = gate.on_command(at(0), stamped(at(0), 0));
    assert_eq!(fresh.velocity, ahead(0.4));
    let old = gate.on_command(at(50), stamped(at(50), 2000));
    assert_eq!(old, GateOutput::stop(at(50).ros));
    let ahead_of_us = gate.on_command(at(60), stamped(at(60), -2000));
    assert_eq!(ahead_of_us.velocity, Velocity::ZERO);
    let found = gate.findings().found();
    assert_eq!(found.old, (1, 2000 * MS));
    assert_eq!(found.ahead, (1, 2000 * MS));
}

#[test]
fn a_command_that_was_half_old_when_it_came_has_half_the_time_left() {
    let now = at(0);
    let mut gate = VelocityGate::new(GateLimits {
        decision_timeout: 10_000 * MS,
        ..limits()
    });
    decide(&mut gate, now, on(now, 0));
    gate.on_command(now, stamped(now, 300));
    assert_eq!(tick(&mut gate, at(200)), None);
    assert_eq!(tick(&mut gate, at(201)), Some(Velocity::ZERO));
}

#[test]
fn a_clock_that_is_set_afterwards_makes_a_command_no_younger() {
    let now = at(0);
    let mut gate = open(now);
    gate.on_command(now, stamped(now, 0));
    let set_back = When {
        mono: at(501).mono,
        ros: now.ros - Duration::from_secs(3600),
    };
    decide(&mut gate, set_back, on(set_back, 0));
    assert_eq!(gate.sent, Velocity::ZERO);
}

#[test]
fn no_stamp_and_stamp_zero_count_from_arrival() {
    for stamp in [None, Some(Stamp(0))] {
        let mut gate = open(at(0));
        let out = gate.on_command(at(0), Command::new(ahead(0.4), at(0), stamp));
        assert_eq!(out.velocity, ahead(0.4));
        assert_eq!(out.stamp, at(0).ros);
    }
}

#[test]
fn what_leaves_is_never_younger_than_what_it_repeats_and_a_stop_is_of_now() {
    let now = at(0);
    let mut gate = open(now);
    let out = gate.on_command(now, stamped(now, 100));
    assert_eq!(out.stamp, now.ros - 100 * MS);
    // Sent once more, slower, by a decision.
    let again = gate.on_decision(at(80), on(at(80), 1)).unwrap();
    assert_eq!(again.stamp, now.ros - 100 * MS);
    let stop = gate.on_decision(at(90), on(at(90), 2)).unwrap();
    assert_eq!(stop, GateOutput::stop(at(90).ros));
    // A little ahead of our clock: not later than now.
    let mut gate = open(now);
    assert_eq!(gate.on_command(now, stamped(now, -30)).stamp, now.ros);
    // Without a stamp: when it came.
    let mut gate = open(now);
    command(&mut gate, now, ahead(0.4));
    let again = gate.on_decision(at(80), on(at(80), 1)).unwrap();
    assert_eq!(again.stamp, now.ros);
}

#[test]
fn triggers_that_come_too_seldom_are_found() {
    let mut gate = VelocityGate::new(GateLimits {
        decision_timeout: 500 * MS,
        release_after: 3,
        ..limits()
    });
    for scan in 0..10 {
        let now = at(556 * scan);
        command(&mut gate, now, ahead(0.4));
        decide(&mut gate, now, on(now, 0));
        assert_eq!(gate.sent, Velocity::ZERO, "which is why it must be said");
    }
    assert_eq!(gate.findings().found().slow, Some(556 * MS));
    gate.set_limits(GateLimits {
        decision_timeout: 1200 * MS,
        ..limits()
    });
    for scan in 10..13 {
        let now = at(556 * scan);
        decide(&mut gate, now, on(now, 0));
    }
    assert_eq!(gate.findings().found().slow, None);
}
