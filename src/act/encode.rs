//! `edge_reasoner/msg/Decision` and `geometry_msgs/msg/Twist` as CDR bytes, for the wire and for
//! recordings alike.

use std::io::Write as _;

use byteorder::LittleEndian;
use serde::Serialize;

use super::velocity_gate::Velocity;
use crate::scheduler::{Decision, DecisionSource, Reason};
use crate::time::Stamp;

/// Encapsulation header: CDR, little endian, no options.
const LITTLE_ENDIAN_CDR: [u8; 4] = [0, 1, 0, 0];

/// The names behind a decision's indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionNames {
    /// In the bundle's order.
    pub labels: Vec<String>,
    /// In the order of the `engines` parameter.
    pub engines: Vec<String>,
    /// The bundle's name and first 8 digits of its digest.
    pub model_id: String,
}

impl DecisionNames {
    /// The label's name; empty for an index that has none.
    pub fn label(&self, index: u8) -> &str {
        self.labels
            .get(usize::from(index))
            .map_or("", String::as_str)
    }

    /// The engine's name; empty when none ran.
    pub fn engine(&self, index: Option<u8>) -> &str {
        index
            .and_then(|index| self.engines.get(usize::from(index)))
            .map_or("", String::as_str)
    }
}

/// `builtin_interfaces/msg/Time`
#[derive(Serialize)]
pub struct TimeWire {
    sec: i32,
    nanosec: u32,
}

impl From<Stamp> for TimeWire {
    fn from(stamp: Stamp) -> Self {
        let (sec, nanosec) = stamp.to_ros();
        TimeWire { sec, nanosec }
    }
}

/// `std_msgs/msg/Header`
#[derive(Serialize)]
pub(super) struct HeaderWire<'a> {
    pub stamp: TimeWire,
    pub frame_id: &'a str,
}

/// Field for field `msg/Decision.msg`.
#[derive(Serialize)]
struct DecisionWire<'a> {
    header: HeaderWire<'a>,
    cycle: u64,
    label: &'a str,
    label_index: u8,
    confidence: f32,
    probabilities: &'a [f32],
    source: &'a str,
    reason: &'a str,
    explanation: &'a str,
    exit: u8,
    exits: u8,
    engine: &'a str,
    latency_ms: f32,
    deadline_ms: f32,
    input_age_ms: f32,
    reused_ms: f32,
    model_id: &'a str,
}

/// `geometry_msgs/msg/TwistStamped`
#[derive(Serialize)]
struct TwistStampedWire<'a> {
    header: HeaderWire<'a>,
    twist: Velocity,
}

/// Writes the command's CDR bytes into `out`: a Twist, or a TwistStamped where there is a stamp and
/// a frame.
pub fn encode_velocity(velocity: Velocity, stamped: Option<(Stamp, &str)>, out: &mut Vec<u8>) {
    match stamped {
        None => encode(&velocity, out),
        Some((stamp, frame_id)) => {
            let header = HeaderWire {
                stamp: stamp.into(),
                frame_id,
            };
            let twist = velocity;
            encode(&TwistStampedWire { header, twist }, out);
        }
    }
}

/// Writes the decision's CDR bytes into `out`, which keeps its capacity.
pub fn encode_decision(decision: &Decision, words: &DecisionNames, out: &mut Vec<u8>) {
    let mut explanation = Explanation::new();
    explanation.write(decision, words);
    let wire = DecisionWire {
        header: HeaderWire {
            stamp: decision.trigger.stamp.into(),
            frame_id: &decision.trigger.frame,
        },
        cycle: decision.cycle,
        label: words.label(decision.label),
        label_index: decision.label,
        confidence: decision.confidence,
        probabilities: decision.probabilities.as_slice(),
        source: decision.source.name(),
        reason: decision.reason.name(),
        explanation: explanation.as_str(),
        exit: decision.exit,
        exits: decision.exits,
        engine: words.engine(decision.engine),
        latency_ms: decision.latency.as_secs_f32() * 1e3,
        deadline_ms: decision.deadline.as_secs_f32() * 1e3,
        input_age_ms: decision.trigger.input_age.as_secs_f32() * 1e3,
        reused_ms: decision.reused.map_or(0.0, |age| age.as_secs_f32() * 1e3),
        model_id: &words.model_id,
    };
    encode(&wire, out);
}

/// Writes any message's CDR bytes into `out`.
pub fn encode<T: Serialize>(message: &T, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&LITTLE_ENDIAN_CDR);
    // Alignment counts from behind the header, so the payload is written by a writer of its own.
    // It cannot fail: the types here are plain and the target is memory.
    let written = cdr_encoding::to_writer::<T, LittleEndian, _>(&mut *out, message);
    debug_assert!(written.is_ok());
}

/// The decision in one sentence, built from fixed words without allocation.
struct Explanation {
    text: [u8; 192],
    len: usize,
}

impl Explanation {
    fn new() -> Self {
        Explanation {
            text: [0; 192],
            len: 0,
        }
    }

