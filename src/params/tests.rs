use super::*;
use crate::features::{Footprint, Sector};

fn bundle() -> BundleNames {
    let source = |name: &str, message: &str, required| BundleSource {
        name: name.into(),
        topic: format!("/{name}"),
        types: vec![message.into()],
        timeout: 500 * MS,
        required,
    };
    BundleNames {
        sources: vec![
            source("scan", "sensor_msgs/msg/LaserScan", true),
            source("odom", "nav_msgs/msg/Odometry", false),
        ],
        labels: vec!["go".into(), "stop".into()],
        safe_label: "stop".into(),
        trigger: "scan".into(),
        horizon_s: None,
    }
}

fn values(overrides: &[&str]) -> Values {
    overrides
        .iter()
        .map(|text| parse_override(text).unwrap())
        .collect()
}

fn faults(overrides: &[&str]) -> Vec<String> {
    Params::read(&values(overrides), &bundle()).unwrap_err().0
}

#[test]
fn robots_are_namespaces_and_nobody_is_one_robot() {
    let robots = |asked: &str| Params::read(&values(&[asked]), &bundle()).map(|p| p.robots);
    for nobody in ["robots:=['']", "deadline_ms:=20.0"] {
        assert_eq!(robots(nobody).unwrap(), Vec::<String>::new(), "{nobody}");
    }
    assert_eq!(
        robots("robots:=[r1, fleet/r2]").unwrap(),
        ["r1", "fleet/r2"]
    );
    for bad in [
        "robots:=[r1, r1]",
        "robots:=[/r1]",
        // Has no type in ROS, and so no value.
        "robots:=[]",
        "robots:=['1']",
        "robots:=[r-1]",
    ] {
        assert!(robots(bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_said_is_the_bundle_with_the_tables_defaults() {
    let params = Params::read(&Values::new(), &bundle()).unwrap();
    assert_eq!(params.deadline, 20 * MS);
    assert_eq!(params.sources.len(), 2);
    assert_eq!(params.sources[0].topic, "/scan");
    assert_eq!(params.gate, None);
    assert_eq!(params.engines, ["packed_int8", "flex"]);
}

#[test]
fn the_packed_engine_has_the_precision_asked_for() {
    let asked = ["engines:=[ndarray, packed]", "packed.precision:=bf16"];
    let params = Params::read(&values(&asked), &bundle()).unwrap();
    assert_eq!(params.engines, ["ndarray", "packed_bf16"]);
    assert!(faults(&["packed.precision:=int4"])[0].contains("int8, bf16, f32"));
}

#[test]
fn only_scans_have_beams_that_return_something() {
    let params = Params::read(&values(&["scan.min_returns:=0.05"]), &bundle()).unwrap();
    assert_eq!(params.sources[0].min_returns, 0.05);
    let faults = faults(&["odom.min_returns:=0.05", "scan.min_returns:=1.5"]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("only sensor_msgs/msg/LaserScan"))
    );
}

#[test]
fn what_is_below_range_min_and_stray_beams_are_settled_by_words_of_scans_alone() {
    let asked = ["scan.below_min:=near", "scan.speck_filter:=scans"];
    let params = Params::read(&values(&asked), &bundle()).unwrap();
    assert_eq!(params.sources[0].below_min, BelowMin::Near);
    assert_eq!(params.sources[0].speck_filter, SpeckFilter::Scans);
    assert_eq!(params.sources[1].below_min, BelowMin::Auto);
    let faults = faults(&["odom.below_min:=none", "scan.speck_filter:=off"]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    let says = |words: &str| faults.iter().any(|fault| fault.contains(words));
    assert!(
        says("only sensor_msgs/msg/LaserScan") && says("none, beams, scans"),
        "{faults:?}"
    );
}

#[test]
fn the_wgpu_engine_has_the_device_asked_for() {
    let engines = |device: &str| {
        let asked = values(&["engines:=[wgpu, packed]", device]);
        Params::read(&asked, &bundle()).unwrap().engines
    };
    assert_eq!(engines("wgpu.device:=any"), ["wgpu", "packed_int8"]);
    assert_eq!(engines("wgpu.device:=software")[0], "wgpu_software");
    assert_eq!(engines("wgpu.device:=1")[0], "wgpu_1", "as a number");
    assert_eq!(engines("wgpu.device:='1'")[0], "wgpu_1", "as text");
    let half = values(&["engines:=[wgpu]", "wgpu.device:=1", "wgpu.precision:=f16"]);
    let engines = Params::read(&half, &bundle()).unwrap().engines;
    assert_eq!(engines, ["wgpu_1_f16"]);
    for wrong in ["wgpu.device:=fast", "wgpu.device:=8", "wgpu.device:=true"] {
        assert!(
            faults(&[wrong])[0].contains("one of any, discrete"),
            "{wrong}"
        );
    }
}

#[test]
fn all_faults_come_at_once_each_with_its_name() {
    let faults = faults(&[
        "deadline_ms:=fast",
        "policy:=quickest",
        "scan.topik:=/s",
        "engines:=[cuda]",
        "trigger:=imu",
    ]);
    assert_eq!(faults.len(), 5, "{faults:#?}");
    for (name, mut at) in [
        ("deadline_ms is \"fast\"; expected a number", 0..5),
        ("one of fastest, best", 0..5),
        ("scan.topik is unknown; did you mean scan.topic?", 0..5),
        ("engines names cuda", 0..5),
        ("trigger imu", 0..5),
    ] {
        assert!(at.any(|i| faults[i].contains(name)), "{name}: {faults:#?}");
    }
}

#[test]
fn ranges_hold_and_integers_are_numbers() {
    assert!(faults(&["deadline_ms:=0.01"])[0].contains("0.1 to 10000"));
    assert!(faults(&["deadline_ms:=.nan"])[0].contains("0.1 to 10000"));
    assert!(faults(&["deadline_ms:=5", "publish_margin_ms:=5"])[0].contains("leaves nothing"));
    let params = Params::read(&values(&["deadline_ms:=5"]), &bundle()).unwrap();
    assert_eq!(params.deadline, 5 * MS);
    assert!(params.publish_margin < MS, "scaled to a short deadline");
}

#[test]
fn a_gate_must_say_what_every_label_lets_through() {
    let on = "act.velocity_gate.enabled:=true";
    let faults = faults(&[on, "act.velocity_gate.linear.go:=1.0"]);
    assert!(faults[0].contains("linear.stop is missing"), "{faults:#?}");
    let all = values(&[
        on,
        "act.velocity_gate.linear.go:=1.0",
        "act.velocity_gate.linear.stop:=0.0",
        "act.velocity_gate.angular.stop:=1.0",
    ]);
    let gate = Params::read(&all, &bundle()).unwrap().gate.unwrap();
    assert_eq!(gate.limits.factors[1].linear, 0.0);
    assert_eq!(gate.limits.factors[1].angular, 1.0);
    assert_eq!(gate.limits.factors[0].angular, 1.0, "as linear");
}

#[test]
fn a_safe_label_that_lets_more_through_than_another_is_refused() {
    let faults = faults(&[
        "act.velocity_gate.enabled:=true",
        "act.velocity_gate.linear.go:=0.5",
        "act.velocity_gate.linear.stop:=1.0",
    ]);
    assert!(faults[0].contains("safe label \"stop\""), "{faults:#?}");
}

/// A gate of which this is said besides.
fn gate(overrides: &[&str]) -> Result<GateParams, Vec<String>> {
    let on = [
        "act.velocity_gate.enabled:=true",
        "act.velocity_gate.linear.go:=1.0",
        "act.velocity_gate.linear.stop:=0.0",
    ];
    let params = Params::read(&values(&[&on, overrides].concat()), &bundle());
    params.map(|p| p.gate.unwrap()).map_err(|faults| faults.0)
}

#[test]
fn at_a_creep_no_more_is_kept_free_than_at_speed() {
    let creep = |overrides: &[&str]| {
        let gate = gate(&[&["robot_radius:=0.2"], overrides].concat());
        gate.map(|gate| gate.limits.physics.unwrap().creep_margin_m)
    };
    assert_eq!(creep(&[]), Ok(0.03));
    let narrow = "act.velocity_gate.margin_m:=0.02";
    assert_eq!(creep(&[narrow]), Ok(0.02), "not said");
    let faults = creep(&[narrow, "act.velocity_gate.creep_margin_m:=0.025"]).unwrap_err();
    let said = "creep_margin_m is 0.025, more than act.velocity_gate.margin_m (0.02)";
    assert!(faults[0].contains(said), "{faults:#?}");
}

#[test]
fn blind_lets_nothing_through_unless_it_is_said_and_never_more_than_the_safe_label() {
    let turns = "act.velocity_gate.angular.stop:=0.5";
    let limits = gate(&[turns]).unwrap().limits;
    assert_eq!((limits.blind.linear, limits.blind.angular), (0.0, 0.0));
    let overrides = gate(&[turns, "act.velocity_gate.blind.angular:=0.5"]).unwrap();
    assert_eq!(overrides.limits.blind.angular, 0.5);
    let warned = overrides.warnings.join("; ");
    assert!(
        warned.contains("blind.angular is 0.5: the robot turns on"),
        "{warned}"
    );
    let more = gate(&[turns, "act.velocity_gate.blind.angular:=0.6"]).unwrap_err();
    assert!(
        more[0].contains("blind.angular is 0.6, and act.velocity_gate.angular.stop is 0.5"),
        "{more:?}"
    );
    let drives = gate(&[turns, "act.velocity_gate.blind.linear:=0.1"]).unwrap_err();
    assert!(drives[0].contains("blind.linear is 0.1"), "{drives:?}");
}

#[test]
fn a_label_called_blind_is_another_parameter() {
    let mut bundle = bundle();
    bundle.labels.insert(0, "blind".into());
    let overrides = values(&[
        "act.velocity_gate.enabled:=true",
        "act.velocity_gate.linear.blind:=0.75",
        "act.velocity_gate.linear.go:=1.0",
        "act.velocity_gate.linear.stop:=0.5",
        "act.velocity_gate.blind.linear:=0.25",
    ]);
    let limits = Params::read(&overrides, &bundle)
        .unwrap()
        .gate
        .unwrap()
        .limits;
    assert_eq!(
        (limits.factors[0].linear, limits.blind.linear),
        (0.75, 0.25)
    );
}

#[test]
fn a_gate_that_would_hold_a_robot_for_ever_is_warned_about_by_name() {
    for overrides in [&[][..], &["act.velocity_gate.angular.stop:=0.0"]] {
        let mut warnings = gate(overrides).unwrap().warnings;
        warnings.retain(|warning| !warning.contains("by labels alone"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let remedy = "set act.velocity_gate.angular.stop to 1.0";
        assert!(warnings[0].contains(remedy), "{warnings:?}");
    }
    let turns = gate(&["act.velocity_gate.angular.stop:=1.0"]).unwrap();
    assert!(
        turns
            .warnings
            .iter()
            .all(|warning| warning.contains("by labels alone"))
    );
    let nothing = gate(&["act.velocity_gate.linear.go:=0.0"]).unwrap_err();
    assert!(nothing[0].contains("under any label"), "{nothing:?}");
}

#[test]
fn the_gate_measures_ages_on_the_nodes_clock() {
    assert!(!gate(&[]).unwrap().limits.sim_time);
    assert!(gate(&["use_sim_time:=true"]).unwrap().limits.sim_time);
}

#[test]
fn processors_are_a_list_in_words() {
    let read = Params::read(&values(&["realtime.cpus:='0,2-3'"]), &bundle()).unwrap();
    assert_eq!(read.realtime.cpus, [0, 2, 3]);
    let read = Params::read(&values(&["realtime.cpus:=1"]), &bundle()).unwrap();
    assert_eq!(read.realtime.cpus, [1]);
    assert!(faults(&["realtime.cpus:=all"])[0].contains("expected processors"));
}

#[test]
fn an_engine_named_twice_is_refused() {
    assert!(faults(&["engines:=[flex, flex]"])[0].contains("flex twice"));
}

#[test]
fn a_gate_that_hears_itself_is_refused() {
    let on = "act.velocity_gate.enabled:=true";
    let loops = [
        "act.velocity_gate.in:=/cmd_vel",
        "act.velocity_gate.out:=cmd_vel",
    ];
    let faults = faults(&[on, loops[0], loops[1]]);
    assert!(faults[0].contains("hears itself"), "{faults:#?}");
}

#[test]
fn a_needed_source_cannot_be_left_out_by_accident() {
    assert!(faults(&["sources:=[odom]"])[0].contains("leaves out scan"));
    let only = Params::read(&values(&["sources:=[scan]"]), &bundle()).unwrap();
    assert_eq!(only.sources.len(), 1);
    assert!(faults(&["sources:=[scan, lidar]"])[0].contains("lidar"));
}

#[test]
fn a_speed_limit_must_name_every_label_and_none_is_not_a_stop() {
    let on = "act.speed_limit.enabled:=true";
    assert!(
        faults(&[on, "act.speed_limit.percent.go:=0.0"])[0].contains("percent.stop is missing")
    );
    let overrides = [
        on,
        "act.speed_limit.percent.go:=50",
        "act.speed_limit.percent.stop:=0.0",
    ];
    // 0 is no limit: under the safe label it would let the robot run.
    assert!(faults(&overrides)[0].contains("safe label \"stop\""));
    let overrides = [
        on,
        "act.speed_limit.percent.go:=0.0",
        "act.speed_limit.percent.stop:=20",
    ];
    let limit = Params::read(&values(&overrides), &bundle())
        .unwrap()
        .speed_limit
        .unwrap();
    assert_eq!(limit.topic, "speed_limit");
    assert_eq!(limit.limits.percent[1].on_the_wire(), 20.0);
    assert!(faults(&["act.speed_limit.percent.go:=101.0"])[0].contains("0 to 100"));
}

#[test]
fn attention_is_off_unless_asked_for_and_released_below_where_it_is_raised() {
    let nothing = Params::read(&Values::new(), &bundle()).unwrap();
    assert_eq!(nothing.attention, None);
    let on = "act.attention.enabled:=true";
    let limits = Params::read(&values(&[on]), &bundle())
        .unwrap()
        .attention
        .unwrap();
    assert_eq!((limits.decisions, limits.raise_share), (30, 0.5));
    let swapped = [
        "act.attention.raise_share:=0.2",
        "act.attention.release_share:=0.3",
    ];
    assert!(faults(&swapped)[0].contains("release_share"));
}

#[test]
fn a_footprint_is_an_outline_or_a_radius_and_nothing_by_default() {
    let footprint = |asked: &[&str]| Params::read(&values(asked), &bundle()).map(|p| p.footprint);
    assert_eq!(footprint(&[]).unwrap(), None);
    assert_eq!(footprint(&["robot_radius:=0.0"]).unwrap(), None);
    let radius = Some(Footprint::Circle { radius: 0.25 });
    assert_eq!(footprint(&["robot_radius:=0.25"]).unwrap(), radius);
    let square = "footprint:='[[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]]'";
    assert!(
        matches!(footprint(&[square]).unwrap(), Some(Footprint::Polygon(corners)) if corners.len() == 4)
    );
    let both = faults(&[square, "robot_radius:=0.25"]);
    assert!(both[0].contains("both set"), "{both:?}");
    for (bad, word) in [
        ("footprint:='[[0.3, 0.2]]'", "1 corners"),
        ("robot_radius:=-1.0", "0 to 20"),
        ("base_frame:=''", "base_frame"),
        ("base_frame:='base link'", "base_frame"),
    ] {
        let found = faults(&[bad]);
        assert!(
            found.len() == 1 && found[0].contains(word),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn mountings_are_in_force_only_where_they_are_said() {
    let reading = ReadParams::of(&Values::new(), &bundle());
    assert!(!reading.effective.contains_key("scan.yaw"));
    assert!(!reading.effective.contains_key("scan.upside_down"));
    let scan = &reading.params.unwrap().sources[0];
    assert_eq!((scan.yaw, scan.upside_down), (None, None));
    let asked = ["scan.yaw:=0.0", "scan.upside_down:=false"];
    let scan = &Params::read(&values(&asked), &bundle()).unwrap().sources[0];
    assert_eq!((scan.yaw, scan.upside_down), (Some(0.0), Some(false)));
    let wrong = faults(&["odom.upside_down:=true"]);
    assert!(wrong[0].contains("LaserScan only"), "{wrong:?}");
}

#[test]
fn ignored_sectors_are_pairs_of_angles() {
    let ignore = |asked: &str| {
        let params = Params::read(&values(&[asked]), &bundle());
        params.map(|params| params.sources[0].ignore.clone())
    };
    assert_eq!(ignore("deadline_ms:=20.0").unwrap(), []);
    assert_eq!(ignore("scan.ignore:=[]").unwrap(), []);
    let two = ignore("scan.ignore:=[1.2, 1.9, 3.0, -3.0]").unwrap();
    assert_eq!(two[0], Sector { from: 1.2, to: 1.9 });
    assert_eq!(
        two[1],
        Sector {
            from: 3.0,
            to: -3.0
        }
    );
    assert_eq!(ignore("scan.ignore:=[1, 2]").unwrap()[0].to, 2.0);
    for (bad, word) in [
        ("scan.ignore:=[1.2]", "pairs"),
        ("scan.ignore:=[1.2, 1.2]", "holds nothing"),
        (
            "scan.ignore:=[70.0, 110.0]",
            "(1.2217, 1.9199 if these are degrees)",
        ),
        ("scan.ignore:=[1.0, .nan]", "expected rad"),
        ("scan.ignore:=left", "a list of numbers"),
        ("odom.ignore:=[1.2, 1.9]", "only sensor_msgs/msg/LaserScan"),
    ] {
        let found = faults(&[bad]);
        assert!(
            found.len() == 1 && found[0].contains(word),
            "{bad}: {found:?}"
        );
    }
}
