//! What of a root is not in the cache is fetched into it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bootwright_fetch::{Backoff, Error, Options, Source};
use bootwright_formats::cache::{Generation, Header};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tracing::{info, warn};

use super::base::{Base, leaves, leaves_of, tree_place};
use super::cache::{Cache, Kept};
use super::delta::{BLOCK, Delta, Plan, SPAN};
use super::device::DeviceError;
use super::room::{TooSmall, place};
use super::store::{Before, RootStore};
use crate::root::{Described, Fetcher, RootError};
use crate::share::Shared;

/// How often the tree is asked for; without it the root is fetched whole.
const ATTEMPTS: u32 = 8;

/// A root that is whole.
pub struct Filled {
    /// It.
    pub kept: Kept,
    /// How it came to be so: `1.2 MiB fetched, 98.0 MiB were there`.
    pub account: String,
    /// What others are given.
    pub shared: Option<Shared>,
}

/// Why a root is not in the cache.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// It does not fit.
    #[error(transparent)]
    Room(#[from] TooSmall),
    /// It has no tree.
    #[error("the root has no dm-verity tree (verity = true in the recipe), and is not kept without")]
    NoTree,
    /// The disk failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The download failed, or the disk during it.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A program's fault.
    #[error("preparing the cache")]
    Worker(#[from] tokio::task::JoinError),
    /// The manifest that was written a moment ago is not there.
    #[error("{0} does not keep what is written to it")]
    Forgets(String),
}

impl FillError {
    /// Whether it is the cache that fails, and memory would do.
    pub fn is_of_the_cache(&self) -> bool {
        match self {
            Self::Room(_) | Self::NoTree | Self::Device(_) | Self::Worker(_) | Self::Forgets(_) => true,
            Self::Root(RootError::Fetch(error)) => matches!(**error, Error::Store { .. }),
            Self::Root(_) => false,
        }
    }
}

/// A place that is ready for what is missing.
struct Prepared {
    cache: Cache,
    generation: Generation,
    before: Before,
    /// Older roots.
    base: Option<Base>,
    /// The tree, when the cache has it.
    tree: Option<Bytes>,
}

/// Makes the root that is `described` whole. The cache comes back unless it failed.
pub async fn fill(
    cache: Cache,
    described: Described,
    fetcher: Fetcher,
) -> Result<(Cache, Filled), FillError> {
    if described.manifest.verity.is_none() {
        return Err(FillError::NoTree);
    }
    let described = Arc::new(described);
    let about = Arc::clone(&described);
    let Prepared { mut cache, generation, before, base, tree } =
        tokio::task::spawn_blocking(move || prepare(cache, &about)).await??;
    let mirror = fetcher.mirror(&described);
    let mut sources = vec![Arc::clone(&mirror)];
    let (mut options, mut delta) = (Options::default(), None);
    let mut sent = 0;
    if let Some(base) = base
        && let Some((plan, fetched)) = plan(base, tree, &described, &generation, &*mirror).await
    {
        sent = fetched;
        let source = Delta::new(plan, mirror);
        delta = Some(source.fetched());
        sources.insert(0, Arc::new(source));
        options.span = SPAN;
    }
    // Peers would give whole chunks of what is here but for a few blocks.
    let terms = fetcher.terms.filter(|_| delta.is_none());
    let fetcher = Fetcher { terms, ..fetcher };
    let size = described.manifest.size;
    info!("{}, {} MiB, into {}", described.root, size.div_ceil(1 << 20), cache.device().path());
    let store = Arc::new(RootStore::new(cache.device(), &generation, before));
    let (done, shared) = fetcher.transfer(&described, &sources, store, options).await?;
    cache.change_one(&described.digest, |one, _| {
        one.state.complete = true;
        one.state.entered = false;
    })?;
    let by_mirror = done.by_source.last().copied().unwrap_or_default();
    sent += by_mirror + delta.map_or(0, |fetched| fetched.load(Ordering::Relaxed)) + done.progress.from_peers;
    let account = format!("{} fetched, {} were there", mib(sent), mib(size.saturating_sub(sent)));
    let kept = cache.kept(&described.digest);
    let kept = kept.ok_or_else(|| FillError::Forgets(cache.device().path().to_owned()))?;
    Ok((cache, Filled { kept, account, shared }))
}

/// Finds or makes a place, writes the manifest, and looks at what the cache has. Blocks.
fn prepare(mut cache: Cache, described: &Described) -> Result<Prepared, FillError> {
    let (manifest, digest) = (&described.manifest, &described.digest);
    let there = cache.generation(digest).filter(|one| one.root == manifest.size).cloned();
    let before = match there {
        Some(_) => Before::Perhaps,
        None => {
            let length = u32::try_from(described.bytes.len()).unwrap_or(u32::MAX);
            let placed = place(cache.header(), digest, manifest.size, length)?;
            if placed.alone {
                warn!("there is no room for two generations: the former image is given up for the new one");
            }
            let alone = placed.alone;
            cache.change(|header: &mut Header| header.generations = placed.generations)?;
            // Chunks that are the same at the same place need not be written.
            if alone { Before::Perhaps } else { Before::Nothing }
        }
    };
    let device = cache.device();
    let found = cache.generation(digest).cloned();
    let generation = found.ok_or_else(|| FillError::Forgets(device.path().to_owned()))?;
    device.write(generation.manifest_range().start, &described.bytes)?;
    device.sync()?;
    let base = Base::of(&cache, digest);
    let tree = leaves_of(cache.device(), generation.offset, manifest).map(|(tree, _)| tree);
    Ok(Prepared { generation, before, base, tree: tree.map(Bytes::from), cache })
}

/// How the root is made of what the cache has, and how many bytes had to be fetched to know it.
async fn plan(
    base: Base,
    tree: Option<Bytes>,
    described: &Described,
    generation: &Generation,
    mirror: &dyn Source,
) -> Option<(Plan, u64)> {
    let manifest = &described.manifest;
    let (at, length) = tree_place(manifest)?;
    if !u64::from(manifest.chunks.size).is_multiple_of(BLOCK) {
        return None;
    }
    let (tree, fetched) = match tree {
        Some(tree) => (tree, 0),
        // A few chunks are damaged, its tree among them: they are less than a tree.
        None if generation.state.complete => return None,
        None => (fetch_tree(mirror, at, length).await?, length as u64),
    };
    let Some(leaves) = leaves(&tree, manifest) else {
        warn!("{}: its dm-verity tree is damaged: the root is fetched whole", mirror.name());
        return None;
    };
    Some((Plan { leaves, tree, base }, fetched))
}

/// The tree: less than a hundredth of the root.
async fn fetch_tree(mirror: &dyn Source, at: u64, length: usize) -> Option<Bytes> {
    let mut random = fastrand::Rng::new();
    for attempt in 1..=ATTEMPTS {
        match read(mirror, at, length).await {
            Ok(tree) => return Some(tree),
            Err(why) if attempt == ATTEMPTS => warn!("{why}: the root is fetched whole"),
            Err(why) => {
                warn!("{why}; again");
                tokio::time::sleep(Backoff::default().wait(attempt, None, &mut random)).await;
            }
        }
    }
    None
}

async fn read(mirror: &dyn Source, at: u64, length: usize) -> Result<Bytes, String> {
    let told = |failure: bootwright_fetch::Failure| failure.explain();
    let mut body = mirror.read(at..at.saturating_add(length as u64)).await.map_err(told)?;
    let mut tree = Vec::with_capacity(length);
    while let Some(piece) = body.bytes.next().await {
        tree.extend(piece.map_err(told)?);
        if tree.len() > length {
            return Err(format!("{} sends more than it was asked for", mirror.name()));
        }
    }
    if tree.len() < length {
        return Err(format!("{} sends less than it was asked for", mirror.name()));
    }
    Ok(tree.into())
}

fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) & 1023) * 10 / 1024)
}
