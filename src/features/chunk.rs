//! The extractor `chunk`: what a fast source sent during one period, as slots, statistics and
//! frequency bands.

use super::sample_history::History;
use super::scaled_field::{Scaled, within};
use super::window_spec::{ExtractorSpec, Resample, SpecError, Statistic};

/// Buckets of memory per slot, so that a slot that begins anywhere finds its own samples.
const BUCKETS_PER_SLOT: usize = 2;
/// Magnitudes are resolved over this many decades below the scale.
const DECADES: f32 = 4.0;

#[derive(Debug)]
pub(super) struct Chunk {
    pub fields: Vec<Scaled>,
    slots: usize,
    resample: Resample,
    values: bool,
    statistics: Vec<Statistic>,
    bands: usize,
    /// Per frequency and slot: cosine and sine, already windowed (Hann).
    waves: Vec<(f32, f32)>,
    /// Per frequency: its band.
    band_of: Vec<usize>,
}

/// The slots of one period, all fields. Sized once, for the largest chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// `[slot][field]`.
    slots: Vec<f32>,
    counts: Vec<u32>,
    /// One field's slots.
    series: Vec<f32>,
    bands: Vec<f32>,
}

impl Scratch {
    pub(super) fn new<'c>(chunks: impl Iterator<Item = &'c Chunk>) -> Scratch {
        let mut scratch = Scratch::default();
        for chunk in chunks {
            let (slots, bands) = (chunk.slots, chunk.bands);
            let most =
                |values: &mut Vec<f32>, len: usize| values.resize(len.max(values.len()), 0.0);
            most(&mut scratch.slots, slots * chunk.fields.len());
            most(&mut scratch.series, slots);
            most(&mut scratch.bands, bands);
            let counts = slots.max(scratch.counts.len());
            scratch.counts.resize(counts, 0);
        }
        scratch
    }
}

impl Chunk {
    /// From the specification of an extractor that is a chunk, with its fields resolved.
    pub(super) fn new(
        at: &str,
        spec: &ExtractorSpec,
        fields: Vec<Scaled>,
    ) -> Result<Chunk, SpecError> {
        let ExtractorSpec::Chunk {
            slots,
            resample,
            values,
            statistics,
            bands,
            ..
        } = spec
        else {
            return Err(SpecError::Value {
                at: format!("{at}.extractor"),
                found: "another kind".to_owned(),
                expected: "a chunk".to_owned(),
            });
        };
        within(&format!("{at}.extractor.slots"), *slots, 1, 512)?;
        within(&format!("{at}.extractor.bands"), *bands, 0, slots / 2)?;
        // Memory: every slot of every row holds every field.
        let cells = slots * fields.len();
        within(&format!("{at}.extractor: slots × fields"), cells, 1, 16_384)?;
        let features = spec.features();
        within(
            &format!("{at}.extractor: its features, in number,"),
            features,
            1,
            4096,
        )?;
        let frequencies = if *bands > 0 { slots / 2 } else { 0 };
        let turn = std::f64::consts::TAU / *slots as f64;
        let waves = (1..=frequencies).flat_map(|frequency| {
            (0..*slots).map(move |slot| {
                let hann = 1.0 - (turn * (slot as f64 + 0.5)).cos();
                let (sin, cos) = (turn * (frequency * slot) as f64).sin_cos();
                ((cos * hann) as f32, (sin * hann) as f32)
            })
        });
        Ok(Chunk {
            waves: waves.collect(),
            band_of: (0..frequencies).map(|f| f * bands / frequencies).collect(),
            fields,
            slots: *slots,
            resample: *resample,
            values: *values,
            statistics: statistics.clone(),
            bands: *bands,
        })
    }

    /// Buckets of memory per period.
    pub(super) fn buckets(&self) -> usize {
        self.slots * BUCKETS_PER_SLOT
    }

    /// Whether the samples of a bucket are averaged, rather than the last one kept.
    pub(super) fn averages(&self) -> bool {
        self.resample == Resample::Mean
    }

    pub(super) fn features(&self) -> usize {
        self.fields.len() * self.per_field()
    }

    fn per_field(&self) -> usize {
        self.slots * usize::from(self.values) + self.statistics.len() + self.bands
    }

    /// Per column of a field, the sign it gets in a mirror that gives the field `sign`.
    pub(super) fn mirrored(&self, sign: f32) -> impl Iterator<Item = f32> {
        let values = self.slots * usize::from(self.values);
        (0..self.per_field()).map(move |column| match column.checked_sub(values) {
            None => sign,
            Some(i) if self.statistics.get(i) == Some(&Statistic::Mean) => sign,
            Some(_) => 1.0, // magnitudes
        })
    }

