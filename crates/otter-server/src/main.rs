//! The `otter-server` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    otter_server::cli::main()
}
