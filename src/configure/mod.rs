//! Builds windows, engines and schedulers from parameters and a bundle, the same for the live node
//! and a replay.

mod configuration;
mod engines;
mod error;
mod self_filter;
mod time_limit;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::act::DecisionNames;
use crate::features::{ExtractorSpec, Sectors, SourceSettings, Window, WindowSpec};
use crate::ingest::Ingest;
use crate::model::Bundle;
use crate::params::{BundleNames, BundleSource, Params, Values, model_name};
use crate::scheduler::{CycleConfig, Publish, SchedulerState};
use crate::time::Clock;
pub use configuration::Configuration;
pub use engines::WarmEngine;
pub use error::ConfigureError;

impl Configuration {
    /// Loads the bundle the parameters name and checks the rest of them against it.
    pub fn read(values: &Values) -> Result<Configuration, ConfigureError> {
        let bundle = Bundle::load(&find_bundle(&model_name(values))?)?;
        Self::with_bundle(values, bundle)
    }

    /// Checks the parameters against a bundle already loaded.
    pub fn with_bundle(values: &Values, bundle: Bundle) -> Result<Configuration, ConfigureError> {
        let mut params = Params::read(values, &words(&bundle))?;
        self_filter::check(&params, &bundle.manifest.window)?;
        engines::keep_available(&mut params.engines)?;
        for warning in params.gate.iter().flat_map(|gate| &gate.warnings) {
            tracing::warn!("{warning}");
        }
        let bundle = Arc::new(bundle);
        Ok(Configuration { bundle, params })
    }

    /// Takes over what may change while the node decides. The engines stay those that were warmed.
    pub fn take(&mut self, params: Params) {
        let engines = std::mem::take(&mut self.params.engines);
        self.params = Params { engines, ..params };
    }

    /// The names behind a decision's indices.
    pub fn vocabulary(&self) -> DecisionNames {
        DecisionNames {
            labels: self.bundle.manifest.labels.clone(),
            engines: self.params.engines.clone(),
            model_id: self.bundle.id().to_owned(),
        }
    }

    /// The configuration of every cycle.
    pub fn cycle_config(&self) -> CycleConfig {
        let manifest = &self.bundle.manifest;
        let params = &self.params;
        CycleConfig {
            deadline: params.deadline,
            publish_margin: params.publish_margin,
            fault_time: params.fault,
            hold: params.hold,
            batch_slack: params.batch_slack,
            reuse: params.reuse,
            policy: params.policy,
            min_confidence: params.confidence,
            free_way_quantile: params.free_way_quantile,
            thresholds: manifest.exits.iter().map(|exit| exit.threshold).collect(),
            safe_label: self.bundle.safe_label(),
            exits: manifest.exits.len() as u8,
        }
    }

    /// The scheduler the threads share.
    pub fn scheduler(
        &self,
        clock: Arc<dyn Clock>,
        publish: Arc<dyn Publish>,
    ) -> Arc<SchedulerState> {
        let sizes = &self.bundle.manifest.architecture;
        Arc::new(SchedulerState::new(
            clock,
            self.cycle_config(),
            self.bundle.manifest.labels.len(),
            sizes.frames * sizes.features,
            self.params.engines.len(),
            publish,
        ))
    }

    /// The scheduler of this model where it takes over from the one that `before` is the scheduler
    /// of.
    pub fn successor_scheduler(
        &self,
        before: &SchedulerState,
        publish: Arc<dyn Publish>,
    ) -> Arc<SchedulerState> {
        let engines = self.params.engines.len();
        Arc::new(before.successor(self.cycle_config(), engines, publish))
    }

