//! Reading a response to its end: the body under its cap, its content codings undone.

use super::coding;
use super::error::{ClientError, Phase};
use super::response::{Headers, Response};
use crate::stop::StopFlag;
use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use ureq::http;

/// Most of a declared length that is reserved before the bytes are there.
const RESERVED_BYTES_MAX: u64 = 1024 * 1024;
/// Decoded bytes between two looks at the flag: what little bytes unfold to takes no look at a socket.
const PIECE_BYTES: u64 = 256 * 1024;

/// The whole response, its body cut at `bytes_max`.
pub(super) fn receive(
    response: http::Response<ureq::Body>,
    bytes_max: u64,
    stop: &StopFlag,
) -> Result<Response, ClientError> {
    let (parts, mut body) = response.into_parts();
    let headers = Headers::new(parts.headers);
    // A redirect says all in its head, and some servers announce a coding for a body that is not there.
    let is_redirect = parts.status.is_redirection();
    let codings = match coding::parse(headers.all(http::header::CONTENT_ENCODING.as_str())) {
        Ok(codings) => codings,
        Err(_) if is_redirect => Vec::new(),
        Err(unknown) => return Err(ClientError::Coding(unknown.to_string())),
    };
    // Of these, a body that only the connection's end would end is not waited for: some servers let it stay open.
    let is_challenge = parts.status == http::StatusCode::UNAUTHORIZED && headers.get("www-authenticate").is_some();
    let has_end = body.content_length().is_some() || headers.get("transfer-encoding").is_some();
    if (is_redirect || is_challenge) && !has_end {
        return Ok(Response { status: parts.status.as_u16(), headers, body: Vec::new(), truncated: false });
    }
    let expected = body.content_length().unwrap_or(0).min(bytes_max).min(RESERVED_BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    // One more than the cap tells a body of that size from a longer one, whose rest is never read.
    let limit = bytes_max.saturating_add(1);
    let source = Source { body: body.as_reader(), failure: &RefCell::new(None), is_over: &Cell::new(false) };
    let (failure, is_over) = (source.failure, source.is_over);
    let mut reader = coding::decoder(source, &codings, limit);
    let result = loop {
        stop.check().map_err(|_| ClientError::Stopped)?;
        let left = limit - bytes.len() as u64;
        match reader.by_ref().take(left.min(PIECE_BYTES)).read_to_end(&mut bytes) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    drop(reader);
    if let Err(error) = result
        && !is_redirect
    {
        return Err(match failure.take() {
            Some(failure) => ClientError::from_ureq(failure.into(), Phase::Body),
            None if is_over.get() || error.kind() == io::ErrorKind::UnexpectedEof => {
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data ends too early");
                ClientError::Broken { phase: Phase::Body, source }
            }
            None => ClientError::Coding(error.to_string()),
        });
    }
    let truncated = bytes.len() as u64 == limit;
    if truncated {
        bytes.pop();
    }
    Ok(Response { status: parts.status.as_u16(), headers, body: bytes, truncated })
}

/// The body as it comes, which remembers how it ended: a decoder would call the end of a connection damaged data.
struct Source<'a, R> {
    body: R,
    failure: &'a RefCell<Option<io::Error>>,
    is_over: &'a Cell<bool>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.body.read(buffer) {
            Ok(0) => {
                self.is_over.set(!buffer.is_empty());
                Ok(0)
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failure.replace(Some(error));
                Err(kind.into())
            }
            read => read,
        }
    }
}
