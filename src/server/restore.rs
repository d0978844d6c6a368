//! `action=RestoreServer`: judges an archive of `BackupServer` and lays it out for the next start.
//!
//! No file is changed under the running server. In this order:
//!
//! 1. The archive is unpacked below `restore.new`, every name in it checked, and what it holds is opened as the server
//!    would: configuration, queue, datastores. All of it is synced. Until here a crash or an error leaves a folder that
//!    the next restore removes.
//! 2. The queue accepts no more actions: a token that is answered after this would not be there after the restart.
//! 3. `restore.new` becomes `restore.ready`, by one rename, synced. From here on the restore happens, and the client is
//!    answered.
//! 4. The server shuts down in order. Its next start puts `restore.ready` in its place before it reads anything ([`place`]),
//!    whether it comes after this or after a crash.

mod place;

pub use place::{PlaceError, Placed, put_in_place};

use super::backup::{
    ACTIONS, BackupError, Backups, CONFIG, DATASTORES, FORMAT, MANIFEST, PRODUCT, copy_all, sync_folder_of,
};
use crate::action::{BadParam, QueueName};
use crate::config::Config;
use crate::crawl::Datastore;
use crate::queue;
use crate::stop::StopFlag;
use crate::time::Moment;
use parking_lot::MutexGuard;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Where an archive is unpacked, below the folder of the configuration.
const NEW: &str = "restore.new";
/// What is put in place at the next start.
const READY: &str = "restore.ready";
/// What is being put in place, when nothing of the old state is in its place any more.
const MOVING: &str = "restore.moving";
/// Beside the unpacked folders: where the old state is kept.
const PLAN: &str = "restore.json";

/// Most files of an archive, and bytes of all of them unpacked: no connector has more, and a disk is not filled by a
/// few kilobytes that unpack for ever.
const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 64 << 30;
const MANIFEST_BYTES_MAX: u64 = 64 << 10;

/// An archive that has been unpacked and found sound. Dropped before it is committed, it leaves nothing.
pub(super) struct Staged<'a> {
    base: &'a Path,
    pub(super) archive: PathBuf,
    /// Where the state of now is going to be kept.
    pub(super) replaced: PathBuf,
    is_committed: bool,
    _one: MutexGuard<'a, ()>,
}

/// What was in an archive.
struct Unpacked {
    places: Vec<Place>,
    /// The configuration file among them, if there is one.
    main: Option<PathBuf>,
}

/// Where a file of an archive belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Manifest,
    Queue,
    /// Relative to the folder of the configuration.
    Config(PathBuf),
    Datastore(PathBuf),
}

