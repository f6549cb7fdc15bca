//! What holds on any machine, whatever its engines do.

use std::collections::HashMap;
use std::time::Duration;

use edge_reasoner::scheduler::{
    CostModel, CycleConfig, DecisionSource, InputStatus, Policy, Reason,
};
use edge_reasoner::time::Mono;
use proptest::prelude::*;

use crate::support::quiet_panics;
use crate::world::*;

fn arb_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Fastest), Just(Policy::Best)]
}

fn arb_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (0.34f32..1.0).prop_map(|confidence| Act::Answer { confidence }),
        1 => Just(Act::Fail),
        1 => Just(Act::NotANumber),
        1 => Just(Act::Panic),
    ]
}

fn arb_cost() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        20 => (10u32..3000).prop_map(|us| Some(us * US)),
        4 => (3000u32..40_000).prop_map(|us| Some(us * US)),
        1 => (40_000u32..400_000).prop_map(|us| Some(us * US)),
    ]
}

fn arb_cost_or_hang() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![120 => arb_cost(), 1 => Just(None)]
}

fn arb_gaps() -> impl Strategy<Value = Vec<u32>> {
    // Microseconds between arrivals: bursts, sensor rates, pauses.
    let gap = prop_oneof![
        2 => 0u32..500,
        6 => 5_000u32..120_000,
        1 => 200_000u32..900_000,
    ];
    prop::collection::vec(gap, 1..80)
}

