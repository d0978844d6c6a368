//! One pass over an HTML document: links, what it says about itself, and the text a reader sees.
//!
//! It owns a tokenizer that follows the HTML standard and no tree: nothing is built, text and links are taken as they
//! pass. It never fails, does no I/O, and takes time and memory in proportion to the document, whatever is in it.
//!
//! # What a reader sees
//!
//! Blocks are lines, cells are separated by a tab, other white space is one space; `<pre>` keeps its line breaks (not its
//! indentation). No-break spaces are spaces and soft hyphens nothing, since an index splits words at spaces. Left out
//! are: the title; scripts, styles, templates; form content (`textarea`, `select`, `datalist`); `noscript`, whose text
//! nearly always repeats what is there or asks for a browser with scripts; the fallback content of `iframe`, `audio`,
//! `video` and `canvas`; and elements with a `hidden` attribute (but not `hidden=until-found`, which find-in-page sees).
//! Links are taken from everywhere except templates: a menu is hidden from readers, not from crawlers.
//!
//! # Where this differs from a browser
//!
//! A browser builds a tree and repairs it. Each difference below needs a document that is broken, and leads to more links
//! than a browser has, or to words in another order or with another gap between them:
//!
//! - Tags that the tree ignores where they are still count: `<frame>` outside of a frameset, anything in a frameset.
//! - Links and text directly in a `<table>` stay where they are; a browser moves them before the table.
//! - The tag of a block that belongs to nothing, as a stray `</div>`, still begins a line.
//! - An element that hides its content and is never closed ends at an end tag that belongs to nothing within it. If
//!   that tag is a stray one, a browser would hide the rest as well. Likewise where tags overlap, as in
//!   `<video><p></video>`.
//! - `<pre>` ends at its end tag alone, and the text of a `<noscript>` in the head is left out like that of any other.
//! - Foreign content (SVG, MathML) that is never closed ends at those HTML tags that the standard names, but not where an
//!   element around it is closed. CDATA sections directly in a `<foreignObject>`, or another element in which HTML
//!   resumes, are comments, as they are deeper in it.
//! - A NUL in text is dropped everywhere; browsers show U+FFFD where they do not drop it.
//! - In an href, white space before the fragment is dropped with it.

mod foreign;
mod form;
mod links;
mod meta;
mod name;
#[cfg(test)]
mod oracle;
pub mod select;
mod selector;
mod skip;
#[cfg(test)]
mod tests;
mod text;
mod tokens;

pub use form::{Control, ControlKind, Form, Method, forms};
pub use links::{Link, Links};
pub use meta::Refresh;
pub use selector::{BadSelector, Element, Selector};

use crate::stop::{StopFlag, Stopped};
use foreign::Namespace;
use links::Gatherer;
use meta::is_related;
use name::{Name, Role};
use skip::Skip;
use text::{Folder, Gap, cut, decode_value, fold_value};
use tokens::{Tag, Text, Token, Tokens};

/// What [`read`] finds in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html {
    /// Of the first `<title>`, unless that is empty; at most [`TITLE_BYTES_MAX`] long.
    pub title: Option<String>,
    /// Lines without white space around them.
    pub text: String,
    /// The first `<base href>`, not joined. Links are relative to it.
    pub base: Option<String>,
    pub links: Links,
    pub metas: Vec<Meta>,
    /// `<html lang>`, or else the content-language that a meta element gives.
    pub language: Option<String>,
    /// The first `<link rel=canonical>`, not joined.
    pub canonical: Option<String>,
    /// The first one that names a page; also among the links.
    pub refresh: Option<Refresh>,
    /// How many bytes of the text are of links.
    pub link_text_bytes: usize,
}

/// What of a document is a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Follows {
    /// What leads to another page, and frames.
    #[default]
    Pages,
    /// What is embedded in the page as well: images, sound, video, objects.
    Embedded,
}

/// One `<meta name content>` or `<meta property content>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// In lower case, not empty.
    pub name: String,
    /// Not empty; at most [`META_BYTES_MAX`] long.
    pub content: String,
}

