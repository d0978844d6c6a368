//! `action=BackupServer`: what the connector knows, as one archive (aci.md 5.1).
//!
//! # What is in it
//!
//! A zip file: `backup.json` (the manifest), `config/` with the configuration file and what it includes, `actions/` with the
//! queue, `datastores/` with what each task knows; names below these are relative to the folder of the configuration.
//! What lies outside of that folder is not in it, and the answer names it: an archive never says where else files go.
//!
//! # Consistency
//!
//! Nothing waits for running actions: each database is copied as it is between two commits of its own. **The queue
//! first, the datastores after.** Delivery commits the target, then the datastore, then the queue; so of every end that the
//! copy of the queue tells, the datastores copied after it hold what it came to. What a datastore holds beyond that is
//! the work of actions that the copy of the queue tells as waiting or running: they run again and find it done. The
//! other way round, an end could be told of which the datastore knows nothing: a purge that was answered would be lost.
//!
//! # Durability
//!
//! The archive has its name when it is whole and on the disk. It holds the passwords of the configuration: mode 0600.

use crate::action::{BadParam, QueueName, TokenHost};
use crate::config::Ini;
use crate::crawl::{DatastoreError, Reader};
use crate::fetchaction::FetchActions;
use crate::queue::{self, Queue, QueueCopyError};
use crate::sqlite::CopyError;
use crate::stop::StopFlag;
use crate::time::Moment;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The folders inside an archive.
pub(super) const CONFIG: &str = "config";
pub(super) const ACTIONS: &str = "actions";
pub(super) const DATASTORES: &str = "datastores";
/// The name of the manifest inside an archive.
pub(super) const MANIFEST: &str = "backup.json";

/// What archives of this program say of themselves.
pub(super) const PRODUCT: &str = "webconnector";
/// The form of the archive; a restore refuses a higher one.
pub(super) const FORMAT: u64 = 1;

/// Where backups are made, and of what.
pub(super) struct Backups {
    /// The folder of the configuration, absolute.
    pub(super) base: PathBuf,
    pub(super) config: Option<PathBuf>,
    /// The folders in which archives may be, absolute.
    pub(super) folders: Vec<PathBuf>,
    /// What archives are named after.
    pub(super) host: TokenHost,
    /// Held by the one backup or restore that is being made.
    pub(super) busy: Mutex<()>,
}

/// An archive that was made.
pub(super) struct Made {
    pub(super) path: PathBuf,
    /// What it should hold and does not, being outside of the folder of the configuration.
    pub(super) outside: Vec<PathBuf>,
}

/// Why there is no new archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackupError {
    #[error(transparent)]
    Param(#[from] BadParam),
    #[error("another backup or restore is under way; try again when it has ended")]
    Busy,
    #[error("the server is shutting down")]
    Stopped,
    #[error("{what}: {why}")]
    Failed { what: String, why: String },
    /// The queue accepts no more actions by then.
    #[error("nothing was restored, and the server stops and has to be started again: {0}")]
    AfterAll(Box<BackupError>),
}

impl BackupError {
    pub(super) fn failed(path: &Path, why: &dyn std::fmt::Display) -> BackupError {
        BackupError::Failed { what: path.display().to_string(), why: why.to_string() }
    }
}

