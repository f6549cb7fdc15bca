//! GGUF files of small models, for fuzzing to start from.

const WIDTH: u64 = 32;
const TOKENS: [&str; 6] = ["\u{120}", "a", "b", "ab", "  ", "<|end|>"];

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn strings(all: &[&str]) -> Vec<u8> {
    let head = [&8u32.to_le_bytes()[..], &(all.len() as u64).to_le_bytes()].concat();
    let texts = all.iter().flat_map(|text| string(text));
    head.into_iter().chain(texts).collect()
}

/// One layer, its matrices in Q8_0; `fused`: one matrix for queries, keys and values.
pub fn gguf(architecture: &str, tokenizer: &str, fused: bool) -> Vec<u8> {
    let number = |n: u32| n.to_le_bytes().to_vec();
    let mut keys: Vec<(String, u32, Vec<u8>)> = vec![
        ("general.architecture".into(), 8, string(architecture)),
        ("tokenizer.ggml.model".into(), 8, string(tokenizer)),
        ("tokenizer.ggml.tokens".into(), 9, strings(&TOKENS)),
        ("tokenizer.ggml.merges".into(), 9, strings(&["a b"])),
        ("tokenizer.ggml.eos_token_id".into(), 4, number(5)),
    ];
    let list = |kind: u32, values: [[u8; 4]; 6]| {
        let head = [&kind.to_le_bytes()[..], &6u64.to_le_bytes()].concat();
        [head, values.concat()].concat()
    };
    let kinds = [1u32, 1, 1, 1, 4, 3].map(u32::to_le_bytes);
    keys.push(("tokenizer.ggml.token_type".into(), 9, list(5, kinds)));
    let scores = [0f32, -1.0, -2.0, -0.5, 0.0, 0.0].map(f32::to_le_bytes);
    keys.push(("tokenizer.ggml.scores".into(), 9, list(6, scores)));
    for (key, value) in [
        ("block_count", 1),
        ("embedding_length", WIDTH as u32),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("feed_forward_length", 32),
        ("context_length", 64),
        ("attention.sliding_window", 4),
        ("rope.dimension_count", 16),
    ] {
        keys.push((format!("{architecture}.{key}"), 4, number(value)));
    }
    let projections: &[(&str, u64)] = match fused {
        true => &[("attn_qkv", 64)],
        false => &[("attn_q", 32), ("attn_k", 16), ("attn_v", 16)],
    };
    let rest = [
        ("attn_output", 32),
        ("ffn_gate", 32),
        ("ffn_up", 32),
        ("ffn_down", 32),
    ];
    let mut tensors = vec![("token_embd.weight".to_owned(), TOKENS.len() as u64)];
    for (part, outputs) in projections.iter().chain(&rest) {
        tensors.push((format!("blk.0.{part}.weight"), *outputs));
    }
    for norm in ["blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"] {
        tensors.push((format!("{norm}.weight"), 1));
    }
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((keys.len() as u64).to_le_bytes());
    for (key, kind, value) in keys {
        out.extend(string(&key));
        out.extend(kind.to_le_bytes());
        out.extend(value);
    }
    let mut data = Vec::new();
    for (index, (name, outputs)) in tensors.into_iter().enumerate() {
        out.extend(string(&name));
        let dimensions = [WIDTH, outputs];
        let dimensions = &dimensions[..if outputs == 1 { 1 } else { 2 }];
        out.extend((dimensions.len() as u32).to_le_bytes());
        dimensions.iter().for_each(|d| out.extend(d.to_le_bytes()));
        out.extend(if outputs == 1 { 0u32 } else { 8 }.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        match outputs {
            1 => data.extend([1f32.to_le_bytes(); WIDTH as usize].concat()),
            // A scale of about 1/128 as f16, and a block's 32 integers.
            _ => (0..outputs as usize).for_each(|row| {
                data.extend(0x2000u16.to_le_bytes());
                data.extend((0..32).map(|n| (n * 37 + row * 11 + index * 5) as u8));
            }),
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}
