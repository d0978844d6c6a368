//! What fuzz targets may reach of the wire: the way of a request from bytes to a type. Only with the feature `fuzzing`.

use super::chunked::{Chunked, Progress};
use super::head::{self, BodyLength, Head, Scan};
use super::{ACI_ACTIONS, SERVICE_ACTIONS, form, request};

const BODY_BYTES_MAX: usize = 64 * 1024;

/// A connection's bytes, read as the door does: in one piece and byte by byte, which must come to the same.
pub fn connection(bytes: &[u8]) {
    let whole = head_of(bytes, bytes.len().max(1));
    assert_eq!(whole, head_of(bytes, 1), "where the bytes are cut makes a difference");
    let Some((head, end)) = whole else { return };
    assert!(head.target.bytes().all(|byte| byte.is_ascii_graphic()), "what is passed on could be another request");
    let rest = &bytes[end..];
    let body = match head.body {
        BodyLength::Known(length) => {
            usize::try_from(length).ok().and_then(|length| rest.get(..length)).map(<[u8]>::to_vec)
        }
        BodyLength::Chunked => body_of(rest, rest.len().max(1)),
    };
    if let Some(body) = body {
        for table in [ACI_ACTIONS, SERVICE_ACTIONS] {
            let _ = request::parse(table, &head.target, head.content_type.as_deref(), &body);
        }
    }
}

fn head_of(bytes: &[u8], step: usize) -> Option<(Head, usize)> {
    let mut scan = Scan::default();
    let mut end = 0;
    while end < bytes.len() {
        end = (end + step).min(bytes.len());
        if let Some(range) = scan.advance(&bytes[..end]).ok()? {
            let head_end = range.end;
            return Some((head::parse(&bytes[range]).ok()?, head_end));
        }
    }
    None
}

/// A body in chunks, in one piece and in pieces, which must come to the same.
pub fn chunks(bytes: &[u8]) {
    let whole = body_of(bytes, bytes.len().max(1));
    assert_eq!(whole, body_of(bytes, 1), "where the bytes are cut makes a difference");
    assert!(whole.is_none_or(|body| body.len() <= BODY_BYTES_MAX));
}

fn body_of(bytes: &[u8], step: usize) -> Option<Vec<u8>> {
    let (mut chunked, mut body, mut pending) = (Chunked::default(), Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        pending.extend_from_slice(piece);
        let (used, progress) = chunked.advance(&pending, &mut body, BODY_BYTES_MAX).ok()?;
        pending.drain(..used);
        if progress == Progress::End {
            return Some(body);
        }
    }
    None
}

/// Parameters in a body. The first line is its type.
pub fn parameters(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let content_type = String::from_utf8_lossy(&bytes[..end]);
    let _ = form::read("/?a=b", Some(&content_type), bytes.get(end + 1..).unwrap_or_default());
}
