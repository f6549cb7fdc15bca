//! The guarantee, under a fake clock, against machines that stall, burst and fail at random.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::reason::logical::{Logical, LogicalClock, Machine};
use edge_reasoner::reason::{
    CostModel, Decision, Desk, EngineFault, Policy, Publish, Reason, Reasoner, Source, Terms,
    Trigger, Verdict,
};
use edge_reasoner::time::{Clock, Mono, Stamp};
use proptest::prelude::*;

mod support;
use support::{Advance, Stub, quiet_panics};

const LABELS: usize = 3;
const EXITS: usize = 4;
const US: Duration = Duration::from_micros(1);
const DEADLINE: Duration = Duration::from_millis(20);
const MARGIN: Duration = Duration::from_millis(2);
const FAULT_TIME: Duration = Duration::from_millis(50);

/// What an engine does in one of its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Answer { confidence: f32 },
    Fail,
    Panic,
    NotANumber,
}

fn scripted(mut script: Vec<Act>) -> Stub {
    // The first act is the last in the list.
    script.reverse();
    let advance: Advance =
        Box::new(
            move |out| match script.pop().unwrap_or(Act::Answer { confidence: 0.6 }) {
                Act::Answer { confidence } => {
                    out.fill((1.0 - confidence) / (LABELS as f32 - 1.0));
                    out[0] = confidence;
                    Ok(())
                }
                Act::Fail => Err(EngineFault("scripted".into())),
                Act::Panic => panic!("scripted panic"),
                Act::NotANumber => {
                    out.fill(f32::NAN);
                    Ok(())
                }
            },
        );
    Stub {
        exits: EXITS,
        labels: LABELS,
        advance,
    }
}

#[derive(Clone, Debug)]
struct Stage {
    at: Mono,
    station: usize,
    stage: usize,
    cost: Duration,
}

/// Hands out costs from a list and remembers when each stage was begun.
struct Costs {
    clock: Arc<LogicalClock>,
    costs: Vec<Option<Duration>>,
    guard_delays: Vec<Duration>,
    begun: Vec<Stage>,
}

impl Machine for Costs {
    fn stage_cost(&mut self, station: usize, stage: usize) -> Option<Duration> {
        let cost = self.costs.pop().unwrap_or(Some(100 * US));
        self.begun.push(Stage {
            at: self.clock.now(),
            station,
            stage,
            cost: cost.unwrap_or(Duration::MAX),
        });
        cost
    }
    fn guard_delay(&mut self) -> Duration {
        self.guard_delays.pop().unwrap_or_default()
    }
}

#[derive(Default)]
struct Sink {
    clock: Option<Arc<LogicalClock>>,
    decisions: Mutex<Vec<(Mono, Decision)>>,
}

impl Publish for Sink {
    fn publish(&self, decision: &Decision) {
        let now = self.clock.as_ref().unwrap().now();
        self.decisions.lock().unwrap().push((now, decision.clone()));
    }
}

struct World {
    logical: Logical<Costs>,
    sink: Arc<Sink>,
    offered: u64,
}

impl World {
    fn new(policy: Policy, acts: Vec<Vec<Act>>, mut costs: Vec<Option<Duration>>) -> World {
        let clock = Arc::new(LogicalClock::default());
        let sink = Arc::new(Sink {
            clock: Some(clock.clone()),
            ..Sink::default()
        });
        let terms = Terms {
            deadline: DEADLINE,
            publish_margin: MARGIN,
            fault_time: FAULT_TIME,
            hold: Duration::from_millis(150),
            batch_slack: Duration::ZERO,
            reuse: None,
            policy,
            min_confidence: 0.4,
            thresholds: vec![0.8; EXITS],
            safe_label: 2,
            exits: EXITS as u8,
        };
        let desk = Arc::new(Desk::new(
            clock.clone(),
            terms,
            LABELS,
            4,
            acts.len(),
            sink.clone(),
        ));
        let reasoners = acts
            .into_iter()
            .enumerate()
            .map(|(station, script)| {
                let mut known = CostModel::new(EXITS);
                for stage in 0..EXITS {
                    known.record(stage, 100 * US);
                }
                Reasoner::new(desk.clone(), station, Box::new(scripted(script)), known)
            })
            .collect();
        costs.reverse();
        let machine = Costs {
            clock: clock.clone(),
            costs,
            guard_delays: Vec::new(),
            begun: Vec::new(),
        };
        World {
            logical: Logical::new(clock, vec![desk], reasoners, machine),
            sink,
            offered: 0,
        }
    }

    fn arrive(&mut self, at: Mono, verdict: Verdict) {
        self.logical.advance_to(at);
        let mut request = self
            .logical
            .desk(0)
            .blank()
            .expect("requests never run out");
        request.trigger = Trigger {
            arrival: at,
            stamp: Stamp(at.0 as i64),
            frame: "laser".into(),
            input_age: Duration::ZERO,
            verdict,
        };
        self.logical.offer(0, request);
        self.offered += 1;
    }

