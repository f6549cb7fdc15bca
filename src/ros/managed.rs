//! The standard services of a managed node, and `~/transition_event`.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use futures::Stream;
use futures::task::noop_waker;
use r2r::lifecycle_msgs::msg::{
    State as StateMsg, Transition as TransitionMsg, TransitionDescription, TransitionEvent,
};
use r2r::lifecycle_msgs::srv::{
    ChangeState, GetAvailableStates, GetAvailableTransitions, GetState,
};
use r2r::{Node, Publisher, QosProfile, ServiceRequest};

use super::lifecycle::{State, Transition};
use super::{RunError, ros};
use crate::time::Stamp;

type Requests<T> = Pin<Box<dyn Stream<Item = ServiceRequest<T>>>>;

/// The services, and the state they speak of.
pub struct Managed {
    state: State,
    change: Requests<ChangeState::Service>,
    state_asked: Requests<GetState::Service>,
    states_asked: Requests<GetAvailableStates::Service>,
    transitions_asked: Requests<GetAvailableTransitions::Service>,
    graph_asked: Requests<GetAvailableTransitions::Service>,
    events: Publisher<TransitionEvent>,
}

/// A transition somebody waits for.
pub struct Asked {
    /// Which.
    pub transition: Transition,
    request: Option<ServiceRequest<ChangeState::Service>>,
}

impl Managed {
    /// Unconfigured.
    pub fn new(node: &mut Node) -> Result<Managed, RunError> {
        let doing = "offering the services of a managed node";
        let qos = QosProfile::services_default;
        Ok(Managed {
            state: State::Unconfigured,
            change: Box::pin(ros(doing, node.create_service("~/change_state", qos()))?),
            state_asked: Box::pin(ros(doing, node.create_service("~/get_state", qos()))?),
            states_asked: Box::pin(ros(
                doing,
                node.create_service("~/get_available_states", qos()),
            )?),
            transitions_asked: Box::pin(ros(
                doing,
                node.create_service("~/get_available_transitions", qos()),
            )?),
            graph_asked: Box::pin(ros(
                doing,
                node.create_service("~/get_transition_graph", qos()),
            )?),
            events: ros(
                doing,
                node.create_publisher("~/transition_event", QosProfile::default()),
            )?,
        })
    }

    /// Answers what can be answered at once; the next transition that was asked for and is allowed
    /// here. What is not allowed is refused.
    pub fn look(&mut self) -> Option<Asked> {
        while let Some(request) = next(&mut self.state_asked) {
            let answer = GetState::Response {
                current_state: state(self.state.id()),
            };
            let _ = request.respond(answer);
        }
        while let Some(request) = next(&mut self.states_asked) {
            let answer = GetAvailableStates::Response {
                available_states: State::ALL.map(|known| state(known.id())).to_vec(),
            };
            let _ = request.respond(answer);
        }
        while let Some(request) = next(&mut self.transitions_asked) {
            let answer = GetAvailableTransitions::Response {
                available_transitions: described(self.state),
            };
            let _ = request.respond(answer);
        }
        while let Some(request) = next(&mut self.graph_asked) {
            let answer = GetAvailableTransitions::Response {
                available_transitions: State::ALL.into_iter().flat_map(described).collect(),
            };
            let _ = request.respond(answer);
        }
        while let Some(request) = next(&mut self.change) {
            let wanted = &request.message.transition;
            match self.state.asked(wanted.id, &wanted.label) {
                Some(transition) => {
                    return Some(Asked {
                        transition,
                        request: Some(request),
                    });
                }
                None => {
                    tracing::warn!(
                        "transition {} {:?} is not possible while {}",
                        wanted.id,
                        wanted.label,
                        self.state.id().1
                    );
                    let _ = request.respond(ChangeState::Response { success: false });
                }
            }
        }
        None
    }

    /// The transition begins.
    pub fn begin(&self, transition: Transition) {
        self.tell(transition, self.state.id(), transition.passing());
    }

    /// The transition is over: the node rests in its goal, or where it began.
    pub fn end(&mut self, asked: Asked, success: bool) {
        let from = self.state;
        if success {
            self.state = asked.transition.goal();
            tracing::info!("{}", asked.transition.done());
        }
        let passing = asked.transition.passing();
        self.tell_of(asked.transition.id(from), passing, self.state.id());
        if let Some(request) = asked.request {
            let _ = request.respond(ChangeState::Response { success });
        }
    }

    fn tell(&self, transition: Transition, start: (u8, &str), goal: (u8, &str)) {
        self.tell_of(transition.id(self.state), start, goal);
    }

    fn tell_of(&self, by: (u8, &str), start: (u8, &str), goal: (u8, &str)) {
        let event = TransitionEvent {
            timestamp: u64::try_from(Stamp::wall_clock().0).unwrap_or(0),
            transition: transition(by),
            start_state: state(start),
            goal_state: state(goal),
        };
        let _ = self.events.publish(&event);
    }
}

impl Asked {
    /// Asked by the node itself, at its start.
    pub fn by_itself(transition: Transition) -> Asked {
        Asked {
            transition,
            request: None,
        }
    }
}

fn next<T: r2r::WrappedServiceTypeSupport>(
    requests: &mut Requests<T>,
) -> Option<ServiceRequest<T>> {
    let waker = noop_waker();
    match requests.as_mut().poll_next(&mut Poller::from_waker(&waker)) {
        Poll::Ready(request) => request,
        Poll::Pending => None,
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
