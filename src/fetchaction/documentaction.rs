//! What an action does to documents on their way: the lists `IngestActions` and `CollectActions` (web-connector.md 1.4, 1.5).

use crate::config::{BadSetting, Layers};
use crate::ingest::Document;

/// Gives each document one more value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    field: String,
    value: String,
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DocumentAction {
    Meta(Meta),
    /// Puts what is collected into one archive of this name.
    Zip(String),
}

/// Fields that say what the document itself says: another value would make it pass for another document.
const ITS_OWN: [&str; 3] = ["DREREFERENCE", "DRECONTENT", "AUTN_IDENTIFIER"];

impl Meta {
    pub(super) fn apply(&self, document: &mut Document) {
        // A document has one title.
        if self.field.eq_ignore_ascii_case("DRETITLE") {
            document.title = Some(self.value.clone());
        } else {
            document.fields.push((self.field.clone(), self.value.clone()));
        }
    }
}

impl DocumentAction {
    /// Reads one item; the error says why it cannot be done.
    pub(super) fn parse(item: &str) -> Result<DocumentAction, String> {
        let expected = "META:Field=Value is expected";
        let (kind, argument) = item.split_once(':').ok_or_else(|| format!("\"{item}\" has no colon; {expected}"))?;
        match kind.trim().to_ascii_lowercase().as_str() {
            "meta" => {
                let (field, value) =
                    argument.split_once('=').ok_or_else(|| format!("\"{item}\" has no =; {expected}"))?;
                let field = field.trim();
                if field.is_empty() {
                    return Err(format!("\"{item}\" names no field; {expected}"));
                }
                if ITS_OWN.iter().any(|own| own.eq_ignore_ascii_case(field)) {
                    return Err(format!("{field} is what the document itself says and cannot be set"));
                }
                Ok(DocumentAction::Meta(Meta { field: field.to_owned(), value: value.to_owned() }))
            }
            "zip" => Ok(DocumentAction::Zip(archive_name(argument.trim())?)),
            "lua" => Err(format!("\"{item}\": Lua scripts are not supported; {expected}")),
            _ => Err(format!("\"{item}\" is no action on documents that is known; {expected}")),
        }
    }
}

/// The name of an archive, without a folder: where it is put is for the destination to say.
fn archive_name(name: &str) -> Result<String, String> {
    if let Some((_, password)) = name.split_once(':')
        && !password.is_empty()
    {
        return Err("an archive cannot have a password: encrypted archives are not supported".to_owned());
    }
    let name = name.trim_end_matches(':');
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.contains(['/', '\\', '\0']) {
        return Err(format!("\"{name}\" is no name for an archive; ZIP:file.zip without a folder is expected"));
    }
    Ok(name.to_owned())
}

/// The `IngestActions` of a task. Archives are nothing that an index takes.
pub(super) fn ingest_actions(layers: &Layers<'_>) -> Result<Vec<Meta>, BadSetting> {
    let read = |item: String| {
        let bad = |why: String| layers.bad("IngestActions", &format!("META:Field=Value, separated by commas ({why})"));
        match DocumentAction::parse(&item).map_err(bad)? {
            DocumentAction::Meta(meta) => Ok(meta),
            DocumentAction::Zip(_) => Err(bad(format!("\"{item}\" is only for what is collected"))),
        }
    };
    layers.list("IngestActions").into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ini;

    #[test]
    fn items_are_read_or_refused_with_the_reason() {
        let meta = |field: &str, value: &str| {
            Ok(DocumentAction::Meta(Meta { field: field.to_owned(), value: value.to_owned() }))
        };
        assert_eq!(DocumentAction::parse("META:DREDBNAME=News"), meta("DREDBNAME", "News"));
        assert_eq!(DocumentAction::parse("meta: x =a=b"), meta("x", "a=b"));
        assert_eq!(DocumentAction::parse("META:x="), meta("x", ""));
        assert_eq!(DocumentAction::parse("Zip:all.zip"), Ok(DocumentAction::Zip("all.zip".to_owned())));
        let refused = [
            ("x", "has no colon"),
            ("META:x", "has no ="),
            ("META:=x", "names no field"),
            ("META:drereference=x", "cannot be set"),
            ("LUA:x.lua", "Lua scripts are not supported"),
            ("FTP:x", "no action on documents"),
            ("ZIP:a.zip:secret", "encrypted archives are not supported"),
            ("ZIP:../a.zip", "no name for an archive"),
            ("ZIP:", "no name for an archive"),
        ];
        for (item, reason) in refused {
            assert!(DocumentAction::parse(item).is_err_and(|why| why.contains(reason)), "{item}");
        }
    }

    #[test]
    fn ingest_actions_are_a_list_whose_items_may_hold_commas() -> Result<(), Box<dyn std::error::Error>> {
        let ini = Ini::parse("[T]\nIngestActions=META:a=1\\,2,META:b=3", "t")?;
        let read = ingest_actions(&Layers::of_task("T", [&ini]))?;
        let expected =
            [("a", "1,2"), ("b", "3")].map(|(field, value)| Meta { field: field.to_owned(), value: value.to_owned() });
        assert_eq!(read, expected);
        let ini = Ini::parse("[T]\nIngestActions=META:a=1,LUA:x.lua", "t")?;
        let refused = ingest_actions(&Layers::of_task("T", [&ini])).map_err(|bad| bad.to_string());
        assert!(refused.as_ref().is_err_and(|why| why.starts_with("t:2: [T] IngestActions")), "{refused:?}");
        Ok(())
    }
}
