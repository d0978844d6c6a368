//! Which hosts may see what a task's configuration keeps secret.

use std::collections::HashSet;
use std::fmt;
use url::Url;

/// The hosts of a task's start pages: credentials, cookies and headers of the configuration go to these alone.
///
/// A page anywhere can redirect and link to wherever its author likes, so that being in the scope of a crawl is no
/// reason to be told a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home(Vec<Url>);

impl Home {
    pub fn of(starts: &[Url]) -> Home {
        let mut seen = HashSet::new();
        Home(starts.iter().filter(|start| seen.insert(crate::url::origin(start))).cloned().collect())
    }

    /// One start page of each origin.
    pub fn starts(&self) -> &[Url] {
        &self.0
    }

    /// Whether `url` is on the host and port of a start page, and not less protected: what is for https does not go
    /// over http, while a site may move to https.
    pub fn includes(&self, url: &Url) -> bool {
        self.0.iter().any(|start| {
            let same_port = start.port() == url.port();
            let same_host = start.host() == url.host() && start.host().is_some();
            same_host && same_port && (url.scheme() == "https" || url.scheme() == start.scheme())
        })
    }
}

/// A text that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_a_start_page_is_home() {
        let url = |text: &str| Url::parse(text).expect("the table holds URLs");
        let home = Home::of(&[url("http://example.com/docs/"), url("https://secure.example.com:8443/")]);
        for (other, is_home) in [
            ("http://example.com/elsewhere", true),
            ("https://example.com/", true),
            ("http://example.com:8080/", false),
            ("http://www.example.com/", false),
            ("http://example.com.evil.example/", false),
            ("https://secure.example.com:8443/a", true),
            ("http://secure.example.com:8443/a", false),
            ("https://secure.example.com/", false),
        ] {
            assert_eq!(home.includes(&url(other)), is_home, "{other}");
        }
        assert!(!Home::default().includes(&url("http://example.com/")));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let credentials = Credentials { user: "joe".to_owned(), password: Secret::new("hunter2") };
        assert!(!format!("{credentials:?}").contains("hunter2"));
        assert_eq!(credentials.password.reveal(), "hunter2");
    }
}
