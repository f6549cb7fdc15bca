//! The fault matrix. A drive of 12 s in logical time goes wrong from second 4 to second 8, through
//! the same ingest, window, scheduler and watchdog as live, and (but for faults of the engine) with
//! the shipped model. A line of a table is one fault; its right columns say what was answered to
//! the triggers while it lasted, repetitions once:
//!
//! - `MODEL`: an exit of the model answered, on input that is not older than its timeout;
//! - a reason alone (`STALE_INPUT`): the safe label, with this reason;
//! - `HOLD/reason`: the model's last decision, not older than `hold_ms`.
//!
//! So `MODEL STALE_INPUT` is: at first the model still answers, on what was good before; when the
//! source's timeout has passed, the safe label. On every line, besides: every accepted trigger is
//! answered once and in time, every fallback is the safe label, and **from one window (0.8 s) after
//! the fault's end on, every answer is the model's**.
//!
//! What needs more than logical time is elsewhere: type and QoS mismatches, `use_sim_time`, SIGSTOP
//! and SIGKILL in `tests/live/`; an engine that never comes back in `tests/scheduler/`; one that
//! dies while it is loaded in `src/configure/engines.rs`.

mod world;

#[path = "../support/mod.rs"]
mod support;

use world::{Answers, BEGIN, END, Fault, drive};

/// What a sensor, its driver or the network does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SensorFault {
    /// Nothing comes.
    Silent,
    /// Everything comes 2 s late, in order.
    Delayed,
    /// The same measurement under new stamps.
    Frozen,
    /// New measurements under the same stamp.
    RepeatedStamp,
    /// Stamps an hour ahead.
    FutureStamp,
    /// Every stamp wrong in another way.
    WildStamps,
    /// No number.
    Nan,
    /// No beam returns: a covered lens, or nothing in reach.
    Blind,
    /// A tenth of the beams that the angles promise.
    WrongShape,
    /// Half of the bytes.
    Cut,
    /// Another frame_id.
    WrongFrame,
}

/// What clocks do.
#[derive(Clone, Copy, Debug)]
pub enum TimeFault {
    /// ROS time and stamps begin again.
    BagLoops,
    /// A simulation stands still, clock and sensors.
    Pause,
    /// ROS time and stamps, as when a simulation is set.
    HourBack,
    /// The same, the other way.
    HourAhead,
    /// ROS time alone; the sensors keep theirs.
    ClockSetBack,
    /// The same, the other way.
    ClockSetAhead,
    /// `/clock` is published no more, the sensors go on.
    ClockStops,
}

/// What the first engine does.
#[derive(Clone, Copy, Debug)]
pub enum EngineFault {
    /// A call comes back when the fault ends.
    Hangs,
    /// It panics.
    Panics,
    /// It answers with an error.
    Fails,
    /// Its probabilities are no numbers.
    ReturnsNan,
    /// Every stage takes 30 ms; the deadline is 20 ms.
    TooLate,
}

const WATCH_FREEZE: &str = "freeze_timeout_ms:=1000.0";
const WATCH_STAMPS: &str = "stamp_timeout_ms:=500.0";
const WATCH_BEAMS: &str = "min_returns:=0.05";

