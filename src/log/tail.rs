//! The end of a log file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The last lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// In the order of the file. What is not UTF-8 in them is replaced.
    pub lines: Vec<String>,
    /// Whether the file has more lines before these.
    pub has_more: bool,
}

/// Reads the last whole lines of the file at `path`: at most `lines_max`, within its last `bytes_max` bytes. A file
/// that does not exist has none: a stream makes its file with its first line.
pub fn tail(path: &Path, lines_max: usize, bytes_max: u64) -> io::Result<Tail> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tail::default()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    // One byte more: it tells whether what follows is the start of a line.
    let start = length.saturating_sub(bytes_max.saturating_add(1));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length - start).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if start == 0 { &*text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    let lines: Vec<&str> = whole.lines().collect();
    let cut = lines.len().saturating_sub(lines_max);
    Ok(Tail { lines: lines[cut..].iter().map(|&line| line.to_owned()).collect(), has_more: start > 0 || cut > 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_whole_lines_within_both_limits() -> io::Result<()> {
        let folder = tempfile::TempDir::new()?;
        let path = folder.path().join("a.log");
        let read = |lines, bytes| tail(&path, lines, bytes).map(|tail| (tail.lines.join("|"), tail.has_more));
        assert_eq!(read(10, 100)?, (String::new(), false), "no file yet");
        std::fs::write(&path, "one\ntwo\nthree\n")?;
        assert_eq!(read(10, 100)?, ("one|two|three".to_owned(), false));
        assert_eq!(read(2, 100)?, ("two|three".to_owned(), true));
        assert_eq!(read(10, 10)?, ("two|three".to_owned(), true), "exactly two lines");
        assert_eq!(read(10, 9)?, ("three".to_owned(), true), "a part of a line is no line");
        assert_eq!(read(0, 100)?, (String::new(), true));
        Ok(())
    }
}
