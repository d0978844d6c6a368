//! Tables of cases: the RFC's, Google's, and what lies between them.

use super::*;
use proptest::prelude::*;

fn allows(robots: &str, agent: &str, path: &str) -> bool {
    let url = crate::url::parse(&format!("http://foo.bar{path}")).expect("the tables hold paths");
    Robots::parse(robots.as_bytes(), agent).allows(&url)
}

fn assert_table(robots: &str, agent: &str, cases: &[(&str, bool)]) {
    for (path, allowed) in cases {
        assert_eq!(allows(robots, agent, path), *allowed, "{path} for {agent} under {robots:?}");
    }
}

/// RFC 9309 2.2.2, 2.2.3 and 5.
#[test]
fn the_rfcs_examples() {
    let simple = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
                  User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
                  User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\n\
                  User-Agent: quxbot\n";
    assert_table(simple, "anybot", &[("/a.gif", false), ("/a.gif?x", true), ("/example/x", false), ("/", true)]);
    let foo = [("/", false), ("/example/page.html", true), ("/example/allowed.gif", true), ("/b.gif", false)];
    assert_table(simple, "foobot", &foo);
    assert_table(simple, "bazbot/1.0", &[("/example/page.html", false), ("/example/", true), ("/a.gif", true)]);
    assert_table(simple, "QuxBot", &[("/example/", true), ("/a.gif", true)]);

    let longest = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
    assert_table(longest, "foobot", &[("/example/page/", true), ("/example/page/disallowed.gif", false)]);

    for (pattern, path) in [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http://foo.bar"),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ"),
        ("/foo/bar/%e3%83%84", "/foo/bar/ツ"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"),
        ("/path/foo-%24", "/path/foo-$"),
        ("/a$b", "/a$b"),
        ("/a b", "/a%20b"),
        ("/a|b?{}", "/a|b?{}"),
    ] {
        let robots = format!("user-agent: *\ndisallow: {pattern}");
        assert!(!allows(&robots, "bot", path), "{pattern} does not match {path}");
    }
    assert!(allows("user-agent: *\ndisallow: /path/file-with-a-%2A.html", "bot", "/path/file-with-a-x.html"));
    assert!(allows("user-agent: *\ndisallow: /a%2Fb", "bot", "/a/b"));
}

/// Google's specification of robots.txt, section "URL matching based on path values".
#[test]
fn patterns_match_as_documented_by_google() {
    for (pattern, matching, other) in [
        ("/", &["/", "/any"][..], &[][..]),
        ("/*", &["/", "/any"], &[]),
        ("/$", &["/"], &["/any"]),
        (
            "/fish",
            &["/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fish.php?id=x"],
            &["/Fish.asp", "/catfish", "/?id=fish", "/desert/fish"],
        ),
        ("/fish*", &["/fish", "/fish.html", "/fishheads/yummy.html"], &["/Fish.asp", "/catfish", "/?id=fish"]),
        ("/fish/", &["/fish/", "/fish/?id=x", "/fish/salmon.htm"], &["/fish", "/fish.html", "/animals/fish/"]),
        ("/*.php", &["/index.php", "/a/b.php?parameters", "/a.php/", "/filename.php5"], &["/", "/windows.PHP"]),
        ("/*.php$", &["/filename.php", "/folder/filename.php"], &["/a.php?b", "/a.php/", "/a.php5"]),
        ("/fish*.php", &["/fish.php", "/fishheads/catfish.php?parameters"], &["/Fish.PHP"]),
        ("/a*b*c$", &["/abc", "/a-b-c", "/abcbc"], &["/abcb", "/ab", "/acb"]),
        ("/a**b", &["/ab", "/axb"], &["/a"]),
        ("*a*", &["/a", "/xax"], &["/x"]),
        ("/ab*b$", &["/abb", "/abxb"], &["/ab"]),
        ("/a*$", &["/a", "/abc"], &["/b"]),
    ] {
        let robots = format!("user-agent: *\ndisallow: {pattern}");
        for path in matching {
            assert!(!allows(&robots, "bot", path), "{pattern} misses {path}");
        }
        for path in other {
            assert!(allows(&robots, "bot", path), "{pattern} catches {path}");
        }
    }
}

#[test]
fn the_longest_rule_decides_and_ties_allow() {
    for (rules, path, allowed) in [
        ("allow: /p\ndisallow: /", "/page", true),
        ("disallow: /\nallow: /p", "/page", true),
        ("allow: /folder\ndisallow: /folder", "/folder/page", true),
        ("disallow: /folder\nallow: /folder", "/folder/page", true),
        ("allow: /page\ndisallow: /*.htm", "/page.htm", false),
        ("allow: /page\ndisallow: /*.ph", "/page.php5", true),
        ("allow: /$\ndisallow: /", "/", true),
        ("allow: /$\ndisallow: /", "/page.htm", false),
        ("disallow:", "/a", true),
        ("disallow: /\nallow:", "/a", false),
        ("disallow: /\nallow: /x/index.html", "/x/", true),
        ("disallow: /\nallow: /x/index.html", "/x/y", false),
        ("disallow: /", "/robots.txt", true),
    ] {
        assert_eq!(allows(&format!("user-agent: bot\n{rules}"), "bot", path), allowed, "{rules:?} {path}");
    }
}

#[test]
fn groups_belong_to_every_agent_named_and_merge() {
    let robots = "allow: /foo\n\nuser-agent: a\nuser-agent: b\ndisallow: /ab\nsitemap: x\ndisallow: /ab2\n\n\
                  user-agent: *\ndisallow: /\n\nuser-agent: A\nunknown: x\n\ndisallow: /a\n";
    assert_table(robots, "a", &[("/ab", false), ("/ab2", false), ("/a", false), ("/c", true)]);
    assert_table(robots, "b", &[("/ab", false), ("/a", true)]);
    assert_table(robots, "c", &[("/c", false), ("/foo", false)]);
    assert_table("disallow: /", "a", &[("/", true)]);
    // A group that names the agent counts, even if it says nothing.
    assert_table("user-agent: *\ndisallow: /\n\nuser-agent: a\n", "a", &[("/", true)]);
    // A part of a name is not the name; what follows the product is ignored.
    let parts = "user-agent: web\ndisallow: /web\nuser-agent: webconnector/9 beta\ndisallow: /both\n";
    assert_table(parts, "webconnector/0.1", &[("/web", true), ("/both", false)]);
    assert_table(parts, "Mozilla/5.0 (compatible; WebConnector/1.0; +http://x/)", &[("/web", true), ("/both", false)]);
    assert_table("user-agent: * (all)\ndisallow: /", "a", &[("/", false)]);
    assert_table("user-agent: *bot\ndisallow: /", "bot", &[("/", true)]);
    assert_table("user-agent: \ndisallow: /", "/1.0", &[("/", true)]);
}

#[test]
fn lines_are_read_leniently() {
    for robots in [
        "\u{feff}User-agent: bot\nDisallow: /",
        "user-agent:bot\rdisallow:/",
        "user-agent: bot\r\n\r\ndisallow: /\r\n",
        "  USER-AGENT\t: bot # who\n DISALLOW : / # all",
        "user-agent bot\ndisallow /",
        "useragent: bot\ndisalow: /",
        "user agent: bot\ndissallow: /",
        "foo: bar\nuser-agent: bot\nfoo: bar\n<html>\ndisallow: /",
    ] {
        assert!(!allows(robots, "bot", "/a"), "{robots:?}");
    }
    for robots in ["user-agent: bot\ndisallow / x", "<html>user-agent: bot disallow: /</html>", "disallow: /", ""] {
        assert!(allows(robots, "bot", "/a"), "{robots:?}");
    }
}

#[test]
fn delays_and_sitemaps() {
    let robots = "Sitemap: http://foo.bar/a.xml\nuser-agent: *\ncrawl-delay: 2.5\n\nuser-agent: bad\ndisallow: /\n\
                  Site-map: /b.xml # relative\nuser-agent: slow\ncrawl-delay: 86400\nuser-agent: odd\ncrawl-delay: -1\n\
                  crawl-delay: NaN\ncrawl-delay: x\n";
    for (agent, delay) in [("a", Some(2500)), ("bad", None), ("slow", Some(30_000)), ("odd", None)] {
        let robots = Robots::parse(robots.as_bytes(), agent);
        assert_eq!(robots.crawl_delay(), delay.map(Duration::from_millis), "{agent}");
        assert_eq!(robots.sitemaps(), ["http://foo.bar/a.xml", "/b.xml"]);
    }
    assert!(allows(robots, "a", "/"), "a delay ends a list of agents");
    let endless = Robots::parse(b"user-agent: *\ncrawl-delay: 1e300", "a");
    assert_eq!(endless.crawl_delay(), Some(CRAWL_DELAY_MAX));
}

#[test]
fn only_the_first_half_megabyte_counts_and_no_half_of_a_line() {
    let filler = format!("#{}\n", "x".repeat(99)).repeat(ROBOTS_BYTES_MAX / 100 + 1);
    assert!(!allows(&format!("user-agent: *\ndisallow: /\n{filler}"), "bot", "/a"));
    assert!(allows(&format!("user-agent: *\n{filler}\ndisallow: /"), "bot", "/a"));
    // "disallow: /private" that is cut after its slash would forbid everything.
    let rule = "user-agent: *\ndisallow: /";
    let cut = format!("#{}\n{rule}private\n", "x".repeat(ROBOTS_BYTES_MAX - rule.len() - 2));
    assert_eq!(&cut.as_bytes()[ROBOTS_BYTES_MAX - 3..ROBOTS_BYTES_MAX], b": /");
    assert!(allows(&cut, "bot", "/a"));
    assert!(allows(&"x".repeat(ROBOTS_BYTES_MAX + 1), "bot", "/a"));
}

/// The rest of a line that is too long is cut off, so that its rule is a shorter one, as Google has it.
#[test]
fn a_line_of_any_length_is_read_up_to_a_limit() {
    let room = LINE_BYTES_MAX - "disallow: ".len();
    let long = format!("/x/{}", "q".repeat(room - 3));
    let robots = format!("user-agent: *\ndisallow: {long}/more");
    // No URL is that long here: the patterns themselves are looked at.
    let rules = Robots::parse(robots.as_bytes(), "bot").rules;
    assert_eq!(rules.iter().map(|rule| rule.pattern.text.len()).collect::<Vec<_>>(), [long.len()]);
    assert!(!allows("user-agent: *\ndisallow: /x/", "bot", "/x/y"));
}

/// A byte order mark, also the start of one, is not part of the first line; anywhere else it is a stray text.
#[test]
fn a_byte_order_mark_is_passed_over() {
    let rules = |lead: &[u8], rest: &[u8]| Robots::parse(&[lead, rest].concat(), "foo").rules.len();
    let whole = b"User-Agent: foo\nDisallow: /AnyValue\n";
    for (lead, found) in [(&b"\xef\xbb\xbf"[..], 1), (b"\xef\xbb", 1), (b"\xef", 1), (b"\xef\x11\xbf", 0), (b"\xbf", 0)]
    {
        assert_eq!(rules(lead, whole), found, "{lead:?}");
    }
    assert_eq!(rules(b"User-Agent: foo\n", b"\xef\xbb\xbfDisallow: /AnyValue\n"), 0);
}

/// What Google's tests of its parser (robotstxt, `robots_test.cc`) demand, rule by rule, beyond the tables above.
#[test]
fn google_and_we_agree() {
    for (robots, agent, path, allowed) in [
        // A system that must keep its files: an empty file, an empty path, an agent without rules.
        ("", "FooBot", "/", true),
        ("user-agent: FooBot\ndisallow: /", "", "/", true),
        ("foo: FooBot\nbar: /", "FooBot", "/x/y", true),
        // Groups: rules of several belong to all agents before them; sitemaps and unknown lines end none.
        (
            "user-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\nallow: /y/",
            "BarBot",
            "/y/b",
            true,
        ),
        (
            "user-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\nallow: /y/",
            "FooBot",
            "/y/b",
            false,
        ),
        ("user-agent: BarBot\nsitemap: https://foo.bar/sitemap\nuser-agent: *\ndisallow: /", "FooBot", "/", false),
        ("user-agent: BarBot\nsitemap: https://foo.bar/sitemap\nuser-agent: *\ndisallow: /", "BarBot", "/", false),
        ("user-agent: FooBot\nInvalid-Unknown-Line: unknown\nuser-agent: *\ndisallow: /", "FooBot", "/", false),
        // Names in any case, values not.
        ("USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /", "FooBot", "/x/y", true),
        ("uSeR-aGeNt: FOO BAR\ndIsAlLoW: /", "foo", "/x", false),
        ("user-agent: FooBot\ndisallow: /X/", "FooBot", "/x/y", true),
        ("user-agent: FooBot\ndisallow: /x/", "FooBot", "/x/y", false),
        // The global group is for those whom no other names.
        ("user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /", "FooBot", "/x", false),
        ("user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /", "BarBot", "/x", true),
        // The longest match decides, in whatever order.
        ("user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/", "FooBot", "/x/page.html", false),
        ("user-agent: FooBot\nallow: /x/page.html\ndisallow: /x/", "FooBot", "/x/page.html", true),
        ("user-agent: FooBot\nallow: /x/page.html\ndisallow: /x/", "FooBot", "/x/", false),
        ("user-agent: FooBot\ndisallow: \nallow: ", "FooBot", "/x/page.html", true),
        ("user-agent: FooBot\ndisallow: /\nallow: /", "FooBot", "/x/page.html", true),
        ("user-agent: FooBot\ndisallow: /x\nallow: /x/", "FooBot", "/x", false),
        ("user-agent: FooBot\ndisallow: /x\nallow: /x/", "FooBot", "/x/", true),
        ("user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/page.html", "FooBot", "/x/page.html", true),
        ("user-agent: FooBot\nallow: /page\ndisallow: /*.html", "FooBot", "/page.html", false),
        ("user-agent: FooBot\nallow: /x/page.\ndisallow: /*.html", "FooBot", "/x/page.html", true),
        ("user-agent: FooBot\ndisallow: /x/page.html\nuser-agent: *\ndisallow: /x/", "FooBot", "/x/page", true),
        // Special characters.
        ("user-agent: FooBot\ndisallow: /foo/bar/quz\nallow: /foo/*/qux", "FooBot", "/foo/bar/quz", false),
        ("user-agent: FooBot\ndisallow: /foo/bar/quz\nallow: /foo/*/qux", "FooBot", "/foo/x/quz", true),
        ("user-agent: FooBot\ndisallow: /foo/bar$\nallow: /foo/bar/qux", "FooBot", "/foo/bar", false),
        ("user-agent: FooBot\ndisallow: /foo/bar$\nallow: /foo/bar/qux", "FooBot", "/foo/bar/quz", true),
        ("user-agent: FooBot\n# disallow: /\ndisallow: /foo/quz#qux\nallow: /", "FooBot", "/foo/bar", true),
        ("user-agent: FooBot\n# disallow: /\ndisallow: /foo/quz#qux\nallow: /", "FooBot", "/foo/quz", false),
        // An index page stands for its folder, if it is allowed.
        ("user-agent: *\nallow: /allowed-slash/index.html\ndisallow: /", "foobot", "/allowed-slash/", true),
        ("user-agent: *\nallow: /allowed-slash/index.html\ndisallow: /", "foobot", "/allowed-slash/index.htm", false),
        ("user-agent: *\nallow: /allowed-slash/index.html\ndisallow: /", "foobot", "/anyother-url", false),
        // What follows the product's name is not part of it.
        ("user-agent: foobot 1.0\ndisallow: /", "FooBot/2.1", "/x", false),
        ("user-agent: foobot-news\ndisallow: /", "foobot", "/x", true),
    ] {
        assert_eq!(allows(robots, agent, path), allowed, "{path} for {agent} under {robots:?}");
    }
}

#[test]
fn an_answer_has_a_meaning() {
    use OnError::{Allow, Refuse};
    let url = crate::url::parse("http://foo.bar/a").expect("a URL");
    let rules = b"user-agent: *\ndisallow: /a";
    for (status, on_error, verdict) in [
        (Some(200), Refuse, "rules"),
        (Some(206), Allow, "rules"),
        (Some(301), Refuse, "all"),
        (Some(404), Refuse, "all"),
        (Some(401), Refuse, "all"),
        (Some(429), Refuse, "none"),
        (Some(429), Allow, "all"),
        (Some(500), Refuse, "none"),
        (Some(503), Allow, "all"),
        (None, Refuse, "none"),
        (None, Allow, "all"),
    ] {
        let found = Verdict::of(status, rules, "bot", on_error);
        let name = match found {
            Verdict::Rules(_) => "rules",
            Verdict::AllowAll => "all",
            Verdict::Unreachable => "none",
        };
        assert_eq!(name, verdict, "{status:?} {on_error:?}");
        assert_eq!(found.allows(&url), verdict == "all");
    }
}

/// What a backtracking matcher would chew on until the end of the day.
#[test]
fn no_pattern_takes_long() {
    let robots = format!("user-agent: *\ndisallow: /{}b$", "*a".repeat(8000));
    assert!(allows(&robots, "bot", &format!("/{}", "a".repeat(2000))));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let url = crate::url::parse("http://foo.bar/a?b*$").expect("a URL");
        let robots = [b"user-agent: *\ndisallow: ", &bytes[..]].concat();
        Robots::parse(&robots, "bot").allows(&url);
    }

    /// The pattern matcher agrees with a regular expression that says the same.
    #[test]
    fn matching_is_that_of_a_regex(pattern in "[/*ab]{0,8}[$]?", path in "/[ab/]{0,8}") {
        let (body, end) = pattern.strip_suffix('$').map_or((pattern.as_str(), ""), |body| (body, "$"));
        let regex = fancy_regex::Regex::new(&format!("^{}{end}", body.replace('*', ".*"))).expect("a regex");
        prop_assert_eq!(Pattern::new(pattern.as_bytes()).matches(&path), regex.is_match(&path).expect("it ends"));
    }
}
