//! The `bootwright` binary: a table from verb to function. Each verb is one file beside this one.
//!
//! Exit status: 0 done · 1 the thing is bad · 2 wrong usage or recipe · 3 the environment failed; see
//! [`failure`].

mod agent;
mod build;
mod complete;
mod convert;
mod disks;
mod doctor;
mod explain;
mod extract;
mod failure;
mod fetch;
mod init;
mod initrd;
mod inspect;
mod iso;
mod seed;
mod serve;
mod uki;
mod vm;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build a boot image once, serve it over every network boot protocol, boot machines from it.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)] // There is one, as long as the program runs.
enum Verb {
    Build(build::Build),
    Completion(complete::Completion),
    Convert(convert::Convert),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Extract(extract::Extract),
    Fetch(fetch::Fetch),
    Init(init::Init),
    Initrd(initrd::Initrd),
    Inspect(inspect::Inspect),
    Iso(iso::Iso),
    Man(complete::Man),
    Seed(seed::Seed),
    Serve(serve::Serve),
    Uki(uki::Uki),
    Vm(vm::Vm),
    Write(write::Write),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Build(arguments) => arguments.run(),
        Verb::Completion(arguments) => arguments.run(),
        Verb::Convert(arguments) => arguments.run(),
        Verb::Doctor(arguments) => arguments.run(),
        Verb::Explain(arguments) => arguments.run(),
        Verb::Extract(arguments) => arguments.run(),
        Verb::Fetch(arguments) => arguments.run(),
        Verb::Init(arguments) => arguments.run(),
        Verb::Initrd(arguments) => arguments.run(),
        Verb::Inspect(arguments) => arguments.run(),
        Verb::Iso(arguments) => arguments.run(),
        Verb::Man(arguments) => arguments.run(),
        Verb::Seed(arguments) => arguments.run(),
        Verb::Serve(arguments) => arguments.run(),
        Verb::Uki(arguments) => arguments.run(),
        Verb::Vm(arguments) => arguments.run(),
        Verb::Write(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
