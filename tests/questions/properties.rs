//! What holds on any machine, whatever its engines do.

use std::collections::HashMap;
use std::time::Duration;

use edge_reasoner::scheduler::Policy;
use edge_reasoner::scheduler::questions::{Outcome, Refused, Ticket};
use edge_reasoner::time::Mono;
use proptest::prelude::*;

use crate::quiet_panics;
use crate::world::*;

/// A question: microseconds after the one before, bytes, deadline in ms, policy, and when it is
/// cancelled, in microseconds after it came.
#[derive(Clone, Debug)]
struct Asked {
    gap: u64,
    length: usize,
    deadline_ms: u32,
    policy: Policy,
    cancel: Option<u64>,
}

fn arb_asked(cancels: bool) -> impl Strategy<Value = Asked> {
    // Floods, and pauses.
    let gap = prop_oneof![3 => 0u64..2_000, 2 => 2_000u64..60_000, 1 => 100_000u64..300_000];
    let cancel = match cancels {
        true => prop_oneof![4 => Just(None), 1 => (0u64..60_000).prop_map(Some)].boxed(),
        false => Just(None).boxed(),
    };
    let length = prop_oneof![8 => 1usize..60, 1 => 60usize..400, 1 => Just(0)];
    let policy = prop_oneof![Just(Policy::Fastest), Just(Policy::Best)];
    (gap, length, 0u32..120, policy, cancel).prop_map(
        |(gap, length, deadline_ms, policy, cancel)| Asked {
            gap,
            length,
            deadline_ms,
            policy,
            cancel,
        },
    )
}

fn arb_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        30 => (0.0f32..=1.0).prop_map(|confidence| Act::Answer { confidence }),
        3 => Just(Act::Unchanged),
        1 => Just(Act::NotANumber),
        1 => Just(Act::NoAnswer),
        1 => Just(Act::NothingMore),
        1 => Just(Act::Fail),
        1 => Just(Act::Panic),
    ]
}

fn within_bounds() -> impl Strategy<Value = Option<Duration>> {
    (50u32..=1000).prop_map(|us| Some(us * US))
}

fn arb_cost() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        60 => within_bounds(),
        4 => (1000u32..40_000).prop_map(|us| Some(us * US)),
        1 => (40_000u32..300_000).prop_map(|us| Some(us * US)),
        1 => Just(None),
    ]
}

struct Accepted {
    text: String,
    arrival: Mono,
    deadline: Duration,
    cancelled: bool,
}

