//! The seeder as a unit of the running system: `systemctl status bootwright-seed` shows it, `stop` ends it, and so
//! does every shutdown, kexec included, before the network goes.

use std::io;

use crate::report::unit::{self, AGENT};

/// Where the survivor's process id is.
pub const PID_FILE: &str = "/run/bootwright/seed.pid";

/// systemd takes a process for a unit's own when the file that names it is root's. What is started is nothing.
fn text() -> String {
    format!(
        "[Unit]\n\
         Description=Give this machine's image to others\n\
         After=network.target\n\
         ConditionPathExists={PID_FILE}\n\
         \n\
         [Service]\n\
         Type=forking\n\
         PIDFile={PID_FILE}\n\
         ExecStart={AGENT} --version\n\
         StandardOutput=null\n\
         SuccessExitStatus=0\n\
         TimeoutStopSec=10\n"
    )
}

/// Writes it.
pub fn install() -> io::Result<()> {
    unit::write_unit("bootwright-seed.service", &text())
}
