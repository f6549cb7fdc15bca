//! The tf of a recording: `/tf_static` is known from the beginning, as to a node that starts after
//! it was published; `/tf` comes when it was recorded.

use crate::bag::{Bag, BagError, Topic};
use crate::features::frames::{
    Mount, Mounting, MountingChange, MountingFault, MountingNotice, MountingParameters,
    TRANSFORMS_TYPE, TransformTopic, TransformTree, Transforms,
};
use crate::messages::{Message, MessageType};
use crate::time::Mono;

/// Messages of `/tf` read to find a mounting ahead of the replay.
const AHEAD: usize = 2000;
/// Scans read for the name of their frame.
const SCANS: usize = 10;

/// The tf of one recording.
pub struct RecordedTransforms {
    tree: TransformTree,
    moving: Vec<String>,
    faults: Vec<String>,
}

/// The mounting of the laser behind a topic, by tf.
pub struct FoundMounting {
    /// Frame of its scans.
    pub frame: String,
    /// Its mounting, or why that is not known or not right.
    pub mounting: Result<Mount, String>,
}

impl RecordedTransforms {
    /// Reads what is static. `beside` is a topic of the robot: where it lies in a namespace, so may
    /// its tf.
    pub fn of(bag: &Bag, beside: &str) -> Result<RecordedTransforms, BagError> {
        let named = |end: &str| {
            let found = bag
                .topics()
                .iter()
                .filter(|topic| is_tf(topic, end, beside));
            found.map(|topic| topic.name.clone()).collect::<Vec<_>>()
        };
        let fixed = named("/tf_static");
        let mut frames = RecordedTransforms {
            tree: TransformTree::default(),
            moving: named("/tf"),
            faults: Vec::new(),
        };
        let topics: Vec<&str> = fixed.iter().map(String::as_str).collect();
        for message in bag.read(&topics)? {
            let message = message?;
            match Transforms::decode(&message.data) {
                Ok(transforms) => {
                    frames.tree.take(&transforms, TransformTopic::Static);
                }
                Err(fault) => frames
                    .faults
                    .push(format!("{}: {fault}", fixed[message.topic])),
            }
        }
        Ok(frames)
    }

    /// The static transforms.
    pub fn tree(&self) -> &TransformTree {
        &self.tree
    }

    /// Topics of what moves.
    pub fn moving(&self) -> &[String] {
        &self.moving
    }

    /// Faults of the messages that could not be read.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// What holds for the laser behind a topic, by the beginning of the recording; none where there
    /// is no scan.
    pub fn look(
        &self,
        bag: &Bag,
        topic: &str,
        said: &MountingParameters,
    ) -> Result<Option<FoundMounting>, BagError> {
        let mut frame = None;
        for message in bag.read(&[topic])?.take(SCANS) {
            if let Ok(Message::LaserScan(scan)) =
                Message::decode(MessageType::LaserScan, &message?.data)
            {
                frame = Some(scan.header.frame_id);
                break;
            }
        }
        let Some(frame) = frame else {
            return Ok(None);
        };
        let mut tree = self.tree.clone();
        let found = |tree: &TransformTree| tree.lookup(&said.base_frame, &frame).is_ok();
        if !found(&tree) {
            let topics: Vec<&str> = self.moving.iter().map(String::as_str).collect();
            for message in bag.read(&topics)?.take(AHEAD) {
                if let Ok(transforms) = Transforms::decode(&message?.data)
                    && tree.take(&transforms, TransformTopic::Moving)
                    && found(&tree)
                {
                    break;
                }
            }
        }
        let mut mounting = Mounting::new(topic.into(), said.clone());
        let looked = mounting.look(&tree, &frame, Mono(0));
        let mounting = match (looked, mounting.remark()) {
            (Ok(_), Some(MountingNotice::Assumed { why, .. })) => Err(why.to_string()),
            (Ok(Some(MountingChange { mount, .. })), _) => Ok(mount),
            (Ok(None), _) => Ok(mounting.mount()),
            (Err(MountingFault::Waiting { why, .. }), _) => Err(why.to_string()),
            (Err(fault), _) => Err(fault.to_string()),
        };
        Ok(Some(FoundMounting { frame, mounting }))
    }
}

/// Whether a topic is the tf of the robot that `beside` belongs to: at the root, or in a namespace
/// that it lies in.
fn is_tf(topic: &Topic, end: &str, beside: &str) -> bool {
    let namespace = topic.name.strip_suffix(end);
    topic.type_name == TRANSFORMS_TYPE
        && namespace.is_some_and(|namespace| beside.starts_with(&format!("{namespace}/")))
}
