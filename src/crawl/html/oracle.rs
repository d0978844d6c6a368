//! Tests against html5ever: links, title and text of its tree, by the same rules, must be those of the pass.

use super::foreign::Namespace;
use super::name::{Name, Role};
use super::text::{Folder, Gap};
use super::tokens::Text;
use super::{Syntax, whole};
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, ns, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use std::fmt::Write as _;

#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    title: Option<String>,
    base: Option<String>,
    links: Vec<String>,
    text: String,
}

impl Found {
    /// Without white space, which differs where a tag belongs to nothing, and without what NULs become.
    fn without_gaps(self) -> Found {
        let letters = |text: &str| text.replace(char::REPLACEMENT_CHARACTER, "").split_whitespace().collect::<String>();
        Found { title: self.title.as_deref().map(letters), text: letters(&self.text), ..self }
    }
}

/// What the tree that a browser would build holds.
#[derive(Default)]
struct Walk {
    found: Found,
    has_title: bool,
    has_refresh: bool,
    text: Folder,
    hidden: usize,
    lines_kept_by: usize,
}

impl Walk {
    fn of(source: &str) -> Found {
        let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let options = ParseOpts { tree_builder, ..ParseOpts::default() };
        let dom = parse_document(RcDom::default(), options).one(source);
        let mut walk = Walk::default();
        walk.node(&dom.document);
        Found { text: walk.text.finish(), ..walk.found }
    }

    fn node(&mut self, node: &Handle) {
        let NodeData::Element { name, attrs, .. } = &node.data else {
            if let NodeData::Text { contents } = &node.data
                && self.hidden == 0
            {
                self.text.push(Text { source: &contents.borrow(), has_references: false });
            }
            return node.children.borrow().iter().for_each(|child| self.node(child));
        };
        let value = |wanted: &str| {
            let attributes = attrs.borrow();
            attributes.iter().find(|given| &*given.name.local == wanted).map(|given| given.value.to_string())
        };
        let (local, is_html) = (&*name.local, name.ns == ns!(html));
        match local {
            "a" if is_html || name.ns == ns!(svg) => self.link(value("href")),
            "area" if is_html => self.link(value("href")),
            "frame" | "iframe" if is_html => self.link(value("src")),
            "link" if is_html => {
                let rel = value("rel").unwrap_or_default().to_lowercase();
                let rel: Vec<&str> = rel.split_whitespace().collect();
                let kind = value("type").unwrap_or_default();
                let is_page = kind.is_empty() || kind == "text/html" || value("hreflang").is_some();
                let is_other_form = rel.contains(&"alternate") && !rel.contains(&"stylesheet") && is_page;
                if is_other_form || ["next", "prev", "previous", "canonical"].iter().any(|lead| rel.contains(lead)) {
                    self.link(value("href"));
                }
            }
            "meta" if is_html && !self.has_refresh => {
                let is_refresh = value("http-equiv").is_some_and(|is| is.trim().eq_ignore_ascii_case("refresh"));
                let refresh =
                    value("content").filter(|_| is_refresh).and_then(|content| super::meta::refresh(&content));
                self.has_refresh = refresh.is_some();
                self.link(refresh.map(|refresh| refresh.href));
            }
            "base" if is_html && self.found.base.is_none() => {
                self.found.base = value("href").map(|href| href.trim().to_owned());
            }
            "title" if is_html && !self.has_title => {
                self.has_title = true;
                let mut title = Folder::default();
                for child in node.children.borrow().iter() {
                    if let NodeData::Text { contents } = &child.data {
                        title.push(Text { source: &contents.borrow(), has_references: false });
                    }
                }
                let title = title.finish();
                self.found.title = (!title.is_empty()).then_some(title);
            }
            _ => {}
        }
        let number = Name::read(local.as_bytes()).0;
        let namespace = match name.ns {
            ns!(svg) => Namespace::Svg,
            ns!(mathml) => Namespace::MathMl,
            _ => Namespace::Html,
        };
        let role = number.role(namespace);
        let gap = match role {
            Role::Inline | Role::Unseen => Gap::None,
            Role::Space | Role::Replaced => Gap::Space,
            Role::Cell => Gap::Tab,
            Role::Block => Gap::Line,
        };
        let hides = matches!(role, Role::Unseen | Role::Replaced)
            || is_html && value("hidden").is_some_and(|value| value != "until-found");
        self.separate(gap);
        self.hidden += usize::from(hides);
        self.lines_kept_by += usize::from(is_html && number.keeps_lines());
        self.text.keeps_lines = self.lines_kept_by > 0;
        node.children.borrow().iter().for_each(|child| self.node(child));
        self.hidden -= usize::from(hides);
        self.lines_kept_by -= usize::from(is_html && number.keeps_lines());
        self.text.keeps_lines = self.lines_kept_by > 0;
        self.separate(gap);
    }

