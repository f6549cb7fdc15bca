use std::fs;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tempfile::tempdir;

use super::*;
use crate::features::{ExtractorSpec, Window};
use crate::learn::data::augmentation::Augmentation;
use crate::learn::data::labels::TruthBuilder;
use crate::learn::data::recordings::{Recording, find, split};
use crate::learn::training::batches::Batches;
use crate::learn::{Dataset, Dropped, Task};

fn recording(file: &str, group: &str, robot: &str, licence: &str) -> Recording {
    Recording {
        path: file.into(),
        file: file.into(),
        group: group.into(),
        robot: robot.into(),
        simulated: robot.ends_with("(sim)"),
        licence: licence.into(),
        yaw: 0.0,
    }
}

#[test]
fn the_shipped_task_is_sound_and_a_broken_one_is_refused_with_all_its_faults() {
    let mut broken = task();
    assert_eq!(broken.faults(), Vec::<String>::new());
    broken.safe_label = "halt".into();
    broken.topics.remove("odom");
    broken.student.heads = 5;
    let folder = tempdir().unwrap();
    let file = folder.path().join("task.yaml");
    fs::write(&file, serde_yaml::to_string(&broken).unwrap()).unwrap();
    let word = Task::load(&file).unwrap_err().to_string();
    for part in ["task.yaml", "halt", "\"odom\"", "student", "heads 5"] {
        assert!(word.contains(part), "{part} is not in: {word}");
    }
    fs::write(&file, "name: clearance\nsurprise: 1\n").unwrap();
    let word = Task::load(&file).unwrap_err().to_string();
    assert!(word.contains("task.yaml"), "{word}");
}

#[test]
fn recordings_without_a_list_are_the_users_own_and_teach() {
    let folder = tempdir().unwrap();
    for number in 0..8 {
        drive(&folder.path().join(format!("run_{number}.mcap")), 1.0, 0.0);
    }
    let spec = task().recordings;
    let found = find(&[folder.path().to_path_buf()], &spec, 0.0).unwrap();
    let split = split(found, &spec, 1);
    assert!(!split.training.is_empty(), "own bags teach");
    assert!(!split.validation.is_empty(), "and some of them validate");
    assert_eq!(split.training.len() + split.validation.len(), 8);
}

#[test]
fn groups_are_never_split_and_only_permitted_licences_teach() {
    let spec = task().recordings;
    let mut all = vec![
        recording("n1", "g1", "neato", "none-stated"),
        recording("n2", "g2", "neato", "apache"),
        recording("n3", "g3", "neato", "apache"),
        recording("n4", "g3", "neato", "none-stated"), // a group of both kinds
        recording("u", "g4", "neato", ""),             // nothing known
    ];
    for number in 0..8 {
        all.push(recording(
            &format!("t{number}"),
            &format!("t{number}"),
            "burger",
            "cc0",
        ));
        let sim = format!("burger{}", crate::learn::data::recordings::SIMULATED);
        all.push(recording(
            &format!("s{number}"),
            &format!("t{number}"),
            &sim,
            "cc0",
        ));
    }
    let parts = split(all.clone(), &spec, 1);
    let teaches = |file: &str| parts.training.iter().any(|r| r.file == file);
    assert!(teaches("n2"));
    for file in ["n1", "n3", "n4", "u"] {
        assert!(!teaches(file), "{file}");
    }
    for taught in &parts.training {
        assert!(
            parts
                .validation
                .iter()
                .all(|judged| judged.group != taught.group)
        );
    }
    let held = parts
        .validation
        .iter()
        .filter(|r| r.robot == "burger")
        .count();
    assert_eq!(held, 2, "a quarter of eight groups");
    assert_eq!(parts, split(all.clone(), &spec, 1));
    assert!((2..9).any(|seed| split(all.clone(), &spec, seed) != parts));
}

