//! Writes the window as a matrix, and judges whether it can be decided on.

use std::time::Duration;

use super::{NONE, REORDER_NS, SourceId, Window, WindowState};
use crate::features::layout::{Extractor, INPUT_AUXILIARIES};
use crate::time::Stamp;

/// Ages are counted up to this many periods.
const MAX_AGE_PERIODS: f32 = 4.0;
impl Window {
    /// Writes the window as seen at `now` to `out`: [T, F], row-major, oldest row first. Row k
    /// shows the world `T - 1 - k` periods ago: per input the newest sample that had arrived by
    /// then, unless it was older than the input's timeout. The window is written whatever the
    /// state; a slice of another length is left alone and answered by `Incomplete`.
    pub fn assemble(&mut self, now: Stamp, out: &mut [f32]) -> WindowState {
        let features = self.layout.features;
        if out.len() != self.frames * features {
            return WindowState::Incomplete {
                source: self.trigger(),
            };
        }
        for index in 0..self.sources.len() {
            self.pick(index, now);
        }
        for (row, out) in out.chunks_exact_mut(features).enumerate() {
            let back = (self.frames - 1 - row) as i64;
            self.write_row(row, now.0.saturating_sub(back * self.period_ns), out);
        }
        self.state(now)
    }

    /// Finds the sample that each row shows of one input.
    fn pick(&mut self, index: usize, now: Stamp) {
        let inputs = self.sources.len();
        let timeout = self.layout.inputs[index].timeout_ns;
        let history = &self.sources[index].history;
        let mut back = 0;
        for row in (0..self.frames).rev() {
            let rows_ago = (self.frames - 1 - row) as i64;
            let time = now.0.saturating_sub(rows_ago * self.period_ns);
            // The newest row takes the newest sample, even one that came while `now` was read.
            let latest = if rows_ago == 0 {
                time.saturating_add(REORDER_NS)
            } else {
                time
            };
            while history
                .arrival(back)
                .is_some_and(|arrival| arrival > latest)
            {
                back += 1;
            }
            let valid = history
                .arrival(back)
                .is_some_and(|arrival| time.saturating_sub(arrival) <= timeout);
            self.picks[row * inputs + index] = if valid { back } else { NONE };
        }
    }

    fn write_row(&mut self, row: usize, time: i64, out: &mut [f32]) {
        let inputs = self.sources.len();
        let picks = &self.picks[row * inputs..(row + 1) * inputs];
        let sample = |index: usize| -> Option<&[f32]> {
            (picks[index] != NONE).then_some(())?;
            self.sources[index].history.values(picks[index])
        };
        for (index, input) in self.layout.inputs.iter().enumerate() {
            let features = input.features();
            let columns = &mut out[input.offset..input.offset + features + INPUT_AUXILIARIES];
            let arrival = self.sources[index].history.arrival(picks[index]);
            if let (Some(values), Some(arrival)) = (sample(index), arrival) {
                let age = time.saturating_sub(arrival).max(0) as f32 / self.period_ns as f32;
                let columns_of = &mut columns[..features];
                match &input.extractor {
                    Extractor::Chunk(chunk) => {
                        let history = &self.sources[index].history;
                        let from = (history, picks[index]);
                        chunk.write(from, time, self.period_ns, &mut self.chunk, columns_of);
                    }
                    _ => columns_of.copy_from_slice(&values[..features]),
                }
                columns[features] = 1.0;
                columns[features + 1] = age.min(MAX_AGE_PERIODS) / MAX_AGE_PERIODS;
            } else {
                columns.fill(0.0);
                columns[features + 1] = 1.0;
            }
        }
        for derived in &self.layout.derived {
            derived.write(sample, out);
        }
    }

    /// Judges the window from the picks of the last `assemble`.
    fn state(&self, now: Stamp) -> WindowState {
        let inputs = self.sources.len();
        let newest_row = &self.picks[(self.frames - 1) * inputs..];
        let mut oldest_input = Duration::ZERO;
        let mut stale = None;
        for (index, input) in self.layout.inputs.iter().enumerate() {
            let source = SourceId(index as u8);
            let needed = input.required || index == self.trigger;
            let Some(newest) = self.sources[index].history.arrival(0) else {
                if needed {
                    return WindowState::Incomplete { source };
                }
                continue;
            };
            if newest_row[index] != NONE {
                oldest_input = oldest_input.max(now.since(Stamp(newest)));
            } else if needed && stale.is_none() {
                // A sample from the future, after the clock was turned back, is as bad.
                let age = Duration::from_nanos(now.0.abs_diff(newest));
                stale = Some(WindowState::Stale { source, age });
            }
        }
        if let Some(stale) = stale {
            return stale;
        }
        let rows = self.picks.iter().skip(self.trigger).step_by(inputs);
        if rows.filter(|&&pick| pick != NONE).count() < self.min_frames {
            return WindowState::Incomplete {
                source: self.trigger(),
            };
        }
        WindowState::Ready { oldest_input }
    }
}
