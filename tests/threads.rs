//! The same rooms on real threads and the real clock: what logical time cannot show, races and
//! lost wake-ups. Nothing here asserts milliseconds; a wake-up that is lost shows as an answer the
//! watchdog had to give.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use edge_reasoner::act::DecisionNames;
use edge_reasoner::act::output::{
    GateOutputParts, ModelOutput, OutputParts, PublishBytes, RobotOutput,
};
use edge_reasoner::act::velocity_gate::{Command, Factors, GateLimits, Velocity};
use edge_reasoner::scheduler::threaded::SchedulerThreads;
use edge_reasoner::scheduler::{
    BatchCosts, CostModel, CycleConfig, Decision, DecisionSource, EngineFault, InferenceWorker,
    InputStatus, OutgoingDecision, Policy, Publish, Reason, SchedulerState,
};
use edge_reasoner::time::{Clock, Stamp, SystemClock, When};

mod support;
use support::Stub;

const LABELS: usize = 3;
const EXITS: usize = 3;
const MS: Duration = Duration::from_millis(1);

/// How an engine behaves, by the number of its call.
type Behaviour = Box<dyn FnMut(u64) -> Result<(), EngineFault> + Send>;

#[derive(Default)]
struct Sink {
    decisions: Mutex<Vec<Decision>>,
    ticks: AtomicU64,
}

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| self.decisions.lock().unwrap().push(decision.clone()));
    }
    fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    live: SchedulerThreads,
    sink: Arc<Sink>,
    clock: Arc<SystemClock>,
}

impl World {
    fn new(deadline: Duration, fault_time: Duration, engines: Vec<Behaviour>) -> World {
        let clock = Arc::new(SystemClock::new());
        let sink = Arc::new(Sink::default());
        let cycle_config = CycleConfig {
            deadline,
            publish_margin: deadline / 10,
            fault_time,
            hold: Duration::ZERO,
            batch_slack: Duration::ZERO,
            reuse: None,
            policy: Policy::Best,
            min_confidence: 0.4,
            free_way_quantile: 0.1,
            thresholds: vec![0.9; EXITS],
            safe_label: 2,
            exits: EXITS as u8,
        };
        let scheduler = Arc::new(SchedulerState::new(
            Arc::clone(&clock) as _,
            cycle_config,
            LABELS,
            4,
            engines.len(),
            Arc::clone(&sink) as _,
        ));
        World::at(scheduler, sink, clock, engines)
    }

    /// Another model that may take over from this one.
    fn successor(&self, engines: Vec<Behaviour>) -> World {
        let (scheduler, sink) = (&self.live.schedulers()[0], Arc::new(Sink::default()));
        let cycle_config = (*scheduler.cycle_config()).clone();
        let scheduler = scheduler.successor(cycle_config, engines.len(), Arc::clone(&sink) as _);
        World::at(Arc::new(scheduler), sink, Arc::clone(&self.clock), engines)
    }

    fn at(
        scheduler: Arc<SchedulerState>,
        sink: Arc<Sink>,
        clock: Arc<SystemClock>,
        engines: Vec<Behaviour>,
    ) -> World {
        let workers = engines.into_iter().enumerate();
        let workers = workers.map(|(slot, mut behaviour)| {
            let mut calls = 0;
            let engine = Box::new(Stub {
                exits: EXITS,
                labels: LABELS,
                advance: Box::new(move |out| {
                    calls += 1;
                    behaviour(calls)?;
                    out.copy_from_slice(&[0.5, 0.3, 0.2]);
                    Ok(())
                }),
            });
            InferenceWorker::new(Arc::clone(&scheduler), slot, engine, CostModel::new(EXITS))
        });
        let live = SchedulerThreads::start(vec![Arc::clone(&scheduler)], workers.collect(), |_| {})
            .unwrap();
        World { live, sink, clock }
    }

    fn trigger(&self) {
        let scheduler = &self.live.schedulers()[0];
        let Some(mut request) = scheduler.empty_request() else {
            scheduler.refuse(1);
            return;
        };
        request.trigger.arrival = self.clock.now();
        request.trigger.input_status = InputStatus::Ready;
        self.live.offer(0, request);
    }

