//! The state that lifecycle transitions and services share: the parameters, and the active model
//! where there is one. Never locked for a decision.

use std::sync::{Arc, Mutex, MutexGuard};

use super::active_models::{ActiveModels, CandidateModel, CurrentModel};
use super::load_error::LoadError;
use crate::configure::{bundle_names, portable_model, words};
use crate::params::{ChangeRefused, Effective, ParameterStore, Phase, Value, Values};
use crate::ros::io::model_handover::ModelHandover;

/// Shared by the main thread, which changes states, and the control plane.
pub struct NodeState(Mutex<NodeStateInner>);

struct NodeStateInner {
    store: ParameterStore,
    active_models: Option<ActiveModels>,
}

impl NodeState {
    /// Unconfigured, with the parameters of params files and command line.
    pub fn new(overrides: Values) -> NodeState {
        let resolve = |model: &str| bundle_names(model).map_err(|error| error.to_string());
        NodeState(Mutex::new(NodeStateInner {
            store: ParameterStore::new(overrides, resolve),
            active_models: None,
        }))
    }

    /// Begins a configure and returns the parameters for it. Nothing changes until it is over.
    pub fn begin_configure(&self) -> Values {
        let mut inside = self.lock();
        inside.store.enter(Phase::Changing);
        inside.store.overrides().clone()
    }

    /// Ends a configure: with this model active, or failed.
    pub fn end_configure(&self, active_models: Option<ActiveModels>) {
        let mut inside = self.lock();
        inside.store.enter(match active_models {
            Some(_) => Phase::Configured,
            None => Phase::Unconfigured,
        });
        if let Some(active_models) = &active_models {
            inside.store.learn(words(active_models.bundle()));
        }
        inside.active_models = active_models;
    }

    /// Begins a cleanup.
    pub fn cleanup(&self) {
        self.end_configure(None);
    }

    /// Every parameter as it is in force.
    pub fn effective(&self) -> Effective {
        self.lock().store.effective()
    }

    /// Changes parameters, all or none; `None` unsets one. Returns what changed.
    pub fn set(
        &self,
        changes: &[(String, Option<Value>)],
    ) -> Result<Vec<(String, Value)>, ChangeRefused> {
        let mut inside = self.lock();
        let NodeStateInner {
            store,
            active_models,
        } = &mut *inside;
        let mut changes = changes.to_vec();
        for (name, value) in &mut changes {
            if let ("model", Some(Value::String(model))) = (name.as_str(), value) {
                *model = portable_model(model);
            }
        }
        let proposal = store.propose(&changes)?;
        if let Some(active_models) = active_models
            && let Ok(params) = &proposal.params
        {
            active_models.take(params.clone())?;
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

    /// The active bundle, and what a successor needs; none where nothing is configured.
    pub fn present(&self) -> Option<CurrentModel> {
        let inside = self.lock();
        let active_models = inside.active_models.as_ref()?;
        Some(CurrentModel {
            overrides: inside.store.overrides().clone(),
            bundle: Arc::clone(active_models.bundle()),
            handover: Arc::clone(active_models.handover()),
        })
    }

    /// Id of the active bundle.
    pub fn model_id(&self) -> Option<String> {
        let inside = self.lock();
        Some(inside.active_models.as_ref()?.bundle().id().to_owned())
    }

    /// Lets the candidate decide from between two cycles on, where the node is still at the work
    /// that `handover` belongs to. The parameter `model` names it from here on.
    pub fn replace_model(
        &self,
        candidate: CandidateModel,
        handover: &Arc<ModelHandover>,
    ) -> Result<(), LoadError> {
        let ended = {
            let mut inside = self.lock();
            let NodeStateInner {
                store,
                active_models,
            } = &mut *inside;
            let active_models = active_models.as_mut().ok_or(LoadError::Gone)?;
            if !Arc::ptr_eq(active_models.handover(), handover) {
                return Err(LoadError::Gone);
            }
            let words = words(&candidate.configuration.bundle);
            let proposal = store.propose_model(&candidate.name, words)?;
            let params = proposal.sound_params()?;
            let ended = active_models.replace(candidate, params)?;
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
        let NodeStateInner {
            store,
            active_models,
        } = &mut *inside;
        let active_models = active_models.as_mut().ok_or(LoadError::Unconfigured)?;
        let before = active_models.before().ok_or(LoadError::NothingBefore)?;
        let words = words(&before.configuration.bundle);
        let proposal = store.propose_model(&before.name, words)?;
        active_models.roll_back(proposal.sound_params()?)?;
        store.commit(proposal);
        Ok(active_models.bundle().id().to_owned())
    }

    /// Takes away the model that was replaced; there is nothing to roll back to from here on.
    pub fn rest(&self) {
        if let Some(active_models) = &self.lock().active_models {
            active_models.rest();
        }
    }

    fn lock(&self) -> MutexGuard<'_, NodeStateInner> {
        // A panic in between leaves parameters said and not taken at worst; the next change takes
        // all of them again.
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
