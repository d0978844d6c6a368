//! Sitemaps (sitemaps.org protocol 0.9) in each of their forms: `urlset`, `sitemapindex`, RSS 2.0, Atom and plain text.
//!
//! Pure: bytes in, entries out; knows no scope and asks no server. Whatever is wrong with a part of a sitemap costs that
//! part: sites that forget a closing tag still have pages.

use crate::time::Moment;
use flate2::read::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::io::Read as _;

/// Of one sitemap, decompressed: what the protocol allows.
pub const SITEMAP_BYTES_MAX: usize = 50 << 20;
/// Entries of one sitemap: what the protocol allows.
pub const ENTRIES_MAX: usize = 50_000;
/// How deep indexes may name indexes. The protocol allows none in another; some sites have one more level.
pub const INDEX_DEPTH_MAX: u32 = 3;

/// What a sitemap lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemap {
    /// Pages.
    Pages(Vec<Entry>),
    /// Further sitemaps.
    Index(Vec<Entry>),
}

/// A line of a sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As written, without white space around it; to be joined to the sitemap's own URL.
    pub location: String,
    /// When it last changed, if the sitemap says so in a way that can be read.
    pub modified: Option<Moment>,
}

/// Why a body is no sitemap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASitemap {
    #[error("it has more than {SITEMAP_BYTES_MAX} bytes")]
    TooLarge,
    #[error("its compressed form is damaged")]
    Gzip,
    #[error("it is neither a sitemap, nor a feed, nor a list of URLs")]
    Unknown,
}

/// Reads a sitemap, compressed or not.
pub fn read(body: &[u8]) -> Result<Sitemap, NotASitemap> {
    let unpacked;
    let body = if body.starts_with(b"\x1f\x8b") {
        unpacked = unpack(body)?;
        unpacked.as_slice()
    } else {
        body
    };
    if body.len() > SITEMAP_BYTES_MAX {
        return Err(NotASitemap::TooLarge);
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') { read_xml(&text) } else { read_lines(&text) }
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, NotASitemap> {
    let mut unpacked = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(SITEMAP_BYTES_MAX as u64 + 1);
    decoder.read_to_end(&mut unpacked).map_err(|_| NotASitemap::Gzip)?;
    Ok(unpacked)
}

/// One URL a line. A text without any is no sitemap: an error page in plain text must not empty a site.
fn read_lines(text: &str) -> Result<Sitemap, NotASitemap> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_url = |line: &&str| line.starts_with("http://") || line.starts_with("https://");
    let entries: Vec<Entry> = lines.filter(is_url).take(ENTRIES_MAX).map(|line| Entry::of(line, None)).collect();
    if entries.is_empty() { Err(NotASitemap::Unknown) } else { Ok(Sitemap::Pages(entries)) }
}

/// The elements that matter, whatever their prefix.
fn read_xml(text: &str) -> Result<Sitemap, NotASitemap> {
    let mut reader = Reader::from_str(text);
    // A sitemap with an unescaped `&` or a missing end tag is still read as far as it can be.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_dangling_amp = true;
    let mut kind = None;
    let mut entries = Vec::new();
    let mut entry: Option<Draft> = None;
    let mut field: Option<Field> = None;
    // Open elements below the entry.
    let mut inside = 0_usize;
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) | Err(_) => break,
            Ok(event) => event,
        };
        let opens = matches!(event, Event::Start(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.local_name();
                let name = name.as_ref();
                if kind.is_none() {
                    kind = Some(Kind::of(name).ok_or(NotASitemap::Unknown)?);
                    continue;
                }
                if matches!(name, "url" | "sitemap" | "item" | "entry") {
                    entry = Some(Draft::default());
                    inside = 0;
                    continue;
                }
                // An image of a page has a location too: only the entry's own children count.
                field = if inside == 0 { Field::of(name) } else { None };
                inside += usize::from(opens);
                if let (Some(entry), Some(Field::Link)) = (&mut entry, field) {
                    // Atom's link is an attribute; of several, the page itself is the one without another relation.
                    let attribute = |name: &str| {
                        let value = start.try_get_attribute(name).ok().flatten()?;
                        Some(value.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned())
                    };
                    let relation = attribute("rel").unwrap_or_else(|| "alternate".to_owned());
                    if let (Some(href), "alternate") = (attribute("href"), relation.as_str())
                        && entry.location.is_empty()
                    {
                        entry.location = href;
                    }
                }
            }
            Event::End(end) => {
                if matches!(end.local_name().as_ref(), "url" | "sitemap" | "item" | "entry")
                    && let Some(draft) = entry.take()
                    && let Some(finished) = draft.finish()
                {
                    entries.push(finished);
                    if entries.len() == ENTRIES_MAX {
                        break;
                    }
                }
                field = None;
                inside = inside.saturating_sub(1);
            }
            Event::Text(text) => add(&mut entry, field, &text),
            Event::CData(text) => add(&mut entry, field, &text),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let resolved = reference.resolve_char_ref().ok().flatten().map(String::from);
                let known = || quick_xml::escape::resolve_predefined_entity(name).map(str::to_owned);
                // What is no reference is the text that it looks like.
                add(&mut entry, field, &resolved.or_else(known).unwrap_or_else(|| format!("&{name};")));
            }
            _ => {}
        }
    }
    match kind {
        Some(Kind::Index) => Ok(Sitemap::Index(entries)),
        Some(Kind::Pages) => Ok(Sitemap::Pages(entries)),
        None => Err(NotASitemap::Unknown),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Pages,
    Index,
}

