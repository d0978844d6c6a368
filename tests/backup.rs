//! Backups that are made while the connector works.

mod common;

use common::{FetchTask, Setup, Site, parts};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use webconnector::action::Status;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "600").set("AuthPassword", "s3cret")
}

/// Puts a part below `folder`; its path there.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    fs::write(&path, bytes)?;
    Ok(path)
}

#[test]
fn a_running_action_is_waited_for_by_nobody_and_what_was_answered_is_in_the_archive() -> Tested {
    let site = Site::new().page("/", "<a href=/a>a</a><a href=/held>h</a>").page("/a", "<p>a").page("/held", "");
    let connector = Setup::new().set("Actions", "MaximumThreads", "1").task(docs(&site)).start();
    let ended = connector.run("docs").text("token").to_owned();
    site.hold("/held");
    let running = connector.synchronize("docs");
    site.wait_for_hits("/held", 2);
    let waiting = connector.synchronize("docs");

    let backup = PathBuf::from(connector.ok("action=BackupServer").text("filename"));
    assert_eq!(connector.status(&running), Status::Processing);
    let name = backup.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    assert!(name.ends_with(&format!("_127.0.0.1_{}.zip", connector.aci().port())), "{name}");
    assert_eq!(name.find('_'), Some("20261120T164950".len()), "{name}");
    assert_eq!(backup.parent(), Some(connector.folder().join("backup").as_path()));
    // It holds passwords.
    assert_eq!(fs::metadata(&backup)?.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(connector.folder().join("backup"))?.count(), 1, "nothing half done is left");

    let parts = parts(&backup)?;
    let names: Vec<&String> = parts.keys().collect();
    let expected =
        ["actions/fetch.db", "backup.json", "config/webconnector.cfg", "datastores/connector_DOCS_datastore.db"];
    assert_eq!(names, expected);
    assert_eq!(parts["config/webconnector.cfg"], fs::read(connector.folder().join("webconnector.cfg"))?);
    let unpacked = tempfile::TempDir::new()?;
    let queue = Connection::open(put(unpacked.path(), "fetch.db", &parts["actions/fetch.db"])?)?;
    let mut statement = queue.prepare("SELECT token, status FROM actions ORDER BY id")?;
    let actions: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let of = |token: &str, status: &str| (token.to_owned(), status.to_owned());
    assert_eq!(actions, [of(&ended, "Finished"), of(&running, "Processing"), of(&waiting, "Queued")]);
    let datastore = put(unpacked.path(), "docs.db", &parts["datastores/connector_DOCS_datastore.db"])?;
    let pages: i64 = Connection::open(datastore)?.query_row("SELECT count(*) FROM page", [], |row| row.get(0))?;
    assert_eq!(pages, 3);

    site.release("/held");
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
    Ok(())
}

#[test]
fn files_that_the_configuration_includes_are_kept_and_what_lies_outside_is_named() -> Tested {
    let elsewhere = tempfile::TempDir::new()?;
    let outer = elsewhere.path().join("outer.db");
    let site = Site::new().page("/", "<p>x");
    let connector = Setup::new()
        .task(docs(&site).set("DatastoreFile", outer.to_string_lossy()))
        .task(FetchTask::named("sub").set("Url", site.url("/")).set("DatastoreFile", "data/sub.db"))
        .start();
    put(connector.folder(), "conf.d/more.cfg", b"[more]\nUrl=http://127.0.0.1:1/\n")?;
    fs::create_dir(connector.folder().join("data"))?;
    let configuration = connector.folder().join("webconnector.cfg");
    let text = format!("{}< \"conf.d/more.cfg\"\n", fs::read_to_string(&configuration)?);
    fs::write(&configuration, text)?;
    connector.run("docs");
    connector.run("sub");

    let answer = connector.ok("action=BackupServer&Path=backup");
    assert_eq!(answer.text("notcontained"), outer.to_string_lossy());
    let names: Vec<String> = parts(Path::new(answer.text("filename")))?.into_keys().collect();
    for name in ["config/conf.d/more.cfg", "datastores/data/sub.db"] {
        assert!(names.iter().any(|given| given == name), "{names:?}");
    }
    Ok(())
}

#[test]
fn an_archive_is_made_in_a_listed_folder_only() -> Tested {
    let elsewhere = tempfile::TempDir::new()?;
    let folder = elsewhere.path().join("made/here");
    let connector = Setup::new().set("Server", "AllowedBackupDirectoryCSVs", folder.to_string_lossy()).start();
    for path in ["/tmp", "backup", ".", "..", &folder.join("below").to_string_lossy()] {
        let error = connector.error(&format!("action=BackupServer&Path={}", common::encode(path)));
        assert!(error.errordescription.contains(&*folder.to_string_lossy()), "{error:?}");
    }
    // What a killed backup has left goes with the next one.
    let left = folder.join(format!(".20260101T000000_127.0.0.1_{}.zip.part", connector.aci().port()));
    fs::create_dir_all(&left)?;
    let foreign = folder.join(".20260101T000000_127.0.0.1_1.zip.part");
    fs::create_dir(&foreign)?;
    let made = connector.ok("action=BackupServer");
    assert_eq!(Path::new(made.text("filename")).parent(), Some(folder.as_path()));
    assert!(!left.exists() && foreign.exists());

    let none = Setup::new().set("Server", "AllowedBackupDirectoryCSVs", "").start();
    assert!(none.error("action=BackupServer").errordescription.contains("it lists none"));
    Ok(())
}
