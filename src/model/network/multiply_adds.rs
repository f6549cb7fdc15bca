//! Multiply-adds of the stages of an architecture.

use crate::model::bundle::architecture::Architecture;

impl Architecture {
    /// Multiply-adds of the matrix products of every stage, shallow to deep: the embedding counts
    /// to the first, each exit to its own. The last block answers the newest token only. Norms,
    /// GELU and softmax are not counted.
    pub fn stage_macs(&self, labels: usize) -> Vec<u64> {
        let [frames, width, inner, ffn] =
            [self.frames, self.width, self.inner(), self.ffn].map(|size| size as u64);
        let block = |asking: u64| {
            let projections = width * inner * (2 * asking + 2 * frames);
            let attention = 2 * asking * frames * inner;
            projections + attention + 2 * asking * width * ffn
        };
        let exit = width * labels as u64;
        (1..=self.depth)
            .map(|stage| {
                let embedding = frames * self.features as u64 * width;
                let first = if stage == 1 { embedding } else { 0 };
                let asking = if stage == self.depth { 1 } else { frames };
                first + block(asking) + exit
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_of_a_small_model_are_counted_by_hand() {
        let sizes = Architecture {
            frames: 2,
            features: 3,
            width: 4,
            heads: 2,
            head_width: None,
            depth: 2,
            ffn: 8,
        };
        // First block: qkv 2 × 4 × 12, scores and mixture 2 × (2 × 2 × 4), output 2 × 4 × 4,
        // ffn 2 × (2 × 4 × 8). Last block: q 4 × 4, kv 2 × 4 × 8, scores and mixture 2 × (2 × 4),
        // output 4 × 4, ffn 2 × (4 × 8).
        let first = 2 * 3 * 4 + 96 + 32 + 32 + 128 + 4 * 5;
        let last = 16 + 64 + 16 + 16 + 64 + 4 * 5;
        assert_eq!(sizes.stage_macs(5), [first, last]);
        // Half of the heads gone, their width kept.
        let pruned = Architecture {
            heads: 1,
            head_width: Some(2),
            depth: 1,
            ..sizes
        };
        assert_eq!(pruned.stage_macs(5), [24 + 8 + 32 + 8 + 8 + 64 + 20]);
    }
}
