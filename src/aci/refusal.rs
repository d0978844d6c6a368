//! Why the door answers a request itself. Errors of the protocol above HTTP are none of these: they are HTTP 200.

/// A request that never reaches an action. The connection ends with it, as where the next request would begin is not
/// known or not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The bytes are no HTTP/1.x request, or one that two readers could take for different things.
    #[error("bad request: {0}")]
    Malformed(&'static str),
    /// The first byte is none of TLS, which the port speaks.
    #[error("bad request: this port speaks HTTPS; send the request to https:// in place of http://")]
    NotTls,
    #[error("the {0} did not arrive in time")]
    Slow(&'static str),
    #[error("the request line and headers are larger than {bytes_max} bytes, which [Server] MaxInputString sets")]
    HeadTooLarge { bytes_max: usize },
    #[error("there are more than {headers_max} headers")]
    TooManyHeaders { headers_max: usize },
    #[error("the body is larger than {bytes_max} bytes, which [Server] MaxFileUploadSize sets")]
    BodyTooLarge { bytes_max: usize },
    #[error("the method is not supported; use GET, HEAD or POST")]
    Method,
    #[error("an expectation other than 100-continue is not supported")]
    Expectation,
    /// The limits on what all connections together may hold are reached.
    #[error("busy: {0}; ask again later")]
    Busy(&'static str),
    #[error("busy: all {connections_max} connections are in use; [Server] MaxConnections sets their number")]
    Full { connections_max: usize },
    #[error(
        "busy: all {connections_max} connections that one address may have are in use; [Server] MaxConnectionsPerAddress \
         sets their number"
    )]
    FullForAddress { connections_max: usize },
    /// The request was read, but no answer came of it.
    #[error("the server failed to answer; its log says more")]
    Unanswered,
}

impl Refusal {
    fn status(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) | Refusal::NotTls => "400 Bad Request",
            Refusal::Slow(_) => "408 Request Timeout",
            Refusal::HeadTooLarge { .. } | Refusal::TooManyHeaders { .. } => "431 Request Header Fields Too Large",
            Refusal::BodyTooLarge { .. } => "413 Content Too Large",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::Expectation => "417 Expectation Failed",
            Refusal::Busy(_) | Refusal::Full { .. } | Refusal::FullForAddress { .. } => "503 Service Unavailable",
            Refusal::Unanswered => "500 Internal Server Error",
        }
    }

    /// The whole response.
    pub(super) fn response(&self) -> Vec<u8> {
        let extra = match self {
            // RFC 9110 15.5.6 requires the first; the second tells a poller how long "later" is.
            Refusal::Method => "Allow: GET, HEAD, POST\r\n",
            Refusal::Busy(_) | Refusal::Full { .. } | Refusal::FullForAddress { .. } => "Retry-After: 1\r\n",
            _ => "",
        };
        let (status, body) = (self.status(), format!("{self}\n"));
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n{extra}Content-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
