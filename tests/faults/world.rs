//! A drive of 12 s in logical time through ingest, window, scheduler, watchdog and the shipped
//! model; its middle third goes wrong.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::configure::Configuration;
use edge_reasoner::ingest::Ingest;
use edge_reasoner::messages::{Message, Odometry, Twist};
use edge_reasoner::model::Bundle;
use edge_reasoner::params::{Value, Values, parse_override};
use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use edge_reasoner::scheduler::{
    CostModel, Decision, DecisionSource, EngineFault, InferenceWorker, OutgoingDecision, Publish,
    Reason,
};
use edge_reasoner::time::{Clock, Mono, Stamp};

use crate::support::{Stub, scan};
use crate::{EngineFault as Broken, SensorFault, TimeFault};

/// From here to there it goes wrong, in ms of the drive.
pub const BEGIN: i64 = 4_000;
pub const END: i64 = 8_000;
const OVER: i64 = 12_000;

const MS: i64 = 1_000_000;
const HOUR: i64 = 3_600_000;
/// ROS time at the start.
const EPOCH: i64 = 1_700_000_000_000;
/// When scan and odometry spoke last before it goes wrong.
const LAST_GOOD: i64 = BEGIN - 40;
/// How late a delayed message is.
const DELAY: i64 = 2_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Sensor(&'static str, SensorFault),
    Time(TimeFault),
    Engine(Broken),
}

/// What was answered to the triggers of a stretch of the drive.
pub struct Answers(Vec<(i64, Decision)>);

impl Answers {
    /// One word per answer, repetitions once: MODEL, the reason of a fallback, HOLD/reason.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = self.0.iter().map(|(_, decision)| word(decision)).collect();
        words.dedup();
        words.join(" ")
    }

    pub fn between(&self, from_ms: i64, to_ms: i64) -> Answers {
        let inside = self.0.iter();
        let inside = inside.filter(|(at, _)| (from_ms..to_ms).contains(at));
        Answers(inside.cloned().collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn word(decision: &Decision) -> String {
    match (decision.source, decision.reason) {
        (DecisionSource::Model, Reason::None) => "MODEL".into(),
        (DecisionSource::Fallback, reason) => reason.name().into(),
        (source, reason) => format!("{}/{}", source.name(), reason.name()),
    }
}

#[derive(Default)]
struct Sink {
    clock: Arc<SimulatedClock>,
    sent: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| {
            let sent = (self.clock.now(), decision.clone());
            self.sent.lock().unwrap().push(sent);
        });
    }
}

/// Stages take 50 µs, but for an engine that hangs or crawls.
struct Stages {
    clock: Arc<SimulatedClock>,
    fault: Fault,
}

impl MachineModel for Stages {
    fn stage_cost(&mut self, slot: usize, _: usize) -> Option<Duration> {
        let now = self.clock.now();
        let wrong = slot == 0 && (mono(BEGIN)..mono(END)).contains(&now);
        Some(match self.fault {
            Fault::Engine(Broken::Hangs) if wrong => now.until(mono(END)),
            Fault::Engine(Broken::TooLate) if wrong => Duration::from_millis(30),
            _ => Duration::from_micros(50),
        })
    }
}

fn mono(ms: i64) -> Mono {
    Mono(1_000_000_000 + (ms * MS) as u64)
}

