//! Corruptions of a recording for robustness tests: a worse sensor, a worse network or a wrong
//! set-up. Messages are changed, never features, so that everything behind them is what the node
//! does.

use std::f32::consts::{PI, TAU};

use rand_chacha::ChaCha8Rng;

use super::augmentation::normal;
use super::recording_decoder::{DecodedRecording, RecordedInput};
use crate::features::{FieldNoise, WindowSpec};
use crate::messages::{LaserScan, Message};
use crate::model::uniform;

/// A corruption of a recording's messages. Inputs are numbered as in the window.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::learn) enum Corruption {
    /// This share of the beams returns nothing, each by itself, others in every scan.
    BeamsLost(f32),
    /// The same in blocks of 5 to 30 degrees: dark, shiny or distant things.
    BlocksLost(f32),
    /// Standard deviation of noise on every range, m.
    RangeNoise(f32),
    /// So many degrees ahead return nothing: a wrongly mounted bumper, a dirty window.
    BlockedAhead(f32),
    /// The same in a direction by chance that stays for the whole recording.
    BlockedAnywhere(f32),
    /// The scans are turned by so many degrees, to a side by chance that stays.
    Turned(f32),
    /// Noise on every field that the input shows, its standard deviation as a share of the scale.
    Noisy { input: usize, share: f64 },
    /// These inputs send nothing.
    Missing(Vec<usize>),
    /// Every message of the input arrives so much later, with the stamp it had.
    Late { input: usize, ms: u32 },
}

impl Corruption {
    /// The recording under this disturbance; `yaw` is that of its laser, rad. From the same
    /// beginning of `random` a stronger disturbance of a kind hits what a weaker one hits.
    pub(in crate::learn) fn apply(
        &self,
        window: &WindowSpec,
        (sources, decoded): (&[RecordedInput], &DecodedRecording),
        yaw: f32,
        random: &mut ChaCha8Rng,
    ) -> DecodedRecording {
        let input = |index: usize| sources.get(index).map(|source| usize::from(source.id.0));
        let mut messages = decoded.messages.clone();
        match self {
            Corruption::Missing(inputs) => {
                messages.retain(|(index, ..)| input(*index).is_none_or(|i| !inputs.contains(&i)));
            }
            Corruption::Late { input: late, ms } => {
                for (index, time, _) in &mut messages {
                    if input(*index) == Some(*late) {
                        time.0 += i64::from(*ms) * 1_000_000;
                    }
                }
                messages.sort_by_key(|(_, time, _)| *time);
            }
            Corruption::Noisy {
                input: noisy,
                share,
            } => {
                let field_noise = FieldNoise::of(&window.inputs[*noisy]);
                for (index, _, message) in &mut messages {
                    if let (Some(message), true) = (message, input(*index) == Some(*noisy)) {
                        field_noise.apply(message, |_| share * f64::from(normal(random)));
                    }
                }
            }
            _ => {
                let lasting = uniform(random);
                for (_, _, message) in &mut messages {
                    if let Some(Message::LaserScan(scan)) = message {
                        self.apply_to_scan(scan, yaw, lasting, random);
                    }
                }
            }
        }
        DecodedRecording {
            messages,
            label: decoded.label,
            cut: decoded.cut.clone(),
        }
    }

    /// `lasting`: a number in 0..1 that is the same in the whole recording.
    fn apply_to_scan(&self, scan: &mut LaserScan, yaw: f32, lasting: f32, random: &mut ChaCha8Rng) {
        match self {
            Corruption::BeamsLost(share) => {
                for range in &mut scan.ranges {
                    if uniform(random) < *share {
                        *range = NO_RETURN;
                    }
                }
            }
            Corruption::BlocksLost(share) => {
                let mut left = 0.0;
                let mut lost = false;
                for range in &mut scan.ranges {
                    if left <= 0.0 {
                        left = (5.0 + 25.0 * uniform(random)).to_radians();
                        lost = uniform(random) < *share;
                    }
                    // A scan of one beam may say no step; it is then one block.
                    left -= scan.angle_increment.abs();
                    if lost {
                        *range = NO_RETURN;
                    }
                }
            }
            Corruption::RangeNoise(deviation) => {
                for range in &mut scan.ranges {
                    let noise = deviation * normal(random);
                    // Codes for "no return" and what is out of range stay what they are.
                    if *range >= scan.range_min && *range <= scan.range_max {
                        *range = (*range + noise).clamp(scan.range_min, scan.range_max);
                    }
                }
            }
            Corruption::BlockedAhead(degrees) => block(scan, yaw, 0.0, *degrees),
            Corruption::BlockedAnywhere(degrees) => block(scan, yaw, lasting * TAU, *degrees),
            Corruption::Turned(degrees) => {
                let side = if lasting < 0.5 { -1.0 } else { 1.0 };
                scan.angle_min += side * degrees.to_radians();
                scan.angle_max += side * degrees.to_radians();
            }
            _ => {}
        }
    }
}

/// "No return" as most drivers write it; the other forms are read alike.
const NO_RETURN: f32 = 0.0;

/// Beams within `degrees` around `centre` (rad, robot frame) return nothing.
pub(in crate::learn) fn block(scan: &mut LaserScan, yaw: f32, centre: f32, degrees: f32) {
    let half = degrees.to_radians() / 2.0;
    for (beam, range) in scan.ranges.iter_mut().enumerate() {
        let angle = scan.angle_min + beam as f32 * scan.angle_increment + yaw - centre;
        let off = (angle + PI).rem_euclid(TAU) - PI;
        if off.abs() <= half {
            *range = NO_RETURN;
        }
    }
}
