//! The `labctl` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    labctl::cli::main()
}
