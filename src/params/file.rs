//! Reads a params file, event by event as rcl's parser does, so that it means here what it means to
//! every other node. What rcl refuses is refused here, with the line.

use super::file_sections::{Place, Sections};
use super::names::fault_of_section;
use super::value::Value;
use super::yaml::{Event, Parser};
use super::yaml_scalar::{ScalarText, typed, until_zero};

/// Largest params file, bytes.
pub(super) const LARGEST: usize = 4 << 20;
/// Deepest maps and lists.
const DEEPEST: usize = 100;
/// Most bytes that all names may take: those of maps in maps are joined.
const MOST_NAMES: usize = 64 << 20;
const KEY: &str = "ros__parameters";

/// Why yaml was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileFault {
    /// From 1.
    pub line: Option<u64>,
    /// What is wrong, what was expected.
    pub what: String,
}

/// Names of maps in maps, joined. rcl takes apart again what it joined, so that a name with a
/// separator of its own leaves some of itself behind.
struct Path {
    separator: char,
    text: String,
    depth: usize,
}

impl Path {
    fn new(separator: char) -> Path {
        Path {
            separator,
            text: String::new(),
            depth: 0,
        }
    }

    fn push(&mut self, name: &str) {
        if self.depth == 0 {
            self.text.clear();
        } else if !self.text.ends_with(self.separator) {
            self.text.push(self.separator);
        }
        self.text.push_str(name);
        self.depth += 1;
    }

