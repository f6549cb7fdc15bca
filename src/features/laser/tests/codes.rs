//! Positive values below range_min: things, and constants of drivers.

use super::*;

#[test]
fn something_that_appears_below_range_min_counts_at_first_sight() {
    for laser in lasers() {
        for (noise, quantum) in [(0.003, 0.0), (0.002, 0.001), (0.0, 0.001), (0.0, 0.0)] {
            let laser = Laser {
                noise,
                quantum,
                ..laser
            };
            let at = 0.8 * laser.range_min;
            // 30 cm wide, before an empty room.
            let half = (0.15 / at).atan();
            let scene = move |angle: f32| {
                if angle.abs() < half {
                    at / angle.cos()
                } else {
                    6.0
                }
            };
            let mut preparation = auto();
            for n in 0..50 {
                let scan = laser.look(n, |angle| if n < 10 { 6.0 } else { scene(angle) });
                let found = ahead(&mut preparation, n, &scan);
                match n < 10 {
                    true => assert!(found > 5.0, "{laser:?}: {found}"),
                    false => assert!((found - at).abs() < 0.01, "{laser:?} {n}: {found}"),
                }
            }
            assert_eq!(preparation.finding().codes(), [0.0; 0], "{laser:?}");
        }
    }
}

#[test]
fn something_thin_below_range_min_counts_from_its_third_scan_on() {
    let laser = Laser {
        range_min: 0.45,
        ..LASER
    };
    let mut preparation = auto();
    for n in 0..20 {
        let mut scan = laser.look(n, |_| 6.0);
        scan.ranges[180] = 0.3;
        let found = ahead(&mut preparation, n, &scan);
        assert_eq!(found < 1.0, n >= 2, "{n}: {found}");
    }
}

/// How many of 100 scans of an open room see something near under such codes.
fn misled(laser: Laser, codes: &[f32], share: f32) -> usize {
    let mut preparation = auto();
    let mut misled = 0;
    for n in 0..100 {
        let mut scan = laser.look(n, |_| 4.0);
        for (beam, range) in scan.ranges.iter_mut().enumerate() {
            let draw = noise(n as u64 * 7_919 + beam as u64 * 104_729 + 17);
            if (draw + 1.0) / 2.0 < share {
                *range = codes[(beam * 31 + n as usize * 7) % codes.len()];
            }
        }
        misled += usize::from(ahead(&mut preparation, n, &scan) < 1.0);
    }
    misled
}

#[test]
fn codes_of_a_driver_are_no_obstacles() {
    for laser in lasers() {
        for share in [0.01, 0.09, 0.3] {
            assert_eq!(
                misled(laser, &[0.006, 0.019], share),
                0,
                "{laser:?} {share}"
            );
            for codes in [&[0.03][..], &[0.05, 0.03], &[0.1, 0.11, 0.3, 0.04]] {
                let below: Vec<f32> = codes
                    .iter()
                    .copied()
                    .filter(|c| *c < laser.range_min)
                    .collect();
                if !below.is_empty() {
                    let count = misled(laser, &below, share);
                    // One of few beams is wide enough to be a thing.
                    let most = if laser.beams < 180 { 6 } else { 1 };
                    assert!(count <= most, "{laser:?} {share} {below:?}: {count} of 100");
                }
            }
        }
    }
}

/// By which scan a block that says one value throughout is free; none in 100.
fn free_after(laser: Laser, value: f32, half: f32) -> Option<i64> {
    let mut preparation = auto();
    let look = |n| {
        let mut scan = laser.look(n, |_| 4.0);
        for (beam, range) in scan.ranges.iter_mut().enumerate() {
            let angle = scan.angle_min + beam as f32 * scan.angle_increment;
            *range = if angle.abs() < half { value } else { *range };
        }
        scan
    };
    (0..100).find(|n| ahead(&mut preparation, *n, &look(*n)) > 1.0)
}

#[test]
fn one_block_of_a_code_is_told_by_not_varying_where_all_else_does() {
    let laser = Laser {
        range_min: 0.45,
        ..LASER
    };
    for value in [0.05, 0.1, 0.3] {
        let found = free_after(laser, value, 0.2).unwrap_or(100);
        assert!(found <= 10, "{value}: {found}");
    }
    // A plane at an even distance that a laser without noise sees from a robot at rest is one, too.
    let exact = Laser {
        noise: 0.0,
        quantum: 0.001,
        ..laser
    };
    assert_eq!(free_after(exact, 0.1, 0.05), None);
}
