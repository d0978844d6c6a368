//! Which part of a page is its document, and which of its elements are fields.

mod common;

use common::{Connector, FetchTask, Site, brief};

const PAGE: &str = "<title>News</title><nav>menu <a href=/a>a</a></nav><div id=main><h1>One <b>and</b></h1>text\
                    <aside>ad</aside><script>s()</script></div><h2>Two</h2><footer>0</footer>";

fn docs(site: &Site) -> FetchTask {
    FetchTask::named("docs").set("Url", site.url("/"))
}

/// web-connector.md 8, cases 40 and 26.
#[test]
fn a_clipped_page_is_the_selected_part_with_all_its_links_and_compared_as_such() {
    let site = Site::new().page("/", PAGE).page("/a", "<div id=main>A</div>");
    let task = docs(&site)
        .set("ClippingMode", "CSSCLIPPING")
        .set("ClipPageUsingCssSelect", "div#main,article")
        .set("ClipPageUsingCssUnselect", "aside");
    let mut connector = Connector::with(task);
    connector.run("docs");
    let changes = connector.changes("docs");
    assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
    let start = changes.iter().find(|change| change.reference.ends_with('/')).expect("it was added");
    assert_eq!((start.title.as_str(), start.content.as_str()), ("News", "One and\ntext"));
    site.set("/", &PAGE.replace("<footer>0", "<footer>1"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), Vec::<String>::new(), "what is clipped away is not compared");
    site.set("/", &PAGE.replace("text", "TEXT"));
    connector.run("docs");
    assert_eq!(connector.new_changes("docs"), ["update /"]);
}

/// web-connector.md 8, case 41.
#[test]
fn elements_that_a_selector_finds_are_values_of_a_field() {
    let site = Site::new().page("/", PAGE);
    let task = docs(&site)
        .set("Depth", "0")
        .set("MetadataSelector0", "h1,h2,h3")
        .set("MetadataFieldName0", "heading")
        .set("MetadataSelector1", "nav a@href")
        .set("MetadataFieldName1", "first_link");
    let as_text = Connector::with(task.set("MetadataSelectorExtractPlainText", "TRUE"));
    as_text.run("docs");
    let document = &as_text.changes("docs")[0];
    assert_eq!(document.fields["heading"], ["One and", "Two"]);
    assert_eq!(document.fields["first_link"], ["/a"]);
}

#[test]
fn the_markup_of_a_page_may_lie_beside_its_text() -> std::io::Result<()> {
    let site = Site::new().page("/", PAGE);
    let task = docs(&site).set("Depth", "0").set("IngestAsPlainText", "FALSE").set("RemoveScripts", "TRUE");
    let connector = Connector::with(task);
    connector.run("docs");
    let folder = connector.folder().join("output/docs.files");
    let files: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    assert_eq!(files.len(), 1);
    let markup = std::fs::read_to_string(files[0].path())?;
    assert!(markup.contains("<h1>One <b>and</b></h1>") && !markup.contains("s()"), "{markup}");
    assert_eq!(brief(&connector.changes("docs")), ["add /"]);
    Ok(())
}

#[test]
fn the_markup_of_xhtml_is_cut_as_xml_and_has_a_name_that_says_so() -> std::io::Result<()> {
    let page = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>X</title><script src='s.js'/></head><body>\
                <div class='main'/><div class='main'><p>One <br/><script>//<![CDATA[\nif (a < b) '</p>'\n//]]></script>two</p>\
                </div><p>three</p></body></html>";
    let site = Site::new().file("/", "application/xhtml+xml", page);
    let task = docs(&site).set("IngestAsPlainText", "FALSE").set("RemoveScripts", "TRUE");
    let connector = Connector::with(task.set("ClippingMode", "CSSCLIPPING").set("ClipPageUsingCssSelect", "div.main"));
    connector.run("docs");
    let [document] = &connector.changes("docs")[..] else { panic!("not one document") };
    assert_eq!((document.title.as_str(), document.content.as_str()), ("X", "One\ntwo"));
    let files: Vec<_> = std::fs::read_dir(connector.folder().join("output/docs.files"))?.collect::<Result<_, _>>()?;
    let [file] = &files[..] else { panic!("not one file: {files:?}") };
    assert_eq!(file.path().extension().and_then(std::ffi::OsStr::to_str), Some("xhtml"));
    let markup = std::fs::read_to_string(file.path())?;
    assert!(markup.contains("<div class='main'/>") && markup.contains("<p>One <br/>two</p>"), "{markup}");
    assert!(!markup.contains("script") && !markup.contains("three"), "{markup}");
    Ok(())
}

