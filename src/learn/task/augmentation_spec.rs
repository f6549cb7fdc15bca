//! The task file's settings of augmentation and link impairments.

use serde::{Deserialize, Serialize};

use super::split_by::SplitBy;

/// Copies of the training recordings as other robots would have made them, and how windows are
/// varied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationSpec {
    /// Copies per recording.
    pub copies: usize,
    /// Windows taken from the copies per epoch, as a multiple of the plain ones.
    pub share: f32,
    /// Ranges and speeds of a copy are multiplied by a factor up to this, or divided by it;
    /// its truth is computed from the scaled ranges.
    pub scale: f32,
    /// Largest error of the laser's yaw.
    pub yaw_error_deg: f32,
    /// Standard deviation of noise on every range.
    pub range_noise_m: f32,
    /// A copy has up to this share of its beams without a return.
    pub thin: f32,
    /// Probability that a copy lacks an optional input.
    pub withhold: f32,
    /// Probability that a window has a block of sectors outside the cone masked.
    pub mask: f32,
    /// What a copy's messages suffer on their way; its truth stays that of the messages as sent.
    #[serde(default, skip_serializing_if = "ImpairmentSpec::is_none")]
    pub impairments: ImpairmentSpec,
    /// Whether half of the windows are seen in a mirror, left and right exchanged. By default:
    /// only where the truth of the mirror image is the same and its features are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<bool>,
    /// Standard deviation of noise on every feature of a window, in features' units (-1..1).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_noise: f32,
    /// Standard deviation of an offset that a feature has in all frames of a window: recordings of
    /// other days differ like that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_shift: f32,
    /// Probability that a window's feature is withheld (0 in all its frames).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub feature_mask: f32,
}

/// What the messages of a copy suffer between the world and the window. How much of each is drawn
/// anew per copy and input, or per spell of a few seconds within it; all 0: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImpairmentSpec {
    /// Largest standard deviation of white noise on the numbers that an input shows, as a share of
    /// their scale. Each spell has a level of its own, evenly spread by its logarithm over the
    /// three decades below this.
    pub noise: f32,
    /// Standard deviation of an offset that a number has in the whole copy, as a share of its
    /// scale.
    pub bias: f32,
    /// Standard deviation of the error of a number's gain, the same in the whole copy.
    pub gain: f32,
    /// Half of a copy's inputs are late by up to this.
    pub late_ms: f32,
    /// Half of a copy's inputs have messages that are late by up to this further, each by another
    /// time, in the order they were sent.
    pub jitter_ms: f32,
    /// Half of a copy's inputs lose up to this share of their messages, others every time.
    pub lost: f32,
    /// Share of the spells in which a block of a scan's beams, of up to 120 degrees, returns
    /// nothing; half of the blocks are ahead.
    pub blocked: f32,
}

impl ImpairmentSpec {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == ImpairmentSpec::default()
    }
}

impl AugmentationSpec {
    /// Every fault, as sentences; `split` is what the task leaves out.
    pub(in crate::learn) fn faults(&self, split: SplitBy) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |sound: bool, fault: &str| {
            if !sound {
                faults.push(format!("training.variations: {fault}"));
            }
        };
        let share = |value: &f32| (0.0..=1.0).contains(value);
        check(
            self.copies <= 64
                && self.scale >= 1.0
                && self.scale <= 10.0
                && self.share.is_finite()
                && self.share >= 0.0,
            "expected copies up to 64, scale in 1..10, share of 0 or more",
        );
        check(
            self.range_noise_m.is_finite()
                && self.range_noise_m >= 0.0
                && self.yaw_error_deg.is_finite()
                && [self.thin, self.withhold, self.mask].iter().all(share),
            "expected noise of 0 or more and probabilities in 0..1",
        );
        check(
            share(&self.feature_noise)
                && share(&self.feature_shift)
                && (0.0..1.0).contains(&self.feature_mask),
            "expected feature_noise, feature_shift and feature_mask in 0..1",
        );
        let wrong = &self.impairments;
        check(
            [wrong.noise, wrong.bias, wrong.gain].iter().all(share)
                && (0.0..1.0).contains(&wrong.lost)
                && share(&wrong.blocked),
            "impairments: expected noise, bias, gain, lost and blocked in 0..1",
        );
        let delays = [wrong.late_ms, wrong.jitter_ms];
        check(
            delays.iter().all(|ms| (0.0..=10_000.0).contains(ms)),
            "impairments: expected late_ms and jitter_ms in 0..10000",
        );
        check(
            split == SplitBy::Groups || delays == [0.0; 2],
            "impairments.late_ms and jitter_ms carry messages over the cut between what teaches and \
             what validates; expected 0 with a split by time or partitions",
        );
        check(
            wrong.is_none() || self.copies > 0 && self.share > 0.0,
            "impairments are of the copies, and there are none; expected copies and share above 0",
        );
        faults
    }
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}
