//! Errors of a schema or grammar.

use crate::language::answer::bound::Unbounded;

/// Bytes of a schema or grammar.
pub const MAX_SOURCE: usize = 1 << 16;

/// A schema or grammar that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructuredError {
    #[error("it has {0} bytes; {MAX_SOURCE} are the most")]
    Long(usize),
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error(transparent)]
    Unbounded(#[from] Unbounded),
    #[error("nothing can be answered with: {0}")]
    Grammar(String),
    #[error("this model's tokenizer has no token that ends a text")]
    NoEnd,
    #[error("the safe answer {0:?} is none of its answers")]
    Safe(String),
}
