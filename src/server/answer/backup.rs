//! `action=BackupServer`.

use super::Answers;
use crate::aci::{Caller, Element, ErrorCode, Failure};
use crate::server::backup::{BackupError, Made};

impl Answers {
    pub(super) fn back_up(&self, folder: Option<&str>, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let Some(_waiting) = self.waits.begin_short() else {
            return Err(Failure::new(ErrorCode::Refused, format!("{}; try again later", self.waits)));
        };
        let Made { path, outside } =
            self.backups.back_up(folder, (&self.queue, &self.fetch), &caller.stop_flag()).map_err(failure)?;
        log::info!(target: "application", "{} was made for {}", path.display(), caller.peer);
        let mut told = vec![Element::value("filename", path.display())];
        told.extend(outside.iter().map(|path| Element::value("notcontained", path.display())));
        Ok(told)
    }
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Param(bad) => bad.into(),
        error => Failure::new(ErrorCode::Refused, error.to_string()),
    }
}
