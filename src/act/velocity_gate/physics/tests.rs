use proptest::prelude::*;

use super::*;
use crate::features::Footprint;

fn round(margin_m: f64) -> Physics {
    physics(Footprint::Circle { radius: 0.2 }, margin_m)
}

fn physics(footprint: Footprint, margin_m: f64) -> Physics {
    Physics {
        outline: Outline::from(&footprint),
        braking: Braking {
            latency_s: 0.15,
            deceleration: 0.8,
            turn_deceleration: 2.0,
        },
        margin_m,
        creep_margin_m: 0.03f64.min(margin_m),
        keeps_arc: false,
    }
}

fn around(points: &[BasePoint]) -> Environment<'_> {
    Environment {
        points,
        free_way_m: None,
        stopped: false,
        speed: 0.0,
    }
}

fn motion(forward: f64, left: f64, turn: f64) -> PlanarMotion {
    PlanarMotion {
        forward,
        left,
        turn,
    }
}

#[test]
fn nothing_around_holds_nothing_back() {
    let cap = round(0.1).cap(motion(1.0, 0.5, 1.0), around(&[]));
    assert_eq!(cap, Cap::OPEN);
}

#[test]
fn a_wall_ahead_slows_and_stops_and_never_holds_what_leads_away() {
    let wall = |x: f64| [[x, -0.1], [x, 0.0], [x, 0.1]];
    let passes = |x: f64, forward: f64, turn: f64| {
        round(0.1).cap(motion(forward, 0.0, turn), around(&wall(x)))
    };
    assert_eq!(passes(1.0, 0.5, 0.0), Cap::OPEN, "far enough");
    let near = passes(0.4, 0.5, 0.0);
    assert!((0.1..0.9).contains(&near.linear), "{near:?}");
    let Some(LimitedBy::Seen { point, distance_m }) = near.holds else {
        panic!("{near:?}");
    };
    assert_eq!(point, [0.4, 0.0]);
    assert!((distance_m - 0.2).abs() < 1e-12);
    let at_margin = passes(0.3, 0.5, 1.0);
    assert_eq!(
        (at_margin.linear, at_margin.turn),
        (0.0, 1.0),
        "a disc may turn"
    );
    for x in [0.3, 0.25, 0.21, 0.15] {
        assert_eq!(passes(x, -0.5, 0.0), Cap::OPEN, "away from {x}");
        assert_eq!(passes(x, 0.5, 0.0).linear, 0.0, "towards {x}");
    }
}

#[test]
fn every_direction_is_looked_at() {
    for (point, towards) in [
        ([-0.35, 0.0], motion(-0.5, 0.0, 0.0)),
        ([0.0, 0.35], motion(0.0, 0.5, 0.0)),
        ([0.0, -0.35], motion(0.0, -0.5, 0.0)),
        ([0.25, 0.25], motion(0.4, 0.4, 0.0)),
    ] {
        let points = [point];
        let cap = round(0.1).cap(towards, around(&points));
        assert!(cap.linear < 0.7, "{towards:?} {cap:?}");
        let cap = round(0.1).cap(towards.scaled(-1.0, 1.0), around(&points));
        assert_eq!(cap, Cap::OPEN, "{towards:?} the other way");
    }
}

#[test]
fn beside_a_wall_one_may_drive_along() {
    let wall: Vec<BasePoint> = (-20..=20).map(|i| [f64::from(i) * 0.02, 0.25]).collect();
    // Within the margin of 0.1 m, along and away, and slightly towards it.
    for turn in [0.0, -0.3, 0.05] {
        let cap = round(0.1).cap(motion(0.5, 0.0, turn), around(&wall));
        assert!(cap.linear > 0.6, "{turn} {cap:?}");
    }
    let cap = round(0.1).cap(motion(0.4, 0.3, 0.0), around(&wall));
    assert_eq!(cap.linear, 0.0, "{cap:?}");
}

/// Drives straight on between two posts, `gap_m` from either side, with what passes; how far it
/// gets within half a minute, and its greatest speed (m/s) just before them.
fn between_posts(physics: &Physics, gap_m: f64) -> (f64, f64) {
    let (mut at, mut stopped, mut beside) = (0.0, false, 0.0f64);
    for _ in 0..600 {
        let side = 0.2 + gap_m;
        let posts = [[0.6 - at, side], [0.6 - at, -side]];
        let near = Environment {
            points: &posts,
            free_way_m: None,
            stopped,
            speed: 0.0,
        };
        let cap = physics.cap(motion(0.5, 0.0, 0.0), near);
        stopped = cap.linear == 0.0;
        if (0.45..0.5).contains(&at) {
            beside = beside.max(cap.linear * 0.5);
        }
        at += cap.linear * 0.5 * 0.05;
    }
    (at, beside)
}

