//! Who gets the image to the fleet, and how: the origin's servers and a machine's client, each as it is set up best.
//!
//! A client makes a file when it has everything, and those that can go on giving.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Image;
use super::network::{Network, ORIGIN};
use crate::bench::Context;
use crate::{Result, shell};

/// The image's file name, which is its name in the server and in torrents.
pub const NAME: &str = "image.bin";
/// The file that a client makes in its directory when it has everything.
pub const DONE: &str = "done";
pub const LIBTORRENT: &str = include_str!("libtorrent.py");
/// Where libtorrent listens on a host.
const INTERFACES: &str = "eth0:6881";
/// aria2 among friends: no DHT, no local discovery, all peers it can get, seeding without end.
const ARIA2: [&str; 10] = [
    "--no-conf",
    "--quiet",
    "--disable-ipv6=true",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--listen-port=6881",
    "--seed-ratio=0.0",
    "--bt-max-peers=0",
    "--file-allocation=none",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// `bootwright serve` and `bootwright fetch`.
    Bootwright,
    /// aria2 everywhere, with opentracker.
    Aria2,
    /// libtorrent everywhere, with opentracker.
    Libtorrent,
    /// The same, super-seeding at the origin.
    SuperSeeding,
    /// curl from nginx: nobody gives but the origin.
    Nginx,
}

/// What one trial works with.
pub struct Field<'a> {
    pub context: &'a Context,
    pub image: &'a Image,
    pub network: &'a Network,
}

impl Contender {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bootwright => "bootwright",
            Self::Aria2 => "aria2",
            Self::Libtorrent => "libtorrent",
            Self::SuperSeeding => "libtorrent, super-seeding",
            Self::Nginx => "nginx and curl",
        }
    }

    /// What runs at the origin.
    pub fn servers(self, field: &Field<'_>) -> Result<Vec<Command>> {
        match self {
            Self::Bootwright => Ok(vec![field.bootwright()]),
            Self::Aria2 => {
                let mut seeder = field.network.origin("aria2c");
                seeder.args(ARIA2).arg("--bt-seed-unverified=true");
                seeder.arg("-d").arg(field.www()).arg(field.torrent());
                Ok(vec![field.tracker()?, seeder])
            }
            Self::Libtorrent | Self::SuperSeeding => {
                let role = if self == Self::Libtorrent { "seed" } else { "super-seed" };
                let mut seeder = field.network.origin("/usr/bin/python3");
                seeder.args(["-c", LIBTORRENT]).arg(field.torrent()).arg(field.www());
                seeder.args([INTERFACES, role]);
                Ok(vec![field.tracker()?, seeder])
            }
            Self::Nginx => Ok(vec![field.nginx()?]),
        }
    }

    /// A shell's condition that holds at the origin when its servers are ready.
    pub fn ready(self) -> String {
        match self {
            Self::Bootwright => format!("curl -sfo /dev/null http://{ORIGIN}/images/{NAME}/image.json"),
            Self::Aria2 | Self::Libtorrent | Self::SuperSeeding => {
                "ss -Htln sport = :6969 | grep -q . && ss -Htln sport = :6881 | grep -q .".to_owned()
            }
            Self::Nginx => format!("curl -sfIo /dev/null http://{ORIGIN}/{NAME}"),
        }
    }

    /// What a machine runs, in its own directory.
    pub fn client(self, field: &Field<'_>, index: usize) -> Result<Command> {
        let directory = machine_directory(field.network.inside(), index);
        let (output, done) = (directory.join(NAME), directory.join(DONE));
        let program: &Path = match self {
            Self::Bootwright => &field.context.bootwright,
            Self::Aria2 => Path::new("aria2c"),
            Self::Libtorrent | Self::SuperSeeding => Path::new("/usr/bin/python3"),
            Self::Nginx => Path::new("sh"),
        };
        let command = field.network.machine(index, program);
        let mut command = command.ok_or_else(|| format!("there is no machine {index}"))?;
        match self {
            Self::Bootwright => {
                let url = format!("http://{ORIGIN}/images/{NAME}/image.json");
                command.args(["fetch", &url, "--peers", "on", "--linger", "600", "-o"]).arg(output);
                command.arg("--done-file").arg(done);
            }
            Self::Aria2 => {
                // The hook is called with the file's path as third argument. A machine that comes back looks at what
                // it has.
                command.args(ARIA2).arg("--check-integrity=true").arg("--on-bt-download-complete");
                command.arg(field.network.inside().join("complete"));
                command.arg("-d").arg(directory).arg(field.torrent());
            }
            Self::Libtorrent | Self::SuperSeeding => {
                command.args(["-c", LIBTORRENT]).arg(field.torrent()).arg(directory);
                command.args([INTERFACES, "fetch"]).arg(done);
            }
            Self::Nginx => {
                let script = "curl -sSf -o \"$1\" \"$2\" && : >\"$3\"";
                let url = format!("http://{ORIGIN}/{NAME}");
                command.args(["-c", script, "sh"]).arg(output).arg(url).arg(done);
            }
        }
        Ok(command)
    }
}

