//! Simulations: slow, quick, standing still, turned back, or without a clock at all.

use super::*;

fn simulated(release_after: u32) -> VelocityGate {
    VelocityGate::new(GateLimits {
        sim_time: true,
        decision_timeout: 500 * MS,
        release_after,
        ..limits()
    })
}

/// `ros_ms` into a simulation that runs `factor` times as fast as the machine.
fn at_factor(factor: f64, ros_ms: f64) -> When {
    let nanos = |ms: f64| (ms * 1e6) as u64;
    When {
        mono: Mono(10_000_000_000 + nanos(ros_ms / factor)),
        ros: Stamp(1_000_000_000_000 + nanos(ros_ms) as i64),
    }
}

/// A laser and a driver at 10 Hz of the simulation for `ms` of it, with the watchdog's tick every
/// 20 ms of the machine; whether the robot drove in the end.
fn drives(gate: &mut VelocityGate, factor: f64, from: f64, ms: f64) -> bool {
    let (mut next, mut now) = (from, from);
    while now < from + ms {
        now += 20.0 * factor;
        let when = at_factor(factor, now);
        gate.tick(when);
        if now >= next {
            command(gate, when, ahead(0.4));
            decide(gate, when, on(when, 0));
            next += 100.0;
        }
    }
    gate.sent != Velocity::ZERO
}

#[test]
fn a_simulation_moves_and_stops_at_any_factor() {
    for factor in [0.02, 0.2, 1.0, 5.0, 20.0] {
        let mut gate = simulated(3);
        assert!(drives(&mut gate, factor, 0.0, 2000.0), "factor {factor}");
        // The laser dies, the driver drives on.
        let stopped = (0..100_000).find_map(|step| {
            let now = 2000.0 + f64::from(step) * factor;
            let when = at_factor(factor, now);
            command(&mut gate, when, ahead(0.4));
            (gate.sent == Velocity::ZERO).then_some(now - 2000.0)
        });
        let stopped = stopped.expect("it stops");
        // 500 ms of the simulation after its last scan, give or take a tick.
        let slack = 120.0 + 20.0 * factor;
        assert!(
            (400.0 - slack..=500.0 + slack).contains(&stopped),
            "factor {factor}: after {stopped} ms"
        );
    }
}

#[test]
fn a_clock_that_stands_still_stops_the_robot_by_the_machines() {
    let mut gate = simulated(1);
    assert!(drives(&mut gate, 0.2, 0.0, 1000.0));
    let stood = at_factor(0.2, 1000.0);
    let later = |ms: u32| When {
        mono: stood.mono + ms * MS,
        ros: stood.ros,
    };
    // Scans and commands go on; nobody knows their age.
    for step in 0..100 {
        let now = later(10 * step);
        command(&mut gate, now, ahead(0.4));
        decide(&mut gate, now, on(now, 0));
        if step > 51 {
            assert_eq!(gate.sent, Velocity::ZERO, "after {} ms", 10 * step);
        }
    }
    // It goes on: commands and decisions of then pass.
    let mut now = later(1000);
    now.ros = now.ros + 20 * MS;
    command(&mut gate, now, ahead(0.4));
    assert_eq!(decide(&mut gate, now, on(now, 0)), Some(ahead(0.4)));
}

#[test]
fn a_clock_that_goes_back_closes_the_gate_until_all_is_new() {
    let mut gate = simulated(2);
    assert!(drives(&mut gate, 1.0, 5000.0, 1000.0));
    let back = |ms: u32| When {
        mono: at_factor(1.0, 6000.0).mono + ms * MS,
        ros: Stamp(1_000_000_000_000) + ms * MS,
    };
    assert_eq!(tick(&mut gate, back(0)), Some(Velocity::ZERO));
    // Decisions alone: the command is of the time before.
    for ms in [10, 20, 30] {
        let act_input = on(back(ms), 0);
        assert_eq!(decide(&mut gate, back(ms), act_input), None);
    }
    assert_eq!(command(&mut gate, back(40), ahead(0.4)), ahead(0.4));
    // A decision of the time before, by its stamp an hour ahead.
    let mut before = on(back(50), 0);
    before.arrival.ros = before.arrival.ros + Duration::from_secs(3600);
    assert_eq!(decide(&mut gate, back(50), before), Some(Velocity::ZERO));
}

#[test]
fn two_threads_that_read_the_clock_in_another_order_are_no_jump() {
    let mut gate = simulated(1);
    assert!(drives(&mut gate, 1.0, 0.0, 1000.0));
    let mut before = at_factor(1.0, 1001.0);
    before.ros = before.ros - 8 * MS;
    assert_eq!(tick(&mut gate, before), None);
    assert_ne!(gate.sent, Velocity::ZERO);
}

#[test]
fn without_a_clock_nothing_passes() {
    let mut gate = simulated(1);
    for step in 0..100 {
        let now = When {
            mono: at(step).mono,
            ros: Stamp(0),
        };
        command(&mut gate, now, ahead(0.4));
        decide(&mut gate, now, on(now, 0));
        assert_eq!(gate.sent, Velocity::ZERO);
    }
}

#[test]
fn stamps_of_a_simulation_are_held_against_its_clock() {
    let mut gate = simulated(1);
    drives(&mut gate, 5.0, 0.0, 1000.0);
    let now = at_factor(5.0, 1010.0);
    let stamped = |stamp| Command::new(ahead(0.2), now, Some(stamp));
    let out = gate.on_command(now, stamped(now.ros - 400 * MS));
    assert_eq!(out.velocity, ahead(0.2));
    let wall = Stamp(1_700_000_000_000_000_000);
    let out = gate.on_command(now, stamped(wall));
    assert_eq!(
        out.velocity,
        Velocity::ZERO,
        "a driver on the system's clock"
    );
    assert!(gate.findings().found().ahead.0 == 1);
}