#[test]
fn what_is_passed_by_may_be_nearer_the_slower_the_base_is() {
    let physics = round(0.08);
    let mut before = 0.0;
    for gap_m in [0.035, 0.045, 0.055] {
        let (way, beside) = between_posts(&physics, gap_m);
        assert!(way > 1.0, "{gap_m} {way}");
        let most = CREEP + (gap_m - 0.03) / physics.braking.latency_s;
        assert!((before..=most + 1e-9).contains(&beside), "{gap_m} {beside}");
        before = beside;
    }
    assert!(before > CREEP);
    let (way, _) = between_posts(&physics, 0.025);
    assert!(way < 0.6, "nearer than at a creep: {way}");
    let mut strict = round(0.08);
    strict.creep_margin_m = 0.08;
    let (way, _) = between_posts(&strict, 0.055);
    assert!(way < 0.6, "the whole margin at a creep as well: {way}");
}

/// Ranges come in steps, so things do lie exactly there.
#[test]
fn what_lies_exactly_at_the_margin_of_a_creep_is_within_it() {
    let mut physics = round(0.05);
    physics.outline = Outline::from(&Footprint::Circle { radius: 0.22 });
    for stopped in [false, true] {
        let near = Environment {
            points: &[[0.26, 0.0]],
            free_way_m: None,
            stopped,
            speed: 0.0,
        };
        let cap = physics.cap(motion(0.15, 0.0, 1.0), near);
        assert_eq!(cap.linear, 0.0, "{cap:?}");
    }
}

#[test]
fn what_the_way_leads_to_keeps_the_whole_margin() {
    let wall: Vec<BasePoint> = (-5..=5).map(|i| [0.275, f64::from(i) * 0.05]).collect();
    let cap = round(0.08).cap(motion(0.5, 0.0, 0.0), around(&wall));
    assert_eq!(cap.linear, 0.0, "{cap:?}");
}

#[test]
fn a_long_base_may_not_turn_into_what_stands_beside_it() {
    let long = || {
        let corners = vec![[0.5, 0.2], [-0.5, 0.2], [-0.5, -0.2], [0.5, -0.2]];
        physics(Footprint::Polygon(corners), 0.05)
    };
    let points = [[0.4, 0.3]];
    let turn = |rate: f64| long().cap(motion(0.0, 0.0, rate), around(&points));
    assert!(turn(0.8).turn < 0.7, "{:?}", turn(0.8));
    assert_eq!(turn(-0.8), Cap::OPEN);
    let mut car = long();
    car.keeps_arc = true;
    let cap = car.cap(motion(0.5, 0.0, 0.8), around(&points));
    assert!(cap.linear == cap.turn && cap.linear < 0.9, "{cap:?}");
}

#[test]
fn what_the_model_expects_is_a_wall_ahead_alone() {
    let expects = |free_way_m: f64, forward: f64| {
        let around = Environment {
            points: &[],
            free_way_m: Some(free_way_m),
            stopped: false,
            speed: 0.0,
        };
        round(0.1).cap(motion(forward, 0.0, 0.0), around)
    };
    assert_eq!(expects(2.0, 0.5), Cap::OPEN);
    let near = expects(0.4, 0.5);
    assert!((0.1..0.9).contains(&near.linear));
    assert_eq!(near.holds, Some(LimitedBy::Expected { free_way_m: 0.4 }));
    let creep = expects(0.2, 0.5);
    assert!(
        (creep.linear - 0.2).abs() < 1e-9,
        "a creep passes: {creep:?}"
    );
    assert_eq!(expects(0.2, 0.05), Cap::OPEN, "slower already");
    assert_eq!(expects(0.2, -0.5), Cap::OPEN);
}

/// A lidar's noise before a wall, with the base where physics stops it.
#[test]
fn it_does_not_creep_and_halt_by_turns() {
    let physics = round(0.06);
    let (mut at, mut stopped, mut starts) = (0.6, false, 0);
    let mut noise = 1u64;
    for _ in 0..300 {
        let beams: Vec<BasePoint> = (-5..=5)
            .map(|i| {
                noise = noise
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let error = ((noise >> 40) as f64 / (1u64 << 24) as f64 - 0.5) * 0.04;
                [at + error, f64::from(i) * 0.02]
            })
            .collect();
        let around = Environment {
            points: &beams,
            free_way_m: None,
            stopped,
            speed: 0.0,
        };
        let cap = physics.cap(motion(0.5, 0.0, 0.0), around);
        let stops = cap.linear == 0.0;
        starts += u32::from(stopped && !stops);
        stopped = stops;
        at -= cap.linear * 0.05;
    }
    assert!(stopped, "{at}");
    assert!(starts <= 1, "{starts}");
}

fn shape() -> impl Strategy<Value = Footprint> {
    prop_oneof![
        (0.1..0.4f64).prop_map(|radius| Footprint::Circle { radius }),
        (0.2..0.6f64, 0.1..0.4f64)
            .prop_map(|(x, y)| { Footprint::Polygon(vec![[x, y], [-x, y], [-x, -y], [x, -y]]) }),
    ]
}

fn points() -> impl Strategy<Value = Vec<BasePoint>> {
    prop::collection::vec(
        (-1.5..1.5f64, -1.5..1.5f64).prop_map(|(x, y)| [x, y]),
        0..30,
    )
}

