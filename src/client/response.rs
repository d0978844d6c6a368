//! A response as the rest of the crate sees it: plain data.

use std::ops::Range;

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
pub struct Headers {
    /// All names and values, one behind the other.
    text: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Headers {
    /// Room for `fields` whose names and values have `bytes` together.
    pub(super) fn with_capacity(fields: usize, bytes: usize) -> Headers {
        Headers { text: String::with_capacity(bytes), fields: Vec::with_capacity(fields) }
    }

    /// Adds a field as it came. Values are bytes on the wire: those that are not UTF-8 are read as Latin-1, as RFC 9110 5.5
    /// remembers. The line breaks of one that was folded (RFC 9112 5.2) become spaces.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        let mut lines = value.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
        self.push(lines.next().unwrap_or_default());
        for line in lines.filter(|line| !line.is_empty()) {
            self.text.push(' ');
            self.push(line);
        }
        self.fields.push(Field { name: start..middle, value: middle..self.text.len() });
    }

    fn push(&mut self, bytes: &[u8]) {
        match str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.extend(bytes.iter().copied().map(char::from)),
        }
    }

    /// The first value of the field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of the field, in the order in which they came.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_named = move |field: &&Field| self.text[field.name.clone()].eq_ignore_ascii_case(name);
        self.fields.iter().filter(is_named).map(|field| &self.text[field.value.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_bytes() {
        let mut headers = Headers::default();
        headers.add("location", b"/caf\xe9");
        headers.add("x-name", "/café".as_bytes());
        headers.add("X-Name", b"b");
        headers.add("x-folded", b"one,\r\n\t two,\n \n three");
        assert_eq!(headers.get("Location"), Some("/café"));
        assert_eq!(headers.all("x-NAME").collect::<Vec<_>>(), ["/café", "b"]);
        assert_eq!(headers.get("x-folded"), Some("one, two, three"));
        assert_eq!(headers.get("absent"), None);
    }
}
