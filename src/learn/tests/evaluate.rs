//! What a report says beside the scores: budgets, models of a fixed depth, windows for others.

use safetensors::SafeTensors;
use tempfile::tempdir;

use super::*;
use crate::features::Window;
use crate::learn::data::recordings::TeachingLicences;
use crate::learn::metrics::arc_baseline::ArcBaseline;
use crate::learn::metrics::fixed_depth_scores::DepthComparison;
use crate::learn::report::budget_curves::PerMeasure;
use crate::learn::task::split_by::SplitBy;
use crate::learn::task::train_options::TrainOptions;
use crate::learn::{
    Dataset, EvalOptions, EvaluationReport, ExportOptions, FoldsReport, cross_validate, eval,
    export, train,
};
use crate::model::{Backend, Bundle};

/// Four drives in as many groups, two robots.
fn drives(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    let mut list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n".to_owned();
    for (number, robot) in ["cart", "cart", "mule", "mule", "cart", "mule"]
        .iter()
        .enumerate()
    {
        drive(&data.join(format!("r{number}.mcap")), 30.0, number as f64);
        let licence = if number < 4 { "cc0" } else { "none-stated" };
        list += &format!("r{number}.mcap,real,{robot},g{number},0,{licence},\n");
    }
    fs::write(data.join("manifest.csv"), list).unwrap();
    data
}

fn options(folder: &Path, data: PathBuf) -> TrainOptions {
    training(quick(folder), data, folder.join("model"))
}

fn judge(options: &TrainOptions) -> EvaluationReport {
    eval(&EvalOptions {
        model: options.out.clone(),
        task: options.task.clone(),
        data: options.data.clone(),
        out: options.out.join("eval"),
        yaw: 0.0,
        engine: Backend::Flex.into(),
        conditions: false,
        seed: 1,
    })
    .unwrap()
}

/// Times are measured and summed in another order.
fn same(one: &PerMeasure<f64>, other: &PerMeasure<f64>) -> bool {
    (one.stages, one.macs) == (other.stages, other.macs) && (one.us - other.us).abs() < 1e-6
}

#[test]
fn budgets_buy_exits_and_fixed_depths_stand_beside_them() {
    let folder = tempdir().unwrap();
    let options = TrainOptions {
        static_depths: true,
        ..options(folder.path(), drives(folder.path()))
    };
    let report = train(&options).unwrap().report;
    let bundle = Bundle::load(&options.out).unwrap();
    let macs = bundle.manifest.architecture.stage_macs(3);
    let budget = report.budget.as_ref().unwrap();
    assert_eq!(budget.exits[0].macs, macs[0] as f64);
    assert_eq!(budget.exits[1].macs, (macs[0] + macs[1]) as f64);
    for robot in ["cart", "mule"] {
        let score = |exit: usize| {
            report.exits[exit].per_robot[robot]
                .balanced_accuracy
                .unwrap()
        };
        let curves = &budget.per_robot[robot];
        let best: Vec<_> = curves.best.points.iter().collect();
        assert_eq!(best.len(), 2);
        for (exit, point) in best.iter().enumerate() {
            assert!(
                same(&point.spent, &budget.exits[exit]),
                "a budget of {} stages: {:?}",
                exit + 1,
                point.spent
            );
            assert_eq!(point.balanced_accuracy, score(exit));
        }
        let fastest = &curves.fastest.points;
        let (first, last) = (fastest[0], fastest[fastest.len() - 1]);
        for (point, exit) in [(first, 0), (last, 1)] {
            assert!(same(&point.spent, &budget.exits[exit]), "{:?}", point.spent);
            assert_eq!(point.balanced_accuracy, score(exit));
        }
        let rising = fastest
            .windows(2)
            .all(|pair| pair[0].spent.macs <= pair[1].spent.macs);
        assert!(rising && fastest.len() > 5, "{fastest:?}");
        assert_eq!(curves.best.area.stages, score(0));
    }

    let [one, two] = &report.static_depths[..] else {
        panic!("{:?}", report.static_depths);
    };
    assert_eq!((one.depth, two.depth), (1, 2));
    assert!(
        one.macs < macs[0],
        "only the newest token leaves its only block"
    );
    assert_eq!(
        two.macs,
        macs[0] + macs[1] - 8 * 3,
        "less the exit that nobody asks"
    );
    assert!(one.parameters < two.parameters);
    assert!(two.parameters < bundle.weights().parameters());
    let scores = two.per_robot["cart"];
    assert_eq!(scores.scores.n, report.scores.per_robot["cart"].n);
    let learned = scores.scores.balanced_accuracy;
    assert!(learned > Some(0.6), "it has learned: {scores:?}");
    let against = budget.against(one, "cart").unwrap();
    assert_ne!(against.stages, DepthComparison::Cheaper);
    assert_eq!(against.macs, DepthComparison::Cheaper);
    assert_ne!(against.us, DepthComparison::Unmeasured);
    let text = fs::read_to_string(options.out.join("report.md")).unwrap();
    assert!(text.contains("none as cheap"), "{text}");

    // What an evaluation cannot find out stands in the report beside the bundle.
    let beside = EvaluationReport::read(&options.out).unwrap().static_depths;
    assert_eq!(beside.len(), 2);
    assert_eq!(judge(&options).static_depths, beside);
    let few = TrainOptions {
        data: vec![folder.path().join("few")],
        ..options.clone()
    };
    fs::create_dir(&few.data[0]).unwrap();
    fs::copy(options.data[0].join("r4.mcap"), few.data[0].join("r4.mcap")).unwrap();
    assert!(judge(&few).static_depths.is_empty(), "other windows");
}