/// One message on its way: when it comes and on which source.
type Arrival = (i64, &'static str, Vec<u8>);

/// Drives with this fault; `settings` are parameters, `engines` is how many there are.
pub fn drive(fault: Fault, settings: &[String], engines: usize) -> Answers {
    let configuration = configuration(settings, engines);
    let clock = Arc::new(SimulatedClock::default());
    let sink = Arc::new(Sink {
        clock: Arc::clone(&clock),
        ..Sink::default()
    });
    let scheduler = configuration.scheduler(Arc::clone(&clock) as _, Arc::clone(&sink) as _);
    let costs = vec![vec![Duration::from_micros(50); 4]; engines];
    let workers = match fault {
        Fault::Engine(broken) => (0..engines)
            .map(|slot| {
                let engine = Box::new(stub(broken, slot, &clock));
                let mut known = CostModel::new(4);
                (0..4).for_each(|stage| known.record(stage, Duration::from_micros(50)));
                InferenceWorker::new(Arc::clone(&scheduler), slot, engine, known)
            })
            .collect(),
        _ => configuration.workers_at(&scheduler, &costs).unwrap(),
    };
    let machine = Stages {
        clock: Arc::clone(&clock),
        fault,
    };
    let mut logical = SimulatedScheduler::new(clock, vec![scheduler], workers, machine);
    let mut ingest = configuration.ingest().unwrap();
    run(&mut logical, &mut ingest, fault, &configuration);
    logical.drain();
    logical.drain();

    let tally = logical.scheduler(0).counts().tally();
    assert_eq!(
        tally.received,
        tally.accepted + tally.superseded + tally.refused
    );
    assert_eq!(tally.accepted, tally.decisions, "one answer each");
    assert_eq!(tally.late, 0, "and in time");
    let deadline = configuration.params.deadline;
    let safe = configuration.cycle_config().safe_label;
    let sent = std::mem::take(&mut *sink.sent.lock().unwrap());
    let told = sent.into_iter().map(|(when, decision)| {
        let arrival = decision.trigger.arrival;
        assert!(when <= arrival + deadline, "{decision:?}");
        if decision.source == DecisionSource::Fallback {
            assert_eq!(decision.label, safe, "a fallback is the safe label");
        }
        (arrival.since(mono(0)).as_millis() as i64, decision)
    });
    Answers(told.collect())
}

fn configuration(settings: &[String], engines: usize) -> Configuration {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
    let names = ["packed", "flex"].map(String::from);
    let mut values: Values = settings
        .iter()
        .map(|text| parse_override(text).unwrap())
        .collect();
    values.insert("engines".into(), Value::Strings(names[..engines].to_vec()));
    values.insert("packed.precision".into(), Value::String("f32".into()));
    Configuration::with_bundle(&values, Bundle::load(&model).unwrap()).unwrap()
}

fn stub(broken: Broken, slot: usize, clock: &Arc<SimulatedClock>) -> Stub {
    let clock = Arc::clone(clock);
    Stub {
        exits: 4,
        labels: 3,
        advance: Box::new(move |out| {
            let wrong = slot == 0 && (mono(BEGIN)..mono(END)).contains(&clock.now());
            out.copy_from_slice(&[0.9, 0.06, 0.04]);
            match broken {
                Broken::Fails if wrong => return Err(EngineFault("scripted".into())),
                Broken::Panics if wrong => panic!("scripted panic"),
                Broken::ReturnsNan if wrong => out.fill(f32::NAN),
                _ => {}
            }
            Ok(())
        }),
    }
}

fn run(
    logical: &mut SimulatedScheduler<Stages>,
    ingest: &mut Ingest,
    fault: Fault,
    configuration: &Configuration,
) {
    let mut arrivals = Vec::new();
    for ms in 0..OVER {
        // Odometry at 20 Hz, commands and scans at 10 Hz, none of them at the same time.
        for (source, period, phase) in [("odom", 50, 10), ("cmd", 100, 25), ("scan", 100, 60)] {
            let configured = configuration.params.sources.iter();
            if ms % period == phase && configured.clone().any(|s| s.name == source) {
                arrivals.extend(spoilt(fault, source, ms));
            }
        }
    }
    arrivals.sort_by_key(|(at, ..)| *at);
    let mut arrivals = arrivals.into_iter().peekable();
    for ms in 0..OVER {
        logical.advance_to(mono(ms));
        while let Some((_, source, bytes)) = arrivals.next_if(|(at, ..)| *at == ms) {
            let source = ingest.source(source).unwrap();
            let (now, ros) = (mono(ms), ros_time(fault, ms));
            let (request, _) = ingest.message(logical.scheduler(0), source, &bytes, now, ros);
            request.into_iter().for_each(|r| logical.offer(0, r));
        }
        let silence = ingest.silence(logical.scheduler(0), mono(0), mono(ms), ros_time(fault, ms));
        silence.into_iter().for_each(|r| logical.offer(0, r));
    }
}

/// A simulation `factor` times as fast as the machine, with ten scans a second for `seconds` of it
/// and none for as long after that: when silence was answered, in ms of the simulation, each time.
pub fn silences(factor: f64, seconds: i64, settings: &[String]) -> Vec<i64> {
    let configuration = configuration(settings, 1);
    let clock = Arc::new(SimulatedClock::default());
    let scheduler = configuration.scheduler(clock, Arc::new(Sink::default()));
    let mut ingest = configuration.ingest().unwrap();
    let scans = ingest.trigger();
    let mut answered = Vec::new();
    // The ingest thread turns every few ms of the machine.
    let turns = (2.0 * seconds as f64 * 1e3 / factor / 4.0) as i64;
    let mut next = 0;
    for turn in 0..turns {
        let shown = (turn as f64 * 4.0 * factor) as i64;
        let (now, ros) = (mono(turn * 4), Stamp((EPOCH + shown) * MS));
        if shown >= next && shown < seconds * 1000 {
            next += 100;
            let bytes = measured("scan", shown, ros).encode().unwrap();
            let (request, _) = ingest.message(&scheduler, scans, &bytes, now, ros);
            request
                .into_iter()
                .for_each(|request| scheduler.put_back(request));
        }
        if let Some(request) = ingest.silence(&scheduler, mono(0), now, ros) {
            scheduler.put_back(request);
            answered.push(shown);
        }
    }
    answered
}

/// What the node's ROS clock shows.
fn ros_time(fault: Fault, ms: i64) -> Stamp {
    let wrong = (BEGIN..END).contains(&ms);
    let shown = match fault {
        Fault::Time(TimeFault::BagLoops) if ms >= BEGIN => ms - BEGIN,
        // All stand still, and go on from there.
        Fault::Time(TimeFault::Pause) if ms >= BEGIN => BEGIN.max(ms - (END - BEGIN)),
        Fault::Time(TimeFault::HourBack | TimeFault::ClockSetBack) if wrong => ms - HOUR,
        Fault::Time(TimeFault::HourAhead | TimeFault::ClockSetAhead) if wrong => ms + HOUR,
        Fault::Time(TimeFault::ClockStops) if wrong => BEGIN,
        _ => ms,
    };
    Stamp((EPOCH + shown) * MS)
}

/// The stamp a sensor gives at this moment.
fn stamp(fault: Fault, source: &str, ms: i64) -> Stamp {
    let wrong = (BEGIN..END).contains(&ms);
    let its = |name: &str| wrong && name == source;
    let ahead = match fault {
        Fault::Sensor(name, SensorFault::RepeatedStamp) if its(name) => LAST_GOOD - ms,
        Fault::Sensor(name, SensorFault::FutureStamp) if its(name) => HOUR,
        Fault::Sensor(name, SensorFault::WildStamps) if its(name) => HOUR * (ms * 7919 % 97 + 1),
        Fault::Time(TimeFault::ClockSetBack | TimeFault::ClockSetAhead | TimeFault::ClockStops) => {
            0
        }
        Fault::Time(_) => return ros_time(fault, ms),
        _ => 0,
    };
    Stamp((EPOCH + ms + ahead) * MS)
}

/// What comes of the message that a sensor sends at this moment.
fn spoilt(fault: Fault, source: &'static str, ms: i64) -> Option<Arrival> {
    let wrong = (BEGIN..END).contains(&ms);
    if wrong && matches!(fault, Fault::Time(TimeFault::Pause)) {
        return None;
    }
    let its = match fault {
        Fault::Sensor(name, what) if wrong && name == source => Some(what),
        _ => None,
    };
    let seen = if its == Some(SensorFault::Frozen) {
        BEGIN
    } else {
        ms
    };
    let mut message = measured(source, seen, stamp(fault, source, ms));
    if let Some(what) = its {
        spoil(&mut message, what);
    }
    let mut bytes = message.encode().unwrap();
    match its {
        Some(SensorFault::Silent) => None,
        // What is still under way when the network recovers comes all at once.
        Some(SensorFault::Delayed) => Some(((ms + DELAY).min(END), source, bytes)),
        Some(SensorFault::Cut) => {
            bytes.truncate(bytes.len() / 2);
            Some((ms, source, bytes))
        }
        _ => Some((ms, source, bytes)),
    }
}

/// Free space ahead and a slow robot, with some noise.
fn measured(source: &str, ms: i64, stamp: Stamp) -> Message {
    let noise = (ms * 31 % 101) as f64 * 1e-4;
    match source {
        "scan" => Message::LaserScan(scan(stamp.0, 3.0 + noise as f32)),
        "odom" => {
            let mut odometry = Odometry::default();
            odometry.header.stamp = stamp;
            odometry.header.frame_id = "odom".into();
            odometry.twist.twist.linear.x = 0.1 + noise;
            Message::Odometry(odometry)
        }
        _ => {
            let mut twist = Twist::default();
            twist.linear.x = 0.1 + noise;
            Message::Twist(twist)
        }
    }
}

fn spoil(message: &mut Message, what: SensorFault) {
    match (message, what) {
        (Message::LaserScan(scan), SensorFault::Nan) => scan.ranges.fill(f32::NAN),
        (Message::LaserScan(scan), SensorFault::Blind) => scan.ranges.fill(f32::INFINITY),
        (Message::LaserScan(scan), SensorFault::WrongShape) => scan.ranges.truncate(36),
        (Message::LaserScan(scan), SensorFault::WrongFrame) => scan.header.frame_id = "arm".into(),
        (Message::Odometry(odometry), SensorFault::Nan) => {
            odometry.twist.twist.linear.x = f64::NAN;
        }
        (Message::Odometry(odometry), SensorFault::WrongFrame) => {
            odometry.header.frame_id = "arm".into();
        }
        (Message::Twist(twist), SensorFault::Nan) => twist.linear.x = f64::NAN,
        _ => {}
    }
}