/// Asks all of them; who was accepted.
fn ask_all(world: &mut World, all: &[Asked]) -> Result<HashMap<Ticket, Accepted>, TestCaseError> {
    let mut now = at(0);
    let mut accepted = HashMap::new();
    let mut cancels: Vec<(Mono, Ticket)> = Vec::new();
    for (number, asked) in all.iter().enumerate() {
        now = now + US * asked.gap as u32;
        cancels.sort();
        while cancels.first().is_some_and(|(when, _)| *when <= now) {
            let (when, ticket) = cancels.remove(0);
            let found = world.cancel(when, ticket);
            accepted
                .entry(ticket)
                .and_modify(|it: &mut Accepted| it.cancelled = found);
        }
        let text: String = format!("{number} {}", "w".repeat(asked.length));
        let text = if asked.length == 0 {
            String::new()
        } else {
            text
        };
        let fits = mandatory(&text).needs() <= (MS * asked.deadline_ms).saturating_sub(MARGIN);
        match world.ask(now, &text, asked.deadline_ms, asked.policy) {
            Ok(ticket) => {
                prop_assert!(fits && asked.length > 0);
                if let Some(after) = asked.cancel {
                    cancels.push((now + US * after as u32, ticket));
                }
                let it = Accepted {
                    text,
                    arrival: now,
                    deadline: MS * asked.deadline_ms,
                    cancelled: false,
                };
                prop_assert!(accepted.insert(ticket, it).is_none());
            }
            Err(Refused::Unusable(_)) => prop_assert!(asked.length == 0),
            Err(Refused::TooShort(_)) => prop_assert!(!fits, "it would have fitted"),
            Err(Refused::Full { .. }) => prop_assert!(fits),
            Err(Refused::Closed) => prop_assert!(false),
        }
    }
    cancels.sort();
    for (when, ticket) in cancels {
        let found = world.cancel(when, ticket);
        accepted.entry(ticket).and_modify(|it| it.cancelled = found);
    }
    Ok(accepted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The guarantee's sentence, on any machine, up to what the watchdog itself is late.
    #[test]
    fn every_accepted_question_is_answered_once_and_in_time(
        engines in prop::collection::vec(prop::collection::vec(arb_act(), 0..60), 1..3),
        costs in prop::collection::vec(arb_cost(), 0..400),
        all in prop::collection::vec(arb_asked(true), 1..30),
        delays in prop::collection::vec((0u32..3000).prop_map(|us| us * US), 0..100),
    ) {
        quiet_panics();
        let engines = engines.into_iter().map(Scripted::new).collect();
        let mut world = World::new(engines, costs);
        // It is woken again where it asked for a time that has passed: 50 microseconds later.
        let worst = delays.iter().max().map_or(Duration::ZERO, |delay| *delay + 50 * US);
        world.simulated.machine_mut().watchdog_delays = delays;
        let mut accepted = ask_all(&mut world, &all)?;
        let answered = world.drain();

        let counts = world.lane().counts();
        prop_assert_eq!(counts.values.received, all.len() as u64);
        prop_assert_eq!(counts.values.received, counts.values.accepted + counts.values.refused);
        prop_assert_eq!(counts.values.accepted, counts.values.decisions + counts.cancelled);
        prop_assert_eq!(counts.values.accepted, accepted.len() as u64);

        let mut late = 0;
        for (when, answered) in answered {
            let asked = accepted.remove(&answered.ticket);
            prop_assert!(asked.is_some(), "answered twice, or never asked");
            let asked = asked.unwrap();
            let took = when.since(asked.arrival);
            prop_assert_eq!((took, answered.deadline), (answered.took, asked.deadline));
            let cancelled = matches!(answered.outcome, Outcome::Cancelled { .. });
            prop_assert_eq!(cancelled, asked.cancelled);
            prop_assert!(took <= asked.deadline.saturating_sub(MARGIN) + worst, "{answered:?}");
            late += u64::from(took > asked.deadline && !cancelled);
            match answered.outcome {
                Outcome::Model(by) | Outcome::Cancelled { so_far: Some(by) } => {
                    prop_assert_eq!(&by.answer.question, &asked.text);
                    prop_assert_eq!(by.answer.part, by.exit.get());
                    prop_assert!((0.0..=1.0).contains(&by.answer.confidence));
                }
                Outcome::Fallback { why, .. } => prop_assert!(!why.is_empty()),
                Outcome::Cancelled { so_far: None } => {}
            }
        }
        prop_assert!(accepted.is_empty(), "never answered: {:?}", accepted.keys());
        prop_assert_eq!(counts.values.late, late);
    }

    /// On a machine that keeps its bounds, what is accepted while nothing else is asked is the
    /// model's, as deep as fits.
    #[test]
    fn whoever_is_alone_is_answered_by_the_model_as_deep_as_fits(
        costs in prop::collection::vec(within_bounds(), 0..100),
        length in 1usize..200, deadline_ms in 0u32..90,
    ) {
        let mut world = World::new(vec![Scripted::new(vec![])], costs);
        let text = "w".repeat(length);
        if world.ask(at(0), &text, deadline_ms, Policy::Best).is_err() {
            return Ok(());
        }
        let (when, answered) = world.drain().remove(0);
        let Outcome::Model(by) = answered.outcome else {
            return Err(TestCaseError::fail(format!("{answered:?}")));
        };
        let left = when.until(at(0) + MS * deadline_ms - MARGIN);
        prop_assert!(by.exit.get() == PARTS || left < THOUGHT.needs());
        // Nothing was begun that could not fit.
        let begun = &world.simulated.machine().begun;
        for (index, (from, _, part)) in begun.iter().enumerate() {
            let is_first = index == 0 || begun[index - 1].2 != *part;
            if is_first && *part > 0 {
                let due = at(0) + MS * deadline_ms - MARGIN;
                prop_assert!(*from + THOUGHT.needs() <= due);
            }
        }
    }

    /// On a machine that keeps its bounds, thoughts never cost another question its answer.
    #[test]
    fn questions_whose_mandatory_parts_fit_one_behind_the_other_are_all_the_models(
        costs in prop::collection::vec(within_bounds(), 0..300),
        questions in prop::collection::vec((1usize..60, 5u32..150), 1..=ROOM),
    ) {
        let mut world = World::new(vec![Scripted::new(vec![])], costs);
        // The first is begun before the others come.
        let first = mandatory(&"w".repeat(questions[0].0)).needs();
        let mut rest: Vec<_> = questions[1..].to_vec();
        rest.sort_by_key(|(_, deadline_ms)| *deadline_ms);
        let mut sum = first;
        let mut fits = first <= MS * questions[0].1 - MARGIN;
        for (length, deadline_ms) in &rest {
            sum += mandatory(&"w".repeat(*length)).needs();
            fits &= sum <= MS * *deadline_ms - MARGIN;
        }
        prop_assume!(fits);
        for (length, deadline_ms) in &questions {
            let text = "w".repeat(*length);
            prop_assert!(world.ask(at(0), &text, *deadline_ms, Policy::Best).is_ok());
        }
        for (_, answered) in world.drain() {
            prop_assert!(matches!(answered.outcome, Outcome::Model(_)), "{answered:?}");
        }
    }
}
