//! The training loop, for teacher and student alike.

use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Bytes, Device, Tensor, TensorData, activation};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::batches::{Batch, Batches};
use super::checkpoint::{Checkpoint, Checkpoints, FitState, numbered};
use super::early_stopping::{EarlyStop, watched_loss};
use super::progress::FitProgress;
use super::taught_exits::TaughtExits;
use crate::bins::Bins;
use crate::learn::error::LearnError;
use crate::learn::evaluation::forward::encoder;
use crate::learn::task::task_file::{Distillation, TrainingSpec};
use crate::model::{Architecture, Backend, Encoder, Heads, Weights, sha256_hex};

/// What to fit.
pub struct Fit<'a> {
    /// For the progress and the checkpoint: `student`, `teacher 2`.
    pub name: String,
    /// Sizes of the model.
    pub sizes: Architecture,
    /// What the outputs mean.
    pub heads: Heads,
    /// Passes.
    pub epochs: usize,
    /// Of the task.
    pub training: &'a TrainingSpec,
    /// Where to compute.
    pub device: Backend,
    /// Seed of the first weights and of every choice on the way.
    pub seed: u64,
    /// Where to start, instead of fresh weights.
    pub first: Option<&'a Weights>,
    /// Trained models to learn from: their mean, of the deepest exits or of all.
    pub teachers: &'a [(Architecture, Weights)],
    /// The loss.
    pub exits: TaughtExits,
    /// Where it is written down after every epoch how far the fit is.
    pub checkpoints: Option<&'a Checkpoints>,
}

