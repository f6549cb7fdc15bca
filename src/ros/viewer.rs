//! `~/markers`: shows decisions in RViz and Foxglove, with the sectors of the scan each rests on. On
//! the cold side, after the decision left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2r::{Node, PublisherUntyped, QosProfile};

use super::RunError;
use super::at_work::Face;
use super::endpoints::Endpoints;
use super::handover::{Handover, Shown};
use crate::act::Vocabulary;
use crate::act::gate::Passing;
use crate::act::markers::{HeldBack, MARKERS_TYPE, Seen, encode_markers};
use crate::act::outlet::Outlet;
use crate::configure::Configuration;
use crate::model::{Bundle, BundleError, EngineKind, Precision};
use crate::reason::{Decision, Engine, occlusion};
use crate::sense::Sectors;

/// Between two views.
const PERIOD: Duration = Duration::from_millis(500);
/// Decisions kept until their window is here, or the other way round.
const KEPT: usize = 64;

/// Draws.
pub struct Viewer {
    publisher: PublisherUntyped,
    robot: usize,
    handover: Arc<Handover>,
    eye: Option<Eye>,
    decisions: VecDeque<Decision>,
    shown: Option<Shown>,
    asked: Instant,
}

/// What showing a model's decisions takes.
pub struct View {
    bundle: Arc<Bundle>,
    words: Vocabulary,
    base_frame: String,
    /// None where the window sees no scan.
    sectors: Option<Sectors>,
}

/// An engine of its own, so that no decision waits for a view.
struct Eye {
    view: Arc<View>,
    engine: Box<dyn Engine>,
}

impl View {
    /// None where decisions are not shown.
    pub fn of(configuration: &Configuration) -> Option<View> {
        configuration.params.markers.then(|| View {
            bundle: Arc::clone(&configuration.bundle),
            words: configuration.vocabulary(),
            base_frame: configuration.params.base_frame.clone(),
            sectors: configuration.sectors(),
        })
    }
}

impl Viewer {
    /// Shows on `topic` what goes through this handover for robot number `robot`.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        topic: &str,
        (robot, handover): (usize, Arc<Handover>),
    ) -> Result<Viewer, RunError> {
        let qos = QosProfile::default().keep_last(1);
        Ok(Viewer {
            publisher: endpoints.publisher(node, topic, MARKERS_TYPE, qos)?,
            robot,
            handover,
            eye: None,
            decisions: VecDeque::with_capacity(KEPT),
            shown: None,
            asked: Instant::now(),
        })
    }

    /// Draws the decision whose window came since it last looked; asks for the next.
    pub fn look(&mut self, outlet: &Outlet, face: &Face) {
        while let Some(decision) = outlet.next_decision() {
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
            && let (Some(shown), Some(view)) = (self.shown.take(), &face.view)
        {
            self.draw(&decision, &shown.window, view, outlet.passing());
        }
        if self.asked.elapsed() >= PERIOD {
            self.asked = Instant::now();
            let len = face.live.desks()[self.robot].window_len();
            self.handover.views[self.robot].ask_for(1, len);
        }
    }

    fn draw(
        &mut self,
        decision: &Decision,
        window: &[f32],
        view: &Arc<View>,
        passing: Option<Passing>,
    ) {
        let sectors = view.sectors.as_ref();
        let weights = sectors.map(|sectors| self.weights(decision, window, sectors, view));
        let seen = sectors
            .zip(weights)
            .map_or(Vec::new(), |(sectors, weights)| {
                let seen = |sector: usize| {
                    Some(Seen {
                        edges: sectors.edges(sector, &decision.trigger.mount),
                        nearest_m: sectors.nearest_m(window, sector)?,
                        weight: weights[sector],
                    })
                };
                (0..sectors.count()).filter_map(seen).collect()
            });
        let mut bytes = Vec::new();
        let held_back = passing.map(|passing| HeldBack {
            frame: &view.base_frame,
            passing,
        });
        encode_markers((decision, &view.words), &seen, held_back, &mut bytes);
        let _ = self.publisher.publish_raw(&bytes);
    }

    /// What each sector weighs in the decision, 1 for the heaviest; nothing weighs anything where no
    /// exit decided.
    fn weights(
        &mut self,
        decision: &Decision,
        window: &[f32],
        sectors: &Sectors,
        view: &Arc<View>,
    ) -> Vec<f32> {
        let nothing = vec![0.0; sectors.count()];
        if decision.exit == 0 {
            return nothing;
        }
        let Ok(eye) = self.eye(view) else {
            return nothing;
        };
        let what = (decision.exit, decision.label);
        let hide = |window: &mut [f32], sector| sectors.hide(window, sector);
        let falls = occlusion(eye.engine.as_mut(), window, what, sectors.count(), hide);
        let Ok(falls) = falls else {
            return nothing;
        };
        // Where all of them together hardly move it, none is worth pointing at.
        let most = falls.iter().copied().fold(0.01, f32::max);
        falls.iter().map(|fall| fall / most).collect()
    }

    fn eye(&mut self, view: &Arc<View>) -> Result<&mut Eye, BundleError> {
        let known = self.eye.take().filter(|eye| Arc::ptr_eq(&eye.view, view));
        let eye = match known {
            Some(eye) => eye,
            None => Eye {
                view: Arc::clone(view),
                engine: view.bundle.engine(EngineKind::Packed(Precision::F32))?,
            },
        };
        Ok(self.eye.insert(eye))
    }
}
