//! One page as the crawl sees it: a body and what its headers said, read into title, text, fields, links and wishes.
//!
//! Pure: bytes in, values out. It decides by media type how a body is read; it knows no URL and joins nothing.

mod media;
mod wishes;

pub use media::Kind;

use super::html::{self, Follows, Html, Links, Meta, Refresh, Syntax};
use super::shape::{Shaped, Shaping};
use super::{charset, robots};
use crate::stop::{StopFlag, Stopped};
use crate::time::Moment;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher as _;
use wishes::Wishes;

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub kind: Kind,
    /// In lower case, without parameters; the one that the body looks like if the server named none.
    pub media_type: String,
    /// The encoding's name, such as `UTF-8`; `None` if the body is not text.
    pub charset: Option<&'static str>,
    pub title: Option<String>,
    /// What a reader sees; empty for [`Kind::Other`].
    pub text: String,
    /// Names out of [`FIELDS`], in upper case, and values. A name may be repeated.
    pub fields: Vec<(String, String)>,
    /// Bytes of the whole page's text, and how many of them are of links.
    pub text_bytes: usize,
    pub link_text_bytes: usize,
    /// Not joined; relative to `base`, which is relative to the page's URL.
    pub links: Links,
    pub base: Option<String>,
    /// Its page is also among the links.
    pub refresh: Option<Refresh>,
    /// The page asks not to be indexed (any more).
    pub noindex: bool,
    /// The page asks that none of its links be followed.
    pub nofollow: bool,
    /// From then on the page asks not to be indexed.
    pub expires_at: Option<Moment>,
    /// Not joined.
    pub canonical: Option<String>,
    /// What stands where the task says that the page's date is.
    pub date_text: Option<String>,
    /// The page's date, if the task says where it is.
    pub dated_at: Option<Moment>,
    /// What is delivered of its markup, if anything is; in UTF-8.
    pub markup: Option<String>,
    /// Of what is delivered; equal for two visits if nothing that matters has changed.
    pub hash: [u8; 16],
}

/// The fields a page may have, and what they hold. `*` stands for the rest of a name.
///
/// A meta element's name is put in upper case, and characters other than letters, digits, `.`, `_` and `-` become `_`
/// (IDX allows no others). Meta elements that are not in this table are instructions to browsers or change with
/// every visit, as tokens against forgery do.
pub const FIELDS: &[(&str, &str)] = &[
    ("CONTENT-TYPE", "media type, without parameters"),
    ("CONTENT-LENGTH", "bytes of the body"),
    ("CHARSET", "character encoding of the body, if it is text"),
    ("LANGUAGE", "language that the page names for itself"),
    ("DESCRIPTION", "meta description"),
    ("KEYWORDS", "meta keywords"),
    ("AUTHOR", "meta author"),
    ("COPYRIGHT", "meta copyright"),
    ("DATE", "meta date"),
    ("GENERATOR", "program that wrote the page"),
    ("DC.*", "Dublin Core metadata"),
    ("DCTERMS.*", "Dublin Core terms"),
    ("CITATION_*", "bibliographic metadata"),
    ("ARTICLE_*", "Open Graph article metadata (article:*)"),
    ("OG_*", "Open Graph metadata (og:*)"),
    ("FB_*", "metadata for Facebook (fb:*)"),
    ("TWITTER_*", "metadata for Twitter cards (twitter:*)"),
];

/// Fields that can change although what a reader gets has not.
const NOT_CONTENT: &[&str] = &["CONTENT-LENGTH", "CHARSET", "GENERATOR"];

/// What a server sent for a page, as far as reading it depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub body: &'a [u8],
    pub content_type: Option<&'a str>,
    /// Every X-Robots-Tag.
    pub robots_headers: &'a [&'a str],
}

