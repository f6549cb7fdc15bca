//! Waits for the transforms of the sensors before a node is configured.

use std::time::{Duration, Instant};

use r2r::Node;

use super::endpoints::Endpoints;
use super::names::RosNames;
use super::robot::Robot;
use super::tf_listener::{TfListener, tf_topics};
use super::tf_message;
use crate::ros::error::RunError;

/// How long tf is waited for where no publisher is known.
const UNDISCOVERED: Duration = Duration::from_millis(300);
/// How long tf is waited for where one is.
const PUBLISHED: Duration = Duration::from_secs(2);
/// How long the node is spun before the next look.
const TURN: Duration = Duration::from_millis(10);

/// Waits until each robot's tf was received: not for long where it has no publisher, as far as is
/// known, and for a bounded time where it has one. What is received stays with the endpoints.
pub fn wait_for_transforms(
    node: &mut Node,
    endpoints: &mut Endpoints,
    robots: &[Robot],
) -> Result<(), RunError> {
    if tf_message::load().is_err() {
        return Ok(());
    }
    let names = RosNames::of(node)?;
    let mut listeners = Vec::new();
    for robot in robots {
        listeners.push(endpoints.listener(node, tf_topics(robot, &names.node()))?);
    }
    let began = Instant::now();
    loop {
        node.spin_once(TURN);
        listeners.iter_mut().for_each(TfListener::keep);
        let silent = listeners.iter().filter(|listener| listener.tree.is_empty());
        let silent: Vec<&String> = silent.flat_map(|listener| listener.topics()).collect();
        let waited = began.elapsed();
        if silent.is_empty() || waited >= PUBLISHED {
            break;
        }
        let published = |topic: &&String| {
            let name = names.resolve(topic).unwrap_or_default();
            let publishers = node.get_publishers_info_by_topic(&name, false);
            publishers.is_ok_and(|publishers| !publishers.is_empty())
        };
        if waited >= UNDISCOVERED && !silent.iter().any(published) {
            break;
        }
    }
    for listener in listeners {
        endpoints.give_back_listener(listener);
    }
    Ok(())
}
