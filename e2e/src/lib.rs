//! Whole machines, one behaviour per file in `tests/`.
//!
//! A [`Scenario`] is a private network with our server and one machine in it. Its steps panic when they
//! fail, and then it prints the evidence: the console's last lines, what the servers said, and what
//! `/v1/machines` tells of the machine.
//!
//! `cargo xtask test` builds the images and the binary, and says where they are by
//! `BOOTWRIGHT_E2E_IMAGES` and `BOOTWRIGHT_BIN`.

#![allow(clippy::panic)] // A scenario ends where a step fails.

mod foreign;
mod image;
mod ipv6;
mod kept;
mod media;
mod services;
mod steps;
mod swarm;

pub use foreign::FILES;
pub use image::{find as image, program};
pub use ipv6::MIRROR_NAME;
pub use kept::{KEPT, NEXT};
pub use media::MEDIA;
pub use services::{NBD, PROXY, TIME};

use std::path::{Path, PathBuf};
use std::time::Duration;

use bootwright_vm::machine::{Boot, Builder, Firmware, OnReboot};
use bootwright_vm::server::{ByTftp, Dhcp, Serving};
use bootwright_vm::uki::Parts;
use bootwright_vm::{Lab, Machine, Road, Server, Service, lab};

/// How long one step may take: minutes under TCG on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(480);

/// What a login prompt of the images looks like.
pub const LOGIN: &str = r"hello login:";

/// Memory of a machine in MiB, unless the scenario is about memory.
const MEMORY: u32 = 1024;

/// The address of a machine's second card.
pub const SECOND_MAC: &str = "52:54:00:b0:09:01";

/// A network, our server, perhaps others, and one machine.
#[derive(Debug)]
pub struct Scenario {
    // Dropped in this order: the machine first, the network last.
    machine: Option<Machine>,
    /// A machine that was booted before, and goes on.
    earlier: Option<Machine>,
    server: Option<Server>,
    others: Vec<(String, Service)>,
    hosts: Vec<lab::Host>,
    serving: Serving,
    parts: Vec<Parts>,
    /// Files of this host, and where they lie in the initrd of a direct boot.
    added: Vec<(PathBuf, String)>,
    /// The tap of a second card.
    second_card: Option<String>,
    /// A disk that keeps what is written to it.
    disk: Option<PathBuf>,
    directory: tempfile::TempDir,
    lab: Lab,
}

impl Scenario {
    /// About the image of that name, `hello` or `hello-embed`.
    pub fn new(image: &str) -> Self {
        Self::about(image::find(image))
    }

    /// About a copy of an image whose `root.img` and all else may be changed.
    pub fn about_a_copy(image: &str) -> Self {
        let copy = image::copy(image);
        let mut scenario = Self::about(copy.path().join(image));
        scenario.directory = copy;
        scenario
    }

    fn about(image: PathBuf) -> Self {
        let directory = done("making a directory", tempfile::tempdir());
        let serving = Serving {
            program: program(),
            images: vec![image],
            dhcp: Dhcp::Full,
            by_tftp: ByTftp::Ipxe,
            state: directory.path().join("state"),
        };
        let lab = done("making a lab", Lab::new());
        Self {
            machine: None,
            earlier: None,
            server: None,
            others: Vec::new(),
            hosts: Vec::new(),
            serving,
            parts: Vec::new(),
            added: Vec::new(),
            second_card: None,
            disk: None,
            directory,
            lab,
        }
    }

    /// The image's directory.
    pub fn image(&self) -> PathBuf {
        self.serving.images.first().cloned().unwrap_or_default()
    }

    /// A directory that goes away with the scenario.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Our server gives addresses and everything else.
    pub fn serve(self) -> Self {
        self.serve_with(Dhcp::Full, ByTftp::Ipxe)
    }

