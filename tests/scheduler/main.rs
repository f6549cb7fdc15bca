//! The guarantee, under a fake clock, against machines that stall, burst and fail at random.

mod properties;
mod world;

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use edge_reasoner::scheduler::{CycleConfig, DecisionSource, InputStatus, Policy, Reason};

use support::quiet_panics;
use world::*;

#[test]
fn the_deepest_finished_exit_is_what_the_watchdog_publishes() {
    // Stages of 6 ms are believed to cost 0.1 ms: the fourth is begun and does not end in time.
    let costs = vec![Some(6000 * US); 4];
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    world.arrive(at(0.0), InputStatus::Ready);
    world.logical.drain();
    let (when, decision) = world.decisions().remove(0);
    assert_eq!(
        decision.exit, 3,
        "12 ms for two, 18 ms for three, guard at 18 ms"
    );
    assert_eq!(decision.source, DecisionSource::Model);
    assert!(when <= at(18.0));

    let costs = vec![Some(7000 * US); 4];
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    world.arrive(at(0.0), InputStatus::Ready);
    world.logical.drain();
    let (when, decision) = world.decisions().remove(0);
    assert_eq!((decision.exit, when), (2, at(18.0)));
}

#[test]
fn early_exit_stops_at_the_first_sure_exit() {
    let acts = vec![
        Act::Answer { confidence: 0.5 },
        Act::Answer { confidence: 0.9 },
    ];
    let mut world = World::new(Policy::Fastest, vec![acts], vec![]);
    world.arrive(at(0.0), InputStatus::Ready);
    world.logical.drain();
    let (_, decision) = world.decisions().remove(0);
    assert_eq!(decision.exit, 2);
    assert_eq!(decision.label, 0);
}

#[test]
fn a_stalled_engine_yields_a_declared_answer_then_the_next_engine() {
    let costs = vec![
        Some(100 * US),
        Some(100 * US),
        Some(100 * US),
        Some(100 * US),
        None,
    ];
    let mut world = World::new(Policy::Best, vec![vec![], vec![]], costs);
    for n in 0..20 {
        world.arrive(at(f64::from(n) * 30.0), InputStatus::Ready);
    }
    world.logical.drain();
    let decisions: Vec<_> = world.decisions().into_iter().map(|(_, d)| d).collect();
    assert_eq!(decisions.len(), 20);
    assert_eq!(decisions[0].source, DecisionSource::Model);
    assert_eq!(decisions[0].engine, Some(0));
    // The second trigger's cycle hangs in the first engine.
    assert_eq!(decisions[1].reason, Reason::Deadline);
    assert_eq!(decisions[1].source, DecisionSource::Hold);
    // The stall is known 50 ms after the call began; from then on the second engine answers.
    let back = decisions
        .iter()
        .skip(1)
        .position(|d| d.source == DecisionSource::Model);
    let back = back.expect("the second engine takes over") + 1;
    assert!(back <= 4, "{back}");
    for decision in &decisions[back..] {
        assert_eq!(
            (decision.source, decision.engine),
            (DecisionSource::Model, Some(1))
        );
    }
    assert_eq!(
        world.logical.scheduler(0).counts().tally().engine_changes,
        1
    );
}

#[test]
fn a_lone_engine_that_hangs_is_answered_for_until_the_end() {
    let mut world = World::new(Policy::Best, vec![vec![]], vec![None]);
    for n in 0..10 {
        world.arrive(at(f64::from(n) * 100.0), InputStatus::Ready);
    }
    world.logical.drain();
    let decisions = world.decisions();
    assert_eq!(decisions.len(), 10);
    assert_eq!(decisions[0].1.reason, Reason::Deadline);
    for (when, decision) in &decisions[1..] {
        assert_eq!(decision.source, DecisionSource::Fallback);
        assert_eq!(decision.reason, Reason::BackendFault);
        assert!(*when <= decision.trigger.arrival + DEADLINE);
    }
}

#[test]
fn a_faulty_engine_is_replaced_within_the_cycle() {
    quiet_panics();
    for fault in [Act::Fail, Act::Panic, Act::NotANumber] {
        let mut world = World::new(Policy::Best, vec![vec![fault], vec![]], vec![]);
        world.arrive(at(0.0), InputStatus::Ready);
        world.arrive(at(100.0), InputStatus::Ready);
        world.logical.drain();
        for (_, decision) in world.decisions() {
            let found = (decision.source, decision.engine, decision.exit);
            assert_eq!(
                found,
                (DecisionSource::Model, Some(1), EXITS as u8),
                "{fault:?}"
            );
        }
        let tally = world.logical.scheduler(0).counts().tally();
        assert_eq!((tally.decisions, tally.engine_changes), (2, 1));
    }
}

