//! The guarantee of the deliberate lane, under a fake clock and on real threads: every accepted
//! question is answered exactly once, by its deadline, or by a declared fallback.

mod properties;
mod threads;
mod world;

use edge_reasoner::scheduler::Policy;
use edge_reasoner::scheduler::questions::{
    Answered, FallbackReason, Outcome, QuestionWorker, Refused,
};
use edge_reasoner::time::Mono;

use world::*;

fn calm() -> World {
    World::new(vec![Scripted::new(vec![])], vec![])
}

fn with(scripts: Vec<Vec<Act>>) -> World {
    World::new(scripts.into_iter().map(Scripted::new).collect(), vec![])
}

/// The exit and the engine of an answer of the model, or why there is none.
fn short(answered: &Answered<Said>) -> Result<(usize, usize), FallbackReason> {
    match &answered.outcome {
        Outcome::Model(by) => Ok((by.exit.get(), by.engine)),
        Outcome::Fallback { reason, .. } => Err(*reason),
        Outcome::Cancelled { .. } => panic!("nobody cancelled {answered:?}"),
    }
}

fn only(world: &mut World) -> (Mono, Result<(usize, usize), FallbackReason>) {
    let all = world.drain();
    assert_eq!(all.len(), 1, "{all:?}");
    (all[0].0, short(&all[0].1))
}

#[test]
fn a_longer_deadline_gives_deeper_exits() {
    // Three layers a part of a millisecond each, one that must be left, and the margin.
    for (deadline, exit) in [(5, 1), (7, 1), (8, 2), (10, 2), (11, 3), (17, 5), (90, 5)] {
        let mut world = calm();
        world.ask(at(0), "why", deadline, Policy::Best).unwrap();
        let (when, found) = only(&mut world);
        assert_eq!(found, Ok((exit, 0)), "{deadline} ms");
        assert_eq!(when, at(3000 * exit as u64));
        let told = world.ear.so_far.lock().unwrap();
        let told: Vec<usize> = told.iter().map(|exit| exit.exit.get()).collect();
        assert_eq!(told, (1..exit).collect::<Vec<_>>(), "so far");
    }
}

#[test]
fn what_cannot_fit_is_refused_at_once_and_what_barely_does_is_answered() {
    let mut world = calm();
    let refused = world.ask(at(0), "why", 4, Policy::Best).unwrap_err();
    assert_eq!(refused, Refused::TooShort(String::from("3ms are left")));
    let refused = world.ask(at(0), " ", 900, Policy::Best).unwrap_err();
    assert_eq!(refused.reason(), FallbackReason::InvalidInput);
    assert!(world.drain().is_empty());
    world.ask(at(200_000), "why", 5, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Ok((1, 0)));
    let counts = world.lane().counts().values;
    assert_eq!(
        (counts.received, counts.refused, counts.accepted),
        (3, 2, 1)
    );
}

#[test]
fn fastest_stops_when_sure_or_when_thoughts_change_nothing() {
    let unsure = Act::Answer { confidence: 0.5 };
    let sure = Act::Answer { confidence: 0.9 };
    for (script, exit) in [
        (vec![sure], 1),
        (vec![unsure, sure], 2),
        (vec![unsure, unsure, Act::Unchanged], 3),
        (vec![unsure, Act::NothingMore], 1),
        (vec![], PARTS),
    ] {
        let mut world = with(vec![script.clone()]);
        world.ask(at(0), "why", 500, Policy::Fastest).unwrap();
        assert_eq!(only(&mut world).1, Ok((exit, 0)), "{script:?}");
    }
    let mut world = with(vec![vec![sure, Act::Unchanged]]);
    world.ask(at(0), "why", 500, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Ok((PARTS, 0)), "best uses the budget");
}

#[test]
fn a_part_that_takes_longer_than_its_bound_is_given_up_and_the_last_exit_stands() {
    // At the third look of the second part the next could come too late.
    let slow = vec![Some(MS), Some(MS), Some(MS), Some(4 * MS), Some(3500 * US)];
    let mut world = World::new(vec![Scripted::new(vec![])], slow);
    world.ask(at(0), "why", 12, Policy::Best).unwrap();
    assert_eq!(only(&mut world), (at(10_500), Ok((1, 0))));
    // The mandatory part itself.
    let slow = vec![Some(MS), Some(4 * MS)];
    let mut world = World::new(vec![Scripted::new(vec![])], slow);
    world.ask(at(0), "why", 6, Policy::Best).unwrap();
    assert_eq!(only(&mut world), (at(5000), Err(FallbackReason::Deadline)));
}

#[test]
fn the_deepest_exit_is_what_the_watchdog_answers_by() {
    let mut costs = vec![Some(MS); 7];
    costs.push(None);
    let mut world = World::new(vec![Scripted::new(vec![])], costs);
    world.ask(at(0), "why", 30, Policy::Best).unwrap();
    assert_eq!(
        only(&mut world),
        (at(29_000), Ok((2, 0))),
        "it hangs in the third part"
    );
    world.ask(at(100_000), "why", 30, Policy::Best).unwrap();
    let (when, second) = world.drain().pop().unwrap();
    assert_eq!(short(&second), Err(FallbackReason::BackendFault));
    assert!(when <= at(130_000));
}

