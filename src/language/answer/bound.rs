//! How long an answer of a JSON schema can be, and at how many of its bytes there is a choice: its
//! time is reserved by that.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::pattern;

/// Bytes of an answer at most.
pub const MAX_BYTES: usize = 4096;
/// Schemas within schemas.
const MAX_DEPTH: usize = 32;
/// Bytes of a character of a string: UTF-8; quotes and backslashes take two.
const CHARACTER: usize = 4;

/// A schema with answers of any length, or one that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Unbounded {
    /// Where in the schema, as `properties/goal`; `schema` is all of it.
    pub path: String,
    pub what: String,
}

/// Of the longest answer, written without blanks. Every token has a byte at least, and every choice
/// among tokens decides a byte at least, so these are bounds of tokens and of choices too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// All its bytes.
    pub bytes: usize,
    /// Those that the schema leaves open; the others follow from what stands before them, such as
    /// the names of fields that must be there.
    pub open: usize,
}

impl Longest {
    /// Nothing about it is open.
    fn fixed(bytes: usize) -> Longest {
        Longest { bytes, open: 0 }
    }

    fn then(self, next: Longest) -> Longest {
        Longest {
            bytes: self.bytes.saturating_add(next.bytes),
            open: self.open.saturating_add(next.open),
        }
    }

    fn times(self, count: usize) -> Longest {
        Longest {
            bytes: self.bytes.saturating_mul(count),
            open: self.open.saturating_mul(count),
        }
    }

    /// Where there is something else that could stand here, any byte may be the one that tells.
    fn among_others(self) -> Longest {
        Longest {
            open: self.bytes.saturating_add(1),
            ..self
        }
    }

    fn or(self, other: Longest) -> Longest {
        Longest {
            bytes: self.bytes.max(other.bytes),
            open: self.open.max(other.open),
        }
    }
}

