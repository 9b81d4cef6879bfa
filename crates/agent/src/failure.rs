//! Why a boot failed: the cause in one sentence, and the evidence for it.

use std::error::Error;

/// A failed boot. What was tried and seen stands in `evidence`, a line each: addresses, links, answers.
#[derive(Debug)]
pub struct Failure {
    /// What happened and, where one can say it, what to do.
    pub cause: String,
    /// What speaks for it.
    pub evidence: Vec<String>,
}

impl Failure {
    /// A failure told in one sentence.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), evidence: Vec::new() }
    }

    /// A failure told by an error and those that caused it; `doing` says what was being done.
    pub fn of(doing: &str, error: &dyn Error) -> Self {
        Self::new(format!("{doing}: {}", chain(error)))
    }

    /// Adds what was seen.
    pub fn with(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// An error and its sources in one line. A message that repeats its source is written once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("opening /x")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_names_every_source_once() {
        let error = Outer(std::io::Error::other("no such thing"));
        assert_eq!(Failure::of("mounting", &error).cause, "mounting: opening /x: no such thing");
    }
}
