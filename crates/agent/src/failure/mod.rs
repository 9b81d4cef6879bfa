//! Why a boot failed: the step and the cause in one sentence, and everything that was tried.
//!
//! The same goes to the consoles as a [`screen`], with `bootwright.qr` its short form as a [`code`], and to the server as [`Failed`].

pub mod code;
pub mod screen;
mod step;

use std::error::Error;

use bootwright_image::timeline::{Failed, Step, Tried, What};

/// A failed boot. What was tried and seen stands in `tried`, a line each: interfaces, sources, media.
#[derive(Debug)]
pub struct Failure {
    step: Option<Step>,
    /// What happened and, where one can say it, what to do.
    pub cause: String,
    /// What speaks for it.
    pub tried: Vec<Tried>,
}

impl Failure {
    /// A failure told in one sentence.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { step: None, cause: cause.into(), tried: Vec::new() }
    }

    /// A failure told by an error and those that caused it; `doing` says what was being done.
    pub fn of(doing: &str, error: &dyn Error) -> Self {
        Self::new(format!("{doing}: {}", chain(error)))
    }

    /// The step at which it happened, unless one that is nearer has been named.
    pub fn at(mut self, step: Step) -> Self {
        self.step.get_or_insert(step);
        self
    }

    /// The step at which it happened, and every source, as a download tells them.
    pub fn fetching(self, error: &bootwright_fetch::Error) -> Self {
        let (step, sources) = step::of_fetch(error);
        self.at(step).with(sources)
    }

    /// Adds what was seen.
    pub fn with<T: Into<Tried>>(mut self, tried: impl IntoIterator<Item = T>) -> Self {
        self.tried.extend(tried.into_iter().map(Into::into));
        self
    }

    /// The step at which it happened.
    pub fn step(&self) -> Step {
        self.step.unwrap_or(Step::Start)
    }

    /// For the server.
    pub fn report(&self) -> Failed {
        Failed { step: self.step(), cause: self.cause.clone(), tried: self.tried.clone() }
    }
}

/// What became of an interface.
pub fn interface(text: impl Into<String>) -> Tried {
    Tried { what: What::Interface, text: text.into() }
}

/// What was found on a disk, stick or CD.
pub fn medium(text: impl Into<String>) -> Tried {
    Tried { what: What::Medium, text: text.into() }
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
