//! The standard parameter services. They are served here because r2r's own accept every change. On
//! the control plane: no decision waits for them.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use r2r::rcl_interfaces::msg::{
    FloatingPointRange, IntegerRange, ListParametersResult, Parameter as ParameterMsg,
    ParameterDescriptor, ParameterEvent, SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters,
    SetParametersAtomically,
};
use r2r::{Node, Publisher, QosProfile, ServiceRequest, WrappedServiceTypeSupport};

use super::control_plane::ControlPlane;
use super::node_state::NodeState;
use super::parameter_values::{from_message, to_message, type_number, without_zeros};
use crate::params::table::{ChangePolicy, Parameter, ParameterType};
use crate::params::{Effective, Value};
use crate::ros::error::{RunError, ros};
use crate::time::Stamp;

const DOING: &str = "offering the parameter services";

/// Answers the services from here on.
pub fn serve(
    node: &mut Node,
    control_plane: &ControlPlane,
    shared: &Arc<NodeState>,
) -> Result<(), RunError> {
    let events = ros(
        DOING,
        node.create_publisher("/parameter_events", QosProfile::default().keep_last(1000)),
    )?;
    let name = node.fully_qualified_name().unwrap_or_default();
    let events = Events { events, node: name };
    let mut offer = ServiceContext {
        node,
        control_plane,
        shared,
    };
    offer.service::<GetParameters::Service>("~/get_parameters", |shared, asked| {
        let known = shared.effective();
        GetParameters::Response {
            values: by_name(&asked.names, &known, |_, value, _| to_message(value)),
        }
    })?;
    offer.service::<GetParameterTypes::Service>("~/get_parameter_types", |shared, asked| {
        let known = shared.effective();
        GetParameterTypes::Response {
            types: by_name(&asked.names, &known, |_, value, _| type_number(value)),
        }
    })?;
    offer.service::<DescribeParameters::Service>("~/describe_parameters", |shared, asked| {
        let known = shared.effective();
        DescribeParameters::Response {
            descriptors: by_name(&asked.names, &known, descriptor),
        }
    })?;
    offer.service::<ListParameters::Service>("~/list_parameters", |shared, asked| {
        let known = shared.effective();
        let (names, prefixes) = list(known.keys(), &asked.prefixes, asked.depth);
        let names = names.into_iter().map(|name| without_zeros(&name)).collect();
        ListParameters::Response {
            result: ListParametersResult { names, prefixes },
        }
    })?;
    let events = Arc::new(std::sync::Mutex::new(events));
    let one_by_one = Arc::clone(&events);
    offer.service::<SetParameters::Service>("~/set_parameters", move |shared, asked| {
        let each = asked.parameters.chunks(1);
        SetParameters::Response {
            results: each.map(|one| set(shared, one, &one_by_one)).collect(),
        }
    })?;
    offer.service::<SetParametersAtomically::Service>(
        "~/set_parameters_atomically",
        move |shared, asked| SetParametersAtomically::Response {
            result: set(shared, &asked.parameters, &events),
        },
    )
}

struct ServiceContext<'a> {
    node: &'a mut Node,
    control_plane: &'a ControlPlane,
    shared: &'a Arc<NodeState>,
}

impl ServiceContext<'_> {
    fn service<T: WrappedServiceTypeSupport + 'static>(
        &mut self,
        name: &str,
        answer: impl Fn(&NodeState, &T::Request) -> T::Response + Send + Sync + 'static,
    ) -> Result<(), RunError>
    where
        T::Request: Send,
    {
        let qos = QosProfile::services_default();
        let requests = ros(DOING, self.node.create_service::<T>(name, qos))?;
        let shared = Arc::clone(self.shared);
        let answer = move |request: &T::Request| answer(&shared, request);
        self.control_plane
            .spawn(answer_all(requests, Arc::new(answer)));
        Ok(())
    }
}

/// One after another, where it may take its time: a parameter may name a bundle that is read first.
async fn answer_all<T: WrappedServiceTypeSupport + 'static>(
    mut requests: impl Stream<Item = ServiceRequest<T>> + Unpin,
    answer: Arc<impl Fn(&T::Request) -> T::Response + Send + Sync + 'static>,
) {
    while let Some(request) = requests.next().await {
        let answer = Arc::clone(&answer);
        let answered = tokio::task::spawn_blocking(move || {
            let response = answer(&request.message);
            // The client may be gone.
            let _ = request.respond(response);
        });
        // The panic hook reports a panic; the next request is answered.
        let _ = answered.await;
    }
}

/// Publishes the change on /parameter_events.
struct Events {
    events: Publisher<ParameterEvent>,
    node: String,
}

