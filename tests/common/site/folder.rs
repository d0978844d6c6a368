//! A site made of the files of a folder, as the sample site is.

use super::Site;
use std::fs;
use std::io;
use std::path::Path;

/// Its lines are `FROM TO` and redirect; it is not served itself.
const REDIRECTS: &str = "_redirects";

/// Sitemaps and robots.txt need absolute URLs: where the files name this site, the running one is put.
const OWN_ORIGIN: &str = "http://ferrow-point.example";

impl Site {
    /// Serves the files below `folder` as they are now: `index.html` answers for its folder, `_redirects` names what has
    /// moved, validators are on. Port 0 is a free one.
    pub fn of_folder(folder: &Path, port: u16) -> io::Result<Site> {
        let site = add_folder(Site::bind(port)?.conditional(), folder, "/")?;
        let redirects = match fs::read_to_string(folder.join(REDIRECTS)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(redirects
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .fold(site, |site, (from, to)| site.redirect(from, to.trim())))
    }
}

/// Adds the files of `folder` as the targets that begin with `prefix`, which ends with a slash.
fn add_folder(mut site: Site, folder: &Path, prefix: &str) -> io::Result<Site> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(io::Error::other(format!("{} is no name that a URL can have", path.display())));
        };
        if path.is_dir() {
            let target = format!("{prefix}{name}");
            site = add_folder(site, &path, &format!("{target}/"))?.redirect(&target, &format!("{target}/"));
        } else if name == "index.html" {
            site = site.file(prefix, content_type(name), fs::read(&path)?);
        } else if name != REDIRECTS {
            let mut bytes = fs::read(&path)?;
            if matches!(name, "robots.txt" | "sitemap.xml") {
                let text = String::from_utf8(bytes).map_err(io::Error::other)?;
                bytes = text.replace(OWN_ORIGIN, site.url("").as_str()).into_bytes();
            }
            site = site.file(&format!("{prefix}{name}"), content_type(name), bytes);
        }
    }
    Ok(site)
}

/// HTML is given no charset: the sample site declares two, in its pages.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("txt") => "text/plain; charset=utf-8",
        Some("xml") => "application/xml",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
