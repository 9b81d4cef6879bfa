//! Images out of registries, by skopeo(1): the registry's protocol, tokens and the credentials that
//! `docker login` or `podman login` left are its business.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::tool::{Tool, ToolError};

/// The program that fetches.
pub const SKOPEO: Tool = Tool { program: "skopeo", package: "skopeo" };

/// Fetches the image `name`, as in `docker.io/library/debian:trixie`, for an architecture by OCI's name,
/// into the new image layout `to`. `heard` gets what skopeo says.
///
/// # Errors
/// When skopeo is missing, or cannot fetch it.
pub fn fetch(
    name: &str,
    architecture: &str,
    to: &Path,
    heard: &(dyn Fn(&str) + Sync),
) -> Result<(), ToolError> {
    SKOPEO.run(&mut command(name, architecture, to), None, heard)
}

pub(super) fn command(name: &str, architecture: &str, to: &Path) -> Command {
    let mut layout = std::ffi::OsString::from("oci:");
    layout.push(to);
    let mut command = SKOPEO.command();
    command.args(["copy", "--override-os=linux", &format!("--override-arch={architecture}")]);
    command.arg(format!("docker://{name}")).arg(layout).stdout(Stdio::null());
    command
}
