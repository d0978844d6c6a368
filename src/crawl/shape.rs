//! Shaping: which part of a page is its document, and which of its elements are fields (web-connector.md 2.6).
//!
//! Pure. Links are always those of the whole page: what is clipped away is a menu more often than not.

use super::html::{self, Follows, Syntax};
use super::html::{Selector, select};
use crate::stop::{StopFlag, Stopped};

/// What a task wants of its pages; the default takes them whole.
#[derive(Debug, Default)]
pub struct Shaping {
    pub clipping: Option<Clipping>,
    pub metadata: Vec<MetadataRule>,
    /// Whether a field holds the text of its element rather than its markup.
    pub metadata_as_text: bool,
    /// `PageDateSelector`: where the page's date stands.
    pub date: Option<ElementText>,
    /// Whether a document has its page beside it, as a file, and what is taken out of that.
    pub markup: Option<Markup>,
}

/// `ClippingMode=CSSCLIPPING`
#[derive(Debug, Default)]
pub struct Clipping {
    /// What is kept; everything without it.
    pub select: Option<Selector>,
    /// What is dropped of that.
    pub unselect: Option<Selector>,
}

/// `MetadataSelectorN` and `MetadataFieldNameN`: each element that matches gives the field a value.
#[derive(Debug)]
pub struct MetadataRule {
    pub element: ElementText,
    pub field: String,
}

/// What is taken of an element.
#[derive(Debug)]
pub struct ElementText {
    pub selector: Selector,
    /// An attribute of the element in place of its content (`selector@attribute`, an extension of our own).
    pub attribute: Option<String>,
}

/// `IngestAsPlainText=FALSE`: what of the page's markup is left out (`RemoveScripts` and so on).
#[derive(Debug, Default)]
pub struct Markup {
    pub removes_comments: bool,
    /// Of scripts, noframes and noscripts, those that are to go.
    pub removes: Option<Selector>,
}

/// What shaping makes of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shaped {
    /// The text of what is left; `None` if nothing is clipped.
    pub(super) text: Option<String>,
    pub(super) fields: Vec<(String, String)>,
    /// The text of the first element of `date`.
    pub(super) date: Option<String>,
    /// The markup of what is left.
    pub(super) markup: Option<String>,
}

/// Values of fields that selectors give, of one page.
const FIELDS_MAX: usize = 1000;
/// Of one value; a selector that matches `body` gives the whole page otherwise.
const VALUE_BYTES_MAX: usize = 64 * 1024;

impl Shaping {
    pub(super) fn shape(&self, source: &str, syntax: Syntax, stop: &StopFlag) -> Result<Shaped, Stopped> {
        let mut shaped = Shaped::default();
        let clipped = match &self.clipping {
            Some(Clipping { select, unselect }) => {
                Some(select::clip(source, syntax, select.as_ref(), unselect.as_ref(), stop)?)
            }
            None => None,
        };
        if let Some(clipped) = &clipped {
            shaped.text = Some(html::read(clipped, syntax, Follows::Pages, stop)?.text);
        }
        if !self.metadata.is_empty() {
            shaped.fields = self.fields(source, syntax, stop)?;
        }
        if let Some(element) = &self.date {
            let found = select::select(source, syntax, &[&element.selector], stop)?.into_iter().next();
            shaped.date = match (found, &element.attribute) {
                (Some(found), Some(attribute)) => html::attribute(&source[found.outer], syntax, attribute),
                (Some(found), None) => Some(html::read(&source[found.inner], syntax, Follows::Pages, stop)?.text),
                (None, _) => None,
            };
        }
        if let Some(markup) = &self.markup {
            let source = clipped.as_deref().unwrap_or(source);
            let without = select::clip(source, syntax, None, markup.removes.as_ref(), stop)?;
            let without = if markup.removes_comments { html::without_comments(&without, syntax) } else { without };
            shaped.markup = Some(without);
        }
        Ok(shaped)
    }

    fn fields(&self, source: &str, syntax: Syntax, stop: &StopFlag) -> Result<Vec<(String, String)>, Stopped> {
        let selectors: Vec<&Selector> = self.metadata.iter().map(|rule| &rule.element.selector).collect();
        let mut fields = Vec::new();
        for found in select::select(source, syntax, &selectors, stop)?.into_iter().take(FIELDS_MAX) {
            let rule = &self.metadata[found.selector];
            let value = match &rule.element.attribute {
                Some(attribute) => html::attribute(&source[found.outer], syntax, attribute),
                None if self.metadata_as_text => Some(
                    html::read(&source[found.inner], syntax, Follows::Pages, stop)?.text.replace(['\n', '\t'], " "),
                ),
                None => Some(source[found.inner].trim().to_owned()),
            };
            if let Some(mut value) = value.filter(|value| !value.is_empty()) {
                value.truncate(value.floor_char_boundary(VALUE_BYTES_MAX));
                fields.push((rule.field.clone(), value));
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<title>T</title><nav>menu</nav><main id=main><h1>One <b>and</b> two</h1><!-- c --><script>s</script>\
                        <p class=by><a rel=author href='/ann?a&amp;b'>Ann</a></main><h2>Three</h2>";

    fn shape(shaping: &Shaping) -> Shaped {
        shaping.shape(PAGE, Syntax::Html, &StopFlag::new()).expect("nobody sets the flag")
    }

    fn selector(text: &str) -> Selector {
        Selector::parse(text).expect("the tests hold selectors")
    }

    fn rule(text: &str, attribute: Option<&str>, field: &str) -> MetadataRule {
        let element = ElementText { selector: selector(text), attribute: attribute.map(str::to_owned) };
        MetadataRule { element, field: field.to_owned() }
    }

    #[test]
    fn what_is_left_of_a_page_is_its_text() {
        assert_eq!(shape(&Shaping::default()), Shaped::default());
        let clipping = Clipping { select: Some(selector("main")), unselect: Some(selector(".by")) };
        let shaped = shape(&Shaping { clipping: Some(clipping), ..Shaping::default() });
        assert_eq!(shaped.text.as_deref(), Some("One and two"));
    }

    #[test]
    fn elements_are_fields_in_the_order_of_the_page() {
        let metadata = || vec![rule("h2,h1", None, "HEADING"), rule("a[rel=author]", Some("href"), "AUTHOR_URL")];
        let as_text = shape(&Shaping { metadata: metadata(), metadata_as_text: true, ..Shaping::default() });
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (author, three) = (field("AUTHOR_URL", "/ann?a&b"), field("HEADING", "Three"));
        assert_eq!(as_text.fields, [field("HEADING", "One and two"), author.clone(), three.clone()]);
        let as_markup = shape(&Shaping { metadata: metadata(), ..Shaping::default() });
        assert_eq!(as_markup.fields, [field("HEADING", "One <b>and</b> two"), author, three]);
    }

    #[test]
    fn markup_goes_without_what_is_to_be_removed() {
        let clipping = || Some(Clipping { select: Some(selector("h1, script, p")), unselect: None });
        let whole = shape(&Shaping { clipping: clipping(), markup: Some(Markup::default()), ..Shaping::default() });
        assert!(whole.markup.is_some_and(|markup| markup.contains("<script>s</script>")));
        let markup = Markup { removes_comments: true, removes: Some(selector("script,noscript")) };
        let without = shape(&Shaping { markup: Some(markup), ..Shaping::default() }).markup.unwrap_or_default();
        assert!(
            !without.contains("script") && !without.contains("<!--") && without.contains("<nav>menu</nav>"),
            "{without}"
        );
    }
}
