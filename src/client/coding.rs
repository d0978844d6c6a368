//! Content codings: what a server may send, and undoing it piece by piece, so that what little bytes unfold to is never
//! held as a whole.

use brotli_decompressor::Decompressor;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

/// What a server is told that we take.
pub(super) const ACCEPTED: &str = "gzip, br, deflate, zstd";
/// Codings one on the other. One is usual; a proxy may add a second.
const LAYERS_MAX: usize = 4;
const BUFFER_BYTES: usize = 16 * 1024;
/// Largest window of a zstd frame in HTTP (RFC 9659 3).
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Codings of the IANA HTTP Content Coding Registry that are not undone. Any other name is no coding at all: servers put
/// charsets here, too, and browsers let them.
const NOT_UNDONE: [&str; 4] = ["compress", "x-compress", "dcb", "dcz"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Deflate,
    Zstd,
}

/// The body is in a coding that cannot be undone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("content coding {0} is not known, only {ACCEPTED} are")]
    Name(String),
    #[error("{0} content codings one on the other are more than the {LAYERS_MAX} that are undone")]
    TooMany(usize),
}

/// The codings of `Content-Encoding` fields, in the order in which they were applied (RFC 9110 8.4).
pub(super) fn parse<'a>(fields: impl Iterator<Item = &'a str>) -> Result<Vec<Coding>, Unknown> {
    let mut codings = Vec::new();
    for name in fields.flat_map(|field| field.split(',')).map(|name| name.trim().to_ascii_lowercase()) {
        match name.as_str() {
            "gzip" | "x-gzip" => codings.push(Coding::Gzip),
            "br" => codings.push(Coding::Brotli),
            "deflate" => codings.push(Coding::Deflate),
            "zstd" => codings.push(Coding::Zstd),
            name if NOT_UNDONE.contains(&name) => return Err(Unknown::Name(name.to_owned())),
            _ => {}
        }
    }
    if codings.len() > LAYERS_MAX { Err(Unknown::TooMany(codings.len())) } else { Ok(codings) }
}

/// `source` without `codings`, of which no layer gives more than `bytes_max`.
pub(super) fn decoder<'a>(source: impl Read + 'a, codings: &[Coding], bytes_max: u64) -> Box<dyn Read + 'a> {
    let mut reader: Box<dyn Read + 'a> = Box::new(source);
    for &coding in codings.iter().rev() {
        let buffered = BufReader::with_capacity(BUFFER_BYTES, reader);
        reader = Box::new(Layer::Unread { coding, source: Some(buffered) }.take(bytes_max));
    }
    reader
}

/// One coding. Nothing is what nothing is packed to, as many servers have it.
enum Layer<'a> {
    Unread { coding: Coding, source: Option<Buffered<'a>> },
    Read(Box<dyn Read + 'a>),
}

type Buffered<'a> = BufReader<Box<dyn Read + 'a>>;

impl Read for Layer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Layer::Unread { coding, source } = self {
            let Some(opened) = source else { return Ok(0) };
            if opened.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let Some(source) = source.take() else { return Ok(0) };
            *self = Layer::Read(match coding {
                Coding::Gzip => Box::new(MultiGzDecoder::new(source)),
                Coding::Brotli => Box::new(Decompressor::new(source, BUFFER_BYTES)),
                Coding::Deflate => Box::new(deflate(source)?),
                Coding::Zstd => Box::new(zstd(source)?),
            });
        }
        match self {
            Layer::Read(decoder) => decoder.read(buffer),
            Layer::Unread { .. } => Ok(0),
        }
    }
}

/// `deflate` is zlib's format (RFC 9110 8.4.1.2), and of some servers deflate's without it.
fn deflate(mut source: Buffered<'_>) -> io::Result<Inflate<Chain<Cursor<Vec<u8>>, Buffered<'_>>>> {
    let mut start = Vec::with_capacity(2);
    source.by_ref().take(2).read_to_end(&mut start)?;
    let state = Decompress::new(is_zlib(&start));
    Ok(Inflate { source: Cursor::new(start).chain(source), state, ended: false })
}

/// One frame, which is what a body is.
fn zstd(source: Buffered<'_>) -> io::Result<StreamingDecoder<Buffered<'_>, FrameDecoder>> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW_BYTES_MAX);
    StreamingDecoder::new_with_decoder(source, decoder).map_err(io::Error::other)
}

/// Deflate's own format or zlib's, which `state` knows; that it ends too early is an error.
struct Inflate<R> {
    source: R,
    state: Decompress,
    ended: bool,
}