    /// Our server, with another one for addresses or another answer to PXE.
    pub fn serve_with(mut self, dhcp: Dhcp, by_tftp: ByTftp) -> Self {
        self.serving.dhcp = dhcp;
        self.serving.by_tftp = by_tftp;
        done("making the server's directory", std::fs::create_dir_all(&self.serving.state));
        self.server = Some(done("starting the server", Server::start(&self.lab, &self.serving, None)));
        self
    }

    /// The machine gets a second card, on the same network as the first.
    pub fn second_card(mut self) -> Self {
        self.second_card = Some(done("making a tap", self.lab.tap()));
        self
    }

    /// The machine gets a second card, on a network where nobody is.
    pub fn second_card_elsewhere(self) -> Self {
        let scenario = self.second_card();
        let tap = scenario.second_card.as_deref().unwrap_or_default();
        let island =
            format!("link add island type bridge\nlink set island up\nlink set {tap} master island\n");
        done("making a network", scenario.lab.ip(&island));
        scenario
    }

    /// A real dnsmasq on a host of its own, 10.77.0.2, that gives addresses and knows no names.
    pub fn dnsmasq(self) -> Self {
        self.dnsmasq_with(&[])
    }

    /// The same with more arguments.
    pub fn dnsmasq_with(mut self, arguments: &[&str]) -> Self {
        let host = done("making a host", self.lab.host("10.77.0.2"));
        let leases = self.directory.path().join("dnsmasq.leases");
        let mut command = host.command(&self.lab, "dnsmasq");
        command
            // Without a daemon it keeps its user, the only one there is in the lab.
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/invalid/"])
            .args(["--interface=eth0", "--dhcp-range=10.77.0.50,10.77.0.99,255.255.255.0,1h"])
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .args(arguments);
        let service = done("starting dnsmasq", Service::start(&mut command, None));
        self.others.push(("dnsmasq".to_owned(), service));
        self.hosts.push(host);
        self
    }

    /// A real nginx on a host of its own, 10.77.0.3, that has the image's directory at `/images/`.
    pub fn nginx(self) -> Self {
        self.nginx_with("listen 80;", "")
    }

    /// The same by HTTPS alone, with a certificate of an authority that nobody knows.
    pub fn https_nginx(self) -> Self {
        let (key, certificate) = image::certificate(self.directory.path(), "10.77.0.3");
        let (key, certificate) = (key.display(), certificate.display());
        let tls = format!("listen 443 ssl; ssl_certificate {certificate}; ssl_certificate_key {key};");
        self.nginx_with(&tls, "")
    }

    /// The initrd of a direct boot gets the authority of [`https_nginx`](Self::https_nginx).
    pub fn trusting_it(self) -> Self {
        let authority = image::authority_in(self.directory.path());
        self.adding(authority, "bootwright/ca.pem")
    }

    /// The same at 10.99.0.1, which is behind 10.77.0.3 and in no network that the machine is on.
    pub fn nginx_behind_a_router(self) -> Self {
        self.nginx_with("listen 80;", "addr add 10.99.0.1/32 dev lo")
    }

    /// A real nginx that has the manifests of the image, and not its root.
    pub fn nginx_without_root(self) -> Self {
        let images = self.directory.path().join("elsewhere");
        let directory = images.join(self.image().file_name().unwrap_or_default());
        done("making a directory", std::fs::create_dir_all(&directory));
        for file in ["image.json", "root.json"] {
            done("copying a manifest", std::fs::copy(self.image().join(file), directory.join(file)));
        }
        self.nginx_of(&images, "listen 80;", "")
    }

    fn nginx_with(self, server: &str, ip: &str) -> Self {
        let images = self.image().parent().map(PathBuf::from).unwrap_or_default();
        self.nginx_of(&images, server, ip)
    }