#[test]
fn a_folder_is_read_by_its_list_or_else_file_by_file() {
    let folder = tempdir().unwrap();
    drive(&folder.path().join("a.mcap"), 2.0, 0.0);
    drive(&folder.path().join("b.mcap"), 2.0, 0.0);
    let spec = task().recordings;
    let data = [folder.path().to_path_buf()];
    let found = find(&data, &spec, 1.5).unwrap();
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].group, found[1].group);
    assert_eq!((found[0].yaw, found[0].licence.as_str()), (1.5, "own"));

    let list = folder.path().join("manifest.csv");
    let head = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n";
    fs::write(
        &list,
        format!("{head}a.mcap,sim,r,g1,3.1,cc0,\nb.mcap,real,r,g1,0,cc0,a.mcap\n"),
    )
    .unwrap();
    let found = find(&data, &spec, 1.5).unwrap();
    assert_eq!(found.len(), 1, "a duplicate does not count");
    assert_eq!((found[0].robot.as_str(), found[0].yaw), ("r (sim)", 3.1));

    fs::write(&list, format!("{head}a.mcap,sim,r,g1,east,cc0,\n")).unwrap();
    let word = find(&data, &spec, 0.0).unwrap_err().to_string();
    assert!(
        word.contains("manifest.csv") && word.contains("east"),
        "{word}"
    );
    fs::write(&list, "file,kind\na.mcap,sim\n").unwrap();
    let word = find(&data, &spec, 0.0).unwrap_err().to_string();
    assert!(word.contains("group"), "{word}");
}

#[test]
fn a_dataset_has_a_row_per_labelled_scan_and_counts_the_others() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("run.mcap");
    let mut messages = Vec::new();
    for step in 0..20 {
        let time = seconds(10.0 + f64::from(step) * 0.2);
        let mut message = scan(time, 0.6);
        if let (7, Message::LaserScan(scan)) = (step, &mut message) {
            scan.ranges.truncate(9); // seen in the field: a short scan with the fields of a long one
        }
        messages.push(("/scan", time, message));
    }
    messages.push(("/cmd_vel", seconds(10.5), cmd(f64::NEG_INFINITY)));
    messages.sort_by_key(|message| message.1);
    record(&file, &messages);
    fs::write(folder.path().join("broken.mcap"), b"not a recording").unwrap();
    let no_scan = folder.path().join("silent.mcap");
    record(&no_scan, &[("/cmd_vel", seconds(1.0), cmd(0.1))]);

    let named = |path: &Path| recording(path.to_str().unwrap(), "g", "r", "");
    let all = [file, folder.path().join("broken.mcap"), no_scan].map(|path| named(&path));
    let data = Dataset::load(&task(), &all, 0, 0);
    assert_eq!(data.skipped.len(), 2, "{:?}", data.skipped);
    assert!(data.skipped[1].contains("/scan"), "{:?}", data.skipped);
    assert_eq!(data.parts.len(), 1);
    let part = &data.parts[0];
    // 20 scans, the last five less than a second before the end, one refused.
    assert_eq!(part.rows.len(), 14);
    let dropped = Dropped {
        unlabelled: 5,
        invalid: 1,
        ..Dropped::default()
    };
    assert_eq!(part.dropped, dropped);
    assert_eq!(part.refused_optional, 1);
    assert_eq!(part.windows.len(), part.rows.len() * data.width);
    assert!(part.rows.iter().all(|row| row.label == Some(1)));
    assert!(
        part.windows
            .iter()
            .all(|value| (-1.0..=1.0).contains(value))
    );
}

