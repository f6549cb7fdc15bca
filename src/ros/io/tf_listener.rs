//! Subscribes to `/tf` and `/tf_static` of one robot and keeps the tree of what was received.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use futures::Stream;
use futures::task::noop_waker;
use r2r::{Node, QosProfile};

use super::robot::Robot;
use crate::features::frames::{TransformTopic, TransformTree, Transforms};
use crate::ros::error::{RunError, ros};

/// Messages kept until they are read.
const DEPTH: usize = 100;

type Messages = Pin<Box<dyn Stream<Item = Transforms> + Send>>;

/// Receives one robot's tf, and keeps it while it is not in use.
pub struct TfListener {
    streams: [(TransformTopic, Messages); 2],
    topics: [String; 2],
    /// The transforms received so far.
    pub tree: TransformTree,
}

/// The topics of a robot's tf: static transforms, moving ones.
pub fn tf_topics(robot: &Robot, node: &str) -> [String; 2] {
    ["/tf_static", "/tf"].map(|topic| robot.topic(topic, node))
}

impl TfListener {
    /// Listens to these topics, what is static and what moves; [`super::tf_message::load`] comes
    /// first.
    pub fn new(node: &mut Node, topics: [String; 2]) -> Result<TfListener, RunError> {
        let fixed = QosProfile::default().keep_last(DEPTH).transient_local();
        // Best effort matches every publisher.
        let moving = QosProfile::sensor_data().keep_last(DEPTH);
        let mut hear = |topic: &str, qos| {
            let stream = node.subscribe::<Transforms>(topic, qos);
            let stream = ros(format!("listening to {topic}"), stream)?;
            Ok::<Messages, RunError>(Box::pin(stream))
        };
        Ok(TfListener {
            streams: [
                (TransformTopic::Static, hear(&topics[0], fixed)?),
                (TransformTopic::Moving, hear(&topics[1], moving)?),
            ],
            topics,
            tree: TransformTree::default(),
        })
    }

    /// Its topics: static transforms, moving ones.
    pub fn topics(&self) -> &[String; 2] {
        &self.topics
    }

    /// Calls `take` with every message that came.
    pub fn listen(&mut self, mut take: impl FnMut(&Transforms, TransformTopic)) {
        let waker = noop_waker();
        let mut poller = Poller::from_waker(&waker);
        for (links, stream) in &mut self.streams {
            while let Poll::Ready(Some(message)) = stream.as_mut().poll_next(&mut poller) {
                take(&message, *links);
            }
        }
    }

    /// Puts every message that came into the tree.
    pub fn keep(&mut self) {
        let mut tree = std::mem::take(&mut self.tree);
        self.listen(|message, links| {
            tree.take(message, links);
        });
        self.tree = tree;
    }
}
