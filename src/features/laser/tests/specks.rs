//! Returns that stand alone, and things that are only thin.

use super::*;

#[test]
fn a_beam_alone_is_dropped_where_asked_and_two_are_not() {
    for beam in [180, 0] {
        let mut preparation = preparation(BelowMin::Auto, SpeckFilter::Beams);
        let mut scan = LASER.look(0, |_| 4.0);
        scan.ranges[beam] = 0.5;
        let nearest = |preparation: &mut ScanPreparation, scan: &LaserScan| {
            let prepared = preparation.prepare(scan, Stamp(1));
            let seen = prepared.beams().filter_map(|beam| match beam {
                Beam::At(range) => Some(range),
                _ => None,
            });
            seen.fold(f32::INFINITY, f32::min)
        };
        assert!(nearest(&mut preparation, &scan) > 1.0);
        // Over the seam as well.
        scan.ranges[(beam + 359) % 360] = 0.52;
        assert!(nearest(&mut preparation, &scan) < 1.0);
    }
}

#[test]
fn over_scans_only_what_was_there_before_is_seen_however_thin_and_fast() {
    for turn in [0.0, 0.5, 2.0, -2.0] {
        for speed in [0.0, 0.5, 1.5] {
            let mut preparation = preparation(BelowMin::Auto, SpeckFilter::Scans);
            for n in 0..10 {
                let mut scan = LASER.look(n, |_| 6.0);
                if n >= 3 {
                    let degrees = (turn * 0.1 * n as f32).to_degrees().round() as i64;
                    scan.ranges[(180 + degrees) as usize] = 3.0 - speed * 0.1 * n as f32;
                }
                let prepared = preparation.prepare(&scan, Stamp(1_000 + n * PERIOD));
                let seen = prepared
                    .beams()
                    .any(|beam| matches!(beam, Beam::At(range) if range < 4.0));
                assert_eq!(seen, n >= 4, "{turn} {speed} {n}");
            }
        }
    }
    let mut preparation = preparation(BelowMin::Auto, SpeckFilter::Scans);
    for n in 0..40 {
        let mut scan = LASER.look(n, |_| 6.0);
        if n % 10 == 5 {
            scan.ranges[180] = 0.5;
        }
        assert!(ahead(&mut preparation, n, &scan) > 5.0, "{n}");
    }
}
