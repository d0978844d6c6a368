//! What fuzz targets may reach of the client: what servers say in heads, and codings. Only with the feature `fuzzing`.

use super::auth::{Auth, Said};
use super::body;
use super::coding;
use super::connection::Connection;
use super::cookies::Jar;
use super::request::{Fields, Request, is_value};
use super::response::Headers;
use super::{Cookie, Credentials, Home, Secret};
use crate::stop::StopFlag;
use std::io::Read;
use std::time::SystemTime;
use url::Url;

const BODY_BYTES_MAX: u64 = 64 * 1024;

fn page() -> Url {
    Url::parse("https://a.example.com/b/c?d").expect("this is a URL")
}

/// What a server sends over one connection: a response, and the next one where that leaves room for one.
pub fn response(bytes: &[u8]) {
    let (mut connection, stop, url) = (Connection::of_bytes(bytes), StopFlag::new(), page());
    let request = Request { url: &url, fields: Fields::default(), body: None };
    for _ in 0..4 {
        let Ok(head) = connection.exchange(&request) else { return };
        assert!((100..1000).contains(&head.status) && head.status != 101, "{}", head.status);
        match body::receive(&mut connection, head, BODY_BYTES_MAX, &stop) {
            Ok((response, true)) => assert!(!response.truncated, "what was cut off is read as the next response"),
            _ => return,
        }
    }
}

/// Every line is the value of one header called `name`.
fn headers(name: &'static str, bytes: &[u8]) -> Headers {
    let mut headers = Headers::default();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        headers.add(name, line);
    }
    headers
}

/// `Set-Cookie` of a response, and what a request to it and to its neighbours then says.
pub fn set_cookie(bytes: &[u8]) {
    let (jar, url, now) = (Jar::new(Some(Vec::new())), page(), SystemTime::now());
    jar.keep(&url, &headers("set-cookie", bytes), now);
    let sent = jar.field(&url, now).unwrap_or_default();
    assert!(is_value(&sent), "{sent:?} is no value of a header");
    let stranger = Url::parse("https://example.org/b/c").expect("this is a URL");
    assert_eq!(jar.field(&stranger, now), None, "a cookie goes to a stranger");
}

/// A file of cookies.
pub fn cookie_file(bytes: &[u8]) {
    if let Ok(cookies) = Cookie::of_file(&String::from_utf8_lossy(bytes)) {
        let sent = Jar::new(Some(cookies)).field(&page(), SystemTime::now()).unwrap_or_default();
        assert!(is_value(&sent), "{sent:?} is no value of a header");
    }
}

/// `WWW-Authenticate`, and what is said to it: nothing that could end the header.
pub fn challenge(bytes: &[u8]) {
    let url = page();
    let credentials = Credentials { user: "me".to_owned(), password: Secret::new("secret") };
    let auth = Auth::new(Some(credentials), Home::of(std::slice::from_ref(&url)));
    auth.refused(&url, &headers("www-authenticate", bytes), &Said::default());
    let said = auth.say("GET", &url).header.unwrap_or_default();
    assert!(is_value(&said), "{said:?} is no value of a header");
}

/// A body in the codings that its first line names.
pub fn content(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let names = String::from_utf8_lossy(&bytes[..end]);
    let Ok(codings) = coding::parse(std::iter::once(&*names)) else { return };
    let body = bytes.get(end + 1..).unwrap_or_default();
    let mut decoded = Vec::new();
    let _ = coding::decoder(body, &codings, BODY_BYTES_MAX).take(BODY_BYTES_MAX).read_to_end(&mut decoded);
}