#[test]
fn the_most_urgent_waits_shortest_and_thoughts_make_room_for_it() {
    let mut world = calm();
    let first = world.ask(at(0), "first", 200, Policy::Best).unwrap();
    let late = world.ask(at(500), "late", 100, Policy::Best).unwrap();
    let soon = world.ask(at(600), "soon", 14, Policy::Best).unwrap();
    let all = world.drain();
    let order: Vec<_> = all.iter().map(|(_, answered)| answered.ticket).collect();
    assert_eq!(order, [first, soon, late]);
    let exits: Vec<_> = all.iter().map(|(_, answered)| short(answered)).collect();
    // The first thinks while the others' mandatory parts still fit behind it, and no longer.
    assert_eq!(exits, [Ok((2, 0)), Ok((2, 0)), Ok((5, 0))], "{all:?}");
    assert!(all[1].0 <= at(14_600));
}

#[test]
fn a_thought_is_given_up_within_a_layer_where_another_question_needs_the_engine() {
    let mut world = calm();
    let first = world.ask(at(0), "first", 200, Policy::Best).unwrap();
    // Comes in the first layer of the second part, and must be begun by 4.5 ms.
    world.ask(at(3500), "soon", 6, Policy::Best).unwrap();
    let all = world.drain();
    assert_eq!((all[0].0, all[0].1.ticket), (at(4000), first));
    let exits: Vec<_> = all.iter().map(|(_, answered)| short(answered)).collect();
    assert_eq!(exits, [Ok((1, 0)), Ok((1, 0))], "{all:?}");
}

#[test]
fn a_part_that_takes_long_is_no_stall_while_its_layers_come_back() {
    let mut world = with(vec![vec![], vec![]]);
    // 53 layers, of a millisecond each.
    world
        .ask(at(0), &"w".repeat(400), 56, Policy::Best)
        .unwrap();
    assert_eq!(only(&mut world), (at(53_000), Ok((1, 0))));
    assert_eq!(world.lane().counts().values.engine_changes, 0);
}

#[test]
fn a_question_that_waits_until_it_cannot_be_met_is_answered_then_and_not_later() {
    let mut world = calm();
    // Its mandatory part takes 13 ms.
    world.ask(at(0), &"w".repeat(80), 50, Policy::Best).unwrap();
    world.ask(at(100), "why", 10, Policy::Best).unwrap();
    let all = world.drain();
    assert_eq!(short(&all[0].1), Err(FallbackReason::Deadline));
    // Due at 9.1 ms, and it needs four.
    assert!(at(5100) < all[0].0 && all[0].0 <= at(5200), "{all:?}");
    assert_eq!(short(&all[1].1), Ok((5, 0)));
}

#[test]
fn too_many_that_wait_are_refused() {
    let mut world = calm();
    for _ in 0..ROOM + 1 {
        world.ask(at(0), "why", 900, Policy::Best).unwrap();
    }
    let refused = world.ask(at(0), "why", 900, Policy::Best);
    assert_eq!(refused, Err(Refused::Full { room: ROOM }));
    assert_eq!(world.drain().len(), ROOM + 1);
}

#[test]
fn an_engine_that_fails_panics_or_talks_nonsense_is_followed_by_the_next() {
    quiet_panics();
    for fault in [Act::Fail, Act::Panic, Act::NotANumber] {
        // In its mandatory part and in its second.
        for before in [vec![], vec![Act::Answer { confidence: 0.5 }]] {
            let script = [before, vec![fault]].concat();
            let mut world = with(vec![script.clone(), vec![]]);
            world.ask(at(0), "why", 60, Policy::Best).unwrap();
            world.ask(at(70_000), "why", 60, Policy::Best).unwrap();
            let all = world.drain();
            let found: Vec<_> = all.iter().map(|(_, answered)| short(answered)).collect();
            assert_eq!(found, [Ok((5, 1)), Ok((5, 1))], "{script:?}");
            assert_eq!(world.lane().counts().values.engine_changes, 1);
            let mut alone = with(vec![script.clone()]);
            alone.ask(at(0), "why", 60, Policy::Best).unwrap();
            let found = only(&mut alone).1;
            assert_eq!(found, Err(FallbackReason::BackendFault), "{script:?}");
            let mut both = with(vec![script.clone(), script.clone()]);
            both.ask(at(0), "why", 60, Policy::Best).unwrap();
            let found = only(&mut both).1;
            assert_eq!(found, Err(FallbackReason::BackendFault), "{script:?}");
        }
    }
}

#[test]
fn a_question_without_an_answer_is_no_fault_of_the_engine() {
    let mut world = with(vec![vec![Act::NoAnswer], vec![]]);
    world.ask(at(0), "why", 60, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Err(FallbackReason::BackendFault));
    let mut world = with(vec![
        vec![Act::Answer { confidence: 0.5 }, Act::NoAnswer],
        vec![],
    ]);
    world.ask(at(0), "why", 60, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Ok((1, 0)), "the exit before it stands");
    assert_eq!(world.lane().active_engine(), 0);
}

