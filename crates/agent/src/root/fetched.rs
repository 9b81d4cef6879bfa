//! A root that a server has (mode `ram`): manifest, memory check, chunks.

use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{
    Client, Complete, FileStore, Options, Retries, RetryPolicy, Source, Store, get_small, mirror,
};
use bootwright_image::{Digest, MAX_MANIFEST, Pin, RootManifest, Verified};
use bootwright_plan::address::ImageAddress;
use bootwright_plan::boot::trusted as planned;
use bytes::Bytes;
use tracing::{info, warn};
use url::Url;

use super::progress::Progress;
use super::{Place, RootError, VerifiedRoot};
use crate::boot::{memory, ram};
use crate::clock;
use crate::report::Reporter;
use crate::share::{self, Giver, Listening, Shared, Terms};

/// How often in a row a download may fail before the machine gives up: with the growing waits between
/// them about five minutes, in which a server can be restarted.
pub const RETRIES: Retries = Retries::Finite(24);

/// The name of the root manifest beside the image's.
const ROOT_MANIFEST: &str = "root.json";

/// What fetches, and where progress goes.
pub struct Fetcher {
    /// Names, connections, TLS.
    pub client: Arc<Client>,
    /// Tells the server.
    pub reporter: Reporter,
    /// How the root is shared with other machines; `None` when it is not.
    pub terms: Option<Terms>,
}

/// A root that has been fetched.
pub struct Fetched {
    /// The root.
    pub root: VerifiedRoot,
    /// Who sent it, for the report.
    pub account: String,
    /// What others are given.
    pub shared: Option<Shared>,
}

/// A root manifest that is the right one.
pub struct Described {
    /// What the root is.
    pub manifest: Verified<RootManifest>,
    /// The manifest as it was fetched.
    pub bytes: Bytes,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// Where the root is.
    pub root: Url,
}

/// Fetches the root of the image at `address` into memory. Its manifest has to have the digest that `pin`
/// or, without one, `digest` says.
pub async fn fetched(
    fetcher: &Fetcher,
    address: &ImageAddress,
    pin: Option<&Pin>,
    digest: Option<Digest>,
) -> Result<Fetched, RootError> {
    let described = described(fetcher, address, pin, digest).await?;
    fetcher.root(described).await
}

/// Fetches what describes the root of the image at `address`, and nothing of the root itself.
pub async fn described(
    fetcher: &Fetcher,
    address: &ImageAddress,
    pin: Option<&Pin>,
    digest: Option<Digest>,
) -> Result<Described, RootError> {
    fetcher.manifest(address, trusted(address, pin, digest)?).await
}

/// The digest that says which bytes are the right ones.
fn trusted(address: &ImageAddress, pin: Option<&Pin>, digest: Option<Digest>) -> Result<Digest, RootError> {
    let trusted = planned(pin, digest).ok_or_else(|| RootError::Unpinned(address.url.to_string()))?;
    if trusted.overruled {
        warn!("bootwright.digest= differs from the digest pinned in the initrd and has no effect");
    }
    Ok(trusted.digest)
}

impl Fetcher {
    /// The manifest that has the digest `trusted`.
    async fn manifest(&self, address: &ImageAddress, trusted: Digest) -> Result<Described, RootError> {
        let url = sibling(&address.url, ROOT_MANIFEST)?;
        let mut progress = Progress::new(ROOT_MANIFEST);
        let retry = RetryPolicy::default();
        let small =
            get_small(&self.client, &url, MAX_MANIFEST, retry, &mut |notice| progress.notice(&notice))
                .await?;
        if let Some(date) = small.date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok()) {
            clock::not_before(date.as_secs(), "the server");
        }
        let manifest = RootManifest::verify(&small.bytes, &trusted)
            .map_err(|source| RootError::Manifest { from: url.to_string(), source })?;
        let root = sibling(&small.url, &manifest.file)?;
        Ok(Described { manifest, bytes: small.bytes, digest: trusted, root })
    }

    /// Fetches what is described into memory.
    async fn root(&self, described: Described) -> Result<Fetched, RootError> {
        let manifest = &described.manifest;
        let path = room_for(&manifest.file, manifest.size)?;
        let store = store(&path)?;
        info!("fetching {}, {} MiB", described.root, manifest.size.div_ceil(1 << 20));
        let sources = [self.mirror(&described)];
        let (done, shared) = self.transfer(&described, &sources, store, Options::default()).await?;
        let root = VerifiedRoot::of(&described.manifest, Place::File(path.into()));
        Ok(Fetched { root, account: account(&done), shared })
    }

    /// The server that has what is described.
    pub fn mirror(&self, described: &Described) -> Arc<dyn Source> {
        let (url, size) = (described.root.clone(), described.manifest.size);
        mirror(&self.client, url, Some(size))
    }

    /// Fetches what is described from `sources`, and from other machines when it is shared, into `store`.
    pub async fn transfer(
        &self,
        described: &Described,
        sources: &[Arc<dyn Source>],
        store: Arc<dyn Store>,
        options: Options,
    ) -> Result<(Complete, Option<Shared>), RootError> {
        let Described { manifest, bytes, digest, root: url } = described;
        let swarm = self.swarm(url);
        let mut progress = Progress::new(&manifest.file).reported_by(&self.reporter);
        let observe = &mut |notice: bootwright_fetch::Notice<'_>| progress.notice(&notice);
        let options = options.with_retries(RETRIES);
        let (done, seeder) =
            share::fetch(manifest, sources, store, swarm.as_ref(), &options, observe).await?;
        progress.done(manifest.size, done.took);
        let shared = swarm.zip(seeder).map(|(listening, seeder)| Shared {
            listening,
            until_then: Giver::Us(seeder),
            manifest: bytes.to_vec(),
            digest: *digest,
        });
        Ok((done, shared))
    }

    /// Where other machines of the swarm of `root` connect to, when it is shared.
    pub fn swarm(&self, root: &Url) -> Option<Listening> {
        let listening = Listening::begin(&self.client, root, self.terms?);
        let listening = listening.inspect_err(|error| {
            warn!("no port for other machines: {error}: the root comes from its server alone");
        });
        listening.ok()
    }
}

/// Who sent how much: `12.0 MiB from mirrors, 30.5 MiB from 3 peers`.
pub fn account(done: &Complete) -> String {
    let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) & 1023) * 10 / 1024);
    let progress = done.progress;
    let mirrors = progress.stored.saturating_sub(progress.kept).saturating_sub(progress.from_peers);
    let givers = done.by_peer.iter().filter(|peer| peer.received > 0).count();
    let mut text = format!("{} from mirrors, {} from {givers} peers", mib(mirrors), mib(progress.from_peers));
    if done.refused > 0 {
        text.push_str(&format!(", {} damaged chunks refused", done.refused));
    }
    text
}

/// Checks the memory before the first byte and gives the path of the file.
pub fn room_for(name: &str, size: u64) -> Result<String, RootError> {
    memory::check(name, size).map_err(crate::boot::BootError::from)?;
    ram::make_room(size)?;
    Ok(format!("{}/{name}", ram::IMAGE_DIRECTORY))
}

pub(super) fn store(path: &str) -> Result<Arc<FileStore>, RootError> {
    let store = FileStore::in_place(Path::new(path));
    store.map(Arc::new).map_err(|source| RootError::Read { path: path.into(), source })
}

fn sibling(image: &Url, name: &str) -> Result<Url, RootError> {
    image.join(name).map_err(|problem| RootError::Sibling {
        image: image.to_string(),
        name: name.to_owned(),
        problem: problem.to_string(),
    })
}
