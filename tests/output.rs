//! `Output=File`: replies that are written to files as well.

mod common;

use common::{Connector, FetchTask, Setup, Site, encode};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn to_file(query: &str, path: &Path) -> String {
    format!("{query}&Output=File&FileName={}", encode(&path.to_string_lossy()))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).map_or_else(|_| Vec::new(), |entries| entries.flatten().collect());
    entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_file_holds_what_the_client_is_answered() -> std::io::Result<()> {
    let site = Site::new().page("/", "<p>x");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    // Not among the documents, which are in output.
    let folder = connector.folder().join("replies");
    let path = folder.join("reply.xml");
    let fetch = "action=Fetch&FetchAction=Synchronize&TaskSections=docs&Sync=true";
    let answer = connector.get(&format!("/{}", to_file(fetch, &path)));
    assert_eq!(answer.envelope().count("added"), 1, "{answer:?}");
    assert_eq!(fs::read_to_string(&path)?, answer.body);
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);

    // Another format, an action that fails and the service port: whatever is answered replaces it.
    for query in ["action=GetPid&ResponseFormat=json", "action=StopFetch&Token=eDoxOkY6MQ=="] {
        let answer = connector.get(&format!("/{}", to_file(query, &path)));
        assert_eq!(fs::read_to_string(&path)?, answer.body, "{query}");
    }
    let answer = connector.service(&to_file("action=GetStatus", &path));
    assert_eq!(fs::read_to_string(&path)?, answer.body);
    assert_eq!(names(&folder), ["reply.xml"]);
    Ok(())
}

#[test]
fn nothing_is_done_if_the_reply_could_not_be_written() -> std::io::Result<()> {
    let elsewhere = tempfile::TempDir::new()?;
    let site = Site::new().page("/", "<p>x");
    let connector = Setup::new()
        .set("Server", "AllowedOutputDirectoryCSVs", elsewhere.path().to_string_lossy())
        .task(FetchTask::named("docs").set("Url", site.url("/")))
        .start();
    let folder = elsewhere.path();
    fs::create_dir(folder.join("below"))?;
    fs::write(folder.join("notes.xml"), "<?xml version='1.0'?><mine/>")?;
    std::os::unix::fs::symlink(folder.join("notes.xml"), folder.join("link.xml"))?;
    let fetch = "action=Fetch&FetchAction=Synchronize&TaskSections=docs";
    for (path, words) in [
        (connector.folder().join("replies/x.xml"), "AllowedOutputDirectoryCSVs lists"),
        (folder.join("below/x.xml"), "AllowedOutputDirectoryCSVs lists"),
        (Path::new("x.xml").to_owned(), "absolute path"),
        (folder.join("notes.xml"), "no reply that could be replaced"),
        (folder.join("link.xml"), "no regular file"),
        (folder.join(".x.xml"), "dot"),
    ] {
        let error = connector.error(&to_file(fetch, &path));
        assert!(error.errordescription.contains(words), "{}: {error:?}", path.display());
    }
    for (more, words) in [
        ("&Output=File", "FileName is required"),
        ("&FileName=/x/y", "without Output=File"),
        ("&Template=pretty", "not transformed"),
        ("&EncryptResponse=true", "not encrypted"),
    ] {
        let error = connector.error(&format!("{fetch}{more}"));
        assert!(error.errordescription.contains(words), "{more}: {error:?}");
    }
    assert_eq!(connector.queue(), Vec::<String>::new());
    assert_eq!(fs::read_to_string(folder.join("notes.xml"))?, "<?xml version='1.0'?><mine/>");
    assert_eq!(names(folder).len(), 3);
    // With the reply's parameters gone, the action is what it would be without.
    let token = connector.submit(&to_file(fetch, &folder.join("token.xml")));
    let told = connector.ok(&Connector::queue_info("GetStatus", &token));
    assert_eq!(told.text("token"), token);
    Ok(())
}
