//! What answers mean for the pace of their site: one in trouble is left alone, and given up if that does not help.

use super::{Frontier, SiteId};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Troubles of a site, one after the other, after which the rest of it is given up for this run: two minutes of pauses if
/// `RetryDelay` is a second.
const TROUBLES_MAX: u32 = 10;
/// From this one on a site in trouble is left alone for a while, longer each time,
const TROUBLES_BORNE: u32 = 3;
/// but never for longer than this, unless it says so.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// What an answer means for its site, or that none came.
pub(in crate::crawl) enum Heard<'a> {
    Answer,
    Trouble {
        why: &'a str,
        /// It asks for a pause: of this length, or of any.
        wish: Option<Wish>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::crawl) enum Wish {
    Pause(Duration),
    SomePause,
}

/// What follows from trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::crawl) enum Consequence {
    None,
    /// The site is left alone for so long.
    Spared(Duration),
    /// The rest of it is skipped.
    GivenUp,
}

impl Frontier {
    /// Notes what a request to `site` came to. One in trouble is left alone for a while, and given up if that does not help.
    ///
    /// A host that asks for a pause gets it at once, for all its sites. One that says 503 to a single page, or fails to
    /// answer once, is not slowed down for that: only the third trouble in a row is taken for the site's. What had left
    /// before a pause began and fails within it is the same trouble.
    pub(in crate::crawl) fn hear(&mut self, site: SiteId, heard: &Heard<'_>, now: Instant) -> Consequence {
        let entry = &mut self.sites[site.0];
        let Heard::Trouble { why, wish } = heard else {
            entry.troubles = 0;
            return Consequence::None;
        };
        let host_spared_until = self.hosts.get(entry.host).spared_until;
        let is_spared = now < entry.spared_until.map_or(host_spared_until, |until| until.max(host_spared_until));
        if is_spared && !matches!(wish, Some(Wish::Pause(_))) {
            return Consequence::None;
        }
        if !is_spared {
            entry.troubles += 1;
        }
        if entry.troubles >= TROUBLES_MAX {
            entry.down = Some(Arc::from(*why));
            return Consequence::GivenUp;
        }
        let doublings = entry.troubles.saturating_sub(if wish.is_some() { 1 } else { TROUBLES_BORNE });
        let longer_each_time = (self.manners.pause * 2_u32.pow(doublings.min(16))).min(PAUSE_MAX);
        let pause = match wish {
            Some(Wish::Pause(pause)) => *pause,
            Some(Wish::SomePause) => longer_each_time,
            None if entry.troubles >= TROUBLES_BORNE => longer_each_time,
            None => return Consequence::None,
        };
        if wish.is_some() {
            self.hosts.spare(entry.host, now, now + pause);
        } else {
            entry.spared_until = Some(now + pause);
        }
        self.schedule(site);
        Consequence::Spared(pause)
    }
}
