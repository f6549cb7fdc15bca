//! The extractor `fields`: named numeric fields of a message, resolved once from their path.

mod field_table;

use field_table::{By, arrays, scalars};

use super::input_fault::FieldFault;
use crate::messages::decode_in_place::MAX_ELEMENTS;
use crate::messages::{Message, MessageType};

/// A resolved path such as `twist.twist.linear.x`, `velocity[0]` or `velocity[left_wheel]`.
#[derive(Clone, Debug)]
pub(super) struct Field {
    path: String,
    get: Get,
    add: Add,
    mirror: Option<f32>,
}

/// Fields of one type of message are the same when their paths are.
impl PartialEq for Field {
    fn eq(&self, other: &Field) -> bool {
        self.path == other.path
    }
}

#[derive(Clone, Debug)]
enum Get {
    Scalar(fn(&Message) -> Option<f64>),
    Element(fn(&Message, usize) -> Option<f64>, usize),
    /// The element of the joint of this name.
    Named(fn(&Message, usize) -> Option<f64>, String),
    /// The least from the first to the last of these.
    Least(fn(&Message, usize) -> Option<f64>, usize, usize),
}

/// As `Get`, to change what is read there.
#[derive(Clone, Debug)]
enum Add {
    Scalar(fn(&mut Message, By<'_>)),
    Named(fn(&mut Message, usize, By<'_>), String),
    Elements(fn(&mut Message, usize, By<'_>), usize, usize),
}

/// The paths of a type, for error messages: `linear.x, linear.y, ..., velocity[i]`.
pub(super) fn known_paths(kind: MessageType) -> String {
    let paths: Vec<String> = scalars(kind)
        .iter()
        .map(|field| field.path.to_owned())
        .chain(arrays(kind).iter().map(|a| match kind {
            MessageType::JointState => format!("{0}[i], {0}[NAME OF A JOINT]", a.path),
            _ => format!("{}[i]", a.path),
        }))
        .chain(
            arrays(kind)
                .iter()
                .map(|a| format!("min({}[i..j])", a.path)),
        )
        .collect();
    if paths.is_empty() {
        "none, the type has no numeric field".to_owned()
    } else {
        paths.join(", ")
    }
}

impl Field {
    /// The field of `kind` at `path`, or none when there is no such field.
    pub(super) fn resolve(kind: MessageType, path: &str) -> Option<Field> {
        let found = |get, add, mirror| Field {
            path: path.to_owned(),
            get,
            add,
            mirror,
        };
        if let Some(scalar) = scalars(kind).iter().find(|f| f.path == path) {
            let (get, add) = (Get::Scalar(scalar.get), Add::Scalar(scalar.add));
            return Some(found(get, add, Some(scalar.mirror)));
        }
        if let Some(range) = path
            .strip_prefix("min(")
            .and_then(|path| path.strip_suffix(')'))
        {
            let (name, ends) = range.strip_suffix(']')?.split_once('[')?;
            let (first, last) = ends.split_once("..")?;
            let (first, last) = (index_of(first)?, index_of(last)?);
            let array = arrays(kind).iter().find(|a| a.path == name)?;
            let sound = first <= last && last < MAX_ELEMENTS;
            let add = Add::Elements(array.add, first, last);
            return sound.then(|| found(Get::Least(array.get, first, last), add, None));
        }
        let (name, element) = path.strip_suffix(']')?.split_once('[')?;
        let array = arrays(kind).iter().find(|a| a.path == name)?;
        if let Some(index) = index_of(element) {
            let add = Add::Elements(array.add, index, index);
            return Some(found(Get::Element(array.get, index), add, None));
        }
        // Numbers and ranges that are no index are no name either.
        let is_name = kind == MessageType::JointState
            && element.contains(char::is_alphabetic)
            && !element.contains(['[', ']']);
        let name = || element.to_owned();
        let (get, add) = (Get::Named(array.get, name()), Add::Named(array.add, name()));
        is_name.then(|| found(get, add, None))
    }

    /// The elements that are read by their place, from the first to the last.
    pub(super) fn places(&self) -> Option<(usize, usize)> {
        match self.get {
            Get::Element(_, index) => Some((index, index)),
            Get::Least(_, first, last) => Some((first, last)),
            Get::Scalar(_) | Get::Named(..) => None,
        }
    }

    /// The value, if the message has one; it may be infinite or NaN.
    pub(super) fn value(&self, message: &Message) -> Result<f64, FieldFault> {
        let value = match &self.get {
            Get::Scalar(get) => get(message),
            Get::Element(get, index) => get(message, *index),
            Get::Named(get, name) => match joint(message, name) {
                Some(index) => get(message, index),
                None => return Err(self.no_joint(message)),
            },
            // All of them must be there. NaN is less than nothing.
            Get::Least(get, first, last) => (*first..=*last)
                .map(|index| get(message, index))
                .try_fold(f64::INFINITY, |least, value| Some(least.min(value?))),
        };
        value.ok_or_else(|| FieldFault::Missing {
            path: self.path.clone(),
        })
    }

    fn no_joint(&self, message: &Message) -> FieldFault {
        let names = match message {
            Message::JointState(state) => state.name.as_slice(),
            _ => &[],
        };
        FieldFault::NoJoint {
            path: self.path.clone(),
            joints: match names.is_empty() {
                true => String::from("none"),
                false => names.join(", "),
            },
        }
    }

    /// The value, refused when it is not a finite number.
    pub(super) fn finite(&self, message: &Message) -> Result<f64, FieldFault> {
        let value = self.value(message)?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(FieldFault::NotFinite {
                path: self.path.clone(),
                value,
            })
        }
    }

    /// Adds to everything that is read here, to each a number of its own by what it is; what the
    /// message lacks is passed over.
    pub(super) fn add(&self, message: &mut Message, mut by: impl FnMut(f64) -> f64) {
        match &self.add {
            Add::Scalar(add) => add(message, &mut by),
            Add::Named(add, name) => {
                if let Some(index) = joint(message, name) {
                    add(message, index, &mut by);
                }
            }
            Add::Elements(add, first, last) => {
                (*first..=*last).for_each(|index| add(message, index, &mut by));
            }
        }
    }

    /// The sign a left-right mirror gives the value; none where the message alone does not say
    /// (which wheel is `velocity[0]`?).
    pub(super) fn mirror(&self) -> Option<f32> {
        self.mirror
    }
}

/// The place of a joint in the message's arrays.
fn joint(message: &Message, name: &str) -> Option<usize> {
    match message {
        Message::JointState(state) => state.name.iter().position(|there| there == name),
        _ => None,
    }
}

fn index_of(text: &str) -> Option<usize> {
    // `parse` alone would also take "+1".
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::field_table::Scalar;
    use super::*;
    use crate::features::testing;
    use crate::messages::{JointState, Vector3};

    #[test]
    fn every_listed_scalar_resolves_and_reads_its_own_type_only() {
        for kind in MessageType::ALL {
            for scalar in scalars(kind) {
                let field = Field::resolve(kind, scalar.path).unwrap();
                assert!(
                    field.value(&testing::empty(kind)).is_ok(),
                    "{}",
                    scalar.path
                );
                assert!(field.value(&testing::empty(MessageType::String)).is_err());
            }
        }
    }

    #[test]
    fn a_path_reads_the_field_that_it_names() {
        let mut message = testing::twist(0.25, -0.5);
        let read = |message: &Message, path| {
            Field::resolve(MessageType::Twist, path)
                .unwrap()
                .finite(message)
        };
        assert_eq!(read(&message, "linear.x"), Ok(0.25));
        assert_eq!(read(&message, "angular.z"), Ok(-0.5));
        if let Message::Twist(twist) = &mut message {
            twist.linear = Vector3 {
                x: f64::NEG_INFINITY,
                y: 2.0,
                z: 3.0,
            };
        }
        assert_eq!(read(&message, "linear.y"), Ok(2.0));
        let fault = read(&message, "linear.x").unwrap_err().to_string();
        assert!(
            fault.contains("linear.x") && fault.contains("-inf"),
            "{fault}"
        );
    }

    #[test]
    fn an_element_beyond_the_array_is_missing_not_zero() {
        let message = Message::JointState(JointState {
            velocity: vec![0.5, 0.75],
            ..JointState::default()
        });
        let at = |path| Field::resolve(MessageType::JointState, path).unwrap();
        assert_eq!(at("velocity[1]").value(&message), Ok(0.75));
        assert!(at("velocity[2]").value(&message).is_err());
        assert_eq!(at("min(velocity[0..1])").value(&message), Ok(0.5));
        assert!(at("min(velocity[0..2])").value(&message).is_err());
        assert!(at("position[0]").value(&message).is_err());
    }

    #[test]
    fn a_joint_is_read_by_its_name_wherever_it_stands() {
        let mut state = JointState {
            name: vec!["left".into(), "2nd/right-wheel".into()],
            velocity: vec![0.5, 0.75],
            effort: vec![3.0],
            ..JointState::default()
        };
        let read = |state: &JointState, path| {
            let field = Field::resolve(MessageType::JointState, path).unwrap();
            field.value(&Message::JointState(state.clone()))
        };
        assert_eq!(read(&state, "velocity[left]"), Ok(0.5));
        assert_eq!(read(&state, "velocity[2nd/right-wheel]"), Ok(0.75));
        state.name.reverse();
        assert_eq!(read(&state, "velocity[left]"), Ok(0.75));
        assert_eq!(read(&state, "effort[2nd/right-wheel]"), Ok(3.0));
        let missing = read(&state, "effort[left]").unwrap_err().to_string();
        assert!(missing.contains("shorter"), "{missing}");
        let unknown = read(&state, "velocity[leg]").unwrap_err().to_string();
        assert!(unknown.contains("velocity[leg]"), "{unknown}");
        assert!(unknown.contains("2nd/right-wheel, left"), "{unknown}");
        state.name.clear();
        assert!(read(&state, "velocity[left]").is_err(), "no name, no place");

        let left = Field::resolve(MessageType::JointState, "velocity[left]").unwrap();
        state.name = vec!["right".into(), "left".into()];
        let mut message = Message::JointState(state);
        left.add(&mut message, |_| 1.0);
        assert!(matches!(message, Message::JointState(state) if state.velocity == [0.5, 1.75]));
    }

    #[test]
    fn noise_goes_where_the_path_reads_and_nowhere_else() {
        for kind in MessageType::ALL {
            for scalar in scalars(kind) {
                let field = Field::resolve(kind, scalar.path).unwrap();
                let mut message = testing::empty(kind);
                let before = field.value(&message).unwrap();
                field.add(&mut message, |_| 0.5);
                assert_eq!(field.value(&message), Ok(before + 0.5), "{}", scalar.path);
                let changed =
                    |other: &&Scalar| (other.get)(&message) != (other.get)(&testing::empty(kind));
                assert_eq!(scalars(kind).iter().filter(changed).count(), 1);
            }
        }
        let mut message = Message::JointState(JointState {
            velocity: vec![0.5, 0.75, 1.0],
            ..JointState::default()
        });
        let least = Field::resolve(MessageType::JointState, "min(velocity[1..5])").unwrap();
        let mut by = 0.0;
        least.add(&mut message, |_| {
            by += 1.0;
            by
        });
        let Message::JointState(state) = message else {
            unreachable!()
        };
        assert_eq!(state.velocity, [0.5, 1.75, 3.0]);
    }

    #[test]
    fn malformed_and_unknown_paths_do_not_resolve() {
        for path in [
            "",
            "velocity",
            "velocity[]",
            "velocity[-1]",
            "velocity[+1]",
            "velocity[1",
            "velocity]1[",
            "velocity[99999999999999999999999]",
            "speed[0]",
            "velocity[0].x",
            "velocity[0..1]",
            "min(velocity[0])",
            "min(velocity[1..0])",
            "min(velocity[0..1)",
            "min(speed[0..1])",
            "header.stamp",
        ] {
            assert!(
                Field::resolve(MessageType::JointState, path).is_none(),
                "{path}"
            );
        }
        assert!(Field::resolve(MessageType::Float32MultiArray, "data[left]").is_none());
        assert!(known_paths(MessageType::JointState).contains("velocity[i]"));
        assert!(known_paths(MessageType::String).starts_with("none"));
    }
}
