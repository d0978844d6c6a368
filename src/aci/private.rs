//! The directory of the inner socket: fresh, for this user only, gone when the port closes.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const PREFIX: &str = "webconnector-";
const SOCKET: &str = "door";

/// A directory that a process which was killed has left behind is removed by a later one after this time. Until then it
/// may be one whose owner has made the socket and does not listen yet.
const LEFT_BEHIND_AFTER: Duration = Duration::from_mins(1);

/// Removed with what is in it when dropped.
pub(super) struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Creates a directory in `parent` that only this user can enter, and removes those that processes of this user
    /// have left behind when they were killed: on a device that restarts a failing process for weeks they would fill
    /// a small file system.
    pub(super) fn create(parent: &Path, now: SystemTime) -> io::Result<PrivateDirectory> {
        let path = parent.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        // Fails if it exists, so nobody can have laid it out.
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = PrivateDirectory(path);
        sweep(parent, fs::metadata(&directory.0)?.uid(), now);
        Ok(directory)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::warn!(target: "application", "{} was not removed: {error}", self.0.display());
        }
    }
}

fn sweep(parent: &Path, user: u32, now: SystemTime) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && is_left_behind(&entry, user, now) {
            // Only what this program puts there, and then the directory if it is empty.
            let _ = fs::remove_file(entry.path().join(SOCKET));
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn is_left_behind(entry: &fs::DirEntry, user: u32, now: SystemTime) -> bool {
    let Ok(metadata) = entry.metadata() else { return false };
    let age = metadata.modified().ok().and_then(|at| now.duration_since(at).ok());
    // Another user's socket could keep this process waiting.
    let is_candidate = metadata.is_dir() && metadata.uid() == user && age.is_some_and(|age| age >= LEFT_BEHIND_AFTER);
    // Refused: the socket is there and nobody listens. Not found: there was none yet.
    is_candidate
        && UnixStream::connect(entry.path().join(SOCKET))
            .is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_directory_is_private_and_removed() -> io::Result<()> {
        let parent = tempfile::tempdir()?;
        let directory = PrivateDirectory::create(parent.path(), SystemTime::now())?;
        let _socket = UnixListener::bind(directory.socket())?;
        assert_eq!(fs::metadata(&directory.0)?.permissions().mode() & 0o777, 0o700);
        drop(directory);
        assert_eq!(fs::read_dir(parent.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn what_was_left_behind_is_swept_and_nothing_else() -> io::Result<()> {
        let parent = tempfile::tempdir()?;
        let path = |name: &str| parent.path().join(format!("{PREFIX}{name}"));
        for name in ["dead", "empty", "alive", "with-more"] {
            fs::create_dir(path(name))?;
        }
        fs::write(path("with-more").join("kept"), "")?;
        let _alive = UnixListener::bind(path("alive").join(SOCKET))?;
        drop(UnixListener::bind(path("dead").join(SOCKET))?);

        let user = fs::metadata(parent.path())?.uid();
        let later = SystemTime::now() + LEFT_BEHIND_AFTER;
        sweep(parent.path(), user, SystemTime::now());
        sweep(parent.path(), user + 1, later);
        assert_eq!(fs::read_dir(parent.path())?.count(), 4, "they are too young, and another user's");
        sweep(parent.path(), user, later);
        assert!(!path("dead").exists() && !path("empty").exists());
        assert!(path("alive").join(SOCKET).exists() && path("with-more").join("kept").exists());
        Ok(())
    }
}
