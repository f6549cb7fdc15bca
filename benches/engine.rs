//! Our side of `make bench-engine` and `make bench-gpu`: exports what is compared, and runs our
//! engines on it. The comparisons themselves are `benches/engine/run.py` and `gpu.py`.
//!
//! `engine export FOLDER` writes a folder per size (S1 to S4 with random weights, every shipped
//! bundle): a bundle and `window.bin` (little-endian f32); `engine export-large FOLDER` writes S5
//! and S6. `engine serve ENGINE BUNDLE` answers lines on standard input as `benches/peers` does:
//! `run N`, `cold N`, `last N` (every stage in one go where the engine can, the last exit read),
//! `exits N` (median from the window to each exit, all read), `outputs`; `engine serve ENGINE
//! BUNDLE ROWS` answers `run N` for so many windows at a time, last exit. `engine probe` measures
//! this processor's peaks, `engine ids` says which bundles ship. `engine windows BUNDLE TASK DATA
//! OUT` writes the windows that did not teach the bundle, with flex's and our answers to them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use edge_reasoner::bundle_kind::BundleKind;
use edge_reasoner::features::{ExtractorSpec, SourceSettings, Window, WindowSpec};
use edge_reasoner::learn::{Task, held_out, predict_exits};
use edge_reasoner::model::{Backend, Bundle, EngineKind, Manifest, StageCosts};
use edge_reasoner::scheduler::{Engine, EngineFault};

#[path = "engine/batches.rs"]
mod batches;
#[path = "engine/probe.rs"]
mod probe;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["export", folder, ..] => export(Path::new(folder)),
        ["export-large", folder, ..] => export_sizes(&LARGE, Path::new(folder)),
        ["serve", engine, bundle] => serve(engine, Path::new(bundle)),
        ["serve", engine, bundle, rows] => batches::serve(engine, Path::new(bundle), rows.parse()?),
        ["probe", ..] => {
            println!("{}", serde_json::to_string_pretty(&probe::peaks())?);
            Ok(())
        }
        ["ids", ..] => ids(),
        ["windows", bundle, task, data, out, ..] => windows(bundle, task, data, Path::new(out)),
        // What `cargo test` and `cargo bench` call: nothing is measured without the driver.
        _ => {
            println!("this is run by `make bench-engine`");
            Ok(())
        }
    }
}

/// Name, frames, features, width, depth; 4 heads, FFN 4 times the width, 8 classes.
const SIZES: [(&str, [usize; 4]); 4] = [
    ("S1", [16, 32, 64, 4]),
    ("S2", [16, 64, 128, 6]),
    ("S3", [32, 64, 128, 6]),
    ("S4", [64, 64, 256, 6]),
];

/// Far beyond what a robot's processor runs in time.
const LARGE: [(&str, [usize; 4]); 2] = [("S5", [64, 64, 512, 8]), ("S6", [128, 64, 1024, 12])];

/// Beside the program where it was carried to another machine.
fn models() -> PathBuf {
    std::env::var_os("MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("models"),
        PathBuf::from,
    )
}

fn export_sizes(sizes: &[(&str, [usize; 4])], folder: &Path) -> Done {
    let shipped = Bundle::load(&models().join("clearance"))?;
    for (name, sizes) in sizes {
        let manifest = sized(&shipped.manifest, name, *sizes);
        save(&Bundle::untrained(manifest, 1)?, &folder.join(name))?;
    }
    Ok(())
}

fn export(folder: &Path) -> Done {
    export_sizes(&SIZES, folder)?;
    for entry in shipped()? {
        let name = entry.file_name().unwrap_or_default();
        save(&Bundle::load(&entry)?, &folder.join(name))?;
    }
    Ok(())
}

/// Folders of the shipped bundles that decide on features: not the language models.
fn shipped() -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(models())? {
        let folder = entry?.path();
        if folder.join("model.yaml").is_file()
            && BundleKind::in_folder(&folder) == BundleKind::Classifier
        {
            folders.push(folder);
        }
    }
    Ok(folders)
}

/// The shipped bundles' ids by their folders' names.
fn ids() -> Done {
    let mut ids = BTreeMap::new();
    for entry in shipped()? {
        let name = entry.file_name().unwrap_or_default();
        ids.insert(
            name.to_string_lossy().into_owned(),
            Bundle::load(&entry)?.id().to_owned(),
        );
    }
    println!("{}", serde_json::to_string(&ids)?);
    Ok(())
}

/// A manifest like `of`, for a model of other sizes: its window sees sectors of a scan only.
fn sized(of: &Manifest, name: &str, [frames, features, width, depth]: [usize; 4]) -> Manifest {
    let mut manifest = of.clone();
    manifest.name = name.into();
    manifest.labels = (0..8).map(|label| format!("label_{label}")).collect();
    manifest.safe_label = manifest.labels[0].clone();
    manifest.bins = None;
    manifest.architecture.frames = frames;
    manifest.architecture.features = features;
    manifest.architecture.width = width;
    manifest.architecture.heads = 4;
    manifest.architecture.depth = depth;
    manifest.architecture.ffn = 4 * width;
    manifest.exits = vec![of.exits[0]; depth];
    for exit in &mut manifest.exits {
        exit.temperature = 1.0;
    }
    let mut costs = StageCosts::default();
    costs.insert(Backend::Flex.into(), vec![0.0; depth]);
    manifest.stage_cost_us = costs;
    manifest.topics.clear();
    manifest.window = window(&of.window, frames, features);
    manifest
}

