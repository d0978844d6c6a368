//! Puts a restored state in its place, before a start reads anything.
//!
//! Two phases, each of which can be repeated from any point: whatever a crash interrupts, the next start goes on. Nothing
//! is served before the last step, so what is served is the old state whole or the new one whole.
//!
//! 1. While `restore.ready` is there, all that is in its place is old: it is moved into the folder `replaced_<time>`, where
//!    it stays for the administrator. Then `restore.ready` becomes `restore.moving`, by one rename.
//! 2. While `restore.moving` is there, nothing old is left, and all in it is new: it is moved to its place. A file that is not in
//!    it any more has been. Last, `restore.moving` is removed.

use super::super::backup::{ACTIONS, CONFIG, DATASTORES};
use super::{MOVING, PLAN, READY, remove};
use crate::action::QueueName;
use crate::fetchaction::is_datastore_name;
use crate::queue;
use serde_json::Value;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A state that was put in its place.
#[derive(Debug)]
pub struct Placed {
    /// Where the one before it is kept.
    pub replaced: PathBuf,
}

/// Why a start cannot go on. The next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("a restore is to take place in {}, and another process works there; stop it", .0.display())]
    InUse(PathBuf),
    #[error("a restore is to take place, and {}: {source}; mend that and start again", path.display())]
    Failed { path: PathBuf, source: io::Error },
}

/// Puts what `RestoreServer` has prepared below `base` in its place; `None` if it has not.
pub fn put_in_place(base: &Path) -> Result<Option<Placed>, PlaceError> {
    put(base, &mut || Ok(()))
}

/// As [`put_in_place`], asking `before` before each change of the disk; an error is what a crash at this point would be.
fn put(base: &Path, before: &mut dyn FnMut() -> io::Result<()>) -> Result<Option<Placed>, PlaceError> {
    let (ready, moving) = (base.join(READY), base.join(MOVING));
    if !ready.exists() && !moving.exists() {
        return Ok(None);
    }
    // Two starts at the same time would take each other's new files for old ones.
    let lock = File::open(base).map_err(|error| failed(base, error))?;
    if lock.try_lock().is_err() {
        return Err(PlaceError::InUse(base.to_owned()));
    }
    if ready.exists() {
        if queue::is_in_use(&base.join(ACTIONS).join(queue::file_name(&QueueName::fetch()))) {
            return Err(PlaceError::InUse(base.to_owned()));
        }
        let replaced = base.join(replaced_name(&ready)?);
        put_aside(base, &ready, &replaced, before)?;
        before()
            .and_then(|()| fs::rename(&ready, &moving))
            .and_then(|()| sync(base))
            .map_err(|error| failed(&ready, error))?;
    }
    let replaced = base.join(replaced_name(&moving)?);
    for (part, target) in [(CONFIG, base.to_owned()), (DATASTORES, base.to_owned()), (ACTIONS, base.join(ACTIONS))] {
        for name in files_below(&moving.join(part))? {
            relocate(&moving.join(part).join(&name), &target.join(&name), before)?;
        }
    }
    sync(base).map_err(|error| failed(base, error))?;
    before().and_then(|()| remove(&moving)).and_then(|()| sync(base)).map_err(|error| failed(&moving, error))?;
    Ok(Some(Placed { replaced }))
}

/// Moves all that the new state takes the place of out of its way.
fn put_aside(
    base: &Path,
    ready: &Path,
    replaced: &Path,
    before: &mut dyn FnMut() -> io::Result<()>,
) -> Result<(), PlaceError> {
    let mut old: Vec<(PathBuf, PathBuf)> = Vec::new();
    for part in [CONFIG, DATASTORES] {
        for name in files_below(&ready.join(part))? {
            old.push((base.join(&name), replaced.join(part).join(&name)));
        }
    }
    // Datastores that the new state does not know would be those of its tasks, all the same.
    for entry in fs::read_dir(base).map_err(|error| failed(base, error))?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let main = BESIDE.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        if is_datastore_name(main) {
            old.push((base.join(main), replaced.join(DATASTORES).join(main)));
        }
    }
    for name in files_below(&base.join(ACTIONS))? {
        old.push((base.join(ACTIONS).join(&name), replaced.join(ACTIONS).join(&name)));
    }
    for (from, to) in old {
        // The file itself last: a log of the old one that stayed would be applied to the new one.
        for suffix in BESIDE.iter().chain(&[""]) {
            let (from, to) = (with_suffix(&from, suffix), with_suffix(&to, suffix));
            if from.symlink_metadata().is_ok() {
                relocate(&from, &to, before)?;
            }
        }
    }
    sync(base).map_err(|error| failed(base, error))
}

/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Moves a file, durably but for the name that it had.
fn relocate(from: &Path, to: &Path, before: &mut dyn FnMut() -> io::Result<()>) -> Result<(), PlaceError> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    let made = before().and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(folder));
    let moved = made.and_then(|()| match fs::rename(from, to) {
        // A volume of its own, such as one for the queue.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_over(from, to),
        renamed => renamed,
    });
    moved.and_then(|()| sync(folder)).map_err(|error| failed(from, error))
}

fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    let part = with_suffix(to, ".part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&part, to)?;
    sync(to.parent().unwrap_or(Path::new("/")))?;
    fs::remove_file(from)
}

