//! The parameters `footprint`, `robot_radius` and `ignore`: the robot's outline, and the directions
//! that are not looked at.

use std::f64::consts::TAU;

use super::typed_reader::Reader;
use crate::features::{Footprint, Sector};

/// Corners of an outline at most.
const MOST_CORNERS: usize = 128;
/// m from the base frame.
const FARTHEST: f64 = 20.0;
/// Less than this is no robot, m².
const LEAST_AREA: f64 = 1e-4;
/// Sectors at most.
const MOST_SECTORS: usize = 32;

type Corner = [f64; 2];

/// The base frame and the outline drawn in it.
pub(super) fn read_footprint(reader: &mut Reader) -> (String, Option<Footprint>) {
    let base_frame = reader.word("base_frame", "base_link");
    let plain = base_frame.trim_start_matches('/');
    if plain.is_empty() || base_frame.contains(char::is_whitespace) {
        reader.fault(format!(
            "base_frame is \"{base_frame}\"; expected the name of a frame, such as base_link"
        ));
    }
    let text = reader.word("footprint", "[]");
    let radius = reader.double("robot_radius", 0.0);
    let polygon = match corners(&text) {
        Ok(corners) => corners,
        Err(what) => {
            reader.fault(format!(
                "footprint is \"{text}\": {what}; expected [[x, y], [x, y], [x, y], ...] in m, at least \
                 three corners in order"
            ));
            return (base_frame, None);
        }
    };
    let footprint = match polygon {
        Some(_) if radius > 0.0 => {
            reader.fault(format!(
                "footprint and robot_radius ({radius}) are both set; expected one of them"
            ));
            None
        }
        Some(corners) => Some(Footprint::Polygon(corners)),
        None => (radius > 0.0).then_some(Footprint::Circle { radius }),
    };
    (base_frame, footprint)
}

/// The sectors that a source does not look at.
pub(super) fn read_ignored(reader: &mut Reader, source: &str) -> Vec<Sector> {
    let name = format!("{source}.ignore");
    let angles = reader.doubles(("<source>.ignore", &name));
    let pairs = angles.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        reader.fault(format!(
            "{name} holds {} angles; expected pairs, from and to",
            angles.len()
        ));
    }
    if pairs.len() > MOST_SECTORS {
        reader.fault(format!(
            "{name} holds {} sectors; expected {MOST_SECTORS} at most",
            pairs.len()
        ));
    }
    let mut sectors = Vec::new();
    for pair in pairs {
        let [from, to] = [pair[0], pair[1]];
        // NaN is in no range.
        let sound = |angle: f64| (-TAU..=TAU).contains(&angle);
        if !sound(from) || !sound(to) {
            let hint = match from.abs().max(to.abs()) <= 360.0 {
                true => format!(
                    " ({:.4}, {:.4} if these are degrees)",
                    from.to_radians(),
                    to.to_radians()
                ),
                false => String::new(),
            };
            reader.fault(format!(
                "{name} goes from {from} to {to}; expected rad, within a turn of 0{hint}"
            ));
            continue;
        }
        let sector = Sector { from, to };
        if sector.width() == 0.0 {
            reader.fault(format!(
                "{name} goes from {from} to {to}, which holds nothing; expected two angles, the right \
                 one first"
            ));
            continue;
        }
        sectors.push(sector);
    }
    sectors
}

/// None: there is none.
fn corners(text: &str) -> Result<Option<Vec<Corner>>, String> {
    // Such a list is YAML.
    let read: Result<Vec<Vec<f64>>, _> = serde_yaml::from_str(text.trim());
    let Ok(lists) = read else {
        return Err(String::from("it is no list of pairs of numbers"));
    };
    if lists.is_empty() {
        return Ok(None);
    }
    if let Some(wrong) = lists.iter().find(|list| list.len() != 2) {
        return Err(format!("{wrong:?} is no pair"));
    }
    let corners: Vec<Corner> = lists.iter().map(|list| [list[0], list[1]]).collect();
    if !(3..=MOST_CORNERS).contains(&corners.len()) {
        return Err(format!("it has {} corners", corners.len()));
    }
    let sound = |value: &f64| (-FARTHEST..=FARTHEST).contains(value);
    if let Some(far) = corners.iter().find(|corner| !corner.iter().all(sound)) {
        return Err(format!("{far:?} is farther than {FARTHEST} m away"));
    }
    if crosses_itself(&corners) {
        return Err(String::from("two of its edges cross"));
    }
    let area = area(&corners);
    if area < LEAST_AREA {
        return Err(format!("it encloses {area:.6} m²"));
    }
    Ok(Some(corners))
}

fn edges(corners: &[Corner]) -> impl Iterator<Item = (Corner, Corner)> + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().copied().zip(next.copied())
}

fn area(corners: &[Corner]) -> f64 {
    let twice = edges(corners).map(|([x1, y1], [x2, y2])| x1 * y2 - x2 * y1);
    twice.sum::<f64>().abs() / 2.0
}

fn crosses_itself(corners: &[Corner]) -> bool {
    let side = |[ax, ay]: Corner, [bx, by]: Corner, [cx, cy]: Corner| {
        (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    };
    let all: Vec<(Corner, Corner)> = edges(corners).collect();
    all.iter().enumerate().any(|(index, &(a, b))| {
        all[index + 1..].iter().any(|&(c, d)| {
            side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_are_read_as_nav2_writes_them() {
        let square = "[[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]]";
        assert_eq!(corners(square).unwrap().unwrap().len(), 4);
        let integers = corners("[ [1,1],[-1,1],[0,-1] ]").unwrap().unwrap();
        assert_eq!(integers[2], [0.0, -1.0]);
        let hollow = "[[0.4,0.4],[0.4,0.3],[-0.3,0.3],[-0.3,-0.3],[0.4,-0.3],[0.4,-0.4],[-0.4,-0.4],[-0.4,0.4]]";
        assert!(corners(hollow).unwrap().is_some(), "need not be convex");
        for none in ["[]", "", " "] {
            assert_eq!(corners(none), Ok(None), "{none:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_outline_is_named() {
        for (text, word) in [
            ("0.3", "no list"),
            ("[[0.3, 0.2], [", "no list"),
            ("[[a, b], [c, d], [e, f]]", "no list"),
            ("[0.3, 0.2]", "no list"),
            ("[[0.3, 0.2], [-0.3, 0.2], [0.1]]", "[0.1] is no pair"),
            ("[[0.3, 0.2], [-0.3, 0.2]]", "2 corners"),
            (
                "[[300, 200], [-300, 200], [-300, -200]]",
                "[300.0, 200.0] is farther",
            ),
            ("[[0.3, .nan], [-0.3, 0.2], [-0.3, -0.2]]", "farther"),
            ("[[0, 0], [1, 1], [2, 2]]", "encloses 0.000000"),
            ("[[1, 1], [-1, -1], [1, -1], [-1, 1]]", "cross"),
        ] {
            let what = corners(text).unwrap_err();
            assert!(what.contains(word), "{text}: {what}");
        }
    }
}
