//! The file of an image that machines take from one another, and its torrent.
//!
//! The info dictionary follows from the chunk manifest, so that it is the same at every server. The torrent
//! that is given out has this server's tracker and URL in it, and is therefore not listed in `image.json`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bootwright_image::torrent::{Info, Metainfo, ROOT_TORRENT};
use bootwright_image::{ArtifactKind, Digest, MAX_MANIFEST, Manifest, RootManifest, Verified};

use super::entity::{Body, Entity, content_type};
use super::open::{ImageError, etag};

/// A file that peers share.
#[derive(Debug)]
pub struct SwarmFile {
    /// What follows `/images/NAME/` in the URL of its torrent.
    pub torrent_name: String,
    /// What it is made of.
    pub manifest: Verified<RootManifest>,
    /// The same for BitTorrent.
    pub info: Info,
    /// The file, held open.
    pub file: Arc<File>,
    /// Trackers and web seeds that the image brings along.
    others: Option<Metainfo>,
    torrent: OnceLock<Arc<Entity>>,
}

impl SwarmFile {
    /// `others` is a torrent that lies beside the file; it must be of this very file.
    pub(super) fn new(
        torrent_name: String,
        manifest: Verified<RootManifest>,
        file: Arc<File>,
        others: Option<(&Path, Metainfo)>,
    ) -> Result<Self, ImageError> {
        let info = Info::of(&manifest);
        if let Some((path, others)) = &others {
            let contradicts = |problem| ImageError::Contradiction { path: (*path).to_owned(), problem };
            others.info.agrees_with(&manifest).map_err(|error| contradicts(error.to_string()))?;
            if others.info.hash != info.hash {
                let (theirs, ours) = (others.info.hash, info.hash);
                return Err(contradicts(format!("its info-hash is {theirs}, the manifest gives {ours}")));
            }
        }
        let others = others.map(|(_, others)| others);
        Ok(Self { torrent_name, manifest, info, file, others, torrent: OnceLock::new() })
    }

    /// The root of the image in `directory`, whose files are open already.
    pub(super) fn of_root(
        directory: &Path,
        manifest: &Manifest,
        open: impl Fn(&str) -> Option<Arc<File>>,
    ) -> Result<Option<Self>, ImageError> {
        let Some(listed) = manifest.artifact(ArtifactKind::RootManifest) else { return Ok(None) };
        let path = directory.join(&listed.file);
        let io = |source| ImageError::Io { path: path.clone(), source };
        let bytes = read(&path).map_err(io)?;
        let root = RootManifest::verify(&bytes, &listed.digest)
            .map_err(|problem| ImageError::Root { path: path.clone(), problem })?;
        let Some(file) = open(&root.file) else { return Ok(None) };
        let path = directory.join(ROOT_TORRENT);
        let others = match read(&path) {
            Ok(bytes) => {
                let torrent = Metainfo::from_bytes(&bytes);
                Some(torrent.map_err(|problem| ImageError::Torrent { path: path.clone(), problem })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(ImageError::Io { path, source }),
        };
        let others = others.map(|others| (path.as_path(), others));
        Self::new(ROOT_TORRENT.to_owned(), root, file, others).map(Some)
    }

    /// The torrent as this server gives it out: `servers` are scheme and authority of its URLs, `image` the
    /// name of the image.
    pub fn torrent(&self, servers: &[String], image: &str) -> Arc<Entity> {
        let make = || {
            let torrent = self.metainfo(servers, image);
            let bytes = torrent.to_bytes();
            Arc::new(Entity {
                etag: etag(&Digest::of(&bytes), ""),
                modified: SystemTime::now(),
                content_type: content_type(&self.torrent_name),
                body: Body::Memory(bytes.into()),
            })
        };
        Arc::clone(self.torrent.get_or_init(make))
    }

    /// A tracker is asked after those before it have not answered (BEP 12), a web seed is tried by everybody: of
    /// these, only the one that all clients reach is ours.
    fn metainfo(&self, servers: &[String], image: &str) -> Metainfo {
        let others = self.others.iter();
        let trackers = others.clone().flat_map(|others| others.trackers.clone());
        let web_seeds = others.flat_map(|others| others.web_seeds.clone());
        let own =
            servers.iter().take(1).map(|server| format!("{server}/images/{image}/{}", self.manifest.file));
        Metainfo {
            info: self.info.clone(),
            trackers: servers
                .iter()
                .map(|server| vec![format!("{server}/announce")])
                .chain(trackers)
                .collect(),
            web_seeds: own.chain(web_seeds).collect(),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is lawful, so that whoever reads them can tell.
    File::open(path)?.take(MAX_MANIFEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
