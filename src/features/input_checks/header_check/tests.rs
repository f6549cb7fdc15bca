use proptest::prelude::*;

use super::*;
use crate::features::testing::{START, at};

/// Feeds (header ms, arrival ms) and gives the verdicts.
fn verdicts(ticks: &[(i64, i64)]) -> Vec<HeaderStatus> {
    let mut check = HeaderCheck::default();
    let feed = |&(header, arrival): &(i64, i64)| {
        let header = Header {
            stamp: Stamp(header * 1_000_000),
            frame_id: "laser".to_owned(),
        };
        check.admit(&header, at(arrival))
    };
    ticks.iter().map(feed).collect()
}

fn letters(ticks: &[(i64, i64)]) -> String {
    let letter = |verdict: &HeaderStatus| match verdict {
        HeaderStatus::Accept => 'a',
        HeaderStatus::Anew(_) => 'n',
        HeaderStatus::Refuse(InvalidSample::Repeated { .. }) => 'r',
        HeaderStatus::Refuse(InvalidSample::TwoClocks { .. }) => 't',
        HeaderStatus::Refuse(_) => 'x',
        HeaderStatus::OutOfOrder(_) => 'o',
    };
    verdicts(ticks).iter().map(letter).collect()
}

#[test]
fn a_sensor_clock_hours_away_is_fine() {
    assert_eq!(letters(&[(5, 0), (105, 100), (205, 200)]), "aaa");
    let far = START / 1_000_000 * 3;
    assert_eq!(letters(&[(far, 0), (far + 100, 100)]), "aa");
}

#[test]
fn bursts_and_delays_of_seconds_are_fine() {
    // 3 s of silence on the network, then everything at once.
    assert_eq!(
        letters(&[(1000, 0), (1200, 3200), (1400, 3201), (4200, 3202)]),
        "aaaa"
    );
}

#[test]
fn zero_stamps_count_for_nothing() {
    assert_eq!(
        letters(&[(0, 0), (0, 100), (7000, 200), (0, 300), (7200, 400)]),
        "aaaaa"
    );
}

#[test]
fn a_frozen_stamp_is_refused_until_it_moves_again() {
    assert_eq!(
        letters(&[(1000, 0), (1000, 100), (1000, 9000), (10100, 9100)]),
        "arra"
    );
}

#[test]
fn a_small_step_back_is_out_of_order() {
    assert_eq!(
        letters(&[(1000, 0), (1200, 100), (1100, 200), (1300, 300)]),
        "aaoa"
    );
    let back = verdicts(&[(1000, 0), (900, 100)]).pop().unwrap();
    assert_eq!(back, HeaderStatus::OutOfOrder(Duration::from_millis(100)));
}

#[test]
fn one_odd_stamp_is_refused_and_the_next_good_one_taken() {
    for odd in [1_000_000_000, -1_000_000_000, 20_000] {
        assert_eq!(
            letters(&[(1000, 0), (odd, 100), (1200, 200), (1300, 300)]),
            "axaa"
        );
    }
}

#[test]
fn three_that_agree_are_a_new_clock_however_far_away_it_is() {
    let steps = [
        1_000_000_000,
        50_000,
        -450,
        -1_000,
        -3_000,
        -5_500,
        -1_000_000_000,
    ];
    for step in steps {
        let mut ticks: Vec<(i64, i64)> = (0..5).map(|n| (1000 + 100 * n, 100 * n)).collect();
        ticks.extend((5..12).map(|n| (1000 + 100 * n + step, 100 * n)));
        let found = letters(&ticks).replace('o', "x");
        assert_eq!(found, "aaaaaxxnaaaa", "{step}");
    }
}

#[test]
fn what_a_small_step_back_repeats_it_refuses_and_no_more() {
    // After less than three messages the old stamps are passed, and nothing was anew.
    for step in [-1, -60, -150, -250] {
        let mut ticks: Vec<(i64, i64)> = (0..5).map(|n| (1000 + 100 * n, 100 * n)).collect();
        ticks.extend((5..12).map(|n| (1000 + 100 * n + step, 100 * n)));
        let found = letters(&ticks);
        assert!(!found.contains('n'), "{step}: {found}");
        let refused = found.len() - found.matches('a').count();
        assert!(refused <= 2, "{step}: {found}");
    }
}

