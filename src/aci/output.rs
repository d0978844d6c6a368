//! `Output=File&FileName=...`: a reply that is also written to a file (aci.md 1.3).
//!
//! A client names any file it likes, so: only in folders that the configuration lists, none below them, no link is
//! followed, and nothing is replaced but a reply that was written before. The file has its name only when it is whole.
//! Whatever can be found out before the action is performed is: an error then means that nothing was done.

use super::reply::{ErrorCode, Failure};
use crate::action::{BadParam, FromParam, Params, Problem};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The parameters that are read here.
pub(super) const PARAMS: [&str; 2] = ["Output", "FileName"];

/// What replies begin with. A raw body tells nobody what it is: its file is never replaced.
const BEGINNINGS: [&str; 2] = ["<?xml version='1.0' encoding='UTF-8' ?><autnresponse", "{\"autnresponse\":"];

/// Room for what goes around the name of the file while it is written.
const NAME_BYTES_MAX: usize = 200;

/// A file that a reply is going to be written to. Dropped before that, it leaves nothing behind.
pub(super) struct Output {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

/// The value of `Output`.
#[derive(PartialEq, Eq)]
enum Wanted {
    File,
    Nothing,
}

impl FromParam for Wanted {
    const EXPECTED: &'static str = "File (or TRUE), or FALSE";

    fn from_param(text: &str) -> Option<Wanted> {
        match bool::from_param(text) {
            Some(true) => Some(Wanted::File),
            Some(false) => Some(Wanted::Nothing),
            None => text.trim().eq_ignore_ascii_case("file").then_some(Wanted::File),
        }
    }
}

/// The file that the parameters ask for.
pub(super) fn asked(params: &Params) -> Result<Option<PathBuf>, BadParam> {
    let wanted = params.optional::<Wanted>("Output")?;
    let name = params.optional::<String>("FileName")?;
    match (wanted, name) {
        (Some(Wanted::File), Some(name)) => Ok(Some(PathBuf::from(name))),
        (Some(Wanted::File), None) => Err(BadParam { name: "FileName".to_owned(), problem: Problem::Missing }),
        (Some(Wanted::Nothing), _) | (None, None) => Ok(None),
        (None, Some(name)) => Err(BadParam::unreadable("FileName", &name, "nothing without Output=File")),
    }
}

impl Output {
    /// Makes sure that a reply can be written to `path`, which one of `folders` must hold.
    pub(super) fn begin(path: &Path, folders: &[PathBuf]) -> Result<Output, Failure> {
        let name = admitted(path, folders)?;
        let failed = |why: String| Failure::new(ErrorCode::Refused, format!("{why}; nothing was done"));
        check_replaceable(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let part = folder.join(format!(".{name}.{}.part", uuid::Uuid::new_v4().simple()));
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            // Exclusive creation follows no link.
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)
        };
        let file = open().map_err(|error| failed(cannot(path, &error)))?;
        Ok(Output { path: path.to_owned(), part, file })
    }

    /// Writes the reply, durably.
    pub(super) fn write(mut self, reply: &[u8]) -> Result<(), Failure> {
        let written =
            self.file.write_all(reply).and_then(|()| self.file.sync_all()).map_err(|error| cannot(&self.path, &error));
        // Asked again, as the action may have taken long. A rename replaces a link and does not follow it.
        let placed = written.and_then(|()| check_replaceable(&self.path)).and_then(|()| {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            let place = || fs::rename(&self.part, &self.path).and_then(|()| File::open(folder)?.sync_all());
            place().map_err(|error| cannot(&self.path, &error))
        });
        placed.map_err(|why| {
            log::error!(target: "application", "a reply was not written: {why}");
            let description = format!("the action was performed, and only its reply is lost: {why}");
            Failure::new(ErrorCode::Internal, description)
        })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.part)
            && error.kind() != ErrorKind::NotFound
        {
            log::warn!(target: "application", "{} was not removed: {error}", self.part.display());
        }
    }
}

