//! Restores: what there was at the time of the backup, whole, or what there was before, whole.

mod common;

use common::{Connector, FetchTask, Setup, Site, encode, parts};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use webconnector::action::Status;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/")).set("PageTimeout", "600").set("AuthPassword", "s3cret")
}

fn archive(path: &Path, parts: &BTreeMap<String, Vec<u8>>) -> Tested {
    let mut zip = ZipWriter::new(File::create(path)?);
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in parts {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    zip.finish()?;
    Ok(())
}

fn back_up(connector: &Connector) -> PathBuf {
    PathBuf::from(connector.ok("action=BackupServer").text("filename"))
}

fn restore(path: &Path) -> String {
    format!("action=RestoreServer&Filename={}", encode(&path.to_string_lossy()))
}

/// The names in the folder of the configuration that a restore leaves or keeps.
fn traces(connector: &Connector) -> Vec<String> {
    let names = fs::read_dir(connector.folder()).expect("the folder is there").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("restore") || name.starts_with("replaced")).collect()
}

#[test]
fn what_there_was_at_the_time_of_the_backup_is_there_again_and_what_came_after_it_is_not() -> Tested {
    let site = Site::new().page("/", "<a href=/a>a</a><a href=/held>h</a>").page("/a", "<p>a").page("/held", "");
    let mut connector = Setup::new().set("Actions", "MaximumThreads", "1").task(docs(&site)).start();
    let ended = connector.run("docs").text("token").to_owned();
    site.set("/a", "<p>other");
    site.hold("/held");
    let running = connector.synchronize("docs");
    site.wait_for_hits("/held", 2);
    let waiting = connector.synchronize("docs");

    // Nothing waits for the running action.
    let backup = back_up(&connector);
    assert_eq!(connector.status(&running), Status::Processing);
    // What comes after it: an end, a task, a document, a purge.
    site.release("/held");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
    let later = connector.submit("action=PurgeDatastore&Section=docs");
    assert_eq!(connector.wait_until_done(&later), Status::Finished);
    let configuration = connector.folder().join("webconnector.cfg");
    let before = fs::read_to_string(&configuration)?;
    fs::write(&configuration, format!("{before}[later]\nUrl={}\n", site.url("/a")))?;
    assert_eq!(connector.new_changes("docs").len(), 4, "three pages and one change");

    site.hold("/held");
    let answer = connector.ok(&restore(&backup));
    assert!(answer.text("message").contains("stops now"), "{answer:?}");
    assert!(connector.wait_for_exit().success());
    connector.restart();
    assert_eq!(fs::read_to_string(&configuration)?, before);
    assert_eq!(connector.queue(), [waiting.as_str(), running.as_str(), ended.as_str()]);
    assert_eq!(connector.status(&ended), Status::Finished);
    assert_eq!(connector.error(&Connector::queue_info("GetStatus", &later)).errorcode, "ERRORPARAMINVALID");
    // What ran at the time of the backup runs again, and finds what it had done before that.
    site.release("/held");
    assert_eq!(connector.wait_until_done(&running), Status::Finished);
    assert_eq!(connector.wait_until_done(&waiting), Status::Finished);
    assert_eq!((connector.action(&waiting).count("unchanged"), connector.action(&waiting).count("added")), (3, 0));

    // The state before it is kept, whole.
    let replaced = PathBuf::from(answer.text("replaced"));
    let kept = ["config/webconnector.cfg", "datastores/connector_DOCS_datastore.db", "actions/fetch.db"];
    assert!(kept.iter().all(|name| replaced.join(name).is_file()));
    assert!(fs::read_to_string(replaced.join(kept[0]))?.contains("[later]"));
    assert_eq!(traces(&connector).len(), 1, "{:?}", traces(&connector));
    Ok(())
}

#[test]
fn a_restore_that_was_answered_survives_a_kill() {
    let site = Site::new().page("/", "<p>x");
    let mut connector = Connector::with(docs(&site));
    let kept = connector.run("docs").text("token").to_owned();
    let backup = back_up(&connector);
    connector.run("docs");
    connector.ok(&restore(&backup));
    connector.kill();
    connector.restart();
    assert_eq!(connector.queue(), [kept]);
    assert_eq!(traces(&connector).len(), 1, "{:?}", traces(&connector));
}

