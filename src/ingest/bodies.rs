//! Bodies that are not text, as files beside the records that name them.
//!
//! Owns the directory `TASK.files`. A file's name comes from the reference alone, so that nothing a server says can
//! choose a path, and the same document is the same file in every run.

use super::append::sync_directory;
use super::{File, SinkError};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The types whose readers go by the extension. Any other is `bin`.
const EXTENSIONS: [(&str, &str); 21] = [
    ("application/pdf", "pdf"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.presentation", "odp"),
    ("application/rtf", "rtf"),
    ("application/epub+zip", "epub"),
    ("application/zip", "zip"),
    ("text/html", "html"),
    ("application/xhtml+xml", "xhtml"),
    ("text/plain", "txt"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
    ("image/svg+xml", "svg"),
    ("image/webp", "webp"),
];
const OTHER: &str = "bin";

/// The directory, which may not be there: nothing is created before the first file, and whoever takes the files away
/// may take it along.
#[derive(Debug)]
pub(super) struct Bodies {
    directory: PathBuf,
    /// Names were added or removed since the last sync.
    changed: bool,
}

impl Bodies {
    pub(super) fn new(directory: PathBuf) -> Bodies {
        Bodies { directory, changed: false }
    }

    /// Puts the file of `reference` in the place of any earlier one, durably but for its name, and returns its path.
    /// A reader sees the old file or the new one whole.
    pub(super) fn put(&mut self, reference: &str, file: &File) -> Result<PathBuf, SinkError> {
        self.create_directory()?;
        let stem = stem(reference);
        let extension = extension(&file.content_type);
        let path = self.directory.join(format!("{stem}.{extension}"));
        let unfinished = self.directory.join(format!(".{stem}"));
        let written = write_synced(&unfinished, &file.bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(source) = written {
            // It may not be there at all; and if it cannot go, the next put of this reference takes its place.
            let _ = fs::remove_file(&unfinished);
            return Err(SinkError::File { operation: "write", path, source });
        }
        self.changed = true;
        self.remove_but(&stem, Some(extension))?;
        Ok(path)
    }

    /// Removes the file of `reference`, if there is one.
    pub(super) fn remove(&mut self, reference: &str) -> Result<(), SinkError> {
        self.remove_but(&stem(reference), None)
    }

    /// Makes the names of all files durable.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        if self.changed {
            sync_directory(&self.directory)?;
            self.changed = false;
        }
        Ok(())
    }

    fn create_directory(&self) -> Result<(), SinkError> {
        if self.directory.is_dir() {
            return Ok(());
        }
        create_directory(&self.directory)?;
        self.directory.parent().map_or(Ok(()), sync_directory)
    }

    /// The type under which an earlier run saved the document is not known, so every name it can have is tried.
    fn remove_but(&mut self, stem: &str, kept: Option<&str>) -> Result<(), SinkError> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let extensions = EXTENSIONS.iter().map(|(_, extension)| *extension).chain([OTHER]);
        for extension in extensions.filter(|extension| Some(*extension) != kept) {
            let path = self.directory.join(format!("{stem}.{extension}"));
            match fs::remove_file(&path) {
                Ok(()) => self.changed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SinkError::File { operation: "remove", path, source }),
            }
        }
        Ok(())
    }
}

/// Makes `directory` and those above it, for the connector and for the group of whoever reads the documents.
pub(super) fn create_directory(directory: &Path) -> Result<(), SinkError> {
    let created = DirBuilder::new().recursive(true).mode(0o750).create(directory);
    created.map_err(|source| SinkError::File { operation: "create", path: directory.to_owned(), source })
}

/// 128 bits in hexadecimal: two references do not meet, not by accident and hardly on purpose.
fn stem(reference: &str) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(reference.as_bytes());
    let hash = hasher.finish128();
    format!("{:016x}{:016x}", hash.h1, hash.h2)
}

fn extension(content_type: &str) -> &'static str {
    let plain = content_type.split(';').next().unwrap_or_default().trim();
    let known = EXTENSIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(plain));
    known.map_or(OTHER, |(_, extension)| extension)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content_type: &str, bytes: &[u8]) -> File {
        File { content_type: content_type.to_owned(), bytes: bytes.to_vec() }
    }

    fn names(directory: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    #[test]
    fn a_document_has_one_file_whatever_its_type_was_before() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let directory = parent.path().join("docs.files");
        let mut bodies = Bodies::new(directory.clone());
        bodies.remove("http://h/a")?;
        assert!(!directory.exists());

        let first = bodies.put("http://h/a", &file("application/PDF; charset=x", b"1"))?;
        let second = bodies.put("http://h/a", &file("application/x-../../etc", b"22"))?;
        let other = bodies.put("http://h/../b", &file("", b"3"))?;
        bodies.flush()?;
        assert!(first.extension().is_some_and(|extension| extension == "pdf"));
        assert_eq!((first.exists(), fs::read(&second)?, fs::read(&other)?), (false, b"22".to_vec(), b"3".to_vec()));
        assert_eq!(second.parent(), Some(directory.as_path()));

        let mut later = Bodies::new(directory.clone());
        later.remove("http://h/a")?;
        later.flush()?;
        assert_eq!(names(&directory)?, [other.file_name().unwrap_or_default().to_string_lossy()]);
        Ok(())
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let directory = parent.path().join("docs.files");
        fs::write(&directory, "in the way")?;
        let failed = Bodies::new(directory).put("http://h/a", &file("", b"1"));
        assert!(matches!(failed, Err(SinkError::File { operation: "create", .. })), "{failed:?}");
        Ok(())
    }
}