/// The name of the file, if it lies in one of `folders` itself: below them, a link could lead elsewhere.
fn admitted(path: &Path, folders: &[PathBuf]) -> Result<String, BadParam> {
    let listed: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let place = match listed.as_slice() {
        [] => "nothing: [Server] AllowedOutputDirectoryCSVs lists no folder".to_owned(),
        listed => format!(
            "the absolute path of a file directly in a folder that [Server] AllowedOutputDirectoryCSVs lists: {}",
            listed.join(", ")
        ),
    };
    let bad = |expected: String| BadParam::unreadable("FileName", &path.display().to_string(), expected);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_listed = path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent));
    if !path.is_absolute() || !is_listed {
        return Err(bad(place));
    }
    if name.is_empty() || name.starts_with('.') || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(bad(format!("a name that does not begin with a dot and has at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(name.to_owned())
}

/// Whether nothing is there, or the reply to an earlier request.
fn check_replaceable(path: &Path) -> Result<(), String> {
    let kind = match path.symlink_metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(path, &error)),
    };
    if !kind.is_file() {
        return Err(format!("{} is there and is no regular file; name another one", path.display()));
    }
    let length_max = BEGINNINGS.iter().map(|beginning| beginning.len()).max().unwrap_or(0);
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(length_max as u64).read_to_end(&mut beginning));
    read.map_err(|error| cannot(path, &error))?;
    if BEGINNINGS.iter().any(|known| beginning.starts_with(known.as_bytes())) {
        return Ok(());
    }
    Err(format!("{} is there and is no reply that could be replaced; remove it, or name another file", path.display()))
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    type Tested = Result<(), Box<dyn std::error::Error>>;

    const REPLY: &[u8] = b"<?xml version='1.0' encoding='UTF-8' ?><autnresponse/>";

    #[test]
    fn both_parameters_or_none() {
        let cases = [
            ("", Ok(None)),
            ("Output=File&FileName=/a/b", Ok(Some("/a/b"))),
            ("output=true&filename=/a/b", Ok(Some("/a/b"))),
            ("Output=FALSE&FileName=/a/b", Ok(None)),
            ("Output=File", Err("FileName is required")),
            ("FileName=/a/b", Err("without Output=File")),
            ("Output=printer&FileName=/a/b", Err("Output is \"printer\"; expected is File")),
        ];
        for (form, expected) in cases {
            match (asked(&Params::from_form(form)), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, expected.map(PathBuf::from), "{form}"),
                (Err(bad), Err(words)) => assert!(bad.to_string().contains(words), "{form}: {bad}"),
                (found, _) => panic!("{form}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_reply_has_its_name_when_it_is_whole_and_replaces_only_a_reply() -> Tested {
        let home = tempfile::tempdir()?;
        let folders = [home.path().join("made/here")];
        let path = folders[0].join("reply.xml");
        let output = |path: &Path| Output::begin(path, &folders).map_err(|failure| failure.description);
        let names = || fs::read_dir(&folders[0]).map_or(0, Iterator::count);
        for _ in 0..2 {
            drop(output(&path)?);
            output(&path)?.write(REPLY).map_err(|failure| failure.description)?;
            assert_eq!((fs::read(&path)?, names()), (REPLY.to_vec(), 1));
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        }
        let begun = output(&path)?;
        fs::write(&path, "mine")?;
        assert!(begun.write(REPLY).is_err_and(|failure| failure.description.contains("was performed")));
        assert!(output(&path).is_err_and(|why| why.contains("no reply that could be replaced")));
        assert_eq!((fs::read(&path)?, names()), (b"mine".to_vec(), 1));
        Ok(())
    }

    #[test]
    fn nothing_is_written_elsewhere() -> Tested {
        let home = tempfile::tempdir()?;
        let folders = [home.path().join("in")];
        fs::create_dir_all(folders[0].join("below"))?;
        fs::write(home.path().join("target"), REPLY)?;
        symlink(home.path().join("target"), folders[0].join("link"))?;
        symlink(home.path(), folders[0].join("out"))?;
        let cases = [
            ("in/below/x", "directly in a folder"),
            ("in/out/x", "directly in a folder"),
            ("in/../x", "directly in a folder"),
            ("in/below/../x", "directly in a folder"),
            ("in", "directly in a folder"),
            ("in/..", "does not begin with a dot"),
            ("in/.hidden", "does not begin with a dot"),
            ("in/a\nb", "does not begin with a dot"),
            ("in/link", "no regular file"),
            ("in/below", "no regular file"),
        ];
        for (name, words) in cases {
            let refused = Output::begin(&home.path().join(name), &folders).map_err(|failure| failure.description);
            assert!(refused.as_ref().is_err_and(|why| why.contains(words)), "{name}: {:?}", refused.err());
        }
        assert!(Output::begin(Path::new("x"), &[PathBuf::new()]).is_err(), "a relative path");
        assert_eq!(fs::read_dir(&folders[0])?.count(), 3);
        Ok(())
    }
}
