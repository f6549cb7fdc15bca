//! Which number a cycle gets.

use proptest::prelude::*;

use super::*;
use crate::scheduler::decision::InputStatus;
use crate::scheduler::policy::Policy;
use crate::time::SystemClock;

struct Deaf;

impl Publish for Deaf {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.withhold();
    }
}

const DEADLINE: Duration = Duration::from_nanos(30);

fn cycle_config() -> CycleConfig {
    CycleConfig {
        deadline: DEADLINE,
        publish_margin: Duration::ZERO,
        fault_time: Duration::from_millis(50),
        hold: Duration::ZERO,
        batch_slack: Duration::ZERO,
        reuse: None,
        policy: Policy::Best,
        min_confidence: 0.4,
        free_way_quantile: 0.1,
        thresholds: vec![0.8; 2],
        safe_label: 2,
        exits: 2,
    }
}

fn scheduler(engines: usize) -> SchedulerState {
    let clock = Arc::new(SystemClock::new());
    SchedulerState::new(clock, cycle_config(), 3, 4, engines, Arc::new(Deaf))
}

fn offer(scheduler: &SchedulerState, at: u64) {
    let mut request = scheduler.empty_request().expect("requests never run out");
    request.trigger.arrival = Mono(at);
    request.trigger.input_status = InputStatus::Ready;
    scheduler.offer(request);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Offer,
    Take(usize),
    TakeDue(u64),
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let step = prop_oneof![
        Just(Step::Offer),
        (0usize..2).prop_map(Step::Take),
        (0u64..60).prop_map(Step::TakeDue),
    ];
    prop::collection::vec((any::<bool>(), step), 1..80)
}

proptest! {
    /// Whoever takes which trigger when, at a scheduler or at the one that succeeds it: a cycle
    /// with a higher number answers a trigger that is not older, so that no gate takes an older
    /// world for the newest.
    #[test]
    fn cycles_are_numbered_in_the_order_of_their_triggers(steps in steps()) {
        let first = scheduler(2);
        let second = first.successor(cycle_config(), 2, Arc::new(Deaf));
        let mut numbered: Vec<(u64, Mono)> = Vec::new();
        let (mut now, mut offered) = (0, 0);
        for (at_second, step) in steps {
            let scheduler = if at_second { &second } else { &first };
            let taken = match step {
                Step::Offer => {
                    now += 7;
                    offered += 1;
                    offer(scheduler, now);
                    None
                }
                Step::Take(slot) => scheduler.take(slot),
                Step::TakeDue(later) => {
                    let due = Mono(now + later);
                    let taken = scheduler.take_due(due);
                    if let Some((request, _)) = &taken {
                        prop_assert!(request.due() <= due);
                    }
                    taken
                }
            };
            if let Some((request, cycle)) = taken {
                numbered.push((cycle, request.trigger.arrival));
                scheduler.put_back(request);
            }
        }
        for (index, (cycle, arrival)) in numbered.iter().enumerate() {
            prop_assert_eq!(*cycle, index as u64 + 1, "none is left out");
            if let Some((_, before)) = index.checked_sub(1).map(|before| numbered[before]) {
                prop_assert!(before <= *arrival, "{:?}", numbered);
            }
        }
        let waiting = [&first, &second].iter().filter(|scheduler| scheduler.has_pending()).count() as u64;
        let tally = first.counts().tally();
        prop_assert_eq!(tally.received, offered);
        prop_assert_eq!(tally.accepted, numbered.len() as u64);
        prop_assert_eq!(tally.superseded, offered - waiting - tally.accepted);
    }
}

#[test]
fn the_watchdog_knows_of_a_cycle_from_its_beginning() {
    let scheduler = scheduler(1);
    offer(&scheduler, 5);
    let (request, cycle) = scheduler.take(0).expect("it waits");
    let opened = scheduler.opened.pop().expect("told");
    assert_eq!((opened.cycle, opened.due()), (cycle, request.due()));
    assert!(scheduler.slots[0].is_open(cycle));
}

#[test]
fn a_trigger_that_is_not_due_stays_where_it_is() {
    let scheduler = scheduler(1);
    offer(&scheduler, 5);
    let due = Mono(5) + DEADLINE;
    assert!(scheduler.take_due(Mono(due.0 - 1)).is_none());
    assert_eq!(scheduler.pending_due(), Some(due));
    assert!(scheduler.take_due(due).is_some() && !scheduler.has_pending());
}
