//! Which exits a training teaches.

/// Which exits are taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaughtExits {
    /// Every one.
    All,
    /// The last alone, as in a model without exits on the way; the others stay as they were.
    Deepest,
}
