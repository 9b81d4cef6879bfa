//! Running programs of the distribution: found or named with their package, bounded output, the last
//! words of one that failed.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// How many of a program's last lines are kept for the message when it fails.
const LAST_LINES: usize = 12;

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// What is executed.
    pub program: &'static str,
    /// The package's name.
    pub package: &'static str,
}

/// Writes a program's standard input.
pub type Feed<'a> = dyn Fn(&mut ChildStdin) -> io::Result<()> + 'a;

/// Why a program was of no use.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("{program} is needed and not installed: install the package {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// Its package.
        package: &'static str,
    },
    /// It could not be started, or talking to it failed.
    #[error("running {program} failed")]
    Io {
        /// The program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ran and said no.
    #[error("{program} failed ({status}); its last words:\n{last_words}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Exit status or signal.
        status: ExitStatus,
        /// The end of what it said on standard error.
        last_words: String,
    },
}

impl Tool {
    /// The program, with a locale and a time zone that do not depend on the host.
    pub fn command(self) -> Command {
        let mut command = Command::new(self.program);
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
    }

    /// Runs `command` to its end. `feed` writes its standard input (none: nothing to read); each line it
    /// says on standard error goes to `heard`.
    pub fn run(
        self,
        command: &mut Command,
        feed: Option<&Feed<'_>>,
        heard: &(dyn Fn(&str) + Sync),
    ) -> Result<(), ToolError> {
        let io_error = |source| ToolError::Io { program: self.program, source };
        command.stderr(Stdio::piped());
        command.stdin(if feed.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ToolError::Missing { program: self.program, package: self.package },
            _ => io_error(error),
        })?;
        let (fed, last_words) = converse(&mut child, feed, heard);
        let status = child.wait().map_err(io_error)?;
        if !status.success() {
            return Err(ToolError::Failed { program: self.program, status, last_words });
        }
        fed.map_err(io_error)
    }

    /// What the program says on standard output.
    pub fn output(self, command: &mut Command) -> Result<String, ToolError> {
        let io_error = |source| ToolError::Io { program: self.program, source };
        let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ToolError::Missing { program: self.program, package: self.package },
            _ => io_error(error),
        })?;
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Feeds the child and listens to it at once; returns how feeding went and the last lines heard.
fn converse(
    child: &mut Child,
    feed: Option<&Feed<'_>>,
    heard: &(dyn Fn(&str) + Sync),
) -> (io::Result<()>, String) {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let listener = scope.spawn(|| {
            let mut last = VecDeque::new();
            for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')) {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                heard(&line);
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Vec::from(last).join("\n")
        });
        let fed = match (stdin, feed) {
            // Dropping the pipe tells the child that this is all.
            (Some(mut stdin), Some(feed)) => feed(&mut stdin).and_then(|()| stdin.flush()),
            _ => Ok(()),
        };
        (fed, listener.join().unwrap_or_default())
    })
}
