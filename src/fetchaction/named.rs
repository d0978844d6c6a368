//! Documents that an action names by their identifiers: `Identifiers`, `IdentifiersXML`, and which pages are meant.

use super::Settings;
use super::identifiersxml;
use super::task::{self, PlanError, Sources, Task};
use crate::action::{BadParam, Params};
use crate::config::csv;
use crate::crawl::{DatastoreError, Entries, Reader};
use crate::ingest::Identifier;
use url::Url;

/// Documents of one action at most: each is held in memory until the action has ended.
pub(super) const NAMED_MAX: usize = 10_000;

/// A document that an action names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) identifier: Identifier,
    /// The identifier as the client gave it, which is how the result names it.
    pub(super) given: String,
    pub(super) url: Url,
    /// Fields that the action adds to the document.
    pub(super) fields: Vec<(String, String)>,
    /// Its own `Destination`.
    pub(super) destination: Option<String>,
    pub(super) file_name: Option<String>,
}

/// Documents of one task.
pub(super) struct Group {
    pub(super) task: Task,
    pub(super) named: Vec<Named>,
    /// The task has a section, whose scope may admit pages that no run has met.
    is_configured: bool,
}

/// Reads the identifiers of an action, in their order; both parameters may be given.
pub(super) fn read(params: &Params) -> Result<Vec<Named>, PlanError> {
    let mut named = Vec::new();
    for text in csv(params.get("Identifiers").unwrap_or("")) {
        let (identifier, given, url) = locate("Identifiers", &text)?;
        named.push(Named { identifier, given, url, fields: Vec::new(), destination: None, file_name: None });
    }
    if let Some(xml) = params.get("IdentifiersXML").filter(|xml| !xml.trim().is_empty()) {
        let entries = identifiersxml::parse(xml).map_err(|why| {
            let expected = format!("<identifiersXML><identifier value=\"…\"/></identifiersXML> ({why})");
            BadParam::unreadable("IdentifiersXML", xml, expected)
        })?;
        for entry in entries {
            let (identifier, given, url) = locate("IdentifiersXML", &entry.value)?;
            let identifiersxml::Entry { fields, destination, file_name, .. } = entry;
            named.push(Named { identifier, given, url, fields, destination, file_name });
        }
    }
    if named.len() > NAMED_MAX {
        let text = format!("the action names {} documents; {NAMED_MAX} are the most for one action", named.len());
        return Err(PlanError::Impossible(text));
    }
    Ok(named)
}

/// What an identifier names.
pub(super) fn locate(parameter: &str, text: &str) -> Result<(Identifier, String, Url), PlanError> {
    let bad = |why: String| {
        let expected = format!("the AUTN_IDENTIFIER of documents ({why})");
        PlanError::Param(BadParam::unreadable(parameter, text, expected))
    };
    let identifier = Identifier::decode(text).map_err(|why| bad(why.to_string()))?;
    let url = crate::url::parse(identifier.reference())
        .ok_or_else(|| bad(format!("its reference \"{}\" is no web address", identifier.reference())))?;
    // Its plus signs are lost if the client did not percent-encode them.
    Ok((identifier, text.trim().replace(' ', "+"), url))
}

/// The documents by the tasks that their identifiers name, in the order of their first ones.
pub(super) fn groups(settings: &Settings, sources: &Sources, named: Vec<Named>) -> Result<Vec<Group>, PlanError> {
    let mut groups: Vec<Group> = Vec::new();
    for each in named {
        let section = each.identifier.section();
        if let Some(group) = groups.iter_mut().find(|group| group.task.name.to_uppercase() == section) {
            group.named.push(each);
            continue;
        }
        let is_configured = sources.section(section).is_some();
        let task = task::of_section(settings, sources, section)?;
        groups.push(Group { task, named: vec![each], is_configured });
    }
    Ok(groups)
}

impl Group {
    /// Whether a page belongs to the task: a run has met it, or its scope admits it. An identifier is only text, and
    /// whoever can send one must not have this machine fetch whatever it can reach.
    pub(super) fn admits(&self, known: Option<&Reader>, url: &Url) -> Result<(), String> {
        admits(&self.task, self.is_configured, known, url)
    }
}

pub(super) fn admits(task: &Task, is_configured: bool, known: Option<&Reader>, url: &Url) -> Result<(), String> {
    let in_scope = match &task.crawl.entries {
        _ if !is_configured => Err("there is no such task section".to_owned()),
        // Without StayOnSite the scope of a crawl is whatever it links to, which only a run can tell.
        Entries::Starts(starts) if !starts.iter().any(|start| crate::url::same_site(start, url)) => {
            Err("it is on another site than every start".to_owned())
        }
        Entries::Listed(listed) if !listed.contains(url) => Err("SitemapFile does not list it".to_owned()),
        Entries::Sitemaps(_) => Err("no run has found it in a sitemap".to_owned()),
        Entries::Starts(_) | Entries::Listed(_) => task.crawl.scope.visits(url).map_err(|why| why.to_string()),
    };
    let Err(why) = in_scope else { return Ok(()) };
    let page = known.map(|known| known.page(url.as_str())).transpose();
    match page.map_err(|error: DatastoreError| format!("the datastore cannot be read: {error}"))?.flatten() {
        Some(_) => Ok(()),
        None => Err(format!("the task {} does not know this page, and its scope does not admit it: {why}", task.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_as_a_list_and_as_xml_and_each_must_name_a_page() {
        let one = Identifier::new("docs", "http://h/a").encode();
        let two = Identifier::new("docs", "http://h/b").encode();
        let params = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Params>();
        let xml = format!(
            "<identifiersXML><identifier value='{two}' filename='b.html'><metadata name='x' value='y'/></identifier>\
             </identifiersXML>"
        );
        let list = format!("{one},{two}");
        let named = read(&params(&[("identifiers", &list), ("IDENTIFIERSXML", &xml)])).unwrap_or_default();
        let urls: Vec<&str> = named.iter().map(|named| named.url.as_str()).collect();
        assert_eq!(urls, ["http://h/a", "http://h/b", "http://h/b"]);
        assert_eq!(named[2].file_name.as_deref(), Some("b.html"));
        assert_eq!(named[2].fields, [("x".to_owned(), "y".to_owned())]);
        assert_eq!(named[0].given, one);

        let file = Identifier::new("docs", "file:///etc/passwd").encode();
        for (name, value, reason) in [
            ("Identifiers", "!", "not the base64"),
            ("Identifiers", file.as_str(), "no web address"),
            ("IdentifiersXML", "<x/>", "identifiersXML"),
        ] {
            let error = read(&params(&[(name, value)])).map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|text| text.contains(name) && text.contains(reason)), "{error:?}");
        }
        assert_eq!(read(&params(&[])).map_err(|error| error.to_string()), Ok(Vec::new()));
    }
}
