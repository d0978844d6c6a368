//! Sites that mean harm: whatever they send or hold back, the action on them ends in time and says what happened, memory stays
//! bounded, and a crawl beside it goes on undisturbed.

mod common;

use common::{FetchTask, Setup, Site, brief};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use webconnector::action::Status::{self, Error, Finished};

/// What the process may hold while eight of these are crawled at once, with pages of up to 10 MiB each.
const MEMORY_MB_MAX: u64 = 400;

/// For all of them together: each has a page timeout of two seconds, and the machine other things to do.
const TIME_MAX: Duration = Duration::from_mins(1);

const HTML: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
const PAGE_BYTES_MAX: usize = 10 << 20;

/// What a site does, how the action on it ends, and what its log says of it.
struct Case {
    target: String,
    ends: Status,
    /// Part of the action's error or of a line in the log.
    says: &'static str,
}

struct Cases {
    site: Site,
    cases: Vec<Case>,
}

impl Cases {
    fn next(&self) -> String {
        format!("/{}", self.cases.len())
    }

    /// A response, byte by byte, after which the connection ends.
    fn raw(mut self, ends: Status, says: &'static str, response: impl Into<Vec<u8>>) -> Cases {
        let target = self.next();
        self.site = self.site.raw(&target, &response.into(), None, Duration::ZERO);
        self.cases.push(Case { target, ends, says });
        self
    }

    /// A response that goes on with `again` for ever.
    fn endless(mut self, ends: Status, says: &'static str, start: &str, again: &str, pause: Duration) -> Cases {
        let target = self.next();
        self.site = self.site.raw(&target, start.as_bytes(), Some(again.as_bytes()), pause);
        self.cases.push(Case { target, ends, says });
        self
    }

    fn page(self, html: &str) -> Cases {
        let response = format!("{HTML}Content-Length: {}\r\n\r\n{html}", html.len());
        self.raw(Finished, "", response)
    }

    fn redirect(self, says: &'static str, to: &str) -> Cases {
        self.raw(Error, says, format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    }
}

fn with_length(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut response = format!("{HTML}{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory takes it");
    packer.finish().expect("memory takes it")
}

/// A little gzip that unfolds to 200 MB.
fn bomb() -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..200 {
        packer.write_all(&zeros).expect("memory takes it");
    }
    packer.finish().expect("memory takes it")
}

