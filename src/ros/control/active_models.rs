//! The active model as the control plane may change it: the configuration of its decisions, the
//! limits of its acts, and its exchange for another.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::load_error::LoadError;
use crate::act::output::{ModelOutput, RobotOutput, publish_from_here};
use crate::configure::{Configuration, WarmEngine};
use crate::model::Bundle;
use crate::params::{ChangeRefused, Params, Values};
use crate::realtime::ThreadRole;
use crate::ros::io::model_handover::ModelHandover;
use crate::ros::monitoring::marker_view::MarkerView;
use crate::ros::monitoring::model_snapshot::ModelSnapshot;
use crate::scheduler::SchedulerState;
use crate::scheduler::threaded::SchedulerThreads;

/// A configured node's models and acts.
pub struct ActiveModels {
    model: LoadedModel,
    /// The model that it replaced, at rest.
    before: Option<LoadedModel>,
    /// One per robot.
    robot_outputs: Vec<Arc<RobotOutput>>,
    handover: Arc<ModelHandover>,
    snapshot: Arc<ArcSwap<ModelSnapshot>>,
}

/// A model with its threads.
pub struct LoadedModel {
    /// As the parameter `model` names it.
    pub name: String,
    /// Bundle and parameters.
    pub configuration: Configuration,
    view: Option<Arc<MarkerView>>,
    /// Its threads.
    pub live: Arc<SchedulerThreads>,
    /// Duration of its first stage in the warm-up, in the first engine.
    pub first_stage: Duration,
}

/// A bundle that was loaded, warmed and tried.
pub struct CandidateModel {
    /// As the parameter `model` is to name it.
    pub name: String,
    /// Bundle and parameters.
    pub configuration: Configuration,
    /// Its engines.
    pub engines: Vec<WarmEngine>,
}

/// The active model as a candidate is compared with it before it may take over.
pub struct CurrentModel {
    /// Remarks on the parameters.
    pub overrides: Values,
    /// The active bundle.
    pub bundle: Arc<Bundle>,
    /// The slot to hand over by.
    pub handover: Arc<ModelHandover>,
}

impl LoadedModel {
    /// Starts its threads at schedulers, one per robot, that `make_scheduler` makes to publish
    /// through the outputs.
    pub fn start(
        candidate: CandidateModel,
        robot_outputs: &[Arc<RobotOutput>],
        make_scheduler: impl Fn(&Configuration, usize, Arc<ModelOutput>) -> Arc<SchedulerState>,
    ) -> std::io::Result<LoadedModel> {
        let CandidateModel {
            name,
            configuration,
            engines,
        } = candidate;
        let first_stage = engines
            .first()
            .map_or(Duration::ZERO, WarmEngine::first_stage);
        let schedulers = robot_outputs
            .iter()
            .enumerate()
            .map(|(robot, robot_output)| {
                let model_output =
                    ModelOutput::new(Arc::clone(robot_output), configuration.vocabulary());
                make_scheduler(&configuration, robot, Arc::new(model_output))
            });
        let schedulers: Vec<Arc<SchedulerState>> = schedulers.collect();
        let workers = configuration.workers(&schedulers, engines);
        let wishes = configuration.params.realtime.clone();
        let alone = robot_outputs.len() == 1;
        let live = SchedulerThreads::start(schedulers, workers, move |thread| {
            let role = ThreadRole::of_thread(thread);
            // The engine of several robots must not be held by the topics of one of them.
            if alone && role == ThreadRole::Reasoner {
                publish_from_here();
            }
            for refused in wishes.set_up_thread(role) {
                tracing::warn!("{refused}");
            }
        })?;
        Ok(LoadedModel {
            name,
            view: MarkerView::of(&configuration).map(Arc::new),
            configuration,
            live: Arc::new(live),
            first_stage,
        })
    }

    /// Takes over what may change while it decides; refuses a deadline that it cannot meet.
    fn take(&mut self, params: Params) -> Result<(), ChangeRefused> {
        let promised = |p: &Params| (p.deadline, p.publish_margin, p.refuse_impossible_deadline);
        if promised(&params) != promised(&self.configuration.params) {
            let checked = self.configuration.check_deadline(&params, self.first_stage);
            checked.map_err(|error| ChangeRefused::Impossible(error.to_string()))?;
        }
        self.configuration.take(params);
        for scheduler in self.live.schedulers() {
            scheduler.set_cycle_config(self.configuration.cycle_config());
        }
        Ok(())
    }

    fn snapshot(&self) -> Arc<ModelSnapshot> {
        let params = &self.configuration.params;
        Arc::new(ModelSnapshot {
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

impl ActiveModels {
    /// Begins with this model.
    pub fn new(
        model: LoadedModel,
        robot_outputs: Vec<Arc<RobotOutput>>,
        handover: Arc<ModelHandover>,
    ) -> ActiveModels {
        let snapshot = Arc::new(ArcSwap::new(model.snapshot()));
        ActiveModels {
            model,
            before: None,
            robot_outputs,
            handover,
            snapshot,
        }
    }

    /// The snapshot that the reporter reads.
    pub fn snapshot(&self) -> Arc<ArcSwap<ModelSnapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Whether decisions are shown as markers.
    pub fn shows(&self) -> bool {
        self.model.view.is_some()
    }

    /// The bundle that decides.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.model.configuration.bundle
    }

    /// The slot by which models are handed over.
    pub fn handover(&self) -> &Arc<ModelHandover> {
        &self.handover
    }

    /// The model that was replaced.
    pub fn before(&self) -> Option<&LoadedModel> {
        self.before.as_ref()
    }

    /// Takes over what may change while the node decides: it holds from the next trigger on, for
    /// the velocity gate from its next command on. Refuses a deadline that cannot be met.
    pub fn take(&mut self, params: Params) -> Result<(), ChangeRefused> {
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
        self.tell_the_robot_output();
        self.snapshot.store(self.model.snapshot());
        Ok(())
    }

    fn tell_the_robot_output(&self) {
        let params = &self.model.configuration.params;
        for robot_output in &self.robot_outputs {
            if let Some(gate) = &params.gate {
                robot_output.set_gate_limits(gate.limits.clone());
            }
            if let Some(speed) = &params.speed_limit {
                robot_output.set_speed_limits(speed.limits.clone());
            }
        }
    }

    /// Lets the candidate decide from between two cycles on, by these parameters. What it replaced
    /// before is returned, to be ended on a thread that no decision waits for.
    pub fn replace(
        &mut self,
        mut candidate: CandidateModel,
        params: Params,
    ) -> Result<Option<LoadedModel>, LoadError> {
        candidate.configuration.take(params);
        let present = self.model.live.schedulers();
        let model = LoadedModel::start(
            candidate,
            &self.robot_outputs,
            |configuration, robot, model_output| {
                configuration.successor_scheduler(&present[robot], model_output)
            },
        )?;
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
        self.snapshot.store(self.model.snapshot());
    }

    /// Takes away the model that was replaced; there is nothing to roll back to from here on.
    pub fn rest(&self) {
        if let Some(before) = &self.before {
            before.live.set_resting(true);
        }
    }
}
