//! A collected document on disk: its file, and beside it a stub, which is its metadata as IDX (web-connector.md 1.5).
//!
//! The stub is written last: where there is one, the file is whole.

use crate::ingest::{Document, idx_stub};
use crate::time::Moment;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use url::Url;
use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Of a file's own name, in characters: with what goes before and after it, no file system refuses it.
const NAME_CHARS_MAX: usize = 100;

/// Files that have no owner but the connector's group to share them with.
const FILE_MODE: u32 = 0o640;

/// `<epoch seconds><8 random [a-z0-9]>_<lower-cased name>`: no two documents of one name meet.
pub(super) fn unique_name(url: &Url, media_type: &str, now: Moment) -> String {
    format!("{}_{}", unique(now), own_name(url, media_type))
}

/// The part of a name that no other has.
pub(super) fn unique(now: Moment) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let random = Uuid::new_v4().into_bytes();
    let letters = random.iter().rev().take(8).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    let seconds = now.epoch_ms() / 1000;
    format!("{seconds}{}", letters.collect::<String>())
}

/// What the page calls itself: the last part of its path.
fn own_name(url: &Url, media_type: &str) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let name = plain_name(&percent_decoded(last));
    match name.as_str() {
        "" if media_type.ends_with("html") => "index.html".to_owned(),
        "" => "index".to_owned(),
        _ => name,
    }
}

fn percent_decoded(text: &str) -> String {
    // As a form, in which a plus is a space: a path's plus is not.
    let as_form = format!("={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(as_form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A name in lower case, without what a file system or a shell could take for more. The end is kept: it has the extension.
pub(super) fn plain_name(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let lower = name.trim().to_lowercase();
    let from = lower.chars().count().saturating_sub(NAME_CHARS_MAX);
    let plain: String = lower.chars().skip(from).map(|c| if is_plain(c) { c } else { '_' }).collect();
    plain.trim_start_matches('.').to_owned()
}

/// Writes a document into `folder`, durably. Nothing that is there is replaced, and on an error nothing is left.
pub(super) fn write(folder: &Path, name: &str, body: &[u8], document: &Document) -> Result<(), String> {
    let path = folder.join(name);
    let stub_path = folder.join(format!("{name}.idx"));
    let stub = stub(document, &path.to_string_lossy());
    create(&path, body)?;
    if let Err(why) = create(&stub_path, &stub) {
        // It has no stub, so nobody takes it for a document.
        let _ = fs::remove_file(&path);
        return Err(why);
    }
    sync_folder(folder)
}

/// The metadata with what only a collected document has.
fn stub(document: &Document, path: &str) -> Vec<u8> {
    let mut document = document.clone();
    document.fields.push(("COLLECTDESTINATIONFILENAME".to_owned(), path.to_owned()));
    idx_stub(&document)
}

/// Makes a file that is not there yet.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut options = OpenOptions::new();
    // Exclusive creation follows no link.
    options.write(true).create_new(true).mode(FILE_MODE);
    let mut file = options.open(path).map_err(|error| failed(path, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_data()).map_err(|error| {
        // Half a file is worse than none.
        let _ = fs::remove_file(path);
        failed(path, &error)
    })
}

/// For the names of files that were made.
pub(super) fn sync_folder(folder: &Path) -> Result<(), String> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// An archive that takes the documents of one action. Under its own name it is only there when it is whole.
pub(super) struct Archive {
    path: PathBuf,
    /// Where it grows.
    part: PathBuf,
    zip: ZipWriter<File>,
}

impl Archive {
    /// Begins the archive `name` in `folder`. `action` tells the parts of two actions apart; what a crash left of the
    /// same action is begun anew.
    pub(super) fn begin(folder: &Path, name: &str, action: &str) -> Result<Archive, String> {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(format!(
                "{} is there already; another name, or another Destination, is expected",
                path.display()
            ));
        }
        let part = folder.join(format!(".{name}.{action}.part"));
        if let Err(error) = fs::remove_file(&part)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed(&part, &error));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(&part).map_err(|error| failed(&part, &error))?;
        Ok(Archive { path, part, zip: ZipWriter::new(file) })
    }

    pub(super) fn add(&mut self, name: &str, body: &[u8], document: &Document) -> Result<(), String> {
        let stub = stub(document, &self.path.join(name).to_string_lossy());
        add(&mut self.zip, name, body)
            .and_then(|()| add(&mut self.zip, &format!("{name}.idx"), &stub))
            .map_err(|error| failed(&self.part, &error))
    }

    /// Makes it whole and gives it its name, which nobody has taken meanwhile.
    pub(super) fn finish(self) -> Result<(), String> {
        let Archive { path, part, zip } = self;
        let finished = zip.finish().map_err(|error| failed(&part, &error)).and_then(|file| {
            file.sync_all().map_err(|error| failed(&part, &error))?;
            // Unlike a rename, a link replaces nothing.
            fs::hard_link(&part, &path).map_err(|error| failed(&path, &error))
        });
        let removed = fs::remove_file(&part).map_err(|error| failed(&part, &error));
        finished?;
        removed?;
        path.parent().map_or(Ok(()), sync_folder)
    }

    /// Removes what there is of it.
    pub(super) fn discard(self) -> Result<(), String> {
        drop(self.zip);
        fs::remove_file(&self.part).map_err(|error| failed(&self.part, &error))
    }
}

fn add<W: Write + Seek>(zip: &mut ZipWriter<W>, name: &str, bytes: &[u8]) -> zip::result::ZipResult<()> {
    // Most of what is collected is compressed by itself, and what is not is small.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file(name, options)?;
    zip.write_all(bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() -> Result<(), Box<dyn std::error::Error>> {
        let now = Moment::from_epoch_ms(1_667_553_752_999);
        let first = unique(now);
        assert!(first.starts_with("1667553752") && first.len() == 18, "{first}");
        assert!(first.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{first}");
        assert_ne!(first, unique(now));
        let long = format!("http://h/{}.PDF", "x".repeat(300));
        for (url, media_type, name) in [
            ("http://h/a/Report%201.PDF?x=1", "application/pdf", "report_1.pdf".to_owned()),
            ("http://h/", "text/html", "index.html".to_owned()),
            ("http://h/feed/", "application/rss+xml", "index".to_owned()),
            ("http://h/%2e%2e%2fetc%2fpasswd", "text/plain", "_etc_passwd".to_owned()),
            ("http://h/c++.html", "text/html", "c__.html".to_owned()),
            (&long, "application/pdf", format!("{}.pdf", "x".repeat(96))),
        ] {
            assert_eq!(own_name(&Url::parse(url)?, media_type), name, "{url}");
        }
        Ok(())
    }
}