impl Kind {
    /// By the document's root element.
    fn of(root: &str) -> Option<Kind> {
        match root {
            "urlset" | "rss" | "feed" | "RDF" => Some(Kind::Pages),
            "sitemapindex" => Some(Kind::Index),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Location,
    /// RSS has a text in it, Atom an attribute.
    Link,
    Modified,
}

impl Field {
    fn of(name: &str) -> Option<Field> {
        match name {
            "loc" => Some(Field::Location),
            "link" => Some(Field::Link),
            "lastmod" | "pubDate" | "updated" | "date" => Some(Field::Modified),
            _ => None,
        }
    }
}

/// An entry while it is read.
#[derive(Default)]
struct Draft {
    location: String,
    modified: String,
}

/// More than any URL or date has.
const TEXT_BYTES_MAX: usize = 4096;

fn add(entry: &mut Option<Draft>, field: Option<Field>, text: &str) {
    let (Some(entry), Some(field)) = (entry, field) else {
        return;
    };
    let to = match field {
        Field::Location | Field::Link => &mut entry.location,
        Field::Modified => &mut entry.modified,
    };
    if to.len() + text.len() <= TEXT_BYTES_MAX {
        to.push_str(text);
    }
}

impl Draft {
    fn finish(self) -> Option<Entry> {
        let location = self.location.trim();
        (!location.is_empty()).then(|| Entry::of(location, Moment::parse_published(&self.modified)))
    }
}

impl Entry {
    fn of(location: &str, modified: Option<Moment>) -> Entry {
        Entry { location: location.to_owned(), modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn pages(body: &str) -> Result<Vec<String>, NotASitemap> {
        match read(body.as_bytes())? {
            Sitemap::Pages(entries) => Ok(entries.into_iter().map(|entry| entry.location).collect()),
            Sitemap::Index(_) => Err(NotASitemap::Unknown),
        }
    }

    #[test]
    fn every_form_is_read() {
        let cases = [
            (
                "<?xml version='1.0'?><urlset xmlns='x'><url><loc> http://h/a </loc></url><url><loc>http://h/b</loc></url></urlset>",
                vec!["http://h/a", "http://h/b"],
            ),
            (
                "<s:urlset xmlns:s='x'><s:url><s:loc>http://h/?a=1&amp;b=2</s:loc></s:url></s:urlset>",
                vec!["http://h/?a=1&b=2"],
            ),
            ("<urlset><url><loc><![CDATA[http://h/a]]></loc></url></urlset>", vec!["http://h/a"]),
            ("<urlset><url><loc>http://h/&#97;</loc></url></urlset>", vec!["http://h/a"]),
            (
                "<urlset><url><loc>http://h/?a&b=1</loc></url><url><loc>http://h/c</loc></url>",
                vec!["http://h/?a&b=1", "http://h/c"],
            ),
            (
                "<urlset><url><loc>http://h/a</loc><image:image><image:loc>http://h/i.png</image:loc></image:image></url></urlset>",
                vec!["http://h/a"],
            ),
            (
                "<rss><channel><link>http://h/</link><item><title>t</title><link>http://h/a</link></item></channel></rss>",
                vec!["http://h/a"],
            ),
            (
                "<feed><link href='http://h/'/><entry><link rel='self' href='http://h/s'/><link href='http://h/a'/></entry></feed>",
                vec!["http://h/a"],
            ),
            ("\u{feff}http://h/a\r\n\r\n# no URL\nhttps://h/b", vec!["http://h/a", "https://h/b"]),
            ("<urlset></urlset>", vec![]),
        ];
        for (body, expected) in cases {
            assert_eq!(pages(body), Ok(expected.into_iter().map(str::to_owned).collect()), "{body}");
        }
    }

    #[test]
    fn what_is_no_sitemap_is_refused() {
        for body in ["", "Not found", "<html><body>Sorry</body></html>", "{}"] {
            assert_eq!(read(body.as_bytes()), Err(NotASitemap::Unknown), "{body}");
        }
        assert_eq!(read(b"\x1f\x8bnonsense"), Err(NotASitemap::Gzip));
    }

    #[test]
    fn an_index_names_sitemaps_with_their_dates() {
        let body = "<sitemapindex><sitemap><loc>http://h/1.xml</loc><lastmod>2026-11-20T10:00:00Z</lastmod></sitemap></sitemapindex>";
        let modified = Some(Moment::from_epoch_ms(1_795_168_800_000));
        assert_eq!(read(body.as_bytes()), Ok(Sitemap::Index(vec![Entry::of("http://h/1.xml", modified)])));
    }

    #[test]
    fn a_compressed_sitemap_is_unpacked_up_to_its_limit() -> std::io::Result<()> {
        let pack = |bytes: &[u8]| -> std::io::Result<Vec<u8>> {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        };
        assert_eq!(read(&pack(b"http://h/a")?), Ok(Sitemap::Pages(vec![Entry::of("http://h/a", None)])));
        assert_eq!(read(&pack(&vec![b' '; SITEMAP_BYTES_MAX + 1])?), Err(NotASitemap::TooLarge));
        Ok(())
    }

    #[test]
    fn entities_that_multiply_and_long_texts_stay_small() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]><urlset><url><loc>http://h/&b;</loc></url></urlset>";
        assert_eq!(pages(bomb), Ok(vec!["http://h/&b;".to_owned()]));
        let long = format!("<urlset><url><loc>{}</loc></url></urlset>", "&amp;".repeat(100_000));
        assert!(pages(&long).is_ok_and(|pages| pages[0].len() <= TEXT_BYTES_MAX));
    }
}
