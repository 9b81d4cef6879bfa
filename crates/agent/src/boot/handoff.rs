//! What the running system finds of the boot: its network, its name servers.

use std::fs::{create_dir_all, metadata, symlink_metadata, write};
use std::io;
use std::path::Path;

use tracing::warn;

use super::SYSROOT;
use crate::network::Network;

/// Before a distribution's fallback (80-…), after what an administrator wrote with a lower number.
const NETWORKD_DIRECTORY: &str = "/run/systemd/network";

/// Writes it. The system boots without it, too: what cannot be written is a warning.
pub fn leave_network(network: &Network) {
    let file = network.configuration.networkd_file(network.link.mac, network.upkeep);
    let path = format!("{NETWORKD_DIRECTORY}/70-bootwright-{}.network", network.link.name);
    let written = create_dir_all(NETWORKD_DIRECTORY).and_then(|()| write(&path, file));
    if let Err(error) = written {
        warn!("{path}: {error}: the system's network may come up differently");
    }
    let Some(text) = network.configuration.resolv_conf() else { return };
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
mod tests {
    use super::*;
    use std::fs::{create_dir, read_to_string};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_root_without_resolv_conf_gets_one_and_any_other_keeps_its_own() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("etc/resolv.conf");
        leave_resolv_conf(root.path(), "nameserver 1\n").unwrap();
        assert!(!path.exists());
        create_dir(root.path().join("etc")).unwrap();
        leave_resolv_conf(root.path(), "nameserver 1\n").unwrap();
        leave_resolv_conf(root.path(), "nameserver 2\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "nameserver 1\n");
        std::fs::remove_file(&path).unwrap();
        symlink("../run/systemd/resolve/stub-resolv.conf", &path).unwrap();
        leave_resolv_conf(root.path(), "nameserver 3\n").unwrap();
        assert!(symlink_metadata(&path).unwrap().is_symlink());
    }
}
