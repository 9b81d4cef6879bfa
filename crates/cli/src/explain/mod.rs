//! `bootwright explain`.

mod boot;
mod cmdline;
mod uki;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Say what a machine would do, without a machine; or what it has done.
#[derive(Args)]
#[command(arg_required_else_help = true)]
pub struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Boot(boot::Boot),
    Cmdline(cmdline::Cmdline),
}

impl Explain {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Boot(arguments) => arguments.run(),
            What::Cmdline(arguments) => arguments.run(),
        }
    }
}
