//! What becomes of a page: title, text and fields, and the forms in which documents leave.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Change, Connector, FetchTask, Setup, Site, brief};
use std::fs;
use std::path::Path;
use webconnector::action::Status;

/// The document of a site's start page.
fn only_document(site: &Site) -> Change {
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")).set("Depth", "0"));
    connector.run("docs");
    let changes = connector.changes("docs");
    let [change] = &changes[..] else { panic!("not one document: {changes:?}") };
    change.clone()
}

#[test]
fn a_document_has_a_title_plain_text_and_its_reference() {
    let site = Site::new().page(
        "/",
        "<html><head><title> Salt &amp;\n Light </title><style>p{}</style><script>var x='hidden'</script></head>
         <body><h1>The lamp</h1><p>Fish&nbsp;&lt;&#8364;<b>bold</b>er</p><!-- hidden --><template>hidden</template>
         <noscript>seen</noscript></body></html>",
    );
    let document = only_document(&site);
    assert_eq!(document.reference, site.url("/"));
    assert_eq!(document.title, "Salt & Light");
    for text in ["The lamp", "<€", "bolder"] {
        assert!(document.content.contains(text), "{text} in {:?}", document.content);
    }
    for text in ["hidden", "p{}", "<b>", "&lt;"] {
        assert!(!document.content.contains(text), "{text} in {:?}", document.content);
    }
}

#[test]
fn an_identifier_names_task_and_reference() {
    let site = Site::new().page("/", "<a href='/p?a=1&amp;b=2'>p</a>").page("/p?a=1&b=2", "");
    let connector = Connector::with(FetchTask::named("News").set("Url", site.url("/")));
    connector.run("News");
    let changes = connector.changes("News");
    let page = changes.iter().find(|change| change.reference.contains('?')).expect("the page is a document");
    // web-connector.md 8, case 59.
    let plain = STANDARD.decode(&page.identifier).expect("an identifier is base64");
    let expected = format!("<id s=\"NEWS\" r=\"{}\"/>", site.url("/p?a=1&amp;b=2"));
    assert_eq!(String::from_utf8_lossy(&plain), expected);
    assert_eq!(page.field("AUTN_IDENTIFIER").unwrap_or(&page.identifier), page.identifier);
}

#[test]
fn the_charset_comes_from_header_mark_or_meta() {
    let text = "<p>Müller – 10 €</p>";
    let (windows, ..) = encoding_rs::WINDOWS_1252.encode(text);
    let (shift_jis, ..) = encoding_rs::SHIFT_JIS.encode("<p>灯台</p>");
    let meta = [b"<meta charset=windows-1252>".as_slice(), &windows].concat();
    let http_equiv =
        [b"<meta http-equiv=Content-Type content='text/html; charset=ISO-8859-1'>".as_slice(), &windows].concat();
    let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    let cases: [(&str, &[u8], &str); 6] = [
        ("text/html; charset=utf-8", text.as_bytes(), "Müller – 10 €"),
        ("text/html; charset=windows-1252", &windows, "Müller – 10 €"),
        ("text/html", &meta, "Müller – 10 €"),
        ("text/html", &http_equiv, "Müller – 10 €"),
        ("text/html", &marked, "Müller – 10 €"),
        ("text/html; charset=Shift_JIS", &shift_jis, "灯台"),
    ];
    for (content_type, bytes, expected) in cases {
        let site = Site::new().file("/", content_type, bytes);
        let content = only_document(&site).content;
        assert!(content.contains(expected), "{content_type}: {content:?}");
    }
}

#[test]
fn compressed_pages_are_read() {
    let page = b"<title>Packed</title><p>Small.";
    let gzip = stored_gzip(page);
    let site = Site::new().encoded("/", "text/html", "gzip", &gzip);
    assert_eq!(only_document(&site).title, "Packed");
    let brotli = stored_brotli(page);
    let site = Site::new().encoded("/", "text/html", "br", &brotli);
    assert_eq!(only_document(&site).title, "Packed");
    let asked = site.requests().pop().expect("the page was asked for");
    let accepts = asked.header("Accept-Encoding").unwrap_or_default().to_owned();
    assert!(accepts.contains("gzip") && accepts.contains("br"), "{accepts}");
}

