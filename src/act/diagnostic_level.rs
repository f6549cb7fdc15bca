//! Levels of `/diagnostics`.

/// The levels, numbered as in `diagnostic_msgs/msg/DiagnosticStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// As it should be.
    Ok = 0,
    /// Someone should look.
    Warn = 1,
    /// Decisions are not what they should be.
    Error = 2,
}
