//! `webconnector`: argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_memory_back();
    webconnector::cli::run(std::env::args_os().skip(1)).into()
}

/// glibc's allocator learns from the first large buffer that is freed to keep such buffers, up to 64 MB in each of many
/// arenas: one wave of large requests or pages left 250 MB behind for good. A threshold that is set is not
/// learned; buffers of a megabyte then go back to the system when they are freed, and smaller ones are kept as before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const TUNABLES: &str = "GLIBC_TUNABLES";

    /// The allocator reads its settings before `main`, so that the program begins once more, as the same process. Who has
    /// set some for himself is not interfered with, and if it fails, all that is lost is memory.
    pub(super) fn give_memory_back() {
        if env::var_os(TUNABLES).is_some() {
            return;
        }
        let mut arguments = env::args_os();
        let mut again = Command::new("/proc/self/exe");
        arguments.next().map(|name| again.arg0(name));
        let _ = again.args(arguments).env(TUNABLES, "glibc.malloc.mmap_threshold=1048576").exec();
    }
}