#[test]
fn an_engine_that_hangs_in_a_layer_is_followed_by_the_next_within_the_question() {
    let costs = vec![Some(MS), None];
    let engines = vec![Scripted::new(vec![]), Scripted::new(vec![])];
    let mut world = World::new(engines, costs);
    world.ask(at(0), "why", 150, Policy::Best).unwrap();
    world.ask(at(10_000), "and", 150, Policy::Best).unwrap();
    let all = world.drain();
    let found: Vec<_> = all.iter().map(|(_, answered)| short(answered)).collect();
    assert_eq!(found, [Ok((5, 1)), Ok((5, 1))], "{all:?}");
    assert!(all.iter().all(|(when, _)| *when <= at(150_000)));
}

#[test]
fn exits_of_an_engine_that_stalled_stand_and_those_of_one_that_failed_do_not() {
    // Two exits, then it hangs; the second engine hangs at once.
    let mut costs = vec![Some(MS); 7];
    costs.extend([None, None]);
    let engines = vec![Scripted::new(vec![]), Scripted::new(vec![])];
    let mut world = World::new(engines, costs);
    world.ask(at(0), "why", 70, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Ok((2, 0)));
}

#[test]
fn a_sound_engine_gets_its_place_back_and_one_that_is_not_does_not() {
    let first = Scripted::new(vec![Act::Fail]);
    let sound = std::sync::Arc::clone(&first.sound);
    let mut world = World::new(vec![first, Scripted::new(vec![])], vec![]);
    world.ask(at(0), "why", 60, Policy::Best).unwrap();
    assert_eq!(only(&mut world).1, Ok((5, 1)));
    *sound.lock().unwrap() = false;
    assert!(world.simulated.check_health(0));
    assert_eq!(world.lane().active_engine(), 1);
    *sound.lock().unwrap() = true;
    assert!(world.simulated.check_health(0) && !world.simulated.check_health(0));
    assert_eq!(world.lane().active_engine(), 0);
    world.ask(at(500_000), "why", 60, Policy::Best).unwrap();
    let (_, last) = world.drain().pop().unwrap();
    assert_eq!(short(&last), Ok((5, 0)));
}

#[test]
fn a_new_engine_takes_the_place_of_one_that_hangs_and_the_question_with_it() {
    let mut world = World::new(vec![Scripted::new(vec![])], vec![Some(MS), None]);
    world.ask(at(0), "why", 150, Policy::Best).unwrap();
    world.simulated.advance_to(at(20_000));
    let worker = QuestionWorker::new(world.lane(), 0, Box::new(Scripted::new(vec![])));
    world.simulated.replace(0, worker);
    assert_eq!(only(&mut world), (at(35_000), Ok((5, 0))));
}

#[test]
fn a_cancelled_question_is_told_once_and_its_engine_is_free_within_a_layer() {
    let mut world = calm();
    let first = world.ask(at(0), "first", 200, Policy::Best).unwrap();
    let next = world.ask(at(100), "next", 100, Policy::Best).unwrap();
    assert!(world.cancel(at(4500), first));
    assert!(!world.cancel(at(4500), first), "once");
    let all = world.drain();
    let Outcome::Cancelled { so_far: Some(by) } = &all[0].1.outcome else {
        panic!("{all:?}");
    };
    assert_eq!((all[0].0, by.exit.get()), (at(4500), 1));
    assert_eq!(all[1].1.ticket, next);
    // In its second layer of the second part at 4.5 ms: the next begins at 5 ms.
    let begun = &world.simulated.machine().begun;
    let layers: Vec<_> = begun.iter().map(|(when, ..)| *when).collect();
    type Begun = Vec<(Mono, usize, usize)>;
    let (before, parts): (Begun, Begun) = begun.iter().partition(|it| it.0 < at(5000));
    assert_eq!((before.len(), parts[0].2), (5, 0), "{layers:?}");
    assert_eq!(parts[0].0, at(5000));
    assert_eq!((all.len(), world.lane().counts().cancelled), (2, 1));
    // One that waits.
    world.ask(at(300_000), "first", 200, Policy::Best).unwrap();
    let waits = world.ask(at(300_000), "waits", 200, Policy::Best).unwrap();
    assert!(world.cancel(at(300_500), waits));
    let all = world.drain();
    assert_eq!(all.len(), 4);
    assert_eq!(all[2].1.outcome, Outcome::Cancelled { so_far: None });
}

#[test]
fn a_lane_that_is_closed_leaves_no_question_open() {
    let mut world = calm();
    for _ in 0..3 {
        world.ask(at(0), "why", 200, Policy::Best).unwrap();
    }
    world.simulated.advance_to(at(1000));
    world.lane().close();
    let refused = world.ask(at(1500), "why", 200, Policy::Best);
    assert_eq!(refused, Err(Refused::Closed));
    let all = world.drain();
    let found: Vec<_> = all.iter().map(|(_, answered)| short(answered)).collect();
    assert_eq!(found, [Err(FallbackReason::Inactive); 3]);
}

fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.to_string().contains("scripted panic") {
                default(info);
            }
        }));
    });
}
