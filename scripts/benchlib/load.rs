//! Sends one request over and over. Built with `rustc -O`; needs nothing but the standard library.
//!
//! Usage: `load PORT CONNECTIONS SECONDS TARGET WORD`. Every connection is kept alive and has one request under way. Prints
//! replies per second, the median and the 99th percentile of their times in milliseconds, the slowest, and how many replies
//! lacked the word.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const REPLY_BYTES_MAX: usize = 64 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, connections, seconds, target, word] = arguments.as_slice() else {
        return Err("usage: load PORT CONNECTIONS SECONDS TARGET WORD".into());
    };
    let (port, connections): (u16, usize) = (port.parse()?, connections.parse()?);
    let lasts = Duration::from_secs_f64(seconds.parse()?);
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let started = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (request, word) = (request.clone(), word.clone());
            thread::spawn(move || ask(port, &request, &word, started + lasts).map_err(|error| error.to_string()))
        })
        .collect();
    let (mut times, mut failures) = (Vec::new(), 0);
    for thread in threads {
        let (of_thread, failed) = thread.join().map_err(|_| "a connection's thread panicked")??;
        times.extend(of_thread);
        failures += failed;
    }
    let elapsed = started.elapsed();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    if times.is_empty() {
        return Err("no reply came in time".into());
    }
    println!(
        "{:.0} {:.3} {:.3} {:.3} {failures}",
        times.len() as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// The time of each reply until `end`, and how many lacked `word`.
fn ask(port: u16, request: &str, word: &str, end: Instant) -> std::io::Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let (mut times, mut failures, mut reply) = (Vec::new(), 0, vec![0; 64 * 1024]);
    while Instant::now() < end {
        let asked = Instant::now();
        stream.write_all(request.as_bytes())?;
        let bytes = read_reply(&mut stream, &mut reply)?;
        times.push(asked.elapsed());
        failures += usize::from(!contains(&reply[..bytes.min(1024)], word.as_bytes()));
    }
    Ok((times, failures))
}

/// Reads one reply with a Content-Length, and tells how long it is.
fn read_reply(stream: &mut TcpStream, reply: &mut Vec<u8>) -> std::io::Result<usize> {
    let invalid = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned());
    let (mut filled, mut whole) = (0, None);
    loop {
        let read = stream.read(&mut reply[filled..])?;
        if read == 0 {
            return Err(invalid("the connection was closed within a reply"));
        }
        filled += read;
        if whole.is_none()
            && let Some(end) = reply[..filled].windows(4).position(|window| window == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
            let length: Option<usize> =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let bytes = end + 4 + length.ok_or_else(|| invalid("a reply has no length"))?;
            if bytes > REPLY_BYTES_MAX {
                return Err(invalid("a reply is too long"));
            }
            reply.resize(reply.len().max(bytes), 0);
            whole = Some(bytes);
        }
        if whole.is_some_and(|bytes| filled >= bytes) {
            return Ok(filled);
        }
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
