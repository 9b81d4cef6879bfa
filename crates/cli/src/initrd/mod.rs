//! `bootwright initrd`: build an initrd, and say why each of its files is in.

mod build;
mod explain;
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
    Explain(explain::Explain),
}

impl Initrd {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Build(arguments) => arguments.run(),
            Action::Explain(arguments) => arguments.run(),
        }
    }
}

/// The agent's program, that this binary carries.
pub fn agent() -> Result<Vec<u8>, Failure> {
    let bytes = crate::agent::bytes().map_err(|text| Failure::message(Kind::Environment, text))?;
    Ok(bytes.to_vec())
}
