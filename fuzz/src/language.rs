//! Language models from a GGUF file to their logits, without prompts and answers.

#[path = "../../src/language/architecture.rs"]
pub mod architecture;
#[path = "../../src/language/blocks.rs"]
pub mod blocks;
#[path = "../../src/language/decoder.rs"]
pub mod decoder;
#[path = "../../src/language/gguf/mod.rs"]
pub mod gguf;
#[path = "../../src/language/summary.rs"]
pub mod summary;
#[path = "../../src/language/tokenizer.rs"]
pub mod tokenizer;
#[path = "../../src/language/weights.rs"]
pub mod weights;
