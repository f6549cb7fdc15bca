//! Subscribes to `/tf` and `/tf_static`, whose type `tf2_msgs/msg/TFMessage` is found at run time.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use futures::task::noop_waker;
use r2r::geometry_msgs::msg::TransformStamped as Native;
use r2r::{Node, QosProfile, WrappedTypesupport};
use r2r_rcl::rosidl_message_type_support_t as TypeSupport;

use super::dynamic_type::DynamicType;
use super::endpoints::Endpoints;
use super::names::RosNames;
use super::robot::Robot;
use crate::features::frames::{
    MAX_TRANSFORMS, TransformStamped, TransformTopic, TransformTree, Transforms,
};
use crate::messages::{Header, Quaternion, Vector3};
use crate::ros::error::{RunError, ros};
use crate::time::Stamp;

/// The message as rosidl lays it out in C: one sequence. [`load`] holds it against the description
/// that comes with the type support.
#[repr(C)]
pub struct TransformsC {
    data: *mut <Native as WrappedTypesupport>::CStruct,
    size: usize,
    capacity: usize,
}

const FIELDS: u32 = 1;
/// How long tf is waited for where no publisher is known, and where one is.
const DISCOVERED: Duration = Duration::from_millis(300);
const HEARD: Duration = Duration::from_secs(2);
/// Between two looks.
const TURN: Duration = Duration::from_millis(10);
/// Messages kept until they are read.
const DEPTH: usize = 100;

unsafe extern "C" {
    /// rosidl's, of geometry_msgs, which r2r links; frees what a sequence holds.
    fn geometry_msgs__msg__TransformStamped__Sequence__fini(sequence: *mut TransformsC);
}

static FOUND: DynamicType = DynamicType::new();

impl WrappedTypesupport for Transforms {
    type CStruct = TransformsC;

    fn get_ts() -> &'static TypeSupport {
        FOUND.get()
    }

    fn create_msg() -> *mut TransformsC {
        // As rosidl makes an empty sequence.
        Box::into_raw(Box::new(TransformsC {
            data: std::ptr::null_mut(),
            size: 0,
            capacity: 0,
        }))
    }

    #[expect(clippy::not_unsafe_ptr_arg_deref, reason = "r2r's trait has it so")]
    fn destroy_msg(message: *mut TransformsC) {
        // SAFETY: r2r gives back what `create_msg` made, once. rosidl filled it, if anybody did.
        unsafe {
            geometry_msgs__msg__TransformStamped__Sequence__fini(message);
            drop(Box::from_raw(message));
        }
    }

    fn from_native(message: &TransformsC) -> Transforms {
        // Too many are none, as in a recording: half a tree would be a wrong one.
        if message.data.is_null() || message.size > MAX_TRANSFORMS {
            return Transforms::default();
        }
        // SAFETY: rosidl keeps `size` whole messages behind `data`, for as long as the message is.
        let natives = unsafe { std::slice::from_raw_parts(message.data, message.size) };
        let natives = natives.iter().map(Native::from_native);
        Transforms {
            transforms: natives.map(transform).collect(),
        }
    }

    /// It is only read.
    fn copy_to_native(&self, _: &mut TransformsC) {}
}

fn transform(native: Native) -> TransformStamped {
    let (stamp, moved, turned) = (
        native.header.stamp,
        native.transform.translation,
        native.transform.rotation,
    );
    TransformStamped {
        header: Header {
            stamp: Stamp::from_ros(stamp.sec, stamp.nanosec),
            frame_id: native.header.frame_id,
        },
        child_frame_id: native.child_frame_id,
        translation: Vector3 {
            x: moved.x,
            y: moved.y,
            z: moved.z,
        },
        rotation: Quaternion {
            x: turned.x,
            y: turned.y,
            z: turned.z,
            w: turned.w,
        },
    }
}

type Messages = Pin<Box<dyn Stream<Item = Transforms> + Send>>;

/// Receives one robot's tf, and keeps it while it is not in use.
pub struct Listener {
    streams: [(TransformTopic, Messages); 2],
    topics: [String; 2],
    /// What was received so far.
    pub tree: TransformTree,
}