    /// Waits until everything accepted is answered; panics when that does not come.
    fn settle(&self) {
        let begun = Instant::now();
        loop {
            let tally = self.live.schedulers()[0].counts().tally();
            let answered = tally.accepted + tally.superseded + tally.refused == tally.received;
            if answered && tally.decisions == tally.accepted {
                return;
            }
            assert!(
                begun.elapsed() < 20 * 1000 * MS,
                "never answered: {tally:?}"
            );
            sleep(MS);
        }
    }
}

#[test]
fn bursts_stalls_panics_and_faults_leave_one_decision_per_accepted_trigger() {
    let wild = |seed: u64| -> Behaviour {
        Box::new(move |call| {
            // Splitmix: cheap, and another sequence per engine.
            let mut x = call.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x ^= x >> 31;
            match x % 97 {
                0 => panic!("scripted"),
                1 => return Err(EngineFault("scripted".into())),
                2 => sleep(25 * MS),
                3..10 => sleep(MS),
                _ => {}
            }
            Ok(())
        })
    };
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    // Stalls that show after the deadline, and before it: then cycles change hands.
    for fault_time in [20 * MS, 2 * MS] {
        let world = World::new(5 * MS, fault_time, vec![wild(1), wild(2), wild(3)]);
        for number in 0..4000u64 {
            world.trigger();
            match number % 50 {
                0..25 => {}
                25..45 => std::thread::yield_now(),
                _ => sleep(MS),
            }
        }
        world.settle();
        every_trigger_was_answered_once(&world);
    }
    std::panic::set_hook(quiet);
}

fn every_trigger_was_answered_once(world: &World) {
    let tally = world.live.schedulers()[0].counts().tally();
    let decisions = world.sink.decisions.lock().unwrap();
    assert_eq!(tally.received, 4000);
    assert_eq!(decisions.len() as u64, tally.accepted);
    let cycles: HashSet<u64> = decisions.iter().map(|decision| decision.cycle).collect();
    assert_eq!(cycles.len(), decisions.len(), "a cycle was answered twice");
    let mut in_order: Vec<&Decision> = decisions.iter().collect();
    in_order.sort_by_key(|decision| decision.cycle);
    assert!(
        in_order.is_sorted_by_key(|decision| decision.trigger.arrival),
        "an older trigger has a higher number than a newer one"
    );
    assert!(
        tally.of_source(DecisionSource::Model) > 0 && tally.engine_changes > 0,
        "{tally:?}"
    );
    assert!(!world.live.has_panicked());
}

#[test]
fn a_trigger_that_waits_when_its_engine_fails_is_taken_by_the_next_at_once() {
    // The first engine is busy when the second trigger comes, and fails then. A wake-up that is
    // lost would leave the trigger to the watchdog, half a second later.
    let failing: Behaviour = Box::new(|_| {
        sleep(30 * MS);
        Err(EngineFault("scripted".into()))
    });
    let world = World::new(500 * MS, 10_000 * MS, vec![failing, Box::new(|_| Ok(()))]);
    world.trigger();
    sleep(10 * MS);
    world.trigger();
    world.settle();
    let decisions = world.sink.decisions.lock().unwrap();
    let by: Vec<_> = decisions.iter().map(|d| (d.reason, d.engine)).collect();
    assert_eq!(
        by,
        [(Reason::None, Some(1)); 2],
        "the one it had in hand as well"
    );
}

#[test]
fn a_trigger_that_waits_when_its_engine_hangs_is_taken_by_the_next() {
    let hanging: Behaviour = Box::new(|_| {
        sleep(400 * MS);
        Ok(())
    });
    let world = World::new(300 * MS, 30 * MS, vec![hanging, Box::new(|_| Ok(()))]);
    world.trigger();
    sleep(10 * MS);
    world.trigger();
    world.settle();
    let decisions = world.sink.decisions.lock().unwrap();
    let by_second = decisions.iter().find(|decision| decision.engine == Some(1));
    assert_eq!(
        by_second.map(|decision| decision.source),
        Some(DecisionSource::Model)
    );
}

