//! Link impairments: copies of a recording whose messages are noisy, late, lost or blocked on their
//! way to the window. The truth of such a copy is that of the messages as they were sent.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::augmentation::normal;
use super::corruptions::block;
use super::recording_decoder::{DecodedRecording, RecordedInput};
use crate::features::{FieldNoise, InputSpec, WindowSpec};
use crate::learn::task::augmentation_spec::ImpairmentSpec;
use crate::messages::Message;
use crate::model::uniform;
use crate::time::Stamp;

/// How long the noise stays at a level, and a laser blocked, ns.
const SPELL_NS: i64 = 4_000_000_000;
/// Widest block of beams.
const WIDEST_DEG: f32 = 120.0;

/// The impairments of an input that are the same in a whole copy.
struct LinkImpairment {
    field_noise: FieldNoise,
    late_ns: f32,
    jitter_ns: f32,
    lost: f32,
    /// Gives every number its own offset and gain, the same in every message.
    lasting: ChaCha8Rng,
    /// Standard deviation of the noise in the present spell.
    noise: f64,
    /// When the newest message arrived: the next ones do not overtake it.
    arrived: Stamp,
}

impl LinkImpairment {
    fn draw(spec: &ImpairmentSpec, input: &InputSpec, random: &mut ChaCha8Rng) -> LinkImpairment {
        let mut by_half = |most: f32| match random.next_u32() & 1 == 0 {
            true => most * uniform(random),
            false => 0.0,
        };
        LinkImpairment {
            field_noise: FieldNoise::of(input),
            late_ns: 1e6 * by_half(spec.late_ms),
            jitter_ns: 1e6 * by_half(spec.jitter_ms),
            lost: by_half(spec.lost),
            lasting: ChaCha8Rng::seed_from_u64(random.next_u64()),
            noise: 0.0,
            arrived: Stamp(i64::MIN),
        }
    }

    /// When a message arrives that was sent at `time`.
    fn arrival(&mut self, time: Stamp, random: &mut ChaCha8Rng) -> Stamp {
        let delay = self.late_ns + self.jitter_ns * uniform(random);
        self.arrived = self.arrived.max(Stamp(time.0 + delay as i64));
        self.arrived
    }

    fn field_noise(&self, spec: &ImpairmentSpec, message: &mut Message, random: &mut ChaCha8Rng) {
        let mut lasting = self.lasting.clone();
        let mut lasting = |deviation: f32| f64::from(deviation * normal(&mut lasting));
        self.field_noise.apply(message, |value| {
            let bias = lasting(spec.bias) + lasting(spec.gain) * value;
            bias + self.noise * f64::from(normal(random))
        });
    }
}

/// Beams that return nothing in the present spell: around where (rad, robot frame), how many
/// degrees.
fn blocked(spec: &ImpairmentSpec, random: &mut ChaCha8Rng) -> Option<(f32, f32)> {
    let blocked = uniform(random) < spec.blocked;
    let degrees = WIDEST_DEG * uniform(random);
    let turn = uniform(random) - 0.5;
    // Ahead is where it matters, and by chance it would be rare.
    let ahead = random.next_u32() & 1 == 0;
    let centre = turn * if ahead { degrees.to_radians() } else { TAU };
    blocked.then_some((centre, degrees))
}

/// A recording as it arrives; `yaw` is that of its laser, rad.
pub(in crate::learn) fn impaired(
    spec: &ImpairmentSpec,
    window: &WindowSpec,
    (sources, decoded): (&[RecordedInput], &DecodedRecording),
    yaw: f32,
    random: &mut ChaCha8Rng,
) -> DecodedRecording {
    let draw = |input| LinkImpairment::draw(spec, input, random);
    let mut links: Vec<LinkImpairment> = window.inputs.iter().map(draw).collect();
    let start = decoded.span().0;
    let mut spell = i64::MIN;
    let mut block_of = None;
    let mut messages = Vec::with_capacity(decoded.messages.len());
    for (index, time, message) in &decoded.messages {
        let now = time.delta_ns(start).div_euclid(SPELL_NS);
        if now != spell {
            spell = now;
            block_of = blocked(spec, random);
            for link in &mut links {
                link.noise = f64::from(spec.noise * 10f32.powf(-3.0 * uniform(random)));
            }
        }
        let Some(source) = sources.get(*index) else {
            messages.push((*index, *time, message.clone()));
            continue;
        };
        let link = &mut links[usize::from(source.id.0)];
        if uniform(random) < link.lost {
            continue;
        }
        let message = message.clone().map(|mut message| {
            match &mut message {
                Message::LaserScan(scan) => {
                    if let Some((centre, degrees)) = block_of {
                        block(scan, yaw, centre, degrees);
                    }
                }
                other => link.field_noise(spec, other, random),
            }
            message
        });
        messages.push((*index, link.arrival(*time, random), message));
    }
    messages.sort_by_key(|(_, time, _)| *time);
    DecodedRecording {
        messages,
        label: decoded.label,
        cut: decoded.cut.clone(),
    }
}
