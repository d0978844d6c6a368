//! Pages of other origins whose scripts may read answers (CORS, <https://fetch.spec.whatwg.org>). Without this a browser
//! lets a page send simple requests and hides the answers from it.

use super::head::{Head, Method};

/// `Access-Control-Allow-Origin`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `*`
    All,
    /// As browsers write them: `https://admin.example.com:8443`. None is the default.
    Listed(Vec<String>),
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::Listed(Vec::new())
    }
}

impl Origins {
    /// The headers that a response to this request needs for its sake; each ends with CR LF.
    pub(super) fn headers(&self, head: &Head) -> String {
        match (self, self.allowed(head)) {
            (Origins::All, _) => "Access-Control-Allow-Origin: *\r\n".to_owned(),
            (Origins::Listed(listed), None) if listed.is_empty() => String::new(),
            // A cache must not give one origin's answer to another, nor one without the header to any.
            (Origins::Listed(_), None) => "Vary: Origin\r\n".to_owned(),
            (Origins::Listed(_), Some(origin)) => {
                format!("Vary: Origin\r\nAccess-Control-Allow-Origin: {origin}\r\n")
            }
        }
    }

    /// The status line and headers, beside [`Origins::headers`], for a browser that asks whether a page may send what is no simple request, or `None` if the
    /// request is something else or the page may not.
    pub(super) fn preflight(&self, head: &Head) -> Option<String> {
        let asks = head.method == Method::Options && head.asked_method.is_some();
        self.allowed(head).filter(|_| asks)?;
        let headers = head
            .asked_headers
            .as_ref()
            .map_or(String::new(), |headers| format!("Access-Control-Allow-Headers: {headers}\r\n"));
        Some(format!(
            "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n{headers}\
             Access-Control-Max-Age: 600\r\nServer: webconnector\r\n"
        ))
    }

    fn allowed<'a>(&self, head: &'a Head) -> Option<&'a str> {
        let origin = head.origin.as_deref()?;
        match self {
            Origins::All => Some(origin),
            Origins::Listed(listed) => listed.iter().any(|one| one.eq_ignore_ascii_case(origin)).then_some(origin),
        }
    }
}