#[test]
fn a_varied_copy_scales_ranges_and_speeds_alike_and_leaves_codes_alone() {
    let task = task();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let twice = Augmentation {
        scale: 2.0,
        ..Augmentation::none(&task.window)
    };
    let mut message = scan(seconds(0.0), 0.5);
    if let Message::LaserScan(scan) = &mut message {
        scan.ranges[0] = f32::INFINITY;
        scan.ranges[1] = 0.0;
        scan.ranges[2] = f32::NAN;
    }
    twice.apply(&mut message, &mut random);
    let mut speed = odom(seconds(0.0), 0.3);
    if let Message::Odometry(odometry) = &mut speed {
        (odometry.pose.pose.position.x, odometry.pose.pose.position.y) = (3.0, -1.0);
    }
    twice.apply(&mut speed, &mut random);
    if let Message::Odometry(odometry) = &speed {
        let place = &odometry.pose.pose.position;
        assert_eq!((place.x, place.y), (6.0, -2.0));
    }
    let Message::LaserScan(seen) = &message else {
        unreachable!()
    };
    assert_eq!((seen.ranges[0], seen.ranges[1]), (f32::INFINITY, 0.0));
    assert!(seen.ranges[2].is_nan());
    assert_eq!((seen.ranges[3], seen.range_max), (1.0, 10.0));
    let mut truth = TruthBuilder::new(&task, 0.0);
    truth.push("odom", seconds(0.0), Some(&speed));
    truth.push("scan", seconds(0.0), Some(&message));
    let scans = truth.finish().scans;
    assert_eq!((scans[0].now, scans[0].kinematic), (0, 1), "1.0 m, 0.6 m/s");

    let mut noisy = scan(seconds(0.0), 0.5);
    Augmentation {
        noise: 0.05,
        ..Augmentation::none(&task.window)
    }
    .apply(&mut noisy, &mut random);
    assert_ne!(noisy, scan(seconds(0.0), 0.5));
    let mut thin = scan(seconds(0.0), 0.5);
    let half = Augmentation {
        thinned: 0.5,
        ..Augmentation::none(&task.window)
    };
    half.apply(&mut thin, &mut random);
    let Message::LaserScan(seen) = &thin else {
        unreachable!()
    };
    let gone = seen.ranges.iter().filter(|range| **range == 0.0).count();
    assert!((10..62).contains(&gone), "{gone} of 72");
    let spec = &task.training.variations;
    for _ in 0..50 {
        let drawn = Augmentation::draw(spec, &task.window, &mut random);
        assert!(drawn.scale <= spec.scale && drawn.scale >= 1.0 / spec.scale);
        assert!(!drawn.withheld[0], "the scan is required");
    }
}

#[test]
fn batches_weigh_classes_alike_and_leave_the_cone_alone() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("run.mcap");
    drive(&file, 30.0, 0.0);
    let mut task = task();
    task.training.variations.mask = 1.0;
    task.training.variations.thin = 0.0;
    task.training.variations.copies = 2;
    task.training.variations.share = 1.0;
    task.training.class_weights.clear();
    let (count, far_m) = (24, 4.0);
    task.window.inputs[0].extractor = ExtractorSpec::Sectors { count, far_m };
    let window = Window::new(&task.window, &task.settings(0.0)).unwrap();
    let one = [recording(file.to_str().unwrap(), "g", "r", "")];
    let data = Dataset::load(&task, &one, 2, 5);
    assert_eq!(data.parts.len(), 3);
    assert_ne!(data.parts[0].windows, data.parts[1].windows);
    let batches = Batches::new(&data, &task, &window, 2);
    assert_eq!(batches.per_epoch(), 2 * data.parts[0].rows.len());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let order = batches.epoch(&mut random);
    assert_eq!(order.len(), batches.per_epoch());
    let batch = batches.batch(&order, &mut random);
    assert!((batch.weights.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let mut per_class = std::collections::BTreeMap::new();
    for (label, weight) in batch.labels.iter().zip(&batch.weights) {
        per_class
            .entry(*label)
            .or_insert_with(std::collections::BTreeSet::new)
            .insert(weight.to_bits());
    }
    assert_eq!(per_class.len(), 3, "every class occurs");
    assert!(per_class.values().all(|weights| weights.len() == 1));
    let rare = batch.labels.iter().filter(|label| **label == 2).count();
    let common = batch.labels.iter().filter(|label| **label == 0).count();
    assert_ne!(rare, common);

    let features = window.features();
    let mut masked = 0;
    for ((part, row), out) in order.iter().zip(batch.windows.chunks_exact(data.width)) {
        let plain = &data.parts[*part].windows[row * data.width..(row + 1) * data.width];
        for (was, is) in plain.chunks(features).zip(out.chunks(features)) {
            for sector in [0, 1, 23] {
                // A mirror image exchanges sectors 1 and 23.
                let allowed = [was[sector], was[(24 - sector) % 24]];
                assert!(allowed.contains(&is[sector]));
                assert_eq!(is[24 + sector], was[24], "seen, but in rows without a scan");
            }
            let seen = |row: &[f32]| row[24..48].iter().sum::<f32>();
            masked += usize::from(seen(is) < seen(was));
        }
    }
    assert!(masked > order.len(), "in all rows of a window");
}
