//! Micro-benchmarks of what a crawl does for each page and link, and a server for each request:
//! `scripts/bench --only micro`, or `cargo bench --features micro -- FILTER`.
//!
//! They are for comparing two versions on one machine; no test looks at times.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use webconnector::aci::{Element, Reply};
use webconnector::action::{QueueName, TokenHost};
use webconnector::crawl::html::{self, Follows, Syntax};
use webconnector::crawl::page::{self, How, Sent};
use webconnector::crawl::{Shaping, charset};
use webconnector::ingest::{self, Change, Document, Format, Identifier};
use webconnector::queue::{self, Queue, Running, Submission};
use webconnector::stop::StopFlag;
use webconnector::time::Moment;
use webconnector::url::Base;

fn main() {
    divan::main();
}

/// A page as generators of documentation make them: a menu, headings, text with code and links in it, 64 KB of which a fifth is
/// text.
fn sample() -> String {
    let mut page = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Struct Sample</title>\
        <meta name=\"description\" content=\"A sample\"><link rel=\"stylesheet\" href=\"../static/main.css\">\
        <script>var x = \"<b>\";</script></head><body class=\"rustdoc struct\"><nav class=\"sidebar\"><ul class=\"block\">"
        .to_owned();
    for number in 0..120 {
        let _ = write!(page, "<li><a href=\"../module{}/struct.Name{number}.html\">Name{number}</a></li>", number % 7);
    }
    page.push_str("</ul></nav><main><div class=\"width-limiter\"><section id=\"main-content\" class=\"content\">");
    for number in 0..100 {
        let _ = write!(
            page,
            "<details class=\"toggle method-toggle\" open><summary><section id=\"method.m{number}\" class=\"method\">\
             <a class=\"src rightside\" href=\"../../src/sample/lib.rs.html#{number}\">source</a><h4 class=\"code-header\">\
             pub fn <a href=\"#method.m{number}\" class=\"fn\">m{number}</a>(&amp;self, value: <a class=\"enum\" \
             href=\"../option/enum.Option.html\" title=\"enum Option\">Option</a>&lt;T&gt;) -&gt; <a class=\"struct\" \
             href=\"struct.Name{number}.html\">Name{number}</a></h4></section></summary><div class=\"docblock\"><p>Returns \
             the value that is\n contained, or <code>None</code> if there is none &amp; the other one is empty.</p>\
             </div></details>\n"
        );
    }
    page.push_str("</section></div></main></body></html>");
    page
}

fn links(page: &str) -> html::Links {
    html::read(page, Syntax::Html, Follows::Pages, &StopFlag::new()).expect("nobody sets the flag").links
}

mod pages {
    use super::{
        Bencher, BytesCount, Follows, How, Moment, Sent, Shaping, StopFlag, Syntax, black_box, charset, html, page,
        sample,
    };

    #[divan::bench]
    fn html_pass(bencher: Bencher) {
        let (page, stop) = (sample(), StopFlag::new());
        bencher
            .counter(BytesCount::of_str(&page))
            .bench(|| html::read(black_box(&page), Syntax::Html, Follows::Pages, &stop));
    }

    #[divan::bench]
    fn charset(bencher: Bencher) {
        let page = sample();
        bencher
            .counter(BytesCount::of_str(&page))
            .bench(|| charset::decode(black_box(page.as_bytes()), Some("text/html")).text.len());
    }

    /// The pass, fields, wishes about robots and the hash.
    #[divan::bench]
    fn whole_page(bencher: Bencher) {
        let (body, stop, shaping) = (sample(), StopFlag::new(), Shaping::default());
        let how = How {
            agent: "webconnector/1",
            asked_at: Moment::now(),
            obeys_robots: true,
            follows: Follows::Pages,
            shaping: &shaping,
        };
        bencher.counter(BytesCount::of_str(&body)).bench(|| {
            let sent = Sent { body: black_box(body.as_bytes()), content_type: Some("text/html"), robots_headers: &[] };
            page::read(sent, how, &stop)
        });
    }
}

mod urls {
    use super::{Base, Bencher, ItemsCount, links, sample};

    fn base() -> webconnector::url::Url {
        webconnector::url::parse("http://example.com/doc/sample/struct.Sample.html").expect("it is a URL")
    }

    /// By the URL parser, each into a text of its own.
    #[divan::bench]
    fn join(bencher: Bencher) {
        let (links, base) = (links(&sample()), base());
        bencher
            .counter(ItemsCount::new(links.len()))
            .bench(|| links.iter().filter_map(|link| webconnector::url::join(&base, link.href)).count());
    }

    /// As a crawl does.
    #[divan::bench]
    fn join_to_base(bencher: Bencher) {
        let (links, mut base) = (links(&sample()), Base::new(base()));
        bencher
            .counter(ItemsCount::new(links.len()))
            .bench_local(|| links.iter().filter(|link| base.join(link.href).is_some()).count());
    }
}

