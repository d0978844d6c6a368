//! The target that writes files named after the task, below one directory.
//!
//! JSON lines, XML and CSV say everything in one file. IDX can say what is new and changed, not what is gone, so that those
//! references go to `TASK.delete`, one a line, for `DREDELETEREF`. The two files are a pair: whoever loads the one and
//! then deletes by the other has the state that the task left, since an action tells of each reference once. In a later
//! action a document may come back, so a pair in which something was deleted is closed when the next action opens the
//! target: it is renamed to `TASK.idx.NUMBER` and `TASK.delete.NUMBER`. Closed pairs are loaded in the order of their
//! numbers, the open one last.
//!
//! Open files may be read at any time, up to the last whole record. An action holds a lock on them (`flock`): whoever
//! moves them away takes it first, or does so between actions.

use super::append::{AppendFile, Record, sync_directory};
use super::bodies::{self, Bodies};
use super::{Change, Document, Format, Sink, SinkError, Verdict, csv, documentxml, idx, jsonl};
use crate::stop::StopFlag;
use siphasher::sip::SipHasher13;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

/// Writes the files of one task. Locked against a second writer.
#[derive(Debug)]
pub(super) struct FileSink {
    /// Absolute: other programs are told of paths below it.
    directory: PathBuf,
    files: Files,
    bodies: Bodies,
    /// Since the last flush.
    taken: usize,
}

#[derive(Debug)]
enum Files {
    /// Additions, updates and deletes in one file.
    Whole {
        changes: AppendFile,
        write: WriteChange,
    },
    Idx {
        documents: AppendFile,
        deletes: AppendFile,
    },
}

/// Appends a change, and names the file that was put beside it.
type WriteChange = fn(&mut Vec<u8>, &Change, Option<&str>);

const JSON_LINE: Record = Record { begins: jsonl::RECORD_BEGINS, ends: "\n" };
const XML_ELEMENT: Record = Record { begins: documentxml::RECORD_BEGINS, ends: documentxml::RECORD_ENDS };
const CSV_RECORD: Record = Record { begins: csv::HEADER, ends: csv::RECORD_ENDS };
const IDX_DOCUMENT: Record = Record { begins: idx::RECORD_BEGINS, ends: idx::RECORD_ENDS };
const REFERENCE_LINE: Record = Record { begins: "", ends: "\n" };

impl FileSink {
    /// Opens the files of `task` and creates what is missing.
    pub(super) fn open(directory: &Path, task: &str, format: Format) -> Result<FileSink, SinkError> {
        let absolute = std::path::absolute(directory);
        let directory =
            absolute.map_err(|source| SinkError::File { operation: "find", path: directory.to_owned(), source })?;
        bodies::create_directory(&directory)?;
        let name = file_name(task);
        let path = |extension: &str| directory.join(format!("{name}.{extension}"));
        let files = match format {
            Format::Jsonl => {
                Files::Whole { changes: AppendFile::open(&path("jsonl"), JSON_LINE)?, write: jsonl::write }
            }
            Format::Xml => {
                Files::Whole { changes: AppendFile::open(&path("xml"), XML_ELEMENT)?, write: documentxml::write }
            }
            Format::Csv => {
                let mut changes = AppendFile::open(&path("csv"), CSV_RECORD)?;
                if changes.is_empty()? {
                    changes.append(|buffer| buffer.extend_from_slice(csv::HEADER.as_bytes()))?;
                }
                Files::Whole { changes, write: csv::write }
            }
            Format::Idx => open_pair(&path("idx"), &path("delete"))?,
        };
        let bodies = Bodies::new(path("files"));
        // For the names of files that were created or renamed.
        sync_directory(&directory)?;
        Ok(FileSink { directory, files, bodies, taken: 0 })
    }

    /// Puts the document's file in place, or removes one that it no longer has.
    fn put_body(&mut self, document: &Document) -> Result<Option<PathBuf>, SinkError> {
        match &document.file {
            Some(file) => self.bodies.put(&document.reference, file).map(Some),
            None => self.bodies.remove(&document.reference).map(|()| None),
        }
    }
}

