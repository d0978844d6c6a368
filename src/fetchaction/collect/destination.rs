//! Where collected documents are put: a folder with tags that each document fills in, below folders that the
//! configuration admits.

use crate::ingest::{Document, Identifier};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

/// Copies of one document: one for each value of a tag that is split.
const COPIES_MAX: usize = 100;
/// What a value may add to a folder's name, in characters.
const VALUE_CHARS_MAX: usize = 100;

/// A `Destination`: text with tags in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fetchaction) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `<DOC:FIELD>`, or `<DOC,:FIELD>` to split the value at commas.
    Document {
        field: String,
        separator: Option<String>,
    },
    /// `<ID:FIELD>`
    Identifier {
        field: IdentifierField,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdentifierField {
    Section,
    Reference,
}

/// The folders below which documents may be put, as absolute paths.
#[derive(Debug, Clone, Copy)]
pub(in crate::fetchaction) struct Admitted<'a> {
    /// From which relative destinations count.
    pub(in crate::fetchaction) base: &'a Path,
    pub(in crate::fetchaction) folders: &'a [PathBuf],
}

impl Template {
    /// Reads a destination; the error says what is wrong with it.
    pub(in crate::fetchaction) fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let (before, tag) = rest.split_at(start);
            let (tag, after) = tag[1..].split_once('>').ok_or_else(|| format!("the tag <{} has no end", &tag[1..]))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(piece(tag)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Template(pieces))
    }

    pub(in crate::fetchaction) fn has_tags(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The text, with each tag as `x`.
    pub(super) fn plain(&self) -> String {
        let text = self.0.iter().map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { "x" });
        text.collect()
    }

    /// Whether it leads below an admitted folder, whatever the tags become: a value is never more than a part of one name.
    pub(in crate::fetchaction) fn check(&self, admitted: Admitted<'_>) -> Result<(), String> {
        admitted.place(&self.plain()).map(drop)
    }

    /// The folders for a document, each once.
    pub(super) fn expand(&self, document: &Document, identifier: &Identifier) -> Result<Vec<String>, String> {
        let mut folders = vec![String::new()];
        for piece in &self.0 {
            let values = match piece {
                Piece::Text(text) => vec![text.clone()],
                Piece::Document { field, separator } => document_values(document, field, separator.as_deref())?,
                Piece::Identifier { field: IdentifierField::Section } => vec![as_name(identifier.section())],
                Piece::Identifier { field: IdentifierField::Reference } => vec![as_name(identifier.reference())],
            };
            if folders.len() * values.len() > COPIES_MAX {
                return Err(format!("the tags of its destination ask for more than {COPIES_MAX} copies"));
            }
            folders =
                folders.iter().flat_map(|folder| values.iter().map(move |value| format!("{folder}{value}"))).collect();
        }
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }
}

