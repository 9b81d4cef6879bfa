//! A private network for machines and servers.
//!
//! unshare(1) makes the namespaces and keeps one small process in them, the *holder*: a cat(1) that is
//! PID 1 in there and reads a pipe from us. When we end, in whatever way, the pipe closes, the holder
//! ends, and the kernel kills every process of its PID namespace and takes the network away. nsenter(1)
//! brings programs in.
//!
//! Inside, we are root over what belongs to the namespaces and ourselves over all else: files keep
//! their owners, and no privilege is needed.

mod closed;
mod host;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub use host::Host;

use crate::Error;

/// The name of the bridge that all machines hang on.
pub const BRIDGE: &str = "br0";
/// The bridge's own address, where servers listen.
pub const ADDRESS: &str = "10.77.0.1";
/// Length of the network prefix of [`ADDRESS`].
pub const PREFIX: u8 = 24;

/// The package that holds unshare, nsenter, setpriv and mount.
const UTIL_LINUX: &str = "util-linux";

/// What the holder does before it waits for its end. The /sys of the host would show its interfaces.
const HOLDER: &str = "mount -t sysfs sysfs /sys && echo ready && exec cat >/dev/null";

/// A private network with the bridge [`BRIDGE`]. Dropping it ends everything in it.
#[derive(Debug)]
pub struct Lab {
    unshare: Child,
    /// Open as long as the lab lives; closing it ends the holder.
    lifeline: Option<ChildStdin>,
    taps: AtomicU32,
    hosts: AtomicU32,
}

impl Lab {
    /// Makes the namespaces and the bridge.
    ///
    /// # Errors
    /// [`Error::Closed`] where the host does not allow it, with what to set; [`Error::Tool`] when
    /// util-linux or iproute2 is missing.
    pub fn new() -> Result<Self, Error> {
        let mut unshare = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--", "sh", "-c", HOLDER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::tool("unshare", UTIL_LINUX))?;
        let lifeline = unshare.stdin.take();
        if !says_ready(&mut unshare) {
            return Err(refusal(unshare));
        }
        let lab = Self { unshare, lifeline, taps: AtomicU32::new(0), hosts: AtomicU32::new(0) };
        lab.ip(&format!(
            "link set lo up\n\
             link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0\n\
             addr add {ADDRESS}/{PREFIX} dev {BRIDGE}\n\
             link set {BRIDGE} up\n"
        ))?;
        Ok(lab)
    }

