//! `webconnector`: argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    webconnector::cli::run(std::env::args_os().skip(1)).into()
}
