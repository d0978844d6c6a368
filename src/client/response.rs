//! A response as the rest of the crate sees it: plain data, no HTTP library.

use ureq::http::{HeaderMap, HeaderValue};

/// A whole response, whatever its status.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    /// Without its transfer and content coding.
    pub body: Vec<u8>,
    /// The body is longer than `body_bytes_max`: what is here is its start.
    pub truncated: bool,
}

/// The fields of a response's head. Names are compared ignoring case.
#[derive(Debug, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Values are bytes on the wire. Those that are not UTF-8 are read as Latin-1, as RFC 9110 5.5 remembers.
    pub(super) fn new(mut map: HeaderMap) -> Headers {
        for value in map.values_mut() {
            if str::from_utf8(value.as_bytes()).is_err() {
                let text: String = value.as_bytes().iter().copied().map(char::from).collect();
                if let Ok(text) = HeaderValue::from_bytes(text.as_bytes()) {
                    *value = text;
                }
            }
        }
        Headers(map)
    }

    /// The first value of the field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok())
    }

    /// Every value of the field, in the order in which they came.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get_all(name).into_iter().filter_map(|value| str::from_utf8(value.as_bytes()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_utf8_are_latin_1() -> Result<(), Box<dyn std::error::Error>> {
        let mut map = HeaderMap::new();
        map.insert("location", HeaderValue::from_bytes(b"/caf\xe9")?);
        map.append("x-name", HeaderValue::from_bytes("/café".as_bytes())?);
        map.append("x-name", HeaderValue::from_static("b"));
        let headers = Headers::new(map);
        assert_eq!(headers.get("Location"), Some("/café"));
        assert_eq!(headers.all("X-Name").collect::<Vec<_>>(), ["/café", "b"]);
        assert_eq!(headers.get("absent"), None);
        assert_eq!(headers.get("no field name"), None);
        Ok(())
    }
}
