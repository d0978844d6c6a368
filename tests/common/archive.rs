//! What is in an archive of `BackupServer`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Result};
use std::path::Path;
use zip::ZipArchive;

/// The parts of an archive by their names.
pub fn parts(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut zip = ZipArchive::new(File::open(path)?)?;
    let mut parts = BTreeMap::new();
    for number in 0..zip.len() {
        let (mut entry, mut bytes) = (zip.by_index(number)?, Vec::new());
        entry.read_to_end(&mut bytes)?;
        parts.insert(entry.name()?.into_owned(), bytes);
    }
    Ok(parts)
}