#[test]
fn every_coding_that_is_asked_for_is_undone() {
    // Long enough that none of them stores it as it is.
    let page = format!("<title>Packed</title><p>{}<p>The end", "Salt and light. ".repeat(10_000));
    let zlib = packed(flate2::read::ZlibEncoder::new(page.as_bytes(), flate2::Compression::default()));
    // RFC 9110 8.4.1.2 means zlib's format; some servers send what is inside of it.
    let raw = packed(flate2::read::DeflateEncoder::new(page.as_bytes(), flate2::Compression::default()));
    let gzip = packed(flate2::read::GzEncoder::new(page.as_bytes(), flate2::Compression::default()));
    let zstd = ruzstd::encoding::compress_to_vec(page.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let twice = packed(flate2::read::ZlibEncoder::new(&gzip[..], flate2::Compression::default()));
    for (coding, bytes) in
        [("deflate", &zlib), ("Deflate", &raw), ("x-gzip", &gzip), ("zstd", &zstd), ("gzip, deflate", &twice)]
    {
        assert!(bytes.len() < page.len() / 10, "{coding}");
        let site = Site::new().encoded("/", "text/html", coding, bytes);
        let document = only_document(&site);
        assert_eq!(document.title, "Packed", "{coding}");
        assert!(document.content.ends_with("The end"), "{coding}");
        let asked = site.requests().pop().expect("the page was asked for");
        let accepts = asked.header("Accept-Encoding").unwrap_or_default().to_owned();
        assert!(accepts.contains("deflate") && accepts.contains("zstd"), "{accepts}");
    }
    for (coding, bytes) in [("deflate", &zlib), ("deflate", &raw), ("zstd", &zstd)] {
        let site = Site::new().page("/", "<a href=/cut>cut</a>");
        let site = site.encoded("/cut", "text/html", coding, &bytes[..bytes.len() / 2]);
        let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0"));
        let action = connector.run("docs");
        assert_eq!((connector.new_changes("docs"), action.count("errors")), (vec!["add /".to_owned()], 1), "{coding}");
    }
}

fn packed(mut encoder: impl std::io::Read) -> Vec<u8> {
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).expect("memory can be read");
    packed
}

/// RFC 1952 around one stored block of RFC 1951 3.2.4.
fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a small page");
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend(length.to_le_bytes());
    gzip.extend((!length).to_le_bytes());
    gzip.extend(bytes);
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    gzip.extend((!crc).to_le_bytes());
    gzip.extend(u32::from(length).to_le_bytes());
    gzip
}

/// RFC 7932 9.2: a window of 64 KiB (one 0 bit), an uncompressed meta-block, then the empty last one.
fn stored_brotli(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a small page") - 1;
    // From the lowest bit: WBITS 0; ISLAST 0; MNIBBLES 00 (four); MLEN - 1 in 16 bits; ISUNCOMPRESSED 1.
    let head = (length << 4) | (1 << 20);
    let mut brotli = head.to_le_bytes()[..3].to_vec();
    brotli.extend(bytes);
    // ISLAST 1, ISLASTEMPTY 1.
    brotli.push(3);
    brotli
}

#[test]
fn xhtml_is_read_as_xml() {
    let page = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
                \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n\
                <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\"><head><title>Caf&eacute; &amp; &#8364;</title>\
                <meta name=\"author\" content=\"J&ouml;rg &lt;3\"/><script type=\"text/javascript\" src=\"s.js\"/>\
                <style type=\"text/css\"><![CDATA[ p > a { color: red } ]]></style></head><body><div id=\"empty\"/>\
                <p>One<br/>two<![CDATA[ 1 < 2 &amp; <a href=\"/no\">no link</a>]]></p><iframe title=\"none\"/><textarea/>\
                <p>&ldquo;three&rdquo;&nbsp;&hellip; <a href=\"/a?x=1&amp;y=2\">four</a></p></body></html>";
    let kind = "application/xhtml+xml";
    let site = Site::new().file("/", kind, page).page("/a?x=1&y=2", "").file("/html", "text/html", page);
    let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    connector.run("docs");
    let changes = connector.changes("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a?x=1&y=2"], "no link is in a CDATA section");
    let document = changes.iter().find(|change| change.reference == site.url("/")).expect("it was added");
    assert_eq!(document.title, "Caf\u{e9} & \u{20ac}");
    assert_eq!(document.field("author"), Some("J\u{f6}rg <3"));
    assert_eq!(document.field("CONTENT-TYPE"), Some(kind));
    let content = "One\ntwo 1 < 2 &amp; <a href=\"/no\">no link</a>\n\u{201c}three\u{201d} \u{2026} four";
    assert_eq!(document.content, content);
    // The same bytes as HTML are a script without an end: the type decides, not how a page begins.
    let html = Connector::with(FetchTask::named("docs").set("Url", site.url("/html")));
    html.run("docs");
    let [document] = &html.changes("docs")[..] else { panic!("not one document") };
    assert_eq!((document.title.as_str(), document.content.as_str()), ("Caf\u{e9} & \u{20ac}", ""));
}

