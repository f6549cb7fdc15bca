use super::*;

fn of(args: &[&str]) -> Result<RosArguments, ValueError> {
    RosArguments::parse(args.iter().map(std::ffi::OsString::from))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

const TWO: &str = "/**:\n  ros__parameters:\n    hold_ms: 1.0\n\
                   edge_reasoner:\n  ros__parameters:\n    deadline_ms: 2.0\n";

#[test]
fn what_ros_would_leave_aside_is_refused_with_what_was_meant() {
    for (args, words) in [
        (
            &["--paramsfile", "a.yaml"][..],
            "did you mean --params-file",
        ),
        (
            &["--params-file=a.yaml"],
            "--params-file a.yaml, without the =",
        ),
        (&["--params-file"], "stands alone"),
        (&["-p"], "deadline_ms:=10.0"),
        (&["-r"], "a remapping"),
        (&["--log-levle", "debug"], "did you mean --log-level"),
        (&["deadline_ms:=5.0"], "-p deadline_ms:=5.0"),
        (&["-p", "deadline_ms=5.0"], "there is no :="),
        (&["-p", ":=5.0"], "no name"),
        (&["-p", "deadline_ms:="], "an empty text is ''"),
        (&["-p", "a:={b: 1}"], "a map"),
        (&["-p", "a:=[1, 2.0]"], "one type"),
        (&["-p", "a:=*b"], "no aliases"),
        (&["-p", "a:=[1"], "no yaml"),
        (&["--", "-p", "a:=1"], "stands behind --"),
        (&["--params-file", "/nowhere/a.yaml"], "/nowhere/a.yaml"),
        (&["--params-file", "~/a.yaml"], "does not expand ~"),
    ] {
        let args = [&["node", "run", "--ros-args"], args].concat();
        let refused = of(&args).unwrap_err().to_string();
        assert!(refused.contains(words), "{args:?}: {refused}");
    }
}

#[test]
fn all_that_ros_knows_passes() {
    let file = file(TWO);
    let arguments = of(&[
        "node",
        "run",
        "--ros-args",
        "-r",
        "__ns:=/r1",
        "--log-level",
        "debug",
        "--params-file",
        path(&file),
        "--disable-rosout-logs",
        "-e",
        "/enclave",
        "-p",
        "policy:=best",
        "--",
        "--ros-args",
        "-p",
        "edge_reasoner:confidence:=0.5",
    ]);
    let overrides = arguments.unwrap().for_node(&NodeName::default());
    let values: Vec<_> = overrides.values.keys().map(String::as_str).collect();
    assert_eq!(values, ["confidence", "deadline_ms", "hold_ms", "policy"]);
    assert_eq!(overrides.remarks, [""; 0]);
}

#[test]
fn what_is_not_in_force_although_it_was_said_last_is_said() {
    let file = file(TWO);
    let args = |parameter| {
        of(&[
            "n",
            "--ros-args",
            "--params-file",
            path(&file),
            "-p",
            parameter,
        ])
        .unwrap()
    };
    let node = NodeName::default();
    let section = args("deadline_ms:=5.0");
    let overrides = section.for_node(&node);
    assert_eq!(overrides.values["deadline_ms"], Value::Double(2.0));
    assert!(
        overrides.remarks[0].contains("2.0 is in force"),
        "{overrides:?}"
    );
    // A replay has no ROS command line: there it has the last word.
    let overrides = section.for_node_overrides_last(&node);
    assert_eq!(overrides.values["deadline_ms"], Value::Double(5.0));
    assert!(overrides.remarks[0].contains("holds here"), "{overrides:?}");

    let other_type = args("hold_ms:=5").for_node(&node);
    assert_eq!(other_type.values["hold_ms"], Value::Integer(5));
    let text = args("hold_ms:=soon").for_node(&node);
    assert_eq!(text.values["hold_ms"], Value::Double(1.0));
    assert!(text.remarks.iter().any(|r| r.contains("-p hold_ms:=soon")));
    let by_name = args("edge_reasoner:deadline_ms:=5.0").for_node(&node);
    assert_eq!(by_name.values["deadline_ms"], Value::Double(5.0));
    assert_eq!(by_name.remarks, [""; 0]);
}

#[test]
fn what_is_for_others_only_is_named_and_nothing_more_is_claimed() {
    let file = file(TWO.replace("/**", "/other").as_str());
    let arguments = of(&[
        "n",
        "--ros-args",
        "--params-file",
        path(&file),
        "-p",
        "deadline_ms:=5.0",
        "-p",
        "edge_reasoner:hold_ms:=1.0",
    ]);
    let node = "/r1/edge_reasoner".parse().unwrap();
    let overrides = arguments.unwrap().for_node(&node);
    assert_eq!(overrides.values.len(), 1, "{overrides:?}");
    let [file, parameter] = &overrides.remarks[..] else {
        panic!("{overrides:?}");
    };
    for word in [
        "/other, edge_reasoner",
        "/**/edge_reasoner",
        "/r1/edge_reasoner",
    ] {
        assert!(file.contains(word), "{file}");
    }
    assert!(parameter.contains("-p edge_reasoner:hold_ms:=1.0"));
    assert!(!file.contains("defaults"), "{file}");
}

#[test]
fn overrides_are_typed_as_ros_types_them() {
    let read = |text| parse_override(text).unwrap();
    assert_eq!(read("a.b:=3"), ("a.b".into(), Value::Integer(3)));
    assert_eq!(read("a:=3.0").1, Value::Double(3.0));
    assert_eq!(read("a:=yes").1, Value::Bool(true));
    assert_eq!(read("a:=/scan").1, Value::String("/scan".into()));
    assert_eq!(read("a:=''").1, Value::String(String::new()));
    assert_eq!(read("a:=[]").1, Value::NotSet);
    assert_eq!(
        read("a:=[x, 'y']").1,
        Value::Strings(vec!["x".into(), "y".into()])
    );
    assert!(parse_override("a=3").is_err());
    assert!(parse_override(":=3").is_err());
}

#[test]
fn files_and_their_names_are_bounded() {
    let refused = |text: &str| {
        let file = file(text);
        read_file(file.path(), &NodeName::default())
            .unwrap_err()
            .to_string()
    };
    let large = format!("/**:\n  ros__parameters:\n    a: {}\n", "x".repeat(LARGEST));
    assert!(refused(&large).contains("larger than"));
    let deep = format!("/**: {{ros__parameters: {}", "{a: ".repeat(200_000));
    assert!(
        refused(&deep).contains("nested deeper"),
        "{}",
        refused(&deep)
    );
    let list = format!("/**: {{ros__parameters: {{a: {}", "[".repeat(200_000));
    assert!(
        refused(&list).contains("nested deeper"),
        "{}",
        refused(&list)
    );
    let name = "n".repeat(100_000);
    let wide = format!(
        "/**:\n ros__parameters:\n  {name}:\n{}",
        "   a: 1\n".repeat(10_000)
    );
    // A key that long is none for yaml, which is all the better.
    assert!(refused(&wide).contains("line"), "{}", refused(&wide));
    let joined = format!(
        "/**:\n ros__parameters:\n  ? {name}\n  :\n{}",
        "   a: 1\n".repeat(10_000)
    );
    assert!(
        refused(&joined).contains("too long"),
        "{}",
        refused(&joined)
    );
    assert!(refused("/**:\n  ros__parameters:\n    a: \u{7}\n").contains("line 3"));
}