impl Sink for FileSink {
    fn take(&mut self, change: Change, _stop: &StopFlag) -> Result<(), SinkError> {
        let body = match &change {
            Change::Add(document) | Change::Update(document) => self.put_body(document)?,
            Change::Delete { reference, .. } => self.bodies.remove(reference).map(|()| None)?,
        };
        match &mut self.files {
            Files::Whole { changes, write } => {
                // Relative, so that the files can be moved together.
                let body = body.as_deref().map(|path| path.strip_prefix(&self.directory).unwrap_or(path));
                let body = body.map(Path::to_string_lossy);
                changes.append(|buffer| write(buffer, &change, body.as_deref()))?;
            }
            Files::Idx { documents, deletes } => match &change {
                Change::Add(document) | Change::Update(document) => {
                    let body = body.as_deref().map(Path::to_string_lossy);
                    documents.append(|buffer| idx::write(buffer, document, body.as_deref()))?;
                }
                Change::Delete { reference, .. } => {
                    deletes.append(|buffer| {
                        // A URL has no line ends; anything else that is a reference is kept to its line.
                        buffer.extend(reference.bytes().map(|byte| if byte < b' ' { b' ' } else { byte }));
                        buffer.push(b'\n');
                    })?;
                }
            },
        }
        self.taken += 1;
        Ok(())
    }

    fn flush(&mut self, _stop: &StopFlag) -> Result<Vec<Verdict>, SinkError> {
        // Bodies first: a record that survives a crash then names a file that does as well.
        self.bodies.flush()?;
        match &mut self.files {
            Files::Whole { changes, .. } => changes.flush()?,
            Files::Idx { documents, deletes } => {
                documents.flush()?;
                deletes.flush()?;
            }
        }
        Ok(vec![Verdict::Accepted; std::mem::take(&mut self.taken)])
    }
}

/// Opens the pair, after closing the one that is there if something was deleted in it.
///
/// A crash between the two renames leaves documents under one number and their deletes for the next: whoever goes by
/// the numbers still loads the one before deleting by the other.
fn open_pair(documents_path: &Path, deletes_path: &Path) -> Result<Files, SinkError> {
    let documents = AppendFile::open(documents_path, IDX_DOCUMENT)?;
    let deletes = AppendFile::open(deletes_path, REFERENCE_LINE)?;
    if deletes.is_empty()? {
        return Ok(Files::Idx { documents, deletes });
    }
    let number = 1 + highest_number(documents_path)?.max(highest_number(deletes_path)?);
    if !documents.is_empty()? {
        rename(documents_path, &numbered(documents_path, number))?;
    }
    rename(deletes_path, &numbered(deletes_path, number))?;
    // Their locks would stand in the way of the new pair's.
    drop((documents, deletes));
    Ok(Files::Idx {
        documents: AppendFile::open(documents_path, IDX_DOCUMENT)?,
        deletes: AppendFile::open(deletes_path, REFERENCE_LINE)?,
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), SinkError> {
    fs::rename(from, to).map_err(|source| SinkError::File { operation: "rename", path: from.to_owned(), source })
}

/// `TASK.delete.000001`: beside the open file, as logs are rotated.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut numbered = path.as_os_str().to_owned();
    numbered.push(format!(".{number:06}"));
    PathBuf::from(numbered)
}

/// The highest number under which `path` was closed; 0 if whoever loads the files has taken them all away.
fn highest_number(path: &Path) -> Result<u32, SinkError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(0);
    };
    let name = name.to_string_lossy();
    let highest = || -> io::Result<u32> {
        let mut highest = 0;
        for entry in fs::read_dir(directory)? {
            let found = entry?.file_name();
            let found = found.to_string_lossy();
            let number = found.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.')?.parse().ok());
            // One more must fit; such a number is nobody's but a prankster's.
            highest = highest.max(number.filter(|number| *number < u32::MAX).unwrap_or(0));
        }
        Ok(highest)
    };
    highest().map_err(|source| SinkError::File { operation: "read", path: directory.to_owned(), source })
}

