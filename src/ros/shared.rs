//! What transitions and the cold services share: the parameters, and the model at work while there
//! is one. Never locked for a decision.

use std::sync::{Arc, Mutex, MutexGuard};

use super::at_work::{AtWork, Candidate, Present};
use super::handover::Handover;
use super::models::LoadError;
use crate::configure::{bundle_words, portable_model, words};
use crate::params::{Effective, Phase, Refusal, Store, Value, Values};

/// Shared by the main thread, which changes states, and the cold side.
pub struct Shared(Mutex<Inside>);

struct Inside {
    store: Store,
    at_work: Option<AtWork>,
}

impl Shared {
    /// Unconfigured, with what the params files and the command line say.
    pub fn new(said: Values) -> Shared {
        let resolve = |model: &str| bundle_words(model).map_err(|error| error.to_string());
        Shared(Mutex::new(Inside {
            store: Store::new(said, resolve),
            at_work: None,
        }))
    }

    /// A configure begins: what to configure by. Nothing changes until it is over.
    pub fn begin_configure(&self) -> Values {
        let mut inside = self.lock();
        inside.store.enter(Phase::Changing);
        inside.store.said().clone()
    }

    /// A configure is over: with this at work, or failed.
    pub fn end_configure(&self, at_work: Option<AtWork>) {
        let mut inside = self.lock();
        inside.store.enter(match at_work {
            Some(_) => Phase::Configured,
            None => Phase::Unconfigured,
        });
        if let Some(at_work) = &at_work {
            inside.store.learn(words(at_work.bundle()));
        }
        inside.at_work = at_work;
    }

    /// A cleanup begins.
    pub fn cleanup(&self) {
        self.end_configure(None);
    }

    /// Every parameter as it is in force.
    pub fn effective(&self) -> Effective {
        self.lock().store.effective()
    }

    /// Changes parameters, all or none; `None` takes back what was said. Returns what changed.
    pub fn set(
        &self,
        changes: &[(String, Option<Value>)],
    ) -> Result<Vec<(String, Value)>, Refusal> {
        let mut inside = self.lock();
        let Inside { store, at_work } = &mut *inside;
        let mut changes = changes.to_vec();
        for (name, value) in &mut changes {
            if let ("model", Some(Value::String(model))) = (name.as_str(), value) {
                *model = portable_model(model);
            }
        }
        let proposal = store.propose(&changes)?;
        if let Some(at_work) = at_work
            && let Ok(params) = &proposal.params
        {
            at_work.take(params.clone())?;
        }
        let changed = proposal.changed.iter();
        let changed = changed.filter_map(|name| {
            let (value, _) = proposal.effective.get(name)?;
            Some((name.clone(), value.clone()))
        });
        let changed = changed.collect();
        store.commit(proposal);
        Ok(changed)
    }

    /// The bundle at work, and what a successor needs; none where nothing is configured.
    pub fn present(&self) -> Option<Present> {
        let inside = self.lock();
        let at_work = inside.at_work.as_ref()?;
        Some(Present {
            said: inside.store.said().clone(),
            bundle: Arc::clone(at_work.bundle()),
            handover: Arc::clone(at_work.handover()),
        })
    }

    /// Id of the bundle at work.
    pub fn model_id(&self) -> Option<String> {
        let inside = self.lock();
        Some(inside.at_work.as_ref()?.bundle().id().to_owned())
    }

    /// Lets the candidate decide from between two cycles on, where the node is still at the work
    /// that `handover` belongs to. The parameter `model` names it from here on.
    pub fn replace_model(
        &self,
        candidate: Candidate,
        handover: &Arc<Handover>,
    ) -> Result<(), LoadError> {
        let ended = {
            let mut inside = self.lock();
            let Inside { store, at_work } = &mut *inside;
            let at_work = at_work.as_mut().ok_or(LoadError::Gone)?;
            if !Arc::ptr_eq(at_work.handover(), handover) {
                return Err(LoadError::Gone);
            }
            let words = words(&candidate.configuration.bundle);
            let proposal = store.propose_model(&candidate.name, words)?;
            let params = proposal.sound_params()?;
            let ended = at_work.replace(candidate, params)?;
            store.commit(proposal);
            ended
        };
        // Its threads end here, with nothing locked.
        drop(ended);
        Ok(())
    }

    /// Lets the model that was replaced decide again; its id.
    pub fn roll_back(&self) -> Result<String, LoadError> {
        let mut inside = self.lock();
        let Inside { store, at_work } = &mut *inside;
        let at_work = at_work.as_mut().ok_or(LoadError::Unconfigured)?;
        let before = at_work.before().ok_or(LoadError::NothingBefore)?;
        let words = words(&before.configuration.bundle);
        let proposal = store.propose_model(&before.name, words)?;
        at_work.roll_back(proposal.sound_params()?)?;
        store.commit(proposal);
        Ok(at_work.bundle().id().to_owned())
    }

    /// The model that was replaced has nothing to do any more.
    pub fn rest(&self) {
        if let Some(at_work) = &self.lock().at_work {
            at_work.rest();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // A panic in between leaves parameters said and not taken at worst; the next change takes
        // all of them again.
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