#[test]
fn noframes_leave_the_markup_if_the_task_says_so_and_are_never_text_or_links() -> std::io::Result<()> {
    let frames = "<title>Frames</title><frameset cols='*,*'><frame src=/a><noframes><p>Old <a href=/old>x</a>\
                  </noframes></frameset>";
    let site = Site::new().page("/", frames).page("/a", "<p>A").page("/old", "");
    for (removes, is_there) in [("FALSE", true), ("TRUE", false)] {
        let task = docs(&site).set("IngestAsPlainText", "FALSE").set("RemoveNoframes", removes);
        let mut connector = Connector::with(task);
        connector.run("docs");
        assert_eq!(connector.new_changes("docs"), ["add /", "add /a"]);
        let changes = connector.changes("docs");
        assert_eq!((changes[0].title.as_str(), changes[0].content.as_str()), ("Frames", ""));
        let files: Vec<_> =
            std::fs::read_dir(connector.folder().join("output/docs.files"))?.collect::<Result<_, _>>()?;
        let markup = files.iter().map(|file| std::fs::read_to_string(file.path())).collect::<Result<Vec<_>, _>>()?;
        let markup = markup.into_iter().find(|markup| markup.contains("<frameset")).expect("it lies beside its text");
        assert!(markup.contains("<frame src=/a>") && markup.trim_end().ends_with("</frameset>"), "{markup}");
        assert_eq!((markup.contains("noframes"), markup.contains("Old")), (is_there, is_there), "{markup}");
    }
    Ok(())
}

#[test]
fn other_settings_under_which_a_page_is_read_make_it_new() {
    let site = Site::new().page("/", PAGE).conditional();
    let connector = Connector::bare();
    let fetch = |settings: &str| {
        let url = common::encode(&site.url("/"));
        let token = connector.submit(&format!("action=Fetch&FetchAction=Synchronize&Depth=0&Url={url}{settings}"));
        connector.wait_until_done(&token);
        let action = connector.action(&token);
        (action.count("added"), action.count("updated"), action.count("unchanged"))
    };
    assert_eq!(fetch(""), (1, 0, 0));
    assert_eq!(fetch(""), (0, 0, 1));
    assert_eq!(fetch("&ClippingMode=CSSCLIPPING&ClipPageUsingCssSelect=h2"), (0, 1, 0));
    assert_eq!(fetch("&ClippingMode=CSSCLIPPING&ClipPageUsingCssSelect=h2"), (0, 0, 1));
}

#[test]
fn a_selector_that_cannot_be_used_is_refused_with_the_reason() {
    let connector = Connector::bare();
    let base = "action=Fetch&FetchAction=Synchronize&Url=http://127.0.0.1:1/";
    for (settings, reason) in [
        ("&ClippingMode=CSSCLIPPING&ClipPageUsingCssSelect=p:hover", ":hover"),
        ("&ClippingMode=CSSCLIPPING", "ClipPageUsingCssSelect"),
        ("&ClippingMode=READABILITY", "not supported"),
        ("&MetadataSelector0=h1", "MetadataFieldName0"),
        ("&MetadataFieldName0=h1", "MetadataSelector0"),
    ] {
        let error = connector.error(&format!("{base}{settings}"));
        assert!(error.errordescription.contains(reason), "{settings}: {error:?}");
    }
}