/// Looks the type support up; a sentence where the package is not there or is another.
pub fn load() -> Result<(), String> {
    FOUND.load::<TransformsC>("tf2_msgs", "TFMessage", FIELDS)
}

/// Where a robot's tf is: what is static, and what moves.
pub fn topics(robot: &Robot, node: &str) -> [String; 2] {
    ["/tf_static", "/tf"].map(|topic| robot.topic(topic, node))
}

/// Waits until each robot's tf was received: not for long where it has no publisher, as far as is
/// known, and for a bounded time where it has one. What is received stays with the endpoints.
pub fn wait(node: &mut Node, endpoints: &mut Endpoints, robots: &[Robot]) -> Result<(), RunError> {
    if load().is_err() {
        return Ok(());
    }
    let names = RosNames::of(node)?;
    let mut listeners = Vec::new();
    for robot in robots {
        listeners.push(endpoints.listener(node, topics(robot, &names.node()))?);
    }
    let began = Instant::now();
    loop {
        node.spin_once(TURN);
        listeners.iter_mut().for_each(Listener::keep);
        let silent = listeners.iter().filter(|listener| listener.tree.is_empty());
        let silent: Vec<&String> = silent.flat_map(|listener| &listener.topics).collect();
        let waited = began.elapsed();
        if silent.is_empty() || waited >= HEARD {
            break;
        }
        let published = |topic: &&String| {
            let name = names.resolve(topic).unwrap_or_default();
            let publishers = node.get_publishers_info_by_topic(&name, false);
            publishers.is_ok_and(|publishers| !publishers.is_empty())
        };
        if waited >= DISCOVERED && !silent.iter().any(published) {
            break;
        }
    }
    for listener in listeners {
        endpoints.give_back_listener(listener);
    }
    Ok(())
}

impl Listener {
    /// Listens to these topics, what is static and what moves; [`load`] comes first.
    pub fn new(node: &mut Node, topics: [String; 2]) -> Result<Listener, RunError> {
        let fixed = QosProfile::default().keep_last(DEPTH).transient_local();
        // Best effort matches every publisher.
        let moving = QosProfile::sensor_data().keep_last(DEPTH);
        let mut hear = |topic: &str, qos| {
            let stream = node.subscribe::<Transforms>(topic, qos);
            let stream = ros(format!("listening to {topic}"), stream)?;
            Ok::<Messages, RunError>(Box::pin(stream))
        };
        Ok(Listener {
            streams: [
                (TransformTopic::Static, hear(&topics[0], fixed)?),
                (TransformTopic::Moving, hear(&topics[1], moving)?),
            ],
            topics,
            tree: TransformTree::default(),
        })
    }

    /// What is static, and what moves.
    pub fn topics(&self) -> &[String; 2] {
        &self.topics
    }

    /// Hands over what came.
    pub fn listen(&mut self, mut take: impl FnMut(&Transforms, TransformTopic)) {
        let waker = noop_waker();
        let mut poller = Poller::from_waker(&waker);
        for (links, stream) in &mut self.streams {
            while let Poll::Ready(Some(message)) = stream.as_mut().poll_next(&mut poller) {
                take(&message, *links);
            }
        }
    }

    /// Keeps what came.
    pub fn keep(&mut self) {
        let mut tree = std::mem::take(&mut self.tree);
        self.listen(|message, links| {
            tree.take(message, links);
        });
        self.tree = tree;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_c_is_read_and_freed() {
        let empty = Transforms::create_msg();
        // SAFETY: made above, and given back once below.
        let read = Transforms::from_native(unsafe { &*empty });
        assert_eq!(read, Transforms::default());
        Transforms::destroy_msg(empty);
        let natives = [Native {
            child_frame_id: "laser".into(),
            ..Native::default()
        }];
        let made = Native::create_msg();
        // SAFETY: r2r made it; it is given back once below and only read in between.
        unsafe { natives[0].copy_to_native(&mut *made) };
        let one = TransformsC {
            data: made,
            size: 1,
            capacity: 1,
        };
        let read = Transforms::from_native(&one);
        assert_eq!(read.transforms[0].child_frame_id, "laser");
        Native::destroy_msg(made);
    }
}
