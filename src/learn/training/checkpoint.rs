//! Checkpoints: the state of a training, written after every epoch. An interrupted training
//! continues from there and ends with exactly the weights it would have had.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::early_stopping::BestEpoch;
use crate::learn::error::LearnError;
use crate::model::{Encoder, Weights};

/// The folder of a training's checkpoints, within that of the bundle it writes.
#[derive(Clone, Debug)]
pub struct Checkpoints(PathBuf);

impl Checkpoints {
    /// Of the training that writes its bundle into `out`.
    pub fn within(out: &Path) -> Checkpoints {
        Checkpoints(out.join("checkpoints"))
    }

    /// The one of a fit.
    pub(in crate::learn) fn of(&self, fit: &str, key: String) -> Checkpoint {
        Checkpoint {
            file: self.0.join(fit.replace(' ', "-") + ".safetensors"),
            key,
        }
    }

    /// Removes them all: the training is done.
    pub(in crate::learn) fn clear(&self) {
        // What cannot be removed costs disk and nothing else: its key will not fit another
        // training.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// After some epochs of one fit.
pub(in crate::learn) struct FitState {
    /// Done.
    pub epochs: usize,
    pub weights: Weights,
    /// The best epoch so far, where the loss is watched.
    pub best: Option<BestEpoch>,
    /// Record of the optimizer.
    pub optimizer: Vec<u8>,
    /// Position of the random sequence.
    pub drawn: u128,
}

/// One file, replaced as a whole after every epoch.
pub(in crate::learn) struct Checkpoint {
    file: PathBuf,
    /// Digest of all that decides what the fit comes to.
    key: String,
}

impl Checkpoint {
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn save(&self, fit_state: &FitState) -> Result<(), LearnError> {
        let unfit = |what: String| LearnError::Training(format!("checkpoint: {what}"));
        let weights = fit_state.weights.to_safetensors();
        let weights = weights.map_err(|fault| unfit(fault.what))?;
        let view = |bytes| {
            let bytes: &[u8] = bytes;
            TensorView::new(Dtype::U8, vec![bytes.len()], bytes)
        };
        let best = fit_state.best.as_ref();
        let best_weights = best.map(|best| best.weights.to_safetensors()).transpose();
        let best_weights = best_weights.map_err(|fault| unfit(fault.what))?;
        let mut views = vec![
            ("weights", view(&weights)),
            ("optimizer", view(&fit_state.optimizer)),
        ];
        views.extend(best_weights.iter().map(|bytes| ("best", view(bytes))));
        let views: Vec<_> = views
            .into_iter()
            .map(|(name, view)| Ok((name, view.map_err(|error| unfit(error.to_string()))?)))
            .collect::<Result<_, LearnError>>()?;
        let mut words = HashMap::from([
            ("key".to_owned(), self.key.clone()),
            ("epochs".to_owned(), fit_state.epochs.to_string()),
            ("drawn".to_owned(), fit_state.drawn.to_string()),
        ]);
        if let Some(best) = best {
            words.insert("best_epoch".to_owned(), best.epoch.to_string());
            words.insert("best_loss".to_owned(), best.loss.to_bits().to_string());
        }
        let bytes = safetensors::serialize(views, Some(words));
        let bytes = bytes.map_err(|error| unfit(error.to_string()))?;
        self.replace(&bytes).map_err(|source| LearnError::File {
            file: self.file.clone(),
            source,
            remedy: "make room and start again: it goes on after the last epoch that was saved",
        })
    }

    /// All or nothing: a training that is interrupted here keeps the epoch before.
    fn replace(&self, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = self.file.with_extension("new");
        fs::write(&new, bytes)?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, &self.file)
    }

    /// Where the fit stands; none where it has to begin: nothing was saved, or not of this fit.
    pub fn load(&self) -> Option<FitState> {
        let bytes = fs::read(&self.file).ok()?;
        let fit_state = self.read(&bytes);
        if fit_state.is_none() {
            eprintln!(
                "{} is of another training or damaged: beginning anew",
                self.file.display()
            );
        }
        fit_state
    }

    fn read(&self, bytes: &[u8]) -> Option<FitState> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let words = header.metadata().as_ref()?;
        if words.get("key")? != &self.key {
            return None;
        }
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let tensor = |name| Some(tensors.tensor(name).ok()?.data().to_vec());
        let best = match words.get("best_epoch") {
            Some(epoch) => Some(BestEpoch {
                epoch: epoch.parse().ok()?,
                loss: f64::from_bits(words.get("best_loss")?.parse().ok()?),
                weights: Weights::from_safetensors(&tensor("best")?).ok()?,
            }),
            None => None,
        };
        Some(FitState {
            epochs: words.get("epochs")?.parse().ok()?,
            drawn: words.get("drawn")?.parse().ok()?,
            weights: Weights::from_safetensors(&tensor("weights")?).ok()?,
            best,
            optimizer: tensor("optimizer")?,
        })
    }
}

/// A model whose parameters are numbered in their order: the optimizer's record names them by their
/// ids, which otherwise are drawn anew in every process.
pub(in crate::learn) fn numbered(model: Encoder) -> Encoder {
    struct Number(u64);
    impl ModuleMapper for Number {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (_, tensor, mapper) = param.consume();
            Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
        }
    }
    model.map(&mut Number(0))
}
