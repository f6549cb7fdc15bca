//! Many windows at a time, to the last exit: what several robots on one computer would ask for. The
//! node itself answers one window at a time.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{DType, FloatDType, Tensor, TensorData};
use edge_reasoner::model::{Bundle, Encoder, EngineKind};

type Answer = Box<dyn FnMut() -> Result<Vec<f32>, Box<dyn Error>>>;

/// Answers `run N` with the microseconds of each batch, and `outputs` with the last exit's logits
/// or, of engines of our own, probabilities.
pub fn serve(engine: &str, folder: &Path, rows: usize) -> Result<(), Box<dyn Error>> {
    let bundle = Bundle::load(folder)?;
    let window = super::read(&folder.join("window.bin"))?;
    let begun = Instant::now();
    let mut answer = match engine.parse()? {
        EngineKind::Burn(_) => on_device(engine, &bundle, &window, rows)?,
        kind => one_by_one(&bundle, kind, window, rows)?,
    };
    let load = begun.elapsed();
    let begun = Instant::now();
    let mut outputs = answer()?;
    super::ready(load, begun.elapsed());
    super::converse(|order| match order {
        Some((_, runs)) => super::timed(runs, || {
            let start = Instant::now();
            outputs = answer()?;
            Ok(start.elapsed())
        }),
        None => Ok(outputs.iter().map(f32::to_string).collect()),
    })
}

/// The burn modules on a batch, from the processor's memory and back to it.
fn on_device(
    engine: &str,
    bundle: &Bundle,
    window: &[f32],
    rows: usize,
) -> Result<Answer, Box<dyn Error>> {
    let EngineKind::Burn(backend) = engine.parse()? else {
        return Err("not an engine of burn".into());
    };
    let (device, sizes) = (backend.device()?, bundle.manifest.architecture);
    let labels = bundle.manifest.heads().outputs();
    let made = Encoder::new(&sizes, labels, bundle.weights(), &device);
    let mut encoder = made.map_err(|fault| fault.what)?;
    let half = engine.ends_with("_f16");
    if half {
        encoder = encoder.cast(FloatDType::F16);
    }
    let values: Vec<f32> = window.repeat(rows);
    Ok(Box::new(move || {
        let data = TensorData::new(values.clone(), [rows, sizes.frames, sizes.features]);
        let float = if half { DType::F16 } else { DType::F32 };
        let mut tokens = encoder.embed(Tensor::from_data(data, (&device, float)));
        for block in 0..sizes.depth {
            tokens = encoder.block(block, tokens);
        }
        let logits = encoder.exit(sizes.depth - 1, tokens).try_into_data()?;
        Ok(logits.iter::<f32>().collect())
    }))
}

/// What an engine for one window at a time does with several.
fn one_by_one(
    bundle: &Bundle,
    kind: EngineKind,
    window: Vec<f32>,
    rows: usize,
) -> Result<Answer, Box<dyn Error>> {
    let mut engine = bundle.engine(kind)?;
    let mut outputs = vec![0.0; rows * engine.labels()];
    Ok(Box::new(move || {
        for exit in outputs.chunks_mut(engine.labels()) {
            engine.begin(&window)?;
            for _ in 0..engine.exits() {
                engine.advance(exit)?;
            }
        }
        Ok(outputs.clone())
    }))
}