/// The directory of a machine below the memory's.
pub fn machine_directory(memory: &Path, index: usize) -> PathBuf {
    memory.join(format!("machine-{index}"))
}

impl Field<'_> {
    fn www(&self) -> &Path {
        self.image.path.parent().unwrap_or(&self.image.path)
    }

    fn torrent(&self) -> PathBuf {
        self.network.inside().join("torrent")
    }

    fn bootwright(&self) -> Command {
        let mut command = self.network.origin(&self.context.bootwright);
        command.arg("serve").arg(&self.image.path).args(["--interface", "eth0", "--address", ORIGIN]);
        command.args(["--dhcp", "off", "--http-port", "80", "--state"]);
        command.arg(self.context.scratch.join("state"));
        command
    }

    /// Makes a torrent, and gives the tracker that serves it alone. As a user that is not root, which opentracker
    /// insists on: in a further user namespace, since the network's knows only root.
    fn tracker(&self) -> Result<Command> {
        let memory = self.network.inside();
        let script = "set -e; cd \"$1\"
            mktorrent -l 20 -a \"$2\" -o torrent \"$3\" >/dev/null
            aria2c --no-conf -S torrent | sed -n 's/^Info Hash: //p' >whitelist; test -s whitelist
            printf '#!/bin/sh\\n: >\"$(dirname \"$3\")/done\"\\n' >complete; chmod 755 complete";
        let mut prepare = self.network.origin("sh");
        prepare.args(["-c", script, "sh"]).arg(memory);
        shell::output(prepare.arg(format!("http://{ORIGIN}:6969/announce")).arg(&self.image.path))?;
        let mut tracker = self.network.origin("unshare");
        tracker.args(["--user", "--map-user=65534", "--map-group=65534", "--", "opentracker"]);
        tracker.args(["-i", ORIGIN, "-p", "6969", "-P", "6969", "-d"]).arg(memory);
        tracker.arg("-w").arg(memory.join("whitelist"));
        Ok(tracker)
    }

    /// As the only user that the network's namespace knows.
    fn nginx(&self) -> Result<Command> {
        let (dir, www) = (self.network.inside().display(), self.www().display());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
            .concat();
        let text = format!(
            "daemon off; master_process off; user root; pid {dir}/nginx.pid; error_log {dir}/nginx.log warn;
             events {{ worker_connections 2048; }}
             http {{ access_log off; sendfile on; tcp_nopush on; {temporary}
               server {{ listen {ORIGIN}:80; root {www}; }} }}"
        );
        let file = self.network.outside().join("nginx.conf");
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = self.network.origin("/usr/sbin/nginx");
        let memory = self.network.inside();
        command.arg("-e").arg(memory.join("nginx.log")).arg("-c").arg(memory.join("nginx.conf"));
        Ok(command)
    }
}
