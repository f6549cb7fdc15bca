//! Reads and writes the residual stream, for callers that run stages one by one.

use super::{Forward, taint};
use crate::kernels::sizes::Sizes;

impl Forward {
    /// Goes on at `stage` with tokens, row-major `[frames, width]`, and forgets what was before.
    /// Their mean over the width is taken out: nothing that reads the stream sees it.
    ///
    /// # Panics
    /// If there is no such stage, or the tokens have another size.
    pub fn resume(&mut self, stage: usize, tokens: &[f32]) {
        let Sizes { frames, width, .. } = self.model.sizes;
        assert!(stage < self.exits(), "a stage of the model");
        assert_eq!(tokens.len(), frames * width, "values in the tokens");
        let rows = self.stream.chunks_exact_mut(width.next_multiple_of(16));
        for (to, from) in rows.zip(tokens.chunks_exact(width)) {
            let mean = (from.iter().copied().map(f64::from).sum::<f64>() / width as f64) as f32;
            let (to, padding) = to.split_at_mut(width);
            for (to, from) in to.iter_mut().zip(from) {
                *to = from - mean;
            }
            padding.fill(0.0);
        }
        self.taint = taint(tokens);
        self.stage = stage;
    }

    /// Writes the tokens after the last stage run: of the frames that `tokens` has room for, the
    /// newest; after the last block there is one. Of their mean over the width only what rounding
    /// the weights left is there.
    ///
    /// # Panics
    /// If the room is not for whole frames, or for more than there are.
    pub fn tokens(&self, tokens: &mut [f32]) {
        let Sizes { frames, width, .. } = self.model.sizes;
        let known = if self.stage == self.exits() {
            1
        } else {
            frames
        };
        let room = tokens.len() / width;
        assert!(
            room <= known && room * width == tokens.len(),
            "room for frames"
        );
        let wide = width.next_multiple_of(16);
        let rows = self.stream[(frames - room) * wide..].chunks_exact(wide);
        for (to, from) in tokens.chunks_exact_mut(width).zip(rows) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from + self.taint;
            }
        }
    }
}