/// Pages that are queued and leave, one site and many.
#[divan::bench(args = [1, 1000])]
fn frontier(bencher: Bencher, sites: usize) {
    const PAGES: usize = 10_000;
    let urls: Vec<String> = (0..PAGES).map(|page| format!("http://host{}/page/{page}", page % sites)).collect();
    bencher.counter(ItemsCount::new(PAGES)).bench(|| webconnector::crawl::micro::frontier(&urls));
}

mod documents {
    use super::{
        Bencher, BytesCount, Change, Document, Follows, Format, Identifier, StopFlag, Syntax, html, ingest, sample,
    };

    #[divan::bench(args = [Format::Jsonl, Format::Idx, Format::Xml, Format::Csv])]
    fn write(bencher: Bencher, format: Format) {
        const DOCUMENTS: usize = 100;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        let settings = ingest::Settings::Files { directory: folder.path().to_owned(), format };
        let mut sink = ingest::open(&settings, "Micro", || unreachable!("files need no transport")).expect("it opens");
        let stop = StopFlag::new();
        let html = html::read(&sample(), Syntax::Html, Follows::Pages, &stop).expect("nobody sets the flag");
        let reference = "http://example.com/doc/sample/struct.Sample.html";
        let fields =
            ["CONTENT-TYPE", "CHARSET", "LANGUAGE", "DESCRIPTION"].map(|name| (name.to_owned(), "A value".to_owned()));
        let document = Document {
            identifier: Identifier::new("Micro", reference),
            reference: reference.to_owned(),
            title: html.title,
            content: html.text,
            fields: fields.to_vec(),
            file: None,
        };
        let bytes = BytesCount::new(document.content.len() * DOCUMENTS);
        bencher.counter(bytes).bench_local(|| {
            for _ in 0..DOCUMENTS {
                sink.take(Change::Add(document.clone()), &stop).expect("the disk has room");
            }
        });
    }
}

/// A status reply of many actions.
#[divan::bench(args = ["xml", "json", "simplejson"])]
fn reply(bencher: Bencher, format: &str) {
    const ACTIONS: usize = 1000;
    let action = |number: usize| {
        let counts = Element::empty("documentcount").attribute("added", number.to_string()).attribute("task", "MICRO");
        let children = vec![
            Element::text("status", "Finished"),
            Element::text("queued_time", "2026-Nov-23 09:00:00"),
            Element::parent("documentcounts", vec![counts]),
            Element::text("token", format!("MTI3LjAuMC4xOjcwMDY6RkVUQ0g6{number:012}")),
        ];
        Element::parent("action", children)
    };
    let reply = Reply::success("QUEUEINFO", vec![Element::parent("actions", (0..ACTIONS).map(action).collect())]);
    bencher.counter(ItemsCount::new(ACTIONS)).bench(|| webconnector::aci::micro::render_reply(&reply, format));
}

mod queues {
    use super::{Arc, Bencher, Duration, ItemsCount, Queue, QueueName, Running, Submission, TokenHost, queue};

    fn open(folder: &tempfile::TempDir) -> Queue {
        let settings = queue::Settings {
            queue: QueueName::fetch(),
            directory: folder.path().to_owned(),
            token_host: TokenHost { ip: [127, 0, 0, 1].into(), port: 7006 },
            workers: 1,
            waiting_max: 1_000_000,
            ended_max: 1000,
            ended_age_max: Duration::from_hours(1),
            attempts_max: 3,
            events: queue::Events::default(),
        };
        Queue::open(settings).expect("the folder is new")
    }

    fn submission() -> Submission {
        let params = [("action", "fetch"), ("fetchaction", "synchronize"), ("url", "http://example.com/")];
        Submission { params: params.into_iter().collect(), ..Submission::default() }
    }

    /// One after the other, so that each has a sync of its own.
    #[divan::bench]
    fn submit(bencher: Bencher) {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        let queue = open(&folder);
        bencher.bench_local(|| queue.submit(&submission()));
    }

    #[divan::bench]
    fn status(bencher: Bencher) {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        let queue = open(&folder);
        let tokens: Vec<_> = (0..1000).map(|_| queue.submit(&submission()).expect("there is room")).collect();
        bencher
            .counter(ItemsCount::new(tokens.len()))
            .bench(|| tokens.iter().filter_map(|token| queue.get(token)).count());
    }

    /// From the submission to the end of an action that does nothing.
    #[divan::bench]
    fn perform(bencher: Bencher) {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        let (ended, performed) = crossbeam_channel::bounded(1);
        let queue = open(&folder);
        let perform: queue::Perform = Arc::new(move |_: &Running| {
            let _ = ended.send(());
            Ok(())
        });
        queue.start(&perform).expect("threads can be had");
        bencher.bench_local(|| {
            let _ = queue.submit(&submission());
            let _ = performed.recv();
        });
    }
}
