//! How long an answer of a JSON schema can be: its time is reserved by that.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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

/// Bytes of the longest answer, written without blanks.
///
/// # Errors
/// The first field without a bound.
pub fn longest(schema: &Value) -> Result<usize, Unbounded> {
    let mut walk = Walk {
        root: schema,
        known: BTreeMap::new(),
        path: Vec::new(),
    };
    let bytes = walk.longest(schema)?;
    match bytes > MAX_BYTES {
        true => walk.refuse(format!(
            "its longest answer has {bytes} bytes; {MAX_BYTES} are the most"
        )),
        false => Ok(bytes),
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// By reference; none while it is looked at.
    known: BTreeMap<&'s str, Option<usize>>,
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

    fn within(&mut self, name: String, schema: &'s Value) -> Result<usize, Unbounded> {
        if self.path.len() >= MAX_DEPTH {
            return self.refuse(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        self.path.push(name);
        let bytes = self.longest(schema)?;
        self.path.pop();
        Ok(bytes)
    }

    fn longest(&mut self, schema: &'s Value) -> Result<usize, Unbounded> {
        let Some(fields) = schema.as_object() else {
            return self.refuse("it allows anything; expected a schema with a type");
        };
        if let Some(to) = fields.get("$ref") {
            return self.referred(to);
        }
        if let Some(value) = fields.get("const") {
            return Ok(value.to_string().len());
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array) {
            let lengths = values.iter().map(|value| value.to_string().len());
            return Ok(lengths.max().unwrap_or(0));
        }
        for either in ["anyOf", "oneOf"] {
            if let Some(all) = fields.get(either).and_then(Value::as_array) {
                let mut most = 0;
                for (index, one) in all.iter().enumerate() {
                    most = most.max(self.within(format!("{either}/{index}"), one)?);
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
        let mut most = None;
        for kind in kinds {
            let bytes = match kind {
                "object" => self.object(fields)?,
                "array" => self.array(fields)?,
                "string" => match whole(fields, "maxLength") {
                    Some(characters) => characters.saturating_mul(CHARACTER).saturating_add(2),
                    None => return self.refuse("a string without maxLength has no longest form"),
                },
                "integer" => self.integer(fields)?,
                "boolean" => "false".len(),
                "null" => "null".len(),
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
            most = most.max(Some(bytes));
        }
        match most {
            Some(bytes) => Ok(bytes),
            None => {
                self.refuse("it has no type, enum, const, anyOf or oneOf, so it allows anything")
            }
        }
    }

    fn referred(&mut self, to: &'s Value) -> Result<usize, Unbounded> {
        let to = to.as_str().unwrap_or("");
        match self.known.get(to) {
            Some(Some(bytes)) => return Ok(*bytes),
            Some(None) => {
                return self.refuse(format!("{to} contains itself, so it has no longest form"));
            }
            None => {}
        }
        let Some(schema) = to.strip_prefix('#').and_then(|at| self.root.pointer(at)) else {
            return self.refuse(format!("$ref {to:?} is nowhere in this file"));
        };
        self.known.insert(to, None);
        let bytes = self.within(to.to_owned(), schema)?;
        self.known.insert(to, Some(bytes));
        Ok(bytes)
    }

    fn object(&mut self, fields: &'s Map<String, Value>) -> Result<usize, Unbounded> {
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return self
                .refuse("an object without additionalProperties: false has no longest form");
        }
        if fields.contains_key("patternProperties") {
            return self.refuse("patternProperties have no longest form");
        }
        let mut bytes = 2usize;
        let properties = match fields.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ => return Ok(bytes),
        };
        for (name, schema) in properties {
            let value = self.within(format!("properties/{name}"), schema)?;
            let key = Value::String(name.clone()).to_string().len();
            // A colon, and a comma.
            bytes = bytes.saturating_add(key + 2).saturating_add(value);
        }
        Ok(bytes)
    }

    fn array(&mut self, fields: &'s Map<String, Value>) -> Result<usize, Unbounded> {
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
        Ok(item
            .saturating_add(1)
            .saturating_mul(most)
            .saturating_add(2))
    }

    fn integer(&mut self, fields: &Map<String, Value>) -> Result<usize, Unbounded> {
        let bound = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| fields.get(*name)?.as_i64());
            found.map(|number| number.to_string().len())
        };
        let low = bound(["minimum", "exclusiveMinimum"]);
        let high = bound(["maximum", "exclusiveMaximum"]);
        match (low, high) {
            // A sign of zero.
            (Some(low), Some(high)) => Ok(low.max(high) + 1),
            _ => self.refuse("an integer without minimum and maximum has any count of digits"),
        }
    }
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
            assert_eq!(longest(&schema), Ok(longest_form.len()), "{schema}");
        }
        assert_eq!(longest(&json!({"type": "string", "maxLength": 5})), Ok(22));
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