    fn nginx_of(mut self, images: &Path, server: &str, ip: &str) -> Self {
        let host = done("making a host", self.lab.host("10.77.0.3"));
        if !ip.is_empty() {
            self.configure(&host, ip);
        }
        let directory = self.directory.path().join("nginx");
        done("making nginx's directory", std::fs::create_dir_all(&directory));
        let file = directory.join("nginx.conf");
        let text = nginx_configuration(&directory, images, server);
        done("writing nginx's configuration", std::fs::write(&file, text));
        let mut command = host.command(&self.lab, "nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(&directory).arg("-c").arg(&file);
        let service = done("starting nginx", Service::start(&mut command, None));
        self.others.push(("nginx".to_owned(), service));
        self.hosts.push(host);
        self
    }

    /// Runs ip(8) on a host.
    fn configure(&self, host: &lab::Host, ip: &str) {
        let mut command = host.command(&self.lab, "ip");
        let status = done("running ip", command.args(ip.split(' ')).status());
        assert!(status.success(), "ip {ip} failed");
    }

    /// Boots a machine that takes `road`.
    pub fn boot(self, road: Road, firmware: Firmware) -> Self {
        let builder = self.machine(road, firmware);
        self.boot_machine(builder)
    }

    /// A machine that takes `road`, to be changed and then [booted](Self::boot_machine).
    pub fn machine(&self, road: Road, firmware: Firmware) -> Builder {
        let builder = done("choosing a road", road.machine(firmware));
        let builder = builder.memory(MEMORY).on_reboot(OnReboot::Exit);
        let builder = match &self.second_card {
            Some(tap) => builder.second_card(tap, SECOND_MAC),
            None => builder,
        };
        let builder = match &self.disk {
            Some(disk) => builder.disk(disk),
            None => builder,
        };
        match road {
            Road::Esp => builder.boot(Boot::Esp(self.image().join("image.efi"))),
            _ => builder,
        }
    }

    /// Puts a file of this host into the initrd of the machine that is then booted [directly](Self::boot_directly).
    pub fn adding(mut self, file: impl Into<PathBuf>, path: &str) -> Self {
        self.added.push((file.into(), path.to_owned()));
        self
    }

    /// Boots the UKI's kernel and initrd with `append` behind its command line, on `memory` MiB.
    pub fn boot_directly(self, append: &str, memory: u32) -> Self {
        self.boot_parts(append, |builder| builder.memory(memory))
    }

    /// The same with a clock that shows `time`.
    pub fn boot_directly_at(self, time: &str, append: &str) -> Self {
        self.boot_parts(append, |builder| builder.clock(time))
    }

    /// The same on a machine with a screen.
    pub fn boot_directly_with_screen(self, append: &str) -> Self {
        self.boot_parts(append, Builder::vga)
    }

    fn boot_parts(mut self, append: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let parts = done("taking the UKI apart", Parts::extract(&self.image().join("image.efi")));
        image::append(&parts.initrd, &self.added);
        let builder = change(self.direct(&parts, append));
        self.parts.push(parts);
        self.boot_machine(builder)
    }

    fn direct(&self, parts: &Parts, append: &str) -> Builder {
        self.machine(Road::Direct, Firmware::Bios).boot(parts.boot(append))
    }

    /// Boots a machine.
    pub fn boot_machine(mut self, builder: Builder) -> Self {
        self.machine = Some(done("starting the machine", builder.start(&self.lab)));
        self
    }
}

/// One process that keeps its user, the only one in the lab, and writes nowhere but into `directory`.
fn nginx_configuration(directory: &Path, images: &Path, server: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", directory.display()))
        .collect();
    format!(
        "user root;\ndaemon off;\nmaster_process off;\npid {}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\n{temporary}access_log off;\nserver {{\n{server}\n\
         location /images/ {{ alias {}/; }}\n}}\n}}\n",
        directory.display(),
        images.display()
    )
}

/// The value, or the end of the scenario with what went wrong.
pub(crate) fn done<T, E: std::error::Error>(step: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            let mut text = format!("{step}: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            panic!("{text}")
        }
    }
}
