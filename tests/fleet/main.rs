//! Several robots at one engine: the guarantee holds for each, and each gets the answer to its own
//! window.

mod world;

#[path = "../support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use edge_reasoner::scheduler::threaded::SchedulerThreads;
use edge_reasoner::scheduler::{
    BatchCosts, DecisionSource, InferenceWorker, InputStatus, Policy, Reason, SchedulerState,
};
use edge_reasoner::time::{Clock, SystemClock};
use proptest::prelude::*;

use support::quiet_panics;
use world::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_trigger_of_every_robot_is_answered_once_in_time_and_for_its_own_window(
        robots in 1usize..6,
        best in any::<bool>(),
        capacity in prop::sample::select(vec![1usize, 2, 8]),
        slack_ms in 0u32..6,
        scripts in prop::collection::vec(prop::collection::vec(prop_oneof![
            30 => Just(Act::Answer),
            1 => Just(Act::Fail),
            1 => Just(Act::Panic),
            1 => Just(Act::NotANumber),
        ], 0..200), 1..4),
        costs in prop::collection::vec(prop_oneof![
            60 => (10u32..3000).prop_map(|us| Some(us * US)),
            10 => (3000u32..40_000).prop_map(|us| Some(us * US)),
            1 => Just(None),
        ], 0..300),
        arrivals in prop::collection::vec((0u32..20_000, 0usize..6, prop_oneof![
            8 => Just(InputStatus::Ready),
            1 => Just(InputStatus::Unusable(Reason::InvalidInput)),
        ]), 1..150),
    ) {
        quiet_panics();
        let mut fleet = Fleet::new(Wish {
            robots,
            policy: if best { Policy::Best } else { Policy::Fastest },
            slack: MS * slack_ms,
            scripts,
            costs: Costs(costs, 100 * US),
            capacity,
        });
        let mut now = at(0.0);
        let mut offered = vec![0; robots];
        for (gap, robot, input_status) in arrivals {
            now = now + gap * US;
            fleet.arrive(now, robot % robots, input_status);
            offered[robot % robots] += 1;
        }
        fleet.logical.drain();

        for (robot, offered) in offered.into_iter().enumerate() {
            let tally = fleet.logical.scheduler(robot).counts().tally();
            prop_assert_eq!(tally.received, offered);
            prop_assert_eq!(tally.received, tally.accepted + tally.superseded);
            prop_assert_eq!(tally.accepted, tally.decisions);
            prop_assert_eq!(tally.late, 0);
            let mut cycles = HashSet::new();
            for (when, decision) in fleet.decisions(robot) {
                let arrival = decision.trigger.arrival;
                prop_assert!(when <= arrival + DEADLINE);
                prop_assert!(cycles.insert(decision.cycle), "answered twice");
                match decision.source {
                    DecisionSource::Model => prop_assert_eq!(decision.label, label_of(arrival, robot)),
                    _ => prop_assert_eq!(decision.label, SAFE),
                }
                if let InputStatus::Unusable(reason) = decision.trigger.input_status {
                    prop_assert_eq!(decision.reason, reason);
                }
            }
        }
    }
}

#[test]
fn what_waits_for_the_engine_runs_together() {
    let mut fleet = Fleet::new(Wish {
        robots: 4,
        ..Wish::default()
    });
    // The first occupies the engine; the others come meanwhile.
    for robot in 0..4 {
        fleet.arrive(at(0.01 * robot as f64), robot, InputStatus::Ready);
    }
    fleet.logical.drain();
    assert_eq!(fleet.begun(), [1, 4], "three, filled up to four");
    let batched = |robot: usize| fleet.logical.scheduler(robot).counts().tally().batched;
    assert_eq!([0, 1, 2, 3].map(batched), [0, 1, 1, 1]);
}

#[test]
fn an_engine_that_takes_one_at_a_time_serves_the_most_urgent_first() {
    let mut fleet = Fleet::new(Wish {
        capacity: 1,
        costs: Costs(vec![], MS),
        ..Wish::default()
    });
    fleet.arrive(at(0.0), 2, InputStatus::Ready);
    fleet.arrive(at(0.1), 1, InputStatus::Ready);
    fleet.arrive(at(0.2), 0, InputStatus::Ready);
    fleet.logical.drain();
    assert_eq!(fleet.begun(), [1, 1, 1]);
    let answered = |robot: usize| fleet.decisions(robot)[0].0;
    assert!(answered(2) < answered(1) && answered(1) < answered(0));
}

