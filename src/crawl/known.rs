//! The identifiers of the pages met in the present run: what keeps most links from asking the database.

use super::datastore::Met;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// At nine bytes and a half-full table, some 70 MB. Beyond it the database alone remembers: slower, never wrong.
const KNOWN_MAX: usize = 4_000_000;

/// A bounded memory. `Met::New` from it only says that the database has to be asked.
#[derive(Debug)]
pub(super) enum Known {
    /// Depth does not matter: one word a page.
    Pages(HashSet<i64, Build>),
    /// With the least depth at which each was met.
    Depths(HashMap<i64, u32, Build>),
}

type Build = BuildHasherDefault<Identity>;

impl Known {
    pub(super) fn new(depth_matters: bool) -> Known {
        if depth_matters { Known::Depths(HashMap::default()) } else { Known::Pages(HashSet::default()) }
    }

    /// Whether [`Known::insert`] would say `Met::Known`.
    pub(super) fn has(&self, id: i64, depth: u32) -> bool {
        match self {
            Known::Pages(pages) => pages.contains(&id),
            Known::Depths(depths) => depths.get(&id).is_some_and(|least| *least <= depth),
        }
    }

    pub(super) fn insert(&mut self, id: i64, depth: u32) -> Met {
        match self {
            Known::Pages(pages) if pages.contains(&id) => Met::Known,
            Known::Pages(pages) => {
                if pages.len() < KNOWN_MAX {
                    pages.insert(id);
                }
                Met::New
            }
            Known::Depths(depths) => match depths.get_mut(&id) {
                Some(least) if *least <= depth => Met::Known,
                Some(least) => {
                    *least = depth;
                    Met::Sooner
                }
                None => {
                    if depths.len() < KNOWN_MAX {
                        depths.insert(id, depth);
                    }
                    Met::New
                }
            },
        }
    }
}

/// The keys are keyed hashes already.
#[derive(Debug, Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_i64(&mut self, value: i64) {
        self.0 = value.cast_unsigned();
    }
}
