//! Checks that the joints of a JointState keep their order, for fields that are read by index.

use crate::features::input_fault::FieldFault;
use crate::messages::Message;

/// The names at the places that are read.
#[derive(Clone, Debug, Default)]
pub(in crate::features) struct JointOrder {
    /// From the first to the last of each.
    places: Vec<(usize, usize)>,
    names: Vec<String>,
}

impl JointOrder {
    /// For what is read at these places, each from the first to the last.
    pub(in crate::features) fn new(places: Vec<(usize, usize)>) -> JointOrder {
        JointOrder {
            places,
            names: Vec::new(),
        }
    }

    /// Forgets the names.
    pub(in crate::features) fn clear(&mut self) {
        self.names.clear();
    }

    /// Refuses a message whose names at these places are not those of the first. A message without
    /// names is believed.
    pub(in crate::features) fn admit(&mut self, message: &Message) -> Result<(), FieldFault> {
        let Message::JointState(state) = message else {
            return Ok(());
        };
        if self.places.is_empty() || state.name.is_empty() {
            return Ok(());
        }
        if self.names.is_empty() {
            self.names.clone_from(&state.name);
            return Ok(());
        }
        let mut places = self.places.iter().flat_map(|(first, last)| {
            // Beyond the longer list there is nothing to compare.
            let most = self.names.len().max(state.name.len());
            *first..(*last + 1).min(most)
        });
        let other = places.find(|place| self.names.get(*place) != state.name.get(*place));
        other.map_or(Ok(()), |place| {
            let name = |names: &[String]| names.get(place).cloned().unwrap_or_default();
            Err(FieldFault::OtherJoint {
                place,
                was: name(&self.names),
                found: name(&state.name),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::JointState;

    fn named(names: &[&str]) -> Message {
        Message::JointState(JointState {
            name: names.iter().map(|name| (*name).to_owned()).collect(),
            ..JointState::default()
        })
    }

    #[test]
    fn what_is_read_by_place_must_stay_in_its_place() {
        let mut order = JointOrder::new(vec![(0, 0), (1, 2)]);
        for good in [
            &["a", "b", "c", "d"][..],
            &[],
            &["a", "b", "c", "x"],
            &["a", "b", "c"],
        ] {
            assert_eq!(order.admit(&named(good)), Ok(()), "{good:?}");
        }
        for bad in [&["b", "a", "c"][..], &["a", "b"], &["arm"]] {
            assert!(order.admit(&named(bad)).is_err(), "{bad:?}");
        }
        let said = order
            .admit(&named(&["a", "c", "b"]))
            .unwrap_err()
            .to_string();
        assert!(said.contains("`b`") && said.contains("`c`"), "{said}");
        order.clear();
        assert_eq!(order.admit(&named(&["b", "a", "c"])), Ok(()));
        let mut by_name = JointOrder::new(Vec::new());
        assert_eq!(by_name.admit(&named(&["a"])), Ok(()));
        assert_eq!(by_name.admit(&named(&["b"])), Ok(()));
    }
}