#[test]
fn included_files_and_datastores_in_folders_find_their_places_again() -> Tested {
    let site = Site::new().page("/", "<p>x");
    let mut connector = Connector::with(docs(&site).set("DatastoreFile", "data/docs.db"));
    let (more, configuration) =
        (connector.folder().join("conf.d/more.cfg"), connector.folder().join("webconnector.cfg"));
    fs::create_dir(connector.folder().join("conf.d"))?;
    fs::create_dir(connector.folder().join("data"))?;
    fs::write(&more, "[more]\nUrl=http://127.0.0.1:1/\n")?;
    fs::write(&configuration, format!("{}< \"conf.d/more.cfg\"\n", fs::read_to_string(&configuration)?))?;
    connector.run("docs");
    let backup = back_up(&connector);
    fs::write(&more, "[more]\nUrl=http://127.0.0.1:2/\n")?;
    fs::remove_file(connector.folder().join("data/docs.db"))?;
    connector.ok(&restore(&backup));
    assert!(connector.wait_for_exit().success());
    connector.restart();
    assert!(fs::read_to_string(&more)?.contains(":1/"));
    assert_eq!(connector.run("docs").count("unchanged"), 1);
    Ok(())
}

#[test]
fn what_is_no_sound_backup_is_refused_and_nothing_is_touched() -> Tested {
    let site = Site::new().page("/", "<p>x");
    let connector = Connector::with(docs(&site));
    let kept = connector.run("docs").text("token").to_owned();
    let backup = back_up(&connector);
    let folder = connector.folder().join("backup");
    let good = parts(&backup)?;
    let newer = folder.join("newer.db");
    fs::write(&newer, &good["datastores/connector_DOCS_datastore.db"])?;
    Connection::open(&newer)?.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA user_version=99")?;
    let newer = fs::read(&newer)?;

    let with = |name: &str, bytes: &[u8]| {
        let mut parts = good.clone();
        parts.insert(name.to_owned(), bytes.to_vec());
        parts
    };
    let mut without_queue = good.clone();
    without_queue.remove("actions/fetch.db");
    let mut without_manifest = good.clone();
    without_manifest.remove("backup.json");
    let cases = [
        (with("config/../../evil", b"x"), "none that a backup holds"),
        (with("/tmp/evil", b"x"), "none that a backup holds"),
        (with("config/actions/fetch.db", b"x"), "none that a backup holds"),
        (with("datastores/webconnector.cfg", b"x"), "name of the configuration"),
        (with("datastores/a.db", b"no database"), "a.db cannot be used"),
        (with("datastores/a.db", b""), "it is empty"),
        (with("datastores/a.db", &newer), "newer version of webconnector"),
        (with("actions/fetch.db", b"no database"), "fetch.db cannot be used"),
        (with("config/webconnector.cfg", b"[Server]\nPort=seventy\n"), "Port is \"seventy\""),
        (with("backup.json", br#"{"product":"other","format":1}"#), "a backup of other"),
        (with("backup.json", br#"{"product":"webconnector","format":99,"version":"9.0"}"#), "use version 9.0"),
        (with("backup.json", b"{}"), "does not say what it is"),
        (without_queue, "holds no queue"),
        (without_manifest, "no backup of webconnector"),
    ];
    let bad = folder.join("bad.zip");
    for (parts, words) in cases {
        archive(&bad, &parts)?;
        let error = connector.error(&restore(&bad));
        assert!(error.errordescription.contains(words), "{words}: {error:?}");
        assert_eq!(traces(&connector), Vec::<String>::new(), "{words}");
    }
    let whole = fs::read(&backup)?;
    fs::write(&bad, &whole[..whole.len() / 2])?;
    assert!(connector.error(&restore(&bad)).errordescription.contains("no sound zip file"));
    std::os::unix::fs::symlink(&backup, folder.join("link.zip"))?;
    for (path, words) in [
        (folder.join("link.zip"), "no regular file"),
        (folder.join("gone.zip"), "No such file"),
        (connector.folder().join("webconnector.cfg"), "AllowedBackupDirectoryCSVs"),
        (folder.join("../backup/bad.zip"), "AllowedBackupDirectoryCSVs"),
    ] {
        let error = connector.error(&restore(&path));
        assert!(error.errordescription.contains(words), "{words}: {error:?}");
    }
    let error = connector.error("action=BackupServer&Path=/tmp");
    assert!(error.errordescription.contains("AllowedBackupDirectoryCSVs lists"), "{error:?}");
    assert_eq!(connector.error("action=RestoreServer").errorcode, "ERRORPARAMMISSING");

    // It goes on as if nothing had been asked.
    assert_eq!(connector.queue(), [kept]);
    connector.run("docs");
    Ok(())
}
