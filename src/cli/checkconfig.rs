//! `webconnector check-config [FILE]`: everything that is to be said about a configuration file, on standard output.

use super::Exit;
use crate::server::{Checked, check};
use log::Level;
use std::io::Write as _;
use std::path::Path;

/// Prints what is wrong first, then what someone should look at, then what is only worth knowing, and a count of each.
pub(super) fn check_config(path: &Path) -> Exit {
    let mut lines: Vec<(&str, String)> = Vec::new();
    match check(path) {
        Err(error) => lines.push(("error", error.to_string())),
        Ok(Checked { problems, notices }) => {
            lines.extend(problems.iter().map(|problem| ("error", problem.to_string())));
            let is_warning = |level: Level| level <= Level::Warn;
            let (warnings, notes): (Vec<_>, Vec<_>) = notices.into_iter().partition(|notice| is_warning(notice.level));
            lines.extend(warnings.into_iter().map(|notice| ("warning", notice.text)));
            lines.extend(notes.into_iter().map(|notice| ("note", notice.text)));
        }
    }
    let count = |kind: &str| lines.iter().filter(|(given, _)| *given == kind).count();
    let counted = ["error", "warning", "note"].map(|kind| match count(kind) {
        0 => format!("no {kind}s"),
        1 => format!("1 {kind}"),
        more => format!("{more} {kind}s"),
    });
    let mut out = std::io::stdout().lock();
    for (kind, text) in &lines {
        // Whoever closes the pipe has read enough.
        let _ = writeln!(out, "{kind}: {text}");
    }
    let _ = writeln!(out, "{}: {}", path.display(), counted.join(", "));
    if count("error") == 0 { Exit::Ok } else { Exit::Configuration }
}
