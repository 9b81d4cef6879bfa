use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a lab, a service or a machine could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed, or cannot be run.
    #[error("starting {program}: it comes with the package {package}")]
    Tool {
        /// The program.
        program: &'static str,
        /// Debian's package that holds it.
        package: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The host makes no private namespaces for this user.
    #[error("private namespaces cannot be made here ({said}): {advice}")]
    Closed {
        /// What unshare(1) said.
        said: String,
        /// What to set.
        advice: &'static str,
    },
    /// A set-up command in the lab failed.
    #[error("{command}: {status}: {said}")]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its standard error.
        said: String,
    },
    /// Our own server does not run.
    #[error("bootwright serve does not answer in the machines' network; it said:\n    {said}")]
    Server {
        /// Its last lines.
        said: String,
    },
    /// A file or pipe failed.
    #[error("{doing}")]
    Io {
        /// What was being done, as a gerund.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that must be there is nowhere.
    #[error("{what} is in none of {}: it comes with the package {package}", list(.searched))]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
        /// Debian's package that holds it.
        package: &'static str,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// For a program that could not be started: a missing one is named with its package.
    pub(crate) fn tool(program: &'static str, package: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Tool { program, package, source }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}
