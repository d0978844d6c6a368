//! What micro-benchmarks may reach of the crawl beside what is public. Only with the feature `micro`.

use super::datastore::{PageIds, Waiting};
use super::frontier::{Frontier, Manners, Next};
use crate::client::Conditions;
use std::time::{Duration, Instant};

/// Queues a page for each URL, has all of them leave and come back, and returns how many did.
pub fn frontier(urls: &[String]) -> usize {
    let now = Instant::now();
    let manners = Manners { delay: Duration::ZERO, connections_max: None, pause: Duration::ZERO, asks_robots: false };
    let mut frontier = Frontier::new(manners);
    let ids = PageIds::default();
    for (url, seq) in urls.iter().zip(0..) {
        let site = frontier.site(crate::url::origin_of(url), now);
        let (url, conditions) = (url.clone(), Conditions::default());
        frontier.push(site, Waiting { id: ids.of(&url), url, seq, hops: 0, depth: 0, conditions });
    }
    let mut visited = 0;
    while let Next::Visit(visit) = frontier.next(now) {
        frontier.came_back(frontier.host(visit.site), now);
        visited += 1;
    }
    visited
}
