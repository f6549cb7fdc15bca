//! Publishes `~/attention` and `~/attention_needed`. Both are latched: a late subscriber gets the
//! present state.

use r2r::{Node, PublisherUntyped, QosProfile};

use crate::act::attention::{
    ATTENTION_TYPE, Attention, AttentionChange, AttentionLimits, encode_attention, encode_bool,
};
use crate::act::output::RobotOutput;
use crate::ros::error::RunError;
use crate::ros::io::endpoints::Endpoints;
use crate::ros::io::robot::Robot;
use crate::time::Stamp;

/// On the control plane.
pub struct AttentionPublisher {
    attention: Attention,
    calls: PublisherUntyped,
    flags: PublisherUntyped,
}

impl AttentionPublisher {
    /// Publishes at once that no attention is needed.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        topic: impl Fn(&str) -> String,
        limits: AttentionLimits,
    ) -> Result<AttentionPublisher, RunError> {
        let latched = || QosProfile::default().keep_last(1).transient_local();
        let (call, flag) = (topic("~/attention"), topic("~/attention_needed"));
        let attention_publisher = AttentionPublisher {
            attention: Attention::new(limits),
            calls: endpoints.publisher(node, &call, ATTENTION_TYPE, latched())?,
            flags: endpoints.publisher(node, &flag, "std_msgs/msg/Bool", latched())?,
        };
        attention_publisher.say(&attention_publisher.attention.call());
        Ok(attention_publisher)
    }

    /// Takes in the decisions since it last looked, those of this robot, under these limits.
    pub fn look(&mut self, robot: &Robot, robot_output: &RobotOutput, limits: AttentionLimits) {
        self.attention.set_limits(limits);
        while let Some(note) = robot_output.next_note() {
            if let Some(call) = self.attention.note(note) {
                let word = robot.says(&call.explanation);
                match call.needed {
                    true => tracing::warn!("{word}"),
                    false => tracing::info!("{word}"),
                }
                self.say(&call);
            }
        }
    }

    /// The present state.
    pub fn call(&self) -> AttentionChange {
        self.attention.call()
    }

    /// No decisions are made any more: nobody is needed.
    pub fn end(&self) {
        let limits = AttentionLimits {
            confidence: 0.0,
            decisions: 1,
            raise_share: 1.0,
            release_share: 1.0,
        };
        self.say(&Attention::new(limits).call());
    }

    fn say(&self, call: &AttentionChange) {
        let mut bytes = Vec::new();
        encode_attention(Stamp::wall_clock(), call, &mut bytes);
        let _ = self.calls.publish_raw(&bytes);
        encode_bool(call.needed, &mut bytes);
        let _ = self.flags.publish_raw(&bytes);
    }
}