/// RFC 1950 2.2: method 8, a window that exists, and a checksum over both bytes. As deflate such bytes would begin a
/// stored block whose length nearly never agrees with itself.
fn is_zlib(start: &[u8]) -> bool {
    let [method, flags] = *start else { return false };
    method & 0x0f == 8 && method >> 4 <= 7 && (u16::from(method) << 8 | u16::from(flags)) % 31 == 0
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let input = self.source.fill_buf()?;
            // There may be output left when all input has been taken.
            let is_over = input.is_empty();
            let flush = if is_over { FlushDecompress::Finish } else { FlushDecompress::None };
            let (in_before, out_before) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, buffer, flush).map_err(io::Error::other)?;
            let used = usize::try_from(self.state.total_in() - in_before).unwrap_or(input.len());
            let written = usize::try_from(self.state.total_out() - out_before).unwrap_or(buffer.len());
            self.source.consume(used);
            self.ended = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if used == 0 && !self.ended {
                let stuck = if is_over { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
                return Err(stuck.into());
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "hello, hello, hello, hello, hello, ";

    fn decode(bytes: &[u8], codings: &[Coding]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decoder(bytes, codings, 1_000_000).read_to_end(&mut plain)?;
        Ok(plain)
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::ZlibEncoder::new(plain, flate2::Compression::default());
        encoder.read_to_end(&mut packed).expect("memory can be read");
        packed
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(plain, flate2::Compression::default());
        encoder.read_to_end(&mut packed).expect("memory can be read");
        packed
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn a_list_of_codings_is_read_in_any_spelling() {
        use Coding::{Brotli, Deflate, Gzip, Zstd};
        for (fields, codings) in [
            (&[][..], Ok(vec![])),
            (&["gzip"], Ok(vec![Gzip])),
            (&["X-GZip"], Ok(vec![Gzip])),
            (&["deflate, gzip", "br"], Ok(vec![Deflate, Gzip, Brotli])),
            (&["identity", "", "utf-8", "zstd"], Ok(vec![Zstd])),
            (&["compress"], Err(Unknown::Name("compress".to_owned()))),
            (&["gzip,gzip,gzip,gzip,gzip"], Err(Unknown::TooMany(5))),
        ] {
            assert_eq!(parse(fields.iter().copied()), codings, "{fields:?}");
        }
    }

    #[test]
    fn every_coding_is_undone_and_several_in_a_row() -> io::Result<()> {
        let plain = PLAIN.as_bytes();
        for (packed, codings) in [
            (gzip(plain), &[Coding::Gzip][..]),
            (zlib(plain), &[Coding::Deflate]),
            // Without zlib's two bytes before and four behind.
            (zlib(plain)[2..zlib(plain).len() - 4].to_vec(), &[Coding::Deflate]),
            (zstd(plain), &[Coding::Zstd]),
            (gzip(&zlib(plain)), &[Coding::Deflate, Coding::Gzip]),
            ([gzip(b"hello, "), gzip(&plain[7..])].concat(), &[Coding::Gzip]),
        ] {
            assert_eq!(decode(&packed, codings)?, plain, "{codings:?}");
        }
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Deflate, Coding::Zstd] {
            assert_eq!(decode(b"", &[coding])?, b"", "{coding:?}");
        }
        Ok(())
    }

    #[test]
    fn what_is_cut_or_damaged_is_an_error() {
        let plain = PLAIN.as_bytes();
        let raw = zlib(plain)[2..10].to_vec();
        for (packed, coding) in [
            (gzip(plain), Coding::Gzip),
            (zlib(plain), Coding::Deflate),
            (raw.clone(), Coding::Deflate),
            (zstd(plain), Coding::Zstd),
        ] {
            for length in 1..packed.len() {
                assert!(decode(&packed[..length], &[coding]).is_err(), "{coding:?} cut at {length}");
            }
        }
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Deflate, Coding::Zstd] {
            assert!(decode(b"\xff\xff\xff\xffthis is nothing of the kind", &[coding]).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn no_layer_of_a_bomb_gives_more_than_the_cap() {
        let bomb = gzip(&gzip(&vec![0; 3_000_000]));
        let mut plain = Vec::new();
        let read = decoder(&bomb[..], &[Coding::Gzip, Coding::Gzip], 10_000).read_to_end(&mut plain);
        assert_eq!((read.ok(), plain.len()), (Some(10_000), 10_000));
        let empty_members = gzip(&gzip(b"").repeat(100_000));
        assert!(decoder(&empty_members[..], &[Coding::Gzip, Coding::Gzip], 10_007).read_to_end(&mut plain).is_err());
    }
}