#[test]
#[rustfmt::skip]
fn sensors() {
    use SensorFault::*;
    // Unless it is watched, a delay is not seen: stamps may be another clock's. Nor is a frozen
    // sensor: simulated ones have no noise. Nor is a blind one: in the open nothing returns.
    // FutureStamp and WrongFrame that last are a new clock and a new mounting, each taken at the
    // third message. A command has no header: its stamp and frame cannot be wrong. The scan
    // triggers; it is needed whatever `required` says.
    let table = [
        // source, fault, its parameter   when it is required                  when it is optional
        ("scan", Silent,        "",           "STALE_INPUT",                   "STALE_INPUT"),
        ("scan", Delayed,       "",           "STALE_INPUT MODEL",             "STALE_INPUT MODEL"),
        ("scan", Delayed,       WATCH_STAMPS, "STALE_INPUT",                   "STALE_INPUT"),
        ("scan", Frozen,        "",           "MODEL",                         "MODEL"),
        ("scan", Frozen,        WATCH_FREEZE, "MODEL STALE_INPUT",             "MODEL STALE_INPUT"),
        ("scan", RepeatedStamp, "",           "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", FutureStamp,   "",           "INVALID_INPUT TIME_JUMP MODEL", "INVALID_INPUT TIME_JUMP MODEL"),
        ("scan", WildStamps,    "",           "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", Nan,           "",           "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", Blind,         "",           "MODEL",                         "MODEL"),
        ("scan", Blind,         WATCH_BEAMS,  "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", WrongShape,    "",           "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", Cut,           "",           "INVALID_INPUT",                 "INVALID_INPUT"),
        ("scan", WrongFrame,    "",           "INVALID_INPUT TIME_JUMP MODEL", "INVALID_INPUT TIME_JUMP MODEL"),
        ("odom", Silent,        "",           "MODEL STALE_INPUT",             "MODEL"),
        ("odom", Delayed,       "",           "MODEL STALE_INPUT MODEL",       "MODEL"),
        ("odom", Delayed,       WATCH_STAMPS, "MODEL STALE_INPUT",             "MODEL"),
        ("odom", Frozen,        "",           "MODEL",                         "MODEL"),
        ("odom", Frozen,        WATCH_FREEZE, "MODEL STALE_INPUT",             "MODEL"),
        ("odom", RepeatedStamp, "",           "MODEL STALE_INPUT",             "MODEL"),
        ("odom", FutureStamp,   "",           "MODEL",                         "MODEL"),
        ("odom", WildStamps,    "",           "MODEL STALE_INPUT",             "MODEL"),
        ("odom", Nan,           "",           "MODEL STALE_INPUT",             "MODEL"),
        ("odom", Cut,           "",           "MODEL STALE_INPUT",             "MODEL"),
        ("odom", WrongFrame,    "",           "MODEL",                         "MODEL"),
        ("cmd",  Silent,        "",           "MODEL STALE_INPUT",             "MODEL"),
        ("cmd",  Delayed,       "",           "MODEL STALE_INPUT MODEL",       "MODEL"),
        ("cmd",  Frozen,        "",           "MODEL",                         "MODEL"),
        ("cmd",  Frozen,        WATCH_FREEZE, "MODEL STALE_INPUT",             "MODEL"),
        ("cmd",  Nan,           "",           "MODEL STALE_INPUT",             "MODEL"),
        ("cmd",  Cut,           "",           "MODEL STALE_INPUT",             "MODEL"),
    ];
    let mut wrong = Wrong::default();
    for (source, fault, parameter, required, optional) in table {
        for (needed, expected) in [(true, required), (false, optional)] {
            let mut settings = vec![format!("{source}.required:={needed}")];
            if !parameter.is_empty() {
                settings.push(format!("{source}.{parameter}"));
            }
            let answers = drive(Fault::Sensor(source, fault), &settings, 1);
            wrong.hold(&format!("{source} {fault:?} {settings:?}"), &answers, expected);
        }
    }
    wrong.none();
}

#[test]
#[rustfmt::skip]
fn time() {
    use TimeFault::*;
    // With other sources, one of them meets the jump before the scan does: the window is emptied
    // then, and the scan after it is decided on as the first.
    let table = [
        // fault           the scan alone       with odometry and commands
        (BagLoops,      "TIME_JUMP MODEL",   "MODEL"),
        (Pause,         "STALE_INPUT",       "STALE_INPUT"),
        (HourBack,      "TIME_JUMP MODEL",   "MODEL"),
        (HourAhead,     "TIME_JUMP MODEL",   "MODEL"),
        (ClockSetBack,  "TIME_JUMP MODEL",   "MODEL"),
        (ClockSetAhead, "TIME_JUMP MODEL",   "MODEL"),
        (ClockStops,    "MODEL STALE_INPUT", "MODEL STALE_INPUT"),
    ];
    let mut wrong = Wrong::default();
    for (fault, alone, together) in table {
        for (sources, expected) in [("[scan]", alone), ("[scan, odom, cmd]", together)] {
            let answers = drive(Fault::Time(fault), &[format!("sources:={sources}")], 1);
            wrong.hold(&format!("{fault:?} {sources}"), &answers, expected);
        }
    }
    wrong.none();
}

