//! The result type of all commands.

use std::process::ExitCode;

pub(super) type CommandResult = Result<ExitCode, Box<dyn std::error::Error>>;