#[test]
fn triggers_wait_for_others_as_long_as_their_slack_and_budget_allow() {
    let begun_at = |slack: Duration, second: Option<f64>, cost: Duration| {
        let mut fleet = Fleet::new(Wish {
            robots: 2,
            slack,
            costs: Costs(vec![], cost),
            ..Wish::default()
        });
        fleet.arrive(at(0.0), 0, InputStatus::Ready);
        if let Some(second) = second {
            fleet.arrive(at(second), 1, InputStatus::Ready);
        }
        fleet.logical.drain();
        let (when, decision) = fleet.decisions(0).remove(0);
        assert_eq!(decision.source, DecisionSource::Model);
        (when.since(at(0.0)), fleet.begun())
    };
    let quick = 100 * US;
    assert_eq!(begun_at(Duration::ZERO, None, quick), (quick, vec![1]));
    assert_eq!(begun_at(3 * MS, None, quick), (3 * MS + quick, vec![1]));
    assert_eq!(begun_at(3 * MS, Some(1.0), quick), (MS + quick, vec![2]));
    assert_eq!(
        begun_at(3 * MS, Some(5.0), quick),
        (3 * MS + quick, vec![1, 1])
    );
    // Two first stages of 5.5 ms, a quarter more to be sure, still fit before 18 ms.
    let slow = begun_at(15 * MS, None, 5 * MS);
    assert_eq!(
        slow,
        (
            18 * MS - 2 * Duration::from_nanos(6_875_000) + 5 * MS,
            vec![1]
        )
    );
}

#[test]
fn nobody_goes_deeper_at_the_cost_of_anothers_first_exit() {
    let mut fleet = Fleet::new(Wish {
        robots: 2,
        policy: Policy::Best,
        costs: Costs(vec![], 4 * MS),
        capacity: 1,
        ..Wish::default()
    });
    fleet.arrive(at(0.0), 0, InputStatus::Ready);
    fleet.arrive(at(1.0), 1, InputStatus::Ready);
    fleet.logical.drain();
    let of = |robot: usize| {
        let (_, decision) = fleet.decisions(robot).remove(0);
        (decision.source, decision.exit)
    };
    // Alone the first would have gone to its fourth exit, at 16 ms.
    assert_eq!(
        [of(0), of(1)],
        [(DecisionSource::Model, 3), (DecisionSource::Model, 1)]
    );
}

#[test]
fn an_engine_that_hangs_on_one_robots_window_is_left_by_all() {
    let mut fleet = Fleet::new(Wish {
        robots: 3,
        scripts: vec![vec![], vec![]],
        costs: Costs(vec![None], 100 * US),
        ..Wish::default()
    });
    fleet.arrive(at(0.0), 0, InputStatus::Ready);
    fleet.arrive(at(1.0), 1, InputStatus::Ready);
    fleet.logical.drain();
    fleet.arrive(at(200.0), 2, InputStatus::Ready);
    fleet.logical.drain();
    for robot in 0..3 {
        let (_, decision) = fleet.decisions(robot).remove(0);
        let by = (decision.source, decision.engine);
        assert_eq!(by, (DecisionSource::Model, Some(1)), "robot {robot}");
        assert_eq!(fleet.logical.scheduler(robot).active_engine(), 1);
    }
}

#[test]
fn on_real_threads_every_robot_gets_its_own_answers() {
    let wish = Wish {
        robots: 4,
        slack: MS / 2,
        scripts: vec![vec![], vec![]],
        ..Wish::default()
    };
    let clock = Arc::new(SystemClock::new());
    let (schedulers, sinks) = schedulers(&(Arc::clone(&clock) as Arc<dyn Clock>), &wish);
    let workers = (0..2).map(|slot| {
        let engine = Parrot {
            capacity: wish.capacity,
            script: Vec::new(),
            windows: Vec::new(),
            begun: Arc::default(),
        };
        let batches = BatchCosts::new(known(US, 0), (1..=3).map(|power| known(US, power)));
        InferenceWorker::of_several(&schedulers, slot, Box::new(engine), batches)
    });
    let live = SchedulerThreads::start(schedulers.clone(), workers.collect(), |_| {}).unwrap();
    for round in 0..2000u64 {
        for (robot, scheduler) in schedulers.iter().enumerate() {
            if (round + robot as u64).is_multiple_of(3) {
                continue;
            }
            let Some(mut request) = scheduler.empty_request() else {
                scheduler.refuse(1);
                continue;
            };
            let now = clock.now();
            request.trigger.arrival = now;
            request.trigger.input_status = InputStatus::Ready;
            request.window[0] = label_of(now, robot) as f32;
            live.offer(robot, request);
        }
        std::thread::sleep(US * (round % 7) as u32 * 100);
    }
    let begun = std::time::Instant::now();
    let settled = |scheduler: &Arc<SchedulerState>| {
        let tally = scheduler.counts().tally();
        tally.received == tally.accepted + tally.superseded + tally.refused
            && tally.accepted == tally.decisions
    };
    while !schedulers.iter().all(settled) {
        assert!(begun.elapsed() < 20_000 * MS, "never answered");
        std::thread::sleep(MS);
    }
    let mut batched = 0;
    for (robot, (scheduler, sink)) in schedulers.iter().zip(&sinks).enumerate() {
        let decisions = sink.decisions.lock().unwrap();
        let cycles: HashSet<u64> = decisions.iter().map(|(_, d)| d.cycle).collect();
        assert_eq!(cycles.len() as u64, scheduler.counts().tally().decisions);
        for (_, decision) in decisions
            .iter()
            .filter(|(_, d)| d.source == DecisionSource::Model)
        {
            assert_eq!(decision.label, label_of(decision.trigger.arrival, robot));
        }
        batched += scheduler.counts().tally().batched;
    }
    assert!(batched > 0);
    assert!(!live.has_panicked());
}
