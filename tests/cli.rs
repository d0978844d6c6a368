//! What a person types, and what they read.

mod common;

use common::{Change, Connector, Setup, Site, brief, run, spawn};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The text of the only file with this extension in a folder or the folders in it.
fn only_file(folder: &Path, extension: &str) -> String {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|given| given == extension) {
                found.push(path);
            }
        }
    }
    let [path] = &found[..] else { panic!("not one .{extension} file: {found:?}") };
    fs::read_to_string(path).expect("the output is UTF-8")
}

fn site() -> Site {
    let site = Site::new().page("/", "<title>Start</title><a href=/a>a</a>");
    site.page("/a", "<title>A</title><a href=/b>b</a>").page("/b", "<title>B</title>")
}

#[test]
fn help_and_version_are_told_on_standard_output() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let version = run(folder.path(), &["--version"]);
    assert!(version.status.success());
    assert_eq!(stdout(&version).trim(), concat!("webconnector ", env!("CARGO_PKG_VERSION")));
    let cases: [(&[&str], &[&str]); 2] =
        [(&["--help"], &["--config", "fetch"]), (&["fetch", "--help"], &["--depth", "--output", "--format"])];
    for (arguments, named) in cases {
        let help = run(folder.path(), arguments);
        assert!(help.status.success());
        for word in named {
            assert!(stdout(&help).contains(word), "{word} in {}", stdout(&help));
        }
    }
    Ok(())
}

#[test]
fn a_wrong_option_is_named_with_exit_code_2() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let cases: [(&[&str], &str); 5] = [
        (&["--confg", "x"], "--confg"),
        (&["juggle"], "juggle"),
        (&["--config"], "--config"),
        (&["fetch"], "URL"),
        (&["fetch", "http://127.0.0.1/", "--depth", "deep"], "deep"),
    ];
    for (arguments, named) in cases {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn a_configuration_error_names_file_and_line() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    for (text, line) in
        [("[Server]\nPort=seven\n", 2), ("[Server]\n\nPort=70000\n", 3), ("// why\n[Server\nPort=0\n", 2)]
    {
        fs::write(folder.path().join("broken.cfg"), text)?;
        let output = run(folder.path(), &["--config", "broken.cfg"]);
        assert_eq!(output.status.code(), Some(3));
        let errors = stderr(&output);
        assert!(errors.contains(&format!("broken.cfg:{line}: ")), "line {line}: {errors}");
        assert_eq!(stdout(&output), "", "no start line");
    }
    Ok(())
}

#[test]
fn a_configuration_file_that_is_not_there_is_an_error() -> std::io::Result<()> {
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["--config", "absent.cfg"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("absent.cfg"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn the_configuration_in_the_working_directory_is_found() {
    let connector = Setup::new().found().start();
    // Port=0 stands in it: the default port would be the sign of a file not read.
    assert_ne!(connector.aci().port(), 7006);
    assert!(connector.aci().ip().is_loopback() || connector.aci().ip().is_unspecified());
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
}

#[test]
fn a_second_server_on_the_same_files_is_refused() {
    let connector = Connector::bare();
    let configuration = connector.folder().join("webconnector.cfg");
    let output = run(connector.folder(), &["--config", &configuration.to_string_lossy()]);
    assert!(!output.status.success());
    assert!(!stderr(&output).is_empty());
    assert_eq!(connector.ok("action=GetPid").text("autn:pid"), connector.pid().to_string());
}

#[test]
fn one_command_crawls_a_site_into_a_folder() -> std::io::Result<()> {
    let site = site();
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["fetch", &site.url("/"), "--depth", "1", "--output", "found"]);
    assert!(output.status.success(), "{output:?}");
    let text = only_file(&folder.path().join("found"), "jsonl");
    let changes: Vec<_> = text.lines().map(Change::parse).collect();
    assert_eq!(brief(&changes), ["add /", "add /a"]);
    assert_eq!(site.hits("/b"), 0);
    // A summary, on either stream, counts what was found.
    assert!(format!("{}{}", stdout(&output), stderr(&output)).contains('2'), "{output:?}");
    Ok(())
}

#[test]
fn one_command_writes_idx_too() -> std::io::Result<()> {
    let site = site();
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["fetch", &site.url("/"), "--output", "found", "--format", "idx"]);
    assert!(output.status.success(), "{output:?}");
    let text = only_file(&folder.path().join("found"), "idx");
    assert_eq!(text.matches("#DREREFERENCE ").count(), 3);
    assert_eq!(text.matches("#DREENDDOC").count(), 3);
    assert!(text.contains(&format!("#DREREFERENCE {}\n", site.url("/a"))), "{text}");
    Ok(())
}

#[test]
fn ctrl_c_ends_the_command_at_once_and_keeps_what_it_had() -> std::io::Result<()> {
    let site = site().page("/", "<title>Start</title><a href=/a>a</a>").held("/a");
    let folder = TempDir::new()?;
    let running = spawn(folder.path(), &["fetch", &site.url("/"), "--output", "found"]);
    site.wait_for_hit("/a");
    let asked = Instant::now();
    running.signal("INT");
    let output = running.wait();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(output.status.success(), "it was asked to end and did: {output:?}");
    let changes: Vec<_> = only_file(&folder.path().join("found"), "jsonl").lines().map(Change::parse).collect();
    assert_eq!(brief(&changes), ["add /"]);
    Ok(())
}

#[test]
fn a_start_page_that_cannot_be_had_is_a_failure() -> std::io::Result<()> {
    let site = Site::new().status("/", 404);
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["fetch", &site.url("/"), "--output", "found"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Ok(())
}
