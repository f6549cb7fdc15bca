//! A node's parameters over its life: what was given, what is in force, and what may change when.

use super::node_params::{BundleNames, Params};
use super::table::ChangePolicy;
use super::typed_reader::{Effective, ParamFaults};
use super::value::{Value, Values};
use super::{ReadParams, model_name};

/// The state of the node, as far as its parameters are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was read yet: everything but what the process read at its start may change.
    Unconfigured,
    /// A transition is under way and may be reading them.
    Changing,
    /// They were read; only what holds from trigger to trigger may change.
    Configured,
}

/// Why a change was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// Read at configure.
    #[error(
        "{0} needs configure: deactivate and cleanup the node, set it, then configure and activate it"
    )]
    NeedsConfigure(String),
    /// Read once.
    #[error(
        "{0} is read once, when the process starts: give it on the command line or in the params file \
         and start the node anew"
    )]
    NeedsStart(String),
    /// A transition is under way.
    #[error("the node is changing its state; try again when it is done")]
    Changing,
    /// The fault that the check at configure would find.
    #[error(transparent)]
    Faults(#[from] ParamFaults),
    /// It reads well and cannot be had here.
    #[error("{0}")]
    Impossible(String),
}

/// A change that was checked and not made yet.
#[derive(Debug)]
pub struct Proposal {
    overrides: Values,
    bundle: Option<(String, BundleNames)>,
    /// The values that will be in force, parameter by parameter.
    pub effective: Effective,
    /// The checked parameters; an error only where they had one before, too.
    pub params: Result<Params, ParamFaults>,
    /// Names of the parameters whose value in force changes.
    pub changed: Vec<String>,
}

impl Proposal {
    /// The parameters; the faults where they make none.
    pub fn sound_params(&self) -> Result<Params, ChangeRefused> {
        self.params.clone().map_err(ChangeRefused::from)
    }
}

/// Looks up what a bundle lets parameters name, by the value of the parameter `model`.
pub type BundleLookup = fn(&str) -> Result<BundleNames, String>;

/// The parameters that were set, at the start and since.
pub struct ParameterStore {
    overrides: Values,
    phase: Phase,
    resolve: BundleLookup,
    /// The bundle last looked up.
    bundle: Option<(String, Result<BundleNames, String>)>,
}

impl ParameterStore {
    /// With what the params files and the command line say.
    pub fn new(overrides: Values, resolve: BundleLookup) -> ParameterStore {
        ParameterStore {
            overrides,
            phase: Phase::Unconfigured,
            resolve,
            bundle: None,
        }
    }

    /// The parameters that were set, to configure by.
    pub fn overrides(&self) -> &Values {
        &self.overrides
    }

    /// The node is in another phase now.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// The bundle that the parameter `model` names was just loaded, and lets parameters name this.
    pub fn learn(&mut self, words: BundleNames) {
        self.bundle = Some((model_name(&self.overrides), Ok(words)));
    }

    /// The values in force, or those that would be after a configure.
    pub fn effective(&mut self) -> Effective {
        let overrides = self.overrides.clone();
        self.read(&overrides).effective
    }

    /// Checks changes, all or none; a value of `None` unsets a parameter.
    pub fn propose(
        &mut self,
        changes: &[(String, Option<Value>)],
    ) -> Result<Proposal, ChangeRefused> {
        if self.phase == Phase::Changing {
            return Err(ChangeRefused::Changing);
        }
        let mut overrides = self.overrides.clone();
        for (name, value) in changes {
            match value {
                Some(value) => drop(overrides.insert(name.clone(), value.clone())),
                None => drop(overrides.remove(name)),
            }
        }
        let after = self.read(&overrides);
        self.check(overrides, after, None)
    }

    /// The bundle `name`, which lets parameters name `words`, in the present one's place, and
    /// everything else as it is.
    pub fn propose_model(
        &mut self,
        name: &str,
        words: BundleNames,
    ) -> Result<Proposal, ChangeRefused> {
        let mut overrides = self.overrides.clone();
        overrides.insert(String::from("model"), Value::String(name.to_owned()));
        let after = ReadParams::of(&overrides, &words);
        let mut proposal = self.check(overrides, after, Some("model"))?;
        proposal.bundle = Some((name.to_owned(), words));
        Ok(proposal)
    }

    /// Makes a change that was proposed.
    pub fn commit(&mut self, proposal: Proposal) {
        self.overrides = proposal.overrides;
        if let Some((name, words)) = proposal.bundle {
            self.bundle = Some((name, Ok(words)));
        }
    }