#[test]
fn late_ones_that_fill_a_hole_are_out_of_order() {
    // 600 came before 300, 400 and 500.
    let late = [
        (100, 0),
        (200, 100),
        (600, 200),
        (300, 300),
        (400, 400),
        (500, 500),
    ];
    let after = [(700, 600), (800, 700)];
    assert_eq!(letters(&[&late[..], &after].concat()), "aaaoooaa");
    // A stamp seconds ahead once, and the clock goes on: out of order for six messages.
    let mut ticks = vec![(1000, 0), (1100, 100), (4200, 200)];
    ticks.extend((3..12).map(|n| (1000 + 100 * n, 100 * n)));
    assert_eq!(letters(&ticks), "aaaooooonaaa");
}

#[test]
fn two_clocks_in_turn_are_named_and_the_one_in_use_is_kept() {
    for apart in [-3_000, -3_600_000, 3_600_000] {
        let ticks: Vec<(i64, i64)> = (0..40)
            .map(|n| (10_000 + 50 * n + apart * (n % 2), 50 * n))
            .collect();
        let found = letters(&ticks);
        assert!(!found.contains('n'), "{apart}: {found}");
        assert!(found.ends_with("atatatat"), "{apart}: {found}");
    }
    // In threes: the second is taken once, then both are known.
    let ticks: Vec<(i64, i64)> = (0..60)
        .map(|n| (10_000 + 50 * n - 3_000 * (n / 3 % 2), 50 * n))
        .collect();
    let found = letters(&ticks);
    assert_eq!(found.matches('n').count(), 1, "{found}");
    assert!(found.ends_with("tttaaatttaaa"), "{found}");
}

#[test]
fn a_clock_that_comes_back_is_taken_again() {
    let step = |n: i64| if (20..40).contains(&n) { -3_000 } else { 0 };
    let ticks: Vec<(i64, i64)> = (0..80)
        .map(|n| (10_000 + 100 * n + step(n), 100 * n))
        .collect();
    let found = letters(&ticks);
    // Back in doubt: two clocks for five messages, and then it is taken.
    let there = format!("{}oon{}", "a".repeat(20), "a".repeat(17));
    assert_eq!(found, format!("{there}tttttn{}", "a".repeat(34)));
    // Long after, ahead is just ahead.
    let step = |n: i64| if (20..200).contains(&n) { -3_000 } else { 0 };
    let ticks: Vec<(i64, i64)> = (0..220)
        .map(|n| (10_000 + 100 * n + step(n), 100 * n))
        .collect();
    assert!(letters(&ticks).ends_with(&"a".repeat(190)));
}

#[test]
fn a_clip_in_a_loop_begins_anew_every_time() {
    for length in [4, 10, 30, 200] {
        let ticks: Vec<(i64, i64)> = (0..5 * length)
            .map(|n| (10_000 + 100 * (n % length), 100 * n))
            .collect();
        let found = letters(&ticks).replace('o', "x");
        assert_eq!(found.matches('n').count(), 4, "{length}: {found}");
        assert_eq!(found.matches('x').count(), 8, "{length}: {found}");
    }
}

#[test]
fn leaps_that_do_not_agree_or_do_not_move_are_no_clock() {
    let wild = [
        (1000, 0),
        (100_000, 100),
        (900_000, 200),
        (100_000, 300),
        (1400, 400),
    ];
    assert_eq!(letters(&wild), "axxxa");
    assert_eq!(
        letters(&[(1000, 0), (90_000, 100), (90_000, 200), (1300, 300)]),
        "axra"
    );
}

#[test]
fn odd_stamps_with_good_ones_between_are_no_clock() {
    let ticks = [
        (1000, 0),
        (90_000, 100),
        (1200, 200),
        (90_200, 300),
        (1400, 400),
    ];
    assert_eq!(letters(&ticks), "axaxa");
}

#[test]
fn extreme_stamps_do_not_overflow() {
    let max = i64::MAX / 1_000_000;
    assert_eq!(letters(&[(max, 0), (-max, 100), (max - 1, 200)]), "axo");
}

#[test]
fn a_new_frame_is_taken_at_its_third_message_in_a_row() {
    let mut check = HeaderCheck::default();
    let mut feed = |frame: &str| {
        let header = Header {
            stamp: Stamp(0),
            frame_id: frame.to_owned(),
        };
        check.admit(&header, at(0))
    };
    let new = HeaderStatus::Anew(JumpCause::NewFrame("b".to_owned()));
    assert_eq!(feed("a"), HeaderStatus::Accept);
    for frame in ["b", "b", "a", "b", "c", "b", "b"] {
        assert_eq!(feed(frame) == HeaderStatus::Accept, frame == "a", "{frame}");
    }
    assert_eq!(feed("b"), new);
    assert_eq!(feed("b"), HeaderStatus::Accept);
    assert!(matches!(feed("a"), HeaderStatus::Refuse(_)));
}