impl Backups {
    /// Unpacks and judges the archive that `name` names: relative names count from the folder of the configuration.
    pub(super) fn stage(&self, name: &str, stop: &StopFlag) -> Result<Staged<'_>, BackupError> {
        let archive = self.archive(name)?;
        let one = self.busy.try_lock().ok_or(BackupError::Busy)?;
        if self.base.join(READY).exists() {
            let why = "is there already: a restore takes place at the next start";
            return Err(BackupError::failed(&self.base.join(READY), &why));
        }
        let folder = self.base.join(NEW);
        remove(&folder).map_err(|error| BackupError::failed(&folder, &error))?;
        let replaced = self.base.join(format!("replaced_{}", Moment::now().stamp()));
        let staged = Staged { base: &self.base, archive, replaced, is_committed: false, _one: one };
        make_folder(&folder)?;
        let unpacked = self.unpack(&staged.archive, &folder, stop)?;
        unpacked.judge(&staged.archive, &folder)?;
        let name = staged.replaced.file_name().map(|name| name.to_string_lossy().into_owned());
        write(&folder.join(PLAN), json!({ "replaced": name }).to_string().as_bytes())?;
        sync_folders(&folder).map_err(|error| BackupError::failed(&folder, &error))?;
        Ok(staged)
    }

    /// The archive, if it is a file in a listed folder.
    fn archive(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.base.join(name);
        let is_listed = path.parent().is_some_and(|parent| self.folders.iter().any(|folder| folder == parent));
        if !is_listed {
            let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let expected = format!(
                "an archive in a folder that [Server] AllowedBackupDirectoryCSVs lists: {}",
                if folders.is_empty() { "it lists none".to_owned() } else { folders.join(", ") }
            );
            return Err(BadParam::unreadable("Filename", name, expected).into());
        }
        let metadata = path.symlink_metadata().map_err(|error| BackupError::failed(&path, &error))?;
        if metadata.is_file() { Ok(path) } else { Err(BackupError::failed(&path, &"it is no regular file")) }
    }

    /// Unpacks everything below `folder`.
    fn unpack(&self, path: &Path, folder: &Path, stop: &StopFlag) -> Result<Unpacked, BackupError> {
        let refused = |why: &str| BackupError::failed(path, &why);
        let damaged = |error: &dyn std::fmt::Display| refused(&format!("it is no sound zip file: {error}"));
        let file = File::open(path).map_err(|error| BackupError::failed(path, &error))?;
        let mut zip = ZipArchive::new(file).map_err(|error| damaged(&error))?;
        if zip.len() > FILES_MAX {
            return Err(refused(&format!("it holds {} files, and at most {FILES_MAX} are taken", zip.len())));
        }
        let config = read_manifest(&mut zip).map_err(|why| refused(&why))?.map(PathBuf::from);
        // The configuration goes on under the name by which it is read here.
        let main = self.config_name().map(PathBuf::from).or_else(|| config.clone());
        let (mut places, mut targets, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
        for number in 0..zip.len() {
            let mut entry = zip.by_index(number).map_err(|error| damaged(&error))?;
            if entry.is_dir() {
                continue;
            }
            let name = entry.name().map_err(|error| damaged(&error))?.into_owned();
            let odd = |why: &str| refused(&format!("its file {name:?} {why}"));
            let place = place_of(&name).ok_or_else(|| odd("is none that a backup holds"))?;
            if entry.is_symlink() {
                return Err(odd("is a link"));
            }
            let place = match place {
                Place::Config(at) if config.as_ref() == Some(&at) => Place::Config(main.clone().unwrap_or(at)),
                place => place,
            };
            let Some(inside) = place.inside() else { continue };
            self.check_target(&place).map_err(|why| odd(&why))?;
            if !targets.insert(place.target()) {
                return Err(odd("belongs where another one belongs as well"));
            }
            bytes += entry.size();
            if bytes > BYTES_MAX {
                return Err(refused(&format!("its files have more than {BYTES_MAX} bytes together")));
            }
            let size = entry.size();
            let to = folder.join(inside);
            let mut file = create(&to)?;
            // One byte more than it says it has, so that a lie shows and costs no more than that.
            let copied =
                copy_all(&mut (&mut entry).take(size + 1), &mut file, stop).map_err(|error| error.of(path, &to))?;
            if copied != size {
                return Err(odd("has not the length that the archive tells"));
            }
            file.sync_all().map_err(|error| BackupError::failed(&to, &error))?;
            places.push(place);
        }
        Ok(Unpacked { places, main })
    }

    /// Nothing is put in place through a link, or where the server keeps something else.
    fn check_target(&self, place: &Place) -> Result<(), String> {
        let target = place.target();
        let is_config = self.config_name().is_some_and(|name| target == Path::new(&name));
        if is_config && !matches!(place, Place::Config(_)) {
            return Err("has the name of the configuration".to_owned());
        }
        let folders = target.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        for folder in folders.filter(|folder| !folder.starts_with(ACTIONS)) {
            let folder = self.base.join(folder);
            if folder.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(format!("belongs into {}, which is a link or a file", folder.display()));
            }
        }
        Ok(())
    }
}

impl Unpacked {
    /// Opens everything as the next start would.
    fn judge(&self, archive: &Path, folder: &Path) -> Result<(), BackupError> {
        let refused = |why: String| BackupError::failed(archive, &why);
        if !self.places.contains(&Place::Queue) {
            return Err(refused("it holds no queue".to_owned()));
        }
        for place in &self.places {
            let Some(path) = place.inside().map(|inside| folder.join(inside)) else { continue };
            let checked = match place {
                Place::Queue => queue::check(&path).map_err(|error| error.to_string()),
                // An empty file would be taken for one to begin with.
                Place::Datastore(_) if path.metadata().is_ok_and(|metadata| metadata.len() == 0) => {
                    Err("it is empty".to_owned())
                }
                Place::Datastore(_) => Datastore::open(&path).map(drop).map_err(|error| error.to_string()),
                Place::Config(at) if self.main.as_ref() == Some(at) => {
                    Config::load(&path).map(drop).map_err(|error| error.to_string())
                }
                Place::Config(_) | Place::Manifest => Ok(()),
            };
            checked.map_err(|why| refused(format!("{} cannot be used: {why}", place.target().display())))?;
        }
        Ok(())
    }
}

impl Staged<'_> {
    /// From now on the restore happens, whatever comes.
    pub(super) fn commit(mut self) -> Result<(), BackupError> {
        let ready = self.base.join(READY);
        let renamed = fs::rename(self.base.join(NEW), &ready).and_then(|()| sync_folder_of(&ready));
        renamed.map_err(|error| BackupError::failed(&ready, &error))?;
        self.is_committed = true;
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        let folder = self.base.join(NEW);
        if !self.is_committed
            && let Err(error) = remove(&folder)
        {
            log::warn!(target: "application", "{} was not removed: {error}", folder.display());
        }
    }
}

