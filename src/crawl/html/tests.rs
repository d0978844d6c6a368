//! What one pass finds in a document.

use super::*;

fn hrefs(source: &str) -> Vec<String> {
    whole(source, Syntax::Html).links.iter().map(|link| link.href.to_owned()).collect()
}

#[test]
fn links_to_pages_are_told_from_links_to_parts_of_them() {
    let source = "<link rel=stylesheet href=s.css><link rel='shortcut icon' href=i.ico><link rel=preload href=p>\
        <link rel='alternate stylesheet' href=t.css><link rel=alternate type=application/rss+xml href=feed>\
        <link rel=Canonical href=c><link rel=canonical href=d><link rel=next href=n><link rel='x prev' href=p>\
        <link rel=alternate hreflang=de type=text/html href=de><link rel=alternate href=m><link href=l>\
        <img src=i><script src=s></script><form action=f></form><q cite=q></q>\
        <frameset><frame src=g></frameset><iframe src=h></iframe><area href=k><a name=x>";
    assert_eq!(hrefs(source), ["c", "d", "n", "p", "de", "m", "g", "h", "k"]);
    assert_eq!(whole(source, Syntax::Html).canonical.as_deref(), Some("c"));
}

#[test]
fn a_document_tells_about_itself() {
    let html = whole(
        "<html lang=' de-AT '><meta name=' Author ' content='A&amp;B'><meta content=x property='OG:Title'>\
        <meta name=empty content=' '><meta name=none><meta http-equiv=content-language content=fr>\
        <meta http-equiv=REFRESH content=7><meta http-equiv=refresh content='3; url=&quot;n.html&quot;'>",
        Syntax::Html,
    );
    let metas: Vec<(&str, &str)> = html.metas.iter().map(|meta| (meta.name.as_str(), meta.content.as_str())).collect();
    assert_eq!(metas, [("author", "A&B"), ("og:title", "x")]);
    assert_eq!(html.language.as_deref(), Some("de-AT"));
    assert_eq!(html.refresh, Some(Refresh { delay_s: 3, href: "n.html".to_owned() }));

    let html = whole("<html lang='{{lang}}'><meta http-equiv=content-language content=fr>", Syntax::Html);
    assert_eq!(html.language.as_deref(), Some("fr"));
}

#[test]
fn xhtml_closes_its_elements_as_xml_does() {
    let source = "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml' xml:lang='en'><head><title>T &amp; t</title>\
        <script src='s'/><style><![CDATA[ a > b ]]></style></head><body><div hidden='hidden'/><p>x<![CDATA[ < y]]></p>\
        <textarea/><a href='a'>z</a></body></html>";
    let html = whole(source, Syntax::Xhtml);
    assert_eq!((html.title.as_deref(), html.language.as_deref()), (Some("T & t"), Some("en")));
    assert_eq!(html.text, "x < y\nz");
    assert_eq!(html.links.len(), 1);
}

#[test]
fn what_a_page_can_make_long_is_cut() {
    let long = "ä".repeat(META_BYTES_MAX);
    let metas = "<meta name=a content=b>".repeat(METAS_MAX + 1);
    let html = whole(&format!("<meta name=x content={long}>{metas}<title>{long}"), Syntax::Html);
    assert_eq!(html.title.map(|title| title.len()), Some(TITLE_BYTES_MAX));
    assert_eq!(html.metas.len(), METAS_MAX);
    assert_eq!(html.metas[0].content.len(), META_BYTES_MAX);
}

/// Openings that search for what never comes: each repeated must be looked through a few times at most.
#[test]
fn no_document_is_searched_again_and_again() {
    const BYTES: usize = 20_000;
    for opening in [
        "<",
        "<a",
        "<a ",
        "<a b=",
        "<a b=\"",
        "<a b='",
        "</",
        "</a ",
        "<!",
        "<!--",
        "<!-- ",
        "--",
        "<!-->",
        "<?",
        "<![CDATA[",
        "<svg><![CDATA[",
        "<svg>",
        "<svg><desc>",
        "<math><mi>",
        "<title>",
        "</title",
        "<title></title>",
        "<textarea>",
        "<style>",
        "<script>",
        "<script><!--",
        "<script><!--<script>",
        "<script><!---->",
        "</script",
        "<!--<script>",
        "<plaintext>",
        "<template>",
        "<div hidden>",
        "<p hidden>",
        "<select>",
        "&",
        "&#",
        "&#x",
        "&amp",
        "&CounterClockwiseContourIntegra",
        "<a href=&>",
        "<meta content=",
        "\0",
        "<a a a a a a a a ",
        "<x ",
        "\u{C2}",
    ] {
        for lead in
            ["", "<script>", "<script><!--", "<script><!--<script>", "<svg>", "<title>", "<a href='", "<div hidden>"]
        {
            let source = format!("{lead}{}", opening.repeat(BYTES / opening.len()));
            for syntax in [Syntax::Html, Syntax::Xhtml] {
                let mut tokens = Tokens::new(&source, syntax);
                let mut steps = 0;
                while tokens.next().is_some() {
                    steps += 1;
                }
                let searched = tokens.bytes_searched;
                assert!(searched <= 3 * source.len() + 100, "{lead}{opening}: {searched} bytes searched");
                assert!(steps <= source.len(), "{lead}{opening}: {steps} tokens");
                let html = whole(&source, syntax);
                assert!(html.text.len() + html.links.len() <= 2 * source.len(), "{lead}{opening}");
            }
        }
    }
}

#[test]
fn what_a_page_embeds_is_a_link_on_request() {
    let source = "<img src=i srcset='j 1x, k 2x'><picture><source srcset=l></picture><video src=v poster=w></video>\
        <audio src=a></audio><track src=t><embed src=e><object data=o></object><script src=s></script><a href=p>x</a>\
        <img src='data:image/png;base64,x'><img alt=none>";
    let of = |follows| {
        let html = read(source, Syntax::Html, follows, &StopFlag::new()).expect("nobody sets the flag");
        html.links.iter().map(|link| link.href.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(Follows::Pages), ["p"]);
    assert_eq!(of(Follows::Embedded), ["i", "j", "k", "l", "v", "w", "a", "t", "e", "o", "p"]);
}

#[test]
fn the_text_of_links_is_counted() {
    for (source, bytes) in [
        ("<a href=x>four</a> more", 4),
        ("<a name=x>anchor</a> more", 0),
        ("<a href=x>four", 4),
        ("<a href=x>four<a href=y>five</a> more", 8),
        ("<p hidden><a href=x>none</a></p>more", 0),
        ("<a href=x><img></a> more", 0),
    ] {
        assert_eq!(whole(source, Syntax::Html).link_text_bytes, bytes, "{source}");
    }
}
