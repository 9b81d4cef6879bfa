//! Hosts on a bridge, their links shaped in both directions, and a file system in memory for what they fetch.
//!
//! All of it lives in the namespaces of one [`Lab`] and goes with it, however we end. No root is needed.
//! TCP's congestion control is the host's: only the host's root may choose one that is restricted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bootwright_vm::lab::{Host, Lab};

use crate::{Result, shell};

/// Address of the origin.
pub const ORIGIN: &str = "10.77.0.2";
/// The last byte of the first machine's address.
const FIRST: usize = 10;
/// How long a packet waits at most for the link, in milliseconds: a switch's buffer.
const QUEUE_MS: u64 = 50;

/// The origin and the machines.
pub struct Network {
    origin: Host,
    machines: Vec<Host>,
    memory: Memory,
    lab: Lab,
}

impl Network {
    /// Makes an origin and machines with links of so many bits a second, and room for so many bytes.
    pub fn new(origin: u64, machines: &[u64], scratch: &Path, room: u64) -> Result<Self> {
        let lab = Lab::new().map_err(|error| error.to_string())?;
        let memory = Memory::new(&lab, scratch.join("memory"), room)?;
        let addresses = (FIRST..).map(|last| format!("10.77.0.{last}"));
        let hosts: Result<Vec<Host>> =
            machines.iter().zip(addresses).map(|(rate, address)| shaped(&lab, &address, *rate)).collect();
        Ok(Self { origin: shaped(&lab, ORIGIN, origin)?, machines: hosts?, memory, lab })
    }

    /// A command on the origin; no proxies, and a home that goes away.
    pub fn origin(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.clean(self.origin.command(&self.lab, program))
    }

    /// A command on a machine, if there is one of that number.
    pub fn machine(&self, index: usize, program: impl AsRef<std::ffi::OsStr>) -> Option<Command> {
        Some(self.clean(self.machines.get(index)?.command(&self.lab, program)))
    }

    fn clean(&self, mut command: Command) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LC_ALL", "C").env("HOME", self.inside());
        command
    }

    /// Bytes that have left the origin by its link.
    pub fn sent(&self) -> Result<u64> {
        let counter = format!("/sys/class/net/{}/statistics/rx_bytes", self.origin.link());
        let said = shell::output(self.lab.command("cat").arg(&counter))?;
        said.trim().parse().map_err(|error| format!("{counter}: {said:?}: {error}"))
    }

    /// The memory's directory, as programs on the network see it.
    pub fn inside(&self) -> &Path {
        &self.memory.inside
    }

    /// The same directory, as we see it.
    pub fn outside(&self) -> PathBuf {
        self.memory.outside()
    }
}

/// A host whose link takes so many bits a second each way.
fn shaped(lab: &Lab, address: &str, rate: u64) -> Result<Host> {
    let host = lab.host(address).map_err(|error| error.to_string())?;
    let bytes = rate / 8;
    // Four milliseconds of the link, and at least what a tick of the timer needs.
    let burst = (bytes / 250).max(32 << 10);
    let limit = burst + bytes * QUEUE_MS / 1000;
    // A segment that the kernel has not cut yet must fit into the bucket.
    let segment = (burst / 2).clamp(16 << 10, 64 << 10);
    let shape = |link: &str| {
        format!(
            "ip link set {link} gso_max_size {segment} &&
             tc qdisc add dev {link} root tbf rate {rate} burst {burst} limit {limit}"
        )
    };
    shell::output(lab.command("sh").args(["-c", &shape(host.link())]))?;
    // Of IPv4 alone, and no connection learns from an earlier one.
    let settle = "v6=/proc/sys/net/ipv6/conf/all/disable_ipv6; [ ! -e $v6 ] || echo 1 >$v6;
                  echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save";
    let script = format!("set -e; {settle}; {}", shape("eth0"));
    shell::output(host.command(lab, "sh").args(["-c", &script]))?;
    Ok(host)
}

/// A tmpfs that only the network's programs have mounted.
struct Memory {
    /// In the mount namespace of the network, through which we see it too.
    holder: Child,
    inside: PathBuf,
}

impl Memory {
    fn new(lab: &Lab, inside: PathBuf, room: u64) -> Result<Self> {
        std::fs::create_dir_all(&inside).map_err(|error| format!("{}: {error}", inside.display()))?;
        let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && echo ready && exec cat >/dev/null";
        let mut command = lab.command("sh");
        command.args(["-c", script, "sh", &room.to_string()]).arg(&inside);
        let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = holder.map_err(|error| format!("{command:?}: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = holder.stdout.take() {
            let read = BufReader::new(stdout.take(64)).read_line(&mut line);
            read.map_err(|error| format!("{command:?}: {error}"))?;
        }
        let memory = Self { holder, inside };
        if line == "ready\n" { Ok(memory) } else { Err("no tmpfs can be mounted in a namespace".to_owned()) }
    }

    fn outside(&self) -> PathBuf {
        let root = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        root.join(self.inside.strip_prefix("/").unwrap_or(&self.inside))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
