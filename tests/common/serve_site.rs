//! `serve-site FOLDER [PORT]`: serves a folder on loopback until it is killed, and prints its URL on one line.
//!
//! For `scripts/quickstart`, on a machine that has no web server. It answers as the sites of the tests do. The script
//! builds it with rustc alone: as an example, cargo would build everything that the tests need first.

#![allow(dead_code, unreachable_pub, reason = "the tests use the rest of the site")]

mod site;

use site::Site;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (folder, port) = match &arguments[..] {
        [folder] => (folder, Ok(0)),
        [folder, port] => (folder, port.parse()),
        _ => return fail("serve-site FOLDER [PORT] is expected"),
    };
    let Ok(port) = port else {
        return fail("the port is a number from 0 to 65535");
    };
    let site = match Site::of_folder(Path::new(folder), port) {
        Ok(site) => site,
        Err(error) => return fail(&format!("{folder}: {error}")),
    };
    println!("{}", site.url("/"));
    loop {
        std::thread::park();
    }
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("serve-site: {problem}");
    ExitCode::from(2)
}
