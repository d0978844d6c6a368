//! `scripts/quickstart`, as a new user would run it, with what the tests have built in place of a release.

mod common;

use common::Site;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn quickstart(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("scripts/quickstart")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("QUICKSTART_CONNECTOR", env!("CARGO_BIN_EXE_webconnector"))
        .env("QUICKSTART_DIR", folder)
        .stdin(Stdio::null())
        .output()
        .expect("the script can be run")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_url_is_crawled_and_its_documents_are_there_afterwards() -> std::io::Result<()> {
    let site = Site::new().page("/", "<title>Start</title><a href=/a>a</a>").page("/a", "");
    let folder = TempDir::new()?;
    let first = quickstart(folder.path(), &[&site.url("/")]);
    let told = text(&first);
    assert!(first.status.success(), "{told}");
    assert!(told.contains("<status>Finished</status>") && told.contains("2 documents in "), "{told}");
    let path = told.split(" documents in ").nth(1).and_then(|rest| rest.split(" (").next()).unwrap_or_default();
    assert_eq!(fs::read_to_string(path)?.lines().count(), 2);

    // The folder is known: nothing is new.
    let told = text(&quickstart(folder.path(), &[&site.url("/")]));
    assert!(told.contains("added 0, updated 0, deleted 0, unchanged 2"), "{told}");
    Ok(())
}

#[test]
fn without_a_url_it_crawls_the_sample_site() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let output = quickstart(folder.path(), &[]);
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    let count = told.lines().find_map(|line| line.split_once(" documents in ")?.0.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count >= 45), "{told}");
    Ok(())
}

#[test]
fn a_fetch_that_does_not_finish_is_a_failure() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let output = quickstart(folder.path(), &["gopher://nowhere"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(" aci=127.0.0.1:") && told.contains("quickstart: "), "{told}");
    assert_eq!(quickstart(folder.path(), &["--juggle"]).status.code(), Some(2));
    Ok(())
}
