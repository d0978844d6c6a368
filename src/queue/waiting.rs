//! Who is next: waiting actions by priority and arrival, less those whose claims are held. Pure.
//!
//! Actions with the same claims are held up by the same runners, so they form a group of which only the first can be
//! next. A search looks at one action per group, however many wait: claims are task sections, of which there
//! are as many as a person has configured, and actions there are as many as a client has sent.

use super::record::{Claims, Record};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Higher priority first, then earlier arrival. Unique, because the id is.
type Place = (Reverse<i64>, u64);

#[derive(Default)]
pub(super) struct Waiting {
    /// No group is empty.
    groups: HashMap<Claims, BTreeSet<Place>>,
    /// The first place of every group, and of which.
    heads: BTreeMap<Place, Claims>,
    actions: usize,
    bytes: usize,
}

impl Waiting {
    pub(super) fn actions(&self) -> usize {
        self.actions
    }

    /// Bytes of the parameters of all waiting actions.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn insert(&mut self, record: &Record) {
        let place = place(record);
        let group = self.groups.entry(record.claims.clone()).or_default();
        let head = group.first().copied();
        group.insert(place);
        if head.is_none_or(|head| place < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(place, record.claims.clone());
        }
        self.actions += 1;
        self.bytes += record.params.len();
    }

    /// Takes out an action that was inserted, with the same priority and parameters.
    pub(super) fn remove(&mut self, record: &Record) {
        let place = place(record);
        let group = self.groups.get_mut(&record.claims).expect("a waiting action is in the group of its claims");
        group.remove(&place);
        if self.heads.remove(&place).is_some() {
            match group.first() {
                Some(&head) => drop(self.heads.insert(head, record.claims.clone())),
                None => drop(self.groups.remove(&record.claims)),
            }
        }
        self.actions -= 1;
        self.bytes -= record.params.len();
    }

    /// The id of the first action none of whose claims is `held`.
    pub(super) fn next(&self, held: &HashSet<String>) -> Option<u64> {
        let free = |claims: &Claims| claims.iter().all(|claim| !held.contains(claim));
        self.heads.iter().find(|(_, claims)| free(claims)).map(|(&(_, id), _)| id)
    }
}

fn place(record: &Record) -> Place {
    (Reverse(record.priority), record.id)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn priority_then_arrival_then_claims_decide() {
        // (id, priority, claims) of what waits; what is held; who is next.
        type Case<'a> = (&'a [(u64, i64, &'a [&'a str])], &'a [&'a str], Option<u64>);
        let cases: [Case<'_>; 8] = [
            (&[], &[], None),
            (&[(2, 0, &[]), (1, 0, &[])], &[], Some(1)),
            (&[(1, 0, &[]), (2, 5, &[]), (3, 5, &[])], &[], Some(2)),
            (&[(1, -1, &["A"]), (2, i64::MIN, &["B"]), (3, i64::MAX, &["C"])], &[], Some(3)),
            (&[(1, 0, &["A"]), (2, 0, &["B"])], &["A"], Some(2)),
            (&[(1, 9, &["A", "B"]), (2, 0, &["C"])], &["B"], Some(2)),
            (&[(1, 9, &["A", "B"]), (2, 0, &["A"])], &["A"], None),
            (&[(1, 9, &["A"]), (2, 0, &[])], &["A"], Some(2)),
        ];
        for (actions, held, next) in cases {
            let mut waiting = Waiting::default();
            for &(id, priority, claims) in actions {
                waiting.insert(&record(id, priority, claims));
            }
            let held = held.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(waiting.next(&held), next, "{actions:?}");
        }
    }

    #[test]
    fn what_is_taken_out_leaves_nothing_behind() {
        let records = [record(1, 0, &["A"]), record(2, 7, &["A"]), record(3, 0, &["B"])];
        let mut waiting = Waiting::default();
        for record in &records {
            waiting.insert(record);
        }
        assert_eq!((waiting.actions(), waiting.bytes()), (3, 9));
        // First the head, then the last of a group, then the rest.
        for (at, next) in [(1, Some(1)), (2, Some(1)), (0, None)] {
            waiting.remove(&records[at]);
            assert_eq!(waiting.next(&HashSet::new()), next);
        }
        assert_eq!((waiting.actions(), waiting.bytes()), (0, 0));
        assert!(waiting.groups.is_empty() && waiting.heads.is_empty());
    }
}
