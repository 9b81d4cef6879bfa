//! What the survivor opens while it still sees the initrd.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{Client, FileStore, HttpSource, Source, Store as _, Trust};
use bootwright_image::timeline::MachineId;
use bootwright_image::{Digest, RootManifest, Verified};
use url::Url;

use super::Orders;
use super::nbd::{BLOCK, NbdDevice};
use crate::boot::BootError;
use crate::boot::device_mapper::Mapper;
use crate::boot::loop_device::Attachable;
use crate::failure::Failure;
use crate::report::send;
use crate::share::Listening;

/// Its part among other machines.
pub struct Swarm {
    /// Where they connect to.
    pub listening: Listening,
    /// Where the seeder hears that the root is whole.
    pub whole: File,
}

/// All that the survivor will ever need of the world around it.
pub struct Prepared {
    pub manifest: Verified<RootManifest>,
    /// The digest of the manifest.
    pub trusted: Digest,
    /// Where the root is.
    pub url: Url,
    /// This machine, for the trace of its boot.
    pub machine: MachineId,
    pub client: Arc<Client>,
    pub mirror: Arc<dyn Source>,
    /// Other machines, when there are any to be taken part with.
    pub swarm: Option<Swarm>,
    pub store: Arc<FileStore>,
    /// The kernel's end of the stream.
    pub nbd: NbdDevice,
    pub mapper: Mapper,
    /// What takes the stream's place.
    pub complete: Attachable,
}

impl Prepared {
    /// Opens it all.
    pub fn new(orders: &Orders) -> Result<Self, Failure> {
        let manifest = RootManifest::verify(orders.manifest.as_bytes(), &orders.trusted);
        let manifest = manifest.map_err(|error| Failure::of("the root manifest", &error))?;
        if !manifest.size.is_multiple_of(BLOCK) {
            return Err(Failure::new(format!(
                "{} has {} bytes, which is no multiple of {BLOCK} and so no block device: boot it by \
                 bootwright.mode=ram",
                manifest.file, manifest.size
            )));
        }
        let path = Path::new(&orders.path);
        let store = FileStore::in_place(path).and_then(|store| store.resize(manifest.size).map(|()| store));
        let store = store.map_err(|error| Failure::of(&orders.path, &error))?;
        let boot = |error: BootError| Failure::of("the stream's devices", &error);
        let nbd = NbdDevice::open();
        let nbd =
            nbd.map_err(|(step, error)| Failure::of(&format!("the stream's device: {step}"), &error))?;
        let trust = Trust { extra_pem: std::fs::read(send::CA).ok() };
        let client =
            Arc::new(orders.way.client(&trust).map_err(|error| Failure::of("setting TLS up", &error))?);
        let mirror = HttpSource::new(Arc::clone(&client), orders.url.clone(), Some(manifest.size));
        Ok(Self {
            manifest,
            trusted: orders.trusted,
            url: orders.url.clone(),
            machine: orders.machine.clone(),
            client,
            mirror: Arc::new(mirror),
            swarm: None,
            store: Arc::new(store),
            nbd,
            mapper: Mapper::open().map_err(boot)?,
            complete: Attachable::open(path).map_err(boot)?,
        })
    }

    /// With what the worker gave for other machines: the socket, and the pipe to the seeder.
    pub fn sharing(self, mut files: impl Iterator<Item = OwnedFd>, upload: Option<u64>) -> Self {
        let (Some(socket), Some(whole)) = (files.next(), files.next()) else { return self };
        let listening = Listening::over(&self.client, TcpListener::from(socket), &self.url, upload);
        Self { swarm: Some(Swarm { listening, whole: whole.into() }), ..self }
    }
}