/// Messages on their way: the period, what the network adds to each, the step and when it comes.
fn stepped(
    period: i64,
    jitter: &[i64],
    (at, step): (usize, i64),
    unit: i64,
) -> Vec<(Stamp, Stamp)> {
    let each = jitter.iter().enumerate();
    each.map(|(n, jitter)| {
        let true_time = START + n as i64 * period * unit;
        let step = if n < at { 0 } else { step };
        (Stamp(true_time + step), Stamp(true_time + jitter * unit))
    })
    .collect()
}

fn judge(messages: &[(Stamp, Stamp)]) -> Vec<HeaderStatus> {
    let mut check = HeaderCheck::default();
    let header = |stamp| Header {
        stamp,
        frame_id: String::new(),
    };
    let each = messages.iter();
    each.map(|(stamp, arrival)| check.admit(&header(*stamp), *arrival))
        .collect()
}

proptest! {
    #[test]
    fn after_any_step_the_fourth_message_is_taken(
        period in 5..1000_i64,
        size in prop_oneof![1..10_000_000_i64, 10_000_000..1_000_000_000_000_i64],
        back in any::<bool>(),
        jitter in prop::collection::vec(0..100_i64, 40),
        at in 2..20_usize,
    ) {
        // In µs; jitter is up to a tenth of the period.
        let jitter: Vec<i64> = jitter.iter().map(|part| part * period).collect();
        let step = if back { -size } else { size } * 1_000;
        let found = judge(&stepped(period * 1_000, &jitter, (at, step), 1_000));
        let refused: Vec<usize> = (0..found.len()).filter(|n| found[*n] != HeaderStatus::Accept).collect();
        prop_assert!(refused.iter().all(|n| (at..at + 3).contains(n)), "{refused:?}");
        let anew = found.iter().filter(|verdict| matches!(verdict, HeaderStatus::Anew(_)));
        prop_assert!(anew.count() <= 1);
    }

    #[test]
    fn in_order_no_delay_makes_a_new_clock(
        period in 5..300_i64,
        jitter in prop::collection::vec(0..4_000_i64, 2..100),
    ) {
        // Held up by up to 4 s, and then all at once.
        let mut messages = stepped(period, &jitter, (0, 0), 1_000_000);
        let mut newest = Stamp(0);
        for (_, arrival) in &mut messages {
            newest = newest.max(*arrival);
            *arrival = newest;
        }
        prop_assert!(judge(&messages).iter().all(|verdict| *verdict == HeaderStatus::Accept));
    }

    #[test]
    fn one_or_two_out_of_order_make_no_new_clock(
        period in 5..300_i64,
        swaps in prop::collection::vec((1..4_usize, 3..20_usize), 1..10),
    ) {
        let mut messages = stepped(period, &[0; 200], (0, 0), 1_000_000);
        let mut at = 3;
        for (late, distance) in swaps {
            if at + late < messages.len() {
                let stamp = messages[at].0;
                (at..at + late).for_each(|n| messages[n].0 = messages[n + 1].0);
                messages[at + late].0 = stamp;
            }
            at += late + distance;
        }
        for verdict in judge(&messages) {
            prop_assert!(matches!(verdict, HeaderStatus::Accept | HeaderStatus::OutOfOrder(_)), "{verdict:?}");
        }
    }

    #[test]
    fn two_clocks_however_mixed_do_not_flip_for_ever(
        apart in prop_oneof![-5_000_000..-1_000_i64, 6_000..5_000_000_i64],
        second in prop::collection::vec(any::<bool>(), 3000),
    ) {
        let each = second.iter().enumerate();
        let messages = each.map(|(n, second)| {
            let time = START + n as i64 * 50_000_000;
            let apart = if *second { apart * 1_000_000 } else { 0 };
            (Stamp(time + apart), Stamp(time))
        });
        let found = judge(&messages.collect::<Vec<_>>());
        let flips = found.iter().filter(|verdict| matches!(verdict, HeaderStatus::Anew(_))).count();
        prop_assert!(flips <= 8, "{flips}");
        let named = |verdict: &&HeaderStatus| {
            matches!(verdict, HeaderStatus::Refuse(InvalidSample::TwoClocks { .. }))
        };
        prop_assert!(found.iter().filter(named).count() > 500);
    }
}
