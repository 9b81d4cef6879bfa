//! An image: its manifest leads to the chunks of its root, or to one of its artifacts.

use std::sync::Arc;

use bootwright_fetch::{
    FileSource, FileStore, HttpSource, Options, PeerOptions, Seeder, Source, fetch, fetch_with_peers,
};
use bootwright_image::manifest::Mode;
use bootwright_image::torrent::{Metainfo, ROOT_TORRENT};
use bootwright_image::{Artifact, ArtifactKind, MAX_MANIFEST, Manifest, RootManifest, Verified as Proven};
use url::Url;

use super::address::at_mirror;
use super::done::{Fetched, Sent, SourceKind, Verified};
use super::peers::sent as sent_by_peers;
use super::plain::Whole;
use super::show::Show;
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
                let torrent = self.torrent(Some(&beside(&name)?)).await?;
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
                let peers = self.peers(torrent.as_ref()).or_environment()?;
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
    pub(super) async fn torrent(&self, beside: Option<&Url>) -> Result<Option<Metainfo>, Failure> {
        let (name, bytes) = match (&self.options.torrent, beside) {
            (Some(name), _) => match Url::parse(name) {
                Ok(url) => (name.clone(), self.small(&url, MAX_MANIFEST).await?.bytes.to_vec()),
                Err(_) => {
                    let read = std::fs::read(name);
                    let said = |error| Failure::message(Kind::Environment, format!("{name}: {error}"));
                    (name.clone(), read.map_err(said)?)
                }
            },
            (None, Some(url)) => match self.perhaps(url, MAX_MANIFEST).await {
                Some(small) => (url.to_string(), small.bytes.to_vec()),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        let torrent = Metainfo::from_bytes(&bytes).map_err(|error| bad(format!("{name}: {error}")))?;
        Ok(Some(torrent))
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
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        // An earlier version has many of the chunks.
        if path.is_file() {
            sources.push(Arc::new(FileSource::open(&path).map_err(|error| io(&path, &error))?));
        }
        let locals = sources.len();
        for url in mirrors {
            sources.push(Arc::new(HttpSource::new(self.client.clone(), url, Some(root.size))));
        }
        let store = Arc::new(FileStore::create(&path).map_err(|error| io(&path, &error))?);
        let show = Show::new(&root.file, sources.len());
        let observe = &mut |notice: bootwright_fetch::Notice<'_>| show.notice(&notice);
        let options = Options::default();
        let done = match peers {
            Some(peers) => {
                let done = fetch_with_peers(root, &sources, store, peers, &options, observe).await;
                done.map(|(done, seeder)| (done, Some(seeder)))
            }
            None => fetch(root, &sources, store, &options, observe).await.map(|done| (done, None)),
        };
        drop(show);
        let (done, seeder) = done.map_err(|error| failure(&error))?;
        let sent = sources.iter().zip(&done.by_source).enumerate().map(|(at, (source, bytes))| Sent {
            source: source.name().to_owned(),
            kind: if at < locals { SourceKind::Local } else { SourceKind::Mirror },
            bytes: *bytes,
            refused: 0,
        });
        let fetched = Fetched {
            file: path,
            size: root.size,
            digest: root.digest,
            verified,
            kept: done.progress.kept,
            refused: done.refused,
            sources: sent.chain(sent_by_peers(&done.by_peer)).collect(),
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
