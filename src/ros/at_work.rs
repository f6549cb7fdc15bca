//! The model at work, as the cold side may change it: terms of its decisions, limits of its acts,
//! another model in its place.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::handover::Handover;
use super::models::LoadError;
use super::viewer::View;
use crate::act::attention::AttentionLimits;
use crate::act::diagnostics::Thresholds;
use crate::act::outlet::{Outlet, Voice, publish_from_here};
use crate::configure::{Configuration, Warm};
use crate::model::Bundle;
use crate::params::{GateParams, Params, Refusal, SourceParams, Values};
use crate::realtime::Role;
use crate::reason::Desk;
use crate::reason::live::Live;

/// What the reporter speaks of; replaced whole.
pub struct Face {
    /// The threads and their counts.
    pub live: Arc<Live>,
    /// The bundle's id.
    pub model: String,
    /// Engines in the order of their stations.
    pub engines: Vec<String>,
    /// What showing decisions takes, where they are shown.
    pub view: Option<Arc<View>>,
    /// From when on diagnostics warn.
    pub thresholds: Thresholds,
    /// The sources.
    pub sources: Vec<SourceParams>,
    /// Which of them triggers.
    pub trigger: String,
    /// The velocity gate, where there is one.
    pub gate: Option<GateParams>,
    /// When somebody is called.
    pub attention: Option<AttentionLimits>,
    /// Between two reports.
    pub period: Duration,
}

/// A configured node's models and acts.
pub struct AtWork {
    model: Model,
    /// What it replaced, at rest.
    before: Option<Model>,
    /// One per robot.
    outlets: Vec<Arc<Outlet>>,
    handover: Arc<Handover>,
    face: Arc<ArcSwap<Face>>,
}

/// A model with its threads.
pub struct Model {
    /// As the parameter `model` names it.
    pub name: String,
    /// Bundle and parameters.
    pub configuration: Configuration,
    view: Option<Arc<View>>,
    /// Its threads.
    pub live: Arc<Live>,
    /// What its first stage took in the warm-up, in the engine of first choice.
    pub first_stage: Duration,
}

/// A bundle that was loaded, warmed and tried.
pub struct Candidate {
    /// As the parameter `model` is to name it.
    pub name: String,
    /// Bundle and parameters.
    pub configuration: Configuration,
    /// Its engines.
    pub engines: Vec<Warm>,
}

/// What a bundle is held against before it may take over.
pub struct Present {
    /// What was said of the parameters.
    pub said: Values,
    /// The bundle at work.
    pub bundle: Arc<Bundle>,
    /// Where to hand over.
    pub handover: Arc<Handover>,
}

impl Model {
    /// Starts its threads at desks, one per robot, that `make_desk` makes to speak through the
    /// outlets.
    pub fn start(
        candidate: Candidate,
        outlets: &[Arc<Outlet>],
        make_desk: impl Fn(&Configuration, usize, Arc<Voice>) -> Arc<Desk>,
    ) -> std::io::Result<Model> {
        let Candidate {
            name,
            configuration,
            engines,
        } = candidate;
        let first_stage = engines.first().map_or(Duration::ZERO, Warm::first_stage);
        let desks = outlets.iter().enumerate().map(|(robot, outlet)| {
            let voice = Voice::new(Arc::clone(outlet), configuration.vocabulary());
            make_desk(&configuration, robot, Arc::new(voice))
        });
        let desks: Vec<Arc<Desk>> = desks.collect();
        let reasoners = configuration.reasoners(&desks, engines);
        let wishes = configuration.params.realtime.clone();
        let alone = outlets.len() == 1;
        let live = Live::start(desks, reasoners, move |thread| {
            let role = Role::of_thread(thread);
            // The engine of several robots must not be held by the topics of one of them.
            if alone && role == Role::Reasoner {
                publish_from_here();
            }
            for refused in wishes.set_up_thread(role) {
                tracing::warn!("{refused}");
            }
        })?;
        Ok(Model {
            name,
            view: View::of(&configuration).map(Arc::new),
            configuration,
            live: Arc::new(live),
            first_stage,
        })
    }

