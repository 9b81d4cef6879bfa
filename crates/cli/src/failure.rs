//! How a verb fails: what happened, in words, and the exit status that scripts act upon.

use std::process::ExitCode;

/// The three ways to fail, by exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 1: it ran and found a fault: a broken image, a failed verification.
    Bad = 1,
    /// 2: wrong usage or recipe.
    Usage = 2,
    /// 3: the environment failed: I/O, network, a missing tool.
    Environment = 3,
}

/// A verb's failure.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    report: miette::Report,
}

impl Failure {
    /// A failure of that kind; `report` says what happened and what to do.
    pub fn new(kind: Kind, report: impl Into<miette::Report>) -> Self {
        Self { kind, report: report.into() }
    }

    /// A failure told in one sentence.
    pub fn message(kind: Kind, text: impl std::fmt::Display) -> Self {
        Self { kind, report: miette::Report::msg(text.to_string()) }
    }

    /// Tells it on standard error and gives the exit status.
    pub fn report(&self) -> ExitCode {
        eprintln!("bootwright: {:?}", self.report);
        ExitCode::from(self.kind as u8)
    }
}

/// Turns a library's error into a [`Failure`] where the kind is known.
pub trait OrFail<T> {
    /// See [`Kind::Bad`].
    fn or_bad(self) -> Result<T, Failure>;
    /// See [`Kind::Usage`].
    fn or_usage(self) -> Result<T, Failure>;
    /// See [`Kind::Environment`].
    fn or_environment(self) -> Result<T, Failure>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> OrFail<T> for Result<T, E> {
    fn or_bad(self) -> Result<T, Failure> {
        self.map_err(|error| wrap(Kind::Bad, error))
    }

    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(|error| wrap(Kind::Usage, error))
    }

    fn or_environment(self) -> Result<T, Failure> {
        self.map_err(|error| wrap(Kind::Environment, error))
    }
}

fn wrap(kind: Kind, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure { kind, report: miette::Report::from_err(error) }
}
