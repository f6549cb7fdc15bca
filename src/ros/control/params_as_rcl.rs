//! Compares our reader of params files with rcl's own on the same arguments: a live node goes by
//! ours, and both must agree.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString, c_char};

use proptest::prelude::*;
use r2r_rcl as rcl;

use crate::params::{NodeName, RosArguments, Value, Values};

/// What rcl reads for a node; none where it refuses.
fn by_rcl(args: &[String], node: &NodeName) -> Option<Values> {
    let args: Vec<CString> = args
        .iter()
        .map(|a| CString::new(a.as_str()).unwrap())
        .collect();
    let pointers: Vec<*const c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
    // SAFETY: `args` outlives the calls, and rcl copies. Both structures start as rcl demands and
    // are given back to it; in between their arrays hold as many as they say.
    unsafe {
        let mut arguments = rcl::rcl_get_zero_initialized_arguments();
        let allocator = rcl::rcutils_get_default_allocator();
        let count = pointers.len() as i32;
        if rcl::rcl_parse_arguments(count, pointers.as_ptr(), allocator, &mut arguments) != 0 {
            rcl::rcutils_reset_error();
            return None;
        }
        let mut params: *mut rcl::rcl_params_t = std::ptr::null_mut();
        assert_eq!(
            rcl::rcl_arguments_get_param_overrides(&arguments, &mut params),
            0
        );
        let mut values = BTreeMap::new();
        if !params.is_null() {
            let sections = (*params).num_nodes;
            for section in 0..sections {
                let name = text(*(*params).node_names.add(section));
                let overrides = &*(*params).params.add(section);
                for parameter in 0..overrides.num_params {
                    if node.takes(&name) {
                        let name = text(*overrides.parameter_names.add(parameter));
                        values.insert(name, value(&*overrides.parameter_values.add(parameter)));
                    }
                }
            }
            rcl::rcl_yaml_node_struct_fini(params);
        }
        assert_eq!(rcl::rcl_arguments_fini(&mut arguments), 0);
        Some(values)
    }
}

unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: rcl's own strings.
    unsafe { CStr::from_ptr(pointer) }
        .to_str()
        .unwrap()
        .to_owned()
}

unsafe fn list<T: Clone>(values: *const T, size: usize) -> Vec<T> {
    match values.is_null() {
        true => Vec::new(),
        // SAFETY: rcl says how many there are.
        false => unsafe { std::slice::from_raw_parts(values, size) }.to_vec(),
    }
}

unsafe fn value(variant: &rcl::rcl_variant_t) -> Value {
    // SAFETY: what is not null is there.
    unsafe {
        if let Some(value) = variant.bool_value.as_ref() {
            Value::Bool(*value)
        } else if let Some(value) = variant.integer_value.as_ref() {
            Value::Integer(*value)
        } else if let Some(value) = variant.double_value.as_ref() {
            Value::Double(*value)
        } else if !variant.string_value.is_null() {
            Value::String(text(variant.string_value))
        } else if let Some(values) = variant.bool_array_value.as_ref() {
            Value::Bools(list(values.values, values.size))
        } else if let Some(values) = variant.integer_array_value.as_ref() {
            Value::Integers(list(values.values, values.size))
        } else if let Some(values) = variant.double_array_value.as_ref() {
            Value::Doubles(list(values.values, values.size))
        } else if let Some(values) = variant.string_array_value.as_ref() {
            let texts = list(values.data, values.size);
            Value::Strings(texts.into_iter().map(|one| text(one)).collect())
        } else {
            Value::NotSet
        }
    }
}

/// Yaml in flow style: words, lists and maps, mostly sound.
fn tree() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "1", "-2", "0x1f", "017", "08", "1.5", "1e3", ".inf", "1e999", "yes", "No", "off", "on",
        "~", "text", "'5'", "\"x y\"", "''", "!!str 5", "!!int 7", "&x 3", "nan", "0b1", "1_0",
        "é",
    ]);
    let key = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "a.b",
        "b.c",
        "a.b.c",
        "1",
        "yes",
        "'q'",
        "ros__parameters",
    ]);
    word.prop_map(str::to_owned)
        .prop_recursive(3, 24, 4, move |inner| {
            let members = prop::collection::vec(inner.clone(), 0..4);
            let pairs = prop::collection::vec((key.clone(), inner), 0..5);
            prop_oneof![
                1 => members.prop_map(|members| format!("[{}]", members.join(", "))),
                3 => pairs.prop_map(map),
            ]
        })
}

fn map(pairs: Vec<(&str, String)>) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A params file of some sections, nested or not.
fn file() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "/**",
        "'**'",
        "/*",
        "edge_reasoner",
        "/edge_reasoner",
        "/r1",
        "r1",
        "/r1/edge_reasoner",
        "/**/edge_reasoner",
        "/r1/**",
        "other",
        "'*'",
        "/",
    ]);
    let key = prop::sample::select(vec!["a", "b", "c", "a.b", "b.c", "x.y.z"]);
    let parameters = prop::collection::vec((key, tree()), 0..5).prop_map(map);
    let section = (name.clone(), prop::option::of(name), parameters).prop_map(
        |(outer, inner, parameters)| {
            let body = format!("{{ros__parameters: {parameters}}}");
            let body = inner.map_or(body.clone(), |inner| format!("{{{inner}: {body}}}"));
            (outer, body)
        },
    );
    prop_oneof![
        9 => prop::collection::vec(section, 0..4).prop_map(map),
        1 => tree(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn ours_reads_what_rcl_reads(
        files in prop::collection::vec(file(), 1..3),
        overrides in prop::collection::vec(
            (prop::sample::select(vec!["a:=", "a.b:=", "edge_reasoner:a:=", "other:b:="]), tree()),
            0..2,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut args: Vec<String> = vec!["node".into(), "--ros-args".into()];
        for (number, text) in files.iter().enumerate() {
            let file = folder.path().join(format!("{number}.yaml"));
            std::fs::write(&file, text).unwrap();
            args.extend(["--params-file".into(), file.display().to_string()]);
        }
        for (name, value) in overrides {
            args.extend(["-p".into(), format!("{name}{value}")]);
        }
        let ours = RosArguments::parse(args.iter().map(OsString::from));
        for node in ["/edge_reasoner", "/r1/edge_reasoner"] {
            let node: NodeName = node.parse().unwrap();
            let ours = match &ours {
                Ok(ours) => Some(ours.for_node(&node).values),
                // rcl puts it under a key that is never looked up.
                Err(error) if error.to_string().contains("where no parameter is") => continue,
                Err(_) => None,
            };
            // A NaN equals itself here.
            prop_assert_eq!(format!("{ours:?}"), format!("{:?}", by_rcl(&args, &node)));
        }
    }
}
