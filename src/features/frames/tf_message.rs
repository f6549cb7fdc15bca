//! `tf2_msgs/msg/TFMessage` as a plain struct and its CDR bytes.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::messages::cdr::decode_of;
use crate::messages::{DecodeError, Header, Quaternion, Vector3};

/// ROS name of the type.
pub const TRANSFORMS_TYPE: &str = "tf2_msgs/msg/TFMessage";
/// Transforms read of one message; a robot has some hundred frames at most.
pub const MAX_TRANSFORMS: usize = 1000;

/// `tf2_msgs/msg/TFMessage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transforms {
    /// [`MAX_TRANSFORMS`] at most.
    #[serde(deserialize_with = "bounded")]
    pub transforms: Vec<TransformStamped>,
}

/// `geometry_msgs/msg/TransformStamped`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransformStamped {
    /// Its frame is the parent's.
    pub header: Header,
    /// The child.
    pub child_frame_id: String,
    /// Where the child's origin lies in the parent's frame, m.
    pub translation: Vector3,
    /// How the child is turned in the parent's frame.
    pub rotation: Quaternion,
}

impl Transforms {
    /// Reads one message from CDR with its 4-byte encapsulation header.
    pub fn decode(cdr: &[u8]) -> Result<Transforms, DecodeError> {
        decode_of(TRANSFORMS_TYPE, cdr)
    }

    /// As little-endian CDR, for recordings made by tests.
    pub fn encode(&self) -> Vec<u8> {
        let body = cdr_encoding::to_vec::<_, byteorder::LittleEndian>(self).unwrap_or_default();
        [&[0, 1, 0, 0][..], &body].concat()
    }
}

/// Too many are an error and not a cut: half a tree would be a wrong one.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TransformStamped>, D::Error> {
    struct Bounded;

    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<TransformStamped>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "at most {MAX_TRANSFORMS} transforms")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = access.next_element()? {
                if items.len() == MAX_TRANSFORMS {
                    return Err(serde::de::Error::custom(format_args!(
                        "it has more than {MAX_TRANSFORMS} transforms"
                    )));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Bounded)
}
