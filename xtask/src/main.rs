//! `cargo xtask demo`, `cargo xtask test`, `cargo xtask bench`: each installs what it needs from one list
//! ([`packages`]) and then runs.

mod bench;
mod debian13;
mod demo;
mod images;
mod packages;
mod scenarios;
mod shell;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask demo                 build a Debian image, serve it, boot two machines from it
       cargo xtask test [--all]         every check; --all adds the long ones
       cargo xtask scenario [NAME...]   only the whole-machine scenarios (all, or those whose name contains NAME)
       cargo xtask bench [NAME...]      measure beside the peers (all, or those named)
       cargo xtask setup                only install and unpack what the above need";

/// Why a command ended: one sentence that says what failed.
pub type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let mut words = Vec::new();
    let mut all = false;
    while let Some(argument) = parser.next().map_err(|error| format!("{error}\n{USAGE}"))? {
        match argument {
            lexopt::Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            lexopt::Arg::Long("all") => all = true,
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    let names: Vec<&str> = words.iter().map(String::as_str).collect();
    match names.split_first() {
        Some((&"demo", [])) => demo::run(),
        Some((&"test", [])) => test::everything(if all { test::Scope::All } else { test::Scope::Default }),
        Some((&"scenario", names)) => test::scenarios(names),
        Some((&"bench", names)) => bench::run(names),
        Some((&"setup", [])) => packages::install(packages::Need::Bench).and_then(|()| debian13::judges()),
        _ => Err(USAGE.to_owned()),
    }
}
