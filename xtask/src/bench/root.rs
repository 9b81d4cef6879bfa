//! A Debian root as a tar: what benchmarks of file systems and images start from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, shell};

/// A Debian 13 root with `packages`, joined by commas, as a tar in `scratch`; kept between runs.
pub fn debian(scratch: &Path, packages: &str) -> Result<PathBuf> {
    let tar = scratch.join("root.tar");
    if tar.is_file() {
        return Ok(tar);
    }
    let new = scratch.join("new.tar");
    let mut install = Command::new("mmdebstrap");
    install.args(["--quiet", "--variant=apt", "--format=tar", &format!("--include={packages}"), "trixie"]);
    shell::run("install a Debian root", install.arg(&new).env("INITRD", "No"))?;
    fs::rename(&new, &tar).map_err(|error| format!("{}: {error}", tar.display()))?;
    Ok(tar)
}
