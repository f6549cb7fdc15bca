//! Values of real and of made lasers, scan by scan.

mod codes;
mod specks;

use super::*;
use crate::features::testing::MS;

const HALF_ANGLE: f32 = 22.5 * std::f32::consts::PI / 180.0;
/// A scan every 100 ms.
const PERIOD: i64 = 100 * MS;

/// A laser of a full turn, or of less, that looks forward in its middle.
#[derive(Clone, Copy, Debug)]
struct Laser {
    beams: usize,
    /// rad, whole.
    view: f32,
    clockwise: bool,
    range_min: f32,
    /// Standard noise, m.
    noise: f32,
    /// Ranges are multiples of this, m; 0: of nothing.
    quantum: f32,
}

const LASER: Laser = Laser {
    beams: 360,
    view: std::f32::consts::TAU,
    clockwise: false,
    range_min: 0.12,
    noise: 0.003,
    quantum: 0.0,
};

/// -1 to 1, the same for the same number.
fn noise(seed: u64) -> f32 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

impl Laser {
    /// Scan number `n`, where `truth` says what is in a direction (rad, left positive).
    fn look(&self, n: i64, truth: impl Fn(f32) -> f32) -> LaserScan {
        let step = self.view / self.beams as f32 * if self.clockwise { -1.0 } else { 1.0 };
        let first = -step * (self.beams as f32 - 1.0) / 2.0;
        let range = |beam: usize| {
            let range = truth(first + beam as f32 * step);
            let range = range + self.noise * noise(n as u64 * 10_000 + beam as u64);
            match self.quantum > 0.0 && range.is_finite() {
                true => (range / self.quantum).round() * self.quantum,
                false => range,
            }
        };
        LaserScan {
            angle_min: first,
            angle_max: first + step * (self.beams as f32 - 1.0),
            angle_increment: step,
            range_min: self.range_min,
            range_max: 10.0,
            ranges: (0..self.beams).map(range).collect(),
            ..LaserScan::default()
        }
    }

    fn replaced(&self, mut scan: LaserScan, code: f32) -> LaserScan {
        for range in &mut scan.ranges {
            if *range < self.range_min {
                *range = code;
            }
        }
        scan
    }
}

/// A wall `distance` ahead, turned by `slant` (rad), in a large room.
fn wall(distance: f32, slant: f32) -> impl Fn(f32) -> f32 {
    move |angle| {
        let towards = (angle - slant).cos();
        let range = if towards > 0.05 {
            distance / towards
        } else {
            6.0
        };
        range.min(6.0)
    }
}

fn preparation(below_min: BelowMin, speck_filter: SpeckFilter) -> ScanPreparation {
    ScanPreparation::new(&SourceSettings {
        below_min,
        speck_filter,
        ..SourceSettings::default()
    })
}

fn auto() -> ScanPreparation {
    preparation(BelowMin::Auto, SpeckFilter::None)
}

/// What is ahead by scan number `n`; infinite where nothing is.
fn ahead(preparation: &mut ScanPreparation, n: i64, scan: &LaserScan) -> f32 {
    let prepared = preparation.prepare(scan, Stamp(1_000 + n * PERIOD));
    prepared.clearance(HALF_ANGLE).unwrap_or(f32::INFINITY)
}

fn lasers() -> Vec<Laser> {
    let mut lasers = Vec::new();
    for (beams, view) in [
        (90, std::f32::consts::TAU),
        (360, std::f32::consts::TAU),
        (1440, std::f32::consts::TAU),
        (181, 3.15),
        (640, 1.2),
    ] {
        for clockwise in [false, true] {
            for range_min in [0.06, 0.12, 0.2, 0.45] {
                lasers.push(Laser {
                    beams,
                    view,
                    clockwise,
                    range_min,
                    ..LASER
                });
            }
        }
    }
    lasers
}

#[test]
fn an_approached_wall_stays_near_whatever_the_driver_says_below_range_min() {
    for laser in lasers() {
        for code in [
            f32::NEG_INFINITY,
            0.0,
            f32::NAN,
            f32::INFINITY,
            -1.0,
            0.006,
            0.04,
        ] {
            for (speed, slant) in [
                (0.1, 0.0),
                (0.25, 0.0),
                (0.6, 0.0),
                (0.25, 0.5),
                (0.25, -0.3),
            ] {
                let mut preparation = auto();
                let mut n = 0;
                let mut distance: f32 = 1.5;
                while distance > -0.3 {
                    let scan = laser.look(n, wall(distance.max(0.01), slant));
                    let scan = laser.replaced(scan, code);
                    let found = ahead(&mut preparation, n, &scan);
                    let nearest = distance / (slant.abs() - HALF_ANGLE).max(0.0).cos();
                    let most = nearest.max(laser.range_min) + 0.06;
                    assert!(
                        found <= most,
                        "{laser:?} {code} {speed} {slant}: {found} at {distance}"
                    );
                    n += 1;
                    distance -= speed * 0.1;
                }
                // A robot that stands there does not forget it.
                let scan = laser.replaced(laser.look(n, wall(0.01, slant)), code);
                for _ in 0..600 {
                    n += 1;
                    let found = ahead(&mut preparation, n, &scan);
                    assert!(found <= laser.range_min, "{laser:?} {code}: forgotten");
                }
            }
        }
    }
}

