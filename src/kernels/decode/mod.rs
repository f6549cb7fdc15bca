//! The forward of a language model on the exact block values of GGUF tensors: products, norms,
//! gates and attention, for one token or several.

pub mod activations;
pub mod attention;
mod codes;
pub mod matrix;
pub mod paths;
mod product;
mod rows;
#[cfg(test)]
mod tests;
