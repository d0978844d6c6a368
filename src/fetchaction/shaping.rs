//! The parameters of a task that say which part of a page is its document, read into a [`Shaping`].

use super::dates;
use crate::config::{BadSetting, Layers, csv};
use crate::crawl::Shaping;
use crate::crawl::html::Selector;
use crate::crawl::shape::{Clipping, ElementText, Markup, MetadataRule};

/// Parameters under which a page that has not changed yields another document.
pub(super) const DECIDES: [&str; 11] = [
    "ClippingMode",
    "ClipPageUsingCssSelect",
    "ClipPageUsingCssUnselect",
    "MetadataSelector",
    "MetadataFieldName",
    "MetadataSelectorExtractPlainText",
    "IngestAsPlainText",
    "RemoveComments",
    "RemoveScripts",
    "RemoveNoframes",
    "RemoveNoscripts",
];

pub(super) fn shaping(layers: &Layers<'_>) -> Result<Shaping, BadSetting> {
    Ok(Shaping {
        clipping: clipping(layers)?,
        metadata: metadata(layers)?,
        date: dates::date_element(layers)?,
        metadata_as_text: flag(layers, "MetadataSelectorExtractPlainText", false)?,
        markup: if flag(layers, "IngestAsPlainText", true)? { None } else { Some(markup(layers)?) },
    })
}

fn flag(layers: &Layers<'_>, name: &str, default: bool) -> Result<bool, BadSetting> {
    Ok(layers.boolean(name)?.unwrap_or(default))
}

fn clipping(layers: &Layers<'_>) -> Result<Option<Clipping>, BadSetting> {
    let expected = "CSSCLIPPING, or nothing to take pages whole (READABILITY and SMARTPRINT are not supported)";
    let is_on = layers.read_with("ClippingMode", expected, |text| match text.to_ascii_uppercase().as_str() {
        "CSSCLIPPING" => Some(true),
        "NONE" | "OFF" => Some(false),
        _ => None,
    })?;
    if is_on != Some(true) {
        return Ok(None);
    }
    let list = |name| {
        let text = layers.list(name).join(",");
        (!text.is_empty()).then(|| selector(layers, name, &text)).transpose()
    };
    let clipping = Clipping { select: list("ClipPageUsingCssSelect")?, unselect: list("ClipPageUsingCssUnselect")? };
    if clipping.select.is_none() && clipping.unselect.is_none() {
        return Err(layers.bad("ClippingMode", "CSSCLIPPING with ClipPageUsingCssSelect or ClipPageUsingCssUnselect"));
    }
    Ok(Some(clipping))
}

/// `MetadataSelectorN` and `MetadataFieldNameN` in pairs; without numbers, both are lists of the same length.
fn metadata(layers: &Layers<'_>) -> Result<Vec<MetadataRule>, BadSetting> {
    let selectors = layers.numbered("MetadataSelector");
    let names = layers.numbered("MetadataFieldName");
    let mut rules = Vec::new();
    for (number, text) in &selectors {
        let Some((_, name)) = names.iter().find(|(named, _)| named == number) else {
            let expected = format!("a selector with its field in MetadataFieldName{number}");
            return Err(layers.bad("MetadataSelector", &expected));
        };
        let fields = csv(name);
        // One field takes the whole text, commas and all; several take an item each.
        let parts = if fields.len() > 1 { csv(text) } else { vec![text.clone()] };
        if parts.len() != fields.len() {
            return Err(layers.bad("MetadataFieldName", "as many fields as MetadataSelector has selectors"));
        }
        for (part, field) in parts.iter().zip(fields) {
            let element = element_text(layers, "MetadataSelector", part)?;
            rules.push(MetadataRule { element, field: field.trim().to_owned() });
        }
    }
    match names.iter().find(|(number, _)| !selectors.iter().any(|(selected, _)| selected == number)) {
        Some((number, _)) => {
            Err(layers.bad("MetadataFieldName", &format!("a field with its selector in MetadataSelector{number}")))
        }
        None => Ok(rules),
    }
}

/// `selector` or `selector@attribute`.
pub(super) fn element_text(layers: &Layers<'_>, name: &str, text: &str) -> Result<ElementText, BadSetting> {
    let (selectors, attribute) = match text.rsplit_once('@') {
        Some((selectors, attribute)) => (selectors, Some(attribute.trim().to_owned())),
        None => (text, None),
    };
    Ok(ElementText { selector: selector(layers, name, selectors)?, attribute })
}

fn markup(layers: &Layers<'_>) -> Result<Markup, BadSetting> {
    let mut elements = Vec::new();
    for (name, element) in
        [("RemoveScripts", "script"), ("RemoveNoframes", "noframes"), ("RemoveNoscripts", "noscript")]
    {
        if flag(layers, name, false)? {
            elements.push(element);
        }
    }
    let removes = (!elements.is_empty()).then(|| Selector::parse(&elements.join(",")).expect("names are selectors"));
    Ok(Markup { removes_comments: flag(layers, "RemoveComments", false)?, removes })
}

fn selector(layers: &Layers<'_>, name: &str, text: &str) -> Result<Selector, BadSetting> {
    Selector::parse(text).map_err(|why| layers.bad(name, &format!("a CSS selector ({why})")))
}