/// How pages are read.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// The crawler's User-Agent, whose product name directives may give.
    pub agent: &'a str,
    /// When the page was asked for.
    pub asked_at: Moment,
    /// `FollowRobotProtocol`; without it the page's wishes about robots are not looked at.
    pub obeys_robots: bool,
    pub follows: Follows,
    pub shaping: &'a Shaping,
}

/// Reads a page.
pub fn read(sent: Sent<'_>, how: How<'_>, stop: &StopFlag) -> Result<Page, Stopped> {
    let How { agent, asked_at, obeys_robots, follows, shaping } = how;
    let Sent { body, content_type, robots_headers } = sent;
    let media_type = content_type.and_then(media::of_header).unwrap_or_else(|| media::of_body(body).to_owned());
    let kind = Kind::of(&media_type);
    // Where the type had to be sniffed, the header's charset still counts.
    let parameters = content_type.and_then(|value| value.split_once(';')).map_or("", |(_, parameters)| parameters);
    let full_type = format!("{media_type};{parameters}");

    let mut page = Page {
        kind,
        media_type,
        charset: None,
        title: None,
        text: String::new(),
        fields: Vec::new(),
        text_bytes: 0,
        link_text_bytes: 0,
        links: Links::default(),
        base: None,
        refresh: None,
        noindex: false,
        nofollow: false,
        expires_at: None,
        canonical: None,
        date_text: None,
        dated_at: None,
        markup: None,
        hash: [0; 16],
    };
    let mut language = None;
    let mut metas = Vec::new();
    let mut shaped = Shaped::default();
    if kind != Kind::Other {
        let decoded = charset::decode(body, Some(&full_type));
        page.charset = Some(decoded.charset);
        match kind {
            Kind::Html => {
                let is_xml = page.media_type == "application/xhtml+xml";
                let syntax = if is_xml { Syntax::Xhtml } else { Syntax::Html };
                let html = html::read(&decoded.text, syntax, follows, stop)?;
                (language, metas) = (html.language.clone(), page.take_html(html));
                shaped = shaping.shape(&decoded.text, syntax, stop)?;
            }
            Kind::Xml => (page.title, page.text) = html::read_xml(&decoded.text),
            Kind::Text => page.text = plain(&decoded.text),
            Kind::Other => {}
        }
    }
    if obeys_robots {
        let product = robots::product(agent);
        let mut wishes = Wishes::default();
        for header in robots_headers {
            wishes.read_header(header, agent);
        }
        for meta in metas.iter().filter(|meta| meta.name == "robots" || meta.name.eq_ignore_ascii_case(product)) {
            wishes.read_meta(&meta.content);
        }
        let is_expired = wishes.expires_at.is_some_and(|expires_at| expires_at <= asked_at);
        page.noindex = wishes.noindex || is_expired;
        (page.nofollow, page.expires_at) = (wishes.nofollow, wishes.expires_at);
    }
    page.set_fields(body.len(), language, metas);
    page.take_shaped(shaped);
    page.hash = page.content_hash(body);
    Ok(page)
}

impl Page {
    /// Takes over what the HTML pass found, and hands back what has yet to be judged.
    fn take_html(&mut self, html: Html) -> Vec<Meta> {
        self.title = html.title;
        (self.text_bytes, self.link_text_bytes) = (html.text.len(), html.link_text_bytes);
        self.text = html.text;
        self.links = html.links;
        self.base = html.base;
        self.refresh = html.refresh;
        self.canonical = html.canonical;
        html.metas
    }

    fn take_shaped(&mut self, shaped: Shaped) {
        self.text = shaped.text.unwrap_or_else(|| std::mem::take(&mut self.text));
        self.fields.extend(shaped.fields);
        self.markup = shaped.markup;
        self.date_text = shaped.date;
    }

