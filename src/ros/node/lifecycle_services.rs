//! The standard services of a managed node, and `~/transition_event`. They are answered on the
//! control plane; only a transition that is to be made goes to the main thread.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::{Stream, StreamExt};
use r2r::lifecycle_msgs::msg::{
    State as StateMsg, Transition as TransitionMsg, TransitionDescription, TransitionEvent,
};
use r2r::lifecycle_msgs::srv::{
    ChangeState, GetAvailableStates, GetAvailableTransitions, GetState,
};
use r2r::{Node, Publisher, QosProfile, ServiceRequest, WrappedServiceTypeSupport};

use super::lifecycle::{State, Transition};
use crate::ros::control::control_plane::ControlPlane;
use crate::ros::error::{RunError, ros};
use crate::time::Stamp;

const DOING: &str = "offering the services of a managed node";
/// Transitions that wait for the one before them.
const WAITING: usize = 16;

type Change = ServiceRequest<ChangeState::Service>;

/// The services, and the state that they report.
pub struct LifecycleServices {
    shown: Arc<PublishedState>,
    changes: Receiver<Change>,
    events: Publisher<TransitionEvent>,
}

/// The state as the services tell it.
struct PublishedState(Mutex<LifecycleStatus>);

#[derive(Clone, Copy)]
struct LifecycleStatus {
    /// The state of the node, or the one before the transition it is in.
    state: State,
    passing: Option<Transition>,
}

impl PublishedState {
    fn lock(&self) -> MutexGuard<'_, LifecycleStatus> {
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }
}

impl LifecycleStatus {
    fn id(self) -> (u8, &'static str) {
        match self.passing {
            Some(transition) => transition.passing(),
            None => self.state.id(),
        }
    }

    /// None while one is under way.
    fn transitions(self) -> Vec<TransitionDescription> {
        match self.passing {
            Some(_) => Vec::new(),
            None => described(self.state),
        }
    }
}

/// A transition that was requested.
pub struct TransitionRequest {
    /// Which.
    pub transition: Transition,
    request: Option<Change>,
}

impl LifecycleServices {
    /// Unconfigured.
    pub fn new(
        node: &mut Node,
        control_plane: &ControlPlane,
    ) -> Result<LifecycleServices, RunError> {
        let shown = Arc::new(PublishedState(Mutex::new(LifecycleStatus {
            state: State::Unconfigured,
            passing: None,
        })));
        let seen = |shown: &Arc<PublishedState>| {
            let shown = Arc::clone(shown);
            move || *shown.lock()
        };
        let now = seen(&shown);
        answer::<GetState::Service>(node, control_plane, "~/get_state", move || {
            GetState::Response {
                current_state: state(now().id()),
            }
        })?;
        answer::<GetAvailableStates::Service>(
            node,
            control_plane,
            "~/get_available_states",
            || GetAvailableStates::Response {
                available_states: State::ALL.map(|known| state(known.id())).to_vec(),
            },
        )?;
        let (now, transitions) = (seen(&shown), "~/get_available_transitions");
        answer::<GetAvailableTransitions::Service>(node, control_plane, transitions, move || {
            GetAvailableTransitions::Response {
                available_transitions: now().transitions(),
            }
        })?;
        answer::<GetAvailableTransitions::Service>(
            node,
            control_plane,
            "~/get_transition_graph",
            || GetAvailableTransitions::Response {
                available_transitions: State::ALL.into_iter().flat_map(described).collect(),
            },
        )?;
        let (ask, changes) = sync_channel(WAITING);
        let qos = QosProfile::services_default();
        let requests = ros(DOING, node.create_service("~/change_state", qos))?;
        control_plane.spawn(pass_on(requests, ask));
        Ok(LifecycleServices {
            shown,
            changes,
            events: ros(
                DOING,
                node.create_publisher("~/transition_event", QosProfile::default()),
            )?,
        })
    }

