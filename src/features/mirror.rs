//! The mirror image of a window: left and right exchanged, at the level of features.

use super::layout::{Extractor, INPUT_AUXILIARIES, Layout};

/// Exchanges left and right in windows of one specification: sectors trade places, lateral and
/// yaw fields change sign.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Per column: where its value comes from and the sign it gets.
    columns: Vec<(usize, f32)>,
    complete: bool,
}

impl Mirror {
    pub(super) fn new(layout: &Layout) -> Mirror {
        let mut columns = Vec::with_capacity(layout.features);
        let mut complete = true;
        for input in &layout.inputs {
            let offset = input.offset;
            match &input.extractor {
                Extractor::Sectors { count, .. } => {
                    for half in [offset, offset + count] {
                        columns.extend((0..*count).map(|i| (half + (count - i) % count, 1.0)));
                    }
                }
                Extractor::Fields(fields) => {
                    for (i, scaled) in fields.iter().enumerate() {
                        let sign = scaled.field.mirror();
                        complete &= sign.is_some();
                        columns.push((offset + i, sign.unwrap_or(1.0)));
                    }
                }
                Extractor::Chunk(chunk) => {
                    for scaled in &chunk.fields {
                        let sign = scaled.field.mirror();
                        complete &= sign.is_some();
                        let first = columns.len();
                        let signs = chunk.mirrored(sign.unwrap_or(1.0));
                        columns.extend(signs.enumerate().map(|(i, sign)| (first + i, sign)));
                    }
                }
            }
            let auxiliaries = offset + input.features();
            columns
                .extend((auxiliaries..auxiliaries + INPUT_AUXILIARIES).map(|column| (column, 1.0)));
        }
        // What is derived is behind the inputs: clearances and the forward speed, which look the
        // same in the mirror.
        let derived = columns.len()..layout.features;
        columns.extend(derived.map(|column| (column, 1.0)));
        Mirror { columns, complete }
    }

    /// Columns of a row.
    pub fn features(&self) -> usize {
        self.columns.len()
    }

    /// Whether the mirror image of every column is known. False with elements of arrays, such as
    /// `velocity[0]`: the message does not say which side they belong to; they are copied.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Writes the mirror image of `window` ([T, F], row-major, any T) to `out` of the same shape.
    /// Rows beyond the shorter of the two are left alone.
    pub fn apply(&self, window: &[f32], out: &mut [f32]) {
        let features = self.columns.len();
        let rows = window.chunks_exact(features);
        for (row, out) in rows.zip(out.chunks_exact_mut(features)) {
            for (value, &(from, sign)) in out.iter_mut().zip(&self.columns) {
                *value = row[from] * sign;
            }
        }
    }
}