/// Of a schema.
///
/// # Errors
/// The first field without a bound.
pub fn longest(schema: &Value) -> Result<Longest, Unbounded> {
    let mut walk = Walk {
        root: schema,
        known: BTreeMap::new(),
        path: Vec::new(),
    };
    let longest = walk.longest(schema)?;
    match longest.bytes > MAX_BYTES {
        true => walk.refuse(format!(
            "its longest answer has {} bytes; {MAX_BYTES} are the most",
            longest.bytes
        )),
        false => Ok(longest),
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// By reference; none while it is looked at.
    known: BTreeMap<&'s str, Option<Longest>>,
    path: Vec<String>,
}

impl<'s> Walk<'s> {
    fn refuse<T>(&self, what: impl Into<String>) -> Result<T, Unbounded> {
        let path = match self.path.is_empty() {
            true => String::from("schema"),
            false => self.path.join("/"),
        };
        let what = what.into();
        Err(Unbounded { path, what })
    }

    fn within(&mut self, name: String, schema: &'s Value) -> Result<Longest, Unbounded> {
        if self.path.len() >= MAX_DEPTH {
            return self.refuse(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        self.path.push(name);
        let longest = self.longest(schema)?;
        self.path.pop();
        Ok(longest)
    }

    fn longest(&mut self, schema: &'s Value) -> Result<Longest, Unbounded> {
        let Some(fields) = schema.as_object() else {
            return self.refuse("it allows anything; expected a schema with a type");
        };
        if let Some(to) = fields.get("$ref") {
            return self.referred(to);
        }
        if let Some(value) = fields.get("const") {
            return Ok(Longest::fixed(value.to_string().len()));
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array) {
            return Ok(one_of(values));
        }
        for either in ["anyOf", "oneOf"] {
            if let Some(all) = fields.get(either).and_then(Value::as_array) {
                let mut most = Longest::default();
                for (index, one) in all.iter().enumerate() {
                    let longest = self.within(format!("{either}/{index}"), one)?;
                    most = most.or(longest.among_others());
                }
                return Ok(most);
            }
        }
        let known = ["object", "array", "string", "integer", "boolean", "null"];
        let kinds: Vec<&str> = match fields.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut most: Option<Longest> = None;
        for kind in &kinds {
            let longest = match *kind {
                "object" => self.object(fields)?,
                "array" => self.array(fields)?,
                "string" => self.string(fields)?,
                "integer" => self.integer(fields)?,
                // The first letter decides.
                "boolean" => Longest {
                    bytes: "false".len(),
                    open: 1,
                },
                "null" => Longest::fixed("null".len()),
                "number" => {
                    return self
                        .refuse("a number has any count of digits; expected integer, or enum");
                }
                other => {
                    return self.refuse(format!(
                        "its type is {other}; known are {}",
                        known.join(", ")
                    ));
                }
            };
            let longest = match kinds.len() {
                1 => longest,
                _ => longest.among_others(),
            };
            most = Some(most.map_or(longest, |most| most.or(longest)));
        }
        match most {
            Some(longest) => Ok(longest),
            None => {
                self.refuse("it has no type, enum, const, anyOf or oneOf, so it allows anything")
            }
        }
    }

    fn referred(&mut self, to: &'s Value) -> Result<Longest, Unbounded> {
        let to = to.as_str().unwrap_or("");
        match self.known.get(to) {
            Some(Some(longest)) => return Ok(*longest),
            Some(None) => {
                return self.refuse(format!("{to} contains itself, so it has no longest form"));
            }
            None => {}
        }
        let Some(schema) = to.strip_prefix('#').and_then(|at| self.root.pointer(at)) else {
            return self.refuse(format!("$ref {to:?} is nowhere in this file"));
        };
        self.known.insert(to, None);
        let longest = self.within(to.to_owned(), schema)?;
        self.known.insert(to, Some(longest));
        Ok(longest)
    }

    fn object(&mut self, fields: &'s Map<String, Value>) -> Result<Longest, Unbounded> {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return self
                .refuse("an object without additionalProperties: false has no longest form");
        }
        if fields.contains_key("patternProperties") {
            return self.refuse("patternProperties have no longest form");
        }
        let mut longest = Longest::fixed(2);
        let properties = match fields.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ => return Ok(longest),
        };
        let required = fields.get("required").and_then(Value::as_array);
        let must = |name: &String| {
            required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
        };
        let all = properties.keys().all(must);
        for (name, schema) in properties {
            let value = self.within(format!("properties/{name}"), schema)?;
            // A colon, and a comma.
            let key = Longest::fixed(Value::String(name.clone()).to_string().len() + 2);
            // Where a field may be left out, its name or the next one's is a choice.
            let key = if all { key } else { key.among_others() };
            longest = longest.then(key).then(value);
        }
        Ok(match all {
            true => longest,
            false => longest.then(Longest { bytes: 0, open: 1 }),
        })
    }

    fn array(&mut self, fields: &'s Map<String, Value>) -> Result<Longest, Unbounded> {
        let Some(most) = whole(fields, "maxItems") else {
            return self.refuse("an array without maxItems has no longest form");
        };
        if fields.contains_key("prefixItems") {
            return self.refuse("prefixItems are not known here; expected items");
        }
        let Some(items) = fields.get("items") else {
            return self.refuse("an array without items allows anything in it");
        };
        let item = self.within(String::from("items"), items)?;
        // Before every item and behind the last: another one, or the end.
        let comma = Longest { bytes: 1, open: 1 };
        Ok(item
            .then(comma)
            .times(most)
            .then(Longest { bytes: 2, open: 1 }))
    }

    fn string(&mut self, fields: &Map<String, Value>) -> Result<Longest, Unbounded> {
        let characters = whole(fields, "maxLength");
        let form = match fields.get("pattern").and_then(Value::as_str) {
            Some(text) => match pattern::longest(text) {
                Ok(form) => Some(form),
                Err(why) if characters.is_none() => return self.refuse(why),
                // Its length is bounded all the same, by characters of any kind.
                Err(_) => None,
            },
            None => None,
        };
        let text = match (characters, form) {
            (Some(characters), None) => characters.saturating_mul(CHARACTER),
            (Some(characters), Some(form)) => {
                let most = characters.saturating_mul(form.character);
                form.bytes.map_or(most, |bytes| bytes.min(most))
            }
            (
                None,
                Some(pattern::Form {
                    bytes: Some(bytes), ..
                }),
            ) => bytes,
            (None, _) => {
                return self.refuse(
                    "a string without maxLength has no longest form; give it one, or a pattern \
                     with an end such as ^[a-z]{1,9}$",
                );
            }
        };
        // The quotes; the first follows from what stands before it.
        Ok(Longest {
            bytes: text.saturating_add(2),
            open: text.saturating_add(1),
        })
    }

    fn integer(&mut self, fields: &Map<String, Value>) -> Result<Longest, Unbounded> {
        let bound = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| fields.get(*name)?.as_i64());
            found.map(|number| number.to_string().len())
        };
        let low = bound(["minimum", "exclusiveMinimum"]);
        let high = bound(["maximum", "exclusiveMaximum"]);
        match (low, high) {
            // A sign of zero; and behind the digits another one, or the end.
            (Some(low), Some(high)) => Ok(Longest {
                bytes: low.max(high) + 1,
                open: low.max(high) + 2,
            }),
            _ => self.refuse("an integer without minimum and maximum has any count of digits"),
        }
    }
}

/// A value of an `enum`: open until no other begins so.
fn one_of(values: &[Value]) -> Longest {
    let values: Vec<String> = values.iter().map(Value::to_string).collect();
    let shared = |a: &str, b: &str| {
        let both = a.bytes().zip(b.bytes());
        both.take_while(|(a, b)| a == b).count()
    };
    let mut longest = Longest::default();
    for (index, value) in values.iter().enumerate() {
        let others = values
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let same = others.map(|(_, other)| shared(value, other));
        let (least, most) = same.fold((usize::MAX, 0), |(least, most), same| {
            (least.min(same), most.max(same))
        });
        longest = longest.or(Longest {
            bytes: value.len(),
            // What all begin with is no choice; one that another goes on from has its end to choose.
            open: match values.len() {
                1 => 0,
                _ => most + 1 - least.min(most),
            },
        });
    }
    longest
}

