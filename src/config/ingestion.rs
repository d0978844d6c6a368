//! `[Connector]` and `[Ingestion]`: where documents go.

use super::{BadSetting, Entry, Layers, Reader};
use crate::action::FromParam;
use std::path::PathBuf;

/// `[Connector]` and `[Ingestion]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingestion {
    /// Where documents go; nowhere if it is empty (`EnableIngestion=FALSE`).
    pub targets: Vec<Target>,
    /// The folders below which documents may be collected; absolute if [`super::Config::base`] is.
    pub destinations: Vec<PathBuf>,
    /// The value of `AUTN_GROUP`.
    pub group: String,
}

/// Somewhere that documents go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Connector Framework Server.
    Cfs { host: String, port: u16 },
    /// The index port of a Content server.
    Content { host: String, port: u16 },
    /// Files below `directory`, which is absolute if [`super::Config::base`] is.
    Files { format: Format, directory: PathBuf },
}

/// The form of the files that documents are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object per change.
    #[default]
    Jsonl,
    /// IDOL's own.
    Idx,
    /// One element per change.
    Xml,
    /// One record per change.
    Csv,
}

impl FromParam for Format {
    const EXPECTED: &'static str = "jsonl, idx, xml or csv";

    fn from_param(text: &str) -> Option<Format> {
        match text.trim().to_ascii_lowercase().as_str() {
            "jsonl" => Some(Format::Jsonl),
            "idx" => Some(Format::Idx),
            "xml" => Some(Format::Xml),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// What `IngesterType` may list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ingester {
    Cfs,
    Content,
    Files,
}

impl Reader<'_> {
    pub(super) fn ingestion(&mut self) -> Ingestion {
        let connector = self.layers(&["Connector"]);
        let is_enabled = self.or(connector.boolean("EnableIngestion"), true);
        let mut destinations = connector.list("AllowedDestinationDirectoryCSVs");
        if connector.get("AllowedDestinationDirectoryCSVs").is_none() && destinations.is_empty() {
            destinations.push("collected".to_owned());
        }
        let destinations = destinations.iter().map(|folder| self.base.join(folder)).collect();
        let group = connector.text("ConnectorGroup").unwrap_or_else(|| "Connector".to_owned());

        let section = self.layers(&["Ingestion"]);
        let default = if section.text("IngestHost").is_some() { Ingester::Cfs } else { Ingester::Files };
        let ingesters = self.or(ingesters(&section), vec![default]);
        let cfs = Target::Cfs {
            host: self.host(&section, "IngestHost", "localhost"),
            port: self.or(section.number("IngestPort", 1..=u16::MAX), 7000),
        };
        let content = Target::Content {
            host: self.host(&section, "IndexHost", "localhost"),
            port: self.or(section.number("IndexPort", 1..=u16::MAX), 9101),
        };
        let files = Target::Files {
            format: self.or(section.read("OutputFormat"), Format::default()),
            directory: self.path(&section, "OutputDirectory", "output"),
        };
        let unused = [
            (Ingester::Cfs, "CFS", ["IngestHost", "IngestPort"]),
            (Ingester::Content, "Content", ["IndexHost", "IndexPort"]),
            (Ingester::Files, "Files", ["OutputFormat", "OutputDirectory"]),
        ];
        for (ingester, name, parameters) in unused {
            for entry in parameters.into_iter().filter_map(|parameter| section.get(parameter)) {
                if is_enabled && !ingesters.contains(&ingester) {
                    let Entry { name: parameter, origin, .. } = entry;
                    self.warn(format!("{origin}: {parameter} has no effect: {name} is not in IngesterType"));
                }
            }
        }
        let target = |ingester: &Ingester| match ingester {
            Ingester::Cfs => cfs.clone(),
            Ingester::Content => content.clone(),
            Ingester::Files => files.clone(),
        };
        let targets = if is_enabled { ingesters.iter().map(target).collect() } else { Vec::new() };
        Ingestion { targets, destinations, group }
    }
}

fn ingesters(section: &Layers<'_>) -> Result<Option<Vec<Ingester>>, BadSetting> {
    let mut ingesters = Vec::new();
    for name in section.list("IngesterType") {
        let ingester = match name.to_ascii_lowercase().as_str() {
            "cfs" => Ingester::Cfs,
            "content" => Ingester::Content,
            "files" => Ingester::Files,
            _ => {
                return Err(
                    section.bad("IngesterType", "one or several of CFS, Content and Files, with a comma between")
                );
            }
        };
        if !ingesters.contains(&ingester) {
            ingesters.push(ingester);
        }
    }
    Ok(Some(ingesters).filter(|ingesters| !ingesters.is_empty()))
}