#[test]
fn what_was_near_is_free_when_it_is_seen_free() {
    let mut preparation = auto();
    let mut n = 0;
    for step in 0..60 {
        let distance = 0.6 - 0.01 * step as f32;
        let scan = LASER.replaced(LASER.look(n, wall(distance.max(0.01), 0.0)), 0.0);
        ahead(&mut preparation, n, &scan);
        n += 1;
    }
    let free = LASER.look(n, |_| 4.0);
    assert!(ahead(&mut preparation, n, &free) > 3.0);
    let nothing = LASER.look(n, |_| 0.0);
    assert_eq!(ahead(&mut preparation, n + 1, &nothing), f32::INFINITY);
}

#[test]
fn what_was_near_is_let_go_when_the_robot_has_left() {
    // A post comes near in a room; then the scene is another one, with open space where it was.
    let code = 0.0;
    let post = |distance: f32| move |angle: f32| if angle.abs() < 0.3 { distance } else { 2.0 };
    let mut preparation = auto();
    for n in 0..40 {
        let scan = LASER.replaced(LASER.look(n, post((0.5 - 0.02 * n as f32).max(0.01))), code);
        let found = ahead(&mut preparation, n, &scan);
        assert!(found < 0.6, "{n}: {found}");
    }
    let elsewhere = |angle: f32| if angle.abs() < 0.5 { 0.0 } else { 4.0 };
    let found = ahead(&mut preparation, 60, &LASER.look(60, elsewhere));
    assert!(found < 0.2, "{found}");
    let found = ahead(&mut preparation, 61, &LASER.look(61, elsewhere));
    assert_eq!(found, f32::INFINITY);
}

#[test]
fn lost_beams_and_a_stray_one_near_range_min_hold_nothing() {
    let mut preparation = auto();
    for n in 0..100 {
        let mut scan = LASER.look(n, |_| 1.0);
        for (beam, range) in scan.ranges.iter_mut().enumerate() {
            if noise(n as u64 * 31 + beam as u64) < -0.4 {
                *range = 0.0;
            }
        }
        if n % 10 == 5 {
            scan.ranges[180] = 0.13;
        }
        let found = ahead(&mut preparation, n, &scan);
        assert_eq!(found < 0.5, n % 10 == 5, "{n}: {found}");
    }
}

#[test]
fn plus_inf_after_something_stood_near_is_free() {
    let mut preparation = auto();
    for n in 0..20 {
        ahead(&mut preparation, n, &LASER.look(n, |_| 0.14));
    }
    let free = LASER.look(20, |_| f32::INFINITY);
    assert_eq!(ahead(&mut preparation, 20, &free), f32::INFINITY);
}

#[test]
fn a_reset_forgets_what_was_near() {
    let mut preparation = auto();
    for n in 0..20 {
        ahead(&mut preparation, n, &LASER.look(n, |_| 0.14));
    }
    preparation.reset();
    let nothing = LASER.look(20, |_| 0.0);
    assert_eq!(ahead(&mut preparation, 20, &nothing), f32::INFINITY);
}

#[test]
fn a_parameter_takes_all_or_none() {
    let code = LASER.look(0, |angle| if angle.abs() < 0.1 { 0.006 } else { 4.0 });
    let of = |below_min| ahead(&mut preparation(below_min, SpeckFilter::None), 0, &code);
    assert!(of(BelowMin::Near) < 0.01);
    assert!(of(BelowMin::Auto) > 3.0 && of(BelowMin::None) > 3.0);
    let inf = LASER.look(0, |_| f32::NEG_INFINITY);
    let of = |below_min| ahead(&mut preparation(below_min, SpeckFilter::None), 0, &inf);
    assert_eq!(of(BelowMin::Auto), 0.12);
    assert_eq!(of(BelowMin::None), f32::INFINITY);
}

#[test]
fn what_was_found_out_is_said_once() {
    let mut preparation = auto();
    let laser = Laser {
        range_min: 0.45,
        ..LASER
    };
    let mut said = Vec::new();
    for n in 0..5 {
        let mut scan = laser.look(n, |angle| if angle.abs() < 0.3 { 0.3 } else { 4.0 });
        scan.ranges[3] = 0.006;
        preparation.prepare(&scan, Stamp(1_000 + n * PERIOD));
        while let Some(news) = preparation.news() {
            said.push(news.to_string());
        }
    }
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("measurements") && said[0].contains("0.45 m"));
    assert!(said[1].contains("the constant 0.006 m"), "{said:?}");
    let line = preparation.finding().to_string();
    assert!(line.contains("codes of the driver: 0.006 m"), "{line}");
}

#[test]
fn a_laser_whose_beam_count_changes_keeps_what_it_knows() {
    let mut preparation = auto();
    for n in 0..60 {
        let laser = Laser {
            beams: 355 + (n * 7 % 11) as usize,
            ..LASER
        };
        let scan = laser.replaced(
            laser.look(n, wall((0.6 - 0.01 * n as f32).max(0.01), 0.0)),
            0.0,
        );
        let found = ahead(&mut preparation, n, &scan);
        assert!(found < 0.7, "{n}: {found}");
    }
}
