//! `cargo xtask test`: everything that has to be true before a change lands.

use std::process::Command;

use crate::images::Profile;
use crate::packages::{self, Need};
use crate::shell::{cargo, command, has, run};
use crate::{Result, debian13, images, scenarios};

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every road and every must-fail once: under half an hour on two cores.
    Default,
    /// Every scenario and every outside judge.
    All,
}

/// Runs all steps. One that fails does not keep the next from running, so that one run tells everything.
pub fn everything(scope: Scope) -> Result<()> {
    packages::install(Need::Test)?;
    debian13::judges()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    let mut results = vec![
        run("formatting", &mut cargo(&["fmt", "--all", "--check"])),
        run("clippy", &mut cargo(&clippy)),
        documentation(),
        licences(scope),
        scripts(),
    ];
    let bootwright = images::bootwright(Profile::Test)?;
    // The tests wait for clocks and sockets half of the time: meanwhile the images are built.
    let built = std::thread::scope(|threads| {
        let images = threads.spawn(|| scenarios::build_images(&bootwright, scope, &[]));
        let title = "unit and property tests, outside judges";
        results.push(run(title, &mut unit_tests(scope)));
        images.join().unwrap_or_else(|_| Err("building the images has panicked".to_owned()))
    });
    if scope == Scope::All {
        results.push(run("the agent with FTP, which is off otherwise", &mut with_ftp()));
    }
    results.push(built.and_then(|()| scenarios::run(&bootwright, scope, &[])));
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nxtask: ")) }
}

/// `cargo xtask scenario`.
pub fn scenarios(names: &[&str]) -> Result<()> {
    packages::install(Need::Test)?;
    let bootwright = images::bootwright(Profile::Test)?;
    scenarios::build_images(&bootwright, Scope::All, names)?;
    scenarios::run(&bootwright, Scope::All, names)
}

fn unit_tests(scope: Scope) -> Command {
    let mut test =
        cargo(&["test", "--workspace", "--exclude", "bootwright-e2e", "--quiet", "--no-fail-fast"]);
    if scope == Scope::All {
        // Tests that take minutes are marked #[ignore = "long"].
        test.args(["--", "--include-ignored"]);
    }
    test
}

fn with_ftp() -> Command {
    let packages = ["--package", "bootwright-agent", "--package", "bootwright-plan"];
    let mut test = cargo(&["test", "--quiet", "--features", "bootwright-agent/ftp"]);
    test.args(packages);
    test
}

fn documentation() -> Result<()> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    run("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Licences, bans and sources are checked offline; advisories need the advisory database.
fn licences(scope: Scope) -> Result<()> {
    if !has("cargo-deny") {
        if scope == Scope::Default {
            println!(
                "── licences NOT checked: cargo-deny is not there (--all installs it, which takes minutes)"
            );
            return Ok(());
        }
        let install = ["install", "--locked", "--quiet", "cargo-deny"];
        run("install cargo-deny (once, takes minutes)", &mut cargo(&install))?;
    }
    run(
        "licences, bans, sources",
        &mut cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]),
    )?;
    let mut advisories = cargo(&["deny", "--log-level", "off", "check", "advisories"]);
    if !fetch_advisories() {
        println!("   advisories NOT checked: the advisory database cannot be fetched from here");
        return Ok(());
    }
    run("advisories", &mut advisories)
}

fn fetch_advisories() -> bool {
    let mut fetch = cargo(&["deny", "--log-level", "off", "fetch", "db"]);
    fetch.output().is_ok_and(|output| output.status.success())
}

fn scripts() -> Result<()> {
    let files = crate::shell::output(&mut command("git", &["ls-files", "*.sh", ".ci/run"]))?;
    let mut shellcheck = command("shellcheck", &[]);
    shellcheck.args(files.lines());
    run("shellcheck", &mut shellcheck)
}