#[test]
fn models_that_take_turns_answer_every_trigger_once_and_count_on() {
    let steady = || -> Behaviour { Box::new(|_| Ok(())) };
    let first = World::new(200 * MS, 10_000 * MS, vec![steady()]);
    let second = first.successor(vec![steady(), steady()]);
    for number in 0..600 {
        let worlds = [&first, &second];
        worlds[number / 20 % 2].trigger();
        if number % 3 == 0 {
            std::thread::yield_now();
        }
    }
    first.settle();
    second.settle();
    assert!(first.live.schedulers()[0].is_at_rest() && second.live.schedulers()[0].is_at_rest());
    let (by_first, by_second) = (&first.sink.decisions, &second.sink.decisions);
    let (by_first, by_second) = (by_first.lock().unwrap(), by_second.lock().unwrap());
    assert!(!by_first.is_empty() && !by_second.is_empty());
    let all = by_first.iter().chain(by_second.iter());
    let mut cycles: Vec<u64> = all.map(|decision| decision.cycle).collect();
    cycles.sort_unstable();
    let accepted = second.live.schedulers()[0].counts().tally().accepted;
    assert_eq!(cycles, (1..=accepted).collect::<Vec<_>>());
}

#[test]
fn a_model_at_rest_lets_its_watchdog_sleep_and_answers_when_it_is_back() {
    let world = World::new(200 * MS, 10_000 * MS, vec![Box::new(|_| Ok(()))]);
    world.live.set_resting(true);
    sleep(100 * MS);
    let before = world.sink.ticks.load(Ordering::Relaxed);
    sleep(500 * MS);
    assert_eq!(world.sink.ticks.load(Ordering::Relaxed), before);
    world.live.set_resting(false);
    world.trigger();
    world.settle();
    sleep(200 * MS);
    assert!(world.sink.ticks.load(Ordering::Relaxed) > before);
    let decisions = world.sink.decisions.lock().unwrap();
    assert_eq!(decisions[0].source, DecisionSource::Model);
}

#[test]
fn the_watchdog_ticks_and_all_threads_end_together() {
    let stuck = || -> Behaviour {
        Box::new(|_| {
            sleep(3000 * MS);
            Ok(())
        })
    };
    let world = World::new(5 * MS, 10 * MS, vec![stuck(), stuck(), stuck()]);
    for _ in 0..30 {
        world.trigger();
        sleep(10 * MS);
    }
    world.settle();
    assert!(world.sink.ticks.load(Ordering::Relaxed) > 3);
    let begun = Instant::now();
    drop(world.live);
    // Three engines that do not come back for seconds share one patience, they do not add up.
    assert!(begun.elapsed() < 1000 * MS, "{:?}", begun.elapsed());
}

/// A topic that holds whoever publishes on it, as a middleware may, until it lets go.
#[derive(Default)]
struct Topic {
    holds: AtomicBool,
    published: Mutex<Vec<Vec<u8>>>,
}

impl Topic {
    fn wire(self: &Arc<Topic>) -> PublishBytes {
        let topic = Arc::clone(self);
        Box::new(move |bytes| {
            while topic.holds.load(Ordering::Acquire) {
                sleep(MS);
            }
            topic.published.lock().unwrap().push(bytes.to_vec());
            true
        })
    }

    fn count(&self) -> usize {
        self.published.lock().unwrap().len()
    }
}

struct Robot {
    decisions: Arc<Topic>,
    commands: Arc<Topic>,
    robot_output: Arc<RobotOutput>,
}

impl Robot {
    fn new(clock: &Arc<SystemClock>) -> Robot {
        let (decisions, commands) = (Arc::new(Topic::default()), Arc::new(Topic::default()));
        let all = Factors {
            linear: 1.0,
            angular: 1.0,
        };
        let limits = GateLimits {
            factors: vec![all; LABELS],
            decision_timeout: 100 * MS,
            command_timeout: 20 * 1000 * MS,
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
        let times = (
            Arc::clone(clock) as Arc<dyn Clock>,
            (|| Stamp(7)) as fn() -> Stamp,
        );
        let robot_output = Arc::new(RobotOutput::new(parts, times, Arc::new(|| ())).unwrap());
        robot_output.open();
        Robot {
            decisions,
            commands,
            robot_output,
        }
    }

    fn model_output(&self) -> Arc<ModelOutput> {
        let words = DecisionNames {
            labels: vec!["go".into(); LABELS],
            engines: vec!["stub".into()],
            model_id: "m".into(),
        };
        Arc::new(ModelOutput::new(Arc::clone(&self.robot_output), words))
    }

    fn hold(&self, holds: bool) {
        self.decisions.holds.store(holds, Ordering::Release);
        self.commands.holds.store(holds, Ordering::Release);
    }

    fn command(&self, clock: &SystemClock) {
        let mut ahead = Velocity::ZERO;
        ahead.linear.x = 0.5;
        let arrival = When {
            mono: clock.now(),
            ros: Stamp(7),
        };
        self.robot_output
            .command(Command::new(ahead, arrival, None), None);
    }
}

fn wait_for(what: &str, until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < 20 * 1000 * MS, "never: {what}");
        sleep(MS);
    }
}