#[test]
#[rustfmt::skip]
fn engines() {
    use EngineFault::*;
    // fault_ms is 100, hold_ms 200, triggers are 100 ms apart.
    let table = [
        // fault        the only engine                                    a second one in `engines`
        (Hangs,      "HOLD/DEADLINE HOLD/BACKEND_FAULT BACKEND_FAULT", "HOLD/DEADLINE MODEL"),
        (Panics,     "HOLD/BACKEND_FAULT BACKEND_FAULT",               "MODEL"),
        (Fails,      "HOLD/BACKEND_FAULT BACKEND_FAULT",               "MODEL"),
        (ReturnsNan, "HOLD/BACKEND_FAULT BACKEND_FAULT",               "MODEL"),
        (TooLate,    "HOLD/DEADLINE DEADLINE",                         "HOLD/DEADLINE DEADLINE"),
    ];
    support::quiet_panics();
    let mut wrong = Wrong::default();
    for (fault, alone, with_second) in table {
        for (engines, expected) in [(1, alone), (2, with_second)] {
            let answers = drive(Fault::Engine(fault), &[], engines);
            wrong.hold(&format!("{fault:?}, {engines} engines"), &answers, expected);
        }
    }
    wrong.none();
}

#[test]
fn a_stall_that_shows_before_the_deadline_costs_no_decision_where_there_is_a_second_engine() {
    let params = [String::from("fault_ms:=5.0")];
    let answers = drive(Fault::Engine(EngineFault::Hangs), &params, 2);
    let mut wrong = Wrong::default();
    wrong.hold("Hangs for longer than fault_ms", &answers, "MODEL");
    wrong.none();
}

/// A laser of ten scans a second of the simulation is not silent because the machine is slow, and
/// not heard for longer because it is quick.
#[test]
fn silence_in_a_simulation_is_silence_in_its_time() {
    let params = ["use_sim_time:=true", "scan.timeout_ms:=500.0"].map(String::from);
    for factor in [0.05, 0.2, 1.0, 5.0] {
        let silences = world::silences(factor, 5, &params);
        let expected = [5_400, 5_900];
        let first: Vec<i64> = silences.iter().copied().take(2).collect();
        let near = |(found, expected): (&i64, &i64)| (found - expected).abs() <= 60;
        assert_eq!(first.len(), 2, "factor {factor}: {silences:?}");
        assert!(
            first.iter().zip(&expected).all(near),
            "factor {factor}: {silences:?}"
        );
    }
}

/// The period of the window's rows times their number, as in the shipped bundle.
const WINDOW_MS: i64 = 800;

/// The lines that do not hold, all of them at once.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn hold(&mut self, line: &str, answers: &Answers, expected: &str) {
        let during = answers.between(BEGIN, END);
        let after = answers.between(END + WINDOW_MS, i64::MAX);
        let before = answers.between(WINDOW_MS, BEGIN);
        let found = during.words();
        if found != expected {
            self.0.push(format!("{line}: {found}; expected {expected}"));
        }
        for (when, good) in [("before", before), ("one window after", after)] {
            // 10 Hz for at least three seconds.
            if good.words() != "MODEL" || good.len() < 30 {
                let found = format!("{} answers, {}", good.len(), good.words());
                self.0.push(format!("{line}: {when} the fault: {found}"));
            }
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}