#[test]
fn a_cycle_is_handed_over_once_and_never_late() {
    // What the first and the second engine do in the cycle, and what it comes to.
    let hangs = || vec![None];
    let fails = || vec![Act::Fail];
    let two_hang = || vec![None, None];
    let third = vec![];
    for (acts, costs, expected) in [
        (
            vec![fails(), fails(), third.clone()],
            vec![],
            (Reason::BackendFault, Some(1)),
        ),
        (
            vec![vec![], vec![], third.clone()],
            hangs(),
            (Reason::None, Some(1)),
        ),
        (
            vec![vec![], vec![], third.clone()],
            two_hang(),
            (Reason::BackendFault, Some(1)),
        ),
        (
            vec![vec![], fails(), third],
            hangs(),
            (Reason::BackendFault, Some(1)),
        ),
        (
            vec![vec![], vec![]],
            two_hang(),
            (Reason::BackendFault, Some(1)),
        ),
    ] {
        let mut world = World::new(Policy::Best, acts.clone(), costs.clone());
        world.set_fault_time(5 * Duration::from_millis(1));
        world.arrive(at(0.0), InputStatus::Ready);
        world.logical.drain();
        let decisions = world.decisions();
        assert_eq!(decisions.len(), 1);
        let (when, decision) = &decisions[0];
        assert_eq!(
            (decision.reason, decision.engine),
            expected,
            "{acts:?} {costs:?}"
        );
        assert!(*when <= at(0.0) + DEADLINE);
    }
}

#[test]
fn an_exit_of_the_engine_that_stalled_counts_where_the_next_brings_none() {
    // Two stages of the first engine, then it hangs; the second's first stage takes too long.
    let costs = vec![Some(100 * US), Some(100 * US), None, Some(60_000 * US)];
    let mut world = World::new(Policy::Best, vec![vec![], vec![]], costs);
    world.set_fault_time(30 * Duration::from_millis(1));
    world.logical.scheduler(0).set_cycle_config(CycleConfig {
        deadline: 40 * Duration::from_millis(1),
        ..(*world.logical.scheduler(0).cycle_config()).clone()
    });
    world.arrive(at(0.0), InputStatus::Ready);
    world.logical.drain();
    let (_, decision) = world.decisions().remove(0);
    let found = (decision.source, decision.engine, decision.exit);
    assert_eq!(found, (DecisionSource::Model, Some(0), 2));
}

#[test]
fn an_unsure_model_leads_to_the_safe_label() {
    let acts = vec![Act::Answer { confidence: 0.35 }; 4];
    let mut world = World::new(Policy::Best, vec![acts], vec![]);
    world.arrive(at(0.0), InputStatus::Ready);
    world.logical.drain();
    let (_, decision) = world.decisions().remove(0);
    assert_eq!(decision.source, DecisionSource::Fallback);
    assert_eq!(decision.reason, Reason::LowConfidence);
    assert_eq!(decision.label, 2);
    assert_eq!(decision.exit, 4, "the exit it looked at is told");
}

#[test]
fn a_burst_is_answered_by_its_newest() {
    let mut world = World::new(Policy::Best, vec![vec![]], vec![Some(4000 * US)]);
    for n in 0..10 {
        world.arrive(at(f64::from(n) * 0.1), InputStatus::Ready);
    }
    world.logical.drain();
    let stamps: Vec<_> = world
        .decisions()
        .iter()
        .map(|(_, d)| d.trigger.arrival)
        .collect();
    assert_eq!(stamps, [at(0.0), at(0.9)]);
    assert_eq!(world.logical.scheduler(0).counts().tally().superseded, 8);
}

#[test]
fn a_held_decision_ends_with_its_time() {
    // One good cycle, then the engine hangs for good: held for 150 ms, then the safe label.
    let costs = vec![Some(100 * US); 4].into_iter().chain([None]).collect();
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    for n in 0..6 {
        world.arrive(at(f64::from(n) * 60.0), InputStatus::Ready);
    }
    world.logical.drain();
    let sources: Vec<_> = world.decisions().iter().map(|(_, d)| d.source).collect();
    use DecisionSource::*;
    assert_eq!(sources, [Model, Hold, Hold, Fallback, Fallback, Fallback]);
}

#[test]
fn what_a_later_answer_withdrew_is_not_held() {
    // Sure, then unsure, then the engine hangs: the first answer must not come back.
    let sure = Act::Answer { confidence: 0.9 };
    let unsure = Act::Answer { confidence: 0.35 };
    let acts = [vec![sure; EXITS], vec![unsure; EXITS]].concat();
    let costs = vec![Some(100 * US); 2 * EXITS].into_iter().chain([None]);
    let mut world = World::new(Policy::Best, vec![acts], costs.collect());
    for n in 0..3 {
        world.arrive(at(f64::from(n) * 60.0), InputStatus::Ready);
    }
    world.logical.drain();
    let sources: Vec<_> = world.decisions().iter().map(|(_, d)| d.source).collect();
    use DecisionSource::*;
    assert_eq!(sources, [Model, Fallback, Fallback]);
}
