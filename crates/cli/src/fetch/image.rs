//! An image: its manifest leads to the chunks of its root, or to one of its artifacts.

use std::sync::Arc;

use bootwright_fetch::{FileStore, Options, PeerOptions, Seeder, fetch, fetch_with_peers, mirror};
use bootwright_image::manifest::Mode;
use bootwright_image::torrent::{Metainfo, ROOT_TORRENT};
use bootwright_image::{Artifact, ArtifactKind, MAX_MANIFEST, Manifest, RootManifest, Verified as Proven};
use url::Url;

use super::address::at_mirror;
use super::done::{Fetched, Verified};
use super::peers::Meeting;
use super::plain::Whole;
use super::show::Show;
use super::sources::Sources;
use super::{Job, failure, place};
use crate::failure::{Failure, Kind, OrFail as _};

impl Job<'_> {
    /// Fetches the root of the image, or the artifact that was asked for.
    pub(super) async fn image(&self, url: &Url) -> Result<(Fetched, Option<Seeder>), Failure> {
        let outer = self.small(url, MAX_MANIFEST).await?;
        let manifest = Manifest::from_bytes(&outer.bytes);
        let manifest = manifest.map_err(|error| bad(format!("{url}: {error}")))?;
        let beside = |file: &str| outer.url.join(file).or_bad();
        let root = match manifest.artifact(ArtifactKind::RootManifest) {
            Some(listed) => Some(self.root_manifest(&beside(&listed.file)?, listed).await?),
            None => None,
        };
        let listed = listed(&manifest, root.as_deref(), self.options.artifact.as_deref())?;
        if let Some(wanted) = self.options.digest.filter(|wanted| *wanted != listed.digest) {
            let text = format!("{} of {url} is {}, wanted is {wanted}", listed.file, listed.digest);
            return Err(bad(text));
        }
        let verified = Verified::Manifest(url.to_string());
        let first = beside(&listed.file)?;
        match root.filter(|root| root.file == listed.file) {
            Some(root) => {
                let name = match manifest.mode {
                    Mode::File => format!("{}.torrent", root.file),
                    _ => ROOT_TORRENT.to_owned(),
                };
                let torrent = self.torrent_of(&beside(&name)?).await?;
                if let Some(torrent) = &torrent {
                    // A contradiction means that one of the two lies: neither is taken.
                    torrent.info.agrees_with(&root).or_bad()?;
                }
                let mirrors = self.mirrors(first, &root.file, torrent.as_ref());
                if self.options.decompress {
                    let (size, digest) = (Some(root.size), Some(root.digest));
                    let whole = Whole { name: &root.file, urls: mirrors, size, digest, verified };
                    return Ok((self.whole(whole).await?, None));
                }
                let meeting = torrent.as_ref().map(Meeting::of).unwrap_or_default();
                let peers = self.peers(&meeting).or_environment()?;
                self.chunks(&root, mirrors, peers, verified).await
            }
            None => {
                let urls = self.mirrors(first, &listed.file, None);
                let (size, digest) = (Some(listed.size), Some(listed.digest));
                let whole = Whole { name: &listed.file, urls, size, digest, verified };
                Ok((self.whole(whole).await?, None))
            }
        }
    }

    async fn root_manifest(&self, url: &Url, listed: &Artifact) -> Result<Proven<RootManifest>, Failure> {
        let small = self.small(url, MAX_MANIFEST).await?;
        RootManifest::verify(&small.bytes, &listed.digest).map_err(|error| bad(format!("{url}: {error}")))
    }

    /// The torrent that was named, or the one at `beside`, when there is one.
    async fn torrent_of(&self, beside: &Url) -> Result<Option<Metainfo>, Failure> {
        if let Some(name) = &self.options.torrent {
            return self.read_torrent(name).await.map(Some);
        }
        let Some(small) = self.perhaps(beside, MAX_MANIFEST).await else { return Ok(None) };
        let torrent =
            Metainfo::from_bytes(&small.bytes).map_err(|error| bad(format!("{beside}: {error}")))?;
        Ok(Some(torrent))
    }

    /// The torrent in a file, or at a URL.
    pub(super) async fn read_torrent(&self, name: &str) -> Result<Metainfo, Failure> {
        let bytes = match Url::parse(name) {
            Ok(url) => self.small(&url, MAX_MANIFEST).await?.bytes.to_vec(),
            Err(_) => {
                let said = |error| Failure::message(Kind::Environment, format!("{name}: {error}"));
                std::fs::read(name).map_err(said)?
            }
        };
        Metainfo::from_bytes(&bytes).map_err(|error| bad(format!("{name}: {error}")))
    }

    /// Every URL of the file, the given one first.
    pub(super) fn mirrors(&self, first: Url, file: &str, torrent: Option<&Metainfo>) -> Vec<Url> {
        let mut urls = vec![first];
        let seeds = torrent.into_iter().flat_map(Metainfo::mirrors).filter_map(|url| Url::parse(&url).ok());
        let seeds = seeds.filter(|url| ["http", "https"].contains(&url.scheme()));
        for url in self.options.mirrors.iter().map(|mirror| at_mirror(mirror, file)).chain(seeds) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    async fn chunks(
        &self,
        root: &Proven<RootManifest>,
        mirrors: Vec<Url>,
        peers: Option<PeerOptions>,
        verified: Verified,
    ) -> Result<(Fetched, Option<Seeder>), Failure> {
        let path = place::path(self.options.output.as_deref(), &root.file, false)?;
        let mut sources = Sources::for_file(&path)?;
        for url in mirrors {
            sources.add(mirror(&self.client, url, Some(root.size)));
        }
        let store = Arc::new(FileStore::create(&path).map_err(|error| io(&path, &error))?);
        let show = Show::new(&root.file, sources.list.len());
        let observe = &mut |notice: bootwright_fetch::Notice<'_>| show.notice(&notice);
        let options = Options::default();
        let done = match peers {
            Some(peers) => {
                let done = fetch_with_peers(root, &sources.list, store, peers, &options, observe).await;
                done.map(|(done, seeder)| (done, Some(seeder)))
            }
            None => fetch(root, &sources.list, store, &options, observe).await.map(|done| (done, None)),
        };
        drop(show);
        let (done, seeder) = done.map_err(|error| failure(&error))?;
        let fetched = Fetched {
            file: path,
            size: root.size,
            digest: Some(root.digest),
            verified,
            kept: done.progress.kept,
            refused: done.refused,
            sources: sources.sent(&done),
            unpacked: None,
            took: done.took,
            complete: true,
        };
        Ok((fetched, seeder))
    }
}