/// Which rules a document follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Html,
    /// Served as XML: `<script/>` closes itself, CDATA sections exist, no element has raw text. Read as leniently as HTML.
    Xhtml,
}

pub const TITLE_BYTES_MAX: usize = 4 * 1024;
pub const META_BYTES_MAX: usize = 16 * 1024;
const META_NAME_BYTES_MAX: usize = 100;
const METAS_MAX: usize = 200;

/// Tags and texts that are read between two looks at the flag: some tens of microseconds.
const TOKENS_BETWEEN_LOOKS: usize = 1024;

/// Reads a whole document, or as much as there is time for: a document of many megabytes takes longer than a stop may.
pub fn read(source: &str, syntax: Syntax, follows: Follows, stop: &StopFlag) -> Result<Html, Stopped> {
    let mut reader = Reader::new(source, follows);
    let mut tokens = Tokens::new(source, syntax);
    let mut count = 0;
    while let Some(token) = tokens.next() {
        count += 1;
        if count % TOKENS_BETWEEN_LOOKS == 0 {
            stop.check()?;
        }
        match token {
            Token::Text(text) => reader.text(text),
            Token::Start(tag) => reader.start(&tag),
            Token::End(name, namespace) => reader.end(name, namespace),
        }
    }
    Ok(reader.finish())
}

/// The value of an attribute of the element that `source` begins with.
pub fn attribute(source: &str, syntax: Syntax, name: &str) -> Option<String> {
    match Tokens::new(source, syntax).next()? {
        Token::Start(tag) => Some(decode_value(tag.value(&name.to_ascii_lowercase())?).into_owned()),
        Token::Text(_) | Token::End(..) => None,
    }
}

/// `source` without its comments, and whatever else browsers take for one.
pub fn without_comments(source: &str, syntax: Syntax) -> String {
    let mut tokens = Tokens::new(source, syntax);
    let mut without = String::with_capacity(source.len());
    loop {
        let text = match tokens.next() {
            Some(Token::Text(text)) => Some(text.source),
            Some(Token::Start(_) | Token::End(..)) => None,
            None => return without,
        };
        without.push_str(text.unwrap_or_else(|| &source[tokens.tag_at()..tokens.at()]));
    }
}

#[cfg(test)]
fn whole(source: &str, syntax: Syntax) -> Html {
    read(source, syntax, Follows::Pages, &StopFlag::new()).expect("nobody sets the flag")
}

/// The content of the first `title` element of an XML document, a feed for instance, and all its other text, one line an
/// element. References of HTML are known; those that a document declares for itself stay as they are.
pub fn read_xml(source: &str) -> (Option<String>, String) {
    let mut title = Title::NotSeen;
    let mut found = None;
    let mut text = Folder::default();
    let mut tokens = Tokens::new(source, Syntax::Xhtml);
    while let Some(token) = tokens.next() {
        match token {
            Token::Text(piece) => match &mut title {
                Title::Open(title) if title.len() < TITLE_BYTES_MAX => title.push(piece),
                Title::Open(_) => {}
                _ => text.push(piece),
            },
            Token::Start(tag) => {
                text.separate(Gap::Line);
                if tag.name == Name::Title {
                    title.open();
                }
            }
            Token::End(name, _) => {
                text.separate(Gap::Line);
                if name == Name::Title {
                    found = found.or(title.close());
                }
            }
        }
    }
    (found.or(title.close()), text.finish())
}

struct Reader<'a> {
    html: Html,
    links: Gatherer<'a>,
    text: Folder,
    title: Title,
    /// The element that hides what comes.
    skip: Option<Skip>,
    /// Open elements that keep line breaks.
    lines_kept_by: usize,
    meta_language: Option<String>,
    follows: Follows,
    /// Where the text of the link that is open begins.
    link_from: Option<usize>,
}

