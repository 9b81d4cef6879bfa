//! `bootwright initrd`: build an initrd, and say why each of its files is in.

mod build;
mod summary;

use clap::{Args, Subcommand};

use crate::failure::{Failure, Kind};

/// Build an initrd for one kernel, or explain one.
#[derive(Args)]
#[command(arg_required_else_help = true)]
pub struct Initrd {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Build(build::Build),
}

impl Initrd {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Build(arguments) => arguments.run(),
        }
    }
}

/// The agent's program, from the file that `BOOTWRIGHT_AGENT` names.
fn agent() -> Result<Vec<u8>, Failure> {
    let path = std::env::var_os("BOOTWRIGHT_AGENT").ok_or_else(|| {
        let text = "BOOTWRIGHT_AGENT names no file with the agent: set it, or give --no-agent";
        Failure::message(Kind::Usage, text)
    })?;
    std::fs::read(&path)
        .map_err(|error| Failure::message(Kind::Environment, format!("reading {}: {error}", path.display())))
}
