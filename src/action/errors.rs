//! What an action has met and survived, for those who are told before it ends.

use parking_lot::Mutex;

/// Errors that are kept in words until they are reported; further ones are counted. A site with a million broken pages
/// has a million of them.
const WORDED_MAX: usize = 10;
/// Of one of them, in characters.
const TEXT_CHARS_MAX: usize = 500;

/// The errors of one task section since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Errors(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    first: Vec<String>,
    count: u64,
}

/// The errors of one task section in some time, as one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSummary {
    /// The section's name in upper case.
    pub task: String,
    /// How many there were.
    pub count: u64,
    /// The first ones.
    pub first: Vec<String>,
}

impl Errors {
    pub(super) fn add(&self, text: &str) {
        let mut gathered = self.0.lock();
        gathered.count += 1;
        if gathered.first.len() < WORDED_MAX {
            gathered.first.push(text.chars().take(TEXT_CHARS_MAX).collect());
        }
    }

    pub(super) fn take(&self, task: &str) -> Option<ErrorSummary> {
        let Gathered { first, count } = std::mem::take(&mut *self.0.lock());
        (count > 0).then(|| ErrorSummary { task: task.to_owned(), count, first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_first_errors_and_the_number_of_all_since_the_last() {
        let errors = Errors::default();
        assert_eq!(errors.take("A"), None);
        for number in 0..1_000 {
            errors.add(&format!("{number} {}", "x".repeat(1_000)));
        }
        let summary = errors.take("A").expect("there were some");
        assert_eq!((summary.count, summary.first.len()), (1_000, WORDED_MAX));
        assert!(summary.first[9].starts_with("9 x") && summary.first[9].len() == TEXT_CHARS_MAX);
        assert_eq!(errors.take("A"), None);
    }
}
