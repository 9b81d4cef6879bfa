//! `bootwright completion SHELL` and `bootwright man`: what a package of bootwright ships.

use std::io::{Write as _, stdout};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::failure::{Failure, OrFail as _};

/// Print the completion script for a shell.
///
/// Example: bootwright completion bash > /etc/bash_completion.d/bootwright
#[derive(Args)]
pub struct Completion {
    /// The shell that shall complete.
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "bootwright", &mut script);
        stdout().write_all(&script).or_environment()
    }
}

/// Print the manual page, or that of one verb.
///
/// Example: bootwright man serve | man -l -
#[derive(Args)]
pub struct Man {
    /// The verb; without one, the overview.
    verb: Option<String>,
}

impl Man {
    /// Prints the page in troff.
    pub fn run(self) -> Result<(), Failure> {
        let mut command = crate::Cli::command();
        command.build();
        if let Some(verb) = &self.verb {
            command = match command.find_subcommand(verb) {
                Some(found) => found.clone(),
                None => {
                    let text = format!("there is no verb {verb:?}: see bootwright --help");
                    return Err(Failure::message(crate::failure::Kind::Usage, text));
                }
            };
        }
        clap_mangen::Man::new(command).render(&mut stdout()).or_environment()
    }
}
