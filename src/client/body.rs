//! Reading a response to its end: the body under its cap, its content codings undone.

use super::coding;
use super::connection::Connection;
use super::error::{ClientError, Phase};
use super::head::{Head, Length};
use super::response::Response;
use crate::stop::StopFlag;
use std::cell::{Cell, RefCell};
use std::io::{self, Read};

/// Most of a declared length that is reserved before the bytes are there.
const RESERVED_BYTES_MAX: u64 = 1024 * 1024;
/// What is reserved where no length is declared.
const UNDECLARED_BYTES: u64 = 32 * 1024;
/// Decoded bytes between two looks at the flag, as what little bytes unfold to takes no look at a socket; and what is made
/// ready for bytes at a time: memory that is only reserved costs nothing.
const PIECE_BYTES: usize = 64 * 1024;

/// The whole response that begins with `head`, its body cut at `bytes_max`, and whether `connection` may carry another.
pub(super) fn receive(
    connection: &mut Connection,
    head: Head,
    bytes_max: u64,
    stop: &StopFlag,
) -> Result<(Response, bool), ClientError> {
    let Head { status, headers, length, keeps } = head;
    // A redirect says all in its head, and some servers announce a coding for a body that is not there.
    let is_redirect = (300..400).contains(&status);
    // A coding of the transfer was put on after those of the content.
    let codings = match coding::parse(headers.all("content-encoding").chain(headers.all("transfer-encoding"))) {
        Ok(codings) => codings,
        Err(_) if is_redirect => Vec::new(),
        Err(unknown) => return Err(ClientError::Coding(unknown.to_string())),
    };
    // Of these, a body that only the connection's end would end is not waited for: some servers let it stay open.
    let is_challenge = status == 401 && headers.get("www-authenticate").is_some();
    if (is_redirect || is_challenge) && length == Length::Connection {
        return Ok((Response { status, headers, body: Vec::new(), truncated: false }, false));
    }
    // One more than the cap tells a body of that size from a longer one, whose rest is never read.
    let limit = bytes_max.saturating_add(1);
    let mut transfer = connection.body(length);
    let failure = RefCell::new(None);
    let is_over = Cell::new(false);
    let mut reader =
        coding::decoder(Source { body: &mut transfer, failure: &failure, is_over: &is_over }, &codings, limit);
    let declared = match length {
        Length::Bytes(bytes) => bytes.saturating_add(1).min(limit),
        Length::Chunked | Length::Connection => UNDECLARED_BYTES.min(limit),
    };
    let most = if codings.is_empty() && matches!(length, Length::Bytes(_)) { declared } else { limit };
    let (mut body, result) = read(&mut reader, declared, most, stop)?;
    drop(reader);
    let is_whole = result.is_ok();
    if let Err(error) = result
        && !is_redirect
    {
        return Err(match failure.take() {
            Some(failure) => ClientError::of_io(failure, Phase::Body),
            None if is_over.get() || error.kind() == io::ErrorKind::UnexpectedEof => {
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data ends too early");
                ClientError::Broken { phase: Phase::Body, source }
            }
            None => ClientError::Coding(error.to_string()),
        });
    }
    let truncated = body.len() as u64 == limit;
    if truncated {
        body.pop();
    }
    let is_free = keeps && is_whole && !truncated && transfer.ends();
    Ok((Response { status, headers, body, truncated }, is_free))
}

/// What comes up to `most` bytes, of which `expected` are probable, and how that ended. Where the end is known, one byte more
/// than comes is room to see it in.
fn read(
    reader: &mut dyn Read,
    expected: u64,
    most: u64,
    stop: &StopFlag,
) -> Result<(Vec<u8>, io::Result<()>), ClientError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(RESERVED_BYTES_MAX)).unwrap_or(0));
    let mut filled = 0;
    let result = loop {
        stop.check().map_err(|_| ClientError::Stopped)?;
        if filled == bytes.len() {
            if filled == most {
                break Ok(());
            }
            if filled == bytes.capacity() {
                bytes.reserve_exact(filled.clamp(1, most - filled));
            }
            bytes.resize(most.min(bytes.capacity()).min(filled + PIECE_BYTES), 0);
        }
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break Ok(()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    bytes.truncate(filled);
    Ok((bytes, result))
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