fn cases() -> Cases {
    let bomb = bomb();
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let slow = Duration::from_millis(50);
    Cases { site: Site::new(), cases: Vec::new() }
        // Tarpits.
        .endless(Error, "", "HTTP/1.1 200 OK\r\n", "A: b\r\n", slow)
        .endless(Error, "", "HTTP/1.1 200 OK\r\nA", "a", slow)
        .endless(Error, "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", slow)
        .endless(Error, "", &format!("{HTML}Content-Length: 100000\r\n\r\n"), "a", slow)
        .endless(Error, "", &format!("{HTML}Transfer-Encoding: chunked\r\n\r\n"), "1\r\na\r\n", slow)
        .endless(Error, "", &format!("{HTML}\r\n"), "a", slow)
        // As fast as they go.
        .endless(Error, "", "HTTP/1.1 200 OK\r\n", "A: b\r\n", Duration::ZERO)
        .endless(Error, "", "HTTP/1.1 200 OK\r\nA: ", &many("b", 4096), Duration::ZERO)
        .endless(Error, "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", Duration::ZERO)
        .endless(Finished, "", &format!("{HTML}\r\n"), &many("<p>endless ", 8192), Duration::ZERO)
        .endless(Error, "", &format!("{HTML}Transfer-Encoding: chunked\r\n\r\n1;"), &many("x", 8192), Duration::ZERO)
        // Lies about length and form.
        .raw(Error, "", format!("{HTML}Content-Length: 1000\r\n\r\nshort"))
        .raw(Error, "", format!("{HTML}Content-Length: 5\r\nContent-Length: 50\r\n\r\nshort"))
        .raw(Error, "", format!("{HTML}Content-Length: -5\r\n\r\nshort"))
        .raw(Error, "", format!("{HTML}Content-Length: 99999999999999999999\r\n\r\nshort"))
        .raw(Error, "", format!("{HTML}Transfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n0\r\n\r\n"))
        .raw(Error, "", format!("{HTML}Transfer-Encoding: chunked\r\n\r\n5\r\nshort"))
        .raw(Error, "", format!("{HTML}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nshort\r\n0\r\n\r\n"))
        .raw(Error, "", format!("{HTML}Transfer-Encoding: chunked\r\n\r\n2\r\nlonger\r\n0\r\n\r\n"))
        .raw(Error, "", "")
        .raw(Error, "", "HTTP/1.1")
        .raw(Error, "", "HTTP/9.9 200 OK\r\n\r\n")
        .raw(Error, "", "SSH-2.0-OpenSSH_9.9\r\n")
        .raw(Error, "", "\0\0\0\0\r\n\r\n")
        .raw(Error, "", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n")
        .raw(Error, "", with_length("Content-Encoding: gzip\r\n", b"no gzip at all"))
        .raw(Error, "", with_length("Content-Encoding: br\r\n", &[0xff; 100]))
        .raw(Error, "", with_length("Content-Encoding: zstd\r\n", &[0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff]))
        .raw(Error, "", with_length("Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n", b"x"))
        // Bombs: what fits into a page is read, and the rest is cut off.
        .raw(Finished, "", with_length("Content-Encoding: gzip\r\n", &bomb))
        .raw(Finished, "", with_length("Content-Encoding: gzip, gzip\r\n", &packed(&bomb)))
        // Redirects.
        .redirect("", "file:///etc/passwd")
        .redirect("", "gopher://127.0.0.1:22/_x")
        .redirect("", "javascript:alert(1)")
        .redirect("", "data:text/html,root:x:0:0")
        .redirect("", "//")
        .redirect("", "http://")
        .redirect("", "/loop")
        // Markup.
        .page(&many("<div>", PAGE_BYTES_MAX))
        .page(&many("<svg><math><table><b>", PAGE_BYTES_MAX))
        .page(&format!("<p {}>x", many("a=b ", PAGE_BYTES_MAX - 100)))
        .page(&format!("<p {}>x", many("a ", 1 << 20)))
        .page(&format!("<{}>", many("a", PAGE_BYTES_MAX - 100)))
        .page(&format!("<a href=\"{}\">", many("/x", PAGE_BYTES_MAX - 100)))
        .page(&format!("<!--{}", many("--!", PAGE_BYTES_MAX - 100)))
        .page(&many("&", PAGE_BYTES_MAX))
        .page(&many("&#x41;&NotEqualTilde;", PAGE_BYTES_MAX))
        .page(&many("</p>", PAGE_BYTES_MAX))
        .page(&many("<script><!--<script>", PAGE_BYTES_MAX))
        .page(&many("<a href=a>", PAGE_BYTES_MAX))
        .page(&many("<meta name=description content=x>", PAGE_BYTES_MAX))
        .page(&many("\0\u{feff}\u{202e}", 1 << 20))
}

#[test]
fn whatever_a_site_does_the_action_ends_and_others_go_on() {
    let Cases { site, cases } = cases();
    let site = site.redirect("/loop", "/loop");
    // Nobody ever takes this connection up: the kernel does, and then there is silence, for TLS as well.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port can be had");
    let silent_port = silent.local_addr().expect("it is bound").port();
    let good = Site::new().page("/", "<a href=/a>a</a><a href=/b>b</a>").page("/a", "a").page("/b", "b");
    let task = |name: &str, url: String| {
        let task = FetchTask::named(name).set("Url", url).set("MaxRetries", "0").set("PageTimeout", "2");
        task.set("FollowRobotProtocol", "FALSE").set("Depth", "0").set("ConnectTimeout", "2")
    };
    let mut setup = Setup::new().set("Actions", "MaximumThreads", "8");
    for (number, case) in cases.iter().enumerate() {
        setup = setup.task(task(&format!("case{number}"), site.url(&case.target)));
    }
    let tarpits = [
        ("silence", format!("http://127.0.0.1:{silent_port}/"), "time"),
        ("silentls", format!("https://127.0.0.1:{silent_port}/"), "time"),
        ("notls", site.url("/0").replace("http:", "https:"), ""),
        ("refused", "http://127.0.0.1:1/".to_owned(), "refused"),
        ("nowhere", "http://nowhere.invalid/".to_owned(), ""),
    ];
    for (name, url, _) in &tarpits {
        setup = setup.task(task(name, url.clone()));
    }
    let mut connector = setup.task(task("good", good.url("/")).set("Depth", "1")).start();

    let began = Instant::now();
    let submit = |number| connector.synchronize(&format!("case{number}"));
    let tokens: Vec<_> = (0..cases.len()).map(submit).collect();
    let tarpit_tokens: Vec<_> = tarpits.iter().map(|(name, ..)| connector.synchronize(name)).collect();
    let high = connector.submit("action=Fetch&FetchAction=Synchronize&TaskSections=good&Priority=9");
    assert_eq!(connector.wait_until_done(&high), Finished);
    let mut wrong = Vec::new();
    for (number, (case, token)) in cases.iter().zip(&tokens).enumerate() {
        let status = connector.wait_until_done(token);
        let action = connector.action(token);
        let text = action.find("error").map(|error| error.own_text().to_owned()).unwrap_or_default();
        if status != case.ends || !text.contains(case.says) || (status == Error && text.is_empty()) {
            wrong.push(format!("case {number}: {status} instead of {}: {text:?}", case.ends));
        }
    }
    for ((name, _, says), token) in tarpits.iter().zip(&tarpit_tokens) {
        let status = connector.wait_until_done(token);
        let text = connector.action(token).text("error").to_owned();
        if status != Error || !text.contains(says) {
            wrong.push(format!("{name}: {status}: {text:?}"));
        }
    }
    println!("{} hostile sites in {:?}, {} MB", tokens.len() + tarpits.len(), began.elapsed(), connector.peak_mb());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(began.elapsed() < TIME_MAX, "it took {:?}", began.elapsed());
    assert!(connector.peak_mb() <= MEMORY_MB_MAX, "{} MB", connector.peak_mb());
    assert_eq!(connector.new_changes("good"), ["add /", "add /a", "add /b"]);
    // No local file and no text of a URL has become a document.
    let root = |task: String| connector.changes(&task).iter().any(|change| change.content.contains("root:x:0:0"));
    assert!(!(0..cases.len()).any(|number| root(format!("case{number}"))));
    // What was hostile once is crawled again as any other.
    connector.run("good");
    assert!(connector.terminate().success());
}

/// robots.txt and sitemaps are read before any page is: they are as hostile as pages.
#[test]
fn hostile_robots_and_sitemaps_are_bounded() {
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let laughs: String = (1..20).fold("<!ENTITY a0 \"ha\">".to_owned(), |text, number| {
        text + &format!("<!ENTITY a{number} \"{}\">", format!("&a{};", number - 1).repeat(10))
    });
    let urls = |text: &str| format!("<urlset>{text}</urlset>");
    let local = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    let site = Site::new()
        .page("/", "<p>x")
        .file("/laughs", "text/xml", format!("<!DOCTYPE x [{laughs}]>{}", urls("<url><loc>http://h/&a19;</loc></url>")))
        .file("/local", "text/xml", format!("{local}{}", urls("<url><loc>&f;</loc></url>")))
        .file("/files", "text/xml", urls("<url><loc>file:///etc/passwd</loc></url>"))
        .file("/deep", "text/xml", many("<url>", 5 << 20))
        .file("/bomb", "application/gzip", bomb())
        .file("/lines", "text/plain", many("x\n", 20 << 20));
    let circle = format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", site.url("/circle"));
    let site = site.file("/circle", "text/xml", circle);
    let names = ["laughs", "local", "files", "deep", "bomb", "lines", "circle"];
    let robots = [
        ("stars", format!("User-agent: *\nDisallow: /{}b\n", many("*a", 100_000))),
        ("rules", format!("User-agent: *\n{}", many("Disallow: /x*y$\n", 40 << 20))),
        ("agents", many("User-agent: a\n", 10 << 20)),
        ("nuls", many("\0\r", 1 << 20)),
    ];
    let sites: Vec<_> = robots
        .iter()
        .map(|(name, text)| {
            let page = format!("/{}", "a".repeat(1000));
            (*name, Site::new().file("/robots.txt", "text/plain", text).page(&page, "<p>x"), page)
        })
        .collect();
    let task = |name: &str| FetchTask::named(name).set("MaxRetries", "0").set("PageTimeout", "5").set("Depth", "0");
    let mut setup = Setup::new().set("Actions", "MaximumThreads", "4");
    for name in names {
        setup = setup.task(task(name).set("SitemapUrl", site.url(&format!("/{name}"))));
    }
    for (name, site, page) in &sites {
        setup = setup.task(task(name).set("Url", site.url(page)));
    }
    let connector = setup.start();
    let began = Instant::now();
    let all = names.iter().copied().chain(robots.iter().map(|(name, _)| *name));
    let tokens: Vec<_> = all.map(|name| (name, connector.synchronize(name))).collect();
    for (name, token) in &tokens {
        assert!(connector.wait_until_done(token).is_end());
        let changes = brief(&connector.changes(name));
        let expected = usize::from(!names.contains(name));
        assert_eq!(changes.len(), expected, "{name}: {changes:?} {:?}", connector.action(token));
    }
    println!("{} in {:?}, {} MB", tokens.len(), began.elapsed(), connector.peak_mb());
    assert!(began.elapsed() < TIME_MAX, "it took {:?}", began.elapsed());
    assert!(connector.peak_mb() <= MEMORY_MB_MAX, "{} MB", connector.peak_mb());
}
