//! Runs one ONNX model in one runtime and tells how long each run took.
//!
//! `peers RUNTIME MODEL WINDOW FRAMES FEATURES`: WINDOW is a file of little-endian f32, row-major.
//! Says `ready` and the runtime, then answers lines on standard input: `run N` with N durations in
//! microseconds, `cold N` the same with everything swept out of the caches before each, `outputs`
//! with the values of every exit, shallow to deep.
//!
//! Every runtime is set up as its documentation asks for lowest latency on one thread, takes its
//! input from memory it was given before, and leaves every exit's output in memory of its own.

use std::io::{BufRead, Write};
use std::time::Instant;

mod runtimes;

/// A model, loaded, with its window.
pub trait Peer {
    fn run(&mut self) -> Result<(), Fault>;
    /// Of every exit, shallow to deep, one after the other; after a run.
    fn outputs(&mut self) -> Result<Vec<f32>, Fault>;
}

pub type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [runtime, model, window, frames, features] = arguments.as_slice() else {
        return Err("usage: peers RUNTIME MODEL WINDOW FRAMES FEATURES".into());
    };
    let window: Vec<f32> = std::fs::read(window)?
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    let shape = [1, frames.parse()?, features.parse()?];
    let mut peer = runtimes::open(runtime, model, window, shape)?;
    peer.run()?;
    println!("ready {runtime}");
    let mut sweep = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut out = std::io::stdout().lock();
        match line.split_once(' ') {
            Some((order @ ("run" | "cold"), count)) => {
                let mut times = Vec::with_capacity(count.parse()?);
                for _ in 0..times.capacity() {
                    if order == "cold" {
                        clear(&mut sweep);
                    }
                    let start = Instant::now();
                    peer.run()?;
                    times.push(start.elapsed().as_nanos());
                }
                for time in times {
                    write!(out, "{:.3} ", time as f64 / 1e3)?;
                }
                writeln!(out)?;
            }
            _ if line == "outputs" => {
                for value in peer.outputs()? {
                    write!(out, "{value} ")?;
                }
                writeln!(out)?;
            }
            _ => return Err(format!("unknown: {line}").into()),
        }
        out.flush()?;
    }
    Ok(())
}

/// Sweeps the caches, of which there may be 64 MiB.
fn clear(sweep: &mut Vec<u64>) {
    sweep.resize(16 << 20, 0);
    for value in sweep.iter_mut().step_by(8) {
        *value += 1;
    }
}