/// Every file below `folder`, relative to it; none if there is no such folder.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, PlaceError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed(folder, error))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.extend(files_below(&entry.path())?.into_iter().map(|below| name.join(below)));
        } else {
            files.push(name);
        }
    }
    Ok(files)
}

/// The name of the folder for the old state, which has been chosen once and for all.
fn replaced_name(prepared: &Path) -> Result<String, PlaceError> {
    let path = prepared.join(PLAN);
    let text = fs::read(&path).map_err(|error| failed(&path, error))?;
    let plan: Option<Value> = serde_json::from_slice(&text).ok();
    let name = plan.as_ref().and_then(|plan| plan.get("replaced")).and_then(Value::as_str);
    let name = name.filter(|name| name.starts_with("replaced_") && !name.contains('/'));
    name.map(str::to_owned)
        .ok_or_else(|| failed(&path, io::Error::other("it does not name the folder of the old state")))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> PlaceError {
    PlaceError::Failed { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// Every file below `base` with its text, but for what SQLite makes to look whether a database is locked.
    fn state(base: &Path) -> Result<BTreeMap<PathBuf, String>, Box<dyn std::error::Error>> {
        let files = files_below(base)?.into_iter().filter(|name| !name.to_string_lossy().ends_with("-shm"));
        files.map(|name| Ok((name.clone(), fs::read_to_string(base.join(&name))?))).collect()
    }

    fn lay_out(base: &Path, files: &[(&str, &str)]) -> io::Result<()> {
        for (name, text) in files {
            let path = base.join(name);
            fs::create_dir_all(path.parent().unwrap_or(base))?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    #[test]
    fn whatever_step_a_crash_comes_at_the_next_start_ends_with_the_new_state_and_the_old_one_kept() -> Tested {
        let old = [
            ("w.cfg", "old"),
            ("conf.d/tasks.cfg", "old"),
            ("other.cfg", "stays"),
            ("output/docs.jsonl", "stays"),
            ("connector_A_datastore.db", "old"),
            ("connector_A_datastore.db-wal", "old"),
            ("connector_B_datastore.db", "old"),
            ("connector_C_datastore.db-wal", "old"),
            ("actions/fetch.db", "old"),
            ("actions/fetch.db-wal", "old"),
        ];
        let new = [
            ("restore.ready/restore.json", "{\"replaced\":\"replaced_1\"}"),
            ("restore.ready/config/w.cfg", "new"),
            ("restore.ready/config/conf.d/tasks.cfg", "new"),
            ("restore.ready/datastores/connector_A_datastore.db", "new"),
            ("restore.ready/actions/fetch.db", "new"),
        ];
        let expected: BTreeMap<PathBuf, String> = [
            ("w.cfg", "new"),
            ("conf.d/tasks.cfg", "new"),
            ("other.cfg", "stays"),
            ("output/docs.jsonl", "stays"),
            ("connector_A_datastore.db", "new"),
            ("actions/fetch.db", "new"),
            ("replaced_1/config/w.cfg", "old"),
            ("replaced_1/config/conf.d/tasks.cfg", "old"),
            ("replaced_1/datastores/connector_A_datastore.db", "old"),
            ("replaced_1/datastores/connector_A_datastore.db-wal", "old"),
            ("replaced_1/datastores/connector_B_datastore.db", "old"),
            ("replaced_1/datastores/connector_C_datastore.db-wal", "old"),
            ("replaced_1/actions/fetch.db", "old"),
            ("replaced_1/actions/fetch.db-wal", "old"),
        ]
        .map(|(name, text)| (PathBuf::from(name), text.to_owned()))
        .into();
        let mut steps = 0;
        loop {
            let home = tempfile::tempdir()?;
            lay_out(home.path(), &old)?;
            lay_out(home.path(), &new)?;
            let mut left = steps;
            let crashed = put(home.path(), &mut || {
                left = usize::checked_sub(left, 1).ok_or(io::ErrorKind::Interrupted)?;
                Ok(())
            });
            let placed = put_in_place(home.path())?;
            assert_eq!(state(home.path())?, expected, "after {steps} steps");
            match crashed {
                Err(_) => assert!(placed.is_some_and(|placed| placed.replaced.ends_with("replaced_1"))),
                Ok(first) => {
                    assert!(first.is_some() && placed.is_none() && steps > 10, "{steps}");
                    return Ok(());
                }
            }
            steps += 1;
        }
    }

    #[test]
    fn what_cannot_go_on_says_so_and_changes_nothing() -> Tested {
        let home = tempfile::tempdir()?;
        assert!(put_in_place(home.path())?.is_none());
        lay_out(home.path(), &[("w.cfg", "old"), ("restore.ready/config/w.cfg", "new")])?;
        for plan in ["", "{}", "{\"replaced\":\"../x\"}", "{\"replaced\":\"replaced_/../x\"}"] {
            lay_out(home.path(), &[("restore.ready/restore.json", plan)])?;
            assert!(put_in_place(home.path()).is_err_and(|error| error.to_string().contains("restore.json")), "{plan}");
        }
        let lock = File::open(home.path())?;
        lock.lock()?;
        assert!(matches!(put_in_place(home.path()), Err(PlaceError::InUse(_))));
        assert_eq!(fs::read_to_string(home.path().join("w.cfg"))?, "old");
        Ok(())
    }
}