    /// Writes the features of the period that ends at `time`; `from` is the memory and the number
    /// of steps back to the newest sample of that period.
    pub(super) fn write(
        &self,
        from: (&History, usize),
        time: i64,
        period_ns: i64,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        self.resample(from, time, period_ns, scratch);
        let width = self.fields.len();
        let columns = out.chunks_exact_mut(self.per_field());
        for (field, columns) in columns.enumerate() {
            let series = &mut scratch.series[..self.slots];
            for (slot, value) in series.iter_mut().enumerate() {
                *value = scratch.slots[slot * width + field];
            }
            self.describe(series, &mut scratch.bands, columns);
        }
    }

    /// Puts the samples of the period on the slots.
    fn resample(
        &self,
        (history, newest): (&History, usize),
        time: i64,
        period_ns: i64,
        scratch: &mut Scratch,
    ) {
        let width = self.fields.len();
        let slots = &mut scratch.slots[..self.slots * width];
        let counts = &mut scratch.counts[..self.slots];
        slots.fill(0.0);
        counts.fill(0);
        let begin = time.saturating_sub(period_ns);
        let mut back = newest;
        while let (Some(arrival), Some(values)) = (history.arrival(back), history.values(back)) {
            if arrival <= begin {
                break;
            }
            // Slots are open at their beginning and closed at their end, as the period is.
            let along = arrival.saturating_sub(begin + 1).min(period_ns - 1);
            let slot = (i128::from(along) * self.slots as i128 / i128::from(period_ns)) as usize;
            let row = &mut slots[slot * width..(slot + 1) * width];
            match self.resample {
                // The newest comes first and stays.
                Resample::Hold if counts[slot] > 0 => {}
                Resample::Hold => {
                    row.copy_from_slice(&values[..width]);
                    counts[slot] = 1;
                }
                Resample::Mean => {
                    let count = history.count(back).max(1);
                    counts[slot] = counts[slot].saturating_add(count);
                    let share = count as f32 / counts[slot] as f32;
                    for (mean, value) in row.iter_mut().zip(values) {
                        *mean += (value - *mean) * share;
                    }
                }
            }
            back += 1;
        }
        // What came before holds until the first sample; without that, the first holds backwards.
        let first = counts.iter().position(|count| *count > 0);
        let lead = first.unwrap_or(self.slots);
        if let Some(values) = history.values(back) {
            for slot in 0..lead {
                slots[slot * width..(slot + 1) * width].copy_from_slice(&values[..width]);
            }
        } else if let Some(first) = first {
            for slot in 0..lead {
                slots.copy_within(first * width..(first + 1) * width, slot * width);
            }
        }
        for (slot, count) in counts.iter().enumerate().skip(lead + 1) {
            if *count == 0 {
                slots.copy_within((slot - 1) * width..slot * width, slot * width);
            }
        }
    }

    fn describe(&self, series: &mut [f32], bands: &mut [f32], out: &mut [f32]) {
        let mut columns = out.iter_mut();
        if self.values {
            // The series first: a zip takes from its first part before it finds the second empty.
            for (value, column) in series.iter().zip(columns.by_ref()) {
                *column = *value;
            }
        }
        let n = series.len() as f32;
        let mean = series.iter().sum::<f32>() / n;
        for (statistic, column) in self.statistics.iter().zip(columns.by_ref()) {
            let square = |sum: f32, x: f32| sum + x * x;
            *column = match statistic {
                Statistic::Mean => mean.clamp(-1.0, 1.0),
                Statistic::Std => {
                    let from_mean = series.iter().map(|x| x - mean);
                    decades((from_mean.fold(0.0, square) / n).sqrt())
                }
                Statistic::MaxAbs => {
                    let from_mean = series.iter().map(|x| (x - mean).abs());
                    decades(from_mean.fold(0.0, f32::max))
                }
                Statistic::Differences => {
                    let steps = series.windows(2).map(|pair| pair[1] - pair[0]);
                    decades((steps.fold(0.0, square) / (n - 1.0).max(1.0)).sqrt())
                }
            };
        }
        if self.bands == 0 {
            return;
        }
        let bands = &mut bands[..self.bands];
        bands.fill(0.0);
        for (wave, band) in self.waves.chunks_exact(series.len()).zip(&self.band_of) {
            let (mut cosine, mut sine) = (0.0, 0.0);
            for ((cos, sin), value) in wave.iter().zip(&*series) {
                cosine += cos * (value - mean);
                sine += sin * (value - mean);
            }
            bands[*band] += cosine * cosine + sine * sine;
        }
        for (band, column) in bands.iter().zip(columns) {
            // The root of the energy: a magnitude in units of the scale.
            *column = decades(2.0 * band.sqrt() / n);
        }
    }
}

/// A magnitude of 0 or more in -1..1: 1e-4 and less is -1, 1 and more is 1.
fn decades(magnitude: f32) -> f32 {
    let log = magnitude.max(1e-9).log10();
    (1.0 + 2.0 * log / DECADES).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests;