    /// The differences that keep this bundle from taking over from `present` on the same windows,
    /// for the same acts; empty: it can.
    pub fn differences(present: &Bundle, other: &Bundle) -> Vec<&'static str> {
        let (present, other) = (&present.manifest, &other.manifest);
        let mut differences = Vec::new();
        if present.labels != other.labels {
            differences.push("labels");
        }
        if present.safe_label != other.safe_label {
            differences.push("safe label");
        }
        if present.window != other.window {
            differences.push("window");
        }
        differences
    }

    /// The ingest of the configured sources: takes messages, and makes requests of triggers.
    pub fn ingest(&self) -> Result<Ingest, ConfigureError> {
        let (spec, settings) = self.window_spec();
        let window = Window::new(&spec, &settings)?;
        Ok(Ingest::new(window, &spec, &self.params))
    }

    /// The sectors of the scan that the window sees; none where it sees none.
    pub fn sectors(&self) -> Option<Sectors> {
        let (spec, settings) = self.window_spec();
        Window::new(&spec, &settings).ok()?.sectors()
    }

    /// The settings of one input by the parameters; the defaults for one that is not among the
    /// sources.
    pub fn settings(&self, input: &str) -> SourceSettings {
        let (spec, settings) = self.window_spec();
        let mut inputs = spec.inputs.iter().zip(settings);
        let found = inputs.find(|(spec, _)| spec.source == input);
        found.map(|(_, settings)| settings).unwrap_or_default()
    }

    /// The bundle's window with what the parameters change of it.
    fn window_spec(&self) -> (WindowSpec, Vec<SourceSettings>) {
        let mut spec = self.bundle.manifest.window.clone();
        spec.trigger = self.params.trigger.clone();
        let mut settings = Vec::new();
        let WindowSpec {
            inputs, derived, ..
        } = &mut spec;
        for input in inputs {
            let mut setting = SourceSettings::of(input);
            let source = self.params.sources.iter().find(|s| s.name == input.source);
            match source {
                Some(source) => {
                    input.required = source.required;
                    setting.yaw = source.yaw.unwrap_or(0.0);
                    setting.upside_down = source.upside_down.unwrap_or(false);
                    setting.body = self_filter::of(&self.params, source, derived);
                    setting.below_min = source.below_min;
                    setting.speck_filter = source.speck_filter;
                    setting.min_returns = source.min_returns;
                    setting.timeout = source.timeout;
                }
                // Not subscribed to: stays invalid, which the model was trained for.
                None => input.required = false,
            }
            settings.push(setting);
        }
        (spec, settings)
    }
}

/// The names that parameters may refer to when the parameter `model` is this.
pub fn bundle_names(model: &str) -> Result<BundleNames, ConfigureError> {
    Ok(words(&Bundle::load(&find_bundle(model)?)?))
}

/// The names that parameters may refer to, from the bundle.
pub fn words(bundle: &Bundle) -> BundleNames {
    let manifest = &bundle.manifest;
    let sources = manifest.window.inputs.iter().map(|input| {
        let mut types = vec![input.message.ros_name().to_owned()];
        // A stamped command holds the same fields one level deeper.
        if let ExtractorSpec::Fields { .. } = input.extractor
            && types[0] == "geometry_msgs/msg/Twist"
        {
            types.push(String::from("geometry_msgs/msg/TwistStamped"));
        }
        let topic = manifest.topics.get(&input.source).cloned();
        BundleSource {
            topic: topic.map_or_else(|| input.source.clone(), in_namespace),
            name: input.source.clone(),
            types,
            timeout: Duration::from_millis(u64::from(input.timeout_ms)),
            required: input.required,
        }
    });
    BundleNames {
        sources: sources.collect(),
        labels: manifest.labels.clone(),
        safe_label: manifest.safe_label.clone(),
        trigger: manifest.window.trigger.clone(),
        horizon_s: manifest.bins.as_ref().map(|bins| bins.horizon_s),
    }
}

/// A bundle by what means the same in every directory: one below the current directory by its whole
/// path, others as they are.
pub fn portable_model(name: &str) -> String {
    let name = home_expanded(name);
    let found = find_bundle(&name).unwrap_or_else(|_| PathBuf::from(&name));
    let is_path = name.contains('/') || found.join("model.yaml").is_file();
    match is_path && found.is_relative() {
        true => std::path::absolute(&found).map_or(name, |path| path.display().to_string()),
        false => name,
    }
}

/// A launch argument or a `-p` has no shell that makes `~` the home directory.
pub fn home_expanded(name: &str) -> String {
    match (name.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => name.to_owned(),
    }
}

/// A topic as recorded, in no namespace: a node that is given one looks for it there.
fn in_namespace(recorded: String) -> String {
    recorded.trim_start_matches('/').to_owned()
}

/// A directory with a bundle: as given, else among the shipped ones (in the package's share
/// folder, or in `models/` below the current directory).
pub fn find_bundle(name: &str) -> Result<PathBuf, ConfigureError> {
    let name = &home_expanded(name);
    let mut looked = vec![PathBuf::from(name), Path::new("models").join(name)];
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    for prefix in std::env::split_paths(&prefixes) {
        looked.push(prefix.join("share/edge_reasoner/models").join(name));
    }
    if let Ok(program) = std::env::current_exe() {
        // lib/edge_reasoner/edge_reasoner of an installed package that was not sourced.
        if let Some(prefix) = program.ancestors().nth(3) {
            looked.push(prefix.join("share/edge_reasoner/models").join(name));
        }
    }
    let mut once = std::collections::HashSet::new();
    looked.retain(|folder| once.insert(folder.clone()));
    match looked
        .iter()
        .find(|folder| folder.join("model.yaml").is_file())
    {
        Some(found) => Ok(found.clone()),
        None => Err(ConfigureError::NoBundle {
            name: name.to_owned(),
            looked,
        }),
    }
}
