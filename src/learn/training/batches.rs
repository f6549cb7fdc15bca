//! Batches: which windows an epoch sees, and under which augmentation.

use std::iter::repeat;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::bins::Bins;
use crate::features::{ExtractorSpec, Mirror, Window};
use crate::learn::data::augmentation::normal;
use crate::learn::data::dataset::Dataset;
use crate::learn::data::folds::Folds;
use crate::learn::data::shuffle::shuffle;
use crate::learn::task::label_rule::LabelRule;
use crate::learn::task::task_file::Task;
use crate::model::{sha256_hex, uniform};

/// Of the choice of what the loss is watched on.
const WATCH_SEED: u64 = 0x3a7c;

/// A window of a dataset: part and row.
pub type Row = (usize, usize);

/// Rows of a training set, and how much each counts.
pub struct Batches<'a> {
    data: &'a Dataset,
    plain: Vec<Row>,
    varied: Vec<Row>,
    /// Plain rows that do not teach: what the loss is watched on.
    watched: Vec<Row>,
    share: f32,
    /// Per class.
    weights: Vec<f32>,
    bins: Option<Bins>,
    augmentation: WindowAugmentation,
}

/// One step's windows and what is known about them.
pub struct Batch {
    /// `[rows, frames * features]`.
    pub windows: Vec<f32>,
    /// Class of each row.
    pub labels: Vec<usize>,
    /// The target of each row: its bin where there are bins, else its class.
    pub outputs: Vec<usize>,
    /// Weight of each row, by its class; of those that teach they sum to 1.
    pub weights: Vec<f32>,
}

impl<'a> Batches<'a> {
    /// Of a dataset whose every recording is followed by `copies` varied copies.
    pub fn new(data: &'a Dataset, task: &Task, window: &Window, copies: usize) -> Batches<'a> {
        let watch = task.training.early_stopping.map(|stopping| {
            // Another seed than that of what is left out to validate.
            let count = Folds::of_share(stopping.watch);
            Folds::assign(task, data, count, WATCH_SEED)
        });
        let (mut plain, mut varied, mut watched) = (Vec::new(), Vec::new(), Vec::new());
        for (index, part) in data.parts.iter().enumerate() {
            let copy = index % (copies + 1) != 0;
            for (number, row) in part.rows.iter().enumerate() {
                let aside = match &watch {
                    Some(folds) => folds.leaves_out(task, part, row),
                    None => Some(false),
                };
                match (aside, copy) {
                    (Some(false), false) => plain.push((index, number)),
                    (Some(false), true) => varied.push((index, number)),
                    (Some(true), false) => watched.push((index, number)),
                    _ => {}
                }
            }
        }
        let weights = weights(data, task, plain.iter().chain(&varied));
        Batches {
            data,
            plain,
            varied,
            watched,
            share: task.training.variations.share,
            weights,
            bins: task.truth.bins(),
            augmentation: WindowAugmentation::new(task, window),
        }
    }

    /// Of the windows and labels, the weights and the share; how windows are varied is the task's.
    pub fn digest(&self) -> String {
        let rows = (&self.plain, &self.watched);
        let mut parts = format!("{:?}", (rows, self.share, &self.weights));
        for part in &self.data.parts {
            let windows = part.windows.iter().flat_map(|value| value.to_le_bytes());
            let labels = part.rows.iter();
            let labels = labels.flat_map(|row| row.label.unwrap_or(usize::MAX).to_le_bytes());
            let least = part.rows.iter().filter(|_| self.bins.is_some());
            let least = least.map(|row| row.least_m.unwrap_or(f32::NAN).to_le_bytes());
            let labels = labels.chain(least.flatten());
            parts += &sha256_hex(&windows.chain(labels).collect::<Vec<u8>>());
        }
        sha256_hex(parts.as_bytes())
    }

    /// Windows of one epoch.
    pub fn per_epoch(&self) -> usize {
        self.plain.len() + self.varied_per_epoch()
    }

    fn varied_per_epoch(&self) -> usize {
        ((self.plain.len() as f32 * self.share) as usize).min(self.varied.len())
    }

    /// The order of one epoch: every plain window once, and as many of the copies as the task
    /// says.
    pub fn epoch(&self, random: &mut ChaCha8Rng) -> Vec<Row> {
        let mut rows = self.plain.clone();
        let mut varied = self.varied.clone();
        shuffle(&mut varied, random);
        rows.extend_from_slice(&varied[..self.varied_per_epoch()]);
        shuffle(&mut rows, random);
        rows
    }

    /// What the loss is watched on, as it is, `rows` at a time; nothing where it is not watched.
    pub fn watched(&self, rows: usize) -> impl Iterator<Item = Batch> {
        let chunks = self.watched.chunks(rows);
        chunks.map(|rows| self.gather(rows, None))
    }

    /// The windows of some rows, each mirrored or masked by chance.
    pub fn batch(&self, rows: &[Row], random: &mut ChaCha8Rng) -> Batch {
        let mut batch = self.gather(rows, Some(random));
        let sum: f32 = batch.weights.iter().sum();
        for weight in &mut batch.weights {
            *weight /= sum;
        }
        batch
    }

    fn gather(&self, rows: &[Row], mut random: Option<&mut ChaCha8Rng>) -> Batch {
        let width = self.data.width;
        let mut windows = vec![0.0; rows.len() * width];
        let mut labels = Vec::with_capacity(rows.len());
        let mut outputs = Vec::with_capacity(rows.len());
        let mut weights = Vec::with_capacity(rows.len());
        for ((index, row), out) in rows.iter().zip(windows.chunks_exact_mut(width)) {
            let part = &self.data.parts[*index];
            let window = &part.windows[row * width..(row + 1) * width];
            match &mut random {
                Some(random) => self.augmentation.apply(window, out, random),
                None => out.copy_from_slice(window),
            }
            let label = part.rows[*row]
                .label
                .unwrap_or(0)
                .min(self.weights.len() - 1);
            let bin = |bins: &Bins| part.rows[*row].least_m.map_or(0, |least| bins.of(least));
            outputs.push(self.bins.as_ref().map_or(label, bin));
            labels.push(label);
            weights.push(self.weights[label]);
        }
        Batch {
            windows,
            labels,
            outputs,
            weights,
        }
    }
}

/// Weights of the classes: the rarer, the more, as far as the task says.
fn weights<'r>(data: &Dataset, task: &Task, rows: impl Iterator<Item = &'r Row>) -> Vec<f32> {
    let mut counts = vec![0usize; task.labels.len()];
    for (part, row) in rows {
        if let Some(label) = data.parts[*part].rows[*row].label {
            counts[label.min(task.labels.len() - 1)] += 1;
        }
    }
    let further = task.training.class_weights.iter().chain(repeat(&1.0));
    let weigh = |(count, further): (&usize, &f32)| {
        further * ((*count).max(1) as f32).powf(-task.training.class_balance)
    };
    counts.iter().zip(further).map(weigh).collect()
}