impl Place {
    /// The path below the unpacked archive; the manifest is not kept.
    fn inside(&self) -> Option<PathBuf> {
        match self {
            Place::Manifest => None,
            Place::Queue => Some(self.target()),
            Place::Config(at) => Some(Path::new(CONFIG).join(at)),
            Place::Datastore(at) => Some(Path::new(DATASTORES).join(at)),
        }
    }

    /// The path below the folder of the configuration.
    fn target(&self) -> PathBuf {
        match self {
            Place::Manifest => PathBuf::from(MANIFEST),
            Place::Queue => Path::new(ACTIONS).join(queue::file_name(&QueueName::fetch())),
            Place::Config(at) | Place::Datastore(at) => at.clone(),
        }
    }
}

/// Where a file of this name belongs; `None` if no backup has such a name: it is absolute, leads elsewhere, or belongs
/// where the server keeps something else.
fn place_of(name: &str) -> Option<Place> {
    let is_plain = |part: &&str| {
        !matches!(*part, "" | "." | "..") && part.len() <= 255 && !part.chars().any(|c| c == '\\' || c.is_control())
    };
    let parts: Vec<&str> = name.split('/').collect();
    if name.len() > 1024 || !parts.iter().all(is_plain) {
        return None;
    }
    let (first, rest) = parts.split_first()?;
    let is_taken = |part: &str| part == ACTIONS || part == MANIFEST || part.starts_with("restore.");
    let below = || rest.first().filter(|part| !is_taken(part)).map(|_| rest.iter().collect::<PathBuf>());
    match *first {
        MANIFEST if rest.is_empty() => Some(Place::Manifest),
        ACTIONS if *rest == [queue::file_name(&QueueName::fetch())] => Some(Place::Queue),
        CONFIG => below().map(Place::Config),
        DATASTORES => below().map(Place::Datastore),
        _ => None,
    }
}

/// The name of the configuration file in the archive, if there is one.
fn read_manifest(zip: &mut ZipArchive<File>) -> Result<Option<String>, String> {
    let absent = |_| format!("it is no backup of {PRODUCT}: there is no {MANIFEST} in it");
    let mut text = Vec::new();
    let entry = zip.by_name(MANIFEST).map_err(absent)?;
    entry.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let manifest: Value = serde_json::from_slice(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let text = |name| manifest.get(name).and_then(Value::as_str);
    match text("product") {
        Some(PRODUCT) => {}
        Some(other) => return Err(format!("it is a backup of {other}, not of {PRODUCT}")),
        None => return Err(format!("its {MANIFEST} does not say what it is a backup of")),
    }
    match manifest.get("format").and_then(Value::as_u64) {
        Some(format) if format <= FORMAT => Ok(text("config").map(str::to_owned)),
        Some(format) => Err(format!(
            "it has the form {format}, and this program knows forms up to {FORMAT}; use version {} or a later one",
            text("version").unwrap_or("of the program that wrote it")
        )),
        None => Err(format!("its {MANIFEST} does not say which form it has")),
    }
}

fn make_folder(folder: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| BackupError::failed(folder, &error))
}

fn create(path: &Path) -> Result<File, BackupError> {
    path.parent().map_or(Ok(()), make_folder)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| BackupError::failed(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| BackupError::failed(path, &error))
}

/// Removes a folder that need not be there.
fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes every name below `folder` durable.
fn sync_folders(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_archive_leads_nowhere_else() {
        let cases = [
            ("backup.json", Some(Place::Manifest)),
            ("actions/fetch.db", Some(Place::Queue)),
            ("config/webconnector.cfg", Some(Place::Config("webconnector.cfg".into()))),
            ("datastores/a/b.db", Some(Place::Datastore("a/b.db".into()))),
            ("config/../../etc/passwd", None),
            ("config//etc/passwd", None),
            ("/etc/passwd", None),
            ("config/a\\..\\b", None),
            ("config/./x", None),
            ("config/a\nb", None),
            ("config/", None),
            ("config", None),
            ("actions/other.db", None),
            ("config/actions/fetch.db", None),
            ("datastores/restore.ready/restore.json", None),
            ("elsewhere/x", None),
        ];
        for (name, place) in cases {
            assert_eq!(place_of(name), place, "{name}");
        }
        assert_eq!(place_of(&format!("config/{}", "x/".repeat(600))), None);
    }
}
