//! `action=Diagnostic`: one file for whoever has to find a fault from afar.

use super::Answers;
use super::configuration::config_text;
use super::logstreams::{TAIL_BYTES_MAX, joined};
use super::queueinfo::latest;
use super::requestlog::request_log;
use crate::aci::{Element, ErrorCode, Failure, Raw, Reply};
use crate::log::tail;
use std::io::{Cursor, Write as _};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Before it is packed: the parts that are asked for first go before the logs.
const BYTES_MAX: usize = 16 << 20;
/// The latest actions of the queue.
const ACTIONS_MAX: usize = 100;

/// A ZIP in memory.
struct Bundle {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    bytes_left: usize,
    /// What was left out, and why.
    missing: String,
}

impl Answers {
    pub(super) fn diagnostic(&self) -> Reply {
        match self.bundle() {
            Ok(bytes) => {
                let content_type = "application/zip".to_owned();
                Reply::raw("Diagnostic", Raw { status: 200, content_type, bytes })
            }
            Err(error) => {
                let why = format!("the archive cannot be made: {error}");
                Reply::error("Diagnostic", Failure::new(ErrorCode::Internal, why))
            }
        }
    }

    fn bundle(&self) -> Result<Vec<u8>, ZipError> {
        let zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut bundle = Bundle { zip, bytes_left: BYTES_MAX, missing: String::new() };
        bundle.add("webconnector.cfg", config_text(&self.config).as_bytes())?;
        for (name, told) in [
            ("ValidateConfig", self.validation()),
            ("GetVersion", self.version()),
            ("GetStatusInfo", self.status_info()),
            ("GetStatistics", self.statistics()),
            ("ACIThreadStatus", self.threads()),
            ("TaskList", self.task_list(None, None)),
            ("QueueInfo", latest(&self.queue, ACTIONS_MAX)),
            ("GetRequestLog", self.journals.iter().flat_map(|journal| request_log(journal, None)).collect()),
            ("GetLogStreamNames", self.log_streams()),
        ] as [(&str, Vec<Element>); 9]
        {
            bundle.add(&format!("{name}.xml"), Reply::success(name, told).to_xml().as_bytes())?;
        }
        for stream in &self.config.logging.streams {
            let name = stream.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match tail(&stream.file.path, usize::MAX, TAIL_BYTES_MAX) {
                // A type of which nothing was ever logged.
                Ok(end) if end.lines.is_empty() => {}
                Ok(end) => bundle.add(&format!("logs/{}-{name}", stream.name), joined(&end.lines).as_bytes())?,
                Err(error) => bundle.miss(&name, &error.to_string()),
            }
        }
        bundle.finish()
    }
}

impl Bundle {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        if bytes.len() > self.bytes_left {
            self.miss(name, "it would be too much");
            return Ok(());
        }
        self.bytes_left -= bytes.len();
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.zip.start_file(name, options)?;
        self.zip.write_all(bytes)?;
        Ok(())
    }

    fn miss(&mut self, name: &str, why: &str) {
        self.missing.push_str(&[name, ": ", why, "\n"].concat());
    }

    fn finish(mut self) -> Result<Vec<u8>, ZipError> {
        if !self.missing.is_empty() {
            let missing = std::mem::take(&mut self.missing);
            self.zip.start_file(
                "missing.txt",
                SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
            )?;
            self.zip.write_all(missing.as_bytes())?;
        }
        Ok(self.zip.finish()?.into_inner())
    }
}
