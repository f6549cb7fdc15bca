//! What is decided without is named: optional sources that are not there, log times in another
//! unit, channels that cannot be read.

use edge_reasoner::bag::writer::McapWriter;
use edge_reasoner::messages::{Message, Odometry, Twist};
use edge_reasoner::params::parse_override;
use edge_reasoner::time::Stamp;

use crate::made::{EPOCH, Entry, MS, SCAN, case, entry_at, run, scan, write};

#[test]
fn a_stamped_command_is_named_with_the_parameter_that_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let bag = [case("optional_sources/stamped_cmd.mcap")];
    let report = run(&bag, folder.path(), 1.0, &[]);
    let why = &report.without["stamped_cmd"]["cmd"];
    let advice = "set cmd.type to geometry_msgs/msg/TwistStamped";
    assert!(why.contains("/cmd_vel") && why.contains(advice), "{why}");
    let printed = report.to_string();
    assert!(printed.contains("decided without cmd"), "{printed}");
    let written = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    assert!(written.contains(advice), "{written}");

    let taken = run(
        &bag,
        folder.path(),
        1.0,
        &["cmd.type:=geometry_msgs/msg/TwistStamped"],
    );
    assert!(taken.without.is_empty(), "{:?}", taken.without);
}

#[test]
fn every_optional_source_is_named_whatever_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    let mut writer = McapWriter::create(&bag).unwrap();
    let topic = |writer: &mut McapWriter, name, kind| writer.add_topic(name, kind, "", None);
    let scans = topic(&mut writer, "/scan", SCAN).unwrap();
    let odom = topic(&mut writer, "/odom", "nav_msgs/msg/Odometry").unwrap();
    let cmd = topic(&mut writer, "/cmd_vel", "geometry_msgs/msg/Twist").unwrap();
    for n in 0..40 {
        let time = EPOCH + n * 100 * MS;
        let bytes = Message::LaserScan(scan(time, 2.0)).encode().unwrap();
        writer.write(scans, Stamp(time), &bytes).unwrap();
        let mut twist = Twist::default();
        twist.linear.x = f64::NAN;
        let bytes = Message::Twist(twist).encode().unwrap();
        writer.write(cmd, Stamp(time + MS), &bytes).unwrap();
    }
    let _ = odom;
    writer.finish().unwrap();
    let report = run(&[bag], folder.path(), 1.0, &[]);
    let notices = report.notices["drive"].join("\n");
    assert!(
        notices.contains("odom: /odom is recorded without a message"),
        "{notices}"
    );
    assert!(
        notices.contains("cmd: none of 40 messages could be used"),
        "{notices}"
    );
    assert!(
        report.to_string().contains("none of 40 messages"),
        "{report}"
    );

    let bag = folder.path().join("scans.mcap");
    write(&bag, &crate::made::drive(EPOCH, 20));
    let report = run(&[bag], folder.path(), 1.0, &[]);
    let without = &report.without["scans"];
    let named: Vec<&str> = without.keys().map(String::as_str).collect();
    assert_eq!(named, ["cmd", "odom"]);
    assert!(
        without["odom"].contains("there is no topic /odom"),
        "{without:?}"
    );
}

#[test]
fn log_times_in_another_unit_are_refused_by_the_header_stamps() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(
        &[case("log_times/log_time_ms.mcap")],
        folder.path(),
        1.0,
        &[],
    );
    assert_eq!(report.cycles, 0);
    assert!(
        report.failed[0].contains("not in nanoseconds"),
        "{:?}",
        report.failed
    );
    assert!(!folder.path().join("log_time_ms.mcap").exists());

    let logged = |name: &str, log: &dyn Fn(i64) -> i64| {
        let bag = folder.path().join(name).with_extension("mcap");
        let scans = (0..90).map(|n| EPOCH + n * 200 * MS);
        let entries: Vec<Entry> = scans
            .map(|time| entry_at(log(time), &scan(time, 2.0)))
            .collect();
        write(&bag, &entries);
        run(&[bag], &folder.path().join("out"), 1.0, &[])
    };
    for (name, unit) in [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)] {
        let report = logged(name, &|time| time / unit);
        assert_eq!(report.failed.len(), 1, "{name}: {report}");
        assert!(report.failed[0].contains(name), "{:?}", report.failed);
    }
    let report = logged("nought", &|_| 0);
    assert_eq!(report.failed.len(), 1, "{report}");
    // Another rate is a word and no refusal.
    let report = logged("slowly", &|time| EPOCH + (time - EPOCH) * 2);
    assert_eq!(report.failed.len(), 0, "{report}");
    assert!(
        report.notices["slowly"][0].contains("another rate"),
        "{report}"
    );
    let report = logged("right", &|time| time + 7_000_000_000 * MS);
    assert!(
        report.failed.is_empty() && report.notices.is_empty(),
        "{report}"
    );
}

#[test]
fn one_source_that_stamps_wrongly_is_named_and_the_log_times_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    let mut writer = McapWriter::create(&bag).unwrap();
    let scans = writer.add_topic("/scan", SCAN, "", None).unwrap();
    let odom = writer
        .add_topic("/odom", "nav_msgs/msg/Odometry", "", None)
        .unwrap();
    for n in 0..90 {
        let time = EPOCH + n * 100 * MS;
        let bytes = Message::LaserScan(scan(time, 2.0)).encode().unwrap();
        writer.write(scans, Stamp(time), &bytes).unwrap();
        let mut odometry = Odometry::default();
        odometry.header.stamp = Stamp(time / 1_000);
        let bytes = Message::Odometry(odometry).encode().unwrap();
        writer.write(odom, Stamp(time + MS), &bytes).unwrap();
    }
    writer.finish().unwrap();
    let report = run(&[bag], folder.path(), 1.0, &[]);
    assert!(report.failed.is_empty(), "{report}");
    assert!(
        report.notices["drive"][0].starts_with("odom: its header stamps"),
        "{report}"
    );
}

#[test]
fn what_is_not_ros_2_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(
        &[case("schemas/ros1_profile.mcap")],
        folder.path(),
        1.0,
        &[],
    );
    let word = &report.failed[0];
    assert!(
        word.contains("ROS 1 messages (schema encoding ros1msg"),
        "{word}"
    );
    assert!(word.contains("rosbags-convert"), "{word}");
    assert!(
        !word.contains("scan.type"),
        "advice that is then refused: {word}"
    );
}

#[test]
fn a_stated_type_stands_in_for_a_missing_schema() {
    let folder = tempfile::tempdir().unwrap();
    let bag = [case("schemas/schemaless.mcap")];
    let word = run(&bag, folder.path(), 1.0, &[]).failed.remove(0);
    let advice = "scan.type:=sensor_msgs/msg/LaserScan";
    assert!(
        word.contains("without a schema") && word.contains(advice),
        "{word}"
    );
    parse_override(advice).unwrap();
    let report = run(&bag, folder.path(), 1.0, &[advice]);
    assert!(report.failed.is_empty(), "{report}");
    assert_eq!(report.by_source["MODEL"], 90);
    let without = &report.without["schemaless"];
    assert_eq!(without.len(), 2, "{without:?}");
    assert!(
        without["odom"].contains("odom.type:=nav_msgs/msg/Odometry"),
        "{without:?}"
    );
}
