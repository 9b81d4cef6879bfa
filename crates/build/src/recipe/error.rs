use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One fault and the bytes of the recipe that it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeProblem {
    /// Byte range in the text.
    pub span: Range<usize>,
    /// What is wrong and what would be right.
    pub text: String,
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// It cannot be read.
    #[error("reading the recipe {path} failed: `bootwright init` writes a first one")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than [`super::MAX_RECIPE`].
    #[error("the recipe {path} has {length} bytes, more than {}", super::MAX_RECIPE)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        length: u64,
    },
    /// It says something that cannot be done. Printed with the lines concerned.
    #[error("{}", summary(place, problems))]
    Faults {
        /// `FILE:LINE:COLUMN` of the first fault.
        place: String,
        /// Every fault found, in the order of the text.
        problems: Vec<RecipeProblem>,
        /// The text.
        text: NamedSource<String>,
    },
}

impl RecipeError {
    pub(super) fn at(path: &Path, text: &str, mut problems: Vec<RecipeProblem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        let start = problems.first().map_or(0, |problem| problem.span.start);
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let name = path.display().to_string();
        let place = format!("{name}:{line}:{column}");
        Self::Faults { place, problems, text: NamedSource::new(name, text.to_owned()).with_language("toml") }
    }
}

fn summary(place: &str, problems: &[RecipeProblem]) -> String {
    match problems {
        [only] => format!("{place}: {}", only.text),
        _ => format!("{place}: the recipe has {} faults", problems.len()),
    }
}

impl Diagnostic for RecipeError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Faults { text, .. } => Some(text),
            Self::Read { .. } | Self::TooLarge { .. } => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Self::Faults { problems, .. } = self else { return None };
        // A single fault is told by the message already.
        let several = problems.len() > 1;
        let label = move |problem: &RecipeProblem| {
            let RecipeProblem { span, text } = problem;
            LabeledSpan::new(
                Some(if several { text.clone() } else { "here".to_owned() }),
                span.start,
                span.len(),
            )
        };
        Some(Box::new(problems.iter().map(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        matches!(self, Self::Faults { .. }).then(|| Box::new("docs/recipe.md lists every key") as Box<_>)
    }
}
