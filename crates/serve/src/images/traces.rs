//! Boot traces, merged over the boots of an image: told by machines, given to the next ones.
//!
//! `trace-IMAGE.json` in the state directory is what has been merged of one image. A trace belongs to one root: when the
//! image has another, it begins anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bootwright_image::trace::{Merged, TRACE, Trace, TraceError};
use bootwright_image::{ArtifactKind, Digest};

use super::entity::{Body, Entity, content_type};
use super::open::{Image, etag};

/// The beginning of the names of these files in the state directory.
pub const PREFIX: &str = "trace-";

/// The largest file that is read back: a line of numbers for each chunk that a root can have.
const MAX_FILE: u64 = 8 << 20;

/// The traces of all images.
#[derive(Debug, Default)]
pub struct Traces {
    directory: Option<PathBuf>,
    merged: Mutex<BTreeMap<String, Merged>>,
}

impl Traces {
    /// Kept in `directory`; without one they are forgotten when the server ends.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, merged: Mutex::default() }
    }

    /// Takes in the trace of a boot of `image`; how many boots have told theirs. Touches the disk.
    pub fn take(&self, image: &Image, trace: &Trace) -> Result<u64, TraceError> {
        let count = image.swarm.as_ref().map_or(0, |swarm| swarm.manifest.chunks.sha256.len());
        trace.check(count)?;
        let merged = {
            let mut all = self.lock();
            let merged = all.entry(image.name().to_owned()).or_insert_with(|| self.kept(image, trace.root));
            if merged.root != trace.root {
                *merged = Merged::new(trace.root);
            }
            merged.take(trace);
            merged.clone()
        };
        if let Some(path) = self.path(image)
            && let Err(error) = write(&path, &merged)
        {
            tracing::warn!("{}: {error}: the trace is forgotten when the server ends", path.display());
        }
        Ok(merged.boots)
    }

    /// `trace.json` of `image`, when machines have told of its root.
    pub(super) fn entity(&self, image: &Image, file: &str) -> Option<Arc<Entity>> {
        let root = root_of(image).filter(|_| file == TRACE)?;
        let trace = {
            let mut all = self.lock();
            let merged = all.entry(image.name().to_owned()).or_insert_with(|| self.kept(image, root));
            (merged.root == root && merged.boots > 0).then(|| merged.trace())?
        };
        let bytes = serde_json::to_vec(&trace).ok()?;
        Some(Arc::new(Entity {
            etag: etag(&Digest::of(&bytes), ""),
            modified: SystemTime::now(),
            content_type: content_type(TRACE),
            body: Body::Memory(bytes.into()),
        }))
    }

    /// What an earlier server has kept of this root.
    fn kept(&self, image: &Image, root: Digest) -> Merged {
        let kept = self.path(image).and_then(|path| read(&path));
        kept.filter(|kept| kept.root == root).unwrap_or_else(|| Merged::new(root))
    }

    fn path(&self, image: &Image) -> Option<PathBuf> {
        // An image's name is a plain file name, or its manifest would have been refused.
        self.directory.as_ref().map(|directory| directory.join(format!("{PREFIX}{}.json", image.name())))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Merged>> {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of its root manifest.
pub fn root_of(image: &Image) -> Option<Digest> {
    image.manifest.artifact(ArtifactKind::RootManifest).map(|artifact| artifact.digest)
}

fn read(path: &Path) -> Option<Merged> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() > MAX_FILE {
        return None;
    }
    serde_json::from_reader(io::BufReader::new(file)).ok()
}

fn write(path: &Path, merged: &Merged) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(merged)?)?;
    std::fs::rename(&new, path)
}