    /// Takes over what may change while it decides; refuses a deadline that it cannot meet.
    fn take(&mut self, params: Params) -> Result<(), Refusal> {
        let promised = |p: &Params| (p.deadline, p.publish_margin, p.refuse_impossible_deadline);
        if promised(&params) != promised(&self.configuration.params) {
            let checked = self.configuration.check_deadline(&params, self.first_stage);
            checked.map_err(|error| Refusal::Impossible(error.to_string()))?;
        }
        self.configuration.take(params);
        for desk in self.live.desks() {
            desk.set_terms(self.configuration.terms());
        }
        Ok(())
    }

    fn face(&self) -> Arc<Face> {
        let params = &self.configuration.params;
        Arc::new(Face {
            live: Arc::clone(&self.live),
            model: self.configuration.bundle.id().to_owned(),
            engines: params.engines.clone(),
            view: self.view.clone(),
            thresholds: params.diagnostics,
            sources: params.sources.clone(),
            trigger: params.trigger.clone(),
            gate: params.gate.clone(),
            attention: params.attention,
            period: params.statistics_period,
        })
    }
}

impl AtWork {
    /// Begins with this model.
    pub fn new(model: Model, outlets: Vec<Arc<Outlet>>, handover: Arc<Handover>) -> AtWork {
        let face = Arc::new(ArcSwap::new(model.face()));
        AtWork {
            model,
            before: None,
            outlets,
            handover,
            face,
        }
    }

    /// What the reporter looks at.
    pub fn face(&self) -> Arc<ArcSwap<Face>> {
        Arc::clone(&self.face)
    }

    /// Whether decisions are shown as markers.
    pub fn shows(&self) -> bool {
        self.model.view.is_some()
    }

    /// The bundle that decides.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.model.configuration.bundle
    }

    /// Where models are handed over.
    pub fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }

    /// The model that was replaced.
    pub fn before(&self) -> Option<&Model> {
        self.before.as_ref()
    }

    /// Takes over what may change while the node decides: it holds from the next trigger on, for
    /// the velocity gate from its next word on. Refuses a deadline that cannot be met.
    pub fn take(&mut self, params: Params) -> Result<(), Refusal> {
        let warnings = |params: &Params| {
            let gate = params.gate.as_ref();
            gate.map_or_else(Vec::new, |gate| gate.warnings.clone())
        };
        let before = warnings(&self.model.configuration.params);
        let news = warnings(&params);
        self.model.take(params)?;
        for warning in news.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.tell_the_outlet();
        self.face.store(self.model.face());
        Ok(())
    }

    fn tell_the_outlet(&self) {
        let params = &self.model.configuration.params;
        for outlet in &self.outlets {
            if let Some(gate) = &params.gate {
                outlet.set_gate_limits(gate.limits.clone());
            }
            if let Some(speed) = &params.speed_limit {
                outlet.set_speed_limits(speed.limits.clone());
            }
        }
    }

    /// Lets the candidate decide from between two cycles on, by these parameters. What it replaced
    /// before comes back, to be ended where nobody waits.
    pub fn replace(
        &mut self,
        mut candidate: Candidate,
        params: Params,
    ) -> Result<Option<Model>, LoadError> {
        candidate.configuration.take(params);
        let present = self.model.live.desks();
        let model = Model::start(candidate, &self.outlets, |configuration, robot, voice| {
            configuration.successor_desk(&present[robot], voice)
        })?;
        let before = std::mem::replace(&mut self.model, model);
        self.hand_over();
        Ok(self.before.replace(before))
    }

    /// Lets the model that was replaced decide again, by these parameters.
    pub fn roll_back(&mut self, params: Params) -> Result<(), LoadError> {
        let before = self.before.as_mut().ok_or(LoadError::NothingBefore)?;
        before.take(params)?;
        before.live.set_resting(false);
        std::mem::swap(&mut self.model, before);
        self.hand_over();
        Ok(())
    }

    fn hand_over(&self) {
        self.handover.hand_over(Arc::clone(&self.model.live));
        self.face.store(self.model.face());
    }

    /// The model that was replaced has nothing to do any more.
    pub fn rest(&self) {
        if let Some(before) = &self.before {
            before.live.set_resting(true);
        }
    }
}