    fn write(&mut self, decision: &Decision, words: &DecisionNames) {
        let label = words.label(decision.label);
        let (exit, exits) = (decision.exit, decision.exits);
        let mut rest = &mut self.text[..];
        let whole = rest.len();
        // A label too long for the sentence cuts it short; nothing else can go wrong.
        let _ = match decision.source {
            DecisionSource::Model if let Some(age) = decision.reused => write!(
                rest,
                "{label}: the model, exit {exit} of {exits}, as {} ms ago for the same window",
                age.as_millis()
            ),
            DecisionSource::Model if exit < exits => {
                write!(
                    rest,
                    "{label}: the model, stopped at exit {exit} of {exits}"
                )
            }
            DecisionSource::Model => write!(rest, "{label}: the model, at its full depth"),
            DecisionSource::Hold => write!(
                rest,
                "{label}: the model's last decision, held because {}",
                because(decision.reason)
            ),
            DecisionSource::Fallback => write!(
                rest,
                "{label}: the safe label, because {}",
                because(decision.reason)
            ),
        };
        self.len = whole - rest.len();
    }

    fn as_str(&self) -> &str {
        let text = &self.text[..self.len];
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(cut) => std::str::from_utf8(&text[..cut.valid_up_to()]).unwrap_or(""),
        }
    }
}

/// The reason as the end of a sentence.
pub fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "nothing stood against it",
        Reason::Deadline => "no exit was ready in time",
        Reason::StaleInput => "a source is older than its timeout",
        Reason::InvalidInput => "the message could not be used",
        Reason::IncompleteInput => "the window is not filled yet",
        Reason::LowConfidence => "the model is not sure enough",
        Reason::BackendFault => "the engine failed or stalled",
        Reason::TimeJump => "the clock jumped",
        Reason::Inactive => "the node is not active",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{InputStatus, Probabilities, Trigger};
    use crate::time::Mono;
    use std::time::Duration;

    fn decision(source: DecisionSource, reason: Reason, exit: u8) -> Decision {
        Decision {
            cycle: 7,
            trigger: Trigger {
                arrival: Mono(0),
                arrival_ros: Stamp(0),
                stamp: Stamp::from_ros(12, 34),
                frame: "laser".into(),
                mount: Default::default(),
                input_age: Duration::from_millis(3),
                input_status: InputStatus::Ready,
            },
            label: 1,
            confidence: 0.75,
            probabilities: Probabilities::from_slice(&[0.25, 0.75]),
            free_way_m: None,
            source,
            reason,
            exit,
            exits: 4,
            engine: Some(0),
            reused: None,
            latency: Duration::from_micros(1500),
            deadline: Duration::from_millis(20),
        }
    }

    fn words() -> DecisionNames {
        DecisionNames {
            labels: vec!["go".into(), "stop".into()],
            engines: vec!["flex".into()],
            model_id: "m-01234567".into(),
        }
    }

    #[test]
    fn the_bytes_are_cdr() {
        let mut bytes = Vec::new();
        encode_decision(
            &decision(DecisionSource::Model, Reason::None, 2),
            &words(),
            &mut bytes,
        );
        // Checked by hand against the CDR rules: header, stamp, string with its length and NUL,
        // then the cycle aligned to 8 bytes behind the header.
        assert_eq!(&bytes[..4], &[0, 1, 0, 0]);
        assert_eq!(&bytes[4..12], &[12, 0, 0, 0, 34, 0, 0, 0]);
        assert_eq!(&bytes[12..22], b"\x06\0\0\0laser\0");
        assert_eq!(&bytes[28..36], &7u64.to_le_bytes());
        assert_eq!(&bytes[36..45], b"\x05\0\0\0stop\0");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("stop: the model, stopped at exit 2 of 4"));
    }

    #[test]
    fn a_stamped_command_has_its_header_in_front_of_the_same_numbers() {
        let mut velocity = Velocity::ZERO;
        (velocity.linear.x, velocity.angular.z) = (0.5, -1.0);
        let (mut plain, mut stamped) = (Vec::new(), Vec::new());
        encode_velocity(velocity, None, &mut plain);
        encode_velocity(
            velocity,
            Some((Stamp::from_ros(12, 34), "base")),
            &mut stamped,
        );
        // Stamp, then the frame with its length and NUL, then doubles aligned to 8 bytes behind the
        // encapsulation.
        assert_eq!(&stamped[4..12], &[12, 0, 0, 0, 34, 0, 0, 0]);
        assert_eq!(&stamped[12..21], b"\x05\0\0\0base\0");
        assert_eq!(&stamped[28..], &plain[4..]);
    }

    #[test]
    fn every_reason_ends_a_sentence() {
        for reason in Reason::ALL {
            let mut explanation = Explanation::new();
            explanation.write(&decision(DecisionSource::Fallback, reason, 0), &words());
            let text = explanation.as_str();
            assert!(text.starts_with("stop: the safe label, because "), "{text}");
            assert!(text.ends_with(because(reason)));
        }
    }

    #[test]
    fn a_label_too_long_cuts_the_sentence_and_nothing_else() {
        let mut words = words();
        words.labels[1] = "ü".repeat(300);
        let mut bytes = Vec::new();
        encode_decision(
            &decision(DecisionSource::Model, Reason::None, 2),
            &words,
            &mut bytes,
        );
        assert!(bytes.len() > 600);
    }
}