#[test]
fn a_report_from_before_budgets_and_conditions_still_reads() {
    let folder = tempdir().unwrap();
    let options = options(folder.path(), drives(folder.path()));
    train(&options).unwrap();
    let file = options.out.join("report.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let fields = json.as_object_mut().unwrap();
    for new in ["reliability", "budget", "static_depths", "conditions"] {
        fields.remove(new);
    }
    fs::write(&file, json.to_string()).unwrap();
    let old = EvaluationReport::read(&options.out).expect("an old report");
    assert!(old.budget.is_none() && old.to_markdown().contains("Not tried"));
    assert_eq!(EvaluationReport::read(folder.path()), None);
}

#[test]
fn windows_are_written_for_models_of_other_kinds() {
    let folder = tempdir().unwrap();
    let options = options(folder.path(), drives(folder.path()));
    train(&options).unwrap();
    let out = folder.path().join("windows.safetensors");
    let written = export(&ExportOptions {
        model: options.out.clone(),
        task: options.task.clone(),
        data: options.data.clone(),
        out: out.clone(),
        yaw: 0.0,
    })
    .unwrap();
    let bytes = fs::read(&out).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let words = header.metadata().as_ref().unwrap();
    assert_eq!(words["robots"], r#"["cart","mule"]"#);
    assert_eq!(words["task"], "clearance");
    let numbers = |name: &str| -> Vec<i32> {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks(4)
            .map(|b| i32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    let judges = file.tensor("judges").unwrap().data().to_vec();
    let (robot, group, label) = (numbers("robot"), numbers("group"), numbers("label"));
    assert_eq!(judges.len(), written.taught + written.judged);
    assert_eq!(
        judges.iter().filter(|judges| **judges == 1).count(),
        written.judged
    );
    let report = judge(&options);
    assert_eq!(
        report.cycles, written.judged as u64,
        "the same windows as the report's"
    );
    assert!(label.iter().all(|label| (0..3).contains(label)));
    for taught in group
        .iter()
        .zip(&judges)
        .filter(|(_, judges)| **judges == 0)
    {
        let judged = group
            .iter()
            .zip(&judges)
            .any(|(g, judges)| *judges == 1 && g == taught.0);
        assert!(!judged, "a group on both sides");
    }
    // The last recording that judges is r5, a mule's.
    let task = Task::load(&options.task).unwrap();
    let mut recordings =
        crate::learn::data::recordings::find(&options.data, &task.recordings, 0.0).unwrap();
    let data = Dataset::load(&task, &recordings.split_off(5), 0, 0);
    let windows = file.tensor("windows").unwrap();
    assert_eq!(windows.shape(), [judges.len(), data.width]);
    let plain: Vec<u8> = data.parts[0]
        .windows
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    assert!(windows.data().ends_with(&plain));
    assert_eq!((robot.last(), judges.last()), (Some(&1), Some(&1)));
}

#[test]
fn the_arc_alone_answers_by_what_is_ahead_along_it() {
    let mut task = task();
    let rule = ArcBaseline::of(&task).expect("clearance has an arc");
    let mut window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let features = window.features();
    let mut values = vec![0.0; window.frames() * features];
    let mut answer = |speed: f64, ahead: f32| {
        window.reset();
        for step in 0..8 {
            let time = seconds(50.0 + f64::from(step) * 0.2);
            for (name, message) in [("odom", odom(time, speed)), ("scan", scan(time, ahead))] {
                let id = window.source(name).unwrap();
                window.push(id, &message, time).unwrap();
            }
            window.assemble(time, &mut values);
        }
        rule.answer(&values, features)
    };
    assert_eq!(answer(0.0, 0.9), 0);
    assert_eq!(answer(0.3, 0.9), 1, "0.6 m ahead in a second");
    assert_eq!(answer(0.6, 0.9), 2, "0.3 m");
    assert_eq!(answer(-0.3, 0.7), 1, "now counts as well");
    task.window.derived.truncate(2);
    assert!(ArcBaseline::of(&task).is_none(), "no arc among the inputs");
}

#[test]
fn folds_are_told_robot_by_robot() {
    let folder = tempdir().unwrap();
    let options = TrainOptions {
        split: Some(SplitBy::Groups),
        ..options(folder.path(), drives(folder.path()))
    };
    let report: FoldsReport = cross_validate(&options, 2, TeachingLicences::Licensed).unwrap();
    for robot in ["cart", "mule"] {
        let figures = &report.per_robot[robot];
        let each: Vec<f64> = report
            .folds
            .iter()
            .filter_map(|fold| Some(fold.per_robot.get(robot)?["balanced_accuracy"]))
            .collect();
        let spread = figures["balanced_accuracy"];
        assert_eq!(spread.folds, each.len());
        let mean = each.iter().sum::<f64>() / each.len() as f64;
        assert!((spread.mean - mean).abs() < 1e-12);
        if let [a, b] = each[..] {
            assert!((spread.deviation - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12);
        }
        assert!(figures["baseline arc"].mean > 0.5);
    }
    // Every window once, whichever fold judged it.
    let windows = |report: &FoldsReport| -> u64 {
        let each = report.pooled.values().map(|robot| {
            let (name, scores) = robot.iter().rev().nth(1).unwrap();
            assert_eq!(name, "exit 2 of 2");
            scores.n
        });
        each.sum()
    };
    assert_eq!(
        windows(&report),
        report.folds.iter().map(|fold| fold.n).sum::<u64>()
    );
    assert_eq!(report.skipped.len(), 2, "their licence class may not teach");
    let all = cross_validate(&options, 2, TeachingLicences::AllLicences).unwrap();
    assert_eq!(2 * windows(&all), 3 * windows(&report));
    assert!(all.skipped.is_empty());
    let text = fs::read_to_string(options.out.join("folds-groups-all-licences.md")).unwrap();
    assert!(text.contains("every licence class"), "{text}");
    let text = fs::read_to_string(options.out.join("folds-groups.md")).unwrap();
    assert!(
        text.contains("## mule")
            && text.contains("baseline kinematic")
            && text.contains("| exit 2 of 2 |"),
        "{text}"
    );
}
