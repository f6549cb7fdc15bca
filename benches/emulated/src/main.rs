//! `emulated BUNDLE HEADS PRECISION RUNS`: a folder that `engine export` wrote, through every exit
//! so many times. Says which path the kernels took.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use kernels::kernels::{Forward, Packed, Precision, Residual, Sizes, path};
use safetensors::SafeTensors;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, heads, precision, runs] = arguments.as_slice() else {
        return Err("usage: emulated BUNDLE HEADS PRECISION RUNS".into());
    };
    let bundle = Path::new(bundle);
    let precision = [Precision::Int8, Precision::Bf16, Precision::F32]
        .into_iter()
        .find(|known| known.engine() == precision)
        .ok_or("a precision is packed_int8, packed_bf16 or packed_f32")?;
    let file = std::fs::read(bundle.join("weights.safetensors"))?;
    let file = SafeTensors::deserialize(&file)?;
    let sizes = sizes(&file, heads.parse()?)?;
    let tensors: BTreeMap<String, Vec<f32>> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, floats(view.data())))
        .collect();
    let tensor = |name: &str| tensors.get(name).map(Vec::as_slice);
    let packed = Packed::new(&sizes, tensor, Residual::Trained, precision)?;
    let mut forward = Forward::new(Arc::new(packed));
    let window = floats(&std::fs::read(bundle.join("window.bin"))?);
    let mut logits = vec![0.0; sizes.labels];
    for _ in 0..runs.parse()? {
        forward.begin(black_box(&window));
        for _ in 0..forward.exits() {
            forward.advance(black_box(&mut logits));
        }
    }
    println!("{}", path(precision)?);
    Ok(())
}

fn sizes(file: &SafeTensors<'_>, heads: usize) -> Result<Sizes, Box<dyn Error>> {
    let shape = |name: &str| -> Result<[usize; 2], Box<dyn Error>> {
        let view = file.tensor(name)?;
        view.shape()
            .try_into()
            .map_err(|_| format!("{name} is no matrix").into())
    };
    let [frames, width] = shape("position")?;
    let blocks = (0..).take_while(|index| shape(&format!("blocks.{index}.qkv.weight")).is_ok());
    Ok(Sizes {
        frames,
        features: shape("embed.weight")?[0],
        width,
        heads,
        head_width: shape("blocks.0.qkv.weight")?[1] / 3 / heads,
        depth: blocks.count(),
        ffn: shape("blocks.0.expand.weight")?[1],
        labels: shape("exits.0.head.weight")?[1],
    })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| f32::from_le_bytes(*word)).collect()
}
