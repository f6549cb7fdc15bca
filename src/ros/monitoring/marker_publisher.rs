//! Publishes `~/markers`: decisions in RViz and Foxglove, with the sectors of the scan that each
//! rests on. On the control plane, after the decision was published.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2r::{Node, PublisherUntyped, QosProfile};

use super::marker_view::MarkerView;
use super::model_snapshot::ModelSnapshot;
use crate::act::markers::{LimitMarker, MARKERS_TYPE, SectorMarker, encode_markers};
use crate::act::output::RobotOutput;
use crate::act::velocity_gate::GateState;
use crate::features::Sectors;
use crate::model::{BundleError, EngineKind, Precision};
use crate::ros::error::RunError;
use crate::ros::io::endpoints::Endpoints;
use crate::ros::io::model_handover::{ModelHandover, SampledWindow};
use crate::scheduler::{Decision, Engine, occlusion};

/// Between two views.
const PERIOD: Duration = Duration::from_millis(500);
/// Decisions kept until their window is here, or the other way round.
const KEPT: usize = 64;

/// Draws.
pub struct MarkerPublisher {
    publisher: PublisherUntyped,
    robot: usize,
    handover: Arc<ModelHandover>,
    saliency_engine: Option<SaliencyEngine>,
    decisions: VecDeque<Decision>,
    shown: Option<SampledWindow>,
    asked: Instant,
}

/// An engine of its own, so that no decision waits for a view.
struct SaliencyEngine {
    view: Arc<MarkerView>,
    engine: Box<dyn Engine>,
}

impl MarkerPublisher {
    /// Shows on `topic` what goes through this handover for robot number `robot`.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        topic: &str,
        (robot, handover): (usize, Arc<ModelHandover>),
    ) -> Result<MarkerPublisher, RunError> {
        let qos = QosProfile::default().keep_last(1);
        Ok(MarkerPublisher {
            publisher: endpoints.publisher(node, topic, MARKERS_TYPE, qos)?,
            robot,
            handover,
            saliency_engine: None,
            decisions: VecDeque::with_capacity(KEPT),
            shown: None,
            asked: Instant::now(),
        })
    }

    /// Draws the decision whose window came since it last looked; asks for the next.
    pub fn look(&mut self, robot_output: &RobotOutput, snapshot: &ModelSnapshot) {
        while let Some(decision) = robot_output.next_decision() {
            if self.decisions.len() == KEPT {
                self.decisions.pop_front();
            }
            self.decisions.push_back(decision);
        }
        if let Some(shown) = self.handover.views[self.robot].next() {
            self.shown = Some(shown);
        }
        let answers = |decision: &&Decision| {
            let arrival = self.shown.as_ref().map(|shown| shown.arrival);
            Some(decision.trigger.arrival) == arrival
        };
        if let Some(decision) = self.decisions.iter().find(answers).cloned()
            && let (Some(shown), Some(view)) = (self.shown.take(), &snapshot.view)
        {
            self.draw(&decision, &shown.window, view, robot_output.passing());
        }
        if self.asked.elapsed() >= PERIOD {
            self.asked = Instant::now();
            let len = snapshot.live.schedulers()[self.robot].window_len();
            self.handover.views[self.robot].ask_for(1, len);
        }
    }

    fn draw(
        &mut self,
        decision: &Decision,
        window: &[f32],
        view: &Arc<MarkerView>,
        passing: Option<GateState>,
    ) {
        let sectors = view.sectors.as_ref();
        let weights = sectors.map(|sectors| self.weights(decision, window, sectors, view));
        let seen = sectors
            .zip(weights)
            .map_or(Vec::new(), |(sectors, weights)| {
                let seen = |sector: usize| {
                    Some(SectorMarker {
                        edges: sectors.edges(sector, &decision.trigger.mount),
                        nearest_m: sectors.nearest_m(window, sector)?,
                        weight: weights[sector],
                    })
                };
                (0..sectors.count()).filter_map(seen).collect()
            });
        let mut bytes = Vec::new();
        let held_back = passing.map(|passing| LimitMarker {
            frame: &view.base_frame,
            passing,
        });
        encode_markers((decision, &view.words), &seen, held_back, &mut bytes);
        let _ = self.publisher.publish_raw(&bytes);
    }

    /// What each sector weighs in the decision, 1 for the heaviest; nothing weighs anything where
    /// no exit decided.
    fn weights(
        &mut self,
        decision: &Decision,
        window: &[f32],
        sectors: &Sectors,
        view: &Arc<MarkerView>,
    ) -> Vec<f32> {
        let nothing = vec![0.0; sectors.count()];
        if decision.exit == 0 {
            return nothing;
        }
        let Ok(saliency_engine) = self.saliency_engine(view) else {
            return nothing;
        };
        let what = (decision.exit, decision.label);
        let hide = |window: &mut [f32], sector| sectors.hide(window, sector);
        let falls = occlusion(
            saliency_engine.engine.as_mut(),
            window,
            what,
            sectors.count(),
            hide,
        );
        let Ok(falls) = falls else {
            return nothing;
        };
        // Where all of them together hardly move it, none is worth pointing at.
        let most = falls.iter().copied().fold(0.01, f32::max);
        falls.iter().map(|fall| fall / most).collect()
    }

    fn saliency_engine(
        &mut self,
        view: &Arc<MarkerView>,
    ) -> Result<&mut SaliencyEngine, BundleError> {
        let known = self
            .saliency_engine
            .take()
            .filter(|saliency_engine| Arc::ptr_eq(&saliency_engine.view, view));
        let saliency_engine = match known {
            Some(saliency_engine) => saliency_engine,
            None => SaliencyEngine {
                view: Arc::clone(view),
                engine: view.bundle.engine(EngineKind::Packed(Precision::F32))?,
            },
        };
        Ok(self.saliency_engine.insert(saliency_engine))
    }
}
