//! Series: actions that are submitted one after the other for one reason, such as the runs of a schedule.
//!
//! The queue keeps of a series which action was its latest and a text of whoever submits them. It never reads the text and
//! submits nothing by itself.

use super::database::Write;
use super::{Queue, Shared, StoreError};
use crate::action::Token;

/// What is kept of a series, on disk when it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    /// Its latest action; `None` before the first. It may be forgotten meanwhile.
    pub last: Option<Token>,
    pub state: String,
}

impl Queue {
    /// What was last kept of this series.
    pub fn series(&self, name: &str) -> Option<Series> {
        self.shared.series.lock().get(name).cloned()
    }

    /// The latest action of the series, if it waits or runs.
    pub fn pending(&self, series: &Series) -> Option<Token> {
        let token = series.last.as_ref()?;
        self.get(token).filter(|action| !action.status.is_end()).map(|action| action.token)
    }

    /// Keeps what is known of these series now, without an action: all of them or, if that fails, none.
    pub fn keep(&self, series: Vec<Series>) -> Result<(), StoreError> {
        if !series.is_empty() {
            self.shared.store.commit(Write { series: series.clone(), ..Write::default() })?;
            self.shared.show(series);
        }
        Ok(())
    }
}

impl Shared {
    /// Shows series that are in the store.
    pub(super) fn show(&self, series: impl IntoIterator<Item = Series>) {
        let mut shown = self.series.lock();
        shown.extend(series.into_iter().map(|series| (series.name.clone(), series)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::super::{Submission, SubmitError};
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn the_state_of_a_series_and_its_action_are_kept_together_or_not_at_all() -> Result<(), Box<dyn std::error::Error>>
    {
        let directory = TempDir::new()?;
        let queue = Queue::open(settings(directory.path()))?;
        let next = |state: &str| Series { name: "docs".to_owned(), last: None, state: state.to_owned() };
        let submission = |state| Submission { series: Some(next(state)), ..Submission::default() };
        let series = |last: &Token, state| Some(Series { last: Some(last.clone()), ..next(state) });
        assert_eq!(queue.series("docs"), None);
        let first = queue.submit(&submission("1"))?;
        assert_eq!(queue.series("docs"), series(&first, "1"));

        queue.shared.store.pragma("query_only", 1)?;
        assert!(matches!(queue.submit(&submission("2")), Err(SubmitError::Store(_))));
        assert!(queue.keep(series(&first, "3").into_iter().collect()).is_err());
        queue.shared.store.pragma("query_only", 0)?;
        assert_eq!(queue.series("docs"), series(&first, "1"));
        drop(queue);

        let queue = Queue::open(settings(directory.path()))?;
        let kept = queue.series("docs").ok_or("it was kept")?;
        assert_eq!((Some(&kept), queue.pending(&kept)), (series(&first, "1").as_ref(), Some(first.clone())));
        queue.cancel(&first)?;
        assert_eq!(queue.pending(&kept), None);
        queue.keep(series(&first, "4").into_iter().collect())?;
        drop(queue);
        let queue = Queue::open(settings(directory.path()))?;
        assert_eq!((queue.series("docs"), queue.list().len()), (series(&first, "4"), 1));
        Ok(())
    }
}