    /// `free`: may change all the same.
    fn check(
        &mut self,
        overrides: Values,
        after: ReadParams,
        free: Option<&str>,
    ) -> Result<Proposal, ChangeRefused> {
        let present = self.overrides.clone();
        let before = self.read(&present);
        // A node that is wrong in two ways is mended one by one.
        let old = before.params.err().map_or_else(Vec::new, |faults| faults.0);
        if let Err(faults) = &after.params {
            let new = faults.0.iter().filter(|fault| !old.contains(fault));
            let new: Vec<String> = new.cloned().collect();
            if !new.is_empty() {
                return Err(ParamFaults(new).into());
            }
        }
        let mut changed = Vec::new();
        for (name, (value, row)) in &after.effective {
            let was = before.effective.get(name).map(|(value, _)| value);
            if was == Some(value) {
                continue;
            }
            match row.change {
                _ if free == Some(name.as_str()) => {}
                ChangePolicy::Start => return Err(ChangeRefused::NeedsStart(name.clone())),
                ChangePolicy::Configure if self.phase != Phase::Unconfigured => {
                    return Err(ChangeRefused::NeedsConfigure(name.clone()));
                }
                ChangePolicy::Live | ChangePolicy::Configure => {}
            }
            changed.push(name.clone());
        }
        Ok(Proposal {
            overrides,
            bundle: None,
            effective: after.effective,
            params: after.params,
            changed,
        })
    }

