//! How well a model foresees a text, as llama.cpp computes it: in chunks of 512 tokens with nothing
//! before them, the second half of each counted.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use edge_reasoner::language::decoder::Decoder;

/// Tokens of a chunk.
const CHUNK: usize = 512;

/// The perplexity of a file of token numbers.
pub fn of(decoder: &mut Decoder, file: &Path) -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let tokens: Result<Vec<u32>, _> = text.split_whitespace().map(str::parse).collect();
    let (mut sum, mut count) = (0.0, 0);
    for chunk in tokens?.chunks_exact(CHUNK) {
        decoder.rewind(0);
        let take = |decoder: &mut Decoder, tokens: &[u32]| {
            let done = decoder.take(tokens, || ControlFlow::Continue(()));
            done.map_err(|_| "abandoned")
        };
        take(decoder, &chunk[..CHUNK / 2 + 1])?;
        for pair in chunk[CHUNK / 2..].windows(2) {
            let logits = decoder.logits();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let all: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
            sum += all.ln() - f64::from(logits[pair[1] as usize] - most);
            count += 1;
            take(decoder, &pair[1..])?;
        }
    }
    Ok(format!("{:.6}", (sum / f64::from(count)).exp()))
}