fn piece(tag: &str) -> Result<Piece, String> {
    let expected = "<DOC:FIELD>, <DOC,:FIELD>, <ID:SECTION> or <ID:REFERENCE> is expected";
    let unknown = || format!("the tag <{tag}> is not known; {expected}");
    let (kind, field) = tag.split_once(':').ok_or_else(unknown)?;
    let field = field.trim();
    if field.is_empty() {
        return Err(unknown());
    }
    if let Some(separator) = strip_prefix(kind, "DOC") {
        let separator = (!separator.is_empty()).then(|| separator.to_owned());
        return Ok(Piece::Document { field: field.to_owned(), separator });
    }
    let field = match field.to_ascii_lowercase().as_str() {
        _ if !kind.eq_ignore_ascii_case("ID") => return Err(unknown()),
        "s" | "section" => IdentifierField::Section,
        "r" | "reference" => IdentifierField::Reference,
        _ => return Err(unknown()),
    };
    Ok(Piece::Identifier { field })
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The values of a document's field as parts of names: all of them if they are split, else the first.
fn document_values(document: &Document, field: &str, separator: Option<&str>) -> Result<Vec<String>, String> {
    let is = |name: &str| name.eq_ignore_ascii_case(field);
    let own = match &document.title {
        _ if is("DREREFERENCE") => Some(document.reference.as_str()),
        Some(title) if is("DRETITLE") => Some(title.as_str()),
        _ => None,
    };
    let of_fields = document.fields.iter().filter(|(name, _)| is(name)).map(|(_, value)| value.as_str());
    let mut values = own.into_iter().chain(of_fields);
    let values: Vec<String> = match separator {
        None => values.next().map(as_name).into_iter().collect(),
        Some(separator) => {
            let parts = values.flat_map(|value| value.split(separator)).map(str::trim);
            parts.filter(|part| !part.is_empty()).map(as_name).collect()
        }
    };
    if values.is_empty() {
        return Err(format!("its destination names the field {field}, which it does not have"));
    }
    Ok(values)
}

/// A value as part of a name: nothing that could lead to another folder, or be hidden.
fn as_name(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_ ".contains(c);
    let plain = |(at, c): (usize, char)| if is_plain(c) || c == '.' && at > 0 { c } else { '_' };
    value.trim().chars().take(VALUE_CHARS_MAX).enumerate().map(plain).collect()
}

impl Admitted<'_> {
    /// The admitted folder that `text` leads below, and the names from there on. Looks at no disk.
    fn place(&self, text: &str) -> Result<(&Path, Vec<String>), String> {
        let text = text.trim();
        if text.starts_with("\\\\") {
            return Err(format!("{text} is a network path of Windows; a folder of this machine is expected"));
        }
        let path = self.base.join(text);
        let refused = |why: &str| Err(format!("{} {why}", path.display()));
        if path.components().any(|component| matches!(component, Component::ParentDir)) {
            return refused("has .. in it; name the folder itself");
        }
        let deepest =
            self.folders.iter().filter(|folder| path.starts_with(folder)).max_by_key(|folder| folder.as_os_str().len());
        let Some(folder) = deepest else {
            let admitted: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            return refused(&format!(
                "is not below a folder that [Connector] AllowedDestinationDirectoryCSVs lists: {}",
                if admitted.is_empty() { "it lists none".to_owned() } else { admitted.join(", ") }
            ));
        };
        let below = path.strip_prefix(folder).unwrap_or(Path::new(""));
        let mut names = Vec::new();
        for component in below.components() {
            let name = component.as_os_str().to_string_lossy().into_owned();
            if name.len() > 255 || name.contains('\0') {
                return refused("has a name in it that no folder can have");
            }
            names.push(name);
        }
        Ok((folder, names))
    }

    /// Makes the folder that `text` names, if it is not there, and returns its path. Below the admitted folder no
    /// symbolic link is followed: it could lead anywhere.
    pub(super) fn make(&self, text: &str) -> Result<PathBuf, String> {
        let (folder, names) = self.place(text)?;
        let failed = |path: &Path, error: io::Error| format!("the folder {} cannot be made: {error}", path.display());
        let builder = |recursive| {
            let mut builder = DirBuilder::new();
            builder.recursive(recursive).mode(0o750);
            builder
        };
        builder(true).create(folder).map_err(|error| failed(folder, error))?;
        let mut path = folder.to_owned();
        for name in names {
            path.push(name);
            if let Err(error) = builder(false).create(&path)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(failed(&path, error));
            }
            let kind = fs::symlink_metadata(&path).map_err(|error| failed(&path, error))?.file_type();
            if !kind.is_dir() {
                return Err(format!("{} is no folder but a link or a file, which is not followed", path.display()));
            }
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Document {
            reference: "http://h/a/../b?c=1".to_owned(),
            identifier: Identifier::new("docs", "http://h/a"),
            title: Some("../../etc".to_owned()),
            content: String::new(),
            fields: vec![
                field("CONTENT-TYPE", "text/html"),
                field("KEYWORDS", "one, two,"),
                field("keywords", "three"),
            ],
            file: None,
        }
    }

    fn expanded(template: &str) -> Result<Vec<String>, String> {
        let document = document();
        Template::parse(template)?.expand(&document, &document.identifier)
    }

    #[test]
    fn tags_become_names_and_never_paths() {
        let folders = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (template, expected) in [
            ("plain/folder", &["plain/folder"][..]),
            ("in/<ID:SECTION>/<DOC:CONTENT-TYPE>", &["in/DOCS/text_html"]),
            ("<doc:dretitle>", &["_._.._etc"]),
            ("<DOC:KEYWORDS>", &["one_ two_"]),
            ("k/<DOC,:KEYWORDS>/x", &["k/one/x", "k/three/x", "k/two/x"]),
            ("<ID:r>", &["http___h_a"]),
        ] {
            assert_eq!(expanded(template), folders(expected), "{template}");
        }
        for (template, reason) in [
            ("<DOC:NOPE>", "which it does not have"),
            ("<DOC>", "is not known"),
            ("<DOC:", "has no end"),
            ("<ID:PATH>", "is not known"),
            ("<FILE:x>", "is not known"),
        ] {
            assert!(expanded(template).is_err_and(|why| why.contains(reason)), "{template}: {:?}", expanded(template));
        }
    }

    #[test]
    fn a_destination_stays_below_an_admitted_folder() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let folders = [home.path().join("collected"), home.path().join("other/place")];
        let admitted = Admitted { base: home.path(), folders: &folders };
        assert_eq!(admitted.make("collected/a/b")?, folders[0].join("a/b"));
        assert_eq!(admitted.make(&folders[1].to_string_lossy())?, folders[1]);
        assert!(folders[0].join("a/b").is_dir());

        std::os::unix::fs::symlink(home.path(), folders[0].join("out"))?;
        fs::write(folders[0].join("file"), "x")?;
        for (text, reason) in [
            ("elsewhere", "is not below a folder"),
            ("/tmp", "is not below a folder"),
            ("", "is not below a folder"),
            ("collected/../elsewhere", "has .. in it"),
            ("collectedx", "is not below a folder"),
            ("\\\\host\\share", "network path"),
            ("collected/out/x", "which is not followed"),
            ("collected/file", "which is not followed"),
        ] {
            let made = admitted.make(text);
            assert!(made.as_ref().is_err_and(|why| why.contains(reason)), "{text}: {made:?}");
        }
        assert!(!home.path().join("x").exists());
        assert!(Template::parse("collected/<DOC:DRETITLE>")?.check(admitted).is_ok());
        assert!(Template::parse("<DOC:DRETITLE>/collected")?.check(admitted).is_err());
        Ok(())
    }
}
