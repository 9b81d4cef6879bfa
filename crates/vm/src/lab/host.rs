//! Another host on a lab's bridge: a network namespace of its own behind a veth pair.
//!
//! Two servers that want the same port live on two hosts, in labs as in life.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{BRIDGE, Lab, PREFIX, UTIL_LINUX};
use crate::{Error, service};

/// Says the process id in the lab, by which the namespace is found, and stays until its input ends.
const HOLDER: &str = "echo $$ && exec cat >/dev/null";

/// A host that is not the bridge's own. Dropping it takes it off the network.
#[derive(Debug)]
pub struct Host {
    holder: Child,
    /// Open as long as the host lives.
    _lifeline: Option<ChildStdin>,
    /// The holder's id in the lab's PID namespace.
    pid: u32,
    link: String,
}

impl Host {
    pub(super) fn new(lab: &Lab, number: u32, address: &str) -> Result<Self, Error> {
        let mut holder = lab
            .command("unshare")
            .args(["--net", "--", "sh", "-c", HOLDER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::tool("nsenter", UTIL_LINUX))?;
        let mut line = String::new();
        if let Some(stdout) = holder.stdout.take() {
            // A number and no more.
            let read = BufReader::new(stdout.take(32)).read_line(&mut line);
            read.map_err(Error::io("reading the id of a host's holder"))?;
        }
        let lifeline = holder.stdin.take();
        let Ok(pid) = line.trim().parse() else {
            let status = service::end(&mut holder).map_err(Error::io("waiting for unshare(1)"))?;
            return Err(Error::Command { command: "unshare --net".to_owned(), status, said: line });
        };
        let host = Self { holder, _lifeline: lifeline, pid, link: format!("host{number}") };
        let link = &host.link;
        lab.ip(&format!(
            "link add {link} type veth peer name eth0 netns {pid}\n\
             link set {link} master {BRIDGE} up\n"
        ))?;
        let script =
            format!("ip link set lo up && ip addr add {address}/{PREFIX} dev eth0 && ip link set eth0 up");
        let output = host
            .command(lab, "sh")
            .args(["-c", &script])
            .output()
            .map_err(Error::tool("nsenter", UTIL_LINUX))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Command { command: script, status: output.status, said });
        }
        Ok(host)
    }

    /// The interface of the lab that is the bridge's end of this host's cable: what it receives, the host has sent.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// A command that will run `program` on this host, where the bridge is behind the interface `eth0`;
    /// else as [`Lab::command`].
    pub fn command(&self, lab: &Lab, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = lab.command("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid)).arg("--").arg(program);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = service::end(&mut self.holder);
    }
}