impl Backups {
    /// Makes an archive in `folder`, by default the first that is listed.
    pub(super) fn back_up(
        &self,
        folder: Option<&str>,
        (queue, fetch): (&Queue, &FetchActions),
        stop: &StopFlag,
    ) -> Result<Made, BackupError> {
        let folder = self.folder(folder)?;
        let _one = self.busy.try_lock().ok_or(BackupError::Busy)?;
        let owner = format!("{}_{}", self.host.ip.to_string().replace(':', "-"), self.host.port);
        let name = format!("{}_{owner}.zip", Moment::now().stamp());
        let path = folder.join(&name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| BackupError::failed(&folder, &error))?;
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::failed(&path, &"it was made this very second; try again"));
        }
        sweep(&folder, &owner);
        let scratch = Scratch::make(folder.join(format!(".{name}{PART}")))?;
        let mut archive = Archive::begin(scratch.0.join("archive"))?;
        let mut outside = Vec::new();

        let files = self.config_files();
        let datastores = fetch.datastores().map_err(|error| BackupError::failed(&self.base, &error))?;
        archive.add_bytes(MANIFEST, manifest(self.config_name().as_deref()).to_string().as_bytes())?;
        // The order is argued for above.
        let queue_file = queue::file_name(&QueueName::fetch());
        let copy = scratch.0.join("copy");
        queue.copy_to(&copy).map_err(|error| match error {
            QueueCopyError::Closed | QueueCopyError::Copy(CopyError::Stopped) => BackupError::Stopped,
            QueueCopyError::Copy(error) => BackupError::failed(&self.base.join(ACTIONS).join(&queue_file), &error),
        })?;
        archive.add_copy(&format!("{ACTIONS}/{queue_file}"), &copy, stop)?;
        for datastore in datastores {
            let Some(name) = self.name_of(&datastore) else {
                outside.push(datastore);
                continue;
            };
            let failed = |error: DatastoreError| BackupError::failed(&datastore, &error);
            // One that was made and never committed knows nothing.
            let Some(reader) = Reader::open(&datastore).map_err(failed)? else { continue };
            reader.copy_to(&copy, stop).map_err(|error| match error {
                CopyError::Stopped => BackupError::Stopped,
                CopyError::Sqlite(error) => BackupError::failed(&datastore, &error),
            })?;
            archive.add_copy(&format!("{DATASTORES}/{name}"), &copy, stop)?;
        }
        for file in files {
            match self.name_of(&file) {
                Some(name) => archive.add_file(&format!("{CONFIG}/{name}"), &file, stop)?,
                None => outside.push(file),
            }
        }
        archive.finish(&path)?;
        Ok(Made { path, outside })
    }

    /// The listed folder that `given` names; a relative path counts from the folder of the configuration.
    fn folder(&self, given: Option<&str>) -> Result<PathBuf, BadParam> {
        let folder = match given {
            Some(given) => Some(self.base.join(given)),
            None => self.folders.first().cloned(),
        };
        let is_listed = |folder: &PathBuf| self.folders.contains(folder);
        folder.filter(is_listed).ok_or_else(|| {
            let listed: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let expected = format!(
                "a folder that [Server] AllowedBackupDirectoryCSVs lists: {}",
                if listed.is_empty() { "it lists none".to_owned() } else { listed.join(", ") }
            );
            BadParam::unreadable("Path", given.unwrap_or_default(), expected)
        })
    }

    /// The configuration file's name in its folder.
    pub(super) fn config_name(&self) -> Option<String> {
        Some(self.config.as_ref()?.file_name()?.to_str()?.to_owned())
    }

    /// The configuration file and all that it includes, as far as it can be read now.
    fn config_files(&self) -> Vec<PathBuf> {
        let Some(name) = self.config_name() else { return Vec::new() };
        let main = self.base.join(name);
        // A file that is broken at the moment is kept as it is; what it includes is not known then.
        let mut files = Ini::read(&main).map_or_else(|_| vec![main], |ini| ini.files().to_vec());
        files.sort_unstable();
        files.dedup();
        files
    }

    /// The name of a file inside an archive, relative to the folder of the configuration; `None` if it lies outside.
    fn name_of(&self, file: &Path) -> Option<String> {
        let below = file.strip_prefix(&self.base).ok()?;
        let names: Option<Vec<&str>> = below
            .components()
            .filter(|component| !matches!(component, std::path::Component::CurDir))
            .map(|component| match component {
                std::path::Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        names.map(|names| names.join("/"))
    }
}

fn manifest(config: Option<&str>) -> Value {
    json!({
        "product": PRODUCT,
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "created": Moment::now().queue_date().to_string(),
        "config": config,
    })
}

/// Ends the name of what is not whole.
const PART: &str = ".part";

/// A folder for what is not whole. Removed with all that is in it when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> Result<Scratch, BackupError> {
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| BackupError::failed(&path, &error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::warn!(target: "application", "{} was not removed: {error}", self.0.display());
        }
    }
}

/// Removes what earlier backups of this server have left when they were killed.
fn sweep(folder: &Path, owner: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let end = format!("_{owner}.zip{PART}");
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(&end)) {
            // Another attempt is made by the next backup.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The zip file while it grows.
struct Archive {
    path: PathBuf,
    zip: ZipWriter<File>,
}

impl Archive {
    fn begin(path: PathBuf) -> Result<Archive, BackupError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| BackupError::failed(&path, &error))?;
        Ok(Archive { path, zip: ZipWriter::new(file) })
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let added = self.start(name).and_then(|()| self.zip.write_all(bytes));
        added.map_err(|error| BackupError::failed(&self.path, &error))
    }

    /// Adds the file at `from` and removes it.
    fn add_copy(&mut self, name: &str, from: &Path, stop: &StopFlag) -> Result<(), BackupError> {
        self.add_file(name, from, stop)?;
        fs::remove_file(from).map_err(|error| BackupError::failed(from, &error))
    }

    fn add_file(&mut self, name: &str, from: &Path, stop: &StopFlag) -> Result<(), BackupError> {
        let mut file = File::open(from).map_err(|error| BackupError::failed(from, &error))?;
        self.start(name).map_err(|error| BackupError::failed(&self.path, &error))?;
        copy_all(&mut file, &mut self.zip, stop).map(drop).map_err(|error| error.of(from, &self.path))
    }

    fn start(&mut self, name: &str) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(0o600)
            // Sizes in 64 bits: how long a file becomes is not known here.
            .large_file(true);
        self.zip.start_file(name, options).map_err(io::Error::from)
    }

    /// Gives the archive its name, once it is on the disk.
    fn finish(self, name: &Path) -> Result<(), BackupError> {
        let Archive { path, zip } = self;
        let finished = zip.finish().map_err(io::Error::from).and_then(|file| file.sync_all());
        finished.map_err(|error| BackupError::failed(&path, &error))?;
        fs::rename(&path, name).and_then(|()| sync_folder_of(name)).map_err(|error| BackupError::failed(name, &error))
    }
}

/// Why a copy of bytes has ended before its time.
pub(super) enum Broken {
    Read(io::Error),
    Write(io::Error),
    Stopped,
}

impl Broken {
    pub(super) fn of(self, from: &Path, to: &Path) -> BackupError {
        match self {
            Broken::Read(error) => BackupError::failed(from, &error),
            Broken::Write(error) => BackupError::failed(to, &error),
            Broken::Stopped => BackupError::Stopped,
        }
    }
}

/// Copies to the end of `from`, unless it is stopped; the bytes.
pub(super) fn copy_all(from: &mut impl io::Read, to: &mut impl io::Write, stop: &StopFlag) -> Result<u64, Broken> {
    let mut buffer = vec![0; 256 * 1024];
    let mut copied = 0;
    loop {
        stop.check().map_err(|_| Broken::Stopped)?;
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                to.write_all(&buffer[..count]).map_err(Broken::Write)?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Read(error)),
        }
    }
}

/// Makes the name of `path` durable.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
