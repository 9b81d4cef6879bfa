//! Servers that others wrote, each on a host of its own: what a machine room has beside ours.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bootwright_vm::{Service, lab};

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
        let host = done("making a host", self.lab.host("10.77.0.4"));
        self.nbd_on(host, file)
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

    /// Kills qemu-nbd as a power cut would, and starts it again after `meanwhile`.
    pub fn qemu_nbd_is_away(mut self, file: &Path, meanwhile: impl FnOnce(&mut Self)) -> Self {
        let Some(at) = self.others.iter().position(|(name, _)| name == "qemu-nbd") else {
            panic!("qemu-nbd was not started");
        };
        // Each service has a host of its own.
        let (_, service) = self.others.remove(at);
        let host = self.hosts.remove(at);
        done("killing qemu-nbd", service.kill());
        meanwhile(&mut self);
        self.nbd_on(host, file)
    }

    fn nbd_on(self, host: lab::Host, file: &Path) -> Self {
        let file = file.display().to_string();
        let arguments =
            ["--persistent", "--read-only", "--shared=4", "--format=raw", "--export-name=root", &file];
        self.service_on(host, "qemu-nbd", &arguments)
    }

    pub(crate) fn service(self, address: &str, program: &str, arguments: &[&str]) -> Self {
        let host = done("making a host", self.lab.host(address));
        self.service_on(host, program, arguments)
    }

    fn service_on(mut self, host: lab::Host, program: &str, arguments: &[&str]) -> Self {
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
