//! The folders in which clients may have the server write files of their choice.

use super::{BadSetting, Ingestion, Layers, Reader, Server, Target};
use std::path::{Path, PathBuf};

impl Reader<'_> {
    /// `AllowedOutputDirectoryCSVs`. The default is not the reference's `output`: documents are there.
    pub(super) fn output_folders(&mut self, section: &Layers<'_>) -> Vec<PathBuf> {
        self.folders(section, "AllowedOutputDirectoryCSVs", "replies")
    }

    /// `AllowedBackupDirectoryCSVs`, a name of our own.
    pub(super) fn backup_folders(&mut self, section: &Layers<'_>) -> Vec<PathBuf> {
        self.folders(section, "AllowedBackupDirectoryCSVs", "backup")
    }

    /// A list that is there and empty is no folder at all.
    fn folders(&mut self, section: &Layers<'_>, name: &str, default: &str) -> Vec<PathBuf> {
        let mut listed = section.list(name);
        if section.get(name).is_none() && listed.is_empty() {
            listed.push(default.to_owned());
        }
        let folders: Vec<PathBuf> = listed.iter().map(|folder| self.base.join(folder)).collect();
        // The working folder is the reference's rule; in the others are files that a restart reads.
        let mut own = vec![self.base.to_owned(), self.base.join("actions")];
        own.extend(std::env::current_dir());
        let is_own = |folder: &PathBuf| own.iter().any(|own| is_same(own, folder));
        if folders.iter().any(is_own) {
            let expected = "folders other than the working folder, that of the configuration, and actions";
            let problem: Result<Option<()>, BadSetting> = Err(section.bad(name, expected));
            self.or(problem, ());
        }
        folders
    }

    /// Documents and replies would lie among each other.
    pub(super) fn note_mixed_folders(&mut self, server: &Server, ingestion: &Ingestion) {
        let documents = ingestion.targets.iter().filter_map(|target| match target {
            Target::Files { directory, .. } => Some(directory),
            _ => None,
        });
        for directory in documents.filter(|directory| server.output_folders.contains(directory)) {
            let text = "[Server] AllowedOutputDirectoryCSVs lists the folder of the documents: a reply may take a name of theirs";
            self.warn(format!("{text}: {}", directory.display()));
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}
