//! `[Logging]`: the streams that it lists (aci.md 6.2). Without a list there is one for each type of record, or a single
//! one if `LogFile` is set.

use super::{BadSetting, Layers, Reader, Section, nearest, unquoted};
use crate::log::{self, Expire, File, Level, Stream, TYPES};
use std::path::Path;

impl<'a> Reader<'a> {
    pub(super) fn logging(&mut self) -> log::Settings {
        let sections = self.streams();
        let mut streams: Vec<Stream> = Vec::new();
        if sections.is_empty() {
            let settings = self.layers(&["Logging"]);
            let is_limited = settings.text("LogTypeCSVs").is_some();
            let types = if is_limited { self.types(&settings) } else { TYPES.to_vec() };
            if settings.text("LogFile").is_some() {
                streams.push(self.stream(&settings, "log", types));
            } else {
                streams.extend(types.into_iter().map(|kind| self.stream(&settings, kind, vec![kind])));
            }
        }
        for (name, section) in sections {
            let settings = Layers::new(std::iter::once(section).chain(self.ini.section("Logging")));
            let types = self.types(&settings);
            let stream = self.stream(&settings, &name, types);
            if streams.iter().any(|other| other.file.path == stream.file.path) {
                let expected =
                    "a file that no other stream writes; one stream takes several types: LogTypeCSVs=action,view";
                self.problems.push(settings.bad("LogFile", expected));
            } else {
                streams.push(stream);
            }
        }
        log::Settings { streams, stderr: None }
    }

    /// The streams that `0=`, `1=` and so on list, with their sections.
    fn streams(&mut self) -> Vec<(String, &'a Section)> {
        let Some(section) = self.ini.section("Logging") else {
            return Vec::new();
        };
        let mut streams: Vec<(String, &'a Section)> = Vec::new();
        for (_, entry) in section.numbered("") {
            let name = unquoted(&entry.value);
            match self.ini.section(&name) {
                None => {
                    let expected = "the name of a section with LogFile and LogTypeCSVs";
                    self.problems.push(BadSetting::unusable(section, entry, expected));
                }
                Some(_) if streams.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) => {
                    self.warn(format!("{}: the stream {name} is listed before", entry.origin));
                }
                Some(found) => streams.push((name, found)),
            }
        }
        streams
    }

    /// `LogTypeCSVs`. A type that nothing here logs is noted and passed over: the reference's other connectors have more.
    fn types(&mut self, settings: &Layers<'_>) -> Vec<&'static str> {
        let names = settings.list("LogTypeCSVs");
        if names.is_empty() {
            self.problems.push(settings.bad("LogTypeCSVs", &format!("one or more of {}", TYPES.join(", "))));
        }
        let mut types = Vec::new();
        for name in names {
            if let Some(kind) = TYPES.into_iter().find(|kind| kind.eq_ignore_ascii_case(&name)) {
                types.push(kind);
            } else {
                let origin = settings.get("LogTypeCSVs").map(|entry| format!("{}: ", entry.origin));
                let hint = nearest(&name, TYPES).map_or(String::new(), |meant| format!("; is {meant} meant?"));
                self.warn(format!("{}no log line is of the type {name}{hint}", origin.unwrap_or_default()));
            }
        }
        types
    }

    fn stream(&mut self, settings: &Layers<'_>, name: &str, types: Vec<&'static str>) -> Stream {
        let directory = self.path(settings, "LogDirectory", "logs");
        let file_name = settings.text("LogFile").unwrap_or_else(|| format!("{}.log", name.to_ascii_lowercase()));
        if Path::new(&file_name).file_name().is_none() {
            self.problems.push(settings.bad("LogFile", "the name of a file, such as action.log"));
        }
        let file_kib_max: u64 = self.or(settings.number("LogMaxSizeKBs", 1..=u64::MAX >> 10), 10 << 10);
        let archive = settings.text("LogArchiveDirectory").map(|archive| self.base.join(archive));
        Stream {
            name: name.to_owned(),
            types,
            level: self.or(settings.read("LogLevel"), Level::Normal),
            echo: self.or(settings.boolean("LogEcho"), false),
            file: File {
                archive: archive.unwrap_or_else(|| directory.join("archive")),
                path: directory.join(file_name),
                bytes_max: file_kib_max << 10,
                expire: self.or(settings.read("LogExpireAction"), Expire::default()),
                archived_max: self.or(settings.number("LogMaxArchives", 1..=10_000), 20),
            },
        }
    }
}
