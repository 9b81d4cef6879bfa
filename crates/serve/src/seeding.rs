//! The server as a seeder: what machines share with each other, they get from here first, each chunk as
//! nearly once as can be.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bootwright_fetch::{Client, PeerOptions, Port, ReadOnly, SeedStatus, Seeder, Timeouts, Trust, dns};
use bootwright_image::torrent::InfoHash;
use url::Url;

use crate::images::{Catalogue, SwarmFile};

/// The TCP port of BitTorrent, when it is free.
pub const PEER_PORT: u16 = 6881;

/// Whether peers are given what is served, and on which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// They are not.
    Off,
    /// On the [usual port](PEER_PORT), or on any when that is taken.
    Usual,
    /// On this port.
    Port(u16),
}

/// Gives what is served to peers.
pub struct Seeding {
    port: Arc<Port>,
    client: Arc<Client>,
    tracker: Url,
    seeders: Mutex<BTreeMap<InfoHash, Seeded>>,
}

struct Seeded {
    image: String,
    seeder: Seeder,
}

impl Seeding {
    /// Listens at `addresses`. `server` is scheme and authority of our URLs: the seeders announce themselves to
    /// our own tracker. Wants a tokio runtime.
    pub fn start(addresses: &[IpAddr], offer: Offer, server: &str) -> io::Result<Option<Self>> {
        let at = |port| addresses.iter().map(|address| SocketAddr::new(*address, port)).collect::<Vec<_>>();
        let bind = |port| Port::bind_all(&at(port));
        let taken = |port, error: io::Error| {
            let text = format!("TCP port {port} for peers: {error}: choose another with --peer-port");
            io::Error::new(error.kind(), text)
        };
        let port = match offer {
            Offer::Off => return Ok(None),
            Offer::Port(port) => bind(port).map_err(|error| taken(port, error))?,
            Offer::Usual => bind(PEER_PORT).or_else(|_| bind(0))?,
        };
        let client = Client::new(dns::Resolver::from_system(), &Trust::default(), Timeouts::default());
        let tracker = Url::parse(&format!("{server}/announce")).map_err(io::Error::other)?;
        let client = Arc::new(client.map_err(io::Error::other)?);
        Ok(Some(Self { port, client, tracker, seeders: Mutex::default() }))
    }

    /// Where peers connect to.
    pub fn local(&self) -> SocketAddr {
        self.port.local()
    }

    /// Gives what is in `catalogue` now, and nothing else any more.
    pub fn update(&self, catalogue: &Catalogue) {
        let images = catalogue.images();
        let files = images.iter().filter_map(|image| Some((image.name(), image.swarm.as_ref()?)));
        let files: Vec<_> = files.collect();
        let mut seeders = self.seeders();
        seeders.retain(|hash, _| files.iter().any(|(_, file)| file.info.hash == *hash));
        for (image, file) in files {
            seeders
                .entry(file.info.hash)
                .or_insert_with(|| Seeded { image: image.to_owned(), seeder: self.seeder(file) });
        }
    }

    /// Of each image, how its seeder is doing.
    pub fn status(&self) -> Vec<(String, SeedStatus)> {
        self.seeders().values().map(|seeded| (seeded.image.clone(), seeded.seeder.status())).collect()
    }

    /// Leaves all swarms.
    pub async fn stop(&self) {
        let seeders = std::mem::take(&mut *self.seeders());
        for seeded in seeders.into_values() {
            seeded.seeder.stop().await;
        }
    }

    fn seeder(&self, file: &SwarmFile) -> Seeder {
        let tracker = Some(self.tracker.clone());
        let options = PeerOptions::new(Arc::clone(&self.port), Arc::clone(&self.client), tracker);
        let store = ReadOnly::new(file.manifest.file.clone(), Arc::clone(&file.file));
        Seeder::origin(&file.manifest, Arc::new(store), options)
    }

    fn seeders(&self) -> MutexGuard<'_, BTreeMap<InfoHash, Seeded>> {
        self.seeders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