fn wanted() -> impl Strategy<Value = PlanarMotion> {
    (
        -1.0..1.0f64,
        prop_oneof![2 => Just(0.0), 1 => -1.0..1.0f64],
        prop_oneof![1 => Just(0.0), 2 => -1.5..1.5f64],
    )
        .prop_map(|(forward, left, turn)| motion(forward, left, turn))
}

/// The whole motion changes at once, as fast as its slowest component can.
fn towards(now: PlanarMotion, told: PlanarMotion, braking: &Braking, step_s: f64) -> PlanarMotion {
    let (drive, turn) = (
        braking.deceleration * step_s,
        braking.turn_deceleration * step_s,
    );
    let (forward, left) = (told.forward - now.forward, told.left - now.left);
    let steps = (forward.hypot(left) / drive)
        .max((told.turn - now.turn).abs() / turn)
        .max(1.0);
    motion(
        now.forward + forward / steps,
        now.left + left / steps,
        now.turn + (told.turn - now.turn) / steps,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn parts_are_parts_and_more_things_outside_the_margin_never_let_more_through(
        footprint in shape(), points in points(), more in points(), wanted in wanted(), keeps_arc: bool,
    ) {
        let mut physics = physics(footprint, 0.05);
        physics.keeps_arc = true;
        let outside = |points: Vec<BasePoint>| -> Vec<BasePoint> {
            points.into_iter().filter(|p| physics.outline.distance(*p) > 0.05 + RELEASE_M).collect()
        };
        let (points, more) = (outside(points), outside(more));
        let few = physics.cap(wanted, around(&points));
        let all: Vec<BasePoint> = points.iter().chain(&more).copied().collect();
        let many = physics.cap(wanted, around(&all));
        prop_assert!(many.linear <= few.linear && many.turn <= few.turn);
        physics.keeps_arc = keeps_arc;
        for cap in [physics.cap(wanted, around(&points)), physics.cap(wanted, around(&all))] {
            prop_assert!((0.0..=1.0).contains(&cap.linear) && (0.0..=1.0).contains(&cap.turn));
            prop_assert_eq!(cap.holds.is_none(), cap.linear == 1.0 && cap.turn == 1.0);
        }
    }

    /// A base that keeps to its arc obeys what passes after its latency, and brakes as it says: it
    /// never touches what stands still.
    #[test]
    fn what_stands_still_is_never_touched(
        footprint in shape(),
        points in points(),
        wish in wanted(),
        keeps_arc: bool,
    ) {
        const STEP_S: f64 = 0.01;
        let mut physics = physics(footprint, 0.08);
        physics.keeps_arc = keeps_arc;
        let outline = physics.outline.clone();
        let mut seen: Vec<BasePoint> = points.into_iter().filter(|p| outline.distance(*p) > 0.09).collect();
        let (mut now, mut stopped) = (PlanarMotion::default(), false);
        // What was let through, and takes effect after the latency: 0.1 s between two scans, the
        // rest on the way.
        let mut orders = std::collections::VecDeque::from(vec![PlanarMotion::default(); 5]);
        let mut order = PlanarMotion::default();
        for step in 0..600 {
            if step % 10 == 0 {
                let near = Environment { points: &seen, free_way_m: None, stopped, speed: now.speed() };
                let cap = physics.cap(wish, near);
                stopped = wish.speed() > 0.0 && cap.linear == 0.0;
                order = wish.scaled(cap.linear, cap.turn);
            }
            orders.push_back(order);
            let told = orders.pop_front().unwrap();
            now = towards(now, told, &physics.braking, STEP_S);
            let ([dx, dy], heading) = now.after(STEP_S);
            let (sin, cos) = heading.sin_cos();
            for point in &mut seen {
                let (x, y) = (point[0] - dx, point[1] - dy);
                *point = [x * cos + y * sin, y * cos - x * sin];
                prop_assert!(outline.distance(*point) > 0.0, "step {step} {point:?}");
            }
        }
    }
}

/// What a scan of 360 beams costs: `cargo test --release --lib cost_of_a_scan -- --ignored
/// --nocapture`
#[test]
#[ignore = "a measurement"]
fn cost_of_a_scan() {
    let room: Vec<BasePoint> = (0..360)
        .map(|i| {
            let (sin, cos) = (f64::from(i) * std::f64::consts::TAU / 360.0).sin_cos();
            [0.45 * cos, 0.45 * sin]
        })
        .collect();
    let corners = vec![[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]];
    for (name, physics) in [
        ("round", round(0.1)),
        ("four corners", physics(Footprint::Polygon(corners), 0.05)),
    ] {
        let start = std::time::Instant::now();
        for i in 0..1000 {
            let wish = motion(0.5, 0.0, f64::from(i) * 1e-3);
            std::hint::black_box(physics.cap(wish, around(std::hint::black_box(&room))));
        }
        println!("{name}: {:.1} µs", start.elapsed().as_secs_f64() * 1e3);
    }
}