    /// From the next trigger on.
    fn set_fault_time(&mut self, fault_time: Duration) {
        let desk = self.logical.desk(0);
        let terms = (*desk.terms()).clone();
        desk.set_terms(Terms {
            fault_time,
            ..terms
        });
    }

    fn decisions(&self) -> Vec<(Mono, Decision)> {
        self.sink.decisions.lock().unwrap().clone()
    }
}

fn at(ms: f64) -> Mono {
    Mono(1_000_000_000 + (ms * 1e6) as u64)
}

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

fn arb_verdicts() -> impl Strategy<Value = Vec<Verdict>> {
    let verdict = prop_oneof![
        8 => Just(Verdict::Ready),
        1 => Just(Verdict::Unusable(Reason::InvalidInput)),
        1 => Just(Verdict::Unusable(Reason::TimeJump)),
    ];
    prop::collection::vec(verdict, 80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The guarantee's sentence, on any machine whose scheduler runs the guard when it asks.
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
        for (gap, verdict) in gaps.iter().zip(verdicts) {
            now = now + *gap * US;
            world.arrive(now, verdict);
        }
        world.logical.drain();

        let tally = world.logical.desk(0).counts().tally();
        prop_assert_eq!(tally.received, world.offered);
        prop_assert_eq!(tally.received, tally.accepted + tally.superseded + tally.refused);
        prop_assert_eq!(tally.accepted, tally.decisions);
        prop_assert_eq!(tally.late, 0);

        let mut seen = HashMap::new();
        for (when, decision) in world.decisions() {
            prop_assert!(when <= decision.trigger.arrival + DEADLINE);
            prop_assert!(seen.insert(decision.cycle, ()).is_none(), "answered twice");
            match decision.source {
                Source::Model => prop_assert!(decision.exit > 0 && decision.reason == Reason::None),
                Source::Hold => prop_assert!(decision.reason.may_hold()),
                Source::Fallback => {
                    prop_assert!(decision.reason != Reason::None);
                    prop_assert_eq!(decision.label, 2);
                }
            }
            if let Verdict::Unusable(reason) = decision.trigger.verdict {
                prop_assert_eq!(decision.reason, reason);
                prop_assert_eq!(decision.source, Source::Fallback);
            }
        }
    }

    /// Whatever is changed while cycles are in flight, each is answered by the terms its trigger met.
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
            let desk = world.logical.desk(0);
            let terms = (*desk.terms()).clone();
            desk.set_terms(Terms { deadline, ..terms });
            met.insert(now, deadline);
            world.arrive(now, Verdict::Ready);
        }
        world.logical.drain();
        world.logical.advance_to(now + 3 * FAULT_TIME);

        let tally = world.logical.desk(0).counts().tally();
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
            world.arrive(now, Verdict::Ready);
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
            prop_assert_eq!(stage.station, 0);
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

    /// When the scheduler withholds the guard, a decision may be late, but then it is counted,
    /// and it is never later than the guard was.
    #[test]
    fn what_is_late_is_counted(
        delays in prop::collection::vec((0u32..30_000).prop_map(|us| us * US), 200),
        costs in prop::collection::vec(arb_cost(), 0..300),
        gaps in arb_gaps(),
    ) {
        let mut world = World::new(Policy::Best, vec![vec![]], costs);
        let mut now = at(0.0);
        let worst = delays.iter().max().copied().unwrap();
        world.logical.machine_mut().guard_delays = delays;
        for gap in gaps {
            now = now + gap * US;
            world.arrive(now, Verdict::Ready);
        }
        world.logical.drain();
        world.logical.drain();
        let tally = world.logical.desk(0).counts().tally();
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

#[test]
fn the_deepest_finished_exit_is_what_the_guard_publishes() {
    // Stages of 6 ms are believed to cost 0.1 ms: the fourth is begun and does not end in time.
    let costs = vec![Some(6000 * US); 4];
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    world.arrive(at(0.0), Verdict::Ready);
    world.logical.drain();
    let (when, decision) = world.decisions().remove(0);
    assert_eq!(
        decision.exit, 3,
        "12 ms for two, 18 ms for three, guard at 18 ms"
    );
    assert_eq!(decision.source, Source::Model);
    assert!(when <= at(18.0));

    let costs = vec![Some(7000 * US); 4];
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    world.arrive(at(0.0), Verdict::Ready);
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
    world.arrive(at(0.0), Verdict::Ready);
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
        world.arrive(at(f64::from(n) * 30.0), Verdict::Ready);
    }
    world.logical.drain();
    let decisions: Vec<_> = world.decisions().into_iter().map(|(_, d)| d).collect();
    assert_eq!(decisions.len(), 20);
    assert_eq!(decisions[0].source, Source::Model);
    assert_eq!(decisions[0].engine, Some(0));
    // The second trigger's cycle hangs in the first engine.
    assert_eq!(decisions[1].reason, Reason::Deadline);
    assert_eq!(decisions[1].source, Source::Hold);
    // The stall is known 50 ms after the call began; from then on the second engine answers.
    let back = decisions
        .iter()
        .skip(1)
        .position(|d| d.source == Source::Model);
    let back = back.expect("the second engine takes over") + 1;
    assert!(back <= 4, "{back}");
    for decision in &decisions[back..] {
        assert_eq!((decision.source, decision.engine), (Source::Model, Some(1)));
    }
    assert_eq!(world.logical.desk(0).counts().tally().engine_changes, 1);
}