/// A name for files of `task` that stays in its directory and differs from that of every other task: what is neither
/// a letter, a digit nor one of `._-`, and a dot at the start, is percent-encoded; a long name ends in its hash.
fn file_name(task: &str) -> String {
    const NAME_BYTES_MAX: usize = 200;
    let mut name = String::new();
    for (at, c) in task.char_indices() {
        if c.is_alphanumeric() || matches!(c, '_' | '-') || (c == '.' && at > 0) {
            name.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(name, "%{byte:02X}").expect("a String takes every text");
            }
        }
    }
    if name.len() > NAME_BYTES_MAX {
        let mut hasher = SipHasher13::new();
        hasher.write(task.as_bytes());
        let cut_at = (0..=NAME_BYTES_MAX - 17).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(cut_at);
        write!(name, "~{:016x}", hasher.finish()).expect("a String takes every text");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delete, document};
    use super::super::{File, Settings, open};
    use super::*;
    use std::error::Error;

    fn open_files(directory: &Path, task: &str, format: Format) -> Result<Box<dyn Sink>, SinkError> {
        let settings = Settings::Files { directory: directory.to_owned(), format };
        open(&settings, task, || unreachable!("files need no transport"))
    }

    /// One action: everything taken and flushed.
    fn run(directory: &Path, format: Format, changes: Vec<Change>) -> Result<(), SinkError> {
        let mut sink = open_files(directory, "News", format)?;
        let count = changes.len();
        for change in changes {
            sink.take(change, &StopFlag::new())?;
        }
        assert_eq!(sink.flush(&StopFlag::new())?, vec![Verdict::Accepted; count]);
        assert_eq!(sink.flush(&StopFlag::new())?, []);
        Ok(())
    }

    fn names(directory: &Path) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(directory)?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<String>>>()?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn json_lines_of_several_actions_stand_in_one_file_in_order() -> Result<(), Box<dyn Error>> {
        let parent = tempfile::tempdir()?;
        let directory = parent.path().join("deep").join("output");
        run(&directory, Format::Jsonl, vec![Change::Add(document("http://h/a", "1")), delete("http://h/b")])?;
        run(&directory, Format::Jsonl, vec![Change::Update(document("http://h/a", "2"))])?;

        let text = fs::read_to_string(directory.join("News.jsonl"))?;
        let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
        let told: Vec<_> = lines.iter().map(|line| (line["change"].as_str(), line["content"].as_str())).collect();
        assert_eq!(told, [(Some("add"), Some("1")), (Some("delete"), None), (Some("update"), Some("2"))]);
        Ok(())
    }

    #[test]
    fn a_body_is_found_by_its_path_and_goes_with_its_document() -> Result<(), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let directory = directory.path();
        let mut pdf = document("http://h/a.pdf", "");
        pdf.file = Some(File { content_type: "application/pdf".to_owned(), bytes: b"%PDF".to_vec() });

        run(directory, Format::Jsonl, vec![Change::Add(pdf.clone())])?;
        let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(directory.join("News.jsonl"))?)?;
        let path = line["file"]["path"].as_str().ok_or("no path")?;
        assert!(path.starts_with("News.files/"), "{path}");
        assert_eq!(fs::read(directory.join(path))?, b"%PDF");

        run(directory, Format::Idx, vec![Change::Update(pdf)])?;
        let absolute = directory.join(path);
        let field = format!("#DREFIELD DREFILENAME=\"{}\"\n", absolute.display());
        assert!(fs::read_to_string(directory.join("News.idx"))?.contains(&field), "{field}");

        run(directory, Format::Jsonl, vec![delete("http://h/a.pdf")])?;
        assert!(!absolute.exists());
        Ok(())
    }

    /// What an index holds after the files are loaded as documented: the references that are alive.
    fn loaded(directory: &Path) -> Result<Vec<String>, Box<dyn Error>> {
        let names = names(directory)?;
        let mut suffixes: Vec<&str> =
            names.iter().filter_map(|name| name.rsplit_once('.')).map(|pair| pair.1).collect();
        suffixes.retain(|suffix| suffix.parse::<u32>().is_ok());
        suffixes.dedup();
        let mut alive = Vec::new();
        for suffix in suffixes.into_iter().map(|number| format!(".{number}")).chain([String::new()]) {
            let idx = fs::read_to_string(directory.join(format!("News.idx{suffix}"))).unwrap_or_default();
            for reference in idx.lines().filter_map(|line| line.strip_prefix("#DREREFERENCE ")) {
                alive.retain(|other| other != reference);
                alive.push(reference.to_owned());
            }
            let deletes = fs::read_to_string(directory.join(format!("News.delete{suffix}"))).unwrap_or_default();
            alive.retain(|other| !deletes.lines().any(|gone| gone == other));
        }
        alive.sort();
        Ok(alive)
    }

    #[test]
    fn a_document_that_goes_and_comes_back_is_there_after_loading_idx_files() -> Result<(), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let directory = directory.path();
        let add = |reference: &str| Change::Add(document(reference, "text"));
        run(directory, Format::Idx, vec![add("http://h/a"), add("http://h/b")])?;
        assert_eq!(loaded(directory)?, ["http://h/a", "http://h/b"]);
        run(directory, Format::Idx, vec![delete("http://h/a"), add("http://h/c")])?;
        assert_eq!(loaded(directory)?, ["http://h/b", "http://h/c"]);
        run(directory, Format::Idx, vec![add("http://h/a"), delete("http://h/b")])?;
        assert_eq!(loaded(directory)?, ["http://h/a", "http://h/c"]);
        run(directory, Format::Idx, vec![delete("http://h/c")])?;
        assert_eq!(loaded(directory)?, ["http://h/a"]);
        run(directory, Format::Idx, vec![add("http://h/c")])?;
        assert_eq!(loaded(directory)?, ["http://h/a", "http://h/c"]);

        let expected = ["News.delete", "News.delete.000001", "News.delete.000002", "News.delete.000003"];
        let expected = expected.into_iter().chain(["News.idx", "News.idx.000001", "News.idx.000002"]);
        assert_eq!(names(directory)?, expected.collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn a_pair_whose_closing_was_cut_by_a_crash_is_closed_in_order() -> Result<(), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let directory = directory.path();
        run(directory, Format::Idx, vec![Change::Add(document("http://h/a", "")), delete("http://h/b")])?;
        fs::rename(directory.join("News.idx"), directory.join("News.idx.000001"))?;
        run(directory, Format::Idx, vec![Change::Add(document("http://h/b", ""))])?;
        assert_eq!(names(directory)?, ["News.delete", "News.delete.000002", "News.idx", "News.idx.000001"]);
        assert_eq!(loaded(directory)?, ["http://h/a", "http://h/b"]);
        Ok(())
    }

    #[test]
    fn a_task_has_one_writer_at_a_time() -> Result<(), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        for format in [Format::Jsonl, Format::Idx] {
            let first = open_files(directory.path(), "News", format)?;
            assert!(matches!(open_files(directory.path(), "News", format), Err(SinkError::Locked { .. })));
            open_files(directory.path(), "Other", format)?;
            drop(first);
            open_files(directory.path(), "News", format)?;
        }
        Ok(())
    }

    #[test]
    fn file_names_stay_in_their_directory_and_apart() {
        let cases = [
            ("News", "News"),
            ("www.example.com", "www.example.com"),
            ("Grüße 2", "Grüße%202"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            (".", "%2E"),
            ("a%2Fb", "a%252Fb"),
            ("a\0b", "a%00b"),
        ];
        for (task, expected) in cases {
            assert_eq!(file_name(task), expected);
        }
        let (long, other) = (format!("{}1", "ü/".repeat(300)), format!("{}2", "ü/".repeat(300)));
        assert_ne!(file_name(&long), file_name(&other));
        assert!(file_name(&long).len() <= 200);
    }
}