fn whole(fields: &Map<String, Value>, name: &str) -> Option<usize> {
    usize::try_from(fields.get(name)?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_longest_form_is_counted() {
        for (schema, longest_form) in [
            (json!({"enum": ["go", "stop"]}), "\"stop\""),
            (json!({"type": ["boolean", "null"]}), "false"),
            (
                json!({"type": "integer", "minimum": -90, "maximum": 9}),
                "-90?",
            ),
            (
                json!({"type": "array", "items": {"const": 1}, "maxItems": 3}),
                "[1,1,1,]",
            ),
            (
                json!({"type": "object", "additionalProperties": false, "properties": {"a": {"type": "boolean"}}}),
                "{\"a\":false,}",
            ),
            (
                json!({"$ref": "#/$defs/x", "$defs": {"x": {"const": "y"}}}),
                "\"y\"",
            ),
            (json!({"anyOf": [{"const": "y"}, {"type": "null"}]}), "null"),
        ] {
            let found = longest(&schema).map(|longest| longest.bytes);
            assert_eq!(found, Ok(longest_form.len()), "{schema}");
        }
        let bytes = |schema: Value| longest(&schema).unwrap().bytes;
        assert_eq!(bytes(json!({"type": "string", "maxLength": 5})), 22);
        let word = json!({"type": "string", "maxLength": 5, "pattern": "^[a-z ]*$"});
        assert_eq!(bytes(word), 7);
        let word = json!({"type": "string", "pattern": "^[a-z]{1,3}(-[0-9]{2})?$"});
        assert_eq!(bytes(word), 8);
    }

    #[test]
    fn what_follows_from_the_schema_is_no_choice() {
        let object = |required: Value| {
            json!({"type": "object", "additionalProperties": false, "required": required,
            "properties": {"action": {"enum": ["go", "stop", "slow"]}, "fast": {"type": "boolean"}}})
        };
        for (schema, open) in [
            (json!({"const": "anything"}), 0),
            (json!({"enum": ["one"]}), 0),
            // Behind the quote: s, then t or l.
            (json!({"enum": ["go", "stop", "slow"]}), 2),
            // Behind the 1: the end, or another digit.
            (json!({"enum": [1, 10]}), 1),
            (json!({"enum": ["stop", "stop now"]}), 1),
            (object(json!(["action", "fast"])), 3),
            // Every byte of the names, and where the object ends.
            (object(json!(["action"])), 3 + 11 + 9 + 1),
            (json!({"anyOf": [{"const": "a"}, {"const": "ab"}]}), 5),
            (
                json!({"type": "array", "items": {"const": 1}, "maxItems": 3}),
                4,
            ),
            (json!({"type": "integer", "minimum": 0, "maximum": 99}), 4),
        ] {
            assert_eq!(longest(&schema).unwrap().open, open, "{schema}");
        }
    }

    #[test]
    fn a_field_without_a_bound_is_named() {
        let object = |name: &str, field: Value| json!({"type": "object", "additionalProperties": false, "properties": {name: field}});
        let doubling = json!({"type": "array", "maxItems": 9, "items": {"$ref": "#/$defs/b"}});
        for (schema, path, word) in [
            (
                object("why", json!({"type": "string"})),
                "properties/why",
                "maxLength",
            ),
            (
                object("goals", json!({"type": "array", "items": {"const": 1}})),
                "properties/goals",
                "maxItems",
            ),
            (
                object("speed", json!({"type": "number"})),
                "properties/speed",
                "integer, or enum",
            ),
            (
                object("n", json!({"type": "integer", "minimum": 0})),
                "properties/n",
                "maximum",
            ),
            (object("x", json!({})), "properties/x", "allows anything"),
            (json!({"type": "object"}), "schema", "additionalProperties"),
            (json!(true), "schema", "allows anything"),
            (json!({"$ref": "#"}), "#", "contains itself"),
            (json!({"$ref": "#/nowhere"}), "schema", "nowhere"),
            (
                json!({"$ref": "#/$defs/a", "$defs": {"a": doubling, "b": {"type": "string", "maxLength": 1000}}}),
                "schema",
                "bytes",
            ),
            (
                json!({"type": "string", "maxLength": u64::MAX}),
                "schema",
                "bytes",
            ),
        ] {
            let said = longest(&schema).unwrap_err();
            assert!(
                said.path == path && said.what.contains(word),
                "{schema}: {said}"
            );
        }
    }

    #[test]
    fn references_that_double_and_double_again_take_no_time() {
        let mut defs = Map::new();
        for level in 0..200 {
            let below = json!({"$ref": format!("#/$defs/{}", level + 1)});
            defs.insert(level.to_string(), json!({"anyOf": [below, below]}));
        }
        defs.insert(String::from("200"), json!({"type": "null"}));
        let said = longest(&json!({"$ref": "#/$defs/0", "$defs": defs}));
        assert!(said.unwrap_err().what.contains("nested"));
    }
}
