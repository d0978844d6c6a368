//! `action=BackupServer` and `action=RestoreServer`.

use super::Answers;
use crate::aci::{Caller, Element, ErrorCode, Failure};
use crate::server::Asked;
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

    /// The order is argued for in [`crate::server::restore`].
    pub(super) fn restore(&self, archive: &str, caller: &Caller) -> Result<Vec<Element>, Failure> {
        let Some(_waiting) = self.waits.begin_short() else {
            return Err(Failure::new(ErrorCode::Refused, format!("{}; try again later", self.waits)));
        };
        let staged = self.backups.stage(archive, &caller.stop_flag()).map_err(failure)?;
        let (archive, replaced) = (staged.archive.clone(), staged.replaced.clone());
        log::warn!(target: "application", "{} restores {}", caller.peer, archive.display());
        self.queue.shut_down();
        let committed = staged.commit();
        // Whatever came of it: the queue takes no more actions in this life.
        self.ask(Asked::Stop);
        committed.map_err(|error| failure(BackupError::AfterAll(Box::new(error))))?;
        let message = "the server stops now; its next start begins with the state of the backup, and keeps what there was in \
                       the folder replaced";
        Ok(vec![
            Element::value("filename", archive.display()),
            Element::value("replaced", replaced.display()),
            Element::text("message", message),
        ])
    }
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Param(bad) => bad.into(),
        error => Failure::new(ErrorCode::Refused, error.to_string()),
    }
}