impl Fit<'_> {
    /// Trains, or goes on where it was interrupted. The same inputs give the same weights on the
    /// same machine.
    pub fn run(&self, batches: &Batches<'_>) -> Result<Weights, LearnError> {
        let plain = self.device.device()?;
        let device = plain.clone().autodiff();
        let checkpoint = match self.checkpoints {
            Some(all) => Some(all.of(&self.name, self.key(batches)?)),
            None => None,
        };
        let fit_state = checkpoint.as_ref().and_then(Checkpoint::load);
        let fresh = || Weights::random(&self.sizes, self.heads.outputs(), self.seed);
        let mut model = match (&fit_state, self.first) {
            (Some(fit_state), _) => encoder(
                &self.sizes,
                self.heads.outputs(),
                &fit_state.weights,
                &device,
            )?,
            (None, Some(first)) => encoder(&self.sizes, self.heads.outputs(), first, &device)?,
            (None, None) => encoder(&self.sizes, self.heads.outputs(), &fresh(), &device)?,
        };
        model = numbered(model);
        let teachers = self.teachers.iter();
        let teachers: Vec<Encoder> = teachers
            .map(|(sizes, weights)| encoder(sizes, self.heads.outputs(), weights, &plain))
            .collect::<Result<_, _>>()?;
        let training = self.training;
        let per_epoch = batches.per_epoch().div_ceil(training.batch);
        let steps = per_epoch * self.epochs;
        let mut schedule = schedule(training, steps)?;
        let mut optimizer = AdamWConfig::new()
            .with_weight_decay(training.weight_decay)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(training.clip_norm)))
            .init();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0x5eed);
        let mut progress = FitProgress::new(self.name.clone(), self.epochs, steps);
        let mut done = 0;
        let mut watch = training.early_stopping.map(|stopping| {
            let best = fit_state
                .as_ref()
                .and_then(|fit_state| fit_state.best.clone());
            EarlyStop::new(stopping, best)
        });
        if let (Some(fit_state), Some(checkpoint)) = (fit_state, &checkpoint) {
            let record = Bytes::from_bytes_vec(fit_state.optimizer);
            optimizer = optimizer.from_bytes(record).map_err(|error| {
                let file = checkpoint.file().display();
                LearnError::Training(format!("{file}: {error}; remove it to begin anew"))
            })?;
            random.set_word_pos(fit_state.drawn);
            done = fit_state.epochs;
            for _ in 0..done * per_epoch {
                schedule.step();
                progress.step();
            }
            progress.resumed(done, checkpoint.file());
        }
        for epoch in done..self.epochs {
            if let Some(watch) = watch.as_ref().filter(|watch| watch.is_over(epoch)) {
                progress.stopped(watch.best.as_ref().map_or(0, |best| best.epoch));
                break;
            }
            let order = batches.epoch(&mut random);
            let mut sum = 0.0;
            let mut count = 0;
            for rows in order.chunks(training.batch) {
                let batch = batches.batch(rows, &mut random);
                let loss = self.loss(&model, &teachers, batch, &plain, &device);
                // Reading the loss at every step costs little and finds a divergence, or a device
                // that was lost, at once.
                let value = loss.clone().inner().try_into_scalar::<f32>();
                let value = f64::from(value.map_err(|error| self.unread(&error))?);
                if !value.is_finite() {
                    return Err(LearnError::Training(format!(
                        "the loss of the {} became {value} in epoch {}",
                        self.name,
                        epoch + 1
                    )));
                }
                sum += value;
                count += 1;
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(schedule.step(), model, gradients);
                progress.step();
            }
            let weights = model.valid().weights();
            let watched = watch.as_mut().map(|watch| {
                let (valid, window) = (model.valid(), (self.sizes.frames, self.sizes.features));
                let loss = watched_loss(&valid, self.exits, batches, window, &plain);
                watch.take(epoch + 1, loss, weights.clone());
                loss
            });
            progress.epoch(epoch + 1, sum / f64::from(count.max(1)), watched);
            if let Some(checkpoint) = &checkpoint {
                let record = optimizer.into_bytes();
                let record = record.map_err(|error| LearnError::Training(error.to_string()))?;
                checkpoint.save(&FitState {
                    epochs: epoch + 1,
                    weights,
                    best: watch.as_ref().and_then(|watch| watch.best.clone()),
                    optimizer: record.to_vec(),
                    drawn: random.get_word_pos(),
                })?;
            }
        }
        progress.finish();
        let best = watch.and_then(|watch| watch.best);
        Ok(best.map_or_else(|| model.valid().weights(), |best| best.weights))
    }

    /// Digest of all that decides what this comes to.
    fn key(&self, batches: &Batches<'_>) -> Result<String, LearnError> {
        let digest = |weights: &Weights| match weights.to_safetensors() {
            Ok(bytes) => Ok(sha256_hex(&bytes)),
            Err(fault) => Err(LearnError::Training(fault.what)),
        };
        let teachers: Vec<_> = self.teachers.iter().map(|(_, w)| digest(w)).collect();
        let parts = (
            env!("CARGO_PKG_VERSION"),
            (self.sizes, &self.heads, self.epochs, self.seed, self.device),
            (self.training, self.exits),
            self.first.map(digest).transpose()?,
            teachers.into_iter().collect::<Result<Vec<_>, _>>()?,
            batches.digest(),
        );
        Ok(sha256_hex(format!("{parts:?}").as_bytes()))
    }

    fn unread(&self, error: &dyn std::fmt::Display) -> LearnError {
        LearnError::Training(format!(
            "{} gave no answer to the {}: {error}; train on flex, or start anew",
            self.device, self.name
        ))
    }

    /// Mean over the exits that are taught of: hard labels, the teachers' soft targets, the
    /// student's own deepest exit.
    pub(in crate::learn) fn loss(
        &self,
        model: &Encoder,
        teachers: &[Encoder],
        batch: Batch,
        plain: &Device,
        device: &Device,
    ) -> Tensor<1> {
        let (frames, features) = (self.sizes.frames, self.sizes.features);
        let rows = batch.labels.len();
        let window = TensorData::new(batch.windows, [rows, frames, features]);
        let spread = self.training.label_smoothing;
        let outputs = self.heads.outputs();
        let mut hard = vec![0.0; rows * outputs];
        let truths = batch.outputs.iter().zip(&batch.weights);
        for (row, (output, weight)) in hard.chunks_exact_mut(outputs).zip(truths) {
            smoothed(row, *output, spread, self.heads.bins().is_some());
            row.iter_mut().for_each(|share| *share *= weight);
        }
        let hard = Tensor::<2>::from_data(TensorData::new(hard, [rows, outputs]), device);
        let by_label = self.heads.bins().map(|bins| {
            let truths = (batch.labels.as_slice(), batch.weights.as_slice());
            LabelsOfBins::new(bins, self.heads.labels(), truths, spread, device)
        });
        let row_weights = TensorData::new(batch.weights, [rows, 1]);
        let row_weights = Tensor::<2>::from_data(row_weights, device);

        let Distillation {
            temperature,
            teacher: from_teacher,
            deepest: from_deepest,
            all_exits,
        } = self.training.distillation;
        let soft = teachers
            .iter()
            .map(|teacher| {
                let mut exits = teacher.forward(Tensor::from_data(window.clone(), plain));
                if !all_exits {
                    exits.drain(..exits.len() - 1);
                }
                let count = exits.len() as f32;
                let soft = exits.into_iter().map(|logits| {
                    let logits = Tensor::<2>::from_data(logits.into_data(), device);
                    activation::softmax(logits / temperature, 1)
                });
                let sum = soft.reduce(|sum, next| sum + next);
                sum.expect("an encoder has at least one exit") / count
            })
            .reduce(|sum, next| sum + next)
            .map(|sum| sum / teachers.len() as f32 * row_weights.clone());
        let mut exits = model.forward(Tensor::from_data(window, device));
        if self.exits == TaughtExits::Deepest {
            exits.drain(..exits.len() - 1);
        }
        let depth = exits.len();
        let own = exits.last().map(|deepest| {
            activation::softmax(deepest.clone().detach() / temperature, 1) * row_weights
        });
        let mut loss = Tensor::<1>::zeros([1], device);
        for (index, logits) in exits.into_iter().enumerate() {
            // Soft targets count by temperature², which keeps their gradients of the same size.
            let against = |target: &Tensor<2>, temperature: f32| {
                let log = activation::log_softmax(logits.clone() / temperature, 1);
                -(target.clone() * log).sum() * temperature.powi(2)
            };
            let mut hard_share = 1.0;
            if let Some(soft) = &soft {
                hard_share -= from_teacher;
                loss = loss + against(soft, temperature) * from_teacher;
            }
            if let (Some(own), true) = (&own, index + 1 < depth) {
                hard_share -= from_deepest;
                loss = loss + against(own, temperature) * from_deepest;
            }
            let mut by_truth = against(&hard, 1.0);
            if let Some(labels) = &by_label {
                by_truth = by_truth * (1.0 - LABEL_SHARE) + labels.loss(&logits) * LABEL_SHARE;
            }
            loss = loss + by_truth * hard_share;
        }
        loss / depth as f32
    }
}