    fn set_fields(&mut self, body_bytes: usize, language: Option<String>, metas: Vec<Meta>) {
        let mut set = |name: &str, value: String| self.fields.push((name.to_owned(), value));
        set("CONTENT-TYPE", self.media_type.clone());
        set("CONTENT-LENGTH", body_bytes.to_string());
        if let Some(charset) = self.charset {
            set("CHARSET", charset.to_owned());
        }
        if let Some(language) = language {
            set("LANGUAGE", language);
        }
        for Meta { name, content } in metas {
            if let Some(field) = field_name(&name) {
                set(&field, content);
            }
        }
    }

    /// 128 bits: two contents that differ are as good as never taken for one, however many pages there are. The key is
    /// fixed because the hash is stored; a page made to collide with itself only hides its own change.
    fn content_hash(&self, body: &[u8]) -> [u8; 16] {
        let mut hasher = SipHasher13::new();
        let mut add = |part: &[u8]| {
            // The length keeps the parts apart.
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        };
        if self.kind == Kind::Other {
            add(self.media_type.as_bytes());
            add(body);
        } else {
            add(self.title.as_deref().unwrap_or_default().as_bytes());
            add(self.text.as_bytes());
            for (name, value) in self.fields.iter().filter(|(name, _)| !NOT_CONTENT.contains(&name.as_str())) {
                add(name.as_bytes());
                add(value.as_bytes());
            }
            add(self.markup.as_deref().unwrap_or_default().as_bytes());
        }
        hasher.finish128().as_bytes()
    }
}

/// The field that a meta element of this name sets, if it is one of [`FIELDS`].
fn field_name(meta: &str) -> Option<String> {
    let is_kept = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let name: String =
        meta.chars().map(|character| if is_kept(character) { character.to_ascii_uppercase() } else { '_' }).collect();
    // Set from headers, never by the page.
    if ["CONTENT-TYPE", "CONTENT-LENGTH", "CHARSET", "LANGUAGE"].contains(&name.as_str()) {
        return None;
    }
    let is_listed = FIELDS.iter().any(|(listed, _)| match listed.strip_suffix('*') {
        Some(start) => name.len() > start.len() && name.starts_with(start),
        None => name == *listed,
    });
    is_listed.then_some(name)
}

