//! Language models: GGUF files, their tokenizers and chat templates, and a decoder on packed
//! weights.
//!
//! [`gguf`] reads a file and checks all that it says; [`architecture`] is what differs between the
//! families that run, as data; [`weights`] packs the matrices ([`blocks`] knows their formats) for
//! the kernels of `kernels/decode`; [`decoder`] is the forward over a cache of keys and values.
//! [`tokenizer`] and [`template`] make tokens of text, in which control tokens are never more than
//! text.
//!
//! [`bundle`] is what a folder with `kind: language` says; [`session`] asks one question at a time
//! behind a prompt that stays cached, thinks in chunks, and answers after each ([`answer`]);
//! [`costs`] are upper bounds of all of that, and [`decide`] keeps to a deadline by them.
//!
//! Sums of INT8 products are exact, so every path and every cut of a prompt into batches gives
//! the same bits.

pub mod answer;
pub mod architecture;
#[cfg(test)]
mod architectures;
pub mod blocks;
pub mod bundle;
pub mod costs;
pub mod decide;
pub mod decoder;
pub mod fetch;
pub mod gguf;
#[cfg(test)]
mod peers;
pub mod prompt;
pub mod sampler;
pub mod session;
pub mod summary;
pub mod template;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod tokenizer;
pub mod weights;
