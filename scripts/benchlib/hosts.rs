//! Many hosts in one process, which note when they are asked. Built with `rustc -O`; needs nothing but the standard library.
//!
//! Usage: `hosts HOSTS PAGES DELAY_MS`. Prints its port; the hosts are 127.1.0.0 and the addresses after it, each with as many
//! pages, of which `/` links to all others. When its standard input ends it prints how many requests came, and of the times
//! between two to one host, less the delay, from the third on, when the first wave has spread: how many were too short, the
//! least, the median, the 99th percentile and the greatest, in milliseconds.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

type Times = Arc<Mutex<HashMap<IpAddr, Vec<Instant>>>>;

fn main() {
    let arguments: Vec<u32> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let &[hosts, pages, delay_ms] = arguments.as_slice() else {
        eprintln!("usage: hosts HOSTS PAGES DELAY_MS");
        std::process::exit(2);
    };
    // One listener for all of them; nobody from elsewhere is answered.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("there is a free port");
    println!("{}", listener.local_addr().expect("it is bound").port());
    let times = Times::default();
    let noted = Arc::clone(&times);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let times = Arc::clone(&noted);
            let serve = move || drop(serve(stream, pages, &times));
            if thread::Builder::new().stack_size(128 * 1024).spawn(serve).is_err() {
                return;
            }
        }
    });
    // The bench holds the other end: if it dies, so does this.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());

    let times = times.lock().expect("no thread panics with it");
    let mut gaps: Vec<f64> = times
        .values()
        .flat_map(|times| times.windows(2).skip(2))
        .map(|two| (two[1] - two[0]).as_secs_f64() * 1000.0 - f64::from(delay_ms))
        .collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| gaps.get(((gaps.len().max(1) - 1) as f64 * part) as usize).copied().unwrap_or(0.0);
    let early = gaps.iter().filter(|gap| **gap < 0.0).count();
    let requests: usize = times.values().map(Vec::len).sum();
    let missing = hosts as usize - times.len().min(hosts as usize);
    println!("{requests} {missing} {early} {:.2} {:.2} {:.2} {:.2}", at(0.0), at(0.5), at(0.99), at(1.0));
}

fn serve(mut stream: TcpStream, pages: u32, times: &Times) -> std::io::Result<()> {
    if !stream.peer_addr()?.ip().is_loopback() {
        return Ok(());
    }
    stream.set_nodelay(true)?;
    let host = stream.local_addr()?.ip();
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let now = Instant::now();
        times.lock().expect("no thread panics with it").entry(host).or_default().push(now);
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        while reader.read_line(&mut line)? > 2 {}
        let number = if path == "/" { Some(0) } else { path.strip_prefix("/p/").and_then(|number| number.parse().ok()) };
        let reply = match number.filter(|number: &u32| *number < pages) {
            Some(number) => {
                let mut body = format!("<!DOCTYPE html><html lang=en><title>Page {number} of {host}</title>");
                for other in 1..if number == 0 { pages } else { 0 } {
                    let _ = write!(body, "<a href=\"/p/{other}\">{other}</a> ");
                }
                let length = body.len();
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes())?;
    }
}
