//! What a language model's steps take on this machine at most, and how a deadline is split by it.

mod file;
mod parts;
mod split;
mod table;

pub use file::CostFile;
pub use parts::{fault_time, mandatory_part, thought_part};
pub use split::{Needs, Split, TooShort, mandatory, next_chunk, split};
pub use table::Costs;
