//! An origin, a tracker, and machines that fetch.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Client, Complete, FileStore, Options, PeerOptions, Port, SeedStatus, Seeder, Timeouts, Trust, dns,
    fetch_with_peers,
};
use bootwright_image::chunks::ChunkDigester;
use bootwright_image::{Digest, RootFormat, RootManifest, Verified};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::tracker::Tracker;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Fleet {
    pub tracker: Tracker,
    pub image: Vec<u8>,
    pub manifest: Verified<RootManifest>,
    origin: Option<Seeder>,
    pub directory: TempDir,
}

/// A machine that has the image.
pub struct Machine {
    pub complete: Complete,
    /// What was told of peers that failed.
    pub told: Vec<String>,
    #[expect(dead_code, reason = "it gives as long as it lives")]
    pub seeder: Seeder,
}

impl Fleet {
    /// With an origin that has an image of `size` bytes.
    pub async fn new(size: usize) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, size).await
    }

    /// The same with an origin that sends so many bytes a second.
    pub async fn slow(size: usize, rate: u64) -> Self {
        Self::build(Ipv4Addr::LOCALHOST, size, Some(rate)).await
    }

    /// The same on another address of this machine.
    pub async fn at(ip: Ipv4Addr, size: usize) -> Self {
        Self::build(ip, size, None).await
    }

    async fn build(ip: Ipv4Addr, size: usize, upload_rate: Option<u64>) -> Self {
        let mut image = vec![0; size];
        fastrand::Rng::with_seed(7).fill(&mut image);
        let mut digester = ChunkDigester::new(64 << 10);
        digester.update(&image);
        let (size, digest, chunks) = digester.finish();
        let manifest = RootManifest {
            schema: 1,
            file: "root.img".into(),
            format: RootFormat::Erofs,
            size,
            digest,
            chunks,
            verity: None,
        };
        let bytes = manifest.to_bytes().unwrap();
        let manifest = RootManifest::verify(&bytes, &Digest::of(&bytes)).unwrap();
        let tracker = Tracker::start(ip).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("origin.img");
        std::fs::write(&path, &image).unwrap();
        let store = Arc::new(FileStore::in_place(&path).unwrap());
        let origin = Some(Seeder::origin(&manifest, store, PeerOptions { upload_rate, ..peers(&tracker) }));
        tracker.knows(1).await;
        Self { tracker, image, manifest, origin, directory }
    }

    pub fn size(&self) -> u64 {
        self.image.len() as u64
    }

    pub async fn stop_origin(&mut self) {
        self.origin.take().unwrap().stop().await;
    }

    pub async fn origin_status(&self) -> SeedStatus {
        // It is brought up to date twice a second.
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.origin.as_ref().unwrap().status()
    }

    /// A machine that fetches from peers alone.
    pub fn start(&self) -> JoinHandle<Machine> {
        self.start_at(self.directory.path().join(format!("{}.img", fastrand::u64(..))))
    }

    /// The same with its file at `path`, where something may lie.
    pub fn start_at(&self, path: PathBuf) -> JoinHandle<Machine> {
        let (manifest, peers, image) = (self.manifest.clone(), peers(&self.tracker), self.image.clone());
        tokio::spawn(async move {
            // One that was killed holds its lock until the last of its threads has done with it.
            let store = loop {
                match FileStore::in_place(&path) {
                    Ok(store) => break Arc::new(store),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let options = Options::default();
            let mut failures = Vec::new();
            let mut observe = |notice: bootwright_fetch::Notice<'_>| {
                if let bootwright_fetch::Notice::Failed { failure, .. } = notice {
                    failures.push(failure.explain());
                }
            };
            let fetching = fetch_with_peers(&manifest, &[], store, peers, &options, &mut observe);
            let done = tokio::time::timeout(PATIENCE, fetching).await;
            let (complete, seeder) = done.unwrap_or_else(|_| panic!("it hangs: {failures:?}")).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), image);
            Machine { complete, told: failures, seeder }
        })
    }
}

/// A part in the swarm, with a port of its own.
pub fn peers(tracker: &Tracker) -> PeerOptions {
    let port = Port::bind((tracker.ip(), 0).into()).unwrap();
    PeerOptions::new(port, client(), Some(tracker.url()))
}

pub fn client() -> Arc<Client> {
    let resolver = dns::Resolver::from_system();
    Arc::new(Client::new(resolver, &Trust::default(), Timeouts::default()).unwrap())
}
