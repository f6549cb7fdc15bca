//! Values of a GGUF file's metadata. Arrays stay in the file; what is kept is where they lie.

use std::fmt;
use std::ops::Range;

use super::cursor::Cursor;
use super::error::Fault;

/// How deep arrays of arrays may go; no file in use has any.
const DEEPEST: usize = 4;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of any unsigned width.
    Unsigned(u64),
    /// Of any signed width.
    Signed(i64),
    /// Of either width.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Text; bytes that are no UTF-8 were replaced.
    String(String),
    /// Many values of one type.
    Array(Array),
}

/// Where an array lies in the file; every element was walked over when the file was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    kind: Kind,
    count: u64,
    bytes: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unsigned(u8),
    Signed(u8),
    Float(u8),
    Bool,
    String,
    Array,
}

impl Kind {
    fn from_id(id: u32) -> Option<Kind> {
        Some(match id {
            0 => Kind::Unsigned(1),
            1 => Kind::Signed(1),
            2 => Kind::Unsigned(2),
            3 => Kind::Signed(2),
            4 => Kind::Unsigned(4),
            5 => Kind::Signed(4),
            6 => Kind::Float(4),
            7 => Kind::Bool,
            8 => Kind::String,
            9 => Kind::Array,
            10 => Kind::Unsigned(8),
            11 => Kind::Signed(8),
            12 => Kind::Float(8),
            _ => return None,
        })
    }

    /// Bytes of an element; of those without a fixed width the least.
    fn width(self) -> u64 {
        match self {
            Kind::Unsigned(width) | Kind::Signed(width) | Kind::Float(width) => u64::from(width),
            Kind::Bool => 1,
            Kind::String => 8,
            Kind::Array => 12,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Unsigned(_) | Kind::Signed(_) => "integers",
            Kind::Float(_) => "floats",
            Kind::Bool => "booleans",
            Kind::String => "strings",
            Kind::Array => "arrays",
        }
    }
}

fn kind(cursor: &mut Cursor<'_>, key: &str) -> Result<Kind, Fault> {
    let what = format!("the type of {key}");
    let id = cursor.u32(&what)?;
    Kind::from_id(id).ok_or_else(|| Fault::Value {
        what,
        why: format!("it is number {id}; GGUF has 0 to 12"),
    })
}

fn little(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len() as u32;
    (little(bytes) << unused) as i64 >> unused
}

fn float(bytes: &[u8]) -> f64 {
    match bytes.len() {
        4 => f64::from(f32::from_bits(little(bytes) as u32)),
        _ => f64::from_bits(little(bytes)),
    }
}

impl Value {
    pub(super) fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, Fault> {
        let kind = kind(cursor, key)?;
        Ok(match kind {
            Kind::Unsigned(_) => Value::Unsigned(little(cursor.take(kind.width(), key)?)),
            Kind::Signed(_) => Value::Signed(signed(cursor.take(kind.width(), key)?)),
            Kind::Float(_) => Value::Float(float(cursor.take(kind.width(), key)?)),
            Kind::Bool => Value::Bool(cursor.take(1, key)?[0] != 0),
            Kind::String => {
                let text = cursor.string(key)?;
                Value::String(String::from_utf8_lossy(text).into_owned())
            }
            Kind::Array => Value::Array(walk(cursor, key, DEEPEST)?),
        })
    }

    /// A number that is not negative.
    pub fn unsigned(&self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(*number),
            Value::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Unsigned(number) => Some(*number as f64),
            Value::Signed(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// An array.
    pub fn array(&self) -> Option<&Array> {
        match self {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Unsigned(number) => write!(f, "{number}"),
            Value::Signed(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::String(text) => write!(f, "{text:?}"),
            Value::Array(array) => write!(f, "{} {}", array.count, array.kind.name()),
        }
    }
}

/// Walks over an array, so that what is kept of it lies in the file.
fn walk(cursor: &mut Cursor<'_>, key: &str, deeper: usize) -> Result<Array, Fault> {
    let kind = kind(cursor, key)?;
    let count = cursor.count(&format!("the length of {key}"), kind.width())?;
    let from = cursor.position() as usize;
    match kind {
        Kind::String => {
            for _ in 0..count {
                cursor.string(key)?;
            }
        }
        Kind::Array => {
            let Some(deeper) = deeper.checked_sub(1) else {
                return Err(Fault::Value {
                    what: key.to_owned(),
                    why: format!("arrays within arrays, deeper than {DEEPEST}"),
                });
            };
            for _ in 0..count {
                walk(cursor, key, deeper)?;
            }
        }
        _ => {
            cursor.take(count * kind.width(), key)?;
        }
    }
    Ok(Array {
        kind,
        count,
        bytes: from..cursor.position() as usize,
    })
}

impl Array {
    /// Elements.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether its elements are strings.
    pub fn is_strings(&self) -> bool {
        self.kind == Kind::String
    }

    pub(super) fn strings<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut cursor = Cursor::new(file.get(self.bytes.clone()).unwrap_or(&[]));
        let count = if self.is_strings() { self.count } else { 0 };
        (0..count).map_while(move |_| cursor.string("").ok())
    }

    pub(super) fn numbers<'a>(&self, file: &'a [u8]) -> impl Iterator<Item = f64> + use<'a> {
        let kind = self.kind;
        let bytes = match kind {
            Kind::String | Kind::Array => &[][..],
            _ => file.get(self.bytes.clone()).unwrap_or(&[]),
        };
        bytes
            .chunks_exact(kind.width() as usize)
            .map(move |bytes| match kind {
                Kind::Signed(_) => signed(bytes) as f64,
                Kind::Float(_) => float(bytes),
                _ => little(bytes) as f64,
            })
    }
}
