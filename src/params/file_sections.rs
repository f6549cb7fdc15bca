//! Sections of params files and `-p`, kept and chosen as rcl and its clients do it. Two rules there
//! surprise, and both are reported in [`ParameterOverrides::remarks`]: sections count in the order
//! in which their names first appeared, whichever file or `-p` gave a value last; and of values of
//! two types for one parameter of one section, one type wins whichever came last.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::names::NodeName;
use super::value::{Value, Values};

/// The values of one entry, one of each type: rcl keeps them side by side and takes the first.
#[derive(Debug, Default)]
struct TypedValues {
    boolean: Option<bool>,
    integer: Option<i64>,
    double: Option<f64>,
    text: Option<String>,
    booleans: Option<Vec<bool>>,
    integers: Option<Vec<i64>>,
    doubles: Option<Vec<f64>>,
    texts: Option<Vec<String>>,
}

impl TypedValues {
    /// Every value there is, the one that counts first.
    fn values(&self) -> impl Iterator<Item = Value> {
        [
            self.boolean.map(Value::Bool),
            self.integer.map(Value::Integer),
            self.double.map(Value::Double),
            self.text.clone().map(Value::String),
            self.booleans.clone().map(Value::Bools),
            self.integers.clone().map(Value::Integers),
            self.doubles.clone().map(Value::Doubles),
            self.texts.clone().map(Value::Strings),
        ]
        .into_iter()
        .flatten()
    }

    fn set(&mut self, value: Value) {
        match value {
            Value::Bool(value) => self.boolean = Some(value),
            Value::Integer(value) => self.integer = Some(value),
            Value::Double(value) => self.double = Some(value),
            Value::String(value) => self.text = Some(value),
            _ => {}
        }
    }

    /// The first member of a list takes the place of a list that was there; a later one needs one.
    fn push(&mut self, value: Value, first: bool) -> bool {
        fn push<T>(list: &mut Option<Vec<T>>, value: T, first: bool) -> bool {
            if first {
                *list = Some(Vec::new());
            }
            list.as_mut().map(|list| list.push(value)).is_some()
        }
        match value {
            Value::Bool(value) => push(&mut self.booleans, value, first),
            Value::Integer(value) => push(&mut self.integers, value, first),
            Value::Double(value) => push(&mut self.doubles, value, first),
            Value::String(value) => push(&mut self.texts, value, first),
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Entry {
    name: String,
    slots: TypedValues,
}

/// One section: parameters in the order of their appearance.
#[derive(Debug)]
struct Section {
    name: String,
    entries: Vec<Entry>,
    /// Where a name stands; names joined from maps may stand at several places.
    places: HashMap<String, BTreeSet<usize>>,
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Of the section.
    pub section: usize,
    /// Of the parameter in it.
    pub entry: usize,
}

/// What params files and `-p` say for whatever nodes.
#[derive(Debug, Default)]
pub(super) struct Sections {
    sections: Vec<Section>,
    by_name: HashMap<String, usize>,
    /// Sections named since the last [`Sections::named`].
    named: BTreeSet<usize>,
    /// Bytes of names that were made.
    size: usize,
}

/// The values for one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterOverrides {
    /// The values, as rcl and its clients find them.
    pub values: Values,
    /// Warnings to the author of the files and the command line, a sentence each.
    pub remarks: Vec<String>,
}

impl Sections {
    /// The section of this name, made if there is none.
    pub fn section(&mut self, name: &str) -> usize {
        let found = self.by_name.get(name).copied();
        let index = found.unwrap_or_else(|| {
            self.size += name.len();
            self.sections.push(Section {
                name: name.to_owned(),
                entries: Vec::new(),
                places: HashMap::new(),
            });
            self.by_name
                .insert(name.to_owned(), self.sections.len() - 1);
            self.sections.len() - 1
        });
        self.named.insert(index);
        index
    }

    /// The parameter of this name in a section, made if there is none.
    pub fn entry(&mut self, section: usize, name: &str) -> Place {
        let place = |entry| Place { section, entry };
        let Section {
            entries, places, ..
        } = &mut self.sections[section];
        if let Some(first) = places.get(name).and_then(BTreeSet::first) {
            return place(*first);
        }
        self.size += name.len();
        entries.push(Entry {
            name: name.to_owned(),
            slots: TypedValues::default(),
        });
        let entry = entries.len() - 1;
        places.entry(name.to_owned()).or_default().insert(entry);
        place(entry)
    }

    /// Gives a parameter another name.
    pub fn rename(&mut self, place: Place, name: String) {
        self.size += name.len();
        let Section {
            entries, places, ..
        } = &mut self.sections[place.section];
        let old = std::mem::replace(&mut entries[place.entry].name, name.clone());
        if let Some(left) = places.get_mut(&old) {
            left.remove(&place.entry);
            if left.is_empty() {
                places.remove(&old);
            }
        }
        places.entry(name).or_default().insert(place.entry);
    }

    /// A parameter's name.
    pub fn name(&self, place: Place) -> Option<&str> {
        let section = self.sections.get(place.section)?;
        Some(&section.entries.get(place.entry)?.name)
    }

    /// Whether a section has parameters.
    pub fn is_empty(&self, section: usize) -> bool {
        self.sections
            .get(section)
            .is_none_or(|section| section.entries.is_empty())
    }

    /// Whether there is a parameter at this place, which takes the value then.
    pub fn set(&mut self, place: Place, value: Value) -> bool {
        self.slots(place).map(|slots| slots.set(value)).is_some()
    }

    /// As [`Sections::set`], for a member of a list.
    pub fn push(&mut self, place: Place, value: Value, first: bool) -> bool {
        self.slots(place)
            .is_some_and(|slots| slots.push(value, first))
    }

    fn slots(&mut self, place: Place) -> Option<&mut TypedValues> {
        let section = self.sections.get_mut(place.section)?;
        Some(&mut section.entries.get_mut(place.entry)?.slots)
    }

    /// The value at a place.
    pub fn value(&self, place: Place) -> Value {
        let section = self.sections.get(place.section);
        let entry = section.and_then(|section| section.entries.get(place.entry));
        entry
            .and_then(|entry| entry.slots.values().next())
            .unwrap_or(Value::NotSet)
    }

    /// Bytes of all names: joined ones can be far longer than the file.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Names of the sections that were named since the last call.
    pub fn named(&mut self) -> Vec<String> {
        let named = std::mem::take(&mut self.named).into_iter();
        named
            .map(|index| self.sections[index].name.clone())
            .collect()
    }

    /// The values for a node, section after section.
    pub fn for_node(&self, node: &NodeName) -> ParameterOverrides {
        let mut values = BTreeMap::new();
        let mut remarks = Vec::new();
        let ours = |section: &&Section| node.takes(&section.name);
        for section in self.sections.iter().filter(ours) {
            for Entry { name, slots } in &section.entries {
                let mut of_types = slots.values();
                let value = of_types.next().unwrap_or(Value::NotSet);
                if let Some(passed_over) = of_types.next() {
                    remarks.push(format!(
                        "{name} is said twice under {}, as the {} {value} and as the {} {passed_over}; \
                         ROS takes {value}, whichever came last; say it once",
                        section.name,
                        value.type_name(),
                        passed_over.type_name()
                    ));
                }
                values.insert(name.clone(), value);
            }
        }
        ParameterOverrides { values, remarks }
    }
}
