//! What is visited next, transcribed: a clock that stands where the test puts it.

use super::*;
use crate::client::Conditions;
use crate::crawl::datastore::Datastore;
use crate::crawl::robots::Robots;
use std::time::Duration;

fn manners(delay_ms: u64) -> Manners {
    let (delay, pause) = (Duration::from_millis(delay_ms), Duration::from_secs(1));
    Manners { delay, connections_max: None, pause, asks_robots: true }
}

struct Pages {
    frontier: Frontier,
    datastore: Datastore,
    seq: i64,
    start: Instant,
}

impl Pages {
    fn new(delay_ms: u64) -> Pages {
        Pages::with(manners(delay_ms))
    }

    fn with(manners: Manners) -> Pages {
        let datastore = Datastore::open(std::path::Path::new(":memory:")).expect("memory holds a datastore");
        let frontier = Frontier::new(manners);
        Pages { frontier, datastore, seq: 0, start: Instant::now() }
    }

    fn push(&mut self, url: &str) {
        let site = self.frontier.site(crate::url::origin_of(url), self.start);
        let id = self.datastore.ids().of(url);
        let (seq, conditions) = (self.seq, Conditions::default());
        self.seq += 1;
        self.frontier.push(site, Waiting { id, url: url.to_owned(), seq, hops: 0, depth: 0, conditions });
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// What `next` says at `ms`, in short; robots.txt is answered at once.
    fn next(&mut self, ms: u64) -> String {
        let now = self.at(ms);
        match self.frontier.next(now) {
            Next::Visit(visit) => visit.url.to_string(),
            Next::AskRobots(site, url) => {
                self.frontier.came_back(self.frontier.asked_host(site), now);
                self.frontier.know_robots(site, Rules::None, now);
                format!("ask {url}")
            }
            Next::Skip(visit, _) => format!("skip {}", visit.url),
            Next::Wait(until) => format!("wait {}", (until - self.start).as_millis()),
            Next::Empty => "empty".to_owned(),
        }
    }
}

#[test]
fn sites_take_turns_after_their_robots() {
    let mut pages = Pages::new(0);
    for url in ["http://a/1", "http://a/2", "http://b/1"] {
        pages.push(url);
    }
    let said: Vec<String> = (0..6).map(|_| pages.next(0)).collect();
    assert_eq!(
        said,
        ["ask http://a/robots.txt", "ask http://b/robots.txt", "http://a/1", "http://b/1", "http://a/2", "empty"]
    );
}

#[test]
fn a_host_is_left_alone_for_its_delay_and_no_other_waits_for_it() {
    let mut pages = Pages::new(100);
    for url in ["http://a/1", "http://a/2", "https://a/3", "http://b/1"] {
        pages.push(url);
    }
    assert_eq!(pages.next(0), "ask http://a/robots.txt");
    assert_eq!(pages.next(0), "ask http://b/robots.txt");
    assert_eq!(pages.next(0), "wait 100");
    assert_eq!(pages.next(100), "ask https://a/robots.txt", "both schemes of a host have one pace");
    assert_eq!(pages.next(100), "http://b/1");
    assert_eq!(pages.next(100), "wait 200");
    assert_eq!(pages.next(200), "http://a/1");
    assert_eq!(pages.next(200), "wait 300");
    assert_eq!(pages.next(300), "https://a/3", "they take turns");
    assert_eq!(pages.next(400), "http://a/2");
    assert_eq!(pages.next(400), "empty");
}

#[test]
fn a_retry_waits_for_its_time_and_for_its_host() {
    let mut pages = Pages::new(100);
    pages.push("http://a/1");
    assert_eq!(pages.next(0), "ask http://a/robots.txt");
    let Next::Visit(visit) = pages.frontier.next(pages.at(100)) else {
        panic!("the page is due");
    };
    pages.frontier.retry(*visit, pages.at(150));
    assert_eq!(pages.next(110), "wait 150");
    assert_eq!(pages.next(150), "wait 200", "the host is due later than the retry");
    assert_eq!(pages.next(200), "http://a/1");
    assert_eq!(pages.next(200), "empty");
}

#[test]
fn an_unreachable_robots_is_asked_again_after_a_minute() {
    let mut pages = Pages::new(0);
    for number in 0..3 {
        pages.push(&format!("http://a/{number}"));
    }
    let Next::AskRobots(site, _) = pages.frontier.next(pages.at(0)) else {
        panic!("robots come first");
    };
    pages.frontier.know_robots(site, Rules::Unreachable(Arc::from("503")), pages.at(0));
    assert_eq!(pages.next(0), "skip http://a/0");
    assert_eq!(pages.next(59_999), "skip http://a/1");
    assert_eq!(pages.next(60_000), "ask http://a/robots.txt");
    assert_eq!(pages.next(60_000), "http://a/2");
}

/// What `hear` says at `ms` to a site that did not answer.
fn silence(pages: &mut Pages, site: SiteId, ms: u64) -> Consequence {
    let heard = Heard::Trouble { why: "refused", wish: None };
    let now = pages.at(ms);
    pages.frontier.hear(site, &heard, now)
}

#[test]
fn a_site_that_never_answers_is_left_alone_longer_each_time_and_given_up() {
    let mut pages = Pages::new(0);
    pages.push("http://a/1");
    pages.push("http://b/1");
    assert_eq!(pages.next(0), "ask http://a/robots.txt");
    assert_eq!(pages.next(0), "ask http://b/robots.txt");
    let site = pages.frontier.site("http://a", pages.at(0));
    assert_eq!([0, 1].map(|ms| silence(&mut pages, site, ms)), [Consequence::None, Consequence::None]);
    let mut ms = 2;
    for seconds in [1, 2, 4, 8, 16, 32, 60] {
        assert_eq!(silence(&mut pages, site, ms), Consequence::Spared(Duration::from_secs(seconds)));
        // What had left before fails as well: the same trouble.
        assert_eq!(silence(&mut pages, site, ms + 1), Consequence::None);
        ms += seconds * 1000;
    }
    assert_eq!(pages.next(2), "http://b/1", "no other site waits for it");
    assert_eq!(pages.next(2), format!("wait {ms}"));
    assert_eq!(silence(&mut pages, site, ms), Consequence::GivenUp);
    assert_eq!(pages.next(ms), "skip http://a/1");
}

#[test]
fn an_answer_ends_a_row_of_troubles() {
    let mut pages = Pages::new(0);
    let site = pages.frontier.site("http://a", pages.at(0));
    for ms in 0..20 {
        assert_eq!(silence(&mut pages, site, ms), Consequence::None);
        assert_eq!(silence(&mut pages, site, ms), Consequence::None);
        let now = pages.at(ms);
        assert_eq!(pages.frontier.hear(site, &Heard::Answer, now), Consequence::None);
    }
}

#[test]
fn a_host_that_asks_for_a_pause_gets_it_for_all_its_sites() {
    let mut pages = Pages::new(0);
    for url in ["http://a/1", "https://a/2", "http://b/1"] {
        pages.push(url);
    }
    for robots in ["ask http://a/robots.txt", "ask https://a/robots.txt", "ask http://b/robots.txt"] {
        assert_eq!(pages.next(0), robots);
    }
    let site = pages.frontier.site("http://a", pages.at(0));
    let trouble = |wish| Heard::Trouble { why: "HTTP status 429", wish: Some(wish) };
    let second = Duration::from_secs(1);
    let now = pages.at(0);
    assert_eq!(pages.frontier.hear(site, &trouble(Wish::SomePause), now), Consequence::Spared(second));
    assert_eq!(pages.frontier.hear(site, &trouble(Wish::SomePause), now), Consequence::None);
    // A pause that is named counts in any case.
    assert_eq!(pages.frontier.hear(site, &trouble(Wish::Pause(5 * second)), now), Consequence::Spared(5 * second));
    assert_eq!(pages.next(0), "http://b/1");
    assert_eq!(pages.next(0), "wait 5000");
    let mut both = [pages.next(5000), pages.next(5000)];
    both.sort_unstable();
    assert_eq!(both, ["http://a/1", "https://a/2"]);
    assert_eq!(pages.frontier.waits(9), ["a: 4 requests, left alone for 5 s"]);
}

#[test]
fn a_host_has_so_many_seats_and_no_other_waits_for_one() {
    let mut pages = Pages::with(Manners { connections_max: Some(2), ..manners(0) });
    for url in ["http://a/1", "http://a/2", "http://a/3", "https://a/4", "http://b/1"] {
        pages.push(url);
    }
    let said: Vec<String> = (0..6).map(|_| pages.next(0)).collect();
    let robots = ["ask http://a/robots.txt", "ask https://a/robots.txt", "ask http://b/robots.txt"];
    assert_eq!(said, [&robots[..], &["http://a/1", "https://a/4", "http://b/1"]].concat());
    assert_eq!(pages.next(0), "empty", "what is left waits for a seat");
    let host = pages.frontier.site("http://a", pages.start);
    let host = pages.frontier.host(host);
    let now = pages.at(1);
    pages.frontier.came_back(host, now);
    assert_eq!(pages.next(1), "http://a/2");
    let Next::Empty = pages.frontier.next(now) else { panic!("both seats are taken") };
    pages.frontier.came_back(host, now);
    let Next::Visit(visit) = pages.frontier.next(now) else { panic!("a seat is free") };
    pages.frontier.retry(*visit, now);
    assert_eq!(pages.next(1), "empty", "a retry needs a seat, too");
    pages.frontier.came_back(host, now);
    assert_eq!(pages.next(1), "http://a/3");
}

#[test]
fn a_robots_txt_that_moves_or_fails_takes_its_turns_like_everything_else() {
    let mut pages = Pages::new(100);
    pages.push("http://a/1");
    let Next::AskRobots(site, url) = pages.frontier.next(pages.at(0)) else { panic!("robots come first") };
    assert_eq!(url, "http://a/robots.txt");
    let to = |text: &str| Url::parse(text).expect("a URL");
    assert!(pages.frontier.robots_moved(site, to("http://a/r"), pages.at(10)));
    let Next::Wait(at) = pages.frontier.next(pages.at(10)) else { panic!("the host has its delay") };
    assert_eq!(at, pages.at(100));
    let Next::AskRobots(_, url) = pages.frontier.next(at) else { panic!("it is due") };
    assert_eq!(url, "http://a/r");
    // On another host it waits for that one alone, which knows it from now on.
    assert!(pages.frontier.robots_moved(site, to("http://b/r"), pages.at(110)));
    let Next::AskRobots(_, url) = pages.frontier.next(pages.at(110)) else { panic!("nobody asked b yet") };
    assert_eq!(url, "http://b/r");
    assert_eq!(pages.frontier.host_name(pages.frontier.asked_host(site)), "b");
    pages.push("http://b/1");
    assert!(pages.frontier.robots_again(site, Duration::from_secs(1), Duration::ZERO, 1, pages.at(120)));
    assert_eq!(pages.next(210), "ask http://b/robots.txt", "b does not wait for a");
    assert_eq!(pages.next(310), "http://b/1");
    let Next::AskRobots(_, url) = pages.frontier.next(pages.at(1120)) else { panic!("a second has passed") };
    assert_eq!(url, "http://b/r");
    assert!(!pages.frontier.robots_again(site, Duration::from_secs(1), Duration::ZERO, 1, pages.at(1120)));
    for hop in 0..3 {
        assert!(pages.frontier.robots_moved(site, to(&format!("http://c{hop}/")), pages.at(1120)));
    }
    assert!(!pages.frontier.robots_moved(site, to("http://d/"), pages.at(1120)), "the sixth is one too many");
}

#[test]
fn rules_hold_for_a_day() {
    let mut pages = Pages::new(0);
    for number in 0..3 {
        pages.push(&format!("http://a/{number}"));
    }
    assert_eq!(pages.next(0), "ask http://a/robots.txt");
    let day = 24 * 3_600_000;
    assert_eq!(pages.next(day - 1), "http://a/0");
    assert_eq!(pages.next(day), "ask http://a/robots.txt");
    assert_eq!(pages.next(day), "http://a/1");
    let mut pages = Pages::with(Manners { asks_robots: false, ..manners(0) });
    pages.push("http://a/0");
    assert_eq!(pages.next(2 * day), "http://a/0");
}

#[test]
fn rules_of_many_sites_are_held_within_bounds() {
    let mut pages = Pages::new(0);
    let rules = "user-agent: *\ndisallow: /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let robots = Arc::new(Robots::parse(rules.as_bytes(), "bot"));
    assert!(robots.bytes() > 50);
    let first = pages.frontier.site("http://first", pages.start);
    pages.frontier.know_robots(first, Rules::Robots(Arc::clone(&robots)), pages.start);
    pages.frontier.rules_bytes += robotstxt::RULES_BYTES_MAX;
    let second = pages.frontier.site("http://second", pages.start);
    pages.frontier.know_robots(second, Rules::Robots(robots), pages.start);
    pages.push("http://first/1");
    pages.push("http://second/1");
    assert_eq!(pages.next(0), "ask http://first/robots.txt");
    assert_eq!(pages.next(0), "http://second/1");
}

#[test]
fn a_full_window_parks_and_is_refilled_in_order() {
    let mut pages = Pages::new(0);
    let site = pages.frontier.site("http://a", pages.start);
    let mut parked = Vec::new();
    for number in 0..WINDOW + 10 {
        let url = format!("http://a/{number}");
        if pages.frontier.has_room(site) {
            pages.push(&url);
        } else {
            parked.push(url);
            pages.frontier.park(site);
        }
    }
    assert_eq!(pages.next(0), "ask http://a/robots.txt");
    let mut visited = Vec::new();
    loop {
        while let Some((site, _, after_seq, limit)) = pages.frontier.hungry() {
            assert_eq!(after_seq, i64::try_from(WINDOW).unwrap_or(0) - 1);
            let ids = pages.datastore.ids();
            let page = |url: &String| Waiting {
                id: ids.of(url),
                url: url.clone(),
                seq: after_seq + 1,
                hops: 0,
                depth: 0,
                conditions: Conditions::default(),
            };
            let more = parked.drain(..).map(|url| page(&url)).collect();
            pages.frontier.refill(site, more, limit);
        }
        match pages.next(0).as_str() {
            "empty" => break,
            url => visited.push(url.to_owned()),
        }
    }
    let expected: Vec<String> = (0..WINDOW + 10).map(|number| format!("http://a/{number}")).collect();
    assert_eq!(visited, expected);
}
