//! A root that lies on a local medium: it goes into memory chunk by chunk, each one verified, exactly as from
//! a server.

use std::sync::Arc;

use bootwright_fetch::{FileSource, Options, Source, fetch};
use tracing::info;

use super::fetched::{room_for, store};
use super::progress::Progress;
use super::{Place, RootError, VerifiedRoot};
use crate::medium::Found;

/// Copies the root into memory.
pub async fn copied(found: &Found) -> Result<VerifiedRoot, RootError> {
    let manifest = &found.manifest;
    let path = room_for(&manifest.file, manifest.size)?;
    let store = store(&path)?;
    info!("reading {}, {} MiB", found.place, manifest.size.div_ceil(1 << 20));
    let source: Arc<dyn Source> = Arc::new(FileSource::new(found.place.clone(), Arc::clone(&found.root)));
    let mut progress = Progress::new(&manifest.file);
    let options = Options::default();
    let done = fetch(manifest, &[source], store, &options, &mut |notice| progress.notice(&notice)).await?;
    progress.done(manifest.size, done.took);
    Ok(VerifiedRoot::of(manifest, Place::File(path.into())))
}
