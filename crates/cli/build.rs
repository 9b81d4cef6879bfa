//! Builds the agent, so that the one `bootwright` binary carries it.
//!
//! The agent is built once, static, with the profile `agent`, into a target directory of its own: a nested
//! cargo in the shared one would wait for its own lock for ever. What cargo tells this build about itself
//! must not leak into that one. `BOOTWRIGHT_AGENT_FEATURES=ftp` builds it with features that are off otherwise.
//!
//! `BOOTWRIGHT_AGENT=FILE` takes a finished agent instead. clippy checks this crate without one.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the agent is made of: it is built again when one of these changes.
const PARTS: &[&str] = &[
    "crates/agent",
    "crates/fetch",
    "crates/formats",
    "crates/image",
    "crates/netboot",
    "crates/plan",
    "Cargo.lock",
    "Cargo.toml",
];

/// Static and at a fixed address, which spares the table of relocations; no tables for unwinding, since a
/// panic aborts. getrandom as .cargo/config.toml says, which these flags replace.
const RUSTFLAGS: &[&str] = &[
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "--cfg",
    "getrandom_backend=\"linux_getrandom\"",
];

/// Variables of cargo that describe the user's set-up, not this build: these are kept.
const KEPT: &[&str] = &["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_TERM_"];

/// Variables that describe this build.
const SCRUBBED: &[&str] = &[
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "TARGET",
    "HOST",
    "OUT_DIR",
    "PROFILE",
    "OPT_LEVEL",
    "DEBUG",
    "NUM_JOBS",
    "MAKEFLAGS",
    "MFLAGS",
    "CLIPPY_ARGS",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=BOOTWRIGHT_AGENT");
    println!("cargo::rerun-if-env-changed=BOOTWRIGHT_AGENT_FEATURES");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let agent = match env::var_os("BOOTWRIGHT_AGENT").filter(|file| !file.is_empty()) {
        Some(file) => given(Path::new(&file))?,
        None if is_clippy() => nothing(&out)?,
        None => build(&out)?,
    };
    println!("cargo::rustc-env=BOOTWRIGHT_AGENT_FILE={}", agent.display());
    Ok(())
}

fn given(file: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let file =
        file.canonicalize().map_err(|error| format!("BOOTWRIGHT_AGENT={}: {error}", file.display()))?;
    println!("cargo::rerun-if-changed={}", file.display());
    Ok(file)
}

fn is_clippy() -> bool {
    env::var_os("CLIPPY_ARGS").is_some()
        || env::var("RUSTC_WORKSPACE_WRAPPER").is_ok_and(|wrapper| wrapper.contains("clippy"))
}

/// clippy compiles, but never runs, what includes it.
fn nothing(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let file = out.join("no-agent");
    std::fs::write(&file, "")?;
    Ok(file)
}

fn build(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", workspace.join(part).display());
    }
    let target = env::var("TARGET")?;
    demand(&target)?;
    // OUT_DIR is TARGET_DIRECTORY/PROFILE/build/PACKAGE/out.
    let shared = out.ancestors().nth(4).ok_or("OUT_DIR lies where no target directory can be")?;
    let directory = shared.join("agent");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&workspace);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let leaks = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if leaks || SCRUBBED.contains(&name.as_str()) {
            cargo.env_remove(&name);
        }
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\u{1f}"));
    cargo.args(["build", "--package", "bootwright-agent", "--profile", "agent", "--target", &target]);
    cargo.arg("--target-dir").arg(&directory);
    if let Some(features) = env::var_os("BOOTWRIGHT_AGENT_FEATURES").filter(|features| !features.is_empty()) {
        cargo.arg("--features").arg(features);
    }
    let output = cargo.output().map_err(|error| format!("starting cargo for the agent: {error}"))?;
    if !output.status.success() {
        return Err(format!("building the agent:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(directory.join(target).join("agent/bootwright-agent"))
}

/// The agent is a Linux program, and linking it statically needs the target's standard library.
fn demand(target: &str) -> Result<(), Box<dyn Error>> {
    if !target.contains("-linux-") {
        return Err(format!(
            "the agent runs on Linux and cannot be built for {target}: build it on a Linux machine and set \
             BOOTWRIGHT_AGENT=FILE"
        )
        .into());
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output()?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || !Path::new(&directory).is_dir() {
        return Err(
            format!("Rust's standard library for {target} is missing: rustup target add {target}").into()
        );
    }
    Ok(())
}
