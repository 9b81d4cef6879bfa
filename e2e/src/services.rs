//! Servers that others wrote, each on a host of its own: what a machine room has beside ours.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_vm::Service;

use crate::{PATIENCE, Scenario, done};

/// Where [`Scenario::qemu_nbd`] is, and the name of its export.
pub const NBD: &str = "10.77.0.4:root";
/// Where [`Scenario::chrony`] is.
pub const TIME: &str = "10.77.0.5";
/// Where [`Scenario::tinyproxy`] is.
pub const PROXY: &str = "http://10.77.0.6:8888";

impl Scenario {
    /// A real qemu-nbd at [`NBD`] that has a file to be read.
    pub fn qemu_nbd(self, file: &Path) -> Self {
        let file = file.display().to_string();
        let arguments =
            ["--persistent", "--read-only", "--shared=4", "--format=raw", "--export-name=root", &file];
        self.service("10.77.0.4", "qemu-nbd", &arguments)
    }

    /// A real chronyd at [`TIME`] that says this host's time.
    pub fn chrony(self) -> Self {
        let file = self.directory().join("chrony.conf");
        let pid = self.directory().join("chrony.pid");
        let text =
            format!("local stratum 8\nallow\ncmdport 0\nbindcmdaddress /\npidfile {}\n", pid.display());
        done("writing chrony's configuration", std::fs::write(&file, text));
        // -x: it touches no clock; the only user that there is in the lab is root.
        let arguments = ["-d", "-x", "-u", "root", "-f", &file.display().to_string()];
        self.service("10.77.0.5", "chronyd", &arguments)
    }

    /// A real tinyproxy at [`PROXY`].
    pub fn tinyproxy(self) -> Self {
        let file = self.directory().join("tinyproxy.conf");
        let text = "Port 8888\nTimeout 600\nMaxClients 50\nLogLevel Connect\nConnectPort 443\n";
        done("writing tinyproxy's configuration", std::fs::write(&file, text));
        let arguments = ["-d", "-c", &file.display().to_string()];
        self.service("10.77.0.6", "tinyproxy", &arguments)
    }

    pub(crate) fn service(mut self, address: &str, program: &str, arguments: &[&str]) -> Self {
        let host = done("making a host", self.lab.host(address));
        let mut command = host.command(&self.lab, program);
        let service = done(&format!("starting {program}"), Service::start(command.args(arguments), None));
        self.others.push((program.to_owned(), service));
        self.hosts.push(host);
        self
    }

    /// Waits until a camera before the machine's screen reads a code on it that begins like that; gives its text.
    pub fn shows_code(&self, begins: &str) -> String {
        let (picture, begun) = (self.directory().join("screen.ppm"), Instant::now());
        loop {
            done("taking a picture", self.running().screenshot(&picture));
            let read = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&picture).output();
            let read = done("running zbarimg (package zbar-tools)", read);
            let text = String::from_utf8_lossy(&read.stdout).trim().to_owned();
            if text.starts_with(begins) {
                return text;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no code on the screen begins with {begins:?}; read: {text:?}"
            );
            sleep(Duration::from_millis(500));
        }
    }

    /// The initrd of a direct boot pins nothing, as one that was built for any image.
    pub fn without_a_pin(self) -> Self {
        let empty = self.directory().join("no-pin");
        done("writing an empty file", std::fs::write(&empty, ""));
        self.adding(empty, "bootwright/pin.json")
    }
}