    /// A command that will run `program` inside the lab, in the directory `/`: give absolute paths.
    /// The program is killed when the process that was spawned is.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let of = |kind: &str, file: &str| format!("--{kind}=/proc/{}/ns/{file}", self.unshare.id());
        let mut command = Command::new("nsenter");
        command
            .args([of("user", "user"), of("net", "net"), of("mount", "mnt"), of("pid", "pid_for_children")])
            .args(["--preserve-credentials", "--", "setpriv", "--pdeathsig", "KILL", "--"])
            .arg(program);
        command
    }

    /// A new tap on the bridge, up, and its name.
    ///
    /// # Errors
    /// [`Error::Command`], for example when /dev/net/tun is not there or closed to this user.
    pub fn tap(&self) -> Result<String, Error> {
        let name = format!("tap{}", self.taps.fetch_add(1, Ordering::Relaxed));
        self.ip(&format!("tuntap add {name} mode tap\nlink set {name} master {BRIDGE} up\n"))?;
        Ok(name)
    }

    /// Another host on the bridge, with that IPv4 address.
    ///
    /// # Errors
    /// As [`Lab::tap`].
    pub fn host(&self, address: &str) -> Result<Host, Error> {
        Host::new(self, self.hosts.fetch_add(1, Ordering::Relaxed), address)
    }

    /// Runs lines of ip(8) inside.
    ///
    /// # Errors
    /// [`Error::Command`] with what ip said of the first line that failed.
    pub fn ip(&self, batch: &str) -> Result<(), Error> {
        let mut child = self
            .command("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::tool("nsenter", UTIL_LINUX))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A child that ended early says why on its standard error, below.
            let _ = stdin.write_all(batch.as_bytes());
        }
        let output = child.wait_with_output().map_err(Error::io("waiting for ip(8)"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let command = format!("ip ({})", batch.trim().replace('\n', "; "));
        Err(Error::Command { command, status: output.status, said })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // unshare returns when the holder, and with it every process in the lab, is gone.
        let _ = self.unshare.wait();
    }
}

/// Whether the holder reports; false when unshare or mount failed.
fn says_ready(unshare: &mut Child) -> bool {
    let Some(stdout) = unshare.stdout.take() else { return false };
    let mut line = String::new();
    // The holder writes one short line or ends: a bound for a program that is not ours to trust.
    let read = BufReader::new(stdout.take(64)).read_line(&mut line);
    read.is_ok() && line == "ready\n"
}

fn refusal(mut unshare: Child) -> Error {
    let mut said = String::new();
    if let Some(stderr) = unshare.stderr.take() {
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    let _ = unshare.wait();
    Error::Closed { said: said.trim().replace('\n', "; "), advice: closed::advice(&closed::Host::look()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use regex_lite::Regex;

    use super::*;
    use crate::Service;

    fn output(lab: &Lab, line: &str) -> String {
        let output = lab.command("sh").args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn two_labs_do_not_see_each_other() {
        let (one, other) = (Lab::new().unwrap(), Lab::new().unwrap());
        one.ip("link add only-here type bridge").unwrap();
        assert!(output(&one, "ls /sys/class/net").contains("only-here"));
        assert!(!output(&other, "ls /sys/class/net").contains("only-here"));
        assert!(!output(&other, "ls /sys/class/net").contains("eth"));
    }

    #[test]
    fn the_bridge_has_its_address_and_the_taps_hang_on_it() {
        let lab = Lab::new().unwrap();
        let taps = [lab.tap().unwrap(), lab.tap().unwrap()];
        assert_ne!(taps[0], taps[1]);
        let links = output(&lab, "ip -4 -o addr show br0; ip -o link show master br0");
        assert!(links.contains("10.77.0.1/24"), "{links}");
        assert!(taps.iter().all(|tap| links.contains(tap.as_str())), "{links}");
    }

    #[test]
    fn another_host_has_interfaces_of_its_own_and_reaches_the_bridge() {
        let lab = Lab::new().unwrap();
        let host = lab.host("10.77.0.2").unwrap();
        let links = host.command(&lab, "ip").args(["-o", "link"]).output().unwrap();
        let links = String::from_utf8(links.stdout).unwrap();
        assert!(links.contains("eth0") && !links.contains(BRIDGE), "{links}");
        let listener = Service::start(
            lab.command("python3").args(["-u", "-m", "http.server", "--bind", ADDRESS, "80"]),
            None,
        );
        let listener = listener.unwrap();
        listener.transcript().expect(&Regex::new("Serving").unwrap(), Duration::from_secs(20)).unwrap();
        let status = host.command(&lab, "curl").args(["--silent", "--fail", ADDRESS]).output().unwrap();
        assert!(status.status.success());
    }

    #[test]
    fn a_killed_service_takes_its_program_with_it() {
        let lab = Lab::new().unwrap();
        let service =
            Service::start(lab.command("sh").args(["-c", "echo up; exec sleep 600"]), None).unwrap();
        service.transcript().expect(&Regex::new("up").unwrap(), Duration::from_secs(10)).unwrap();
        service.kill().unwrap();
        assert!(!output(&lab, "cat /proc/[0-9]*/comm || true").contains("sleep"));
    }

    #[test]
    fn a_failed_set_up_says_which_line_and_why() {
        let error = Lab::new().unwrap().ip("link set nothing up").unwrap_err().to_string();
        assert!(error.contains("link set nothing up"), "{error}");
        assert!(error.contains("Cannot find device"), "{error}");
    }
}