#[test]
fn a_lone_engine_that_hangs_is_answered_for_until_the_end() {
    let mut world = World::new(Policy::Best, vec![vec![]], vec![None]);
    for n in 0..10 {
        world.arrive(at(f64::from(n) * 100.0), Verdict::Ready);
    }
    world.logical.drain();
    let decisions = world.decisions();
    assert_eq!(decisions.len(), 10);
    assert_eq!(decisions[0].1.reason, Reason::Deadline);
    for (when, decision) in &decisions[1..] {
        assert_eq!(decision.source, Source::Fallback);
        assert_eq!(decision.reason, Reason::BackendFault);
        assert!(*when <= decision.trigger.arrival + DEADLINE);
    }
}

#[test]
fn a_faulty_engine_is_replaced_within_the_cycle() {
    quiet_panics();
    for fault in [Act::Fail, Act::Panic, Act::NotANumber] {
        let mut world = World::new(Policy::Best, vec![vec![fault], vec![]], vec![]);
        world.arrive(at(0.0), Verdict::Ready);
        world.arrive(at(100.0), Verdict::Ready);
        world.logical.drain();
        for (_, decision) in world.decisions() {
            let found = (decision.source, decision.engine, decision.exit);
            assert_eq!(found, (Source::Model, Some(1), EXITS as u8), "{fault:?}");
        }
        let tally = world.logical.desk(0).counts().tally();
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
        world.arrive(at(0.0), Verdict::Ready);
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
    world.logical.desk(0).set_terms(Terms {
        deadline: 40 * Duration::from_millis(1),
        ..(*world.logical.desk(0).terms()).clone()
    });
    world.arrive(at(0.0), Verdict::Ready);
    world.logical.drain();
    let (_, decision) = world.decisions().remove(0);
    let found = (decision.source, decision.engine, decision.exit);
    assert_eq!(found, (Source::Model, Some(0), 2));
}

#[test]
fn an_unsure_model_leads_to_the_safe_label() {
    let acts = vec![Act::Answer { confidence: 0.35 }; 4];
    let mut world = World::new(Policy::Best, vec![acts], vec![]);
    world.arrive(at(0.0), Verdict::Ready);
    world.logical.drain();
    let (_, decision) = world.decisions().remove(0);
    assert_eq!(decision.source, Source::Fallback);
    assert_eq!(decision.reason, Reason::LowConfidence);
    assert_eq!(decision.label, 2);
    assert_eq!(decision.exit, 4, "the exit it looked at is told");
}

#[test]
fn a_burst_is_answered_by_its_newest() {
    let mut world = World::new(Policy::Best, vec![vec![]], vec![Some(4000 * US)]);
    for n in 0..10 {
        world.arrive(at(f64::from(n) * 0.1), Verdict::Ready);
    }
    world.logical.drain();
    let stamps: Vec<_> = world
        .decisions()
        .iter()
        .map(|(_, d)| d.trigger.arrival)
        .collect();
    assert_eq!(stamps, [at(0.0), at(0.9)]);
    assert_eq!(world.logical.desk(0).counts().tally().superseded, 8);
}

#[test]
fn a_held_decision_ends_with_its_time() {
    // One good cycle, then the engine hangs for good: held for 150 ms, then the safe label.
    let costs = vec![Some(100 * US); 4].into_iter().chain([None]).collect();
    let mut world = World::new(Policy::Best, vec![vec![]], costs);
    for n in 0..6 {
        world.arrive(at(f64::from(n) * 60.0), Verdict::Ready);
    }
    world.logical.drain();
    let sources: Vec<_> = world.decisions().iter().map(|(_, d)| d.source).collect();
    use Source::*;
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
        world.arrive(at(f64::from(n) * 60.0), Verdict::Ready);
    }
    world.logical.drain();
    let sources: Vec<_> = world.decisions().iter().map(|(_, d)| d.source).collect();
    use Source::*;
    assert_eq!(sources, [Model, Fallback, Fallback]);
}
