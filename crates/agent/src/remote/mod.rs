//! A root that another machine has, used where it is: [`nbd`], [`nvme`], [`nfs`].
//!
//! All three live in the kernel alone once they are connected, and the interface keeps its address
//! ([`handoff`](crate::boot::handoff)); for NBD a process survives the initrd that connects again. A file system on a block device is told by its
//! [`superblock`].

pub mod nbd;
mod nfs;
mod nvme;
mod superblock;

use std::fs::create_dir_all;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bootwright_fetch::Client;
use bootwright_netboot::Uuid;
use bootwright_plan::remote::{Mounting, Remote};
use rustix::mount::MountFlags;
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::boot::{BootError, SYSROOT, ram};
use crate::devices::{Devices, ModuleError};

/// How long a device may take to appear once its server has answered.
const DEVICE_LIMIT: Duration = Duration::from_secs(30);

/// From one look at the devices to the next.
const INTERVAL: Duration = Duration::from_millis(100);

/// Why a root on another machine is not there.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A driver is missing.
    #[error("the root needs a driver")]
    Module(#[from] ModuleError),
    /// The name of the server.
    #[error("the server {host}")]
    Name {
        /// As on the line.
        host: String,
        /// What the name servers said.
        source: bootwright_fetch::dns::Error,
    },
    /// No connection, or one that broke.
    #[error("{server}: {step}")]
    Io {
        /// Name and address of the server, or a file of the kernel's.
        server: String,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server says no, or something else than it should.
    #[error("{server}: {problem}")]
    Server {
        /// Name and address of the server.
        server: String,
        /// What is wrong.
        problem: String,
    },
    /// The device never came.
    #[error("{what} did not appear in {} s{}", DEVICE_LIMIT.as_secs(), among(.seen))]
    Absent {
        /// The device.
        what: String,
        /// Those that are there.
        seen: String,
    },
    /// What it holds is none.
    #[error("{0} holds no file system that is known: rootfstype= names one")]
    Format(String),
    /// It does not mount.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// What it takes to connect.
pub struct Connector<'a> {
    /// Finds names.
    pub client: &'a Client,
    /// Loads drivers.
    pub devices: &'a Devices,
    /// The machine's SMBIOS UUID.
    pub uuid: Option<Uuid>,
    /// The address that the machine has, by which servers know it.
    pub own: Option<IpAddr>,
}

impl Connector<'_> {
    /// Connects the block device of `remote`; gives its name below /dev. A directory has none.
    pub async fn device(&self, remote: &Remote) -> Result<String, RemoteError> {
        match remote {
            Remote::Nbd(nbd) => Ok(self.nbd(nbd).await?.name),
            Remote::Nvme(nvme) => self.nvme(nvme).await,
            Remote::Nfs(nfs) => Err(RemoteError::Server {
                server: nfs.host.clone(),
                problem: "a directory is no device".into(),
            }),
        }
    }

    /// Mounts the root of `remote` at [`SYSROOT`], with a layer in memory of at most `overlay` over it unless the
    /// line says `rw`.
    pub async fn mount(&self, remote: &Remote, overlay: Option<&str>) -> Result<(), RemoteError> {
        let mut nbd_connected = None;
        let (mounting, device) = match remote {
            Remote::Nfs(nfs) => return self.mount_nfs(nfs, overlay).await,
            Remote::Nbd(nbd) => (&nbd.mounting, nbd_connected.insert(self.nbd(nbd).await?).name.clone()),
            Remote::Nvme(nvme) => (&nvme.mounting, self.nvme(nvme).await?),
        };
        let path = format!("/dev/{device}");
        let kind = match mounting.kind.clone() {
            Some(kind) => kind,
            None => {
                superblock::read(Path::new(&path)).ok_or(RemoteError::Format(path.clone()))?.kind.to_owned()
            }
        };
        self.devices.require(&kind)?;
        self.mount_at(mounting.writable, overlay, |target, flags| {
            mount_device(&path, &kind, mounting, target, flags)
        })?;
        let writes = if mounting.writable { "writable there" } else { "writable in memory" };
        info!("root: {kind} on {path}, {}, {writes}", remote.describe());
        if let Some(connected) = nbd_connected {
            connected.stay().await;
        }
        Ok(())
    }

    /// Mounts by `mount`, as it is or below a layer.
    fn mount_at(
        &self,
        writable: bool,
        overlay: Option<&str>,
        mount: impl FnOnce(&str, MountFlags) -> Result<(), BootError>,
    ) -> Result<(), RemoteError> {
        if !writable {
            return Ok(ram::mount_with_layer(overlay, self.devices, |lower| {
                mount(lower, MountFlags::RDONLY)
            })?);
        }
        create_dir_all(SYSROOT).map_err(|source| BootError::File { path: SYSROOT.to_owned(), source })?;
        Ok(mount(SYSROOT, MountFlags::empty())?)
    }

    /// The addresses of a server.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, RemoteError> {
        let found = self.client.resolve(host, port).await;
        found.map_err(|source| RemoteError::Name { host: host.to_owned(), source })
    }
}

fn mount_device(
    path: &str,
    kind: &str,
    mounting: &Mounting,
    target: &str,
    flags: MountFlags,
) -> Result<(), BootError> {
    match flags.contains(MountFlags::RDONLY) {
        true => ram::mount_read_only(path, target, kind, &mounting.options),
        false => ram::mount_with(path, target, kind, flags, &[&mounting.options]),
    }
}

/// Waits until `find` finds a device; `what` names it for the operator.
async fn appears(
    what: &str,
    find: impl Fn() -> Option<String>,
    seen: impl Fn() -> String,
) -> Result<String, RemoteError> {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return Ok(found);
        }
        if begun.elapsed() > DEVICE_LIMIT {
            return Err(RemoteError::Absent { what: what.to_owned(), seen: seen() });
        }
        sleep(INTERVAL).await;
    }
}

fn among(seen: &str) -> String {
    if seen.is_empty() { String::new() } else { format!("; there are {seen}") }
}

/// Whether a block device has its size.
fn has_size(name: &str) -> bool {
    let size = std::fs::read_to_string(format!("/sys/class/block/{name}/size")).unwrap_or_default();
    size.trim().parse::<u64>().is_ok_and(|sectors| sectors > 0) && Path::new("/dev").join(name).exists()
}