#[test]
fn a_delete_has_a_reference_and_an_identifier_and_nothing_else() {
    let site = Site::new().page("/", "<a href=/a>a</a>").page("/a", "");
    let connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")));
    connector.run("docs");
    site.set_status("/a", 404);
    connector.run("docs");
    let changes = connector.changes("docs");
    let delete = changes.iter().find(|change| change.kind == "delete").expect("the page is gone");
    let add = changes.iter().find(|change| change.kind == "add" && change.reference == delete.reference);
    assert_eq!(add.map(|add| &add.identifier), Some(&delete.identifier));
    let lines = fs::read_to_string(connector.folder().join("output").join("docs.jsonl"))
        .or_else(|_| fs::read_to_string(connector.folder().join("output").join("DOCS.jsonl")))
        .expect("the output is named as the task");
    let line = lines.lines().find(|line| line.contains("\"delete\"")).expect("one line is the delete");
    let json: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    let names: Vec<_> = json.as_object().into_iter().flat_map(|object| object.keys()).collect();
    assert_eq!(names.len(), 3, "{line}");
}

#[test]
fn documents_are_written_as_idx_by_choice() {
    let site = Site::new().page("/", "<title>Start</title><p>Hello.");
    let task = FetchTask::named("docs").set("Url", site.url("/"));
    let connector = Setup::new().set("Ingestion", "OutputFormat", "idx").task(task).start();
    let action = connector.run("docs");
    assert_eq!((action.count("added"), action.count("ingestadded")), (1, 1));
    let text = fs::read_to_string(connector.folder().join("output").join("docs.idx")).expect("the task has its file");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("#DREREFERENCE {}", site.url("/")));
    for line in ["#DRETITLE Start", "#DRECONTENT", "Hello.", "#DREENDDOC"] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert!(text.contains("#DREFIELD AUTN_IDENTIFIER=\""), "{text}");
}

#[test]
fn documents_are_sent_to_cfs_and_counted_by_its_answer() {
    let site = Site::new().page("/", "<title>Start</title><p>Hello.");
    let token = "<?xml version='1.0'?><autnresponse><action>INGEST</action><response>SUCCESS</response>\
                 <responsedata><token>MTIzNA==</token></responsedata></autnresponse>";
    let refusal = "<?xml version='1.0'?><autnresponse><action>INGEST</action><response>ERROR</response><responsedata>\
                   <error><errorid>CFSINGEST525</errorid><errorstring>No</errorstring></error></responsedata>\
                   </autnresponse>";
    for (answer, ingestadded, ingestfailed) in [(token, 1, 0), (refusal, 0, 1)] {
        let cfs = Site::new().anything("text/xml", answer);
        let host = cfs.host();
        let (address, port) = host.split_once(':').expect("a host is an address and a port");
        let connector = Setup::new()
            .set("Ingestion", "IngesterType", "CFS")
            .set("Ingestion", "IngestHost", address)
            .set("Ingestion", "IngestPort", port)
            .task(FetchTask::named("docs").set("Url", site.url("/")))
            .start();
        let token = connector.synchronize("docs");
        assert_eq!(connector.wait_until_done(&token), Status::Finished, "{:?}", connector.action(&token));
        let action = connector.action(&token);
        assert_eq!(action.count("added"), 1);
        assert_eq!((action.count("ingestadded"), action.count("ingestfailed")), (ingestadded, ingestfailed));
        let sent = cfs.requests().into_iter().find(|request| !request.body.is_empty()).expect("documents are posted");
        let body = String::from_utf8_lossy(&sent.body).to_ascii_lowercase();
        assert!(body.contains("adds=") && body.contains("dretitle"), "{body}");
    }
}

#[test]
fn what_the_target_did_not_take_is_sent_again() {
    let site = Site::new().page("/", "<title>Start</title>");
    let cfs = Site::new();
    let host = cfs.host();
    let (address, port) = host.split_once(':').expect("a host is an address and a port");
    let connector = Setup::new()
        .set("Ingestion", "IngestHost", address)
        .set("Ingestion", "IngestPort", port)
        .task(FetchTask::named("docs").set("Url", site.url("/")))
        .start();
    // It answers 404 to everything: every run tries anew.
    for _ in 0..2 {
        let token = connector.synchronize("docs");
        connector.wait_until_done(&token);
        let action = connector.action(&token);
        assert_eq!((action.count("ingestadded"), action.count("ingestfailed")), (0, 1), "{action:?}");
        // Not a failure of the action, but what an administrator has to know.
        let (status, error) = (action.text("status"), action.text("error"));
        assert_eq!(status, "Finished");
        assert!(
            error.starts_with("DOCS: 1 of the changes were not taken") && error.contains("HTTP status 404"),
            "{error}"
        );
    }
}

