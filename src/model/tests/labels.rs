//! As many labels as there may be, on the way that is walked when an engine does not come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use crate::scheduler::{
    CostModel, CycleConfig, Decision, DecisionSource, InferenceWorker, InputStatus, MAX_LABELS,
    OutgoingDecision, Policy, Publish, SchedulerState,
};
use crate::time::Mono;

fn with_labels(count: usize) -> Result<Bundle, BundleError> {
    let mut manifest = manifest();
    manifest.labels = (0..count).map(|n| format!("label{n}")).collect();
    manifest.safe_label = format!("label{}", count - 1);
    Bundle::untrained(manifest, 5)
}

/// Two stages in time, then never back.
struct Hangs(u32);

impl MachineModel for Hangs {
    fn stage_cost(&mut self, _: usize, _: usize) -> Option<Duration> {
        self.0 += 1;
        (self.0 <= 2).then_some(Duration::from_millis(1))
    }
}

#[derive(Default)]
struct Sink(Mutex<Vec<Decision>>);

impl Publish for Sink {
    fn publish(&self, outgoing: OutgoingDecision) {
        outgoing.send(|decision| self.0.lock().unwrap().push(decision.clone()));
    }
}

#[test]
fn the_watchdog_answers_for_a_model_with_as_many_labels_as_there_may_be() {
    let bundle = with_labels(MAX_LABELS).unwrap();
    assert_eq!(usize::from(bundle.safe_label()), MAX_LABELS - 1);
    let folder = tempdir().unwrap();
    bundle.save(folder.path()).unwrap();
    let bundle = Bundle::load(folder.path()).unwrap();
    let sizes = bundle.manifest.architecture;
    let cycle_config = CycleConfig {
        deadline: Duration::from_millis(20),
        publish_margin: Duration::from_millis(2),
        fault_time: Duration::from_millis(500),
        hold: Duration::ZERO,
        batch_slack: Duration::ZERO,
        reuse: None,
        policy: Policy::Best,
        min_confidence: 0.0,
        free_way_quantile: 0.1,
        thresholds: vec![0.9; sizes.depth],
        safe_label: bundle.safe_label(),
        exits: sizes.depth as u8,
    };
    let (clock, sink) = (
        Arc::new(SimulatedClock::default()),
        Arc::new(Sink::default()),
    );
    let window = sizes.frames * sizes.features;
    let publish = Arc::clone(&sink) as _;
    let scheduler = SchedulerState::new(
        Arc::clone(&clock) as _,
        cycle_config,
        MAX_LABELS,
        window,
        1,
        publish,
    );
    let scheduler = Arc::new(scheduler);
    let engine = bundle
        .engine(EngineKind::Packed(crate::kernels::Precision::F32))
        .unwrap();
    let mut costs = CostModel::new(sizes.depth);
    (0..sizes.depth).for_each(|stage| costs.record(stage, Duration::from_millis(1)));
    let worker = InferenceWorker::new(Arc::clone(&scheduler), 0, engine, costs);
    let mut logical = SimulatedScheduler::new(clock, vec![scheduler], vec![worker], Hangs(0));
    logical.advance_to(Mono(1_000_000_000));
    let mut request = logical.scheduler(0).empty_request().unwrap();
    request.trigger.arrival = Mono(1_000_000_000);
    request.trigger.input_status = InputStatus::Ready;
    logical.offer(0, request);
    logical.drain();
    let decisions = sink.0.lock().unwrap();
    let [decision] = decisions.as_slice() else {
        panic!("{decisions:?}");
    };
    assert_eq!((decision.source, decision.exit), (DecisionSource::Model, 2));
    assert_eq!(decision.probabilities.as_slice().len(), MAX_LABELS);
}

#[test]
fn one_label_more_is_refused_by_name() {
    let word = with_labels(MAX_LABELS + 1).unwrap_err().to_string();
    assert!(word.contains("65 labels, expected 2 to 64"), "{word}");
}
