//! `edge_reasoner`: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge_reasoner::cli::main()
}
