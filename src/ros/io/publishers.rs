//! The publishers of one robot: decisions, gated commands, the speed limit.

use std::sync::Arc;

use r2r::{Node, PublisherUntyped, QosProfile};

use super::endpoints::Endpoints;
use super::robot::Robot;
use super::speed_limit;
use crate::act::output::{GateOutputParts, OutputParts, PublishBytes, RobotOutput};
use crate::act::velocity_gate::{STATE_TYPE, topic_type};
use crate::configure::Configuration;
use crate::realtime::ThreadRole;
use crate::ros::error::{RunError, ros};
use crate::time::{Clock, Stamp};

/// Creates the publishers of one robot, and what publishes through them.
pub fn open(
    node: &mut Node,
    endpoints: &mut Endpoints,
    configuration: &Configuration,
    robot: &Robot,
    clock: Arc<dyn Clock>,
) -> Result<RobotOutput, RunError> {
    let name = ros("asking the node's name", node.name())?;
    let params = &configuration.params;
    let decisions = endpoints.publisher(
        node,
        &robot.topic("~/decision", &name),
        "edge_reasoner/msg/Decision",
        QosProfile::default().keep_last(10),
    )?;
    let mut parts = OutputParts {
        decisions: wire(decisions),
        gate: None,
        speed: None,
        notes: params.attention.is_some(),
        shown: params.markers,
        sim_time: params.sim_time,
    };
    if let Some(gate) = &params.gate {
        let commands = endpoints.publisher(
            node,
            &robot.topic(&gate.output, &name),
            topic_type(gate.stamped).ros_name(),
            QosProfile::default().keep_last(1),
        )?;
        let state = endpoints.publisher(
            node,
            &robot.topic("~/velocity_gate", &name),
            STATE_TYPE,
            QosProfile::default().keep_last(1),
        )?;
        parts.gate = Some(GateOutputParts {
            limits: gate.limits.clone(),
            stamped: gate.stamped,
            velocities: wire(commands),
            state: wire(state),
        });
    }
    if let Some(speed) = &params.speed_limit {
        speed_limit::load().map_err(RunError::NoSpeedLimit)?;
        let publisher = endpoints.speed_limit(node, &robot.topic(&speed.topic, &name))?;
        let mut message = speed_limit::Message::new();
        let wire = move |stamp, percent: crate::act::speed_limit::Percent| {
            message
                .publish(&publisher, stamp, percent.on_the_wire())
                .is_ok()
        };
        parts.speed = Some((speed.limits.clone(), Box::new(wire)));
    }
    let wishes = params.realtime.clone();
    let prepare = Arc::new(move || {
        for refused in wishes.set_up_thread(ThreadRole::Publisher) {
            tracing::warn!("{refused}");
        }
    });
    let times = (clock, Stamp::wall_clock as fn() -> Stamp);
    RobotOutput::new(parts, times, prepare).map_err(|cause| RunError::System {
        doing: "starting the threads that publish",
        cause,
    })
}

fn wire(publisher: PublisherUntyped) -> PublishBytes {
    Box::new(move |bytes| publisher.publish_raw(bytes).is_ok())
}
