//! A decision as `visualization_msgs/msg/MarkerArray`, for RViz and Foxglove: label, source,
//! confidence, and the sectors of the scan that the decision rests on.

use std::time::Duration;

use serde::Serialize;

use super::encode::{DecisionNames, HeaderWire, encode};
use super::velocity_gate::{GateState, HeldBy};
use crate::scheduler::{Decision, DecisionSource};

/// Type of the message.
pub const MARKERS_TYPE: &str = "visualization_msgs/msg/MarkerArray";

/// Markers go by themselves where the node does: after this time.
const LIFETIME: Duration = Duration::from_secs(2);
/// Height of the text above the sensor, and of its letters, m.
const TEXT: (f64, f64) = (0.8, 0.2);

/// Diameter of the ball at the point that holds a command back, m.
const BALL: f64 = 0.1;

/// A sector of the scan in which something is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SectorMarker {
    /// Where it begins and ends, rad in the decision's frame.
    pub edges: (f32, f32),
    /// The nearest thing, m.
    pub nearest_m: f32,
    /// How much the decision rests on it, 0 to 1 for the one it rests on most.
    pub weight: f32,
}

/// The point that holds a command back, and its frame.
pub struct LimitMarker<'a> {
    /// The base frame.
    pub frame: &'a str,
    /// By the velocity gate.
    pub passing: GateState,
}

// As visualization_msgs/msg/Marker numbers them.
const SPHERE: i32 = 2;
const TEXT_VIEW_FACING: i32 = 9;
const TRIANGLE_LIST: i32 = 11;
const ADD: i32 = 0;

/// Field for field `visualization_msgs/msg/Marker`.
#[derive(Serialize)]
struct MarkerWire<'a> {
    header: HeaderWire<'a>,
    ns: &'a str,
    id: i32,
    kind: i32,
    action: i32,
    position: [f64; 3],
    orientation: [f64; 4],
    scale: [f64; 3],
    color: Color,
    lifetime: (i32, u32),
    frame_locked: bool,
    points: Vec<[f64; 3]>,
    colors: Vec<Color>,
    texture_resource: &'a str,
    texture: (HeaderWire<'a>, &'a str, &'a [u8]),
    uv_coordinates: &'a [[f32; 2]],
    text: &'a str,
    mesh_resource: &'a str,
    mesh_file: (&'a str, &'a [u8]),
    mesh_use_embedded_materials: bool,
}

/// Red, green, blue, alpha.
type Color = [f32; 4];

/// Writes the CDR bytes of two markers into `out`: the decision in words over the sensor, and a
/// triangle per sector, the redder the more the decision rests on it. Both are in the decision's
/// frame and of its stamp. Where something that a scan shows holds a command back, a ball is there:
/// red where nothing of the speed passes, else yellow.
pub fn encode_markers(
    (decision, words): (&Decision, &DecisionNames),
    seen: &[SectorMarker],
    held_back: Option<LimitMarker<'_>>,
    out: &mut Vec<u8>,
) {
    let header = || HeaderWire {
        stamp: decision.trigger.stamp.into(),
        frame_id: &decision.trigger.frame,
    };
    let text = in_words(decision, words);
    let marker = |id: i32, kind: i32, position, scale, color| MarkerWire {
        header: header(),
        ns: "edge_reasoner",
        id,
        kind,
        action: ADD,
        position,
        orientation: [0.0, 0.0, 0.0, 1.0],
        scale,
        color,
        lifetime: (LIFETIME.as_secs() as i32, 0),
        frame_locked: false,
        points: Vec::new(),
        colors: Vec::new(),
        texture_resource: "",
        texture: (header(), "", &[]),
        uv_coordinates: &[],
        text: "",
        mesh_resource: "",
        mesh_file: ("", &[]),
        mesh_use_embedded_materials: false,
    };
    let (above, letters) = TEXT;
    let said = MarkerWire {
        text: &text,
        ..marker(
            0,
            TEXT_VIEW_FACING,
            [0.0, 0.0, above],
            [0.0, 0.0, letters],
            colour_of(decision.source),
        )
    };
    let view = MarkerWire {
        points: seen.iter().flat_map(triangle).collect(),
        colors: seen
            .iter()
            .flat_map(|one| [weighed(one.weight); 3])
            .collect(),
        ..marker(1, TRIANGLE_LIST, [0.0; 3], [1.0; 3], weighed(0.0))
    };
    let mut markers = vec![said, view];
    if let Some(held_back) = held_back
        && let HeldBy::Scan { point: [x, y], .. } = held_back.passing.held_by
    {
        let colour = match held_back.passing.word() {
            "stop" => [1.0, 0.2, 0.1, 0.9],
            _ => [1.0, 0.8, 0.1, 0.9],
        };
        markers.push(MarkerWire {
            header: HeaderWire {
                stamp: decision.trigger.stamp.into(),
                frame_id: held_back.frame,
            },
            ..marker(2, SPHERE, [x, y, 0.0], [BALL; 3], colour)
        });
    }
    encode(&markers, out);
}

fn in_words(decision: &Decision, words: &DecisionNames) -> String {
    let label = words.label(decision.label);
    match decision.source {
        DecisionSource::Model => format!(
            "{label} {:.2}\nexit {} of {}",
            decision.confidence, decision.exit, decision.exits
        ),
        DecisionSource::Hold => format!("{label} (held)\n{}", decision.reason),
        DecisionSource::Fallback => format!("{label} (fallback)\n{}", decision.reason),
    }
}

fn colour_of(source: DecisionSource) -> Color {
    match source {
        DecisionSource::Model => [1.0, 1.0, 1.0, 1.0],
        DecisionSource::Hold => [1.0, 0.75, 0.2, 1.0],
        DecisionSource::Fallback => [1.0, 0.3, 0.2, 1.0],
    }
}

fn weighed(weight: f32) -> Color {
    let weight = weight.clamp(0.0, 1.0);
    [
        0.3 + 0.7 * weight,
        0.5 - 0.35 * weight,
        0.8 - 0.7 * weight,
        0.2 + 0.6 * weight,
    ]
}

fn triangle(seen: &SectorMarker) -> [[f64; 3]; 3] {
    let at = |angle: f32| {
        let (sin, cos) = f64::from(angle).sin_cos();
        let range = f64::from(seen.nearest_m);
        [range * cos, range * sin, 0.0]
    };
    [[0.0; 3], at(seen.edges.0), at(seen.edges.1)]
}
