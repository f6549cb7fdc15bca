//! Decodes messages from CDR bytes, with limits that make a hostile length field harmless.

use std::marker::PhantomData;

use byteorder::{BigEndian, ByteOrder, LittleEndian};
use cdr_encoding::{CdrDeserializer, to_vec};
use serde::Deserialize;
use serde::de::DeserializeSeed;

use super::decode_in_place::{InPlace, MAX_ELEMENTS};
use super::types::{
    Float32MultiArray, Imu, JointState, LaserScan, Message, MessageType, Odometry, RosString,
    Twist, TwistStamped,
};

/// The encapsulation header: two bytes of representation id, two of options.
const HEADER: usize = 4;
const CDR_BE: u16 = 0x0000;
const CDR_LE: u16 = 0x0001;

/// Why bytes are not a message of the expected type. Positions count from the first byte of
/// the encapsulation header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum DecodeError {
    #[error(
        "{kind}: {length} bytes are too few, a CDR message starts with a header of 4 bytes; the message is cut or empty"
    )]
    NoHeader { kind: &'static str, length: usize },

    #[error(
        "{kind}: encapsulation {found:#06x} is not plain CDR (expected 0x0000, big endian, or 0x0001, little endian); the publisher uses another wire format or these are not CDR bytes"
    )]
    Encapsulation { kind: &'static str, found: u16 },

    #[error(
        "{kind}: cannot be read at byte {position} of {length}: {cause}; the message is damaged or of another type"
    )]
    Body {
        kind: &'static str,
        /// Where reading stopped.
        position: usize,
        length: usize,
        cause: String,
    },
}

/// Why a message could not be written as CDR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: cannot be written as CDR: {cause}")]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub struct EncodeError {
    pub kind: MessageType,
    pub cause: String,
}

impl Message {
    /// Decodes one message from CDR with its 4-byte encapsulation header, in either byte order.
    /// Bytes after the payload are allowed: some middlewares pad.
    pub fn decode(kind: MessageType, cdr: &[u8]) -> Result<Message, DecodeError> {
        match byte_order(kind.ros_name(), cdr)? {
            (Order::Little, body) => decode_body::<LittleEndian>(kind, body),
            (Order::Big, body) => decode_body::<BigEndian>(kind, body),
        }
    }

    /// The same, over a message that is not needed any more: one that is read over another of its
    /// type takes no memory unless it is longer. After an error what is left is no message.
    pub fn decode_over(&mut self, kind: MessageType, cdr: &[u8]) -> Result<(), DecodeError> {
        if self.kind() != kind {
            *self = Message::decode(kind, cdr)?;
            return Ok(());
        }
        match byte_order(kind.ros_name(), cdr)? {
            (Order::Little, body) => self.read_over::<LittleEndian>(body),
            (Order::Big, body) => self.read_over::<BigEndian>(body),
        }
    }

