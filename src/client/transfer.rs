//! The body of a response as it goes over the wire, its transfer coding undone (RFC 9112 6 and 7.1). Read as browsers do:
//! lines may end in LF alone, and what follows a chunk's size in its line is passed over.

use super::connection::Connection;
use super::error::Malformed;
use super::head::Length;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The longest line with a chunk's size, extensions included.
const SIZE_BYTES_MAX: usize = 4 * 1024;
/// All trailers together, which nobody reads.
const TRAILERS_BYTES_MAX: usize = 16 * 1024;
/// How long the end of a body is waited for once its content is whole: another connection takes about as long.
const END_WAIT: Duration = Duration::from_millis(50);

/// Reads to the end of the body and not beyond. That the connection ends before is an `UnexpectedEof`.
pub(super) struct Transfer<'a> {
    connection: &'a mut Connection,
    next: Next,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    /// So many bytes of a body of known length.
    Bytes(u64),
    /// Whatever is left until the connection ends.
    Rest,
    /// The body is over, and another response may follow.
    Nothing,
    /// The connection is over as well.
    NoMore,
}

impl Transfer<'_> {
    pub(super) fn new(connection: &mut Connection, length: Length) -> Transfer<'_> {
        let next = match length {
            Length::Bytes(0) => Next::Nothing,
            Length::Bytes(bytes) => Next::Bytes(bytes),
            Length::Chunked => Next::Size,
            Length::Connection => Next::Rest,
        };
        Transfer { connection, next }
    }

    /// Whether the body ends here, so that the connection may carry another response. A content coding may be whole before
    /// the body is: its last chunk is there, or comes in a moment.
    pub(super) fn ends(&mut self) -> bool {
        match self.next {
            Next::Nothing => true,
            Next::Rest | Next::NoMore => false,
            Next::Size | Next::Chunk(_) | Next::ChunkEnd | Next::Bytes(_) => {
                self.connection.set_deadline(Instant::now() + END_WAIT);
                matches!(self.read(&mut [0]), Ok(0))
            }
        }
    }

    fn take(&mut self, buffer: &mut [u8], left: u64) -> io::Result<(usize, u64)> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match self.connection.read(&mut buffer[..most])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok((read, left - read as u64)),
        }
    }

    fn trailers(&mut self) -> io::Result<()> {
        let mut left = TRAILERS_BYTES_MAX;
        loop {
            match self.connection.line(left)?.len() {
                0 => return Ok(()),
                // Its end has a byte at least.
                bytes => left = left.saturating_sub(bytes + 1),
            }
        }
    }
}

impl Read for Transfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next {
                Next::Size => {
                    self.next = match size(self.connection.line(SIZE_BYTES_MAX)?)? {
                        0 => {
                            self.trailers()?;
                            Next::Nothing
                        }
                        size => Next::Chunk(size),
                    };
                }
                Next::Chunk(left) => {
                    let (read, left) = self.take(buffer, left)?;
                    self.next = if left == 0 { Next::ChunkEnd } else { Next::Chunk(left) };
                    return Ok(read);
                }
                Next::ChunkEnd => {
                    if !self.connection.line(b"\r\n".len())?.is_empty() {
                        return Err(Malformed::error("a chunk is longer than its size says"));
                    }
                    self.next = Next::Size;
                }
                Next::Bytes(left) => {
                    let (read, left) = self.take(buffer, left)?;
                    self.next = if left == 0 { Next::Nothing } else { Next::Bytes(left) };
                    return Ok(read);
                }
                Next::Rest => {
                    let read = self.connection.read(buffer)?;
                    if read == 0 {
                        self.next = Next::NoMore;
                    }
                    return Ok(read);
                }
                Next::Nothing | Next::NoMore => return Ok(0),
            }
        }
    }
}

/// The size in a chunk's first line. What follows it, an extension or spaces, says nothing that is needed.
fn size(line: &[u8]) -> io::Result<u64> {
    let line = line.trim_ascii_start();
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !matches!(line.get(digits), None | Some(b';' | b' ' | b'\t')) {
        return Err(Malformed::error("a chunk's size is no hexadecimal number"));
    }
    let text = str::from_utf8(&line[..digits]).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| Malformed::error("a chunk's size is no hexadecimal number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body that `bytes` begin with, and whether another response may follow.
    fn read(bytes: &[u8], length: Length) -> io::Result<(Vec<u8>, bool)> {
        let mut connection = Connection::of_bytes(bytes);
        let mut transfer = connection.body(length);
        let mut body = Vec::new();
        transfer.read_to_end(&mut body)?;
        let ends = transfer.ends();
        Ok((body, ends))
    }

    #[test]
    fn bodies_end_where_they_say() {
        let text = vec![b'x'; 0x8000];
        let long = [b"8000\r\n", &text[..], b"\r\n0\r\n\r\n"].concat();
        for (bytes, length, body, ends) in [
            (&b"12345"[..], Length::Bytes(3), &b"123"[..], true),
            (b"", Length::Bytes(0), b"", true),
            (b"12345", Length::Connection, b"12345", false),
            (b"3\r\n123\r\n2;a=b\r\n45\r\n0\r\n\r\nHTTP/1.1", Length::Chunked, b"12345", true),
            (b" 03 \n123\n0;x\nTrailer: x\nAnother: y\n\n", Length::Chunked, b"123", true),
            (&long, Length::Chunked, &text, true),
        ] {
            let read = read(bytes, length).unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
            assert_eq!(read, (body.to_vec(), ends), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_cut_is_told_from_what_is_wrong() {
        let long_line = ["1;", &"x".repeat(SIZE_BYTES_MAX)].concat();
        let trailers = ["0\r\n", &"A: b\r\n".repeat(TRAILERS_BYTES_MAX / 5 + 1), "\r\n"].concat();
        for (text, length, kind) in [
            ("12", Length::Bytes(3), io::ErrorKind::UnexpectedEof),
            ("3\r\n12", Length::Chunked, io::ErrorKind::UnexpectedEof),
            ("3\r\n123", Length::Chunked, io::ErrorKind::UnexpectedEof),
            ("3\r\n123\r\n", Length::Chunked, io::ErrorKind::UnexpectedEof),
            ("3\r\n123\r\n0\r\n", Length::Chunked, io::ErrorKind::UnexpectedEof),
            ("3\r\n1234\r\n0\r\n\r\n", Length::Chunked, io::ErrorKind::InvalidData),
            ("\r\n", Length::Chunked, io::ErrorKind::InvalidData),
            ("-1\r\n", Length::Chunked, io::ErrorKind::InvalidData),
            ("0x1\r\n", Length::Chunked, io::ErrorKind::InvalidData),
            ("10000000000000000\r\n", Length::Chunked, io::ErrorKind::InvalidData),
            (&long_line, Length::Chunked, io::ErrorKind::InvalidData),
            (&trailers, Length::Chunked, io::ErrorKind::InvalidData),
        ] {
            let read = read(text.as_bytes(), length).map_err(|error| error.kind());
            assert_eq!(read, Err(kind), "{:?}", text.get(..40).unwrap_or(text));
        }
    }
}
