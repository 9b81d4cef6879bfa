//! A root that a server has (mode `ram`): manifest, memory check, chunks.

use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{
    Client, FileOptions, FileStore, HttpSource, Options, Retries, RetryPolicy, Source, fetch, fetch_file,
    get_small,
};
use bootwright_image::{Digest, MAX_MANIFEST, Pin, RootManifest, Verified};
use bootwright_plan::address::ImageAddress;
use bootwright_plan::boot::trusted;
use tracing::{info, warn};
use url::Url;

use super::progress::Progress;
use super::{RootError, VerifiedRoot, detect};
use crate::boot::{memory, ram};
use crate::clock;

/// How often in a row a download may fail before the machine gives up: with the growing waits between
/// them about five minutes, in which a server can be restarted.
const RETRIES: Retries = Retries::Finite(24);

/// The largest single file that is fetched without a manifest.
const MAX_FILE: u64 = 1 << 40;

/// The name of the root manifest beside the image's.
const ROOT_MANIFEST: &str = "root.json";

/// What fetches, and where progress goes.
pub struct Fetcher {
    /// Names, connections, TLS.
    pub client: Arc<Client>,
}

/// Fetches the root of the image at `address` into memory. Its manifest has to have the digest that `pin`
/// or, without one, `digest` says.
pub async fn fetched(
    fetcher: &Fetcher,
    address: &ImageAddress,
    pin: Option<&Pin>,
    digest: Option<Digest>,
) -> Result<VerifiedRoot, RootError> {
    let trusted = trusted(pin, digest).ok_or_else(|| RootError::Unpinned(address.url.to_string()))?;
    if trusted.overruled {
        warn!("bootwright.digest= differs from the digest pinned in the initrd and has no effect");
    }
    let trusted = trusted.digest;
    if pin.is_some() || address.is_manifest() {
        let (manifest, url) = fetcher.manifest(address, &trusted).await?;
        fetcher.root(&manifest, &url).await
    } else {
        fetcher.single_file(&address.url, trusted).await
    }
}

impl Fetcher {
    /// The verified manifest, and the URL that its files are beside.
    async fn manifest(
        &self,
        address: &ImageAddress,
        trusted: &Digest,
    ) -> Result<(Verified<RootManifest>, Url), RootError> {
        let url = sibling(&address.url, ROOT_MANIFEST)?;
        let mut progress = Progress::new(ROOT_MANIFEST);
        let retry = RetryPolicy::default();
        let small =
            get_small(&self.client, &url, MAX_MANIFEST, retry, &mut |notice| progress.notice(&notice))
                .await?;
        if let Some(date) = small.date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok()) {
            clock::not_before(date.as_secs(), "the server");
        }
        let manifest = RootManifest::verify(&small.bytes, trusted)
            .map_err(|source| RootError::Manifest { from: url.to_string(), source })?;
        Ok((manifest, small.url))
    }

    async fn root(&self, manifest: &Verified<RootManifest>, beside: &Url) -> Result<VerifiedRoot, RootError> {
        let url = sibling(beside, &manifest.file)?;
        let path = room_for(&manifest.file, manifest.size)?;
        let store = store(&path)?;
        info!("fetching {url}, {} MiB", manifest.size.div_ceil(1 << 20));
        let mirror: Arc<dyn Source> =
            Arc::new(HttpSource::new(self.client.clone(), url, Some(manifest.size)));
        let mut progress = Progress::new(&manifest.file);
        let options = Options::default().with_retries(RETRIES);
        let done =
            fetch(manifest, &[mirror], store, &options, &mut |notice| progress.notice(&notice)).await?;
        progress.done(manifest.size, done.took);
        Ok(VerifiedRoot::of(manifest, path.into()))
    }

    /// A root without manifest: its digest covers the whole file.
    async fn single_file(&self, url: &Url, digest: Digest) -> Result<VerifiedRoot, RootError> {
        let path = format!("{}/root.img", ram::IMAGE_DIRECTORY);
        let source = HttpSource::new(self.client.clone(), url.clone(), None);
        let limit = memory::room().unwrap_or(MAX_FILE);
        ram::make_room(limit)?;
        info!("fetching {url}");
        let mut progress = Progress::new("root.img");
        let options = FileOptions {
            retry: RetryPolicy { retries: RETRIES, ..RetryPolicy::default() },
            ..FileOptions::up_to(limit)
        };
        let done = fetch_file(&source, Some(digest), store(&path)?, &options, &mut |notice| {
            progress.notice(&notice);
        })
        .await?;
        progress.done(done.size, done.took);
        let format = detect(Path::new(&path)).ok_or_else(|| RootError::Format(url.to_string()))?;
        Ok(VerifiedRoot { path: path.into(), format, size: done.size, verity: None })
    }
}

/// Checks the memory before the first byte and gives the path of the file.
pub(super) fn room_for(name: &str, size: u64) -> Result<String, RootError> {
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