    fn separate(&mut self, gap: Gap) {
        if self.hidden == 0 {
            self.text.separate(gap);
        }
    }

    fn link(&mut self, href: Option<String>) {
        let Some(href) = href else { return };
        let href = href.trim_matches(|character| matches!(character, '\x01'..=' '));
        let href = href.split('#').next().unwrap_or_default().trim_end_matches(' ').replace(['\t', '\n', '\r'], "");
        let scheme = href.split(['/', '?']).next().and_then(|start| start.split_once(':')).map(|(scheme, _)| scheme);
        let is_web = scheme.is_none_or(|scheme| {
            let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            !is_scheme || ["http", "https"].contains(&&*scheme.to_ascii_lowercase())
        });
        if !href.is_empty() && is_web && !self.found.links.contains(&href) {
            self.found.links.push(href);
        }
    }
}

fn found(source: &str) -> Found {
    let html = whole(source, Syntax::Html);
    let mut links: Vec<String> = Vec::new();
    for link in html.links.iter() {
        // Repeats are dropped by their source; two spellings of one link are still two.
        if !links.iter().any(|known| known == link.href) {
            links.push(link.href.to_owned());
        }
    }
    Found { title: html.title, base: html.base, links, text: html.text }
}

#[test]
fn malformed_snippets_are_read_as_browsers_do() {
    let mut wrong = Vec::new();
    for source in SNIPPETS.lines().filter(|line| !line.is_empty()) {
        // In the table, line breaks and NULs are written as escapes.
        let source = source.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
        for source in [format!("{source}<a href=after>z</a>"), source] {
            if found(&source) != Walk::of(&source) {
                wrong.push(format!("{source}\n  here {:?}\n  tree {:?}", found(&source), Walk::of(&source)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A small generator with a period of 2^64 (Steele and others, SplitMix): tests repeat what they did.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or(0)
    }
}

#[test]
fn snippets_in_any_order_are_read_as_browsers_do() {
    let snippets: Vec<&str> = SNIPPETS.lines().filter(|line| !line.is_empty()).collect();
    let mut random = Random(1);
    let mut wrong = Vec::new();
    for _ in 0..3000 {
        let source: String = (0..=random.below(4)).map(|_| snippets[random.below(snippets.len())]).collect();
        let source = source.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
        let (mut here, mut tree) = (found(&source).without_gaps(), Walk::of(&source).without_gaps());
        // Where hidden content ends when its tags are unbalanced is the difference that is argued for in `html`.
        if ["hidden", "HIDDEN", "<video", "noscript"].iter().any(|hiding| source.contains(hiding)) {
            here.text = String::new();
            tree.text = String::new();
        }
        if here != tree {
            wrong.push(format!("{source}\n  here {here:?}\n  tree {tree:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pieces of which nearly every string is malformed. Drawings and formulas are not among them: where they end when they
/// are never closed is a difference that is argued for in `html`.
const PIECES: &[&str] = &[
    "<",
    "<",
    ">",
    ">",
    "/",
    "=",
    "\"",
    "'",
    "!",
    "-",
    "--",
    "?",
    "&",
    ";",
    "#",
    " ",
    "\n",
    "\0",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "--!>",
    "</",
    "/>",
    "a",
    "<a ",
    "<a href=",
    "href=",
    "href=b",
    " href=\"c",
    "</a>",
    "x",
    "y ",
    "é",
    "&amp",
    "&lt;",
    "&#6",
    "5",
    "script",
    "<script",
    "<script>",
    "</script",
    "</script>",
    "<style>",
    "</style>",
    "<title>",
    "</title>",
    "<textarea>",
    "</textarea>",
    "<p>",
    "</p>",
    "<b>",
    "<br>",
    "<td>",
    "<iframe src=d>",
    "</iframe>",
    "<base href=e>",
    "<noembed>",
    "</noembed>",
    "<template>",
    "</template>",
    "<xmp>",
    "</xmp>",
];

#[test]
fn pieces_in_any_order_have_the_links_that_browsers_find() {
    let mut random = Random(2);
    let mut wrong = Vec::new();
    for _ in 0..5000 {
        let source: String = (0..=random.below(30)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        let (here, tree) = (found(&source), Walk::of(&source));
        if (&here.links, &here.base) != (&tree.links, &tree.base) {
            wrong.push(format!("{source}\n  here {here:?}\n  tree {tree:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_damaged_page_has_the_links_that_browsers_find() {
    let mut random = Random(3);
    for damages in (0..8).cycle().take(3000) {
        let mut source = PAGE.to_owned();
        for _ in 0..damages {
            let boundary = |wanted: usize| (0..=wanted).rev().find(|at| PAGE.is_char_boundary(*at)).unwrap_or(0);
            let start = boundary(random.below(source.len()));
            let end = (start + random.below(20)).min(source.len());
            let piece = if random.below(2) == 0 { "" } else { PIECES[random.below(PIECES.len())] };
            source.replace_range(start..end, piece);
        }
        let (mut here, mut tree) = (found(&source), Walk::of(&source));
        // A tree moves what is misplaced in a table before it.
        here.links.sort_unstable();
        tree.links.sort_unstable();
        assert_eq!((&here.links, &here.base), (&tree.links, &tree.base), "{source}");
        if damages == 0 {
            assert_eq!(here, tree);
        }
    }
}

/// Compares whole sites: every page below the folders in `ORACLE_FOLDERS`, which `scripts/oracle` sets.
#[test]
#[ignore = "takes minutes and needs the sites: scripts/oracle runs it"]
fn whole_sites_are_read_as_browsers_do() {
    let folders = std::env::var("ORACLE_FOLDERS").expect("ORACLE_FOLDERS names folders, with a colon between");
    let mut pages = Vec::new();
    for folder in folders.split(':') {
        gather_pages(std::path::Path::new(folder), &mut pages);
    }
    pages.sort_unstable();
    let mut differing = 0;
    for page in &pages {
        let body = std::fs::read(page).expect("a page of the folder can be read");
        let source = crate::crawl::charset::decode(&body, Some("text/html")).text;
        let (here, tree) = (found(&source), Walk::of(&source));
        if here != tree {
            differing += 1;
            println!("{}:{}", page.display(), difference(&here, &tree));
        }
    }
    println!("{} pages, {differing} differ", pages.len());
    assert!(!pages.is_empty() && differing == 0);
}

fn gather_pages(folder: &std::path::Path, pages: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be read").flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => gather_pages(&path, pages),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "html" || end == "htm") => {
                pages.push(path);
            }
            // Links between folders would be followed in circles.
            _ => {}
        }
    }
}

/// What differs, each shortened to where it begins to.
fn difference(here: &Found, tree: &Found) -> String {
    let mut text = String::new();
    if (&here.title, &here.base) != (&tree.title, &tree.base) {
        let _ =
            write!(text, "\n  title or base {:?} {:?}, tree {:?} {:?}", here.title, here.base, tree.title, tree.base);
    }
    for (ours, theirs, what) in
        [(&here.links, &tree.links, "only here"), (&tree.links, &here.links, "only in the tree")]
    {
        let known: std::collections::HashSet<&String> = theirs.iter().collect();
        for link in ours.iter().filter(|link| !known.contains(link)).take(3) {
            let _ = write!(text, "\n  link {what}: {link}");
        }
    }
    let at = here.text.chars().zip(tree.text.chars()).take_while(|(ours, theirs)| ours == theirs).count();
    if here.text != tree.text {
        let around = |text: &str| text.chars().skip(at.saturating_sub(30)).take(80).collect::<String>();
        let _ = write!(text, "\n  text here {:?}\n  text tree {:?}", around(&here.text), around(&tree.text));
    }
    if text.is_empty() { "\n  the order of links".to_owned() } else { text }
}

const PAGE: &str = include_str!("oracle/page.html");

const SNIPPETS: &str = include_str!("oracle/snippets.txt");
