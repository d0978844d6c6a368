//! A site of any size whose pages are made from their URLs. Built with `rustc -O`; needs nothing but the standard library.
//!
//! Usage: `site PAGES DELAY_MS`. Prints its port and serves on loopback until its standard input ends.
//!
//! `/` is page 0. Page n links to pages 10n+1 to 10n+10, to the page that links to it and to five more anywhere, as far as
//! they are below PAGES. Each has an ETag, and is answered with 304 to who has it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let &[pages, delay_ms] = arguments.as_slice() else {
        eprintln!("usage: site PAGES DELAY_MS");
        std::process::exit(2);
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    println!("{}", listener.local_addr().expect("it is bound").port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = move || drop(serve(stream, pages, Duration::from_millis(delay_ms)));
            if thread::Builder::new().stack_size(128 * 1024).spawn(serve).is_err() {
                return;
            }
        }
    });
    // The bench holds the other end: if it dies, so does this.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn serve(mut stream: TcpStream, pages: u64, delay: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut reply) = (String::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        let mut has_copy = false;
        loop {
            line.clear();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            has_copy |= line.to_ascii_lowercase().starts_with("if-none-match:");
        }
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let page = if path == "/" { Some(0) } else { path.strip_prefix("/p/").and_then(|number| number.parse().ok()) };
        reply.clear();
        match page.filter(|number| *number < pages) {
            Some(number) if has_copy => write!(reply, "HTTP/1.1 304 Not Modified\r\nETag: \"{number}\"\r\n\r\n"),
            Some(number) => {
                let body = body(number, pages);
                let length = body.len();
                write!(
                    reply,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: \"{number}\"\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                )
            }
            None => write!(reply, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        }
        .expect("a String takes every text");
        stream.write_all(reply.as_bytes())?;
    }
}

fn body(number: u64, pages: u64) -> String {
    let mut body = format!("<!DOCTYPE html><html lang=en><title>Page {number}</title><h1>Page {number}</h1><ul>");
    let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let children = (1..=10).map(|child| number * 10 + child);
    let parent = number.saturating_sub(1) / 10;
    let others = [next(), next(), next(), next(), next()].map(|other| other % pages);
    for target in children.chain([parent]).chain(others).filter(|target| *target < pages) {
        let _ = write!(body, "<li><a href=\"/p/{target}\">page {target}</a>");
    }
    body.push_str("</ul><p>");
    for _ in 0..150 {
        let _ = write!(body, "{:x} ", next() & 0xff_ffff);
    }
    body.push_str("</p></html>\n");
    body
}
