//! The unit by which the system tells that it is up; how units of ours get into the system.
//!
//! It lies in /run, so that it is gone with the next boot, and runs the agent's own copy. A system without
//! systemd does not know it and tells nothing.

use std::fs::{self, create_dir_all, set_permissions, write};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// Where the copy of the agent lies.
pub const AGENT: &str = "/run/bootwright/agent";

const DIRECTORY: &str = "/run/systemd/system";
const NAME: &str = "bootwright-report.service";

/// Ordered after the targets that mean "a user can log in"; a failure to report is no failed unit of the
/// machine's owner, hence the dash.
const UNIT: &str = "\
[Unit]
Description=Tell the boot server that this machine is up
After=multi-user.target getty.target network-online.target
ConditionPathExists=/run/bootwright/report.json

[Service]
Type=oneshot
ExecStart=-/run/bootwright/agent report system \"the system is up\"
TimeoutStartSec=6min
";

/// Copies the agent to /run, once.
pub fn copy_agent() -> io::Result<()> {
    if fs::exists(AGENT)? {
        return Ok(());
    }
    create_dir_all("/run/bootwright")?;
    fs::copy("/proc/self/exe", AGENT)?;
    set_permissions(AGENT, fs::Permissions::from_mode(0o755))
}

/// Copies the agent to /run and writes the unit.
pub fn install() -> io::Result<()> {
    copy_agent()?;
    write_unit(NAME, UNIT)
}

/// Writes a unit that is started with the system.
pub fn write_unit(name: &str, text: &str) -> io::Result<()> {
    let wants = format!("{DIRECTORY}/multi-user.target.wants");
    create_dir_all(&wants)?;
    write(format!("{DIRECTORY}/{name}"), text)?;
    symlink(format!("../{name}"), format!("{wants}/{name}"))
}
