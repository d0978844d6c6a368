//! Which kind of body it is: from the media type that the server names, or from the looks of the body.

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HTML and XHTML.
    Html,
    /// Any other XML, feeds among it: its text content.
    Xml,
    /// Plain text in any of its forms.
    Text,
    /// No text of its own; the body is delivered as it is.
    Other,
}

impl Kind {
    /// `media_type` in lower case.
    pub(super) fn of(media_type: &str) -> Kind {
        match media_type {
            "text/html" | "application/xhtml+xml" => Kind::Html,
            "text/xml" | "application/xml" => Kind::Xml,
            // For programs and for the eye: what they say to readers is little.
            "text/css" | "text/javascript" | "text/ecmascript" | "text/x-javascript" | "image/svg+xml" => Kind::Other,
            _ if media_type.ends_with("+xml") => Kind::Xml,
            _ if media_type.starts_with("text/") => Kind::Text,
            _ => Kind::Other,
        }
    }
}

/// The media type of a Content-Type header in lower case; `None` for those that servers send for not knowing.
pub(super) fn of_header(content_type: &str) -> Option<String> {
    let media_type = content_type.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_known =
        media_type.contains('/') && !["unknown/unknown", "application/unknown", "*/*"].contains(&media_type.as_str());
    is_known.then_some(media_type)
}

/// The media type that a body looks like, after the MIME Sniffing standard (section 7.1), as far as kinds differ.
pub(super) fn of_body(body: &[u8]) -> &'static str {
    const SNIFFED_BYTES: usize = 1445;
    const HTML_STARTS: &[&str] = &[
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
    ];
    let head = &body[..body.len().min(SNIFFED_BYTES)];
    if head.starts_with(b"\xFE\xFF") || head.starts_with(b"\xFF\xFE") {
        // UTF-16, full of NULs.
        return "text/plain";
    }
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let is_html = HTML_STARTS.iter().any(|html| {
        start.split_at_checked(html.len()).is_some_and(|(found, behind)| {
            found.eq_ignore_ascii_case(html.as_bytes())
                && matches!(behind.first(), Some(b' ' | b'>' | b'\n' | b'\r' | b'\t'))
        })
    });
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F);
    if is_html || start.starts_with(b"<!--") {
        "text/html"
    } else if start.starts_with(b"<?xml") {
        "text/xml"
    } else if start.starts_with(b"%PDF-") {
        "application/pdf"
    } else if head.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain"
    }
}
