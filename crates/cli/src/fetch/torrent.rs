//! Somebody else's torrent: its file, or its directory of files, from its peers and web seeds.
//!
//! 1. The torrent is read: from a file, a URL, or, for a magnet link, from peers (BEP 9).
//! 2. Every path in it is looked at before anything is written.
//! 3. Pieces come from peers, web seeds and mirrors; each is right by its SHA-1, or refused.

use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{
    FileSet, METADATA_HOPE, Notice, Options, PeerOptions, Seeder, Store, WebSeed, fetch_metadata,
    fetch_torrent,
};
use bootwright_image::MAX_MANIFEST;
use bootwright_image::torrent::{Info, Magnet, Metainfo};
use url::Url;

use super::done::{Fetched, Verified};
use super::image::{bad, io};
use super::judged::Judged;
use super::peers::Meeting;
use super::show::Show;
use super::sources::Sources;
use super::{Job, failure, place};
use crate::failure::{Failure, Kind, OrFail as _};

/// Where pieces go, and what knows the digest of a single file.
type Stored = (Arc<dyn Store>, Option<Arc<Judged>>);

impl Job<'_> {
    /// Fetches what the torrent `name` is of: a file here, or a URL. `mirrors` have it too.
    pub(super) async fn torrent(
        &self,
        name: &str,
        mirrors: Vec<Url>,
    ) -> Result<(Fetched, Option<Seeder>), Failure> {
        let torrent = self.read_torrent(name).await?;
        let meeting = Meeting::of(&torrent);
        let peers = self.peers(&meeting).or_environment()?;
        self.pieces(torrent, peers, mirrors).await
    }

    /// Fetches what a magnet link names.
    pub(super) async fn magnet(&self, magnet: &Magnet) -> Result<(Fetched, Option<Seeder>), Failure> {
        let mut meeting = Meeting {
            trackers: magnet.trackers.iter().map(|tracker| vec![tracker.clone()]).collect(),
            ..Meeting::default()
        };
        for peer in &magnet.peers {
            meeting.peers.extend(self.resolve(peer).await);
        }
        let mut peers = self.peers(&meeting).or_environment()?;
        let info = match self.linked_torrent(magnet).await {
            Some(info) => info,
            None => self.metadata(magnet, peers.as_mut()).await?,
        };
        if info.private
            && let Some(peers) = &mut peers
        {
            peers.local = bootwright_fetch::LocalDiscovery::Off;
        }
        let web_seeds = magnet.web_seeds.clone();
        let torrent = Metainfo { info, trackers: Vec::new(), web_seeds };
        self.pieces(torrent, peers, Vec::new()).await
    }

    /// The torrent that the link says is at a URL, when it is there and the right one.
    async fn linked_torrent(&self, magnet: &Magnet) -> Option<Info> {
        for url in magnet.torrents.iter().filter_map(|url| super::address::web(url)) {
            let Some(small) = self.perhaps(&url, MAX_MANIFEST).await else { continue };
            match Metainfo::from_bytes(&small.bytes) {
                Ok(torrent) if torrent.info.hash == magnet.info_hash => return Some(torrent.info),
                Ok(torrent) => eprintln!("bootwright: {url} is the torrent {}: not used", torrent.info.hash),
                Err(error) => eprintln!("bootwright: {url}: {error}: not used"),
            }
        }
        None
    }

    /// The metadata from peers, whose addresses are kept.
    async fn metadata(&self, magnet: &Magnet, peers: Option<&mut PeerOptions>) -> Result<Info, Failure> {
        let Some(peers) = peers else {
            let text = "a magnet link needs peers, which --peers off forbids: take the torrent itself";
            return Err(Failure::message(Kind::Usage, text));
        };
        let hash = magnet.info_hash;
        let name = magnet.name.clone().unwrap_or_else(|| hash.to_string());
        let show = Show::new(&format!("metadata of {}", name.escape_debug()), peers.peers.len());
        let observe = &mut |notice: Notice<'_>| show.notice(&notice);
        let found = fetch_metadata(hash, peers, METADATA_HOPE, observe).await;
        let (info, addresses) = found.map_err(|error| failure(&error))?;
        peers.peers = addresses;
        Ok(info)
    }

    /// `HOST:PORT` of a peer.
    async fn resolve(&self, peer: &str) -> Vec<std::net::SocketAddr> {
        let place = peer.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = place else {
            eprintln!("bootwright: {peer:?} is no host and port of a peer: not asked");
            return Vec::new();
        };
        match self.client.resolve(host, port).await {
            Ok(addresses) => addresses,
            Err(error) => {
                eprintln!("bootwright: {error}: not asked");
                Vec::new()
            }
        }
    }

    async fn pieces(
        &self,
        torrent: Metainfo,
        peers: Option<PeerOptions>,
        mirrors: Vec<Url>,
    ) -> Result<(Fetched, Option<Seeder>), Failure> {
        let info = Arc::new(torrent.info);
        let name = info.place().or_bad()?;
        let path = place::path(self.options.output.as_deref(), name, false)?;
        let seeds = torrent.web_seeds.iter().filter_map(|url| super::address::web(url));
        let mut sources = Sources::for_file(&path)?;
        for url in mirrors.into_iter().chain(self.options.mirrors.iter().cloned()).chain(seeds) {
            sources.add(Arc::new(WebSeed::new(&self.client, &url, &info).or_bad()?));
        }
        let (store, judged) = self.store(&path, &info)?;
        let show = Show::new(name, sources.list.len());
        let observe = &mut |notice: Notice<'_>| show.notice(&notice);
        let done = fetch_torrent(&info, &sources.list, store, peers, &Options::default(), observe).await;
        drop(show);
        if let Some(error) = judged.as_ref().and_then(|judged| judged.refusal()) {
            return Err(bad(error));
        }
        let (done, seeder) = done.map_err(|error| failure(&error))?;
        let fetched = Fetched {
            file: path,
            size: info.size(),
            digest: judged.and_then(|judged| judged.digest()),
            verified: Verified::Torrent(info.hash.to_string()),
            kept: done.progress.kept,
            refused: done.refused,
            sources: sources.sent(&done),
            unpacked: None,
            took: done.took,
            complete: true,
        };
        Ok((fetched, seeder))
    }

    /// Where the pieces go; for a single file with the digest that it must have, when one was given.
    fn store(&self, path: &Path, info: &Info) -> Result<Stored, Failure> {
        match info.placed().or_bad()? {
            Some(_) if self.options.digest.is_some() => {
                let text = "--digest is of one file, and this torrent is of several";
                Err(Failure::message(Kind::Usage, text))
            }
            Some(files) => {
                let set = FileSet::create(path, files).map_err(|error| io(path, &error))?;
                Ok((Arc::new(set), None))
            }
            None => {
                let judged = Judged::create(path, self.options.digest).map_err(|error| io(path, &error))?;
                let judged = Arc::new(judged);
                Ok((judged.clone(), Some(judged)))
            }
        }
    }
}