impl Events {
    fn tell(&self, changed: Vec<(String, Value)>) {
        let (sec, nanosec) = Stamp::wall_clock().to_ros();
        let changed = changed.into_iter().map(|(name, value)| ParameterMsg {
            name,
            value: to_message(&value),
        });
        let event = ParameterEvent {
            stamp: r2r::builtin_interfaces::msg::Time { sec, nanosec },
            node: self.node.clone(),
            changed_parameters: changed.collect(),
            ..ParameterEvent::default()
        };
        let _ = self.events.publish(&event);
    }
}

/// Sets all of them or none.
fn set(
    shared: &NodeState,
    asked: &[ParameterMsg],
    events: &std::sync::Mutex<Events>,
) -> SetParametersResult {
    let changes: Vec<_> = asked
        .iter()
        .map(|one| (one.name.clone(), from_message(&one.value)))
        .collect();
    match shared.set(&changes) {
        Ok(changed) => {
            for (name, value) in &changed {
                tracing::info!("{name} is {value} from now on");
            }
            if !changed.is_empty()
                && let Ok(events) = events.lock()
            {
                events.tell(changed);
            }
            SetParametersResult {
                successful: true,
                reason: String::new(),
            }
        }
        Err(refusal) => SetParametersResult {
            successful: false,
            reason: without_zeros(&refusal.to_string()),
        },
    }
}

/// The parameters, in the order of the names; an unknown name gives the default.
fn by_name<T: Default>(
    names: &[String],
    known: &Effective,
    get: impl Fn(&str, &Value, &Parameter) -> T,
) -> Vec<T> {
    let one = |name: &String| match known.get(name) {
        Some((value, row)) => get(name, value, row),
        None => T::default(),
    };
    names.iter().map(one).collect()
}

fn descriptor(name: &str, value: &Value, row: &Parameter) -> ParameterDescriptor {
    let mut constraints = match row.change {
        ChangePolicy::Live => String::from("may change at any time"),
        ChangePolicy::Configure => String::from("may change while the node is unconfigured"),
        ChangePolicy::Start => String::from("is read when the process starts"),
    };
    let mut descriptor = ParameterDescriptor {
        name: without_zeros(name),
        type_: type_number(value),
        description: row.description.to_owned(),
        read_only: row.change == ChangePolicy::Start,
        ..ParameterDescriptor::default()
    };
    match row.kind {
        ParameterType::Double {
            least_milli,
            most_milli,
        } => descriptor.floating_point_range.push(FloatingPointRange {
            from_value: least_milli as f64 / 1e3,
            to_value: most_milli as f64 / 1e3,
            step: 0.0,
        }),
        ParameterType::Count { least, most } => descriptor.integer_range.push(IntegerRange {
            from_value: least,
            to_value: most,
            step: 1,
        }),
        ParameterType::Word(words) if !words.is_empty() => {
            constraints = format!("one of {}; {constraints}", words.join(", "));
        }
        ParameterType::Word(_)
        | ParameterType::Words
        | ParameterType::Doubles
        | ParameterType::Bool
        | ParameterType::Cpus => {}
    }
    descriptor.additional_constraints = constraints;
    descriptor
}

/// Names below any of the prefixes (below none: all) and at most `depth` levels deeper (0: any
/// number), and the prefixes they have.
fn list<'n>(
    names: impl Iterator<Item = &'n String>,
    prefixes: &[String],
    depth: u64,
) -> (Vec<String>, Vec<String>) {
    let levels = |name: &str| name.split('.').count() as u64;
    let near = |rest: &str| depth == 0 || levels(rest) <= depth;
    let wanted = |name: &str| match prefixes.is_empty() {
        true => near(name),
        false => prefixes.iter().any(|prefix| {
            let below = name.strip_prefix(prefix.as_str());
            let below = below.and_then(|rest| rest.strip_prefix('.'));
            name == prefix || below.is_some_and(near)
        }),
    };
    let names: Vec<String> = names.filter(|name| wanted(name)).cloned().collect();
    let mut found: Vec<String> = names
        .iter()
        .filter_map(|name| name.rsplit_once('.').map(|(prefix, _)| prefix.to_owned()))
        .collect();
    found.sort_unstable();
    found.dedup();
    (names, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_by_prefix_and_depth() {
        let names = ["a.b.c", "a.d", "ab.e", "f"].map(String::from);
        let listed = |prefixes: &[&str], depth| {
            let prefixes: Vec<String> = prefixes.iter().map(|p| (*p).to_owned()).collect();
            list(names.iter(), &prefixes, depth)
        };
        assert_eq!(listed(&[], 0).0, names);
        assert_eq!(listed(&[], 0).1, ["a", "a.b", "ab"]);
        assert_eq!(listed(&[], 1).0, ["f"]);
        assert_eq!(listed(&["a"], 0).0, ["a.b.c", "a.d"]);
        assert_eq!(listed(&["a"], 1).0, ["a.d"]);
        assert_eq!(listed(&["f", "ab"], 0).0, ["ab.e", "f"]);
    }
}