#[test]
fn a_robot_whose_topics_are_held_holds_neither_engine_nor_watchdog_of_the_others() {
    let clock = Arc::new(SystemClock::new());
    let robots = [Robot::new(&clock), Robot::new(&clock)];
    let cycle_config = CycleConfig {
        // The engine answers some, and the watchdog those that come while it takes its time.
        deadline: 20 * MS,
        publish_margin: MS,
        fault_time: 10_000 * MS,
        hold: Duration::ZERO,
        batch_slack: Duration::ZERO,
        reuse: None,
        policy: Policy::Best,
        min_confidence: 0.4,
        free_way_quantile: 0.1,
        thresholds: vec![0.9; EXITS],
        safe_label: 2,
        exits: EXITS as u8,
    };
    let schedulers = robots.each_ref().map(|robot| {
        let clock = Arc::clone(&clock) as _;
        Arc::new(SchedulerState::new(
            clock,
            cycle_config.clone(),
            LABELS,
            4,
            1,
            robot.model_output(),
        ))
    });
    let mut calls = 0;
    let engine = Box::new(Stub {
        exits: EXITS,
        labels: LABELS,
        advance: Box::new(move |out| {
            calls += 1;
            if calls % 7 == 0 {
                sleep(60 * MS);
            }
            out.copy_from_slice(&[0.5, 0.3, 0.2]);
            Ok(())
        }),
    });
    let batches = BatchCosts::single(CostModel::new(EXITS));
    let worker = InferenceWorker::of_several(&schedulers, 0, engine, batches);
    let live = SchedulerThreads::start(schedulers.to_vec(), vec![worker], |_| {}).unwrap();
    let trigger = |robot: usize| {
        let scheduler = &live.schedulers()[robot];
        match scheduler.empty_request() {
            Some(mut request) => {
                request.trigger.arrival = clock.now();
                request.trigger.input_status = InputStatus::Ready;
                live.offer(robot, request);
            }
            None => scheduler.refuse(1),
        }
    };
    let [held, free] = &robots;
    held.hold(true);
    for _ in 0..40 {
        held.command(&clock);
        free.command(&clock);
        trigger(0);
        trigger(1);
        sleep(25 * MS);
    }
    let tally = || live.schedulers()[1].counts().tally();
    wait_for("the other robot's decisions", || {
        let tally = tally();
        let seen = tally.accepted + tally.superseded + tally.refused;
        tally.decisions == tally.accepted && seen == tally.received
    });
    assert_eq!(free.decisions.count() as u64, tally().decisions);
    let reasons = [Reason::None, Reason::Deadline].map(|reason| tally().of_reason(reason));
    assert!(reasons[0] > 0 && reasons[1] > 0, "{reasons:?}");
    // Nobody decides any more: the watchdog's pulse stops the robot, whatever holds the other's
    // topics.
    let last = || free.commands.published.lock().unwrap().last().cloned();
    wait_for("a stop", || {
        last().is_some_and(|bytes| bytes[4..12] == [0; 8])
    });
    assert_eq!(held.decisions.count() + held.commands.count(), 0);
    assert!(live.schedulers()[0].counts().tally().accepted > 0);
    held.hold(false);
    wait_for("all of the held robot's decisions", || {
        let tally = live.schedulers()[0].counts().tally();
        tally.decisions == tally.accepted && held.decisions.count() as u64 == tally.decisions
    });
    let last = || held.commands.published.lock().unwrap().last().cloned();
    wait_for("its stop", || {
        last().is_some_and(|bytes| bytes[4..12] == [0; 8])
    });
}