/// What may be done to a window without changing its truth.
struct WindowAugmentation {
    /// None: the mirror image would have another truth.
    mirror: Option<Mirror>,
    features: usize,
    mask: f32,
    /// Noise on every feature.
    noise: f32,
    /// Noise that is the same in all frames.
    shift: f32,
    /// Share of the features withheld.
    withheld: f32,
    /// First column and count of the sectors, and how many on either side of forward stay.
    sectors: Option<(usize, usize, usize)>,
}

impl WindowAugmentation {
    fn new(task: &Task, window: &Window) -> WindowAugmentation {
        let varied = &task.training.variations;
        let mirror = window.mirror();
        let mirrors = task.truth.is_symmetric() && mirror.is_complete();
        let mut column = 0;
        let mut sectors = None;
        for input in &task.window.inputs {
            if let (
                ExtractorSpec::Sectors { count, .. },
                LabelRule::FutureMinRange {
                    scan,
                    half_angle_deg,
                    ..
                },
            ) = (&input.extractor, &task.truth)
                && input.source == *scan
            {
                let each = 360.0 / *count as f32;
                let kept = (half_angle_deg / each + 0.5).ceil() as usize;
                sectors = Some((column, *count, kept));
            }
            column += input.extractor.features() + 2; // valid flag and age
        }
        WindowAugmentation {
            mirror: varied.mirror.unwrap_or(mirrors).then_some(mirror),
            features: window.features(),
            mask: varied.mask,
            noise: varied.feature_noise,
            shift: varied.feature_shift,
            withheld: varied.feature_mask,
            sectors,
        }
    }

    fn apply(&self, window: &[f32], out: &mut [f32], random: &mut ChaCha8Rng) {
        match &self.mirror {
            Some(mirror) if random.next_u32() & 1 == 0 => mirror.apply(window, out),
            _ => out.copy_from_slice(window),
        }
        self.blur(out, random);
        let Some((first, count, kept)) = self.sectors else {
            return;
        };
        // A post or a cable in front of the laser: the same sectors gone in all frames. Those in
        // the cone stay, for the projected clearance looks through them.
        if count <= 2 * kept || uniform(random) >= self.mask {
            return;
        }
        let free = count - 2 * kept;
        let length = 1 + random.next_u32() as usize % (free / 3).max(1);
        let start = kept + random.next_u32() as usize % (free - length + 1);
        for frame in out.chunks_exact_mut(self.features) {
            for sector in first + start..first + start + length {
                // Rows without a scan stay empty.
                if frame[sector + count] != 0.0 {
                    (frame[sector], frame[sector + count]) = (1.0, 0.0);
                }
            }
        }
    }
}

impl WindowAugmentation {
    fn blur(&self, out: &mut [f32], random: &mut ChaCha8Rng) {
        for column in 0..self.features {
            let shift = match self.shift > 0.0 {
                true => self.shift * normal(random),
                false => 0.0,
            };
            let withheld = self.withheld > 0.0 && uniform(random) < self.withheld;
            if !withheld && shift == 0.0 {
                continue;
            }
            for value in out.iter_mut().skip(column).step_by(self.features) {
                *value = match withheld {
                    true => 0.0,
                    false => (*value + shift).clamp(-1.0, 1.0),
                };
            }
        }
        if self.noise > 0.0 {
            for value in out {
                *value = (*value + self.noise * normal(random)).clamp(-1.0, 1.0);
            }
        }
    }
}