#[test]
fn documents_are_written_as_xml_and_as_csv_by_choice() -> std::io::Result<()> {
    let site = Site::new().page("/", "<title>A &amp; B</title><a href=/a>say \"a\"</a>").page("/a", "a");
    for (format, begins, holds) in [
        ("XML", "<DOCUMENT change=\"add\"><DREREFERENCE>", "<DRETITLE>A &amp; B</DRETITLE>"),
        ("csv", "\"change\",\"reference\",", "\"A & B\",\"say \"\"a\"\"\""),
    ] {
        let task = FetchTask::named("docs").set("Url", site.url("/"));
        let connector = Setup::new().set("Ingestion", "OutputFormat", format).task(task).start();
        connector.run("docs");
        let path = connector.folder().join(format!("output/docs.{}", format.to_ascii_lowercase()));
        let text = fs::read_to_string(path)?;
        assert!(text.starts_with(begins) && text.contains(holds), "{text}");
        assert_eq!(text.matches(&site.url("/a")).count(), 1, "{text}");
    }
    Ok(())
}

#[test]
fn documents_go_to_an_index_port_and_to_files_at_once() {
    let site = Site::new().page("/", "<title>Start</title><a href=/a>a</a>").page("/a", "<title>A</title>");
    let index = Site::new().anything("text/plain", "INDEXID=7\r\n");
    let host = index.host();
    let (address, port) = host.split_once(':').expect("a host is an address and a port");
    let mut connector = Setup::new()
        .set("Ingestion", "IngesterType", "Content,Files")
        .set("Ingestion", "IndexHost", address)
        .set("Ingestion", "IndexPort", port)
        .task(FetchTask::named("docs").set("Url", site.url("/")))
        .start();
    assert_eq!(connector.run("docs").count("ingestadded"), 2);
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    let sent = String::from_utf8_lossy(&index.requests()[0].body).into_owned();
    assert!(index.requests()[0].target.starts_with("/DREADDDATA?"), "{}", index.requests()[0].target);
    assert!(sent.contains("#DRETITLE A\n") && sent.ends_with("#DREENDDATAREFERENCE\n\n"), "{sent}");
    site.remove("/a");
    assert_eq!(connector.run("docs").count("ingestdeleted"), 1);
    assert_eq!(connector.new_changes("docs"), ["delete /a"]);
    let delete = index.requests()[1].target.clone();
    assert!(delete.starts_with("/DREDELETEREF?Docs=http"), "{delete}");
}

#[test]
fn the_sample_site_is_crawled_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site");
    let site = Site::of_folder(&folder, 0).expect("the sample site can be served");
    let mut connector = Connector::with(FetchTask::named("docs").set("Url", site.url("/")).set("MaxRetries", "0"));
    connector.run("docs");
    let changes = connector.changes("docs");
    let found = brief(&changes);
    let pages = changes
        .iter()
        .filter(|change| change.field("CONTENT-TYPE").is_none_or(|kind| kind.starts_with("text/html")))
        .count();
    assert!(pages >= 45, "{pages}: {found:?}");
    // Its robots.txt keeps one folder to itself; a page there is linked from outside.
    assert!(!found.iter().any(|change| change.contains("/staff/")), "{found:?}");
    assert!(site.requests().iter().all(|request| !request.target.starts_with("/staff/")));
    // One page is declared as windows-1252, by its meta element alone.
    let page = |target: &str| changes.iter().find(|change| change.reference == site.url(target));
    let letter = page("/history/letter-1874.html").expect("the old letter is linked");
    assert!(letter.content.contains("Müller") && letter.content.contains('“'), "{}", letter.content);
    assert!(page("/history/").is_some_and(|page| page.title.contains("History")));
    // What is not there is no document, and what has moved is one, at its new place.
    assert!(page("/visit/ferry.html").is_none() && page("/old/tickets.html").is_none());
    assert!(page("/visit/tickets.html").is_some());

    connector.new_changes("docs");
    let second = connector.run("docs");
    assert_eq!(connector.new_changes("docs"), Vec::<String>::new());
    assert_eq!(second.count("added") + second.count("updated") + second.count("deleted"), 0);
}