    fn read(&mut self, overrides: &Values) -> ReadParams {
        let name = model_name(overrides);
        if self.bundle.as_ref().is_none_or(|(known, _)| *known != name) {
            let words = (self.resolve)(&name);
            self.bundle = Some((name, words));
        }
        match &self.bundle {
            Some((_, Ok(words))) => ReadParams::of(overrides, words),
            Some((_, Err(fault))) => {
                // Without a bundle nobody knows its sources and labels: what names them is not
                // called unknown.
                let mut reading = ReadParams::of(overrides, &BundleNames::default());
                reading.params = Err(ParamFaults(vec![fault.clone()]));
                reading
            }
            None => ReadParams::of(overrides, &BundleNames::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ros_arguments::parse_override;
    use super::*;
    use crate::params::node_params::BundleSource;

    fn resolve(name: &str) -> Result<BundleNames, String> {
        if name != "good" && name != "other" {
            return Err(format!("model {name}: no such bundle"));
        }
        Ok(BundleNames {
            sources: vec![BundleSource {
                name: "scan".into(),
                topic: "/scan".into(),
                types: vec!["sensor_msgs/msg/LaserScan".into()],
                timeout: std::time::Duration::from_millis(500),
                required: true,
            }],
            labels: vec!["go".into(), "stop".into()],
            safe_label: "stop".into(),
            trigger: "scan".into(),
            horizon_s: None,
        })
    }

    fn store(overrides: &[&str]) -> ParameterStore {
        let overrides = overrides.iter().map(|text| parse_override(text).unwrap());
        ParameterStore::new(overrides.collect(), resolve)
    }

    fn set(store: &mut ParameterStore, texts: &[&str]) -> Result<Vec<String>, ChangeRefused> {
        let changes = texts.iter().map(|text| {
            let (name, value) = parse_override(text).unwrap();
            (name, Some(value))
        });
        let proposal = store.propose(&changes.collect::<Vec<_>>())?;
        let changed = proposal.changed.clone();
        store.commit(proposal);
        Ok(changed)
    }

    fn value(store: &mut ParameterStore, name: &str) -> Option<Value> {
        store.effective().remove(name).map(|(value, _)| value)
    }

    #[test]
    fn what_is_in_force_is_whole_and_reads_back_as_itself() {
        let mut store = store(&["model:=good", "deadline_ms:=5", "realtime.cpus:=1"]);
        let effective = store.effective();
        assert_eq!(effective["deadline_ms"].0, Value::Double(5.0));
        assert_eq!(effective["scan.topic"].0, Value::String("/scan".into()));
        assert_eq!(effective["realtime.cpus"].0, Value::String("1".into()));
        assert!(!effective.contains_key("act.velocity_gate.linear.go"));
        let dumped: Values = effective
            .iter()
            .map(|(n, (v, _))| (n.clone(), v.clone()))
            .collect();
        let again = ReadParams::of(&dumped, &resolve("good").unwrap());
        let first = ReadParams::of(store.overrides(), &resolve("good").unwrap());
        assert_eq!(again.params, first.params);
        let values = |effective: &Effective| -> Vec<Value> {
            effective.values().map(|(value, _)| value.clone()).collect()
        };
        assert_eq!(values(&again.effective), values(&first.effective));
    }

    #[test]
    fn while_configured_only_what_is_live_changes_and_the_rest_says_what_it_needs() {
        let mut store = store(&["model:=good"]);
        store.enter(Phase::Configured);
        assert_eq!(
            set(&mut store, &["confidence:=0.7"]).unwrap(),
            ["confidence"]
        );
        let refused = set(&mut store, &["scan.topic:=/front"]).unwrap_err();
        assert_eq!(refused, ChangeRefused::NeedsConfigure("scan.topic".into()));
        assert!(refused.to_string().contains("cleanup"), "{refused}");
        let refused = set(&mut store, &["autostart:=false"]).unwrap_err();
        assert_eq!(refused, ChangeRefused::NeedsStart("autostart".into()));
        // A whole file that changes nothing is no change.
        assert!(
            set(&mut store, &["scan.topic:=/scan", "model:=good"])
                .unwrap()
                .is_empty()
        );
        store.enter(Phase::Changing);
        assert_eq!(
            set(&mut store, &["confidence:=0.1"]).unwrap_err(),
            ChangeRefused::Changing
        );
        store.enter(Phase::Unconfigured);
        assert_eq!(
            set(&mut store, &["scan.topic:=/front"]).unwrap(),
            ["scan.topic"]
        );
    }

    #[test]
    fn a_change_is_checked_as_at_start_and_all_or_nothing() {
        let mut store = store(&["model:=good"]);
        store.enter(Phase::Configured);
        for (bad, word) in [
            ("confidence:=1.5", "0 to 1"),
            ("policy:=quickest", "fastest, best"),
            ("publish_margin_ms:=20.0", "leaves nothing"),
            ("confidance:=0.5", "did you mean confidence"),
            ("deadline_ms:=fast", "expected a number"),
        ] {
            let refused = set(&mut store, &["hold_ms:=1.0", bad])
                .unwrap_err()
                .to_string();
            assert!(refused.contains(word), "{bad}: {refused}");
        }
        assert_eq!(value(&mut store, "hold_ms"), Some(Value::Double(200.0)));
        // What depends on it follows, unless it was set.
        let changed = set(&mut store, &["deadline_ms:=5.0"]).unwrap();
        assert_eq!(changed, ["deadline_ms", "publish_margin_ms"]);
    }

    #[test]
    fn a_node_with_two_faults_is_mended_one_by_one() {
        let mut store = store(&["model:=good", "deadline_ms:=fast", "policy:=quickest"]);
        assert!(set(&mut store, &["deadline_ms:=20.0"]).is_ok());
        assert!(set(&mut store, &["policy:=best"]).is_ok());
        assert!(store.propose(&[]).unwrap().params.is_ok());
    }

    #[test]
    fn without_a_bundle_another_can_still_be_named() {
        let mut store = store(&["model:=missing"]);
        let proposal = store.propose(&[]).unwrap();
        assert!(
            proposal
                .params
                .unwrap_err()
                .to_string()
                .contains("no such bundle")
        );
        assert!(set(&mut store, &["model:=gone"]).is_err());
        assert!(set(&mut store, &["model:=good"]).is_ok());
        assert!(value(&mut store, "scan.topic").is_some());
    }

    #[test]
    fn another_model_may_come_only_by_its_own_door() {
        let mut store = store(&["model:=good"]);
        store.enter(Phase::Configured);
        let refused = set(&mut store, &["model:=other"]).unwrap_err();
        assert_eq!(refused, ChangeRefused::NeedsConfigure("model".into()));
        let mut words = resolve("other").unwrap();
        let proposal = store.propose_model("other", words.clone()).unwrap();
        assert_eq!(proposal.changed, ["model"]);
        words.sources[0].topic = "/elsewhere".into();
        let refused = store.propose_model("other", words).unwrap_err();
        assert_eq!(refused, ChangeRefused::NeedsConfigure("scan.topic".into()));
        assert_eq!(
            value(&mut store, "scan.topic"),
            Some(Value::String("/scan".into()))
        );
    }

    #[test]
    fn what_was_said_can_be_taken_back() {
        let mut store = store(&["model:=good", "confidence:=0.9"]);
        store.enter(Phase::Configured);
        let proposal = store.propose(&[("confidence".into(), None)]).unwrap();
        store.commit(proposal);
        assert_eq!(value(&mut store, "confidence"), Some(Value::Double(0.4)));
    }
}