fn arb_verdicts() -> impl Strategy<Value = Vec<InputStatus>> {
    let input_status = prop_oneof![
        8 => Just(InputStatus::Ready),
        1 => Just(InputStatus::Unusable(Reason::InvalidInput)),
        1 => Just(InputStatus::Unusable(Reason::TimeJump)),
    ];
    prop::collection::vec(input_status, 80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The guarantee's sentence, on any machine whose scheduler runs the watchdog when it asks.
    #[test]
    fn every_accepted_trigger_is_answered_once_and_in_time(
        policy in arb_policy(),
        fault_ms in prop::sample::select(vec![1_u32, 5, 50]),
        engines in prop::collection::vec(prop::collection::vec(arb_act(), 0..200), 2..4),
        costs in prop::collection::vec(arb_cost_or_hang(), 0..300),
        gaps in arb_gaps(),
        verdicts in arb_verdicts(),
    ) {
        quiet_panics();
        let mut world = World::new(policy, engines, costs);
        world.set_fault_time(1000 * fault_ms * US);
        let mut now = at(0.0);
        for (gap, input_status) in gaps.iter().zip(verdicts) {
            now = now + *gap * US;
            world.arrive(now, input_status);
        }
        world.logical.drain();

        let tally = world.logical.scheduler(0).counts().tally();
        prop_assert_eq!(tally.received, world.offered);
        prop_assert_eq!(tally.received, tally.accepted + tally.superseded + tally.refused);
        prop_assert_eq!(tally.accepted, tally.decisions);
        prop_assert_eq!(tally.late, 0);

        let mut seen = HashMap::new();
        for (when, decision) in world.decisions() {
            prop_assert!(when <= decision.trigger.arrival + DEADLINE);
            prop_assert!(seen.insert(decision.cycle, ()).is_none(), "answered twice");
            match decision.source {
                DecisionSource::Model => prop_assert!(decision.exit > 0 && decision.reason == Reason::None),
                DecisionSource::Hold => prop_assert!(decision.reason.may_hold()),
                DecisionSource::Fallback => {
                    prop_assert!(decision.reason != Reason::None);
                    prop_assert_eq!(decision.label, 2);
                }
            }
            if let InputStatus::Unusable(reason) = decision.trigger.input_status {
                prop_assert_eq!(decision.reason, reason);
                prop_assert_eq!(decision.source, DecisionSource::Fallback);
            }
        }
    }

    /// Whatever is changed while cycles are in flight, each is answered by the configuration its
    /// trigger met.
    #[test]
    fn terms_change_from_trigger_to_trigger_and_never_within_a_cycle(
        costs in prop::collection::vec(arb_cost(), 0..300),
        gaps in arb_gaps(),
        deadlines in prop::collection::vec(3u32..40, 1..20),
    ) {
        let mut world = World::new(Policy::Best, vec![vec![], vec![]], costs);
        let mut now = at(0.0);
        let mut met = HashMap::new();
        for (index, gap) in gaps.iter().enumerate() {
            now = now + (*gap).max(1) * US;
            let deadline = deadlines[index % deadlines.len()] * Duration::from_millis(1);
            let scheduler = world.logical.scheduler(0);
            let cycle_config = (*scheduler.cycle_config()).clone();
            scheduler.set_cycle_config(CycleConfig { deadline, ..cycle_config });
            met.insert(now, deadline);
            world.arrive(now, InputStatus::Ready);
        }
        world.logical.drain();
        world.logical.advance_to(now + 3 * FAULT_TIME);

        let tally = world.logical.scheduler(0).counts().tally();
        prop_assert_eq!(tally.accepted, tally.decisions);
        prop_assert_eq!(tally.accepted + tally.superseded, world.offered);
        prop_assert_eq!(tally.late, 0);
        for (when, decision) in world.decisions() {
            let arrival = decision.trigger.arrival;
            prop_assert_eq!(decision.deadline, met[&arrival]);
            prop_assert!(when <= arrival + decision.deadline);
        }
    }

    /// An optional stage is begun only when the bound known at that moment fits.
    #[test]
    fn no_optional_stage_is_begun_that_cannot_fit(
        policy in arb_policy(),
        costs in prop::collection::vec(arb_cost(), 0..300),
        gaps in arb_gaps(),
    ) {
        let mut world = World::new(policy, vec![vec![]], costs);
        let mut now = at(0.0);
        let mut arrivals = Vec::new();
        for gap in gaps {
            now = now + gap * US;
            arrivals.push(now);
            world.arrive(now, InputStatus::Ready);
        }
        world.logical.drain();

        // The same bounds, rebuilt from what each stage was seen to cost.
        let mut known = CostModel::new(EXITS);
        for stage in 0..EXITS {
            known.record(stage, 100 * US);
        }
        let answered: Vec<_> = world.decisions().iter().map(|(_, d)| d.trigger.arrival).collect();
        let mut due = Mono(0);
        let begun = &world.logical.machine().begun;
        for (index, stage) in begun.iter().enumerate() {
            prop_assert_eq!(stage.slot, 0);
            if stage.stage == 0 {
                let arrival = answered.iter().copied().filter(|a| *a <= stage.at).max();
                due = arrival.unwrap() + DEADLINE - MARGIN;
            } else {
                prop_assert!(
                    stage.at + known.bound(stage.stage) <= due,
                    "stage {} begun at {:?}, bound {:?}, due {:?}",
                    stage.stage, stage.at, known.bound(stage.stage), due
                );
            }
            known.record(stage.stage, stage.cost);
            let (over, next) = (stage.at + stage.cost, stage.stage + 1);
            let went_on = begun.get(index + 1).is_some_and(|later| later.stage == next);
            if !went_on && next < EXITS && over <= due {
                // Nobody is sure at a confidence of 0.6: the next stage was wanted.
                prop_assert!(over + known.bound(next) > due, "stage {next} fitted at {over:?}");
                known.pass_over(next);
            }
        }
    }

    /// When the scheduler withholds the watchdog, a decision may be late, but then it is counted,
    /// and it is never later than the watchdog was.
    #[test]
    fn what_is_late_is_counted(
        delays in prop::collection::vec((0u32..30_000).prop_map(|us| us * US), 200),
        costs in prop::collection::vec(arb_cost(), 0..300),
        gaps in arb_gaps(),
    ) {
        let mut world = World::new(Policy::Best, vec![vec![]], costs);
        let mut now = at(0.0);
        let worst = delays.iter().max().copied().unwrap();
        world.logical.machine_mut().watchdog_delays = delays;
        for gap in gaps {
            now = now + gap * US;
            world.arrive(now, InputStatus::Ready);
        }
        world.logical.drain();
        world.logical.drain();
        let tally = world.logical.scheduler(0).counts().tally();
        prop_assert_eq!(tally.accepted, tally.decisions);
        let mut late = 0;
        for (when, decision) in world.decisions() {
            let after = when.since(decision.trigger.arrival + DEADLINE);
            late += u64::from(after > Duration::ZERO);
            prop_assert!(after <= worst * 2 + FAULT_TIME);
        }
        prop_assert_eq!(tally.late, late);
    }
}