enum Title {
    NotSeen,
    Open(Folder),
    Closed,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, follows: Follows) -> Reader<'a> {
        Reader {
            html: Html::default(),
            links: Gatherer::default(),
            // Of pages with much markup, about a fifth is text.
            text: Folder::with_capacity(source.len() / 4),
            title: Title::NotSeen,
            skip: None,
            lines_kept_by: 0,
            meta_language: None,
            follows,
            link_from: None,
        }
    }

    fn finish(mut self) -> Html {
        self.close_title();
        self.close_link();
        let language = self.html.language.or(self.meta_language);
        Html { text: self.text.finish(), links: self.links.finish(), language, ..self.html }
    }

    fn text(&mut self, text: Text<'a>) {
        if let Title::Open(title) = &mut self.title {
            if title.len() < TITLE_BYTES_MAX {
                title.push(text);
            }
        } else if self.skip.is_none() {
            self.text.push(text);
        }
    }

    fn start(&mut self, tag: &Tag<'_, 'a>) {
        if let Some(skip) = &mut self.skip {
            // A template is one in HTML only.
            let is_plain = tag.namespace != Namespace::Html && tag.name == Name::Template;
            if skip.start(if is_plain { Name::Other } else { tag.name }, tag.is_empty) {
                if !skip.is_inert() {
                    self.collect(tag);
                }
                return;
            }
            self.skip = None;
        }
        self.collect(tag);
        let role = tag.name.role(tag.namespace);
        self.separate(role);
        if tag.is_empty {
            return;
        }
        if matches!(role, Role::Unseen | Role::Replaced) || is_hidden(tag) {
            self.skip = Some(Skip::new(tag.name));
        } else if tag.namespace == Namespace::Html && tag.name.keeps_lines() {
            self.lines_kept_by += 1;
            self.text.keeps_lines = true;
        }
    }

    fn end(&mut self, name: Name, namespace: Namespace) {
        if name == Name::Title {
            self.close_title();
        } else if name == Name::A {
            self.close_link();
        }
        if let Some(skip) = &mut self.skip {
            if skip.end(name) {
                return;
            }
            self.skip = None;
        }
        self.separate(name.role(namespace));
        if namespace == Namespace::Html && name.keeps_lines() {
            self.lines_kept_by = self.lines_kept_by.saturating_sub(1);
            self.text.keeps_lines = self.lines_kept_by > 0;
        }
    }

    fn separate(&mut self, role: Role) {
        match role {
            Role::Inline | Role::Unseen => {}
            Role::Space | Role::Replaced => self.text.separate(Gap::Space),
            Role::Cell => self.text.separate(Gap::Tab),
            Role::Block => self.text.separate(Gap::Line),
        }
    }

    /// Takes what a start tag says, whether readers see it or not.
    fn collect(&mut self, tag: &Tag<'_, 'a>) {
        match (tag.namespace, tag.name) {
            (Namespace::Html, Name::A | Name::Area) => self.anchor(tag, tag.value("href")),
            (Namespace::Svg, Name::A) => self.anchor(tag, tag.value("href").or_else(|| tag.value("xlink:href"))),
            (Namespace::Html, Name::Frame | Name::Iframe) => {
                if let Some(src) = tag.value("src") {
                    self.links.add(src, false);
                }
            }
            (Namespace::Html, Name::Link) => self.link(tag),
            (Namespace::Html, Name::Meta) => self.meta(tag),
            (Namespace::Html, Name::Base) if self.html.base.is_none() => {
                self.html.base = tag.value("href").map(|href| links::trim(&decode_value(href)).to_owned());
            }
            (Namespace::Html, Name::Html) if self.html.language.is_none() => {
                self.html.language = tag.value("lang").or_else(|| tag.value("xml:lang")).and_then(language_of);
            }
            (Namespace::Html, Name::Title) if !tag.is_empty => self.title.open(),
            (Namespace::Html, _) if self.follows == Follows::Embedded => self.embedded(tag),
            _ => {}
        }
    }

    fn anchor(&mut self, tag: &Tag<'_, 'a>, href: Option<&'a str>) {
        if let Some(href) = href {
            let nofollow = tag.value("rel").is_some_and(|rel| is_related(&decode_value(rel), &["nofollow"]));
            self.links.add(href, nofollow);
            if tag.name == Name::A && self.skip.is_none() {
                self.link_from.get_or_insert(self.text.len());
            }
        }
    }

    fn close_link(&mut self) {
        if let Some(from) = self.link_from.take() {
            self.html.link_text_bytes += self.text.len() - from;
        }
    }

    fn embedded(&mut self, tag: &Tag<'_, 'a>) {
        let (source, set) = match tag.name {
            Name::Img | Name::Source => ("src", Some("srcset")),
            Name::Audio | Name::Embed | Name::Track => ("src", None),
            Name::Video => ("src", Some("poster")),
            Name::Object => ("data", None),
            _ => return,
        };
        if let Some(source) = tag.value(source) {
            self.links.add(source, false);
        }
        match set.and_then(|set| tag.value(set)) {
            Some(poster) if tag.name == Name::Video => self.links.add(poster, false),
            Some(set) => {
                let set = decode_value(set);
                links::of_srcset(&set).for_each(|candidate| self.links.add_decoded(candidate, false));
            }
            None => {}
        }
    }

    fn link(&mut self, tag: &Tag<'_, 'a>) {
        let (Some(rel), Some(href)) = (tag.value("rel"), tag.value("href")) else {
            return;
        };
        let rel = decode_value(rel);
        let is_canonical = is_related(&rel, &["canonical"]);
        if is_canonical && self.html.canonical.is_none() {
            let href = decode_value(href);
            let href = links::trim(&href);
            self.html.canonical = (!href.is_empty()).then(|| href.to_owned());
        }
        // Feeds and other forms are alternates too; pages are those of the same type and those in another language.
        let is_page = || match tag.value("type").map(str::trim) {
            None | Some("") => true,
            Some(kind) => ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page)),
        };
        let is_other_form = || is_related(&rel, &["alternate"]) && !is_related(&rel, &["stylesheet"]);
        if is_canonical
            || is_related(&rel, &["next", "prev", "previous"])
            || is_other_form() && (tag.has("hreflang") || is_page())
        {
            self.links.add(href, is_related(&rel, &["nofollow"]));
        }
    }

    fn meta(&mut self, tag: &Tag<'_, 'a>) {
        let Some(content) = tag.value("content") else {
            return;
        };
        if let Some(name) = tag.value("name").or_else(|| tag.value("property")) {
            let (name, content) = (fold_value(name, META_NAME_BYTES_MAX), fold_value(content, META_BYTES_MAX));
            if !name.is_empty() && !content.is_empty() && self.html.metas.len() < METAS_MAX {
                self.html.metas.push(Meta { name: name.to_lowercase(), content });
            }
        }
        let Some(directive) = tag.value("http-equiv").map(str::trim) else {
            return;
        };
        if directive.eq_ignore_ascii_case("refresh") {
            if self.html.refresh.is_none() {
                self.html.refresh = meta::refresh(&decode_value(content));
                if let Some(refresh) = &self.html.refresh {
                    self.links.add_decoded(&refresh.href, false);
                }
            }
        } else if directive.eq_ignore_ascii_case("content-language") && self.meta_language.is_none() {
            self.meta_language = language_of(content);
        }
    }

    fn close_title(&mut self) {
        self.html.title = self.html.title.take().or(self.title.close());
    }
}

impl Title {
    fn open(&mut self) {
        if matches!(self, Title::NotSeen) {
            *self = Title::Open(Folder::default());
        }
    }

    /// Ends a title that is open, and returns it unless it is empty.
    fn close(&mut self) -> Option<String> {
        let Title::Open(folder) = self else {
            return None;
        };
        let mut title = std::mem::take(folder).finish();
        cut(&mut title, TITLE_BYTES_MAX);
        *self = Title::Closed;
        (!title.is_empty()).then_some(title)
    }
}

fn is_hidden(tag: &Tag<'_, '_>) -> bool {
    tag.namespace == Namespace::Html
        && tag.value("hidden").is_some_and(|value| !value.eq_ignore_ascii_case("until-found"))
}

/// A language tag such as `en-GB`, if it looks like one.
fn language_of(source: &str) -> Option<String> {
    const LANGUAGE_BYTES_MAX: usize = 35;
    let value = decode_value(source);
    let language = value.trim();
    let is_tag = !language.is_empty()
        && language.len() <= LANGUAGE_BYTES_MAX
        && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_tag.then(|| language.to_owned())
}
