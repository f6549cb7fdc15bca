//! Sizes of the multi-exit encoder.

use serde::{Deserialize, Serialize};

use crate::scheduler::MAX_EXITS;

/// Sizes of the multi-exit encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Tokens T.
    pub frames: usize,
    /// Features per token F.
    pub features: usize,
    /// Width D of the residual stream; a multiple of `heads` where there is no `head_width`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Channels of a head, where they are not `width / heads`: some heads were pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_width: Option<usize>,
    /// Blocks; every block ends in an exit.
    pub depth: usize,
    /// Channels of the feed-forward layer.
    pub ffn: usize,
}

impl Architecture {
    /// Channels of a head.
    pub fn head_width(&self) -> usize {
        self.head_width.unwrap_or(self.width / self.heads.max(1))
    }

    /// Channels of all heads: the width inside the attention.
    pub fn inner(&self) -> usize {
        self.heads * self.head_width()
    }

    /// Every fault of the sizes; bounds keep a hostile manifest from asking for all memory.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = [
            ("frames", self.frames, 256),
            ("features", self.features, 4096),
            ("width", self.width, 1024),
            ("heads", self.heads, 64),
            ("head_width", self.head_width.unwrap_or(1), 1024),
            ("depth", self.depth, MAX_EXITS),
            ("ffn", self.ffn, 8192),
        ]
        .into_iter()
        .filter(|(_, value, most)| *value == 0 || value > most)
        .map(|(name, value, most)| format!("architecture.{name} is {value}, expected 1 to {most}"))
        .collect();
        if self.head_width.is_none() && self.heads > 0 && !self.width.is_multiple_of(self.heads) {
            faults.push(format!(
                "architecture.width {} is not a multiple of heads {}",
                self.width, self.heads
            ));
        }
        if faults.is_empty() && self.inner() > 4096 {
            faults.push(format!(
                "architecture has {} heads of {}, expected at most 4096 channels in all",
                self.heads,
                self.head_width()
            ));
        }
        faults
    }
}
