//! What the running system finds of the boot: its network, its name servers. Nothing is taken down: the interface
//! stays as it is until the system's own program keeps it, which it tells by files that program reads:
//! [`networkd`], [`network_manager`], and [`klibc`] for Debian's other ones.

mod klibc;
mod network_manager;
mod networkd;

use std::fs::{OpenOptions, create_dir_all, metadata, symlink_metadata, write};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::SYSROOT;
use crate::network::Network;

/// The name servers, for who looks for them below /run.
const RESOLV_CONF: &str = "/run/bootwright/resolv.conf";

/// A file for the system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: PathBuf,
    text: String,
    mode: u32,
}

impl File {
    fn new(directory: &str, name: &str, text: String) -> Self {
        Self { path: Path::new(directory).join(name), text, mode: 0o644 }
    }

    /// Nobody else may read it.
    fn private(self) -> Self {
        Self { mode: 0o600, ..self }
    }

    fn write(&self) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            create_dir_all(directory)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(self.mode).open(&self.path)?;
        file.write_all(self.text.as_bytes())
    }
}

/// Writes it. The system boots without it, too: what cannot be written is a warning.
pub fn leave_network(network: &Network) {
    let mut files = networkd::files(network);
    files.extend(network_manager::files(network));
    files.extend(klibc::files(network));
    let servers = network.configuration.resolv_conf();
    files.extend(servers.iter().map(|text| File::new("", RESOLV_CONF, text.clone())));
    for file in files {
        if let Err(error) = file.write() {
            warn!("{}: {error}: the system's network may come up differently", file.path.display());
        }
    }
    let Some(text) = servers else { return };
    if let Err(error) = leave_resolv_conf(Path::new(SYSROOT), &text) {
        warn!("/etc/resolv.conf of the root: {error}");
    }
}

/// Only into a root that has none, or an empty one: a link to a resolver's file, or the owner's own word,
/// stays.
fn leave_resolv_conf(root: &Path, text: &str) -> io::Result<()> {
    let path = root.join("etc/resolv.conf");
    let stays = match symlink_metadata(&path) {
        Ok(found) => found.is_symlink() || metadata(&path)?.len() > 0,
        Err(_) => false,
    };
    if stays || !root.join("etc").is_dir() { Ok(()) } else { write(path, text) }
}

#[cfg(test)]
mod tests;