    fn pop(&mut self) {
        if self.depth <= 1 {
            self.text.clear();
        } else if let Some(at) = self.text.rfind(self.separator) {
            self.text.truncate(at);
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

/// What rcl remembers between two events.
struct FileReader<'s> {
    sections: &'s mut Sections,
    nodes: Path,
    parameters: Path,
    in_parameters: bool,
    maps: usize,
    lists: usize,
    wants_key: bool,
    new_map: bool,
    /// In a list; the type of its members where there are some.
    list: Option<Option<&'static str>>,
    place: Place,
}

/// Reads a file's sections in addition to those that are there.
pub(super) fn read(bytes: &[u8], sections: &mut Sections) -> Result<(), FileFault> {
    let mut walk = FileReader {
        sections,
        nodes: Path::new('/'),
        parameters: Path::new('.'),
        in_parameters: false,
        maps: 0,
        lists: 0,
        wants_key: true,
        new_map: false,
        list: None,
        place: Place::default(),
    };
    events(bytes, |event| walk.step(event))
}

/// Reads the value of a `-p`, which is one word or one list.
pub(super) fn read_value(text: &str, place: Place, sections: &mut Sections) -> Result<(), String> {
    let mut list = None;
    events(text.as_bytes(), |event| {
        match event {
            Event::Scalar { .. } => put(event, place, &mut list, sections)?,
            Event::ListStart => list = Some(None),
            Event::ListEnd => list = None,
            Event::MapStart | Event::MapEnd => {
                return Err(String::from("it is a map; expected one value or one list"));
            }
            Event::Alias(anchor) => {
                return Err(format!(
                    "*{anchor} stands for something else; ROS knows no aliases"
                ));
            }
            Event::Document | Event::End => {}
        }
        Ok(())
    })
    .map_err(|fault| fault.what)
}

fn events(
    bytes: &[u8],
    mut step: impl FnMut(&Event) -> Result<(), String>,
) -> Result<(), FileFault> {
    if let Some(fault) = not_text(bytes) {
        return Err(fault);
    }
    let mut parser = Parser::new(bytes);
    loop {
        let (event, line) = parser.next().map_err(|cause| FileFault {
            line: cause.line,
            what: format!("it is no yaml: {}", cause.problem),
        })?;
        step(&event).map_err(|what| FileFault {
            line: Some(line),
            what,
        })?;
        if event == Event::End {
            return Ok(());
        }
    }
}

/// Where bytes are no text, of which the parser does not say the line. It knows UTF-16 by its mark.
fn not_text(bytes: &[u8]) -> Option<FileFault> {
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return None;
    }
    let text = std::str::from_utf8(bytes);
    let at = match text {
        Ok(text) => {
            let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
            text.find(odd)?
        }
        Err(cause) => cause.valid_up_to(),
    };
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let what = match text {
        Ok(_) => format!("the byte 0x{:02x} is no text; expected yaml", bytes[at]),
        Err(_) => String::from("it is not UTF-8; save it as UTF-8"),
    };
    Some(FileFault {
        line: Some(line),
        what,
    })
}

/// Puts a word to its place, in a list or alone.
fn put(
    event: &Event,
    place: Place,
    list: &mut Option<Option<&'static str>>,
    sections: &mut Sections,
) -> Result<(), String> {
    let Event::Scalar {
        text: written,
        quoted,
        tag,
    } = event
    else {
        return Ok(());
    };
    if written.is_empty() && !*quoted {
        return Err(String::from(
            "a parameter has no value; give it one ('' is the empty text), or leave its line out",
        ));
    }
    let value = typed(&ScalarText {
        text: written,
        quoted: *quoted,
        tag: tag.as_deref(),
    });
    let kind = value.type_name();
    let put = match list {
        None => sections.set(place, value),
        Some(members @ None) => {
            *members = Some(kind);
            sections.push(place, value, true)
        }
        Some(Some(members)) if *members == kind => sections.push(place, value, false),
        Some(Some(members)) => {
            return Err(format!(
                "a list has {written}, a {kind}, beside members of type {members}; expected one type for \
                 all, as in [1.0, 2.0] ('{written}' in quotes is text)"
            ));
        }
    };
    match put {
        true => Ok(()),
        false => Err(String::from("a value stands where no parameter is")),
    }
}

impl FileReader<'_> {
    fn step(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Scalar { text, .. } if self.wants_key => {
                self.key(text)?;
                self.wants_key = false;
            }
            Event::Scalar { .. } => {
                if !self.in_parameters || self.sections.is_empty(self.place.section) {
                    return Err(format!(
                        "a value stands where {KEY} is expected: a section is `/**:`, under it \
                         `{KEY}:`, under that the parameters"
                    ));
                }
                put(event, self.place, &mut self.list, self.sections)?;
                if self.list.is_none() {
                    self.wants_key = true;
                }
            }
            Event::ListStart => {
                if self.wants_key {
                    return Err(String::from("a list stands where a name is expected"));
                }
                if !self.in_parameters {
                    return Err(format!(
                        "a list stands where {KEY} is expected: a section is `/**:`, under it \
                         `{KEY}:`, under that the parameters"
                    ));
                }
                self.list = Some(None);
                self.lists += 1;
            }
            Event::ListEnd => {
                self.list = None;
                self.wants_key = true;
                self.lists = self.lists.saturating_sub(1);
            }
            Event::MapStart => {
                self.maps += 1;
                self.wants_key = true;
                let of_section =
                    self.in_parameters && self.maps.wrapping_sub(self.nodes.depth + 1) == 2;
                self.new_map = !of_section;
            }
            Event::MapEnd => self.end_of_map(),
            Event::Alias(anchor) => {
                return Err(format!(
                    "*{anchor} stands for something else; ROS knows no aliases, write it out"
                ));
            }
            Event::Document | Event::End => {}
        }
        if self.maps + self.lists > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST}"));
        }
        if self.sections.size() > MOST_NAMES {
            return Err(String::from("the names of its parameters are too long"));
        }
        Ok(())
    }

    fn end_of_map(&mut self) {
        match self.in_parameters {
            true if self.parameters.depth > 0 => self.parameters.pop(),
            true => self.in_parameters = false,
            false if self.maps == self.nodes.depth + 1 => self.nodes.pop(),
            false => {}
        }
        self.maps = self.maps.wrapping_sub(1);
    }

    fn key(&mut self, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err(String::from("a name is missing in front of a colon"));
        }
        let name = until_zero(value);
        if self.in_parameters {
            return self.parameter(name);
        }
        // rcl looks at the beginning only.
        if !name.starts_with(KEY) {
            self.nodes.push(name);
            return Ok(());
        }
        if self.nodes.depth == 0 {
            return Err(format!(
                "{KEY} stands under no section; expected `/**:` (any node) or a node's name above it"
            ));
        }
        if let Some(fault) = fault_of_section(&self.nodes.text) {
            return Err(fault);
        }
        self.place.section = self.sections.section(&self.nodes.text);
        self.nodes.pop();
        self.in_parameters = true;
        Ok(())
    }

    fn parameter(&mut self, name: &str) -> Result<(), String> {
        if self.new_map {
            // The key before was the name of this map, not of a parameter.
            let Some(map) = self.sections.name(self.place) else {
                return Err(String::from("a map stands where no parameter is"));
            };
            self.parameters.text = map.to_owned();
            self.parameters.depth += 1;
            self.new_map = false;
        }
        if self.parameters.depth == 0 {
            self.place = self.sections.entry(self.place.section, name);
        } else {
            let map = &self.parameters.text;
            self.place = self.sections.entry(self.place.section, map);
            self.sections.rename(self.place, format!("{map}.{name}"));
        }
        Ok(())
    }
}

/// A value as `-p` writes it, for tests and for what stands alone.
pub(super) fn value(text: &str) -> Result<Value, String> {
    let mut sections = Sections::default();
    let section = sections.section("/**");
    let place = sections.entry(section, "value");
    read_value(text, place, &mut sections)?;
    Ok(sections.value(place))
}
