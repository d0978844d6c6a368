//! What the connector answers: HTTP as it came, and the XML in it as a small tree.

use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use super::DEADLINE;

/// An HTTP answer, its body decoded from chunks.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// One element of an answer. Text of its own, without that of its children.
#[derive(Debug, Clone, Default)]
pub struct Xml {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Xml>,
    own_text: String,
}

/// The six fields that every error has (aci.md 2.2).
#[derive(Debug)]
pub struct AciError {
    pub errorid: String,
    pub rawerrorid: String,
    pub errorstring: String,
    pub errordescription: String,
    pub errorcode: String,
    pub errortime: String,
}

impl Response {
    /// Sends `request` as it is and reads the answer to it, to the end of the connection.
    pub fn to(address: SocketAddr, request: &[u8]) -> std::io::Result<Response> {
        let connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        Response::over(connection, request)
    }

    /// As [`Response::to`], from another address of this host.
    pub fn from_address(source: IpAddr, address: SocketAddr, request: &[u8]) -> std::io::Result<Response> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&address.into())?;
        socket.set_read_timeout(Some(DEADLINE))?;
        Response::over(socket, request)
    }

    /// As [`Response::to`], over a connection that is there.
    pub fn over(mut connection: impl Read + Write, request: &[u8]) -> std::io::Result<Response> {
        connection.write_all(request)?;
        let mut bytes = Vec::new();
        connection.read_to_end(&mut bytes)?;
        Response::parse(&bytes)
            .ok_or_else(|| std::io::Error::other(format!("no HTTP answer: {}", String::from_utf8_lossy(&bytes))))
    }

    fn parse(bytes: &[u8]) -> Option<Response> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = head.parse(bytes).ok()? else {
            return None;
        };
        let status = head.code?;
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
            .collect();
        let mut response = Response { status, headers, body: String::new() };
        let body = &bytes[head_bytes..];
        let body = match (response.header("Transfer-Encoding"), response.header("Content-Length")) {
            (Some(_), _) => unchunk(body)?,
            (None, Some(length)) => body.get(..length.parse().ok()?)?.to_vec(),
            (None, None) => body.to_vec(),
        };
        response.body = String::from_utf8(body).ok()?;
        Some(response)
    }

    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The envelope, whether of a success or an error. Panics if this is not HTTP 200 with XML.
    pub fn envelope(&self) -> Xml {
        assert_eq!(self.status, 200, "an ACI answer is always HTTP 200: {self:?}");
        let kind = self.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        assert!(kind.starts_with("text/xml"), "clients insist on text/xml: {self:?}");
        Xml::parse(&self.body)
    }
}

/// RFC 9112 7.1, without trailers.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line_end]).ok()?.trim(), 16).ok()?;
        let chunk = &rest[line_end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk.get(..size)?);
        rest = chunk.get(size + 2..)?;
    }
}

impl Xml {
    /// The root element of `text`. Panics if it is not well-formed.
    pub fn parse(text: &str) -> Xml {
        Xml::try_parse(text).unwrap_or_else(|problem| panic!("{problem} in {text}"))
    }

    fn try_parse(text: &str) -> Result<Xml, String> {
        let mut reader = Reader::from_str(text);
        // The lowest is the document; the others are the open elements.
        let mut open = vec![Xml::default()];
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(tag) => open.push(Xml::of_tag(&tag)?),
                Event::Empty(tag) => adopt(&mut open, Xml::of_tag(&tag)?)?,
                Event::End(_) => {
                    let whole = open.pop().ok_or("an end without a start")?;
                    adopt(&mut open, whole)?;
                }
                Event::Text(text) => say(&mut open, &text),
                Event::CData(text) => say(&mut open, &text),
                Event::GeneralRef(name) => {
                    let name: &str = &name;
                    let reference = format!("&{name};");
                    say(&mut open, &unescape(&reference).map_err(|error| error.to_string())?);
                }
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty()).ok_or("an element without an end")?;
        document.children.into_iter().next().ok_or_else(|| "no element".to_owned())
    }

    fn of_tag(tag: &BytesStart<'_>) -> Result<Xml, String> {
        let name = tag.name().as_ref().to_owned();
        let mut xml = Xml { name, ..Xml::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = unescape(&attribute.value).map_err(|error| error.to_string())?.into_owned();
            xml.attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        Ok(xml)
    }

    /// The first element of this name at any depth, in document order, or this one.
    pub fn find(&self, name: &str) -> Option<&Xml> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// Every element of this name at any depth, in document order.
    pub fn all(&self, name: &str) -> Vec<&Xml> {
        let own = (self.name == name).then_some(self);
        own.into_iter().chain(self.children.iter().flat_map(|child| child.all(name))).collect()
    }

    /// The text of the first element of this name. Panics if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no <{name}> in {self:?}")).own_text.trim()
    }

    /// Its text, without that of its children.
    pub fn own_text(&self) -> &str {
        self.own_text.trim()
    }

    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A counter of a `documentcount`. One that is not printed is 0, as newer versions of the reference have it.
    pub fn count(&self, name: &str) -> u64 {
        let text = self.find("documentcount").and_then(|count| count.attr(name)).unwrap_or("0");
        text.parse().unwrap_or_else(|_| panic!("{name} is no number in {self:?}"))
    }

    /// The names of the children, in order.
    pub fn child_names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }
}

fn adopt(open: &mut [Xml], child: Xml) -> Result<(), String> {
    open.last_mut().ok_or("an end too many")?.children.push(child);
    Ok(())
}

fn say(open: &mut [Xml], text: &str) {
    if let Some(innermost) = open.last_mut() {
        innermost.own_text.push_str(text);
    }
}

impl AciError {
    /// Reads the error of an envelope. Panics if it is none, or lacks one of the fields.
    pub fn of(envelope: &Xml) -> AciError {
        assert_eq!(envelope.text("response"), "ERROR", "{envelope:?}");
        let error = envelope.find("error").unwrap_or_else(|| panic!("no <error> in {envelope:?}"));
        let field = |name: &str| error.text(name).to_owned();
        AciError {
            errorid: field("errorid"),
            rawerrorid: field("rawerrorid"),
            errorstring: field("errorstring"),
            errordescription: field("errordescription"),
            errorcode: field("errorcode"),
            errortime: field("errortime"),
        }
    }
}
