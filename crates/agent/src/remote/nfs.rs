//! NFS: the kernel's own client, told by mount(2) what mount.nfs(8) would tell it.

use std::ffi::CString;

use bootwright_plan::remote::Nfs;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use tracing::{debug, info};

use super::{Connector, RemoteError};
use crate::boot::BootError;
use crate::boot::ram::failed;

/// The port of NFS; the resolver wants one, the kernel does not.
const PORT: u16 = 2049;

/// What is tried where the line names no version, the newest first, as mount.nfs(8) does.
const VERSIONS: [&str; 4] = ["4.2", "4.1", "4.0", "3"];

impl Connector<'_> {
    pub(super) async fn mount_nfs(&self, nfs: &Nfs, overlay: Option<&str>) -> Result<(), RemoteError> {
        self.devices.require("nfs")?;
        let addresses = self.resolve(&nfs.host, PORT).await?;
        let address = addresses.first().map(std::net::SocketAddr::ip);
        let address = address.ok_or_else(|| RemoteError::Server {
            server: nfs.host.clone(),
            problem: "it has no address".to_owned(),
        })?;
        let attempts = attempts(nfs);
        // nfsv4 is asked for by the kernel through modprobe, which an initrd does not have.
        for module in ["nfsv4", "nfsv3"] {
            if let Err(error) = self.devices.require(module) {
                debug!("{error}");
            }
        }
        let own = self.own.map(|own| own.to_string()).unwrap_or_default();
        let source = match address.is_ipv6() {
            true => format!("[{address}]:{}", nfs.path),
            false => format!("{address}:{}", nfs.path),
        };
        self.mount_at(nfs.writable, overlay, |target, flags| {
            let mut refused = Errno::PROTONOSUPPORT;
            for (kind, options) in &attempts {
                let client = if *kind == "nfs4" { format!(",clientaddr={own}") } else { String::new() };
                let text = format!("addr={address},{options}{client}");
                match try_mount(&source, target, kind, flags, &text)? {
                    Ok(()) => {
                        info!("root: {source} by NFS ({options})");
                        return Ok(());
                    }
                    Err(error @ (Errno::PROTONOSUPPORT | Errno::INVAL | Errno::CONNREFUSED)) => {
                        debug!("{source} ({options}): {error}");
                        refused = error;
                    }
                    Err(error) => return Err(failed(&format!("{source} ({options})"), target)(error)),
                }
            }
            Err(failed(&source, target)(refused))
        })
    }
}

/// The kernel's answer; an error for options that hold a NUL.
fn try_mount(
    source: &str,
    target: &str,
    kind: &str,
    flags: MountFlags,
    options: &str,
) -> Result<Result<(), Errno>, BootError> {
    let data = CString::new(options)
        .map_err(|error| BootError::File { path: source.to_owned(), source: error.into() })?;
    Ok(mount(source, target, kind, flags, Some(data.as_c_str())))
}

/// File system and options, in the order in which they are tried.
fn attempts(nfs: &Nfs) -> Vec<(&'static str, String)> {
    let names_version = |option: &String| option.starts_with("vers=") || option.starts_with("nfsvers=");
    let with = |version: &str| {
        let mut options = vec!["proto=tcp".to_owned()];
        if !version.is_empty() {
            options.push(format!("vers={version}"));
        }
        options.extend(nfs.options.iter().cloned());
        // No statd runs in an initrd, and nobody locks a root.
        if version == "3" {
            options.push("nolock".to_owned());
        }
        options.join(",")
    };
    let kind = |version: &str| if version.starts_with('3') { "nfs" } else { "nfs4" };
    if let Some(option) = nfs.options.iter().find(|option| names_version(option)) {
        let version = option.split_once('=').map_or("", |(_, version)| version);
        let nolock = if version.starts_with('3') { ",nolock" } else { "" };
        return vec![(kind(version), format!("{}{nolock}", with("")))];
    }
    let wanted = VERSIONS.iter().filter(|version| !nfs.is_version_4 || version.starts_with('4'));
    wanted.map(|version| (kind(version), with(version))).collect()
}

#[cfg(test)]
mod tests {
    use bootwright_image::cmdline::CommandLine;
    use bootwright_plan::remote::{self, Remote};

    use super::*;

    fn tried(line: &str) -> Vec<(&'static str, String)> {
        match remote::read(&CommandLine::parse(line)) {
            Ok(Some(Remote::Nfs(nfs))) => attempts(&nfs),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn versions_are_tried_from_the_newest_unless_one_is_named() {
        let all = tried("root=nfs:s:/srv:rsize=4096");
        assert_eq!((all.len(), all[0].0, all[0].1.as_str()), (4, "nfs4", "proto=tcp,vers=4.2,rsize=4096"));
        assert_eq!((all[3].0, all[3].1.as_str()), ("nfs", "proto=tcp,vers=3,rsize=4096,nolock"));
        assert_eq!(tried("root=nfs4:s:/srv").len(), 3);
        assert_eq!(tried("root=nfs:s:/srv:vers=3"), [("nfs", "proto=tcp,vers=3,nolock".to_owned())]);
    }
}