    fn read_over<BO: ByteOrder>(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let kind = self.kind().ros_name();
        match self {
            Message::LaserScan(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::Odometry(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::Twist(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::TwistStamped(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::Imu(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::JointState(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::Float32MultiArray(m) => read_with::<_, BO>(kind, body, InPlace(m)),
            Message::String(m) => read_with::<_, BO>(kind, body, InPlace(m)),
        }
    }

    /// The message as little-endian CDR with its encapsulation header: what `decode` reads. For
    /// bags made by tests and demonstrations.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        self.encode_as::<LittleEndian>([0, 1, 0, 0])
    }

    pub(crate) fn encode_as<BO: ByteOrder>(&self, header: [u8; 4]) -> Result<Vec<u8>, EncodeError> {
        let body = match self {
            Message::LaserScan(m) => to_vec::<_, BO>(m),
            Message::Odometry(m) => to_vec::<_, BO>(m),
            Message::Twist(m) => to_vec::<_, BO>(m),
            Message::TwistStamped(m) => to_vec::<_, BO>(m),
            Message::Imu(m) => to_vec::<_, BO>(m),
            Message::JointState(m) => to_vec::<_, BO>(m),
            Message::Float32MultiArray(m) => to_vec::<_, BO>(m),
            Message::String(m) => to_vec::<_, BO>(m),
        };
        let body = body.map_err(|cause| EncodeError {
            kind: self.kind(),
            cause: cause.to_string(),
        })?;
        Ok([&header[..], &body].concat())
    }
}

enum Order {
    Little,
    Big,
}

/// The byte order of the encapsulation header, and the bytes behind it.
fn byte_order<'a>(kind: &'static str, cdr: &'a [u8]) -> Result<(Order, &'a [u8]), DecodeError> {
    let Some((header, body)) = cdr.split_first_chunk::<HEADER>() else {
        return Err(DecodeError::NoHeader {
            kind,
            length: cdr.len(),
        });
    };
    match u16::from_be_bytes([header[0], header[1]]) {
        CDR_LE => Ok((Order::Little, body)),
        CDR_BE => Ok((Order::Big, body)),
        found => Err(DecodeError::Encapsulation { kind, found }),
    }
}

/// Reads a message of a type that is no input, by its ROS name.
pub(crate) fn decode_of<T: for<'a> Deserialize<'a>>(
    kind: &'static str,
    cdr: &[u8],
) -> Result<T, DecodeError> {
    match byte_order(kind, cdr)? {
        (Order::Little, body) => read::<T, LittleEndian>(kind, body),
        (Order::Big, body) => read::<T, BigEndian>(kind, body),
    }
}

fn decode_body<BO: ByteOrder>(of: MessageType, body: &[u8]) -> Result<Message, DecodeError> {
    let kind = of.ros_name();
    Ok(match of {
        MessageType::LaserScan => Message::LaserScan(read::<LaserScan, BO>(kind, body)?),
        MessageType::Odometry => Message::Odometry(read::<Odometry, BO>(kind, body)?),
        MessageType::Twist => Message::Twist(read::<Twist, BO>(kind, body)?),
        MessageType::TwistStamped => Message::TwistStamped(read::<TwistStamped, BO>(kind, body)?),
        MessageType::Imu => Message::Imu(read::<Imu, BO>(kind, body)?),
        MessageType::JointState => Message::JointState(read::<JointState, BO>(kind, body)?),
        MessageType::Float32MultiArray => {
            Message::Float32MultiArray(read::<Float32MultiArray, BO>(kind, body)?)
        }
        MessageType::String => Message::String(read::<RosString, BO>(kind, body)?),
    })
}

fn read<'a, T: Deserialize<'a>, BO: ByteOrder>(
    kind: &'static str,
    body: &'a [u8],
) -> Result<T, DecodeError> {
    read_with::<_, BO>(kind, body, PhantomData::<T>)
}

fn read_with<'a, S: DeserializeSeed<'a>, BO: ByteOrder>(
    kind: &'static str,
    body: &'a [u8],
    seed: S,
) -> Result<S::Value, DecodeError> {
    let mut reader = CdrDeserializer::<BO>::new(body);
    seed.deserialize(&mut reader)
        .map_err(|cause| DecodeError::Body {
            kind,
            position: HEADER + reader.bytes_consumed(),
            length: HEADER + body.len(),
            cause: match cause {
                cdr_encoding::Error::Eof => {
                    "the bytes end before the fields do (cut, or a length field too large)"
                        .to_owned()
                }
                other => other.to_string(),
            },
        })
}

/// How single fields are read from and written to the wire.
pub(super) mod wire {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

    use super::MAX_ELEMENTS;

    /// A sequence of at most `MAX_ELEMENTS`. cdr-encoding gives no size hint, so memory grows
    /// with the elements that are really there, never from the length field alone.
    pub fn sequence<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        deserializer.deserialize_seq(Sequence(PhantomData))
    }

    struct Sequence<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Sequence<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a sequence of at most {MAX_ELEMENTS} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = access.next_element()? {
                if items.len() == MAX_ELEMENTS {
                    return Err(A::Error::custom(format_args!(
                        "an array has more than {MAX_ELEMENTS} elements"
                    )));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    /// `builtin_interfaces/msg/Time` as a `Stamp`.
    pub mod stamp {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use crate::time::Stamp;

        #[derive(Serialize, Deserialize)]
        struct Time {
            sec: i32,
            nanosec: u32,
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stamp, D::Error> {
            let time = Time::deserialize(deserializer)?;
            Ok(Stamp::from_ros(time.sec, time.nanosec))
        }

        pub fn serialize<S: Serializer>(stamp: &Stamp, serializer: S) -> Result<S::Ok, S::Error> {
            let (sec, nanosec) = stamp.to_ros();
            Time { sec, nanosec }.serialize(serializer)
        }
    }

    /// A 6 × 6 covariance; serde itself knows arrays up to 32.
    pub mod array36 {
        use std::fmt;

        use serde::de::{Deserializer, Error, SeqAccess, Visitor};
        use serde::ser::{SerializeTuple, Serializer};

        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = [f64; 36];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("36 numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<[f64; 36], A::Error> {
                let mut values = [0.0; 36];
                for (i, value) in values.iter_mut().enumerate() {
                    *value = access
                        .next_element()?
                        .ok_or_else(|| A::Error::invalid_length(i, &self))?;
                }
                Ok(values)
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<[f64; 36], D::Error> {
            deserializer.deserialize_tuple(36, Array)
        }

        pub fn serialize<S: Serializer>(
            values: &[f64; 36],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            let mut tuple = serializer.serialize_tuple(36)?;
            for value in values {
                tuple.serialize_element(value)?;
            }
            tuple.end()
        }
    }
}

#[cfg(test)]
mod tests;