/// A window of one scan with as many sectors as make `features` per frame.
fn window(of: &WindowSpec, frames: usize, features: usize) -> WindowSpec {
    let mut spec = of.clone();
    spec.frames = frames;
    spec.derived.clear();
    spec.inputs.retain(|input| input.source == spec.trigger);
    for sectors in 1..=features {
        if let ExtractorSpec::Sectors { count, .. } = &mut spec.inputs[0].extractor {
            *count = sectors;
        }
        let settings = [SourceSettings::of(&spec.inputs[0])];
        if Window::new(&spec, &settings).is_ok_and(|window| window.features() == features) {
            break;
        }
    }
    spec
}

fn save(bundle: &Bundle, folder: &Path) -> Done {
    bundle.save(folder)?;
    let sizes = bundle.manifest.architecture;
    // Any numbers in the range of a window's features.
    let values = (0..sizes.frames * sizes.features).map(|at| (at as f32 * 0.7).sin());
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    std::fs::write(folder.join("window.bin"), bytes)?;
    Ok(())
}

fn read(file: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let (chunks, _) = bytes.as_chunks::<4>();
    Ok(chunks
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect())
}

fn serve(engine: &str, folder: &Path) -> Done {
    let bundle = Bundle::load(folder)?;
    let window = read(&folder.join("window.bin"))?;
    let begun = Instant::now();
    let mut engine = bundle.engine(engine.parse()?)?;
    let load = begun.elapsed();
    let begun = Instant::now();
    let mut outputs = vec![0.0; engine.exits() * engine.labels()];
    every_exit(engine.as_mut(), &window, &mut outputs)?;
    ready(load, begun.elapsed());
    let mut sweep = Vec::new();
    converse(|order| match order {
        Some(("exits", runs)) => Ok(to_exits(engine.as_mut(), &window, runs)?),
        Some((order, runs)) => timed(runs, || {
            if order == "cold" {
                clear(&mut sweep);
            }
            let start = Instant::now();
            match order {
                "last" => last_exit(engine.as_mut(), &window, &mut outputs)?,
                _ => every_exit(engine.as_mut(), &window, &mut outputs)?,
            }
            Ok(start.elapsed())
        }),
        None => Ok(outputs.iter().map(f32::to_string).collect()),
    })
}

/// Says when an engine is loaded and has answered once.
fn ready(load: Duration, first: Duration) {
    println!(
        "ready {:.3} ms to load {:.3} ms to a first answer",
        load.as_secs_f64() * 1e3,
        first.as_secs_f64() * 1e3
    );
}

/// Answers lines such as `run 20` (an order and a count) or `outputs`, a line each.
fn converse(
    mut answer: impl FnMut(Option<(&str, usize)>) -> Result<Vec<String>, Box<dyn Error>>,
) -> Done {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let order = match line.split_once(' ') {
            Some((order, count)) => Some((order, count.parse()?)),
            None => None,
        };
        println!("{}", answer(order)?.join(" "));
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Microseconds of so many runs, each of which says how long it took.
fn timed(
    runs: usize,
    mut run: impl FnMut() -> Result<Duration, Box<dyn Error>>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        times.push(run()?);
    }
    Ok(times.iter().map(micros).collect())
}

fn micros(time: &Duration) -> String {
    format!("{:.3}", time.as_nanos() as f64 / 1e3)
}

/// Sweeps the caches, of which there may be 64 MiB.
fn clear(sweep: &mut Vec<u64>) {
    sweep.resize(16 << 20, 0);
    for value in sweep.iter_mut().step_by(8) {
        *value += 1;
    }
}

fn every_exit(
    engine: &mut dyn Engine,
    window: &[f32],
    outputs: &mut [f32],
) -> Result<(), EngineFault> {
    engine.begin(window)?;
    let labels = engine.labels();
    for exit in outputs.chunks_mut(labels) {
        engine.advance(exit)?;
    }
    Ok(())
}

/// As `best` runs it where time is plenty.
fn last_exit(
    engine: &mut dyn Engine,
    window: &[f32],
    outputs: &mut [f32],
) -> Result<(), EngineFault> {
    if !engine.reads_are_dear() {
        return every_exit(engine, window, outputs);
    }
    engine.begin(window)?;
    let labels = engine.labels();
    engine.finish(&mut outputs[..labels])
}

/// Median microseconds from the window to each exit, every exit read.
fn to_exits(
    engine: &mut dyn Engine,
    window: &[f32],
    runs: usize,
) -> Result<Vec<String>, EngineFault> {
    let mut times = vec![Vec::with_capacity(runs); engine.exits()];
    let mut exit = vec![0.0; engine.labels()];
    for _ in 0..runs {
        let start = Instant::now();
        engine.begin(window)?;
        for times in &mut times {
            engine.advance(&mut exit)?;
            times.push(start.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        micros(&times[times.len() / 2])
    };
    Ok(times.iter_mut().map(median).collect())
}

fn windows(bundle: &str, task: &str, data: &str, out: &Path) -> Done {
    let bundle = Bundle::load(Path::new(bundle))?;
    let task = Task::load(Path::new(task))?;
    let (data, _) = held_out(&bundle, &task, &[PathBuf::from(data)], 0.0)?;
    let windows: Vec<f32> = data.parts.iter().flat_map(|p| p.windows.clone()).collect();
    std::fs::create_dir_all(out)?;
    let write = |name: &str, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(out.join(name), bytes)
    };
    write("windows.bin", &windows)?;
    for engine in EngineKind::ALL {
        let answers = predict_exits(&bundle, &windows, engine)?;
        write(&format!("{engine}.bin"), &answers.concat())?;
    }
    Ok(())
}
