//! From recordings to a bundle to a smaller bundle.

use tempfile::tempdir;

use super::*;
use crate::learn::{CompressOptions, compress, train};
use crate::model::{Backend, Bundle, WeightPrecision};

#[test]
fn a_compressed_bundle_is_smaller_runs_and_is_judged_on_the_same_strangers() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut list = "file,kind,robot,group,yaw_rad,licence,duplicate_of\n".to_owned();
    let rows = [("cc0", 0), ("cc0", 1), ("apache", 2), ("none-stated", 3)];
    for (number, (licence, group)) in rows.iter().enumerate() {
        drive(&data.join(format!("r{number}.mcap")), 12.0, number as f64);
        list += &format!("r{number}.mcap,real,cart,g{group},0,{licence},\n");
    }
    fs::write(data.join("manifest.csv"), &list).unwrap();
    let task = quick(folder.path());
    train(&training(
        task.clone(),
        data.clone(),
        folder.path().join("model"),
    ))
    .unwrap();
    // One comes later that may not teach; and its group has taught, so it cannot judge.
    drive(&data.join("r4.mcap"), 12.0, 4.0);
    list += "r4.mcap,real,cart,g1,0,none-stated,\n";
    fs::write(data.join("manifest.csv"), list).unwrap();
    let given = Bundle::load(&folder.path().join("model")).unwrap();
    let options = |out: &str, precision: WeightPrecision| CompressOptions {
        model: folder.path().join("model"),
        task: task.clone(),
        data: vec![data.clone()],
        out: folder.path().join(out),
        prune: 0.4,
        precision,
        epochs: None,
        device: Backend::Flex,
        seed: 2,
        yaw: 0.0,
        command: "edge_reasoner compress".into(),
    };
    let summary = compress(&options("small", WeightPrecision::Int8)).unwrap();
    let small = Bundle::load(&summary.folder).unwrap();
    assert_eq!(small.id(), summary.model);
    assert_ne!(small.id(), given.id());
    assert_eq!(small.manifest.weights.precision, WeightPrecision::Int8);
    let names: Vec<&str> = summary
        .report
        .variants
        .iter()
        .map(|v| &v.name[..])
        .collect();
    assert_eq!(names, ["teacher", "given", "pruned", "int8", "int4"]);
    let [teacher, whole, pruned, int8, int4] = &summary.report.variants[..] else {
        panic!()
    };
    assert_eq!(teacher.fastest_stages, None);
    assert!(pruned.block_weights as f64 <= 0.6 * whole.block_weights as f64);
    assert!(int8.bytes_on_disk < pruned.bytes_on_disk);
    assert_eq!(
        (int8.model.as_str(), int8.engine.as_str()),
        (small.id(), "packed_int8")
    );
    assert!(int8.ram_bytes > 0 && int4.ram_bytes == int8.ram_bytes);
    assert_eq!(int8.balanced_accuracy["cart"].len(), 2);
    let on_disk = fs::metadata(summary.folder.join("weights.safetensors"))
        .unwrap()
        .len();
    assert_eq!(on_disk, int8.bytes_on_disk);
    // The licences hold, and nobody is judged by what taught.
    let taught: Vec<&str> = small
        .manifest
        .training
        .recordings
        .iter()
        .map(|r| &r.file[..])
        .collect();
    assert_eq!(taught, ["r0.mcap", "r1.mcap", "r2.mcap"]);
    assert_eq!(summary.report.recordings, ["r3.mcap"]);
    assert_eq!(
        small.manifest.training.command,
        "edge_reasoner train && edge_reasoner compress"
    );
    let words = fs::read_to_string(summary.folder.join("report.md")).unwrap();
    assert!(words.contains("| int4 |"), "{words}");
    for name in ["report.json", "report.svg"] {
        assert!(summary.folder.join(name).is_file(), "{name}");
    }

    let weights = |folder: &Path| fs::read(folder.join("weights.safetensors")).unwrap();
    let again = compress(&options("again", WeightPrecision::Int8)).unwrap();
    assert!(weights(&summary.folder) == weights(&again.folder));
    // What is small already can be made smaller.
    let mut more = options("more", WeightPrecision::Int4);
    more.model = summary.folder.clone();
    (more.prune, more.epochs) = (0.0, Some(0));
    let summary = compress(&more).unwrap();
    let [_, given, same, _, int4] = &summary.report.variants[..] else {
        panic!()
    };
    assert_eq!(same.name, "f32");
    assert!(given.precision == WeightPrecision::Int8 && int4.bytes_on_disk < given.bytes_on_disk);

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    drive(&other.join("x.mcap"), 12.0, 9.0);
    let mut strange = options("never", WeightPrecision::Int8);
    strange.data = vec![other];
    let word = compress(&strange).unwrap_err().to_string();
    assert!(
        word.contains("none of the recordings that taught"),
        "{word}"
    );
    assert!(!folder.path().join("never").exists());
}