/// Text with line feeds between lines and without control characters or white space at its ends.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\n' | '\t' => out.push(character),
            _ if character.is_control() => {}
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(
        body: &[u8],
        content_type: Option<&str>,
        robots_header: Option<&str>,
        agent: &str,
        obeys_robots: bool,
    ) -> Page {
        let how =
            How { agent, asked_at: Moment::now(), obeys_robots, follows: Follows::Pages, shaping: &Shaping::default() };
        let robots_headers: Vec<&str> = robots_header.into_iter().collect();
        read(Sent { body, content_type, robots_headers: &robots_headers }, how, &StopFlag::new())
            .expect("nobody sets the flag")
    }

    fn html(body: &str) -> Page {
        whole(body.as_bytes(), Some("text/html"), None, "webconnector/1.0", true)
    }

    #[test]
    fn a_page_is_read_into_its_parts() {
        let body = "<!doctype html><html lang=en-GB><head><meta charset=utf-8><title>A &amp; B</title>\
            <base href=/b/><link rel=canonical href=/c><meta name=Description content=' What\n it is '>\
            <meta name=keywords content=k1,k2><meta property=og:title content=T><meta name=DC.Date.Issued content=2026>\
            <meta name=csrf-token content=x1><meta name=viewport content=w><meta name=content-length content=1>\
            <meta http-equiv=refresh content='9;url=next'></head>\
            <body><h1>Hello</h1><p>wor<b>ld</b> <a href=one rel=nofollow>1</a></body></html>";
        let page = html(body);
        assert_eq!((page.kind, page.media_type.as_str(), page.charset), (Kind::Html, "text/html", Some("UTF-8")));
        assert_eq!(page.title.as_deref(), Some("A & B"));
        assert_eq!(page.text, "Hello\nworld 1");
        assert_eq!((page.base.as_deref(), page.canonical.as_deref()), (Some("/b/"), Some("/c")));
        assert_eq!(page.refresh, Some(Refresh { delay_s: 9, href: "next".to_owned() }));
        let links: Vec<(&str, bool)> = page.links.iter().map(|link| (link.href, link.nofollow)).collect();
        assert_eq!(links, [("/c", false), ("next", false), ("one", true)]);
        let fields: Vec<(&str, &str)> =
            page.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let length = body.len().to_string();
        assert_eq!(
            fields,
            [
                ("CONTENT-TYPE", "text/html"),
                ("CONTENT-LENGTH", length.as_str()),
                ("CHARSET", "UTF-8"),
                ("LANGUAGE", "en-GB"),
                ("DESCRIPTION", "What it is"),
                ("KEYWORDS", "k1,k2"),
                ("OG_TITLE", "T"),
                ("DC.DATE.ISSUED", "2026"),
            ]
        );
    }

    #[test]
    fn wishes_about_robots_are_found_wherever_they_are() {
        for (meta, header, noindex, nofollow) in [
            ("", None, false, false),
            ("<meta name=ROBOTS content='NOINDEX,NOFOLLOW'>", None, true, true),
            ("<meta name=robots content='none'>", None, true, true),
            ("<meta name=robots content=' index , nocrawl '>", None, false, true),
            ("<meta name=robots content='all'><meta name=robots content=noindex>", None, true, false),
            ("<meta name=webconnector content=noindex>", None, true, false),
            ("<meta name=otherbot content=noindex>", None, false, false),
            ("<meta name=robots content='noindexed nofollowing'>", None, false, false),
            ("<meta name=robots content='unavailable_after: 2001-01-01'>", None, true, false),
            ("<meta name=robots content='unavailable_after: 9001-01-01'>", None, false, false),
            ("", Some("noindex"), true, false),
            ("", Some("otherbot: noindex, nofollow"), false, false),
            ("<meta name=robots content=noindex>", Some("nofollow"), true, true),
        ] {
            let page = whole(meta.as_bytes(), Some("text/html"), header, "WebConnector/1.0 (x)", true);
            assert_eq!((page.noindex, page.nofollow), (noindex, nofollow), "{meta} {header:?}");
            let page = whole(meta.as_bytes(), Some("text/html"), header, "WebConnector/1.0 (x)", false);
            assert_eq!((page.noindex, page.nofollow), (false, false), "{meta} {header:?}");
        }
    }

    #[test]
    fn the_kind_follows_the_type_or_the_looks() {
        for (body, content_type, kind, media_type) in [
            (&b"<p>x"[..], Some("Text/HTML; charset=utf-8"), Kind::Html, "text/html"),
            (b"<p>x", Some("application/xhtml+xml"), Kind::Html, "application/xhtml+xml"),
            (b"<p>x", Some("text/plain"), Kind::Text, "text/plain"),
            (b"<rss/>", Some("application/rss+xml"), Kind::Xml, "application/rss+xml"),
            (b"a{}", Some("text/css"), Kind::Other, "text/css"),
            (b"<svg/>", Some("image/svg+xml"), Kind::Other, "image/svg+xml"),
            (b"{}", Some("application/json"), Kind::Other, "application/json"),
            (b"\n <!DOCTYPE HTML>", None, Kind::Html, "text/html"),
            (b"<!-- x --><p>", Some(""), Kind::Html, "text/html"),
            (b"\xEF\xBB\xBF<html>", Some("unknown/unknown"), Kind::Html, "text/html"),
            (b"<htmlx>", None, Kind::Text, "text/plain"),
            (b"<?xml version='1.0'?><a/>", None, Kind::Xml, "text/xml"),
            (b"%PDF-1.7", None, Kind::Other, "application/pdf"),
            (b"\x89PNG\r\n\x1A\n\0", None, Kind::Other, "application/octet-stream"),
            (b"\xFF\xFEa\0", None, Kind::Text, "text/plain"),
            (b"", None, Kind::Text, "text/plain"),
        ] {
            let page = whole(body, content_type, None, "x", true);
            assert_eq!((page.kind, page.media_type.as_str()), (kind, media_type), "{content_type:?}");
            assert_eq!(page.charset.is_none(), kind == Kind::Other);
        }
    }

    #[test]
    fn a_charset_counts_also_where_the_type_is_sniffed() {
        let page = whole(b"<title>\xE4</title>", Some("*/*; charset=latin1"), None, "x", true);
        assert_eq!((page.kind, page.title.as_deref()), (Kind::Html, Some("\u{E4}")));
    }

    #[test]
    fn text_and_feeds_have_text_and_no_links() {
        let page = whole(b" a\r\nb\rc\0\x1B d\n", Some("text/plain"), None, "x", true);
        assert_eq!(page.text, "a\nb\nc d");

        let feed = "<?xml version='1.0'?><rss><channel><title>Ne&#119;s</title><link>http://h/</link>\
            <item><title>One</title><description><![CDATA[a < b]]> &amp; c</description></item></channel></rss>";
        let page = whole(feed.as_bytes(), Some("application/rss+xml"), None, "x", true);
        assert_eq!(page.title.as_deref(), Some("News"));
        assert_eq!(page.text, "http://h/\nOne\na < b & c");
        assert!(page.links.is_empty());
    }

    #[test]
    fn the_hash_changes_with_the_content_and_with_nothing_else() {
        let page = html("<title>t</title><p>a<a href=x>b</a><script>1</script><meta name=csrf-token content=1>");
        let same = html("<title>t</title> <p> a<a href=y>b</a><script>2</script><meta name=generator content=2>");
        assert_eq!(page.hash, same.hash);
        for other in
            ["<title>u</title><p>ab", "<title>t</title><p>a b", "<title>t</title><p>ab<meta name=author content=x>"]
        {
            assert_ne!(page.hash, html(other).hash, "{other}");
        }
        let binary = |body: &[u8]| whole(body, Some("image/png"), None, "x", true).hash;
        assert_eq!(binary(b"a"), binary(b"a"));
        assert_ne!(binary(b"a"), binary(b"b"));
    }

    #[test]
    fn any_bytes_are_read_into_little_more_than_themselves() {
        let pieces: &[&[u8]] = &[
            b"<",
            b">",
            b"</",
            b"<!--",
            b"-->",
            b"<a href=",
            b"<meta charset=",
            b"koi8-r",
            b"utf-16le",
            b"\"",
            b"'",
            b" ",
            b"=",
            b"&",
            b"&#",
            b"&amp;",
            b";",
            b"<script",
            b"<svg>",
            b"<title>",
            b"<?xml encoding=",
            b"\0",
            b"\xFF",
            b"\xFE",
            b"\xC2",
            b"\xA0",
            b"\xE4",
            b"\xF0\x9F\x98\x80",
            b"\xEF\xBB\xBF",
            b"\x1B$B",
            b"\r\n",
            b"x",
            b"9",
            b"]]>",
            b"<![CDATA[",
        ];
        let types =
            [None, Some("text/html"), Some("application/xhtml+xml"), Some("text/plain"), Some("text/xml"), Some("x")];
        // Knuth's MMIX generator: the test repeats what it did.
        let mut state = 1_u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or(0) % bound
        };
        for _ in 0..5000 {
            let body: Vec<u8> = (0..below(60)).flat_map(|_| pieces[below(pieces.len())].iter().copied()).collect();
            let page = whole(&body, types[below(types.len())], None, "webconnector", true);
            let hrefs: usize = page.links.iter().map(|link| link.href.len()).sum();
            let title = page.title.as_ref().map_or(0, String::len);
            // A byte of an old encoding is up to three in UTF-8, and so is what replaces a malformed one.
            assert!(page.text.len() + title + hrefs <= 2 * 3 * body.len(), "{}", String::from_utf8_lossy(&body));
        }
    }
}
