//! What an action tells beside its counts: what became of each document that it was given, and what it was asked to list.

use std::sync::Arc;

/// Longest reason that is kept for one document, in characters.
const FAILURE_CHARS_MAX: usize = 500;

/// The results of an action, in the order in which they came. Shared values: a reader copies references.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// `tasks`: of an action that was given documents by their identifiers.
    pub documents: Vec<Arc<DocumentResult>>,
    /// `identifiers`: of an action that lists what is known.
    pub listings: Vec<Arc<Listing>>,
    /// `warnings`: what went on that somebody should look at.
    pub warnings: Vec<Arc<Warning>>,
}

/// Something about a task section that is no failure of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// In upper case.
    pub task: String,
    pub text: String,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentResult {
    /// As the client gave it.
    pub identifier: String,
    /// Why it failed; `None` if it did not.
    pub failure: Option<String>,
}

/// One group of `identifiers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub subject: Subject,
    pub entries: Vec<Listed>,
    /// What is wrong with the question, or that there is more than is listed.
    pub error: Option<String>,
}

/// What a group is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// It lists what lies below this.
    Parent(String),
    /// It describes this alone.
    Itself(String),
}

/// One `identifier` of a group. What the client did not ask to be shown is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub identifier: String,
    pub name: Option<String>,
    pub kind: Option<String>,
    pub attributes: Option<String>,
}

impl Results {
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.listings.is_empty() && self.warnings.is_empty()
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        let documents = self
            .documents
            .iter()
            .map(|document| 64 + document.identifier.len() + document.failure.as_ref().map_or(0, String::len));
        let listings = self.listings.iter().map(|listing| {
            let entries = listing.entries.iter();
            128 + entries.map(|entry| 128 + 2 * entry.identifier.len()).sum::<usize>()
        });
        let warnings = self.warnings.iter().map(|warning| 64 + warning.task.len() + warning.text.len());
        documents.sum::<usize>() + listings.sum::<usize>() + warnings.sum::<usize>()
    }
}

impl DocumentResult {
    pub fn success(identifier: &str) -> DocumentResult {
        DocumentResult { identifier: identifier.to_owned(), failure: None }
    }

    /// A long reason is cut.
    pub fn failed(identifier: &str, why: &str) -> DocumentResult {
        let why = why.chars().take(FAILURE_CHARS_MAX).collect();
        DocumentResult { identifier: identifier.to_owned(), failure: Some(why) }
    }
}
