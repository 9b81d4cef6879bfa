//! The images that scenarios and demo boot, built once from `examples/`.

use std::path::{Path, PathBuf};

use crate::{Result, shell};

/// The release binary, built when something changed: what a user would install.
pub fn bootwright() -> Result<PathBuf> {
    shell::run("build bootwright", &mut shell::cargo(&["build", "--release", "--package", "bootwright"]))?;
    Ok(shell::root().join("target/release/bootwright"))
}

/// Where the images are kept between runs.
pub fn directory() -> PathBuf {
    shell::root().join("target/images")
}

/// Builds `examples/EXAMPLE` as image `name`, with more arguments for `bootwright build`; an unchanged
/// image costs next to nothing.
pub fn build(bootwright: &Path, example: &str, name: &str) -> Result<PathBuf> {
    let recipe = shell::root().join("examples").join(example).join("bootwright.toml");
    let output = directory().join(name);
    std::fs::create_dir_all(directory()).map_err(|error| format!("{}: {error}", directory().display()))?;
    let mut command = shell::command(&bootwright.to_string_lossy(), &["build"]);
    command.arg(&recipe).arg("-o").arg(&output);
    shell::run(&format!("build image {name}"), &mut command)?;
    Ok(output)
}
