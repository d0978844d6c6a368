//! The chunked transfer coding (RFC 9112 7.1), decoded from bytes that arrive bit by bit. Pure.

use super::refusal::Refusal;
use memchr::memchr;

/// The longest chunk size line, extensions included. No client of the protocol sends extensions.
const LINE_BYTES_MAX: usize = 256;

/// All trailers together; they are read and dropped.
const TRAILERS_BYTES_MAX: usize = 8 * 1024;

/// Where a body in chunks is. Line ends are CR LF and nothing else, as a front end could see other chunks otherwise.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Size,
    Data {
        left: u64,
    },
    /// The line end behind a chunk's data.
    DataEnd,
    Trailers {
        bytes: usize,
    },
    End,
}

/// What [`Chunked::advance`] has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The bytes given are used up as far as they can be; more are needed.
    More,
    /// The body is complete. What was not used belongs to the next request.
    End,
}

impl Chunked {
    /// Takes what it can from the start of `bytes`, appends the body within to `body`, and returns how many bytes
    /// it has used. Refuses a body that would grow beyond `bytes_max`.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        body: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(usize, Progress), Refusal> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match self.state {
                State::Size => {
                    let Some(line) = line(rest, LINE_BYTES_MAX)? else { return Ok((used, Progress::More)) };
                    let size = size(&rest[..line])?;
                    let room = bytes_max.saturating_sub(body.len());
                    if size > u64::try_from(room).unwrap_or(u64::MAX) {
                        return Err(Refusal::BodyTooLarge { bytes_max });
                    }
                    used += line;
                    self.state = if size == 0 { State::Trailers { bytes: 0 } } else { State::Data { left: size } };
                }
                State::Data { left } => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if taken == 0 {
                        return Ok((used, Progress::More));
                    }
                    body.extend_from_slice(&rest[..taken]);
                    used += taken;
                    // `taken` is at most `left`.
                    let left = left - taken as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok((used, Progress::More)),
                    _ => return Err(Refusal::Malformed("a chunk is longer than its size says")),
                },
                State::Trailers { bytes } => {
                    let Some(line) = line(rest, TRAILERS_BYTES_MAX - bytes)? else { return Ok((used, Progress::More)) };
                    used += line;
                    let is_last = line == b"\r\n".len();
                    self.state = if is_last { State::End } else { State::Trailers { bytes: bytes + line } };
                }
                State::End => return Ok((used, Progress::End)),
            }
        }
    }
}

/// The length of the first line of `bytes` with its CR LF, or `None` if it has no end yet.
fn line(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Refusal> {
    match memchr(b'\n', bytes) {
        Some(end) if end >= bytes_max => Err(Refusal::Malformed("a chunk's size line or the trailers are too long")),
        Some(end) if end == 0 || bytes[end - 1] != b'\r' => Err(Refusal::Malformed("a line ends without CR")),
        Some(end) => Ok(Some(end + 1)),
        None if bytes.len() >= bytes_max => Err(Refusal::Malformed("a chunk's size line or the trailers are too long")),
        None => Ok(None),
    }
}

fn size(line: &[u8]) -> Result<u64, Refusal> {
    const WRONG: Refusal = Refusal::Malformed("a chunk's size is not a hexadecimal number");
    // httparse takes a line without any digit for zero, which would end the body, and a space behind the digits, which
    // the grammar does not have.
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || !matches!(line.get(digits), Some(b'\r' | b';')) {
        return Err(WRONG);
    }
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((used, size))) if used == line.len() => Ok(size),
        Ok(_) | Err(_) => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, and what was left over.
    type Decoded = (Vec<u8>, Vec<u8>);

    /// Decodes `bytes` given in pieces of `step`.
    fn decode(bytes: &[u8], step: usize, bytes_max: usize) -> Result<Option<Decoded>, Refusal> {
        let (mut chunked, mut body, mut pending) = (Chunked::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(step) {
            pending.extend_from_slice(piece);
            let (used, progress) = chunked.advance(&pending, &mut body, bytes_max)?;
            pending.drain(..used);
            if progress == Progress::End {
                return Ok(Some((body, pending)));
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_become_a_body_however_they_arrive() {
        let bytes = b"4\r\nWiki\r\n6;a=b\r\npedia \r\nB\r\nin \r\nchunks\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..=bytes.len() {
            let body = decode(bytes, step, 100);
            assert_eq!(body, Ok(Some((b"Wikipedia in \r\nchunks".to_vec(), Vec::new()))), "in steps of {step}");
        }
    }

    #[test]
    fn what_follows_the_last_chunk_is_left() {
        assert_eq!(decode(b"1\r\na\r\n0\r\n\r\nGET /", 100, 1), Ok(Some((b"a".to_vec(), b"GET /".to_vec()))));
        assert_eq!(decode(b"1\r\na\r\n0\r\n", 1, 1), Ok(None));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long_line = format!("1;{}", "a".repeat(LINE_BYTES_MAX));
        let long_trailer = format!("0\r\n{}", "A: b\r\n".repeat(TRAILERS_BYTES_MAX / 6 + 1));
        let table = [
            "\r\n",
            ";\r\n",
            "x\r\n",
            "-1\r\n",
            "1\na",
            "1\r\nab\r\n",
            "1\r\na\n",
            "0x1\r\n",
            "1 1\r\n",
            "0 \r\n\r\n",
            "1 ;a\r\n",
            "11111111111111111\r\n",
            "1;a\nb\r\n",
            &long_line,
            &long_trailer,
            "0\r\nA: b\n\r\n",
        ];
        for bytes in table {
            let decoded = decode(bytes.as_bytes(), 1, 100);
            assert!(matches!(decoded, Err(Refusal::Malformed(_))), "{bytes:?}: {decoded:?}");
        }
    }

    #[test]
    fn a_body_beyond_its_limit_is_refused_before_it_is_read() {
        let refused = Err(Refusal::BodyTooLarge { bytes_max: 10 });
        assert_eq!(decode(b"b\r\n", 1, 10), refused);
        assert_eq!(decode(b"a\r\n0123456789\r\n1\r\n", 3, 10), refused);
        assert_eq!(decode(b"ffffffffffffffff\r\n", 20, 10), refused);
    }

    proptest! {
        /// Front ends cut the bytes where they like; what comes out must not depend on it.
        #[test]
        fn the_pieces_do_not_matter(pieces in prop::collection::vec(prop_oneof![
            Just("0"), Just("3"), Just("a"), Just("\r\n"), Just("\r"), Just("\n"), Just(";x"), Just("abc"), Just("\r\n\r\n")],
            0..16), step in 1_usize..8) {
            let bytes = pieces.concat().into_bytes();
            let whole = decode(&bytes, bytes.len().max(1), 8);
            let in_pieces = decode(&bytes, step, 8);
            prop_assert_eq!(whole.is_err(), in_pieces.is_err());
            let body = |decoded: Result<Option<Decoded>, Refusal>| decoded.ok().flatten().map(|(body, _)| body);
            prop_assert_eq!(body(whole), body(in_pieces));
        }
    }
}
