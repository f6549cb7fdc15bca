pub mod architecture;
pub mod blocks;
pub mod decoder;
pub mod gguf;
pub mod template;
pub mod tokenizer;
pub mod weights;