/// Of a model with bins, what the right label counts beside the right bin. Without it, the exits
/// spend their few weights on telling bins apart that are of one label.
const LABEL_SHARE: f32 = 0.5;

/// Cross entropy of the labels, each the sum of its bins.
pub(in crate::learn) struct LabelsOfBins {
    /// `[bins, labels]`: 1 where a bin is of a label.
    merge: Tensor<2>,
    /// `[rows, labels]`: the smoothed label of a row times its weight.
    truth: Tensor<2>,
}

impl LabelsOfBins {
    pub fn new(
        bins: &Bins,
        labels: usize,
        (truths, weights): (&[usize], &[f32]),
        spread: f32,
        device: &Device,
    ) -> LabelsOfBins {
        let mut merge = vec![0.0; bins.count() * labels];
        for bin in 0..bins.count() {
            merge[bin * labels + bins.label_of(bin)] = 1.0;
        }
        let mut truth = vec![0.0; truths.len() * labels];
        let rows = truth
            .chunks_exact_mut(labels)
            .zip(truths.iter().zip(weights));
        for (row, (label, weight)) in rows {
            smoothed(row, *label, spread, false);
            row.iter_mut().for_each(|share| *share *= weight);
        }
        let tensor = |data, rows| Tensor::from_data(TensorData::new(data, [rows, labels]), device);
        LabelsOfBins {
            merge: tensor(merge, bins.count()),
            truth: tensor(truth, truths.len()),
        }
    }

    pub fn loss(&self, logits: &Tensor<2>) -> Tensor<1> {
        let labels = activation::softmax(logits.clone(), 1).matmul(self.merge.clone());
        // Far below what f32 sums tell apart, and no logarithm of 0.
        -(self.truth.clone() * (labels + 1e-9).log()).sum()
    }
}

/// The target of a row: what is spread goes to all classes alike, or to the neighbours of a bin,
/// for a distance that falls just short of an edge is hardly another one.
pub(in crate::learn) fn smoothed(row: &mut [f32], output: usize, spread: f32, ordered: bool) {
    if !ordered {
        row.fill(spread / row.len() as f32);
        row[output] += 1.0 - spread;
        return;
    }
    row[output] += 1.0 - spread;
    let last = row.len() - 1;
    for neighbour in [output.saturating_sub(1), (output + 1).min(last)] {
        row[neighbour] += spread / 2.0;
    }
}

fn schedule(
    training: &TrainingSpec,
    steps: usize,
) -> Result<burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler, LearnError> {
    let rate = training.learning_rate;
    let rising = ((steps as f64 * training.warmup) as usize).max(1);
    let falling = steps.saturating_sub(rising).max(1);
    SequentialLrSchedulerConfig::new(
        vec![
            LrSchedulerConfig::Linear(LinearLrSchedulerConfig::new(rate * 0.05, rate, rising)),
            LrSchedulerConfig::Cosine(
                CosineAnnealingLrSchedulerConfig::new(rate, falling).with_min_lr(rate * 0.01),
            ),
        ],
        vec![rising],
    )
    .init()
    .map_err(LearnError::Training)
}