    /// The next requested transition that is allowed from this state; the others are refused.
    pub fn look(&mut self, control_plane: &ControlPlane) -> Option<TransitionRequest> {
        while let Ok(request) = self.changes.try_recv() {
            let wanted = &request.message.transition;
            let state = self.shown.lock().state;
            if let Some(transition) = state.asked(wanted.id, &wanted.label) {
                return Some(TransitionRequest {
                    transition,
                    request: Some(request),
                });
            }
            control_plane.later(move || {
                let wanted = &request.message.transition;
                tracing::warn!(
                    "transition {} {:?} is not possible while {}",
                    wanted.id,
                    wanted.label,
                    state.id().1
                );
                let _ = request.respond(ChangeState::Response { success: false });
            });
        }
        None
    }

    /// The transition begins.
    pub fn begin(&self, control_plane: &ControlPlane, transition: Transition) {
        let mut seen = self.shown.lock();
        let from = seen.state;
        seen.passing = Some(transition);
        drop(seen);
        self.tell(
            control_plane,
            transition.id(from),
            from.id(),
            transition.passing(),
        );
    }

    /// The transition is over: the node rests in its goal, or where it began.
    pub fn end(&self, control_plane: &ControlPlane, asked: TransitionRequest, success: bool) {
        let mut seen = self.shown.lock();
        let from = seen.state;
        if success {
            seen.state = asked.transition.goal();
        }
        seen.passing = None;
        let rests = seen.state;
        drop(seen);
        let passing = asked.transition.passing();
        self.tell(
            control_plane,
            asked.transition.id(from),
            passing,
            rests.id(),
        );
        if let Some(request) = asked.request {
            control_plane.later(move || {
                let _ = request.respond(ChangeState::Response { success });
            });
        }
        // Not on this thread: the reader of the log may have stopped reading.
        let transition = asked.transition;
        control_plane.later(move || {
            if success {
                tracing::info!("{}", transition.done());
            }
        });
    }

    fn tell(
        &self,
        control_plane: &ControlPlane,
        by: (u8, &str),
        start: (u8, &str),
        goal: (u8, &str),
    ) {
        let event = TransitionEvent {
            timestamp: u64::try_from(Stamp::wall_clock().0).unwrap_or(0),
            transition: transition(by),
            start_state: state(start),
            goal_state: state(goal),
        };
        let events = self.events.clone();
        control_plane.later(move || {
            let _ = events.publish(&event);
        });
    }
}

impl TransitionRequest {
    /// Asked by the node itself, at its start.
    pub fn by_itself(transition: Transition) -> TransitionRequest {
        TransitionRequest {
            transition,
            request: None,
        }
    }
}

/// Offers a service that `answer` answers.
fn answer<T: WrappedServiceTypeSupport + 'static>(
    node: &mut Node,
    control_plane: &ControlPlane,
    name: &str,
    answer: impl Fn() -> T::Response + Send + 'static,
) -> Result<(), RunError>
where
    T::Request: Send,
    T::Response: Send,
{
    let qos = QosProfile::services_default();
    let mut requests = ros(DOING, node.create_service::<T>(name, qos))?;
    control_plane.spawn(async move {
        while let Some(request) = requests.next().await {
            let response = answer();
            let respond = move || drop(request.respond(response));
            let _ = tokio::task::spawn_blocking(respond).await;
        }
    });
    Ok(())
}

/// Hands requests to the main thread; refuses those that it cannot take any more.
async fn pass_on(mut requests: impl Stream<Item = Change> + Unpin, to: SyncSender<Change>) {
    while let Some(request) = requests.next().await {
        if let Err(TrySendError::Full(request) | TrySendError::Disconnected(request)) =
            to.try_send(request)
        {
            let refuse = move || drop(request.respond(ChangeState::Response { success: false }));
            let _ = tokio::task::spawn_blocking(refuse).await;
        }
    }
}

fn state((id, label): (u8, &str)) -> StateMsg {
    StateMsg {
        id,
        label: label.to_owned(),
    }
}

fn transition((id, label): (u8, &str)) -> TransitionMsg {
    TransitionMsg {
        id,
        label: label.to_owned(),
    }
}

fn described(from: State) -> Vec<TransitionDescription> {
    let described = |known: &Transition| TransitionDescription {
        transition: transition(known.id(from)),
        start_state: state(from.id()),
        goal_state: state(known.goal().id()),
    };
    from.transitions().iter().map(described).collect()
}