/// The artifact to fetch: the one that is named, else the root.
fn listed<'a>(
    manifest: &'a Manifest,
    root: Option<&RootManifest>,
    wanted: Option<&str>,
) -> Result<&'a Artifact, Failure> {
    let names =
        || manifest.artifacts.iter().map(|artifact| artifact.file.as_str()).collect::<Vec<_>>().join(", ");
    let Some(name) = wanted.or(root.map(|root| root.file.as_str())) else {
        let text =
            format!("the image {} lists no root: choose one with --artifact: {}", manifest.name, names());
        return Err(Failure::message(Kind::Usage, text));
    };
    let artifact = manifest.artifacts.iter().find(|artifact| artifact.file == name);
    let artifact = artifact.ok_or_else(|| {
        let inside = if manifest.mode == Mode::Embed { " (its root is inside the UKI)" } else { "" };
        let text =
            format!("the image {} has no {name}{inside}: choose with --artifact: {}", manifest.name, names());
        Failure::message(Kind::Usage, text)
    })?;
    match root.filter(|root| root.file == artifact.file && root.digest != artifact.digest) {
        Some(root) => {
            Err(bad(format!("{name} is {} by image.json, {} by root.json", artifact.digest, root.digest)))
        }
        None => Ok(artifact),
    }
}

pub(super) fn bad(text: String) -> Failure {
    Failure::message(Kind::Bad, text)
}

pub(super) fn io(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let text = match error.kind() {
        std::io::ErrorKind::WouldBlock => "another process fetches it at this moment".to_owned(),
        _ => error.to_string(),
    };
    Failure::message(Kind::Environment, format!("{}: {text}", path.display()))
}
